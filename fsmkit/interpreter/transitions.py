"""What a step makes of a row: a handler's result in, the next row and what has to be called out.

Theory of operation
===================

A *row* is all that is stored for one key. It holds a *snapshot* for each conversation, by the name of the
flow that was entered. A snapshot is a stack of *frames*: the flow that was entered at the bottom, above it
the flow that it called, and so on; the last one runs, the others wait. A *step* begins with a row, an event
and the handler that wants the event (`interpreter.selection`); it ends with the next row.

Everything here is pure. The clock and random numbers are arguments, nothing is awaited, no record that was
loaded is changed. A step that fails leaves the row as it was loaded, so there is no code that takes
anything back: the engine drops the new row. If records were changed in place, a handler that raises in its
second half would leave a state without its data, and the next event would meet it.

A step, in order:

1. **Shape.** `check_shape` looks at the result alone: a known first element, the right number of elements.
   `None` is `("stay",)`, `END` is `("end",)`.
2. **Legality.** Is there such a state or flow; does the handler's own `to=` or annotation allow it
   (`_allow`); can the data be stored; are there data at all where handlers rely on them (`_require_data`);
   does another flow have the same key rule. All of that raises before the first move, or before the moves
   can be seen: `RowEditor` collects them in a row of its own.
3. **Moves.** `RowEditor` makes the next row. Each move also notes what its states ask for: the hooks of a
   state that is left (`leave`), those of one that is entered (`enter`), then its prompt, then its job. They
   are noted with the frame as it was at that moment, because a later move may drop it.
   The most frequent moves make the next row in one go (`_plainly`): those of a conversation of one flow that
   stay, end, or go to a state, where nothing is called or kept of the state that is left. Which these are is
   found out once for each handler and states (`CompiledFlow.plain`), legality included; they are what
   `RowEditor` would make, and a test holds them to it.
4. **Guards.** `entered` says which state was entered, the engine asks its guards, and `guarded` applies
   what one returned: to the row before the step if it refuses, to the new row if it leads elsewhere. What
   the guarded state asked for is dropped: it was never entered, so neither its hooks nor its place in the
   history exist.
5. **Calls.** Only now the engine runs what was noted, in that order: leave hooks from the innermost frame
   outward, then enter hooks, then the prompt. Each sees the frame it was noted with. What they send joins
   the same commit.
6. **Follow-up.** Where a state was entered that is a call, it is offered a `StateEntered` event, which its
   own call takes: a step on the new row, in the same commit, with guards, hooks and prompt of its own.
   Where a sub-flow has ended, its caller is offered a `Returned` event with the result: a step of its own
   on the new row, in the same commit. If the caller only stays, it says its prompt once more; if nobody
   takes the event, likewise, so that a person never sits before a conversation that has gone silent. A
   caller that has no state to go on in is closed.

The moves, each a method of `RowEditor`:

- `open` enters a flow that does not run. It becomes the last snapshot, that is, the first one asked from
  now on. A draft (data that were stored without a state) is taken up. A flow that is `exclusive` ends the
  key's others first.
- `goto` enters a state. Flows that this one had called are dropped, with their leave hooks. The entry
  number goes up even where the state is the same: buttons of the earlier entry are stale from then on.
- `keep` stays. Data may be replaced; the idle deadline starts anew, the entry and the history do not.
  `draft` stores data without a state.
- `call` puts a frame on top; `begin_call` does the same where the caller does not run: it waits without a
  state.
- `cut` drops frames from the top, `close` a whole conversation.

History. A transition to another state appends the state that is left, 16 at most; to the same state it
appends nothing. `("back", n)` takes the last `n` off and enters the state found there; the state that it
came from is not appended, or two backs would swap two states for ever. A flow that a state is a call of
(`State(call=...)`) goes back over that state, or it would only be called again. States that a newer version
renamed are looked up by their new name, those that it dropped are skipped. Without a history `back` stays
and says the prompt again. With `Flow(back="data")` the history goes with the data with which each state was
left (`Frame.left`); data that are not known, or do not fit any more, are those that are there.

Times. Entering a state sets its `max_age`, entering a flow that of the flow; both are kept while the frame
is. The idle deadline and the reminder are computed from all frames by every move, because any event is a
sign of life of the whole conversation. Drafts have no deadline.

Numbers. `run` differs each time a flow is entered and `entry` counts within the run; together they tell a
button of this very entry from one of an earlier one. `run` is given, not counted here: runs that began with
1 each time would accept the buttons of the conversation before.
"""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Raw, Struct, structs

