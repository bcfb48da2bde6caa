"""The shape of stored data: what is left of them when it does not matter what people wrote.

Two places with data of one shape are likely to lead on alike; counters, switches and what the code itself
stores tell them apart.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fsmkit.model import Row
from fsmkit.testing.acts import Say
from fsmkit.testing.moments import Moment, place_of

WRITTEN = "…"
"""Stands for what a person wrote."""

Shape = tuple[object, ...]


def shape_of(row: Row, moments: Sequence[Moment]) -> Shape:
    """The shape of a place.

    Args:
        row: What is stored.
        moments: How one has come there.
    """
    written = {moment.act.text.strip() for moment in moments if isinstance(moment.act, Say)}
    frames = (frame for snapshot in row.snapshots.values() for frame in snapshot.frames)
    return (place_of(row), *(_shape(msgspec.json.decode(frame.data), written) for frame in frames))


def _shape(value: Any, written: Iterable[str]) -> object:
    if isinstance(value, dict):
        return tuple((name, _shape(part, written)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(_shape(part, written) for part in value)
    return WRITTEN if isinstance(value, str) and value.strip() in written else value
