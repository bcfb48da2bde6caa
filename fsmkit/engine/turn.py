"""One event and one row: offers the event, calls what wants it, and gathers what has to be committed.

Between two commits nothing here is visible to anyone: an exception leaves the row as it was loaded.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from inspect import isawaitable
from itertools import chain
from typing import Any, TypeAlias

from msgspec import Raw

from fsmkit.engine.deadline import Deadlines
from fsmkit.engine.envelope import ANYBODY, Recipient, Strike
from fsmkit.engine.observer import Observer, Offered
from fsmkit.engine.services import Services
from fsmkit.errors import (
    HandlerRefused,
    InvalidResult,
    InvariantBroken,
    Origin,
    OrphanedConversation,
    aborted_by,
    add_note,
    leave_with,
    mark,
    take_from,
)
from fsmkit.flow.context import Context, Request, SendMessage, remedy_for
from fsmkit.flow.events import ChatEvent, Crashed, StateEntered, Timeout
from fsmkit.flow.handlers import Raised
from fsmkit.flow.messages import Answer, Reply, as_reply, as_screen
from fsmkit.interpreter.access import ConversationHandle
from fsmkit.interpreter.codec import ValueCodec
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.interpreter.effects import address_of, follow, home_of, owner_of
from fsmkit.interpreter.migrations import Orphan, data_of, is_current, migrate_row
from fsmkit.interpreter.row import EMPTY, Bound, Frame, Row, ScheduledEvent, Send
from fsmkit.interpreter.selection import Rank, Step, entry_ranks, running_flows, running_ranks, why_not
from fsmkit.interpreter.settle import StepDraft
from fsmkit.interpreter.transitions import (
    MessagesToDelete,
    PendingCall,
    RowEditor,
    StepResult,
    advance,
    entered,
    guarded,
)
from fsmkit.keys import Key
from fsmkit.stores.protocol import KnowsWorkers, PromptLease

_log = logging.getLogger("fsmkit")

PASS = ("pass",)


MAX_REDIRECTS = 5
"""How often guards may lead on before it is taken for a circle."""


_SORRY = "fsmkit_sorry"


class Turn(StepDraft):
    """The handling of one event under one lease: all that a step knows, in one object.

    Args:
        services: The flows, and what else belongs to the engine.
        key: Whose row.
        event: The event.
        telegram: PTB's context for it, if any.
        row: The row as loaded.
        now: The time, in seconds since 1970, UTC.
        strike: The update that the commit strikes from the inbox.
        cause: The event of another step that it handles, if it is one.

    Attributes:
        services: As given, like `key`, `event`, `telegram`, `row` and `strike`.
        lease: The right to write the row.
        committed: The row as last committed; `loaded` is what the event found, migrated and with receipts.
        wake: When something of that is due; `None` for never.
        entry: The first entry of the outbox, where it fell to us to deliver it.
        raised: What handlers raised, whose `crash` texts are to be said.
    """

    __slots__ = (
        "_applied",
        "committed",
        "entry",
        "lease",
        "raised",
        "services",
        "strike",
        "telegram",
        "wake",
    )

    lease: PromptLease
    wake: float | None
    strike: Strike | None
    entry: bytes | None
    raised: tuple[Exception, ...]
    _applied: "tuple[Step, Any, _Before] | None"

    def __init__(
        self,
        services: Services,
        key: Key,
        event: Any,
        telegram: Any,
        row: Row = EMPTY,
        now: float = 0.0,
        strike: Strike | None = None,
        cause: ScheduledEvent | None = None,
    ) -> None:
        self.services = services
        self.flows = services.flows
        self.key = key
        self.event = event
        self.telegram = telegram
        self.row = self.loaded = self.committed = row
        self.now = now
        self.strike = strike
        self.cause = cause
        self.name = ""
        self.requests = self.deletes = self.jobs = self.begun = self.carried = self.raised = ()
        self.changed = self.over = False
        self.entry = self.wake = self._applied = None

    @property
    def values(self) -> ValueCodec:
        """How values of buttons are stored."""
        return self.services.values

    @property
    def workers(self) -> KnowsWorkers | None:
        """Tells whether a process that has a job is dead."""
        return self.services.workers

    def new_run(self) -> int:
        """Return a number for a run."""
        return self.services.new_run()

    @property
    def resources(self) -> Any:
        """What the engine was given for handlers."""
        return self.services.resources

    @property
    def lang(self) -> str | None:
        """The person's language: as the event has it, else as the last message had it."""
        given = self.event.address if isinstance(self.event, ChatEvent) else None
        addresses = [given, *(snapshot.address for snapshot in reversed(self.row.snapshots.values()))]
        return next((address.lang for address in addresses if address is not None and address.lang), None)

    def migrate_row(self) -> None:
        """Bring the row to the versions that run; conversations that do not fit are ended or raise.

        Raises:
            StoredByNewerVersion: If a newer worker wrote it.
            OrphanedConversation: If one does not fit and its flow says so.
        """
        if is_current(self.flows, self.row):
            return
        self.row, orphans = migrate_row(self.flows, self.row)
        for orphan in orphans:
            self.end_orphan(orphan)

    def end_orphan(self, orphan: Orphan) -> None:
        """End a conversation that no longer fits, as its flow says."""
        flow = orphan.table.flow
        if flow.on_orphan == "raise":
            raise orphan.error
        _log.warning("%s: the conversation of %s is ended: %s", flow.name, self.key, orphan.error)
        snapshot = self.row.snapshots.get(orphan.name)
        if snapshot is None:
            return
        text = flow.text_for("lost", snapshot.address.lang if snapshot.address else None)
        if text and snapshot.active and self.key.inline is None:
            self.requests += (SendMessage(Reply(text)),)
            self.name = orphan.name
        self.row = self.row.with_conversation(orphan.name, None)
        self.changed = True

    def reset(self, row: Row) -> None:
        """Take back all that was done since a row was loaded."""
        self.row, self.name, self._applied = row, "", None
        self.requests = self.deletes = self.jobs = ()

    def answers(self) -> list[Answer]:
        """Return what was asked for and needs no commit: answers to presses."""
        return [wish for wish in self.requests if isinstance(wish, Answer)]

    async def offer(self, event: Any, to: Recipient = ANYBODY) -> StepResult | None:
        """Offer an event to the handlers that want it, until one does not pass.

        Returns:
            What its step did, `None` if nobody took the event.

        Raises:
            Exception: What a handler raised, with flow, state, key and place as notes.
        """
        services = self.services
        watch, deadlines = services.watch, services.deadlines
        kind = event.kind if watch is None and isinstance(event, ChatEvent) else ""
        following = self.flows.calling or services.face.check_invariants
        while True:  # once more after a conversation was found not to fit
            try:
                for name, depth, frame, table, handlers, _ in self._ranks(kind, to):
                    for handler in handlers:
                        match = handler.wants(event)
                        step = Step(name, depth, frame, table, handler, match)
                        if watch is not None:
                            why = why_not(handler, event) if match is None else None
                            self._tell(Observer.asked, step, event, why)
                        if match is None:
                            continue
                        before = self.row, self.requests, self.deletes, self.jobs, self.changed
                        try:
                            if type(match) is Raised:
                                raise match.error
                            if table.ephemeral and frame is not None:
                                self.follow_answer(name, frame)
                            if watch is not None:
                                self._tell(Observer.called, step, event)
                            ctx = self._context(table, frame, event, match)
                            try:
                                if deadlines is None:
                                    result = handler.function(event, ctx)
                                else:
                                    result = deadlines.call(step, event, ctx)
                                if type(result) is not tuple and result is not None and isawaitable(result):
                                    result = await result
                            except BaseException as raised:
                                _go_on_with(raised)
                                raise
                            finally:
                                ctx.over = True
                            if watch is not None:
                                self._tell(Observer.result, step, event, result)
                            if type(result) is tuple and result == PASS:
                                self._take_back(before)
                                continue
                            moved = advance(self.flows, self.row, step, result, self.now, services.new_run)
                            if self.flows.guarded:
                                moved = await self._past_guards(step, moved, ctx)
                            self.row, self.name, self.changed = moved.row, moved.name, True
                            if ctx.requests:
                                self.requests += tuple(ctx.requests)
                            if moved.deletes:
                                self.deletes += moved.deletes
                            if moved.due or moved.follow_up is not None or following:
                                moved = await self._follow(step, moved, before)
                        except _UnfitError:
                            self._take_back(before)
                            raise
                        except Exception as error:
                            return await self._crashed(step, event, error, before)
                        self._applied = step, event, before
                        return moved
                return None
            except _UnfitError as unfit:
                self.end_orphan(unfit.orphan)

    def _ranks(self, kind: str, to: Recipient) -> Iterable[Rank]:
        """Return the ranks whose handlers are asked, without those that want no events of the kind."""
        row, within, only = self.row, to.within, to.only
        running = running_ranks(self.flows, row, kind, within, only, to.depth)
        entries = to.entries
        if entries is not None and not entries:
            return running
        return chain(running, entry_ranks(self.flows, row, entries, within, only))

    def _tell(self, what: Callable[..., None], step: Step, event: Any, *args: Any) -> None:
        """Tell the observers of a step, if there are any."""
        watch = self.services.watch
        if watch is not None:
            watch.tell(what, self.key, Offered(step.table.name, step.state, step.handler, event), *args)

    async def undo(self, error: Exception) -> None:
        """Take a step back whose result cannot be committed, and ask the flow's `Crashed` handlers.

        Raises:
            Exception: The error, if none of them takes it, or if it is their result that cannot be committed.
        """
        if self._applied is None:  # no handler's step: `otherwise` was said, or something was done by hand
            add_note(error, f"fsmkit: flow {self.name!r}, key {self.key}; nothing was written")
            raise error
        (step, event, before), self._applied = self._applied, None
        await self._crashed(step, event, error, before)

    async def close(self, name: str, text: str | None = None) -> None:
        """End a conversation, running its `on_exit` hooks and telling the person one of the flow's texts."""
        moves = RowEditor(self.flows, self.row, self.now)
        snapshot = self.row.snapshots[name]
        moves.close(name)
        self.row = moves.result()
        self.name = name
        self.changed = True
        self.deletes += moves.deletes
        await self.perform(moves.due, None)
        table = self.flows.tables.get(name)
        said = (
            table.flow.text_for(text, snapshot.address.lang if snapshot.address else None)
            if table and text and self.key.inline is None
            else None
        )
        if said:
            self.requests += (SendMessage(Reply(said)),)

    def follow_answer(self, name: str, frame: Frame) -> None:
        """Note the person's answer in an ephemeral state, to be deleted with the prompt."""
        event, table = self.event, self.flows.tables[frame.flow]
        rules = table.rules.get(frame.state or "")
        if rules is None or not rules.state.ephemeral or not isinstance(event, ChatEvent):
            return
        new = [message for message in event.message_ids if message not in frame.tracked]
        if event.is_new_message and new:
            self.row = follow(self.row, name, self.row.snapshots[name].run, frame.entry, new)

    def follow_chatter(self, name: str, frame: Frame) -> None:
        """Note a message that no handler took, like an answer, if it was said to this conversation.

        In a group nobody else's messages are deleted, nor what the person says in another chat or topic.
        """
        said, table = self.event.address, self.flows.tables.get(name)
        here = self.row.snapshots[name].address or home_of(self.key)
        owner = owner_of(None if table is None else table.flow, here, self.key)
        own = said.user is not None and said.user in (self.key.user, owner)
        if own and (said.chat, said.thread, said.business) == (here.chat, here.thread, here.business):
            self.follow_answer(name, frame)

    # -- one step ----------------------------------------------------------------------------------

    async def _follow(self, step: Step, moved: StepResult, before: "_Before") -> StepResult:
        """Call the hooks and prompts of a step, then the caller or the flow of the state, if there is one."""
        if moved.due:
            await self.perform(moved.due, self.event)
        if moved.follow_up is not None:
            await self._return(moved)
        elif moved.moved and self.flows.calling:
            moved = await self._call_entered(step, moved, before)
        if self.services.face.check_invariants:
            await self._check_invariants(moved.name)
        return moved

    async def _past_guards(self, step: Step, moved: StepResult, ctx: Context[Any]) -> StepResult:
        """Ask the guards of the state that a step enters, and of those to which they lead.

        Raises:
            InvalidResult: If they lead from one to the next without an end.
        """
        way: list[str] = []
        while (found := entered(self.row, moved)) is not None:
            table, frame = self.flows.tables[found[1].flow], found[1]
            way.append(f"{table.name}/{frame.state}")
            for guard in table.rules[frame.state or ""].guards:
                asked = self._context(table, frame, self.event, None)
                result = await _call(guard.function, asked, self.services.deadlines)
                if result is None:
                    ctx.requests += asked.requests
                    continue
                if len(way) > MAX_REDIRECTS:
                    raise InvalidResult(
                        f"guards have led on {MAX_REDIRECTS} times: {' → '.join(way)}",
                        flow=table.name,
                        state=frame.state,
                        place=guard.place,
                    )
                new_run = self.services.new_run
                moved = guarded(self.flows, self.row, step, moved, guard, result, self.now, new_run)
                ctx.requests = [*(ctx.requests if moved.moved else ()), *asked.requests]
                break
            else:
                break
        return moved

    async def _check_invariants(self, name: str) -> None:
        """Raise InvariantBroken if the data of a conversation are wrong by its flows' own word."""
        snapshot = self.row.snapshots.get(name)
        for frame in snapshot.frames if snapshot is not None else ():
            table = self.flows.tables.get(frame.flow)
            if table is None or frame.state is None:
                continue
            for hook in table.rules[frame.state].invariants:
                ctx = self._context(table, frame, self.event, None)
                try:
                    held = await _call(hook.function, ctx, self.services.deadlines) is not False
                except AssertionError as error:
                    raise InvariantBroken(str(error), table.name, frame.state, hook.place) from error
                if not held:
                    raise InvariantBroken("", table.name, frame.state, hook.place)

    async def _crashed(
        self, step: Step, event: Any, error: Exception, before: "_Before"
    ) -> StepResult | None:
        """Take everything back and ask the flow's `Crashed` handlers; with none the error goes on."""
        self._take_back(before)
        self._annotate(error, step)
        if not isinstance(error, HandlerRefused):
            self._tell(Observer.failed, step, event, error)
        if not isinstance(event, Crashed):
            moved = await self._rescue(step, event, error)
            if moved is not None:
                return moved
        # What refuses a `Returned` refuses the whole step that it came of; a timeout is tried again.
        own = event is self.event and not isinstance(event, Timeout)
        if isinstance(error, HandlerRefused) and own:
            _log.warning("%s; nothing was changed for %s", error, self.key)
            self.name = step.name
            return StepResult(before[0], (), (), None, step.name, False)
        self._prepare_sorry(step, error)
        raise error

    async def _rescue(self, step: Step, event: Any, error: Exception) -> StepResult | None:
        """Offer an exception to the `Crashed` handlers; one that refuses leaves the exception as it is."""
        try:
            return await self.offer(Crashed(error, event), Recipient(within=step.name))
        except HandlerRefused as refusal:
            _log.warning("%s; %s goes on, for %s", refusal, type(error).__name__, self.key)
            return None

    def _annotate(self, error: BaseException, step: Step) -> None:
        handler = step.handler
        named = f"handler {handler.name} ({handler.place})"
        if remedy := remedy_for(error):
            error.args = (f"{error}: {remedy}",)
            add_note(error, f"fsmkit: {handler.place}: {remedy}")
        add_note(error, f"fsmkit: flow {step.table.name!r}, state {step.state!r}, key {self.key}, {named}")
        mark(error, Origin(self.key, self.event, step.table.name, step.state, handler.name, handler.place))

    def _prepare_sorry(self, step: Step, error: Exception) -> None:
        """Leave the flow's `crash` text with the exception, to be said once the lease is free."""
        text = step.table.flow.text_for("crash", self.lang)
        if text and isinstance(self.event, ChatEvent) and self.key.inline is None:
            to = address_of((self.row,), step.name, self.event, self.key)
            leave_with(error, _SORRY, Send(Reply(text), to, Bound(step.name, 0, 0)))

    def _take_back(self, before: "_Before") -> None:
        self.row, self.requests, self.deletes, self.jobs, self.changed = before

    async def _return(self, moved: StepResult) -> None:
        """Tell a caller of its sub-flow's end; its prompt is said again unless it goes on from there."""
        taken = await self.offer(moved.follow_up, Recipient(within=moved.name))
        if taken is not None and taken.moved:
            return
        if await self.call_running(moved.name) is not None:
            return
        if self.row.snapshots[moved.name].active:
            moves = RowEditor(self.flows, self.row, self.now)
            moves.prompt(moved.name)
            await self.perform(moves.due, self.event)
        else:  # it was called from no state, and went nowhere after the return
            await self.close(moved.name)

    async def call_running(self, name: str) -> StepResult | None:
        """Call the flow that a conversation's running state is a call of; `None` if it is none."""
        snapshot = self.row.snapshots.get(name)
        frame = snapshot.frames[-1] if snapshot is not None else None
        table = self.flows.tables.get(frame.flow) if frame is not None else None
        if frame is None or table is None or frame.state is None:
            return None
        if table.rules[frame.state].state.call is None:
            return None
        return await self.offer(StateEntered(self.event), Recipient(within=name))

    async def _call_entered(self, step: Step, moved: StepResult, before: "_Before") -> StepResult:
        """Call the flow of a state that was entered.

        Where a guard of that flow refuses, the step is taken back, as where one of the state refuses.

        Args:
            step: The step that has entered it.
            moved: What the step did.
            before: What there was before it.
        """
        said = self.requests
        called = await self.call_running(moved.name)
        if called is None or called.moved:
            return moved
        row, requests, self.deletes, self.jobs, _ = before
        stayed = advance(self.flows, row, step, ("stay",), self.now, self.services.new_run)
        self.requests = requests + self.requests[len(said) :]
        self.row, self.name = stayed.row, stayed.name
        return stayed

    async def perform(self, due: Iterable[PendingCall], event: Any) -> None:
        """Call hooks and prompts in their order; what they ask for joins this commit."""
        for call in due:
            if call.kind == "job":
                self.jobs += (call,)
                continue
            if not callable(call.function):
                self.requests += (_said(call, call.function),)
                continue
            ctx = self._context(call.table, call.frame, self.event if event is None else event, None)
            said = await _call(call.function, ctx, self.services.deadlines)
            self.requests += tuple(ctx.requests)
            if call.kind in ("prompt", "otherwise", "reminder"):
                if said is not None:
                    self.requests += (_said(call, said),)
            elif said is not None:
                raise InvalidResult(
                    f"a hook returned {said!r}; hooks return nothing, handlers say where to go",
                    flow=call.table.name,
                    state=call.frame.state,
                    place=call.place,
                )

    def _context(self, table: CompiledFlow, frame: Frame | None, event: Any, match: Any) -> Context[Any]:
        if frame is None:
            return Context(table.codec.initial(), None, None, match, table.name, event, self)
        data: Any = frame.data
        if type(data) is Raw:
            try:
                data = data_of(table, frame)
            except OrphanedConversation as error:
                raise _UnfitError(Orphan(self.name_of(frame), table, error)) from error
        previous = frame.history[-1] if frame.history else None
        if previous is not None and previous not in table.rules:
            previous = table.renamed.get(previous, previous)
        return Context(data, frame.state, previous, match, table.name, event, self, frame.retries)

    def name_of(self, frame: Frame) -> str:
        """Return the conversation in which a frame stands."""
        for name, snapshot in self.row.snapshots.items():
            if any(other is frame for other in snapshot.frames):
                return name
        return frame.flow

    def handle(self, flow: Any, ctx: Context[Any]) -> ConversationHandle:
        """Return another flow of the same key, for `ctx.at(flow)`."""
        table = self.services.table_of(flow)
        return ConversationHandle(self, table, ctx)