from fsmkit.errors import HandlerRefused, InvalidResult, UnknownState
from fsmkit.flow.events import Returned
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler, Hook
from fsmkit.flow.messages import Address
from fsmkit.flow.results import LENGTHS, as_tuple
from fsmkit.flow.states import Prompt, State, Times, idle_seconds, remind_seconds
from fsmkit.graph.edges import Target
from fsmkit.interpreter.codec import raw_of
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import NO_DATA, Frame, JobState, Row, Snapshot
from fsmkit.interpreter.selection import Step

MAX_HISTORY = 16
"""States that `back` can go back to."""


MAX_LEFT = 16_384
"""Bytes of data that are remembered for `back`: a row must not become too large by them."""


Past: TypeAlias = tuple[tuple[str, ...], tuple[Raw, ...]]
"""What a frame can go back to: its `history` and its `left`."""


NOTHING_PAST: Past = ((), ())

NewRun: TypeAlias = Callable[[], int]
"""Makes a number for a run, different each time; `int` where none can begin."""


class MessagesToDelete(Struct, frozen=True):
    """Messages to delete because their state was left.

    Attributes:
        messages: Their ids.
        address: Where they stand, if the conversation knows.
    """

    messages: tuple[int, ...]
    address: Address | None


class PendingCall(Struct, frozen=True, eq=False):
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
    table: CompiledFlow
    frame: Frame
    place: str | None = None


