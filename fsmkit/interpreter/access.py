"""Reading and writing one flow's place in a row by hand: what `engine.at`, `ctx.at` and `set_state` do.

Pure, like the interpreter. Written by hand a state is entered without prompt and hooks; its job begins.
"""

import copy
from collections.abc import Mapping
from typing import Any, Protocol

from fsmkit.errors import LeaseOver, NestedSend, UnknownState, UnstorableData
from fsmkit.flow.context import Context, evolve
from fsmkit.flow.states import State
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.migrations import data_of
from fsmkit.interpreter.row import NO_DATA, Frame, Row
from fsmkit.interpreter.transitions import MessagesToDelete, PendingCall, RowEditor

KEEP: Any = object()
"""Stands for "the data as they are": `None` is data like any other."""


class WritableRow(Protocol):
    """A row that is being written: a turn.

    Attributes:
        row: The row, replaced by each write.
        deletes: Messages to delete, left behind by states that were left.
        jobs: Jobs of states that were entered.
        now: The time, in seconds since 1970, UTC.
        over: Whether it may no longer be written.
        changed: Whether there is something to commit.
    """

    row: Row
    deletes: tuple[MessagesToDelete, ...]
    jobs: tuple[PendingCall, ...]
    now: float
    over: bool
    changed: bool

    @property
    def flows(self) -> FlowSet:
        """All flows."""
        ...

    def new_run(self) -> int:
        """Return a number for a run."""
        ...


