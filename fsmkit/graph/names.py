"""What the names in a function stand for, found without running a line of the user's code.

Names are looked up in the function's own assignments, its bound arguments, its closure and its module, and
attributes by `inspect.getattr_static`: a property or a `__getattr__` of the user's is never called. What is
found that way may be several values (one per assignment) or `UNKNOWN`.
"""

import ast
import builtins
import enum
import functools
import importlib.util
import inspect
import linecache
import sys
import types
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

import attrs

from fsmkit.flow.flow import Flow
from fsmkit.flow.states import State


class Unknown(enum.Enum):
    """The value that a name has when it cannot be told without running the function."""

    UNKNOWN = "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN


@attrs.frozen(eq=False)
class BoundName:
    """A local name's value that is no expression of the function: an argument or an import."""

    value: Any


@attrs.frozen(eq=False)
class Scope:
    """The names of one function.

    Attributes:
        outer: The names of its closure, its module and the built-in ones.
        local: What is bound to each of its local names, anywhere in it.
        closed: Names of the closure that nothing rebinds once the function was made.
        rebound: Names that other functions, inside of it or around it, may rebind while the bot runs.
        met: Flows whose states were looked up, in that order; filled while reading.
    """

    outer: Mapping[str, Any]
    local: Mapping[str, list[ast.expr | BoundName]]
    closed: frozenset[str] = frozenset()
    met: list[Flow[Any]] = attrs.field(factory=list)
    rebound: frozenset[str] = frozenset()

    def values(self, expr: ast.expr, within: frozenset[str] = frozenset()) -> list[Any]:
        """Return what an expression may be, `UNKNOWN` for what cannot be told.

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
                alternatives = self.choices(expr)
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
            found += [bound.value] if isinstance(bound, BoundName) else self.values(bound, within | {name})
        return found

    def is_bound_once(self, name: str) -> bool:
        """Whether a local name has one value only, in whatever order the function's lines run."""
        return len(self.local[name]) == 1 and name not in self.rebound

    def is_certain(self, expr: ast.expr, within: frozenset[str] = frozenset()) -> bool:
        """Whether an expression comes to one of its `values` whenever it is evaluated, and to each at times.

        Not certain is what depends on the order of lines (a name that is bound twice) and what may be changed
        while the bot runs (an element of a dict or list, an attribute of an object).

        Args:
            expr: The expression.
            within: Local names that are being looked up.
        """
        match expr:
            case ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
                return True
            case ast.Name(name) if name in self.local:
                value = self.local[name][0]
                return (
                    self.is_bound_once(name)
                    and name not in within
                    and (isinstance(value, BoundName) or self.is_certain(value, within | {name}))
                )
            case ast.Name(name):
                return name not in self.rebound
            case ast.Attribute(value=of) | ast.Subscript(value=of):
                fixed = all(isinstance(value, _FIXED) for value in self.values(of))
                index = expr.slice if isinstance(expr, ast.Subscript) else ast.Constant(None)
                return fixed and self.is_certain(of, within) and self.is_certain(index, within)
            case ast.NamedExpr(value=inner):
                return self.is_certain(inner, within)
            case ast.IfExp():
                return all(self.is_certain(choice, within) for choice in self.choices(expr))
            case _:
                return False

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

    def choices(self, expr: ast.expr) -> list[ast.expr]:
        """As `choices`, without what a condition that is fixed rules out."""
        if isinstance(expr, ast.IfExp) and (holds := self.decided(expr.test)) is not None:
            return [expr.body if holds else expr.orelse]
        return choices(expr)

    def decided(self, test: ast.expr) -> bool | None:
        """Whether a condition holds in every call, as far as that hangs on what the function was made with.

        Only arguments with a bound value and what it closes over count: a global may be another one later.
        """
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.decided(operand)
                return None if inner is None else not inner
            case ast.BoolOp(op=op, values=parts):
                stops = isinstance(op, ast.Or)
                known = [self.decided(part) for part in parts]
                return stops if stops in known else None if None in known else not stops
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                ones, others = self._fixed(left), self._fixed(right)
                answers = {_compared(op, one, other) for one in ones for other in others}
            case _:
                answers = {bool(value) if type(value) in _PLAIN else None for value in self._fixed(test)}
        return answers.pop() if len(answers) == 1 else None

    def _fixed(self, expr: ast.expr) -> list[Any]:
        """Return what an expression is in every call, `UNKNOWN` if it may change."""
        match expr:
            case ast.Constant(value):
                return [value]
            case ast.Name(name) if name in self.local or name in self.closed:
                return self._named(name, frozenset())
            case _:
                return [UNKNOWN]


_FIXED = (types.ModuleType, type, enum.Enum, State, Flow, tuple)
"""Types whose attributes and elements stay as they are declared."""