class RowEditor:
    """The next row in the making: moves, without asking whether they are legal.

    Args:
        flows: All flows.
        row: The row that was loaded; it is not changed.
        now: The time, in seconds since 1970, UTC.
        new_run: Makes a number for a run, should one begin; different each time.

    Attributes:
        snapshots: Those of the next row.
        due: What to call, in order.
        deletes: Messages that states left behind.
    """

    __slots__ = ("deletes", "due", "flows", "new_run", "now", "row", "snapshots")

    def __init__(self, flows: FlowSet, row: Row, now: float, new_run: "NewRun" = int) -> None:
        self.flows = flows
        self.row = row
        self.now = now
        self.new_run = new_run
        self.snapshots = dict(row.snapshots)
        self.due: tuple[PendingCall, ...] = ()
        self.deletes: tuple[MessagesToDelete, ...] = ()

    def result(self) -> Row:
        """Return the next row."""
        row = self.row
        return Row(self.snapshots, row.seen, row.keep, row.serial, row.views, row.later)

    def open(self, table: CompiledFlow, state: str, data: Raw | None) -> None:
        """Enter a flow that does not run; without data a draft is taken up."""
        old = self.snapshots.pop(table.name, None)  # the flow entered last stands last
        if data is None:
            data = old.frames[0].data if old else initial_data(table)
        self.oust_others(table)
        frame = _frame_in(table, state, data, NOTHING_PAST, 1, self._limit(table.times), self.now)
        address = old.address if old else None
        deadline, remind = self._idle((frame,))
        self.snapshots[table.name] = Snapshot((frame,), self.new_run(), 1, deadline, address, remind=remind)
        self.due += _calls_in(table, frame)

    def oust_others(self, table: CompiledFlow) -> None:
        """End the key's other conversations if the flow that is about to be entered wants to be alone."""
        if table.flow.exclusive:
            for name in [name for name, other in self.snapshots.items() if other.active]:
                if name != table.name:
                    self.close(name)

    def goto(self, name: str, depth: int, state: str, data: Raw | None, past: "Past | None" = None) -> None:
        """Enter a state of the flow that stands at `depth`; what it called is dropped.

        Args:
            past: What there is to go back to; by default the state that is left is added.
        """
        if len(self.snapshots[name].frames) > depth + 1:
            self.cut(name, depth + 1)
        snapshot = self.snapshots[name]
        old = snapshot.frames[depth]
        table = self.flows.tables[old.flow]
        if table.leaves or old.tracked:
            self._left(table, old, snapshot)
        if past is None:
            past = old.history, old.left
            if old.state is not None and old.state != state:
                left = _remembered(old) if table.flow.back == "data" else ()
                past = (*old.history, old.state)[-MAX_HISTORY:], left
        entry = snapshot.entries + 1
        data = old.data if data is None else data
        frame = _frame_in(table, state, data, past, entry, old.flow_limit, self.now)
        self._store(name, snapshot, (*snapshot.frames[:depth], frame), entry, snapshot.run or self.new_run())
        self.due += _calls_in(table, frame)

    def keep(self, name: str, depth: int, data: Raw | None) -> None:
        """Stay, with the data replaced or kept; the idle deadline starts anew."""
        snapshot = self.snapshots[name]
        frames = snapshot.frames
        if data is not None:
            frame = frames[depth]
            version = self.flows.tables[frame.flow].version
            new = structs.replace(frame, version=version, data=data)
            frames = (*frames[:depth], new, *frames[depth + 1 :])
        self._store(name, snapshot, frames, snapshot.entries, snapshot.run)

    def draft(self, table: CompiledFlow, data: Raw) -> None:
        """Keep data without a state; they have no deadline."""
        old = self.snapshots.get(table.name)
        frame = Frame(table.name, table.version, None, data)
        self.snapshots[table.name] = Snapshot((frame,), address=old.address if old else None)

    def call(self, name: str, depth: int, table: CompiledFlow, data: Raw) -> None:
        """Run a sub-flow above the flow at `depth`; what that had called is dropped."""
        self.cut(name, depth + 1)
        snapshot = self.snapshots[name]
        entry = snapshot.entries + 1
        frame = _frame_in(table, table.initial, data, NOTHING_PAST, entry, self._limit(table.times), self.now)
        self._store(name, snapshot, (*snapshot.frames, frame), entry, snapshot.run or self.new_run())
        self.due += _calls_in(table, frame)

    def begin_call(self, caller: CompiledFlow, table: CompiledFlow, data: Raw) -> None:
        """Run a sub-flow although the caller has no conversation: it waits without a state."""
        old = self.snapshots.pop(caller.name, None)
        self.oust_others(caller)
        data_of = old.frames[0].data if old else initial_data(caller)
        waiting = Frame(caller.name, caller.version, None, data_of, flow_limit=self._limit(caller.times))
        self.snapshots[caller.name] = Snapshot(
            (waiting,), self.new_run(), 0, None, old.address if old else None
        )
        self.call(caller.name, 0, table, data)

    def cut(self, name: str, depth: int) -> None:
        """Drop the frames from `depth` up, the innermost first."""
        snapshot = self.snapshots[name]
        if len(snapshot.frames) <= depth:
            return
        for frame in reversed(snapshot.frames[depth:]):
            self._left(self.flows.tables.get(frame.flow), frame, snapshot)
        self._store(name, snapshot, snapshot.frames[:depth], snapshot.entries, snapshot.run)

    def close(self, name: str) -> None:
        """End a conversation with all its frames; what is not there is not missed."""
        snapshot = self.snapshots.get(name)
        if snapshot is None:
            return
        for frame in reversed(snapshot.frames):
            self._left(self.flows.tables.get(frame.flow), frame, snapshot)
        del self.snapshots[name]

    def use_clock(self, name: str, address: Address | None) -> None:
        """Give a conversation an address where it has none of its own."""
        snapshot = self.snapshots[name]
        if snapshot.address is None and address is not None:
            self.snapshots[name] = structs.replace(snapshot, address=address)

    def prompt(self, name: str) -> None:
        """Say once more what the running state says on entry."""
        frame = self.snapshots[name].frames[-1]
        table = self.flows.tables.get(frame.flow)
        if table is not None and frame.state is not None:
            self.due += _prompt_call(table, frame)

    def _store(self, name: str, old: Snapshot, frames: tuple[Frame, ...], entries: int, run: int) -> None:
        idle = self._idle(frames) if frames and frames[-1].state is not None else (None, None)
        self.snapshots[name] = Snapshot(
            frames, run, entries, idle[0], old.address, remind=idle[1], reply_to=old.reply_to
        )

    def _limit(self, times: Times) -> float | None:
        """Return when something entered now has lasted too long."""
        return None if times.max_age is None else self.now + times.max_age

    def _idle(self, frames: tuple[Frame, ...]) -> tuple[float | None, float | None]:
        """Return when the conversation times out, and when the person is reminded, if nothing happens."""
        if len(frames) == 1:  # the ordinary case
            frame = frames[0]
            ttl, remind = self.flows.tables[frame.flow].rules[frame.state or ""].alone
        else:
            times = times_of_frames(self.flows, frames)
            ttl, remind = idle_seconds(times), remind_seconds(times)
        now = self.now
        return None if ttl is None else now + ttl, None if remind is None else now + remind

    def _left(self, table: CompiledFlow | None, frame: Frame, snapshot: Snapshot) -> None:
        if frame.state is None or table is None:
            return
        rules = table.rules.get(frame.state)
        if rules is not None and rules.leave:
            self.due += _hook_calls("leave", rules.leave, table, frame)
        if frame.tracked:
            self.deletes += (MessagesToDelete(frame.tracked, snapshot.address),)


