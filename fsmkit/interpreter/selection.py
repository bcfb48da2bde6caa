"""Which handlers are asked for an event, in which order."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from fsmkit.flow.handlers import Handler
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import Frame, Row


class Step:
    """A handler that an event is offered to.

    Attributes:
        name: Name of the conversation: of the flow that was entered.
        depth: The frame in it; `0` too where nothing runs.
        frame: That frame, `None` where nothing is stored.
        table: The handler's flow.
        handler: The handler.
        match: What its matcher matched.
    """

    __slots__ = ("depth", "frame", "handler", "match", "name", "table")

    def __init__(
        self, name: str, depth: int, frame: Frame | None, table: CompiledFlow, handler: Handler, match: Any
    ) -> None:
        self.name = name
        self.depth = depth
        self.frame = frame
        self.table = table
        self.handler = handler
        self.match = match

    @property
    def state(self) -> str | None:
        """The state in which the step begins."""
        return self.frame.state if self.frame is not None else None

    def __repr__(self) -> str:
        return f"<Step {self.name}[{self.depth}] {self.state!r} {self.handler.name}>"


Rank: TypeAlias = tuple[str, int, Frame | None, CompiledFlow, tuple[Handler, ...], bool]
"""Handlers that are asked together, in their order: name of the conversation (or of the flow that would be
entered), depth, frame, flow, handlers, and whether they are of a conversation that runs, not of an entry."""


def ranks(
    flows: FlowSet,
    row: Row,
    entries: Iterable[CompiledFlow] | None = None,
    within: str | None = None,
    only: str | None = None,
    depth: int | None = None,
) -> Iterator[Rank]:
    """Yield the ranks whose handlers are asked, in order of arbitration.

    First the flow entered last, from its running frame outward to the `ANY` handlers of those that wait;
    then the other active ones; then the entries of flows that do not run. This is the only place where that
    order is written.

    Args:
        flows: All flows.
        row: The row.
        entries: The flows that the event may enter; by default all that were attached.
        within: Name of the only conversation, or flow to enter, to look at.
        only: Name of the only flow to look at, in whatever conversation.
        depth: With `within`: the frame whose business it is. It is asked as if it were running, and those
            that it called are not asked.
    """
    tables = flows.tables
    snapshots = row.snapshots
    for name in reversed(snapshots):
        frames = snapshots[name].frames
        top = len(frames) - 1
        if frames[top].state is None:
            continue
        if within is not None and name != within:
            continue
        if depth is not None:
            top = depth
        for level in range(top, -1, -1):
            frame = frames[level]
            table = tables.get(frame.flow)
            if table is None or (only is not None and frame.flow != only):
                continue
            runs = level == top and frame.state is not None
            handlers = table.by_state.get(frame.state, table.any) if runs else table.any
            yield name, level, frame, table, handlers, True
    running = {frame.flow for snapshot in snapshots.values() if snapshot.active for frame in snapshot.frames}
    for table in flows.entries if entries is None else entries:
        name = table.name
        if name not in running and name == (within or only or name):
            draft = snapshots.get(name)
            yield name, 0, draft.frames[0] if draft else None, table, table.by_state[None], False


def select(
    flows: FlowSet,
    row: Row,
    event: Any,
    *,
    entries: Iterable[CompiledFlow] | None = None,
    within: str | None = None,
    only: str | None = None,
    depth: int | None = None,
) -> Iterator[Step]:
    """Yield the handlers that want an event, lazily: a later one is asked only when an earlier one passed.

    The arguments are those of `ranks`.
    """
    for name, level, frame, table, handlers, _ in ranks(flows, row, entries, within, only, depth):
        for handler in handlers:
            match = handler.wants(event)
            if match is not None:
                yield Step(name, level, frame, table, handler, match)


def why_not(handler: Handler, event: Any) -> str:
    """Return why a handler does not want an event; its `when=` is not asked again."""
    return "when= said no" if handler.matcher.match(event) is not None else f"not {handler.matcher!r}"
