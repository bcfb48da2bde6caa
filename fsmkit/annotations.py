"""What a handler returns, read from its return annotation.

An annotation counts only if it is precise: made of result tuples (and `None`) in which every transition and
every call names its targets as `Literal`s.
"""

import collections.abc
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Never, NoReturn, Union, get_args, get_origin

from fsmkit.results import LENGTHS, End, Stay, To
from fsmkit.source import Way
from fsmkit.written import unwrapped

_ALIASES: tuple[Any, ...] = (To, Stay, End)
_NOTHING: Any = Never
_NAMES_TARGET = ("transition", "call")


class _Imprecise(Exception):  # never leaves this module
    pass


def read_annotation(function: Any) -> tuple[Way, ...] | None:
    """What a handler's return annotation says, or `None` without one that is precise.

    Args:
        function: The handler, as it was registered.
    """
    try:
        return tuple(_ways(_hint(function)))
    except _Imprecise:
        return None


def _hint(function: Any) -> Any:
    plain, _ = unwrapped(function)
    try:
        annotation = plain.__annotations__["return"] if plain else Any
        # Only the one annotation: the others may name what exists under TYPE_CHECKING only.
        holder = types.SimpleNamespace(__annotations__={"return": annotation})
        return typing.get_type_hints(holder, plain.__globals__ if plain else {})["return"]
    except Exception:  # whatever the user's annotation does when it is evaluated, it is not readable then
        raise _Imprecise from None


def _ways(hint: Any) -> Iterator[Way]:
    if any(hint is alias for alias in _ALIASES):
        hint = hint | _NOTHING  # an alias without parameters becomes the union that it stands for
    if type(hint).__name__ == "TypeAliasType":  # `type Answer = ...`, from Python 3.12
        hint = hint.__value__  # pragma: no cover  # such an alias cannot be written for older ones
    origin, args = get_origin(hint), get_args(hint)
    if hint is None or hint is types.NoneType:
        yield Way("stay")
    elif origin in (Union, types.UnionType):
        for part in args:
            yield from _ways(part)
    elif origin in (collections.abc.Awaitable, collections.abc.Coroutine) and args:
        yield from _ways(args[-1])
    elif origin is tuple:
        yield from _tuple_ways(args)
    elif hint not in (Never, NoReturn):
        raise _Imprecise


def _tuple_ways(elements: tuple[Any, ...]) -> Iterator[Way]:
    if not elements or get_origin(elements[0]) is not Literal or Ellipsis in elements:
        raise _Imprecise
    for kind in get_args(elements[0]):
        least, most = LENGTHS.get(kind, (1, 0))
        if not least <= len(elements) <= most:
            raise _Imprecise
        if kind not in _NAMES_TARGET:
            yield Way(kind)
        elif get_origin(elements[1]) is Literal:
            yield from (Way(kind, target) for target in get_args(elements[1]))
        else:
            raise _Imprecise