def _frame_in(
    table: CompiledFlow,
    state: str | None,
    data: Raw,
    past: Past,
    entry: int,
    flow_limit: float | None,
    now: float,
) -> Frame:
    """Return a frame that has just entered a state."""
    rules = table.rules[state or ""]
    max_age = rules.times.max_age
    return Frame(
        table.name,
        table.version,
        state,
        data,
        past[0],
        entry,
        flow_limit=flow_limit,
        state_limit=None if max_age is None else now + max_age,
        job=None if rules.job is None else JobState(due=now),
        left=past[1],
    )


def _calls_in(table: CompiledFlow, frame: Frame) -> tuple[PendingCall, ...]:
    """Return what is called in a state that was entered: hooks, then the prompt, then the job."""
    rules = table.rules[frame.state] if frame.state is not None else None
    if rules is None or rules.silent:
        return ()
    calls = (*_hook_calls("enter", rules.enter, table, frame), *_prompt_call(table, frame))
    if rules.job is None:
        return calls
    return (*calls, PendingCall("job", rules.job.function, table, frame, rules.job.place))


def _prompt_call(table: CompiledFlow, frame: Frame) -> tuple[PendingCall, ...]:
    prompt = table.rules[frame.state or ""].prompt
    return () if prompt is None else (PendingCall("prompt", prompt, table, frame, table.flow.place),)


def _hook_calls(
    kind: Literal["enter", "leave"], hooks: Iterable[Hook], table: CompiledFlow, frame: Frame
) -> tuple[PendingCall, ...]:
    return tuple(PendingCall(kind, hook.function, table, frame, hook.place) for hook in hooks)


def times_of_frames(flows: FlowSet, frames: Sequence[Frame]) -> list[Times]:
    """Return the times of each frame, the running one first."""
    tables = flows.tables
    return [times_in(tables[frame.flow], frame.state) for frame in reversed(frames) if frame.flow in tables]


def times_in(table: CompiledFlow, state: str | None) -> Times:
    """Return what counts in a state; the flow's own times where it waits without one."""
    rules = table.rules.get(state) if state is not None else None
    return table.times if rules is None else rules.times


def initial_data(table: CompiledFlow) -> Raw:
    """Return the data of a flow with nothing stored, as JSON."""
    initial = table.codec.initial()
    return NO_DATA if initial is None else table.codec.encode(initial)


MAX_FRAMES = 8
"""Flows that may stand in one conversation, callers and called."""


class StepResult(Struct, frozen=True, eq=False):
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
    due: tuple[PendingCall, ...]
    deletes: tuple[MessagesToDelete, ...]
    follow_up: Returned | None
    name: str
    moved: bool


