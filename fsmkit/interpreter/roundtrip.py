"""Whether a value came back from JSON as it went in: in every commit, so it has to be fast.

Where and why it did not is found in `differences`.
"""

import datetime as dt
import decimal
import functools
import math
import operator
import reprlib
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, get_origin

import attrs
import msgspec
from msgspec import inspect

MAX_DEPTH = 100
"""Levels of nesting allowed. The interpreter's own limit depends on how deep the caller already stands: what
one call could write, another could not read."""

_ATOMS = frozenset(
    {NoneType, bool, int, float, str, bytes, bytearray, uuid.UUID, decimal.Decimal, dt.timedelta, dt.date}
)


def same(value: Any, back: Any, depth: int = MAX_DEPTH) -> bool:
    """Return whether two values are equal and of the same classes at every place.

    `==` alone is not enough: `1 == True == 1.0`, and members of a `StrEnum` equal their texts.

    Args:
        value: What was written.
        back: What was read.
        depth: Levels of nesting that are still allowed.
    """
    kind: Any = type(back)
    if type(value) is not kind:
        # Only a declared float makes one of an int, and there an int is welcome, as in static typing.
        return kind is float and type(value) is int and bool(value == back)
    if kind in _ATOMS:
        return bool(value == back)
    if depth == 0:
        return False
    if kind is dict:
        return _all_same(value, back, depth) and _all_same(value.values(), back.values(), depth)
    if kind is list:
        return _all_same(value, back, depth)
    fields = _field_values(kind)  # type: ignore[arg-type]  # mypy takes no class for hashable
    if fields is not None:
        return _all_same(fields(value), fields(back), depth)
    if issubclass(kind, tuple):
        return _all_same(value, back, depth)
    return _same_otherwise(value, back, depth)


def field_names(kind: type) -> tuple[str, ...] | None:
    """Return the fields that count for equality."""
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind) if field.eq)
    if is_dataclass(kind):
        return tuple(field.name for field in dataclass_fields(kind) if field.compare)
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    return None


def _all_same(values: Collection[Any], backs: Collection[Any], depth: int) -> bool:
    if len(values) != len(backs):
        return False
    for value, back in zip(values, backs, strict=True):
        kind = type(back)
        if type(value) is kind and kind in _ATOMS:  # the ordinary case, without a call for each
            if value != back:
                return False
        elif not same(value, back, depth - 1):
            return False
    return True


def _same_otherwise(value: Any, back: Any, depth: int) -> bool:
    if isinstance(value, (set, frozenset)):
        twins = {item: item for item in back}  # a set has no order to go by
        items = [*value]
        return len(items) == len(twins) and all(
            item in twins and same(item, twins[item], depth - 1) for item in items
        )
    if isinstance(value, (dt.datetime, dt.time)):
        # JSON keeps the offset of a zone, not the zone; such times also equal nothing twice a year,
        # in the hour that clocks repeat.
        return (
            value == back and value.tzinfo == back.tzinfo and (value.fold == back.fold or bool(value.tzinfo))
        )
    return bool(value == back)


@functools.lru_cache(maxsize=1024)
def _field_values(kind: type) -> Callable[[Any], tuple[Any, ...]] | None:
    """Read all fields of an object at once; `None` for classes without fields."""
    names = field_names(kind)
    if names is None:
        return None
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


NOTHING: Any = object()
"""Stands for the value that never came back."""

_JSON = frozenset({NoneType, bool, int, float, str, list, dict})


_SEQUENCES = (list, tuple, set, frozenset)


_CLASSES: dict[type[inspect.Type], type] = {
    inspect.NoneType: NoneType,
    inspect.BoolType: bool,
    inspect.IntType: int,
    inspect.FloatType: float,
    inspect.StrType: str,
    inspect.BytesType: bytes,
    inspect.ByteArrayType: bytearray,
    inspect.MemoryViewType: memoryview,
    inspect.DateTimeType: dt.datetime,
    inspect.TimeType: dt.time,
    inspect.DateType: dt.date,
    inspect.TimeDeltaType: dt.timedelta,
    inspect.UUIDType: uuid.UUID,
    inspect.DecimalType: decimal.Decimal,
    inspect.ListType: list,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
    inspect.TupleType: tuple,
    inspect.VarTupleType: tuple,
    inspect.DictType: dict,
    inspect.TypedDictType: dict,
}

_Found = tuple[str, str]


def difference(path: str, value: Any, back: Any, node: inspect.Type) -> _Found | None:
    """Find the first place at which a value does not come back as it was.

    Args:
        path: Where the value stands, for example `signup.data`.
        value: What was to be written.
        back: What was read, or `NOTHING`.
        node: What was declared, as `msgspec.inspect` sees it.

    Returns:
        The path of the place and what is wrong there; `None` if nothing is to be seen.
    """
    return _find(path, value, back, node, ())


