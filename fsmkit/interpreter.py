"""The interpreter: which handlers an event is offered to, and what their results do to a row.

Pure: no await, no clock, no I/O, no Telegram. The engine calls the handler between `select` and `advance`;
ids and time are arguments. `advance` checks legality first and builds the new row after that, so a wrong
result leaves nothing to roll back.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Raw, Struct

from fsmkit.edges import Target
from fsmkit.errors import InvalidResult, UnknownState
from fsmkit.events import Returned
from fsmkit.flow import Flow
from fsmkit.handlers import Handler
from fsmkit.model import NO_DATA, Frame, Row
from fsmkit.moves import Due, Left, Moves
from fsmkit.results import LENGTHS
from fsmkit.states import State
from fsmkit.table import Flows, FlowTable

MAX_FRAMES = 8
"""Flows that may stand in one conversation, callers and called."""


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
        self, name: str, depth: int, frame: Frame | None, table: FlowTable, handler: Handler, match: Any
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


class Advance(Struct, frozen=True, eq=False):
    """What a result made of a row.

    Attributes:
        row: The next row.
        due: Hooks and prompts to call, in order.
        deletes: Messages that states left behind.
        follow_up: The event for the caller whose sub-flow has ended.
        name: Name of the conversation in which the step ended.
        moved: Whether it went somewhere (not only stayed).
    """

    row: Row
    due: list[Due]
    deletes: list[Left]
    follow_up: Returned | None
    name: str
    moved: bool


def select(
    flows: Flows,
    row: Row,
    event: Any,
    *,
    entries: Iterable[FlowTable] | None = None,
    within: str | None = None,
    only: str | None = None,
    depth: int | None = None,
) -> Iterator[Step]:
    """The handlers that want an event, lazily and in order of arbitration.

    First the flow entered last, from its running frame outward to the `ANY` handlers of those that wait;
    then the other active ones; then the entries of flows that do not run.

    Args:
        flows: All flows.
        row: The row.
        event: The event.
        entries: The flows that the event may enter; by default all that were attached.
        within: Name of the only conversation, or flow to enter, to look at.
        only: Name of the only flow to look at, in whatever conversation.
        depth: With `within`: the frame whose business it is. It is asked as if it were running, and those
            that it called are not asked.
    """
    tables = flows.tables
    snapshots = row.snapshots
    for name in reversed(snapshots):
        snapshot = snapshots[name]
        frames = snapshot.frames
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
            for handler in table.by_state.get(frame.state, table.any) if runs else table.any:
                match = handler.wants(event)
                if match is not None:
                    yield Step(name, level, frame, table, handler, match)
    running = {frame.flow for snapshot in snapshots.values() if snapshot.active for frame in snapshot.frames}
    for table in flows.entries if entries is None else entries:
        name = table.name
        if name in running or name != (within or only or name):
            continue
        for handler in table.by_state[None]:
            match = handler.wants(event)
            if match is not None:
                draft = snapshots.get(name)
                yield Step(name, 0, draft.frames[0] if draft else None, table, handler, match)


def advance(flows: Flows, row: Row, step: Step, result: Any, now: float, run: int) -> Advance:
    """Applies a result: legality first, then the new row.

    Args:
        flows: All flows.
        row: The row that the step was selected from; it is not changed.
        step: The step whose handler returned.
        result: What it returned (`("pass",)` and `("error", ...)` never come here).
        now: The time, in seconds since 1970, UTC.
        run: Number for a run, should one begin; different each time.

    Raises:
        InvalidResult: If the result is none, or not allowed here.
        UnknownState: If it names a state or a flow that nobody declared.
        UnstorableData: If its data cannot be stored.
    """
    kind, *rest = check_shape(step, result)
    moves = Moves(flows, row, now, run)
    follow_up = None
    name = step.name
    if kind == "transition":
        name = _transition(moves, step, *rest)
    elif kind == "stay":
        _stay(moves, step, *rest)
    elif kind == "back":
        _back(moves, step, *rest)
    elif kind == "call":
        _call(moves, step, *rest)
    else:
        follow_up = _end(moves, step, *rest)
    moved = kind != "stay" and (kind != "back" or step.state is not None)  # back from nowhere only stays
    return Advance(moves.result(), moves.due, moves.deletes, follow_up, name, moved)


def entered(before: Row, moved: Advance) -> tuple[int, Frame] | None:
    """The frame in a state that a step has entered, and its depth; `None` if it has entered none."""
    new, old = moved.row.snapshots.get(moved.name), before.snapshots.get(moved.name)
    if new is None or not new.active or (old and (old.run, old.entries) == (new.run, new.entries)):
        return None
    return len(new.frames) - 1, new.frames[-1]


def guarded(
    flows: Flows, before: Row, step: Step, moved: Advance, guard: Handler, result: Any, now: float, run: int
) -> Advance:
    """Applies what a guard returned instead of letting a step into the state that it was to enter.

    Args:
        flows: All flows.
        before: The row before the step.
        step: The step.
        moved: What the step did, of which nothing was carried out yet.
        guard: The guard.
        result: What it returned, and not `None`.
        now: The time, in seconds since 1970, UTC.
        run: Number for a run, should one begin.

    Raises:
        InvalidResult: If that is neither a transition nor a stay.
        UnknownState: If it names a state that nobody declared.
        UnstorableData: If its data cannot be stored.
    """
    depth, frame = entered(before, moved) or (0, None)
    table = flows.tables[frame.flow] if frame is not None else step.table
    asked = Step(moved.name, depth, frame, table, guard, None)
    kind, *rest = check_shape(asked, result)
    if kind == "stay" and not rest:
        return advance(flows, before, step, ("stay",), now, run)
    if kind != "transition" or frame is None:
        raise _invalid(
            asked, f"guard {guard.name} returned {result!r}: None, a transition or a bare stay may be"
        )
    moves = Moves(flows, moved.row, now, run)
    other, state = _target(flows, asked, rest[0])
    if table.declared:
        _allow(asked, Target("transition", other.name, state))
    raw = _encode(other, tuple(rest[1:]))
    name = moved.name
    if other is table:
        if raw == NO_DATA:
            _require_data(asked, table, raw, frame)
        moves.goto(name, depth, state, raw, history=frame.history)  # it was never in the guarded state
    else:
        name = _cross(moves, asked, other, state, raw)
    due = [each for each in (*moved.due, *moves.due) if each.frame is not frame]
    return Advance(moves.result(), due, moved.deletes + moves.deletes, moved.follow_up, name, True)


def check_shape(step: Step, result: Any) -> tuple[Any, ...]:
    """The result as a tuple; raises InvalidResult if it is none."""
    if result is None:
        return ("stay",)
    if type(result) is tuple and result and type(result[0]) is str and result[0] in LENGTHS:
        least, most = LENGTHS[result[0]]
        if least <= len(result) <= most:
            return result
        count = str(least) if least == most else f"{least} to {most}"
        raise _invalid(step, f"{result!r} is no result: {result[0]!r} takes {count} elements")
    hint = 'Return a tuple such as ("transition", "age", data), ("stay",), ("end",), or None'
    if type(result) is tuple and result and (near := difflib.get_close_matches(str(result[0]), LENGTHS, n=1)):
        hint = f"Did you mean {near[0]!r}?"
    raise _invalid(step, f"{step.handler.name} returned {result!r}, which is no result. {hint}")


def _transition(moves: Moves, step: Step, state: Any, *data: Any) -> str:
    table, name = _target(moves.flows, step, state)
    if step.table.declared:
        _allow(step, Target("transition", table.name, name))
    raw = _encode(table, data)
    if table is step.table:
        if raw is None or raw == NO_DATA:
            _require_data(step, table, raw, step.frame)
        if step.state is None and (step.frame is None or len(moves.snapshots[step.name].frames) == 1):
            moves.open(table, name, raw)
        else:
            moves.goto(step.name, step.depth, name, raw)
        return step.name
    return _cross(moves, step, table, name, raw)


def _cross(moves: Moves, step: Step, table: FlowTable, state: str, raw: Raw | None) -> str:
    """Ends this flow and enters another; a flow that waits for this one is gone back to."""
    if table.flow.key is not step.table.flow.key:
        raise _invalid(step, f"flow {table.name!r} has another key rule ({table.flow.key}); use ctx.send")
    snapshot = moves.snapshots.get(step.name)
    for depth in range(step.depth - 1, -1, -1):
        if snapshot is not None and snapshot.frames[depth].flow == table.name:
            _require_data(step, table, raw, snapshot.frames[depth])
            moves.goto(step.name, depth, state, raw)
            return step.name
    other = moves.snapshots.get(table.name)
    _require_data(step, table, raw, other.frames[0] if other else None)
    address = snapshot.address if snapshot else None
    moves.close(step.name)
    if other is not None and other.active:
        moves.oust_others(table)
        moves.snapshots[table.name] = moves.snapshots.pop(table.name)
        moves.goto(table.name, 0, state, raw)
    else:
        moves.open(table, state, raw)
        moves.adopt(table.name, address)
    return table.name


def _stay(moves: Moves, step: Step, *data: Any) -> None:
    raw = _encode(step.table, data)
    if step.frame is not None and moves.snapshots[step.name].active:
        if raw == NO_DATA:
            _require_data(step, step.table, raw, step.frame)
        moves.keep(step.name, step.depth, raw)
    elif raw is not None:
        moves.draft(step.table, raw)


def _back(moves: Moves, step: Step, *rest: Any) -> None:
    count = rest[0] if rest else 1
    if type(count) is not int or count < 1:
        raise _invalid(step, f'("back", {count!r}): a whole number from 1 is needed')
    raw = _encode(step.table, rest[1:])
    frame = step.frame
    if frame is None or frame.state is None:
        return _stay(moves, step, *rest[1:])
    if raw == NO_DATA:
        _require_data(step, step.table, raw, frame)
    known, rules, renamed = frame.history, step.table.rules, step.table.renamed
    if any(state not in rules for state in known):  # renamed or dropped by a newer version
        known = tuple(state for old in known if (state := renamed.get(old, old)) in rules)
    if not known:
        moves.keep(step.name, step.depth, raw)
        moves.prompt(step.name)
        return None
    moves.goto(step.name, step.depth, known[-count:][0], raw, known[:-count])
    return None


def _call(moves: Moves, step: Step, flow: Any, *data: Any) -> None:
    table = moves.flows.find(flow) if isinstance(flow, str | Flow) else None
    if table is None:
        near = isinstance(flow, str) and difflib.get_close_matches(flow, list(moves.flows.tables), n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else "Name it in attach(...) or in to="
        raise _unknown(step, f"the called flow {flow!r} is not attached. {remedy}")
    if table.initial is None:
        raise _invalid(step, f"flow {table.name!r} has no state to begin in")
    _allow(step, Target("call", table.name, None))
    if step.depth + 2 > MAX_FRAMES:
        raise _invalid(step, f"a conversation holds {MAX_FRAMES} flows at most, callers and called")
    raw = _encode(table, data)
    _require_data(step, table, raw, None)
    raw = raw if raw is not None else table.codec.encode(table.codec.initial())
    if step.frame is None or (step.state is None and not moves.snapshots[step.name].active):
        moves.begin_call(step.table, table, raw)
    else:
        moves.call(step.name, step.depth, table, raw)


def _end(moves: Moves, step: Step, *result: Any) -> Returned | None:
    _allow(step, Target("end", step.table.name, None))
    if step.depth == 0:
        moves.close(step.name)
        return None
    moves.cut(step.name, step.depth)
    return Returned(step.table.name, result[0] if result else None)


def _target(flows: Flows, step: Step, state: Any) -> tuple[FlowTable, str]:
    if type(state) is str and state in step.table.rules:
        return step.table, state
    if not isinstance(state, str | State):
        raise _invalid(step, f"a transition leads to a name or a State, got {state!r}")
    found = flows.target(step.table, state)
    if found is None:
        near = flows.nearest(step.table, str(state))
        raise _unknown(step, f"flow {step.table.name!r} has no state {str(state)!r}. {near}")
    return found


def _allow(step: Step, target: Target) -> None:
    """Refuses what the handler's own `to=` or annotation excludes."""
    edges = step.table.declared.get(step.handler)
    if edges is not None and not edges.allows(target):
        named = target.state or (target.flow if target.kind == "call" else "END")
        raise _invalid(
            step, f"{step.handler.name} goes to {named!r}, which its to= or its annotation does not name"
        )


def _encode(table: FlowTable, data: tuple[Any, ...]) -> Raw | None:
    return table.codec.encode(data[0]) if data else None


def _require_data(step: Step, table: FlowTable, raw: Raw | None, frame: Frame | None) -> None:
    """A state is never entered without data that its handlers can rely on."""
    if raw is not None and raw != NO_DATA:
        return
    if raw is None and (table.codec.initial() is not None if frame is None else frame.data != NO_DATA):
        return
    if raw is not None and table.codec.initial() is not None:
        return
    name = getattr(table.flow.data, "__name__", str(table.flow.data))
    raise _invalid(step, f"entering flow {table.name!r} needs data: {name} cannot be made without arguments")


def _invalid(step: Step, message: str) -> InvalidResult:
    return InvalidResult(message, flow=step.table.name, state=step.state, place=step.handler.place)


def _unknown(step: Step, message: str) -> UnknownState:
    return UnknownState(message, flow=step.table.name, state=step.state, place=step.handler.place)
