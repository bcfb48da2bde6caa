"""Moments: what came of an action. What oracles, properties, coverage and transcripts look at."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs
import msgspec

from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.row import Frame, Row
from fsmkit.testing.harness.actions import Action, Say
from fsmkit.testing.harness.instrument import HandlerCall

if TYPE_CHECKING:
    from fsmkit.testing.harness.overlap import Overlap

Place: TypeAlias = tuple[str, str | None]
"""Names of a flow and of the state in which it runs, or waits for what it called."""

Signature: TypeAlias = tuple[object, ...]
"""What tells two observations apart."""


@attrs.frozen(eq=False, slots=False)
class Observation:
    """What came of an action.

    Attributes:
        action: The action.
        before: What was stored for the person before it.
        after: What is stored now.
        flows: The bot's flows, `None` for a bot without any.
        shown: What the person saw, line by line.
        taken: The handlers that ran, in order, with what they returned.
        errors: The exceptions that nobody handled.
        overlap: What happened in which order, where several people did something at once.
        refused: What Telegram has said of messages of the flows' that it refused.
    """

    action: Action
    before: Row
    after: Row
    flows: FlowSet | None
    shown: tuple[str, ...]
    taken: tuple[HandlerCall, ...]
    errors: tuple[BaseException, ...]
    overlap: "Overlap | None" = None
    refused: tuple[str, ...] = ()

    @cached_property
    def came_from(self) -> tuple[Place, ...]:
        """Where the person stood, the flow that was entered first, then what it called."""
        return running_states(self.before)

    @cached_property
    def place(self) -> tuple[Place, ...]:
        """Where the person stands now; empty where no conversation runs."""
        return running_states(self.after)

    @property
    def flow(self) -> str | None:
        """Name of the flow that runs."""
        return self.place[-1][0] if self.place else None

    @property
    def state(self) -> str | None:
        """Name of the state in which it stands; `None`: no conversation."""
        return self.place[-1][1] if self.place else None

    @cached_property
    def data(self) -> Any:
        """The data of the flow that runs, as plain JSON if they do not fit it; `None`: no conversation."""
        frame = running_frame(self.after)
        table = self.flows.tables.get(frame.flow) if self.flows is not None and frame is not None else None
        if table is None or frame is None:
            return None
        try:
            return table.codec.decode(frame.data)
        except ValueError:  # an older version has stored them
            return table.codec.plain(frame.data)

    @property
    def handled(self) -> bool:
        """Whether somebody took what was done: a handler, a text, a timeout."""
        return (
            any(taken.kind != "pass" for taken in self.taken) or self.before != self.after or bool(self.shown)
        )


def running_frame(row: Row) -> Frame | None:
    """Return the frame of the flow that runs, `None` if no conversation does."""
    for snapshot in reversed(row.snapshots.values()):
        if snapshot.active:
            return snapshot.frames[-1]
    return None


def running_states(row: Row) -> tuple[Place, ...]:
    """Where a person stands: flow and state of each frame of the conversation entered last."""
    for snapshot in reversed(row.snapshots.values()):
        if snapshot.active:
            return tuple((frame.flow, frame.state) for frame in snapshot.frames)
    return ()


def signature_of(row: Row) -> Signature:
    """Return what tells two observations apart: where the flows stand, their data, and what may still come by
    itself.

    Not which run it is, nor when. That a reminder has come makes a difference: only then comes the timeout.
    """
    return (*stored_in(row), *_due(row))


def _due(row: Row) -> list[str]:
    """Return which events are scheduled, and not how many: they may be scheduled again and again."""
    return sorted({mail.event for mail in row.later})


def stored_in(row: Row) -> Signature:
    """Return where the flows stand, and their data."""
    return tuple(
        (
            name,
            snapshot.remind is None,
            *((frame.flow, frame.state, bytes(frame.data), frame.history) for frame in snapshot.frames),
        )
        for name, snapshot in row.snapshots.items()
    )


WRITTEN = "…"
"""Stands for what a person wrote."""

Shape = tuple[object, ...]


def shape_of(row: Row, observations: Sequence[Observation]) -> Shape:
    """Return the shape of a place.

    Args:
        row: What is stored.
        observations: How one has come there.
    """
    written = {
        observation.action.text.strip() for observation in observations if isinstance(observation.action, Say)
    }
    frames = (frame for snapshot in row.snapshots.values() for frame in snapshot.frames)
    shapes = (_shape(msgspec.json.decode(frame.data), written) for frame in frames)
    return (running_states(row), *_due(row), *shapes)


def _shape(value: Any, written: Iterable[str]) -> object:
    if isinstance(value, dict):
        return tuple((name, _shape(part, written)) for name, part in value.items())
    if isinstance(value, list):
        return tuple(_shape(part, written) for part in value)
    return WRITTEN if isinstance(value, str) and value.strip() in written else value