def _find(path: str, value: Any, back: Any, node: inspect.Type, above: tuple[int, ...]) -> _Found | None:
    if id(value) in above:
        return _beginning(path), "it contains itself"
    node = _chosen(value, node)
    if problem := _misfit(value, node):
        return path, problem
    if len(above) >= MAX_DEPTH and not same(value, value, depth=0):
        return _beginning(path), f"it is nested more than {MAX_DEPTH} levels deep"
    backs = {}
    if type(back) is type(value) and not isinstance(back, (set, frozenset)):
        backs = {step: part for step, part, _ in _parts(back, node)}
    for step, part, declared in _parts(value, node):
        if found := _find(path + step, part, backs.get(step, NOTHING), declared, (*above, id(value))):
            return found
    if back is NOTHING or same(value, back):
        return None
    private = path.rpartition(".")[2].startswith("_")
    why = ": private attributes stay out of JSON" if private else ""
    return path, f"got {shown(value)}, which comes back as {shown(back)}{why}"


def _parts(value: Any, node: inspect.Type) -> Iterator[tuple[str, Any, inspect.Type]]:
    """Yield what a value consists of: the step to it, the part and what was declared there."""
    anything = inspect.AnyType()
    names = field_names(type(value))
    if names is not None or isinstance(value, dict):
        items = value.items() if names is None else [(name, getattr(value, name, NOTHING)) for name in names]
        declared = {field.name: field.type for field in getattr(node, "fields", ())}
        default = getattr(node, "value_type", anything)
        for key, part in items:
            plain = isinstance(key, str) and key.isidentifier()
            yield f".{key}" if plain else f"[{key!r}]", part, declared.get(key, default)
    elif isinstance(value, _SEQUENCES):
        types = getattr(node, "item_types", ())
        for index, part in enumerate(value):
            item = types[index] if index < len(types) else getattr(node, "item_type", anything)
            yield f"[{index}]", part, item


def _chosen(value: Any, node: inspect.Type) -> inspect.Type:
    """Return the alternative of a union that the value belongs to; else the node itself."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    for option in node.types if isinstance(node, inspect.UnionType) else ():
        if _declared(value, inner := _chosen(value, option)):
            return inner
    return node


def _misfit(value: Any, node: inspect.Type) -> str | None:
    """Return what is wrong with the value itself, whatever its parts are."""
    kind = type(value)
    if isinstance(node, inspect.AnyType):
        if kind not in _JSON:
            return (
                f"got {shown(value)}, where nothing is declared; only None, bool, int, float, str, list and "
                f"dict come back as they were. Declare a data class that says what is here"
            )
    elif not _declared(value, node):
        more = ""
        expected = _class_of(node)
        if expected is not None and isinstance(value, expected) and kind is not bool:
            more = ": JSON would not keep the subclass"
        return f"got {shown(value)}, declared {described(node)}{more}"
    return _unwritable(value, node)


def _declared(value: Any, node: inspect.Type) -> bool:
    if isinstance(node, inspect.UnionType):
        return False  # `_chosen` found no alternative
    if isinstance(node, inspect.LiteralType):
        return (type(value), value) in [(type(item), item) for item in node.values]
    expected = _class_of(node)
    return expected is None or type(value) is expected or (expected is float and type(value) is int)


def _unwritable(value: Any, node: inspect.Type) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return f"got {value}, JSON has no such number"
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        return f"got {shown(value)}, half of a surrogate pair is not a text"
    if isinstance(value, (dt.datetime, dt.time)) and not isinstance(value.tzinfo, (NoneType, dt.timezone)):
        return (
            f"got a time in {value.tzinfo!r}, JSON keeps only the offset: "
            "convert it with .astimezone(datetime.UTC)"
        )
    if isinstance(value, dict):
        declared = getattr(node, "key_type", inspect.StrType())
        declared = inspect.StrType() if isinstance(declared, inspect.AnyType) else declared
        for key in value:
            if problem := _misfit(key, _chosen(key, declared)):
                return f"among its keys: {problem}"
    return None


def _class_of(node: inspect.Type) -> type | None:
    kind = _CLASSES.get(type(node)) or getattr(node, "cls", None)
    return get_origin(kind) or kind


def _beginning(path: str) -> str:
    return path if len(path) < 80 else f"{path[:60]}…"


def described(node: inspect.Type) -> str:
    """Return the declared type as its author would write it."""
    if isinstance(node, inspect.Metadata):
        return described(node.type)
    if isinstance(node, inspect.UnionType):
        return " | ".join(described(option) for option in node.types)
    if isinstance(node, inspect.LiteralType):
        return f"Literal[{', '.join(map(repr, node.values))}]"
    kind = _class_of(node)
    return "None" if kind is NoneType else kind.__qualname__ if kind else "Any"


def shown(value: Any) -> str:
    """Return a value in few words: never all of what a person typed, never a `repr` that may raise."""
    plain = type(value) in (NoneType, bool, int, float, str)
    return reprlib.repr(value) if plain else f"a value of class {type(value).__qualname__}"
