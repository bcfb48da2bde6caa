"""Which handlers are asked for an event, in which order, and why one does not want it."""

from collections.abc import Container, Iterable, Iterator
from typing import Any, Literal, TypeAlias

import attrs
from msgspec import Struct

from fsmkit.flow.events import ChatEvent
from fsmkit.flow.handlers import Handler, Raised
from fsmkit.flow.states import ANY, Symbol
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import Frame, Row


class Step(Struct, frozen=True, eq=False):
    """A handler that an event is offered to.

    Attributes:
        name: Name of the conversation: of the flow that was entered.
        depth: The frame in it; `0` too where nothing runs.
        frame: That frame, `None` where nothing is stored.
        table: The handler's flow.
        handler: The handler.
        match: What its matcher matched.
    """

    name: str
    depth: int
    frame: Frame | None
    table: CompiledFlow
    handler: Handler
    match: Any

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
    yield from running_ranks(flows, row, "", within, only, depth)
    yield from entry_ranks(flows, row, entries, within, only)


def running_ranks(
    flows: FlowSet,
    row: Row,
    kind: str = "",
    within: str | None = None,
    only: str | None = None,
    depth: int | None = None,
) -> list[Rank]:
    """Return the ranks of conversations that run; with a kind, without handlers that want no such events."""
    found: list[Rank] = []
    snapshots, tables = row.snapshots, flows.tables
    for name in reversed(snapshots):
        frames = snapshots[name].frames
        if frames[-1].state is None or (within is not None and name != within):
            continue
        level = len(frames) - 1 if depth is None else depth
        state: str | Symbol = frames[level].state or ANY
        while level >= 0:  # those that wait keep what their handlers of `ANY` want
            frame = frames[level]
            table = tables.get(frame.flow)
            if table is not None and (only is None or frame.flow == only):
                found.append((name, level, frame, table, table.wanting[state, kind], True))
            state = ANY
            level -= 1
    return found


def entry_ranks(
    flows: FlowSet,
    row: Row,
    entries: Iterable[CompiledFlow] | None,
    within: str | None = None,
    only: str | None = None,
) -> Iterator[Rank]:
    """Yield the ranks of flows that do not run and may be entered."""
    running = running_flows(row)
    for table in flows.entries if entries is None else entries:
        name = table.name
        if name not in running and name == (within or only or name):
            draft = row.snapshots.get(name)
            yield name, 0, draft.frames[0] if draft else None, table, table.by_state[None], False


def running_flows(row: Row) -> set[str]:
    """Return the flows that cannot be entered, since they run or wait."""
    return {frame.flow for each in row.snapshots.values() if each.active for frame in each.frames}


def select(
    flows: FlowSet,
    row: Row,
    event: Any,
    entries: Iterable[CompiledFlow] | None = None,
    within: str | None = None,
    only: str | None = None,
    depth: int | None = None,
) -> Iterator[Step]:
    """Yield the handlers that want an event, lazily: a later one is asked only when an earlier one passed.

    The arguments are those of `ranks`.
    """
    kind = event.kind if isinstance(event, ChatEvent) else ""
    for name, level, frame, table, handlers, _ in running_ranks(flows, row, kind, within, only, depth):
        for handler in handlers:
            match = handler.wants(event)
            if match is not None:
                yield Step(name, level, frame, table, handler, match)
    for name, level, frame, table, handlers, _ in entry_ranks(flows, row, entries, within, only):
        for handler in handlers:
            match = handler.wants(event)
            if match is not None:
                yield Step(name, level, frame, table, handler, match)


def why_not(handler: Handler, event: Any) -> str:
    """Return why a handler does not want an event; its `when=` is not asked again."""
    return handler.why_not(event)


@attrs.frozen
class Explanation:
    """What becomes of one handler that an event could be offered to.

    Attributes:
        flow: Name of its flow.
        state: The state in which it is offered the event; `None`: no conversation.
        handler: The handler.
        verdict: `wanted`: it is called. `refused`: it does not want the event. `passed`: it was called and
            returned `("pass",)`. `raised`: its matcher or its `when=` raises. `skipped`: it is not asked.
        reason: The verdict in words.
    """

    flow: str
    state: str | None
    handler: Handler
    verdict: Literal["wanted", "refused", "passed", "raised", "skipped"]
    reason: str

    def __str__(self) -> str:
        return f"{self.handler.name} ({self.handler.place}): {self.reason}"


def explain(flows: FlowSet, row: Row, event: Any, *, passed: Container[Handler] = ()) -> list[Explanation]:
    """Return the handlers that an event could be offered to, in order of arbitration, each with a reason.

    Nothing is called but matchers and `when=`, which are functions of the event alone.

    Args:
        flows: All flows.
        row: The row.
        event: The event.
        passed: Handlers of which it is known that they returned `("pass",)`: those after them are asked.
    """
    found: list[Explanation] = []
    taken: Handler | None = None
    for _, _, frame, table, handlers, _ in ranks(flows, row):
        state = None if frame is None else frame.state
        for handler in handlers:
            if taken is not None:
                reason = f"not asked, since {taken.name} comes first"
                found.append(Explanation(table.name, state, handler, "skipped", reason))
                continue
            verdict, reason = _verdict(handler, event, passed)
            if verdict in ("wanted", "raised"):
                taken = handler
            found.append(Explanation(table.name, state, handler, verdict, reason))
    running = running_flows(row)
    for table in flows.entries:
        if table.name in running:
            reason = f"not asked, since a conversation with flow {table.name!r} is already running"
            found += (
                Explanation(table.name, None, handler, "skipped", reason) for handler in table.by_state[None]
            )
    return found


def _verdict(
    handler: Handler, event: Any, passed: Container[Handler]
) -> tuple[Literal["wanted", "refused", "passed", "raised"], str]:
    match = handler.wants(event)
    if isinstance(match, Raised):
        return "raised", f"asking it raised {type(match.error).__name__}: {match.error}"
    if match is None:
        return "refused", why_not(handler, event)
    return ("passed", "passed") if handler in passed else ("wanted", "wants the event")
