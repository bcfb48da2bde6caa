"""Whether a value came back from JSON as it went in: in every commit, so it has to be fast.

Where and why it did not is found in `differences`.
"""

import datetime as dt
import decimal
import functools
import operator
import uuid
from collections.abc import Callable, Collection
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from types import NoneType
from typing import Any

import attrs
import msgspec

MAX_DEPTH = 100
"""Levels of nesting allowed. The interpreter's own limit depends on how deep the caller already stands: what
one call could write, another could not read."""

_ATOMS = frozenset(
    {NoneType, bool, int, float, str, bytes, bytearray, uuid.UUID, decimal.Decimal, dt.timedelta, dt.date}
)


def same(value: Any, back: Any, depth: int = MAX_DEPTH) -> bool:
    """Whether two values are equal and of the same classes at every place.

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
    """The fields that count for equality."""
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
    """Reads all fields of an object at once; `None` for classes without fields."""
    names = field_names(kind)
    if names is None:
        return None
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)