_Before: TypeAlias = tuple[
    Row, tuple[Request, ...], tuple[MessagesToDelete, ...], tuple[PendingCall, ...], bool
]
"""What a turn had come to before a step: row, requests, deletes, jobs, and whether it had changed."""


class _UnfitError(Exception):
    """Stored data do not fit the flow; found when they were to be shown to a handler."""

    def __init__(self, orphan: Orphan) -> None:
        self.orphan = orphan


async def _call(function: Callable[[Any], Any], ctx: Context[Any], deadlines: Deadlines | None) -> Any:
    """Call a hook or a prompt, sync or async; its context is over when it returns."""
    try:
        result = function(ctx) if deadlines is None else deadlines.call_hook(function, ctx)
        return await result if isawaitable(result) else result
    except BaseException as raised:
        _go_on_with(raised)
        raise
    finally:
        ctx.over = True


def _go_on_with(raised: BaseException) -> None:
    """Raise an error instead, where something was raised that would end more, or less, than the step."""
    if isinstance(raised, StopIteration):  # as Python does where it leaves a coroutine
        raise RuntimeError("coroutine raised StopIteration") from raised
    if not isinstance(raised, Exception):
        aborted = aborted_by(raised)
        if aborted is not None:
            raise aborted from raised


def crash_reply(error: BaseException) -> Send | None:
    """Return the flow's `crash` text that was left with an exception, once.

    It is taken off: a bot may raise the same exception again, in another person's conversation.
    """
    said: Send | None = take_from(error, _SORRY)
    return said


