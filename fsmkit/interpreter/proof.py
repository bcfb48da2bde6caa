"""Which values come back from JSON as they went, known by their classes alone.

To read all again that is written is right for any type, and costs more than writing it. For texts, whole
numbers, `True`, `False` and `None`, and for dicts, lists and plain attrs classes of them, it is needless:
what is written for these has one meaning, and nothing of the user's runs when it is read. A proof that does
not hold says nothing: such a value is read again.
"""

import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from types import MemberDescriptorType, NoneType
from typing import Any, TypeAlias, get_origin

import attrs
from msgspec import inspect as types

MAX_NESTED = 16
"""Levels of dicts and lists that are looked into; deeper ones are read again."""

WHOLE = range(-(2**63), 2**63)
"""Whole numbers that any reader of JSON takes for one."""

Check: TypeAlias = Callable[[Any], bool]

Allowed: TypeAlias = Mapping[type, Check | None]
"""The classes that a value may have exactly, each with what has to be looked at beside it."""

_ATOMS: tuple[tuple[types.Type, Allowed], ...] = (  # equal nodes: one with a constraint is another
    (types.StrType(), {str: None}),
    (types.BoolType(), {bool: None}),
    (types.NoneType(), {NoneType: None}),
    (types.IntType(), {int: WHOLE.__contains__}),
)

_HOOKS = ("__attrs_pre_init__", "__attrs_post_init__", "__post_init__")

_OWN_MADE = ("<attrs generated", attrs.fields.__code__.co_filename)
"""Where the code of methods stands that attrs has made."""


class Proof:
    """What is known of the values of a type before any of them was seen.

    Args:
        node: What msgspec knows of the type.

    Attributes:
        allowed: The classes of values for which it may hold, each with what has to be looked at beside.
        frozen: Whether values for which it holds can never change, so that they may be shared.

    Example:
        >>> from msgspec.inspect import type_info
        >>> proof = Proof(type_info(dict))
        >>> proof.holds({"name": "Ann", "age": 42})
        True
        >>> proof.holds({"price": 1.5})
        False
    """

    __slots__ = ("allowed", "frozen")

    def __init__(self, node: types.Type) -> None:
        self.allowed: Allowed = _allowed(node, ()) or {}
        self.frozen = bool(self.allowed) and all(map(_is_frozen, self.allowed))

    def holds(self, value: Any) -> bool:
        """Return whether a value is known to come back as it went; `False` if nothing is known."""
        check = self.allowed.get(type(value), fails)
        return check is None or check(value)


def _passes(value: Any, allowed: Allowed) -> bool:
    check = allowed.get(type(value), fails)
    return check is None or check(value)


def fails(_value: Any) -> bool:
    """Return that nothing is known."""
    return False


def _allowed(node: types.Type, above: tuple[type, ...]) -> Allowed | None:
    """Return the classes that a value of a type may have; `None`: its values have to be read again.

    Args:
        node: The type.
        above: The classes among whose fields it stands.
    """
    for atom, allowed in _ATOMS:
        if node == atom:
            return allowed
    if isinstance(node, types.UnionType):
        options = [_allowed(each, above) for each in node.types]
        return (
            {kind: check for each in options for kind, check in (each or {}).items()}
            if all(options)
            else None
        )
    if isinstance(node, types.AnyType):
        return _PLAIN
    if node == types.DictType(types.AnyType(), types.AnyType()):
        return {dict: _PLAIN[dict]}
    if not isinstance(node, types.DataclassType):
        return None
    kind = get_origin(node.cls) or node.cls
    return (
        None if kind in above or not _is_plain_class(kind) else _of_class(kind, node.fields, (*above, kind))
    )


def _of_class(kind: type, fields: Iterable[types.Field], above: tuple[type, ...]) -> Allowed | None:
    found = {field.name: _allowed(field.type, above) for field in fields}
    names = [field.name for field in attrs.fields(kind)]
    if [*found] != names or not all(found.values()):
        return None
    if len(names) == 1:
        (name,) = names
        return {kind: lambda value: _passes(getattr(value, name), found[name] or {})}
    values, allowed = operator.attrgetter(*names), tuple(each or {} for each in found.values())
    known: dict[tuple[type, ...], list[tuple[int, Check]]] = {}

    def fields_pass(value: Any) -> bool:
        fields = values(value)
        kinds = tuple(map(type, fields))
        checks = known.get(kinds)
        if checks is None:
            if not all(kind in each for kind, each in zip(kinds, allowed, strict=True)):
                return False
            each_check = (each[kind] for kind, each in zip(kinds, allowed, strict=True))
            checks = known[kinds] = [(n, check) for n, check in enumerate(each_check) if check is not None]
        for n, check in checks:  # noqa: SIM110  # `all` makes a generator, for each value
            if not check(fields[n]):
                return False
        return True

    return {kind: fields_pass}


def _is_plain_class(kind: Any) -> bool:
    """Return whether attrs has made all of a class that has to do with making and comparing its objects."""
    if type(kind) is not type or not attrs.has(kind) or not attrs.fields(kind):
        return False
    if any(hasattr(kind, hook) for hook in _HOOKS) or kind.__new__ is not object.__new__:
        return False
    if kind.__getattribute__ is not object.__getattribute__ or hasattr(kind, "__getattr__"):
        return False
    own = _made_by_attrs(kind.__eq__) and (
        kind.__setattr__ is object.__setattr__ or _made_by_attrs(kind.__setattr__)
    )
    return own and all(_is_plain_field(kind, field) for field in attrs.fields(kind))


def _is_plain_field(kind: type, field: "attrs.Attribute[Any]") -> bool:
    compared = field.eq is True and getattr(field, "eq_key", None) is None
    if not compared or not field.init or field.name.startswith("_"):
        return False
    if field.converter is not None or field.validator is not None:
        return False
    stored = inspect.getattr_static(kind, field.name, None)
    return stored is None or isinstance(stored, MemberDescriptorType)


def _made_by_attrs(method: Any) -> bool:
    return getattr(getattr(method, "__code__", None), "co_filename", "").startswith(_OWN_MADE)


def _is_frozen(kind: Any) -> bool:
    """Return whether objects of a class, and what stands in them, can never change."""
    if not attrs.has(kind):
        return kind in (str, bool, NoneType, int)
    try:
        setattr(object.__new__(kind), attrs.fields(kind)[0].name, None)
    except attrs.exceptions.FrozenInstanceError:
        return all(_is_frozen(part) for part in _parts(kind))
    return False


def _parts(kind: type) -> set[Any]:
    """Return the classes of the values in an object of a class for which a proof may hold."""
    node = types.type_info(kind)
    fields = node.fields if isinstance(node, types.DataclassType) else ()
    return {part for field in fields for part in (_allowed(field.type, (kind,)) or {})}


def _plain_dict(value: Any, depth: int = MAX_NESTED) -> bool:
    return all(type(key) is str for key in value) and _plain_items(value.values(), depth)


def _plain_items(values: Iterable[Any], depth: int = MAX_NESTED) -> bool:
    for each in values:
        kind = type(each)
        if kind is str or kind is bool or each is None:
            continue
        if kind is int and each in WHOLE:
            continue
        if depth == 0 or not (kind is dict or kind is list):
            return False
        if not (_plain_dict if kind is dict else _plain_items)(each, depth - 1):
            return False
    return True


_PLAIN: Allowed = {
    str: None,
    bool: None,
    NoneType: None,
    int: WHOLE.__contains__,
    dict: _plain_dict,
    list: _plain_items,
}
"""What stands where no type is declared."""