_PLAIN = (bool, int, float, str, bytes, type(None))
"""Types whose truth and equality run no code of the user's."""


def _compared(op: ast.cmpop, one: Any, other: Any) -> bool | None:
    if one is UNKNOWN or other is UNKNOWN:
        return None
    plain = type(one) in _PLAIN and type(other) in _PLAIN
    match op:
        case ast.Is() | ast.IsNot() if one is None or other is None:
            return (one is other) == isinstance(op, ast.Is)
        case ast.Eq() | ast.NotEq() if plain:
            return bool(one == other) == isinstance(op, ast.Eq)
        case _:
            return None


def choices(expr: ast.expr) -> list[ast.expr]:
    """Return the expressions to one of which a conditional, an `or` or an `and` comes; else nothing.

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
    """Return the attribute of a module, a class or an object, if it is plain data."""
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


FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class UnreadableSourceError(Exception):
    """There is no source, or it is not that of a handler; the text says why."""


def names_in(function: Any) -> tuple[FunctionNode, Scope]:
    """Return the source of a function, and its names.

    Args:
        function: What was registered, to be called with `(event, ctx)`.

    Raises:
        UnreadableSourceError: If its source is not to be had.
    """
    plain, parameters = unwrapped(function)
    if plain is None:
        raise UnreadableSourceError("it is not written in Python")
    node = _node_of(plain)
    outside = _rebound(plain.__code__.co_filename)
    closed = frozenset(plain.__code__.co_freevars) - outside
    local = _bound_names(plain, node, parameters)
    rebound = (outside - local.keys()) | _rebinding(node)
    return node, Scope(_outer_names(plain), local, closed, rebound=rebound)


def wrappers_of(function: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what stands around the function that was written down, as `functools.wraps` leaves it.

    The outermost comes first, each with what it wraps.
    """
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function = function.__func__
        elif (inner := inspect.getattr_static(function, "__wrapped__", None)) is None:
            return
        else:
            yield function, inner
            function = inner


def unwrapped(function: Any) -> tuple[types.FunctionType | None, dict[str, Any]]:
    """Return the function that was written down, and its parameters' values when the engine calls it.

    It looks through `functools.partial`, bound methods, `functools.wraps` and objects with `__call__`.

    Args:
        function: What was registered, to be called with `(event, ctx)`.

    Returns:
        The function, `None` if there is none in Python; and its parameters, `UNKNOWN` for those that are
        given with the call.
    """
    args: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    while True:
        if isinstance(function, functools.partial):
            args, keywords = (*function.args, *args), {**function.keywords, **keywords}
            function = function.func
        elif isinstance(function, types.MethodType):
            args, function = (function.__self__, *args), function.__func__
        elif (inner := inspect.getattr_static(function, "__wrapped__", None)) is not None:
            function = inner
        elif isinstance(function, types.FunctionType):
            return function, _parameters(function, args, keywords)
        elif isinstance(call := inspect.getattr_static(type(function), "__call__", None), types.FunctionType):
            args, function = (function, *args), call
        else:
            return None, {}


def _parameters(
    function: types.FunctionType, args: tuple[Any, ...], keywords: dict[str, Any]
) -> dict[str, Any]:
    signature = inspect.signature(function)
    values = dict.fromkeys(signature.parameters, UNKNOWN)
    try:
        bound = signature.bind(*args, UNKNOWN, UNKNOWN, **keywords)
    except TypeError:  # a decorator gives it other arguments than the engine's
        return values
    bound.apply_defaults()
    return values | bound.arguments


# -- its node in the file --------------------------------------------------------------------------


def _node_of(function: types.FunctionType) -> FunctionNode:
    code = function.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, function.__globals__)
    try:
        nodes = _functions_in(code.co_filename, lines).get((code.co_name, code.co_firstlineno), ())
    except (SyntaxError, ValueError):  # the file has been changed since
        nodes = ()
    if not lines:
        raise UnreadableSourceError("there is no source file to read")
    if len(nodes) > 1:  # lambdas on one line, one perhaps inside of the other
        nodes = tuple(sorted((node for node in nodes if _holds(node, code)), key=_length))[:1]
    if len(nodes) != 1:
        raise UnreadableSourceError("the source file has no such function where it was defined")
    return nodes[0]


def _rebound(path: str) -> frozenset[str]:
    """Return the names that some function of a file declares `nonlocal` or `global`."""
    return _read[path][2] if path in _read else frozenset()


Node = TypeVar("Node", bound=ast.AST)
T = TypeVar("T")


def _once(read: Callable[[Node], T]) -> Callable[[Node], T]:
    """Keep what is read from a node as long as the node: each bot that is made reads its handlers again."""
    known: WeakKeyDictionary[Node, T] = WeakKeyDictionary()

    @functools.wraps(read)
    def kept(node: Node) -> T:
        if node not in known:
            known[node] = read(node)
        return known[node]

    return kept