def advance(flows: FlowSet, row: Row, step: Step, result: Any, now: float, new_run: NewRun) -> StepResult:
    """Apply a result: legality first, then the new row.

    Args:
        flows: All flows.
        row: The row that the step was selected from; it is not changed.
        step: The step whose handler returned.
        result: What it returned (`("pass",)` never comes here).
        now: The time, in seconds since 1970, UTC.
        new_run: Makes a number for a run, should one begin; different each time.

    Raises:
        HandlerRefused: If the result is an error.
        InvalidResult: If the result is none, or not allowed here.
        UnknownState: If it names a state or a flow that nobody declared.
        UnstorableData: If its data cannot be stored.
    """
    plain = _plainly(row, step, result, now)
    if plain is not None:
        return plain
    kind, *rest = check_shape(step, result)
    if kind == "error":
        raise HandlerRefused(rest[0], flow=step.table.name, state=step.state, place=step.handler.place)
    moves = RowEditor(flows, row, now, new_run)
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
    return StepResult(moves.result(), moves.due, moves.deletes, follow_up, name, moved)


def _plainly(row: Row, step: Step, result: Any, now: float) -> StepResult | None:
    """Return what a plain move makes of a row, in one go; `None`: `RowEditor` has to make it.

    Plain is to stay, to go to a state of the flow, and to end, in a conversation of this flow alone, if it is
    legal and nothing is called or kept of the state that is left: what most steps of most bots do.
    """
    table, name, snapshots = step.table, step.name, row.snapshots
    snapshot = snapshots.get(name)
    if snapshot is None or type(result) is not tuple or not snapshot.run or len(snapshot.frames) != 1:
        return None
    frame = snapshot.frames[0]
    kind, size, old = result[0] if result else None, len(result), frame.state
    due: tuple[PendingCall, ...] = ()
    if kind == "transition" and 1 < size < 4:
        state = result[1] if type(result[1]) is str else _own_state(table, result[1])
        to = table.plain[step.handler, old, state]
        if to is None or state is None or old is None or frame.tracked:
            return None
        data = frame.data
        if size == 3:
            if result[2] is None:
                return None
            data = table.codec.stored(result[2])
        elif data == NO_DATA:
            return None
        past = frame.history
        if state != old:
            past = (*past[1 - MAX_HISTORY :], old)
        entry = snapshot.entries + 1
        if to.still:
            frame = Frame(name, table.version, state, data, past, entry, (), (), frame.flow_limit)
        else:
            frame = _frame_in(table, state, data, (past, ()), entry, frame.flow_limit, now)
            due = _calls_in(table, frame)
    elif kind == "stay" and size < 3 and old in table.rules:
        to, entry = table.rules[old], snapshot.entries
        if size == 2:
            if result[1] is None:
                return None
            frame = structs.replace(frame, version=table.version, data=table.codec.stored(result[1]))
    elif kind == "end" and size < 3 and not frame.tracked and table.plain[step.handler, old, None]:
        left = {other: each for other, each in snapshots.items() if other != name}
        row = Row(left, row.seen, row.keep, row.serial, row.views, row.later)
        return StepResult(row, (), (), None, name, True)
    else:
        return None
    ttl, remind = to.alone
    snapshot = Snapshot(
        (frame,),
        snapshot.run,
        entry,
        None if ttl is None else now + ttl,
        snapshot.address,
        0,
        None if remind is None else now + remind,
        snapshot.reply_to,
    )
    row = Row({**snapshots, name: snapshot}, row.seen, row.keep, row.serial, row.views, row.later)
    return StepResult(row, due, (), None, name, kind == "transition")


def _own_state(table: CompiledFlow, state: Any) -> str | None:
    """Return the name of a `State` of the flow itself; `None` for whatever else."""
    if not isinstance(state, State):
        return None
    return state.name if table.flow.states.get(state.name) is state else None


def entered(before: Row, moved: StepResult) -> tuple[int, Frame] | None:
    """Return the frame in a state that a step has entered, and its depth; `None` if it has entered none."""
    new, old = moved.row.snapshots.get(moved.name), before.snapshots.get(moved.name)
    if new is None or not new.active or (old and (old.run, old.entries) == (new.run, new.entries)):
        return None
    return len(new.frames) - 1, new.frames[-1]


