"""Events of a class, from the types of its fields; what its validators refuse is left out."""

import enum
import itertools
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

import attrs

MOST = 24
"""Instances of one class."""
DEPTH = 4


def instances_of(kind: type, texts: Sequence[str] = (), numbers: Sequence[int | float] = ()) -> list[Any]:
    """A few instances of a class: each field at its values, one after the other; then the corners.

    Args:
        kind: An attrs class, a dataclass, a msgspec Struct, or a plain type.
        texts: Texts that are of interest.
        numbers: Numbers that are of interest.

    Example:
        >>> instances_of(bool)
        [True, False]
    """
    return _values(kind, list(texts), [*numbers, *(n + d for n in numbers for d in (1, -1))], DEPTH)[:MOST]


def _values(kind: Any, texts: list[str], numbers: list[int | float], depth: int) -> list[Any]:
    if kind in (int, float):
        return list(dict.fromkeys([kind(n) for n in (1, *numbers, 0, 2, 10, 100, -1)]))
    if kind is str:
        return [*texts, "a", "1", ""]
    if kind is bool:
        return [True, False]
    if kind in (None, type(None)):
        return [None]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return list(get_args(kind))
    if origin in (typing.Union, types.UnionType):
        return [value for part in get_args(kind) for value in _values(part, texts, numbers, depth)]
    if depth == 0:
        return []
    if origin is not None:
        return _containers(origin, get_args(kind), texts, numbers, depth - 1)
    if isinstance(kind, type):
        return _objects(kind, texts, numbers, depth - 1)
    return []


def _containers(origin: Any, parts: tuple[Any, ...], texts: list[str], numbers: Any, depth: int) -> list[Any]:
    if not isinstance(origin, type):
        return []
    if issubclass(origin, Mapping):
        keys, values = (_values(part, texts, numbers, depth) for part in parts)
        return [{}, *({key: value} for key in keys[:1] for value in values[:1])]
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        columns = [_values(part, texts, numbers, depth)[:2] for part in parts]
        return [tuple(row) for row in itertools.islice(itertools.product(*columns), 4)]
    if issubclass(origin, Iterable) and parts:
        make: Any = origin if origin in (tuple, set, frozenset) else list
        return [make(), *(make([value]) for value in _values(parts[0], texts, numbers, depth)[:2])]
    return []


def _objects(kind: type, texts: list[str], numbers: Any, depth: int) -> list[Any]:
    """Instances with one field after the other at each of its values, the others at their first."""
    fields = _fields(kind)
    columns = {name: _values(of, texts, numbers, depth) for name, of in fields.items()}
    if any(not values for values in columns.values()):
        return _made(kind, {})
    made: list[Any] = []
    plain = {name: values[0] for name, values in columns.items()}
    made += _made(kind, plain)
    for name, values in columns.items():
        for value in values[: MOST // 2] if made or len(columns) == 1 else values:
            made += [new for new in _made(kind, {**plain, name: value}) if new not in made]
    if not made:  # validators that look at several fields
        for row in itertools.islice(itertools.product(*columns.values()), 500):
            made += _made(kind, dict(zip(columns, row, strict=True)))
    return made[:MOST]


def _fields(kind: type) -> dict[str, Any]:
    """The arguments of a class and their types."""
    try:
        hints = typing.get_type_hints(kind)
    except Exception:  # names that cannot be looked up from here
        return {}
    if attrs.has(kind):
        return {f.alias or f.name: hints.get(f.name, Any) for f in attrs.fields(kind) if f.init}
    names = getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", {})
    return {name: hints.get(name, Any) for name in names}


def _made(kind: type, values: dict[str, Any]) -> list[Any]:
    try:
        return [kind(**values)]
    except Exception:  # a validator refuses them
        return []