_Functions = Mapping[tuple[str, int], tuple[FunctionNode, ...]]

_read: dict[str, tuple[list[str], _Functions, frozenset[str]]] = {}
"""The functions of each file: handlers stand many in one, and flows are read a few times over."""


def _functions_in(path: str, lines: list[str]) -> _Functions:
    if (
        path not in _read or _read[path][0] is not lines
    ):  # `linecache` gives the same list until the file changes
        tree = ast.parse("".join(lines))
        _read[path] = (lines, _functions_of(tree), _rebinding(tree))
    return _read[path][1]


@_once
def _rebinding(tree: ast.AST) -> frozenset[str]:
    """Return the names that functions in a tree declare `nonlocal` or `global`."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Nonlocal | ast.Global))
    return frozenset(name for node in nodes for name in node.names)


def _functions_of(tree: ast.AST) -> _Functions:
    found: dict[tuple[str, int], tuple[FunctionNode, ...]] = {}
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            line = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            key = ("<lambda>" if isinstance(node, ast.Lambda) else node.name, line)
            found[key] = (*found.get(key, ()), node)
    return found


def _holds(node: FunctionNode, code: types.CodeType) -> bool:
    """Return whether all that the code does is written in the body of a lambda."""
    if not isinstance(node, ast.Lambda):
        return False
    body = node.body
    starts, ends = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line and end_line and column is not None and end_column  # not the start of the function itself
    ]
    return bool(spans) and all(starts <= start and end <= ends for start, end in spans)


def _length(node: FunctionNode) -> int:
    return len(ast.unparse(node))


# -- its arguments and assignments -----------------------------------------------------------------


def _outer_names(function: types.FunctionType) -> Mapping[str, Any]:
    closure: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            closure[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            closure[name] = UNKNOWN
    return ChainMap(closure, function.__globals__, builtins.__dict__)


def _bound_names(
    function: types.FunctionType, node: FunctionNode, parameters: Mapping[str, Any]
) -> dict[str, list[ast.expr | BoundName]]:
    local: dict[str, list[ast.expr | BoundName]] = {
        name: [BoundName(value)] for name, value in parameters.items()
    }
    nodes = own_nodes(node)
    assigned = {target: value for inner in nodes for target, value in _assignments(inner)}
    for inner in nodes:
        if isinstance(inner, ast.Name):
            bound = assigned.get(inner, BoundName(UNKNOWN))
            if not isinstance(inner.ctx, ast.Load) and bound is not None:
                local.setdefault(inner.id, []).append(bound)
        for name, value in _other_bindings(inner, function):
            local.setdefault(name, []).append(BoundName(value))
    return local


def own_nodes(node: FunctionNode, left_out: Iterable[ast.AST] = ()) -> Iterable[ast.AST]:
    """Return all nodes of a function's body but those inside of functions and classes that it defines."""
    without = {*left_out}
    return _own_nodes(node, without) if without else _all_own_nodes(node)


@_once
def _all_own_nodes(node: FunctionNode) -> tuple[ast.AST, ...]:
    return tuple(_own_nodes(node, set()))


def _own_nodes(node: FunctionNode, without: set[ast.AST]) -> Iterator[ast.AST]:
    todo: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*reversed(node.body)]
    while todo:
        inner = todo.pop()
        if inner in without:
            continue
        yield inner
        if not isinstance(inner, FunctionNode | ast.ClassDef):
            todo += reversed(list(ast.iter_child_nodes(inner)))


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Return targets with what is assigned to them, `None` where there is only an annotation."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _pairs(target, value)
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield target, value
        case _:
            return


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Split `a, b = x, y` into two assignments; other unpackings cannot be read."""
    if isinstance(target, ast.Name):
        yield target, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        parts = [*target.elts, *value.elts]
        if len(target.elts) == len(value.elts) and not any(isinstance(e, ast.Starred) for e in parts):
            for part, its_value in zip(target.elts, value.elts, strict=True):
                yield from _pairs(part, its_value)


def _other_bindings(node: ast.AST, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield names bound otherwise than by an assignment: most cannot be told, imports can."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or module, sys.modules.get(module, UNKNOWN)
        case ast.ImportFrom(module=module, names=names, level=level):
            imported = _module("." * level + (module or ""), function)
            for alias in names:
                yield alias.asname or alias.name, attribute(imported, alias.name)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, UNKNOWN
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, UNKNOWN
        case ast.MatchMapping(rest=str(name)):
            yield name, UNKNOWN
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from ((name, UNKNOWN) for name in names)
        case _:
            return


def _module(name: str, function: types.FunctionType) -> Any:
    try:
        full = importlib.util.resolve_name(name, function.__globals__.get("__package__") or "")
    except ImportError:
        return UNKNOWN
    return sys.modules.get(full, UNKNOWN)