current_turn: ContextVar[Turn | None] = ContextVar("fsmkit_turn", default=None)


def _said(call: PendingCall, said: Any) -> SendMessage:
    """Return what a prompt or `otherwise` says: a prompt with the state's buttons, and as its screen."""
    rules = call.table.rules.get(call.frame.state or "")
    reply = as_reply(said)
    if rules is None:  # the reminder of a flow that waits without a state
        return SendMessage(reply)
    if call.kind != "prompt":
        return SendMessage(reply, ephemeral=rules.state.ephemeral)
    if rules.buttons and not reply.buttons:
        reply = as_reply(reply, buttons=rules.buttons)
    if rules.state.show:
        screen = rules.state.screen_of(call.table.name)
        return SendMessage(as_screen(reply), show=True, screen=screen)
    return SendMessage(reply, ephemeral=rules.state.ephemeral)


async def say_default(turn: Turn) -> bool:
    """Do what is done with an event that no handler took; return whether that was anything.

    `otherwise` is said to a message, and to a command by which somebody begins again what runs already.
    """
    event = turn.event
    if not isinstance(event, ChatEvent):
        return False
    if event.pressed is not None:  # of a state that a newer version has made a call
        return await turn.call_running(event.pressed.flow) is not None
    if not event.is_new_message and not _begins_again(turn):
        return False
    if await say_otherwise(turn):
        return True
    note_chatter(turn)
    return False


