"""An event on its way to a row, for whom it is, and what became of it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from msgspec import Struct

from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import Effect, Frame, Row, ScheduledEvent


class Outcome(Struct, eq=False):
    """The outcome of an event.

    Attributes:
        kind: `"handled"`, `"passed"` (no handler took it) or `"duplicate"` (it was handled before).
        effects: Messages to send, edit or delete, and answers to presses, in order.
    """

    kind: Literal["handled", "passed", "duplicate"]
    effects: Sequence[Effect] = ()
    _flows: FlowSet | None = None
    _row: Row | None = None
    _name: str = ""

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


IDLE = Outcome("passed")
"""Of an event that nobody can want: no conversation runs, and it may enter none."""


class Strike:
    """An update that stands in the inbox until a step has handled it.

    Attributes:
        ids: The updates that the commit of the step strikes.
        done: Whether a commit has struck them.
        lost: Why the step could not be committed, although no handler failed: it is to be taken again.
    """

    __slots__ = ("done", "ids", "lost")

    def __init__(self, *ids: int) -> None:
        self.ids = ids
        self.done = False
        self.lost: Exception | None = None


class Recipient(Struct, frozen=True, eq=False):
    """For whom an event is, in the row of its key; by default for whoever wants it.

    Attributes:
        entries: The flows that it may enter; `None`: all that were attached.
        within: Name of the only conversation that gets it.
        depth: With `within`: the frame whose business it is.
        only: Name of the only flow that gets it, in whatever conversation.
        expect: The state in which `only` must stand.
        job: Id of the job whose outcome it is: only the frame in which that stands gets it.
    """

    entries: Sequence[CompiledFlow] | None = None
    within: str | None = None
    depth: int | None = None
    only: str | None = None
    expect: str | None = None
    job: str | None = None


ANYBODY = Recipient()


class Envelope(Struct, frozen=True, eq=False):
    """An event on its way to one key.

    Attributes:
        event: The event.
        id: What it is recognised by when it comes again.
        to: For whom it is.
        telegram: PTB's context for it.
        handlers: Whether handlers are asked.
        otherwise: Whether `otherwise` is said to a message that nobody took.
        committed: Told of the outcome after the commit and before anything is delivered.
        void: Whether it is of no use any more; asked when its turn has come.
        cause: As what it was stored, where another step has sent it.
        strike: The update that it was, struck by the commit.
        beside: Whether what its step says is delivered beside what goes on, not before.
    """

    event: Any
    id: str | None = None
    to: Recipient = ANYBODY
    telegram: Any = None
    handlers: bool = True
    otherwise: bool = True
    committed: Callable[[Outcome], Awaitable[None]] | None = None
    void: Callable[[], bool] | None = None
    cause: ScheduledEvent | None = None
    strike: Strike | None = None
    beside: bool = False
