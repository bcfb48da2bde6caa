"""How a row becomes the next row: the moves that results stand for, without asking whether they are legal.

Pure: records in, new records out. What has to be called on the way (hooks, prompts) comes out as a list.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from msgspec import Raw, Struct, structs

from fsmkit.effects import Address
from fsmkit.handlers import Hook
from fsmkit.model import NO_DATA, Frame, Row, Snapshot
from fsmkit.states import Prompt
from fsmkit.table import Flows, FlowTable, effective_ttl

MAX_HISTORY = 16
"""States that `back` can go back to."""


class Left(Struct, frozen=True):
    """Messages to delete because their state was left.

    Attributes:
        messages: Their ids.
        address: Where they stand, if the conversation knows.
    """

    messages: tuple[int, ...]
    address: Address | None


class Due(Struct, frozen=True, eq=False):
    """A function of `ctx` that a move makes due, with the frame that `ctx` shows.

    Attributes:
        kind: What it is for.
        function: The user's function, or for a prompt also a text or a `Reply`.
        table: The flow.
        frame: Where the flow stands (for `leave`: stood).
        place: `file:line` of the function.
    """

    kind: Literal["leave", "enter", "prompt", "otherwise", "job"]
    function: Prompt | Callable[..., Any]
    table: FlowTable
    frame: Frame
    place: str | None = None


class Moves:
    """The next row in the making.

    Args:
        flows: All flows.
        row: The row that was loaded; it is not changed.
        now: The time, in seconds since 1970, UTC.
        run: Number for a run, should one begin; different each time.

    Attributes:
        snapshots: Those of the next row.
        due: What to call, in order.
        deletes: Messages that states left behind.
    """

    __slots__ = ("deletes", "due", "flows", "now", "row", "run", "snapshots")

    def __init__(self, flows: Flows, row: Row, now: float, run: int) -> None:
        self.flows = flows
        self.row = row
        self.now = now
        self.run = run
        self.snapshots = dict(row.snapshots)
        self.due: list[Due] = []
        self.deletes: list[Left] = []

    def result(self) -> Row:
        """The next row."""
        row = self.row
        return Row(self.snapshots, row.seen, row.keep, row.serial, row.views, row.later)

    def open(self, table: FlowTable, state: str, data: Raw | None) -> None:
        """Enters a flow that does not run; without data a draft is taken up."""
        old = self.snapshots.pop(table.name, None)  # the flow entered last stands last
        if data is None:
            data = old.frames[0].data if old else initial_data(table)
        if table.flow.exclusive:
            for name in [name for name, other in self.snapshots.items() if other.active]:
                self.close(name)
        frame = Frame(table.name, table.version, state, data, (), 1)
        address = old.address if old else None
        self.snapshots[table.name] = Snapshot((frame,), self.run, 1, self._deadline((frame,)), address)
        self._entered(table, frame)

    def goto(
        self, name: str, depth: int, state: str, data: Raw | None, history: tuple[str, ...] | None = None
    ) -> None:
        """Enters a state of the flow that stands at `depth`; what it called is dropped.

        Args:
            history: The history to go back to; by default the state that is left is added.
        """
        if len(self.snapshots[name].frames) > depth + 1:
            self.cut(name, depth + 1)
        snapshot = self.snapshots[name]
        old = snapshot.frames[depth]
        table = self.flows.tables[old.flow]
        self._left(table, old, snapshot)
        if history is None:
            history = old.history
            if old.state is not None and old.state != state:
                history = (*history, old.state)[-MAX_HISTORY:]
        entry = snapshot.entries + 1
        frame = Frame(old.flow, table.version, state, old.data if data is None else data, history, entry)
        self._store(name, snapshot, (*snapshot.frames[:depth], frame), entry, snapshot.run or self.run)
        self._entered(table, frame)

    def keep(self, name: str, depth: int, data: Raw | None) -> None:
        """Stays, with the data replaced or kept; the idle deadline starts anew."""
        snapshot = self.snapshots[name]
        frames = snapshot.frames
        if data is not None:
            frame = frames[depth]
            version = self.flows.tables[frame.flow].version
            new = Frame(
                frame.flow, version, frame.state, data, frame.history, frame.entry, frame.values, frame.trail
            )
            frames = (*frames[:depth], new, *frames[depth + 1 :])
        self._store(name, snapshot, frames, snapshot.entries, snapshot.run)

    def draft(self, table: FlowTable, data: Raw) -> None:
        """Keeps data without a state; they have no deadline."""
        old = self.snapshots.get(table.name)
        frame = Frame(table.name, table.version, None, data)
        self.snapshots[table.name] = Snapshot((frame,), address=old.address if old else None)

    def call(self, name: str, depth: int, table: FlowTable, data: Raw) -> None:
        """Runs a sub-flow above the flow at `depth`; what that had called is dropped."""
        self.cut(name, depth + 1)
        snapshot = self.snapshots[name]
        entry = snapshot.entries + 1
        frame = Frame(table.name, table.version, table.initial, data, (), entry)
        self._store(name, snapshot, (*snapshot.frames, frame), entry, snapshot.run or self.run)
        self._entered(table, frame)

    def begin_call(self, caller: FlowTable, table: FlowTable, data: Raw) -> None:
        """Runs a sub-flow although the caller has no conversation: it waits without a state."""
        old = self.snapshots.pop(caller.name, None)
        waiting = old.frames[0] if old else Frame(caller.name, caller.version, None, initial_data(caller))
        self.snapshots[caller.name] = Snapshot((waiting,), self.run, 0, None, old.address if old else None)
        self.call(caller.name, 0, table, data)

    def cut(self, name: str, depth: int) -> None:
        """Drops the frames from `depth` up, the innermost first."""
        snapshot = self.snapshots[name]
        if len(snapshot.frames) <= depth:
            return
        for frame in reversed(snapshot.frames[depth:]):
            self._left(self.flows.tables.get(frame.flow), frame, snapshot)
        self._store(name, snapshot, snapshot.frames[:depth], snapshot.entries, snapshot.run)

    def close(self, name: str) -> None:
        """Ends a conversation with all its frames; what is not there is not missed."""
        snapshot = self.snapshots.get(name)
        if snapshot is None:
            return
        for frame in reversed(snapshot.frames):
            self._left(self.flows.tables.get(frame.flow), frame, snapshot)
        del self.snapshots[name]

    def adopt(self, name: str, address: Address | None) -> None:
        """Gives a conversation an address where it has none of its own."""
        snapshot = self.snapshots[name]
        if snapshot.address is None and address is not None:
            self.snapshots[name] = structs.replace(snapshot, address=address)

    def prompt(self, name: str) -> None:
        """Says once more what the running state says on entry."""
        frame = self.snapshots[name].frames[-1]
        table = self.flows.tables.get(frame.flow)
        if table is not None and frame.state is not None:
            self._prompted(table, frame)

    def _store(self, name: str, old: Snapshot, frames: tuple[Frame, ...], entries: int, run: int) -> None:
        deadline = self._deadline(frames) if frames and frames[-1].state is not None else None
        self.snapshots[name] = Snapshot(frames, run, entries, deadline, old.address)

    def _deadline(self, frames: tuple[Frame, ...]) -> float | None:
        tables = self.flows.tables
        if len(frames) == 1:  # the ordinary case
            frame = frames[0]
            ttl = tables[frame.flow].rules[frame.state or ""].alone
            return None if ttl is None else self.now + ttl
        ttl = effective_ttl((tables[f.flow], f.state) for f in reversed(frames) if f.flow in tables)
        return None if ttl is None else self.now + ttl

    def _left(self, table: FlowTable | None, frame: Frame, snapshot: Snapshot) -> None:
        if frame.state is None or table is None:
            return
        rules = table.rules.get(frame.state)
        if rules is not None and rules.leave:
            self._hooks("leave", rules.leave, table, frame)
        if frame.trail:
            self.deletes.append(Left(frame.trail, snapshot.address))

    def _entered(self, table: FlowTable, frame: Frame) -> None:
        rules = table.rules[frame.state] if frame.state is not None else None
        if rules is not None and not rules.silent:
            self._hooks("enter", rules.enter, table, frame)
            self._prompted(table, frame)
            job = rules.state.job
            if job is not None:
                self.due.append(Due("job", job, table, frame, table.flow.place))

    def _prompted(self, table: FlowTable, frame: Frame) -> None:
        rules = table.rules[frame.state or ""]
        if rules.prompt is not None:
            self.due.append(Due("prompt", rules.prompt, table, frame, table.flow.place))

    def _hooks(self, kind: Any, hooks: Iterable[Hook], table: FlowTable, frame: Frame) -> None:
        self.due.extend(Due(kind, hook.function, table, frame, hook.place) for hook in hooks)


def initial_data(table: FlowTable) -> Raw:
    """The data of a flow with nothing stored, as JSON."""
    initial = table.codec.initial()
    return NO_DATA if initial is None else table.codec.encode(initial)