def _begins_again(turn: Turn) -> bool:
    """Return whether the event is a command that would begin a flow which runs already."""
    return turn.event.kind == "command" and any(
        handler.wants(turn.event) is not None
        for flow in running_flows(turn.row)
        if flow in turn.flows.tables
        for handler in turn.flows.tables[flow].by_state[None]
    )


async def force_close(
    turn: Turn, name: str, report: Callable[[Key, Any, Exception], Awaitable[None]]
) -> None:
    """End a conversation with its hooks; one that raises is reported and keeps nothing alive."""
    before, said = turn.row, turn.requests
    try:
        await turn.close(name)
    except Exception as error:
        turn.requests = said
        turn.row = before.with_conversation(name, None)
        await report(turn.key, None, error)


async def say_otherwise(turn: Turn) -> bool:
    """Say what the running state says to a message that nobody took; return whether it says anything."""
    for name in reversed(turn.row.snapshots):
        frames = turn.row.snapshots[name].frames
        frame = frames[-1]
        table = turn.flows.tables.get(frame.flow)
        if frame.state is None or table is None:
            continue
        if table.rules[frame.state].state.call is not None:  # it was no call before, or was set by hand
            return await turn.call_running(name) is not None
        said = table.rules[frame.state].state.otherwise
        if said is None:
            continue
        turn.follow_chatter(name, frame)
        moves = RowEditor(turn.flows, turn.row, turn.now)
        moves.keep(name, len(frames) - 1, None)
        turn.row = moves.result()
        turn.name = name
        turn.changed = True
        await turn.perform((PendingCall("otherwise", said, table, frame, table.flow.place),), None)
        return True
    return False


def note_chatter(turn: Turn) -> None:
    """Note a message that nobody took, to be deleted with the ephemeral states of those who lead it here."""
    before = turn.row
    for name, snapshot in before.snapshots.items():
        table = turn.flows.tables.get(snapshot.frames[-1].flow)
        if table is not None and table.ephemeral:
            turn.follow_chatter(name, snapshot.frames[-1])
    turn.changed = turn.changed or turn.row is not before
