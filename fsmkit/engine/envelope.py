"""What became of an event."""

from collections.abc import Sequence
from typing import Any, Literal

from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.row import Effect, Frame, Row


class Outcome:
    """What became of an event.

    Attributes:
        kind: `"handled"`, `"passed"` (no handler wanted it) or `"duplicate"` (it was handled before).
        effects: What was asked to be sent, edited, deleted or answered, in order.
    """

    __slots__ = ("_flows", "_name", "_row", "effects", "kind")

    def __init__(
        self,
        kind: Literal["handled", "passed", "duplicate"],
        effects: Sequence[Effect] = (),
        flows: FlowSet | None = None,
        row: Row | None = None,
        name: str = "",
    ) -> None:
        self.kind = kind
        self.effects = effects
        self._flows = flows
        self._row = row
        self._name = name

    @property
    def flow(self) -> str | None:
        """Name of the flow that runs in the conversation now, or that the event ended."""
        frame = self._frame()
        return frame.flow if frame is not None else self._name or None

    @property
    def state(self) -> str | None:
        """Name of its state, `None` if the conversation is over."""
        frame = self._frame()
        return frame.state if frame is not None else None

    @property
    def data(self) -> Any:
        """The flow's data, `None` if the conversation is over."""
        frame = self._frame()
        table = self._flows.tables.get(frame.flow) if frame is not None and self._flows is not None else None
        return table.codec.decode(frame.data) if table is not None and frame is not None else None

    def _frame(self) -> Frame | None:
        snapshot = self._row.snapshots.get(self._name) if self._row is not None else None
        return snapshot.frames[-1] if snapshot is not None else None

    def __repr__(self) -> str:
        return (
            f"<Outcome {self.kind}: flow {self.flow!r} in state {self.state!r}, {len(self.effects)} effects>"
        )
