"""How a row becomes the next row: the moves that results stand for, without asking whether they are legal.

Pure: records in, new records out. What has to be called on the way (hooks, prompts) comes out as a list.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

from msgspec import Raw, Struct, structs

from fsmkit.effects import Address
from fsmkit.handlers import Hook
from fsmkit.model import NO_DATA, Frame, Row, Snapshot, Work
from fsmkit.states import Prompt
from fsmkit.table import Flows, FlowTable
from fsmkit.times import Times, idle_seconds, remind_seconds

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

    kind: Literal["leave", "enter", "prompt", "otherwise", "reminder", "job"]
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
        self.oust_others(table)
        frame = self._frame(table, state, data, (), 1, self._limit(table.times))
        address = old.address if old else None
        deadline, remind = self._idle((frame,))
        self.snapshots[table.name] = Snapshot((frame,), self.run, 1, deadline, address, remind=remind)
        self._entered(table, frame)

    def oust_others(self, table: FlowTable) -> None:
        """Ends the key's other conversations if the flow that is about to be entered wants to be alone."""
        if table.flow.exclusive:
            for name in [name for name, other in self.snapshots.items() if other.active]:
                if name != table.name:
                    self.close(name)

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
        frame = self._frame(table, state, old.data if data is None else data, history, entry, old.flow_limit)
        self._store(name, snapshot, (*snapshot.frames[:depth], frame), entry, snapshot.run or self.run)
        self._entered(table, frame)

    def keep(self, name: str, depth: int, data: Raw | None) -> None:
        """Stays, with the data replaced or kept; the idle deadline starts anew."""
        snapshot = self.snapshots[name]
        frames = snapshot.frames
        if data is not None:
            frame = frames[depth]
            version = self.flows.tables[frame.flow].version
            new = structs.replace(frame, version=version, data=data)
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
        frame = self._frame(table, table.initial, data, (), entry, self._limit(table.times))
        self._store(name, snapshot, (*snapshot.frames, frame), entry, snapshot.run or self.run)
        self._entered(table, frame)

    def begin_call(self, caller: FlowTable, table: FlowTable, data: Raw) -> None:
        """Runs a sub-flow although the caller has no conversation: it waits without a state."""
        old = self.snapshots.pop(caller.name, None)
        self.oust_others(caller)
        data_of = old.frames[0].data if old else initial_data(caller)
        waiting = Frame(caller.name, caller.version, None, data_of, flow_limit=self._limit(caller.times))
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
        idle = self._idle(frames) if frames and frames[-1].state is not None else (None, None)
        self.snapshots[name] = Snapshot(frames, run, entries, idle[0], old.address, remind=idle[1])

    def _frame(
        self,
        table: FlowTable,
        state: str | None,
        data: Raw,
        history: tuple[str, ...],
        entry: int,
        flow_limit: float | None,
    ) -> Frame:
        rules = table.rules[state or ""]
        max_age = rules.times.max_age
        limit = None if max_age is None else self.now + max_age
        return Frame(
            table.name,
            table.version,
            state,
            data,
            history,
            entry,
            flow_limit=flow_limit,
            state_limit=limit,
            job=None if rules.job is None else Work(due=self.now),
        )

    def _limit(self, times: Times) -> float | None:
        """When something entered now has lasted too long."""
        return None if times.max_age is None else self.now + times.max_age

    def _idle(self, frames: tuple[Frame, ...]) -> tuple[float | None, float | None]:
        """When the conversation times out, and when the person is reminded, if nothing happens."""
        if len(frames) == 1:  # the ordinary case
            frame = frames[0]
            ttl, remind = self.flows.tables[frame.flow].rules[frame.state or ""].alone
        else:
            times = times_of_frames(self.flows, frames)
            ttl, remind = idle_seconds(times), remind_seconds(times)
        now = self.now
        return None if ttl is None else now + ttl, None if remind is None else now + remind

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
            if rules.job is not None:
                self.due.append(Due("job", rules.job.function, table, frame, rules.job.place))

    def _prompted(self, table: FlowTable, frame: Frame) -> None:
        rules = table.rules[frame.state or ""]
        if rules.prompt is not None:
            self.due.append(Due("prompt", rules.prompt, table, frame, table.flow.place))

    def _hooks(self, kind: Any, hooks: Iterable[Hook], table: FlowTable, frame: Frame) -> None:
        self.due.extend(Due(kind, hook.function, table, frame, hook.place) for hook in hooks)


def times_of_frames(flows: Flows, frames: Sequence[Frame]) -> list[Times]:
    """The times of each frame, the running one first."""
    tables = flows.tables
    return [times_in(tables[frame.flow], frame.state) for frame in reversed(frames) if frame.flow in tables]


def times_in(table: FlowTable, state: str | None) -> Times:
    """What counts in a state; the flow's own times where it waits without one."""
    rules = table.rules.get(state) if state is not None else None
    return table.times if rules is None else rules.times


def initial_data(table: FlowTable) -> Raw:
    """The data of a flow with nothing stored, as JSON."""
    initial = table.codec.initial()
    return NO_DATA if initial is None else table.codec.encode(initial)