def guarded(
    flows: FlowSet,
    before: Row,
    step: Step,
    moved: StepResult,
    guard: Handler,
    result: Any,
    now: float,
    new_run: NewRun,
) -> StepResult:
    """Apply what a guard returned instead of letting a step into the state that it was to enter.

    Args:
        flows: All flows.
        before: The row before the step.
        step: The step.
        moved: What the step did, of which nothing was carried out yet.
        guard: The guard.
        result: What it returned, and not `None`.
        now: The time, in seconds since 1970, UTC.
        new_run: Makes a number for a run, should one begin.

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
        return advance(flows, before, step, ("stay",), now, new_run)
    if kind != "transition" or frame is None:
        raise _invalid(
            asked, f"guard {guard.name} returned {result!r}: None, a transition or a bare stay may be"
        )
    moves = RowEditor(flows, moved.row, now, new_run)
    other, state = _target(flows, asked, rest[0])
    if table.declared:
        _allow(asked, Target("transition", other.name, state))
    raw = _encode(other, tuple(rest[1:]))
    name = moved.name
    if other is table:
        if raw == NO_DATA:
            _require_data(asked, table, raw, frame)
        moves.goto(
            name, depth, state, raw, past=(frame.history, frame.left)
        )  # it was never in the guarded state
    else:
        name = _cross(moves, asked, other, state, raw)
    due = tuple(each for each in (*moved.due, *moves.due) if each.frame is not frame)
    return StepResult(moves.result(), due, moved.deletes + moves.deletes, moved.follow_up, name, True)


def check_shape(step: Step, result: Any) -> tuple[Any, ...]:
    """Return the result as a tuple; raise InvalidResult if it is none."""
    if type(result) is not tuple:
        result = as_tuple(result)
    if type(result) is tuple and result and type(result[0]) is str and result[0] in LENGTHS:
        least, most = LENGTHS[result[0]]
        if least <= len(result) <= most:
            return result
        count = str(least) if least == most else f"{least} to {most}"
        raise _invalid(step, f"{result!r} is not a result: {result[0]!r} takes {count} elements")
    hint = 'Return a tuple such as ("transition", "age", data), ("stay",), END, or None'
    if type(result) is tuple and result and (near := difflib.get_close_matches(str(result[0]), LENGTHS, n=1)):
        hint = f"Did you mean {near[0]!r}?"
    raise _invalid(step, f"{step.handler.name} returned {result!r}, which is not a result. {hint}")


def _transition(moves: RowEditor, step: Step, state: Any, *data: Any) -> str:
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


def _cross(moves: RowEditor, step: Step, table: CompiledFlow, state: str, raw: Raw | None) -> str:
    """End this flow and enter another; a flow that waits for this one is gone back to."""
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
        moves.use_clock(table.name, address)
    return table.name


def _stay(moves: RowEditor, step: Step, *data: Any) -> None:
    raw = _encode(step.table, data)
    if step.frame is not None and moves.snapshots[step.name].active:
        if raw == NO_DATA:
            _require_data(step, step.table, raw, step.frame)
        moves.keep(step.name, step.depth, raw)
    elif raw is not None:
        moves.draft(step.table, raw)


def _back(moves: RowEditor, step: Step, *rest: Any) -> None:
    count = rest[0] if rest else 1
    if type(count) is not int or count < 1:
        raise _invalid(step, f'("back", {count!r}): a whole number from 1 is needed')
    raw = _encode(step.table, rest[1:])
    frame = step.frame
    if frame is None or frame.state is None:
        return _stay(moves, step, *rest[1:])
    if raw == NO_DATA:
        _require_data(step, step.table, raw, frame)
    earlier = _earlier(moves.flows, moves.snapshots[step.name].frames, step.depth)
    if not earlier:
        moves.keep(step.name, step.depth, raw)
        moves.prompt(step.name)
        return None
    depth, (*before, (state, left)) = earlier[-count:][0]
    table = moves.flows.tables[moves.snapshots[step.name].frames[depth].flow]
    if raw is None or depth != step.depth:  # the data of a flow are of no use to one that called it
        raw = _restorable(table, left)
    remembered = tuple(data for _, data in before) if table.flow.back == "data" else ()
    moves.goto(step.name, depth, state, raw, (tuple(old for old, _ in before), remembered))
    return None


def _earlier(
    flows: FlowSet, frames: tuple[Frame, ...], depth: int
) -> list[tuple[int, list[tuple[str, Raw]]]]:
    """Return what a frame can go back to, oldest first: each a depth, and the states until there.

    Each state stands with the data with which it was left.

    A flow that is the call of a state goes back over that state: to go back to it would call the flow again.
    """
    frame = frames[depth]
    table = flows.tables.get(frame.flow)
    if table is None:
        return []
    left = (*[NO_DATA] * (len(frame.history) - len(frame.left)), *frame.left)
    past = zip(frame.history, left, strict=True)
    rules, renamed = table.rules, table.renamed  # states that a newer version has renamed or dropped
    known = [(state, data) for old, data in past if (state := renamed.get(old, old)) in rules]
    own = [(depth, known[: n + 1]) for n in range(len(known))]
    if depth == 0 or not _is_call_of(flows, frames[depth - 1], frame.flow):
        return own
    return _earlier(flows, frames, depth - 1) + own


def _remembered(frame: Frame) -> tuple[Raw, ...]:
    """Return the data to go back to once a state is left, the newest last; as many as fit."""
    left = (*frame.left, raw_of(frame.data))[-MAX_HISTORY:]
    size, kept = 0, len(left)
    while kept and (size := size + len(bytes(left[kept - 1]))) <= MAX_LEFT:
        kept -= 1
    return left[kept:]


def _restorable(table: CompiledFlow, left: Raw) -> Raw | None:
    """Return data to go back to; `None` if none are known, or they do not fit: those that are there stay."""
    if table.flow.back != "data" or left == NO_DATA:
        return None
    try:
        table.codec.decode(left)
    except ValueError:  # the class has changed, and no migration said how
        return None
    return left


def _is_call_of(flows: FlowSet, frame: Frame, flow: str) -> bool:
    """Return whether a frame stands in a state that is the call of a flow."""
    table = flows.tables.get(frame.flow)
    rules = table.rules.get(frame.state or "") if table is not None else None
    return rules is not None and rules.state.call == flow


def _call(moves: RowEditor, step: Step, flow: Any, *data: Any) -> None:
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


def _end(moves: RowEditor, step: Step, *result: Any) -> Returned | None:
    _allow(step, Target("end", step.table.name, None))
    if step.depth == 0:
        moves.close(step.name)
        return None
    moves.cut(step.name, step.depth)
    return Returned(step.table.name, result[0] if result else None)


def _target(flows: FlowSet, step: Step, state: Any) -> tuple[CompiledFlow, str]:
    if type(state) is str and state in step.table.rules:
        return step.table, state
    if not isinstance(state, str | State):
        raise _invalid(step, f"a transition leads to a name or a State, got {state!r}")
    found = flows.target(step.table, state)
    if found is None:
        near = flows.nearest(step.table, str(state))
        raise _unknown(step, f"flow {step.table.name!r} has no state {str(state)!r}. {near}")
    return found


def _is_declared(table: CompiledFlow, handler: Handler, target: Target) -> bool:
    """Return whether the handler's own `to=` or annotation has a target, if there is either."""
    edges = table.declared.get(handler)
    return edges is None or edges.allows(target)


def _allow(step: Step, target: Target) -> None:
    """Refuse what the handler's own `to=` or annotation excludes."""
    if not _is_declared(step.table, step.handler, target):
        named = target.state or (target.flow if target.kind == "call" else "END")
        raise _invalid(
            step, f"{step.handler.name} goes to {named!r}, which its to= or its annotation does not name"
        )


def _encode(table: CompiledFlow, data: tuple[Any, ...]) -> Raw | None:
    return table.codec.stored(data[0]) if data else None


def _require_data(step: Step, table: CompiledFlow, raw: Raw | None, frame: Frame | None) -> None:
    """Refuse to enter a state without data that its handlers can rely on."""
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
