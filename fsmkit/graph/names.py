"""What the names in a function stand for, found without running a line of the user's code.

Names are looked up in the function's own assignments, its bound arguments, its closure and its module, and
attributes by `inspect.getattr_static`: a property or a `__getattr__` of the user's is never called. What is
found that way may be several values (one per assignment) or `UNKNOWN`.
"""

import ast
import enum
import inspect
import types
from collections.abc import Mapping
from typing import Any, Final

import attrs

from fsmkit.flow import Flow
from fsmkit.states import State


class Unknown(enum.Enum):
    """The value that a name has when it cannot be told without running the function."""

    UNKNOWN = "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


@attrs.frozen(eq=False)
class Known:
    """A local name's value that is no expression of the function: an argument or an import."""

    value: Any


@attrs.frozen(eq=False)
class Scope:
    """The names of one function.

    Attributes:
        outer: The names of its closure, its module and the built-in ones.
        local: What is bound to each of its local names, anywhere in it.
        met: Flows whose states were looked up, in that order; filled while reading.
    """

    outer: Mapping[str, Any]
    local: Mapping[str, list[ast.expr | Known]]
    met: list[Flow[Any]] = attrs.field(factory=list)

    def values(self, expr: ast.expr, within: frozenset[str] = frozenset()) -> list[Any]:
        """What an expression may be, `UNKNOWN` for what cannot be told.

        Args:
            expr: The expression.
            within: Local names that are being looked up; met again, they add nothing new.
        """
        match expr:
            case ast.Constant(value):
                return [value]
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))):
                return [-number]
            case ast.Name(name):
                return self._named(name, within)
            case ast.Attribute(value=of, attr=attr):
                return [attribute(value, attr) for value in self.values(of, within)]
            case ast.Subscript(value=of, slice=index):
                keys = self.values(index, within)
                return [self._item(value, key) for value in self.values(of, within) for key in keys]
            case ast.NamedExpr(value=inner):
                return self.values(inner, within)
            case _:
                alternatives = choices(expr)
                return (
                    [v for e in alternatives for v in self.values(e, within)] if alternatives else [UNKNOWN]
                )

    def _named(self, name: str, within: frozenset[str]) -> list[Any]:
        if name not in self.local:
            return [self.outer.get(name, UNKNOWN)]
        if name in within:
            return []
        found: list[Any] = []
        for bound in self.local[name]:
            found += [bound.value] if isinstance(bound, Known) else self.values(bound, within | {name})
        return found

    def _item(self, value: Any, key: Any) -> Any:
        if isinstance(value, Flow) and isinstance(key, str | State):
            self.met.append(value)
            # A state that it does not have is still read: as a name that the flow's check will refuse.
            return value.states.get(str(key), f"{value.name}/{key}")
        # Only exact types: a subclass may have a `__getitem__` of its own.
        if type(value) is dict and type(key) in (str, int):
            return value.get(key, UNKNOWN)
        if type(value) is list or type(value) is tuple:
            inside = type(key) is int and -len(value) <= key < len(value)
            return value[key] if inside else UNKNOWN
        return UNKNOWN


def choices(expr: ast.expr) -> list[ast.expr]:
    """The expressions one of which a conditional expression, an `or` or an `and` comes to; else nothing.

    Of `x and y` only `y` counts: what is false is neither a state nor, but for `None`, a result.
    """
    match expr:
        case ast.IfExp(body=body, orelse=orelse):
            return [body, orelse]
        case ast.BoolOp(op=ast.Or(), values=values):
            return values
        case ast.BoolOp(op=ast.And(), values=values):
            return values[-1:]
        case _:
            return []


def attribute(value: Any, name: str) -> Any:
    """The attribute of a module, a class or an object, if it is plain data."""
    if value is UNKNOWN:
        return UNKNOWN
    if isinstance(value, enum.Enum) and name in ("name", "value"):
        name = f"_{name}_"
    found = inspect.getattr_static(value, name, UNKNOWN)
    if found is vars(State)["name"]:
        return value.name
    if isinstance(found, types.MemberDescriptorType):  # a slot: reading it runs no code of the user's
        return getattr(value, name, UNKNOWN)
    return UNKNOWN if isinstance(found, property | types.GetSetDescriptorType) else found
