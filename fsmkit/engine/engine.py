"""The engine's public face: events in, rows by hand, time, and life.

How one event becomes a commit is in `fsmkit.engine.dispatcher`.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from fsmkit.clock import Clock, SystemClock
from fsmkit.engine.client import conversations_of
from fsmkit.engine.dispatcher import IDLE, Dispatcher, Envelope
from fsmkit.engine.due import AlbumOf, force_close
from fsmkit.engine.envelope import Outcome
from fsmkit.engine.fifo import KeyedLock
from fsmkit.engine.handles import AsyncConversationHandle
from fsmkit.engine.jobs import StateJobs
from fsmkit.engine.outbox import Deliver, Outbox
from fsmkit.engine.sweeper import DueScan, Sweeper
from fsmkit.engine.turn import Turn, current_turn
from fsmkit.errors import DefinitionError, NestedSend, UnknownState, Unreachable
from fsmkit.flow.events import DeliveryFailed, Done, Failed
from fsmkit.flow.flow import Flow
from fsmkit.flow.matchers import classes_in, value_classes_in
from fsmkit.flow.messages import Answer
from fsmkit.flow.states import State
from fsmkit.interpreter.access import KEEP, WritableRow, frame_of
from fsmkit.interpreter.codec import EventCodec, ValueCodec
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import Edit, Effect, Receipt, Row, ScheduledEvent, Send
from fsmkit.interpreter.settle import Limits, follow
from fsmkit.jobs.job import Job
from fsmkit.jobs.runner import JobRunner
from fsmkit.keys import Key, event_id_of
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.protocol import Store

if TYPE_CHECKING:
    from fsmkit.engine.source import Source

_log = logging.getLogger("fsmkit")

LEASE_TRIES = 2


OPTIMISTIC_TRIES = 6
"""The first run and five more."""


DEDUPE_DURABLE = 25 * 3600.0
"""Seconds; Telegram keeps updates for 24 hours (https://core.telegram.org/bots/api#getting-updates)."""


DEDUPE_MEMORY = 600.0


PATIENCE = 300.0


DRAIN_SECONDS = 5.0


class Engine:
    """Runs flows over a store, with or without Telegram.

    Args:
        flows: The flows, in order of arbitration.
        store: Where rows are kept; by default a `MemoryStore`, which forgets them at the end.
        clock: Where the time comes from.
        deliver: Carries one effect out, `deliver(key, effect) -> message id | None`, sync or async; without
            it effects stay in the `Outcome`.
        resources: What handlers find in `ctx.resources`.
        isolation: `"lease"`: a key's events one after the other. `"optimistic"`: at the same time, and of
            two that collide the second runs again, five times at most.
        dedupe_for: How long event ids are remembered: seconds or a `timedelta`; by default 25 hours in
            durable stores, 10 minutes in memory.
        max_row_bytes: Bytes that a key's row may take, the outbox apart.
        sources: Where events come from besides; they run while the engine does.
        jobs: A runner of the application's own jobs, started and stopped with the engine; sources and jobs of
            states run in it.

    Raises:
        DefinitionError: If the flows do not fit together.

    Example:
        >>> import asyncio
        >>> from fsmkit import Engine, Flow, Key
        >>> flow = Flow("greet")
        >>> @flow.defstate(None, on=str)
        ... def greet(event, ctx):
        ...     ctx.reply(f"Hello, {event}.")
        >>> outcome = asyncio.run(Engine(flow).send(Key(chat=1, user=1), "Ann"))
        >>> outcome.kind, outcome.effects[0].text
        ('handled', 'Hello, Ann.')
    """

    def __init__(
        self,
        *flows: Flow[Any],
        store: Store | None = None,
        clock: Clock | None = None,
        deliver: Deliver | None = None,
        resources: Any = None,
        isolation: Literal["lease", "optimistic"] = "lease",
        dedupe_for: float | timedelta | None = None,
        max_row_bytes: int = 65536,
        sources: "Iterable[Source]" = (),
        jobs: JobRunner | None = None,
    ) -> None:
        if isolation not in ("lease", "optimistic"):
            raise DefinitionError(
                f"isolation={isolation!r}", place=None, remedy='Write "lease" or "optimistic"'
            )
        self.clock = clock or SystemClock()
        self.store: Store = MemoryStore(self.clock) if store is None else store
        if isinstance(store, MemoryStore) and clock is not None:
            store.use_clock(clock)
        self.flows = FlowSet(flows)
        self.resources = resources
        self.bot: int | str | None = None
        """The attached bot's id, part of every key."""
        self.check_invariants = False
        """Whether `@flow.invariant` functions are asked after each step; one that fails refuses the step."""
        self.on_error: Callable[[Key | None, Any, Exception], Any] = _log_error
        """Told, sync or async, of what a handler raised where nobody awaits it (timeouts, due_events), with
        its key; without one of what a job or a source raised, with that."""
        self.sources = tuple(sources)
        self.runner = jobs or JobRunner(clock=self.clock)
        """Runs the sources, and the application's own jobs."""
        if self.runner.on_error is None:
            self.runner.on_error = self._job_failed
        self.telegram_for: Callable[[Key], Any] = _no_telegram
        """Makes PTB's context where no update is at hand."""
        self.album_of: AlbumOf | None = None
        """Makes the event of an album from its stored messages."""
        self.busy: Callable[[], bool] = bool
        """Whether updates wait that go before timeouts."""
        self.patience = PATIENCE
        """For how many seconds timeouts let them go first, at most."""
        self.awaited: Callable[[Key], bool] = _nobody
        """Whether updates of a conversation wait that go before its timeouts."""
        self._own_store = store is None
        matchers = [h.matcher for t in self.flows.tables.values() for h in t.flow.handlers]
        self.events = EventCodec(classes_in(matchers))
        self.values = ValueCodec(value_classes_in(matchers))
        self._outbox = Outbox(
            self.store, deliver, self._post, self._refused, self._ephemeral_sent, self.clock
        )
        self._jobs = StateJobs(self)
        exclusive = isolation == "lease"
        # With one key rule the lease is the line. With several, an event's keys are walked one after the
        # other, and a later event must not overtake it between two of them.
        self._lines = KeyedLock() if exclusive and len(self.flows.key_rules()) > 1 else None
        self._processor = Dispatcher(
            self,
            self.store,
            self.clock,
            self.events,
            Limits(_dedupe(dedupe_for, self.store.durable), max_row_bytes, deliver is not None),
            self._outbox,
            self._jobs,
            exclusive=exclusive,
            tries=LEASE_TRIES if exclusive else OPTIMISTIC_TRIES,
            report=self.report,
            telegram_for=lambda key: self.telegram_for(key),
            album_of=lambda: self.album_of,
        )
        self._lookout = DueScan(
            self._due, self._processor, self.report, self.clock, awaited=lambda key: self.awaited(key)
        )
        self._sweeper = Sweeper(
            self._lookout.begin, self.clock, busy=lambda: self.busy(), patience=lambda: self.patience
        )

    # -- events ------------------------------------------------------------------------------------

    async def send(
        self,
        key: Key,
        event: Any,
        id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
        flow: "Flow[Any] | str | None" = None,
        expect: "str | State | None" = None,
    ) -> Outcome:
        """Gives an event to a conversation, as an update is given; deliveries are done when it returns.

        Args:
            key: Whose conversation; without a bot the attached one is meant.
            event: Any object; handlers ask for its class with `on=`.
            id: What it is recognised by when it comes again: then it is a `"duplicate"`.
            flow: Only this flow gets it.
            expect: Only in this state of `flow`.

        Returns:
            What became of it.

        Raises:
            NestedSend: If a handler awaits it: use `ctx.send`.
            Exception: What the handler raised; nothing was changed then.
        """
        self._check_not_nested("engine.send", "ctx.send(key, event)")
        if not isinstance(key, Key):
            raise TypeError(f"engine.send takes a Key first, got {key!r}")
        if expect is not None and flow is None:
            raise TypeError("expect= is a state of flow=: name both")
        key = key.with_bot(self.bot)
        arrival = Envelope(
            event,
            None if id is None else event_id_of(id),
            expect=None if expect is None else str(expect),
            only=None if flow is None else self.table_of(flow).name,
            telegram=self.telegram_for(key),
        )
        return await self._processor.process(key, arrival)

    async def send_to_user(
        self,
        user: int | str,
        event: Any,
        id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
        flow: "Flow[Any] | str | None" = None,
        expect: "str | State | None" = None,
    ) -> dict[Key, Outcome]:
        """Gives an event to all conversations of a person that run, in whatever chats.

        Args:
            user: The person's id.
            event: As for `send`, like what follows.
            id: What it is recognised by, in each of them.
            flow: Only this flow gets it.
            expect: Only in this state of `flow`.

        Returns:
            What became of it in each; empty if none runs.

        Raises:
            NestedSend: If a handler awaits it.
            Exception: What a handler raised, once the others have it too; several as an `ExceptionGroup`.
        """
        name = None if flow is None else self.table_of(flow).name
        told: dict[Key, Outcome] = {}
        errors: list[Exception] = []
        for key in await conversations_of(self.store, user, self.bot, name):
            try:
                told[key] = await self.send(key, event, id, flow, expect)
            except NestedSend:
                raise
            except Exception as error:
                errors.append(error)
        if len(errors) > 1:
            raise ExceptionGroup(f"{len(errors)} conversations of {user}", errors)
        if errors:
            raise errors[0]
        return told

    async def receive(
        self,
        event: Any,
        keys: Sequence[tuple[Key, Sequence[CompiledFlow] | None]],
        event_id: str | None,
        telegram: Any,
        committed: Callable[[Outcome], Awaitable[None]] | None = None,
        void: Callable[[], bool] | None = None,
    ) -> Outcome:
        """Takes an event from a face, with the keys that it has by the flows' key rules.

        Ids are checked on all keys first; then one key after the other is asked, until one consumes the
        event; `otherwise` is said only where no key's handlers took it.

        Args:
            event: The event.
            keys: Keys in flow order, each with the flows that may be entered there.
            event_id: What it is recognised by.
            telegram: PTB's context.
            committed: Told of the outcome after the commit and before anything is delivered.
            void: Asked when its turn has come whether it is of no use any more: no handler sees it then.
        """
        if self._lines is None:
            return await self._walk(event, keys, event_id, telegram, committed, void)
        async with self._lines.place([key for key, _ in keys]):
            return await self._walk(event, keys, event_id, telegram, committed, void)

    async def _walk(
        self,
        event: Any,
        keys: Sequence[tuple[Key, Sequence[CompiledFlow] | None]],
        event_id: str | None,
        telegram: Any,
        committed: Callable[[Outcome], Awaitable[None]] | None,
        void: Callable[[], bool] | None,
    ) -> Outcome:
        """Asks one key after the other."""
        if len(keys) == 1:
            key, entries = keys[0]
            return await self._processor.process(
                key, Envelope(event, event_id, entries, telegram=telegram, committed=committed, void=void)
            )
        for key, _ in keys:
            if event_id is not None and f" {event_id} " in (await self._processor.peek(key)).seen:
                return Outcome("duplicate")
        idle: set[Key] = set()
        for otherwise in (False, True):
            for key, entries in keys:
                if key in idle:
                    continue
                arrival = Envelope(
                    event,
                    event_id,
                    entries,
                    telegram=telegram,
                    handlers=not otherwise,
                    otherwise=otherwise,
                    committed=committed,
                    void=void,
                )
                outcome = await self._processor.process(key, arrival)
                if outcome.kind != "passed":
                    return outcome
                if outcome is IDLE:  # no conversation runs that could say `otherwise`
                    idle.add(key)
        return Outcome("passed")

    async def sweep(self) -> int:
        """Fires the timeouts, reminders and due_events that are due now, and begins jobs of states that
        nobody runs; the number of keys looked at.

        A timeout handler that raises is called again later; see `on_error`.
        """
        return await self._lookout.sweep()

    async def _due(self, limit: int) -> list[Key]:
        return await self.store.due(self.bot, list(self.flows.tables), self.clock.now(), limit)

    # -- by hand -----------------------------------------------------------------------------------

    async def get_state(self, flow: "Flow[Any] | str", key: Key) -> tuple[str | None, Any]:
        """State and data of a flow, `(None, None)` if there is nothing (a draft has data and no state)."""
        table = self.table_of(flow)
        frame = frame_of(await self.peek(key.with_bot(self.bot)), table.name)
        return (frame.state, table.codec.decode(frame.data)) if frame else (None, None)

    async def set_state(
        self, flow: "Flow[Any] | str", key: Key, state: "str | State | None", data: Any = KEEP
    ) -> None:
        """Puts a flow into a state, with its data kept unless given; no prompt is sent, no hook runs.

        The state's job begins. Times begin anew as with a transition; a flow's `max_age` only where it did
        not run.

        Raises:
            UnknownState: If the flow has no such state.
            UnstorableData: If the data cannot be stored.
        """
        await self.at(flow, key).set_state(state, data)

    async def reset_state(self, flow: "Flow[Any] | str", key: Key) -> None:
        """Drops a flow's state and data; no matter if there are none."""
        await self.at(flow, key).clear()

    def at(self, flow: "Flow[Any] | str", key: Key) -> AsyncConversationHandle:
        """One flow of one key, to be read and written by hand; each call is locked and atomic."""
        return AsyncConversationHandle(self, self.table_of(flow), key.with_bot(self.bot))

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Starts the sweeper; no matter if it runs already."""
        if not self._sweeper.running:
            self._sweeper.start()
            self.runner.start()
            self._jobs.open()
            for source in self.sources:
                await self.runner.run_forever(Job(source.name, source.run, self))
            if self._own_store:
                _log.info("conversations are kept in memory: they are lost when this process ends")

    async def stop(self, drain: float = DRAIN_SECONDS) -> None:
        """Ends the sweeper, the jobs of states, the sources, what else the runner has, and deliveries.

        Jobs of states go on at the next start; the runner's other jobs have its own `drain` time.

        Args:
            drain: Seconds that deliveries are waited for.
        """
        await self._sweeper.stop()
        await self._lookout.stop()
        await self._jobs.stop()
        await self.runner.stop()
        await self._outbox.drain(drain)

    async def __aenter__(self) -> "Engine":
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()
        if self._own_store:
            await self.store.close()

    @property
    def running(self) -> bool:
        """Whether timeouts fire by themselves."""
        return self._sweeper.running

    # -- for the rooms around it -------------------------------------------------------------------

    def table_of(self, flow: "Flow[Any] | str") -> CompiledFlow:
        """A flow made ready.

        Raises:
            UnknownState: If it is not attached.
        """
        table = self.flows.find(flow)
        if table is None:
            name, known = str(getattr(flow, "name", flow)), ", ".join(self.flows.tables)
            raise UnknownState(
                f"flow {name!r} is not attached; attached are {known}", flow=name, state=None, place=None
            )
        return table

    def new_run(self) -> int:
        """A number for a run, so that buttons of another run are told apart; never zero."""
        return random.getrandbits(32) | 1  # not a secret: the button's tag is what cannot be forged

    async def peek(self, key: Key) -> Row:
        """The row of a key as last committed, in the versions that run here."""
        return await self._processor.peek(key)

    async def edit(self, key: Key, change: Callable[[WritableRow], None]) -> Row:
        """Writes a row by hand, under its lease."""
        self._check_not_nested("writing through engine.at", "ctx.at(flow) or ctx.send(key, event)")
        return await self._processor.edit(key, change)

    async def relocate(self, old: int | str, new: int | str) -> int:
        """Moves all conversations of a chat to its new id.

        `attach` does it where a group becomes a supergroup. Events for the old id follow, for a month, and
        so do messages that wait. Of two conversations in one flow, the one begun under the new id goes on.
        May be repeated.

        Returns:
            How many rows were moved.

        Raises:
            NestedSend: If a handler awaits it.
        """
        self._check_not_nested("engine.relocate", "a task of its own")
        if old == new:
            return 0
        return await self._processor.relocation.chat(self.bot, old, new)

    async def end_chat(self, chat: int | str, business: int | str | None = None) -> None:
        """Ends all conversations of a chat, or of a person, whom the bot cannot reach any more.

        Those that have gone on to the chat's new id are left alone.

        Args:
            chat: The chat's id, or the person's.
            business: The business connection through which nobody can be reached; `None`: without one.
        """
        for key in await self.store.keys(chat, bot=self.bot):
            if (key.business, key.bot) == (business, self.bot):
                try:
                    if not await self._processor.has_moved(key):
                        await self.end_all(key)
                except Exception as error:  # a hook that raises keeps nobody else's conversation alive
                    await self.report(key, None, error)

    async def end_all(self, key: Key) -> None:
        """Ends all conversations of a key, running their `on_exit` hooks: nobody is there any more."""

        async def close(turn: Turn) -> None:
            for name in [name for name, snapshot in turn.row.snapshots.items() if snapshot.active]:
                await force_close(turn, name, self.report)
            turn.requests.clear()
            turn.deletes.clear()

        await self._processor.edit(key, close, self.telegram_for(key))

    async def apply(self, key: Key, event: Done | Failed, job: str) -> Outcome:
        """Gives a job its outcome, if it still stands; else that is a `"duplicate"`."""
        return await self._processor.process(key, Envelope(event, job=job, telegram=self.telegram_for(key)))

    async def report(self, key: Key, event: Any, error: Exception) -> None:
        """Tells `on_error` of an exception that nobody awaits."""
        told = self.on_error(key, event, error)
        if told is not None:
            await told

    async def _job_failed(self, job: Job, error: BaseException) -> None:
        if isinstance(error, Exception):
            told = self.on_error(None, job, error)
            if told is not None:
                await told

    async def _post(self, mail: ScheduledEvent) -> None:
        """Gives a letter to its conversation; what its handler raises is reported, not repeated."""
        key, event = Key.parse(mail.key), None
        try:
            event = self.events.decode(mail.event, mail.body)
            arrival = Envelope(
                event,
                mail.known or event_id_of(("mail", mail.id)),
                only=mail.flow,
                expect=mail.expect,
                telegram=self.telegram_for(key),
            )
            await self._processor.process(key, arrival)
        except Exception as error:
            await self.report(key, event, error)

    async def _refused(self, key: Key, effect: Effect, error: Exception) -> None:
        """Tells a conversation that one of its effects could not be carried out."""
        event = DeliveryFailed(effect, f"{type(error).__name__}: {error}")
        try:
            if isinstance(error, Unreachable):
                if not await self._processor.has_moved(key):
                    await self.end_all(key)
                if not isinstance(effect, Answer):
                    await self.end_chat(effect.to.chat, effect.to.business)
                return
            within = effect.bound.flow if isinstance(effect, Send | Edit) and effect.bound.flow else None
            arrival = Envelope(event, within=within, telegram=self.telegram_for(key))
            await self._processor.process(key, arrival)
        except Exception as failure:
            await self.report(key, event, failure)

    async def _ephemeral_sent(self, key: Key, receipts: Sequence[Receipt]) -> None:
        """Deletes ephemeral messages whose state was left while they were on their way."""
        try:
            row = await self.peek(key)
            if any(follow(row, sent.flow, sent.run, sent.entry, [sent.message]) is row for sent in receipts):
                await self._processor.look(key)
        except Exception as error:  # they go with the next commit
            _log.info("%s: ephemeral messages are left for later: %r", key, error)

    def _check_not_nested(self, what: str, instead: str) -> None:
        turn = current_turn.get()
        if turn is not None and not turn.over:
            raise NestedSend(
                f"{what} inside a handler (of the conversation of {turn.key}): two that wait for each other "
                f"would wait for ever. Use {instead}, which joins this handler's commit"
            )


def _dedupe(given: float | timedelta | None, durable: bool) -> float:
    if given is None:
        return DEDUPE_DURABLE if durable else DEDUPE_MEMORY
    return given.total_seconds() if isinstance(given, timedelta) else float(given)


def _log_error(key: Key | None, event: Any, error: Exception) -> None:
    if key is not None:  # a job's failure is in the log of its runner
        _log.error("%s: handling %r failed", key, event, exc_info=error)


def _no_telegram(_key: Key) -> Any:
    return None


def _nobody(_key: Key) -> bool:
    return False