class ConversationHandle:
    """Another flow of the same key, for a handler: `ctx.at(flow)`. What is written joins its commit.

    The flow whose handler runs can be read, but changes only by what the handler returns.
    """

    __slots__ = ("_ctx", "_table", "_turn")

    def __init__(self, turn: WritableRow, table: CompiledFlow, ctx: Context[Any]) -> None:
        self._turn = turn
        self._table = table
        self._ctx = ctx

    def get_state(self) -> str | None:
        """Return the flow's state, `None` without a conversation."""
        return read_state(self._turn.row, self._table)

    def get_data(self) -> Any:
        """Return a copy of the flow's data."""
        return read_data(self._turn.row, self._table)

    def get_value(self, name: str, default: Any = None) -> Any:
        """Return one value of the data; a stored `None` beats the default."""
        return read_value(self._turn.row, self._table, name, default)

    def set_state(self, state: Any, data: Any = KEEP) -> None:
        """Go to `state` (`None`: only the data stay, as a draft); send no prompt, run no hook."""
        write_state(self._writing(moving=True), self._table, state, data)

    def set_data(self, data: Any) -> None:
        """Replace the data."""
        write_data(self._writing(), self._table, data)

    def update_data(self, changes: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """Merge changes into the data and return the whole."""
        data = merged(self._turn.row, self._table, {**(changes or {}), **more})
        self.set_data(data)
        return self.get_data()

    def clear(self) -> None:
        """Drop state and data."""
        remove(self._writing(moving=True), self._table)

    def _writing(self, moving: bool = False) -> WritableRow:
        turn, flow = self._turn, self._ctx.flow
        if turn.over or self._ctx.over:
            raise LeaseOver("the step has ended; write with `await engine.at(flow, key)...` from a task")
        if self._table.name == flow:
            raise NestedSend(f"flow {flow!r} runs this handler: it changes by what the handler returns")
        found, own = locate(turn.row, self._table.name), locate(turn.row, flow)
        if moving and found and own and found[0] == own[0]:
            raise NestedSend(
                f"flow {self._table.name!r} waits in the conversation in which flow {flow!r} runs: "
                f"go back to it with ('end', result) or a transition"
            )
        return turn


def locate(row: Row, flow: str) -> tuple[str, int] | None:
    """Return conversation and depth at which a flow stands, running, waiting or as a draft."""
    if flow in row.snapshots:
        return flow, 0
    for name in reversed(row.snapshots):
        frames = row.snapshots[name].frames
        for depth in range(len(frames) - 1, -1, -1):
            if frames[depth].flow == flow:
                return name, depth
    return None


def frame_of(row: Row, flow: str) -> Frame | None:
    """Return the flow's own frame."""
    found = locate(row, flow)
    return row.snapshots[found[0]].frames[found[1]] if found else None


def read_state(row: Row, table: CompiledFlow) -> str | None:
    """Return the name of the flow's state."""
    frame = frame_of(row, table.name)
    return frame.state if frame else None


def read_data(row: Row, table: CompiledFlow) -> Any:
    """Return the flow's data, a copy; those with nothing stored where nothing is.

    Raises:
        OrphanedConversation: If what is stored does not fit any more.
    """
    frame = frame_of(row, table.name)
    return data_of(table, frame) if frame else table.codec.initial()


def read_value(row: Row, table: CompiledFlow, name: str, default: Any) -> Any:
    """Return one value of the data; a stored `None` beats the default."""
    data = read_data(row, table)
    if isinstance(data, Mapping):
        return data.get(name, default)
    return copy.copy(getattr(data, name, default))


def merged(row: Row, table: CompiledFlow, changes: dict[str, Any]) -> Any:
    """Return the data with changes."""
    return evolve(read_data(row, table), changes)


def write_state(held: WritableRow, table: CompiledFlow, state: str | State | None, data: Any) -> None:
    """Put a flow into another state.

    Args:
        held: The row to write.
        table: The flow.
        state: The state; `None`: only the data stay, as a draft.
        data: New data, or `KEEP`.

    Raises:
        UnknownState: If the flow has no such state.
        UnstorableData: If the data cannot be stored.
    """
    row = held.row
    name = None if state is None else _own(held.flows, table, state)
    raw = None if data is KEEP else table.codec.encode(data)
    found = locate(row, table.name)
    frame = row.snapshots[found[0]].frames[found[1]] if found else None
    if name is not None and raw is None and (frame is None or frame.data == NO_DATA):
        _require_initial(table)
    moves = RowEditor(held.flows, row, held.now, held.new_run)
    if name is None:
        kept = raw if raw is not None else frame.data if frame else None
        _remove(moves, found)
        if kept is not None:
            moves.draft(table, kept)
    elif found is None or not row.snapshots[found[0]].active:
        moves.open(table, name, raw)
    else:
        moves.goto(*found, name, raw)
    _take_over(held, moves)


def write_data(held: WritableRow, table: CompiledFlow, data: Any) -> None:
    """Replace a flow's data; without a conversation they are a draft.

    Raises:
        UnstorableData: If the data cannot be stored.
    """
    raw = table.codec.encode(data)
    found = locate(held.row, table.name)
    moves = RowEditor(held.flows, held.row, held.now)
    if found is not None and held.row.snapshots[found[0]].active:
        moves.keep(*found, raw)
    else:
        moves.draft(table, raw)
    _take_over(held, moves)


def remove(held: WritableRow, table: CompiledFlow) -> None:
    """Drop a flow's state and data; a caller goes on in the state in which it waits."""
    moves = RowEditor(held.flows, held.row, held.now)
    _remove(moves, locate(held.row, table.name))
    _take_over(held, moves)


def _require_initial(table: CompiledFlow) -> None:
    """Refuse to enter a flow without the data that its handlers rely on."""
    if table.codec.initial() is None:
        kind = getattr(table.flow.data, "__name__", str(table.flow.data))
        raise UnstorableData(f"{table.name}.data", f"got none, and {kind} cannot be made without arguments")


def _take_over(held: WritableRow, moves: RowEditor) -> None:
    held.row = moves.result()
    held.deletes += moves.deletes
    held.jobs += tuple(due for due in moves.due if due.kind == "job")
    held.changed = True


def _remove(moves: RowEditor, found: tuple[str, int] | None) -> None:
    if found is None:
        return
    name, depth = found
    if depth == 0:
        moves.close(name)
        return
    moves.cut(name, depth)
    if not moves.snapshots[name].active:
        moves.close(name)


def _own(flows: FlowSet, table: CompiledFlow, state: str | State) -> str:
    found = flows.target(table, state)
    if found is None or found[0] is not table:
        raise UnknownState(
            f"flow {table.name!r} has no state {str(state)!r}. {flows.nearest(table, str(state))}",
            flow=table.name,
            state=None,
            place=None,
        )
    return found[1]
