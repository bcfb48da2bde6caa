"""The engine's public face: events in, rows by hand, time, and life.

How one event becomes a commit is in `fsmkit.engine.dispatcher`.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Literal, Protocol

from fsmkit.clock import Clock, SystemClock
from fsmkit.engine.client import conversations_of
from fsmkit.engine.deadline import deadlines_of
from fsmkit.engine.dispatcher import Dispatcher
from fsmkit.engine.envelope import Envelope, Outcome, Recipient
from fsmkit.engine.handles import AsyncConversationHandle
from fsmkit.engine.observer import Observer, Watchers
from fsmkit.engine.outbox import Deliver
from fsmkit.engine.services import Face, Services
from fsmkit.engine.sweeper import DueScan, Sweeper
from fsmkit.engine.transaction import OUTSIDE, SEND, check_not_nested
from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import calling_location
from fsmkit.flow.matchers import classes_in, value_classes_in
from fsmkit.flow.options import options_checked
from fsmkit.flow.states import State
from fsmkit.interpreter.access import KEEP, frame_of
from fsmkit.interpreter.codec import EventCodec, ValueCodec
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.migrations import data_of
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.settle import Limits
from fsmkit.jobs.job import Job
from fsmkit.jobs.runner import JobRunner
from fsmkit.keys import Key, event_id_of
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import open_store

_log = logging.getLogger("fsmkit")

DEDUPE_DURABLE = 25 * 3600.0
"""Seconds; Telegram keeps updates for 24 hours (https://core.telegram.org/bots/api#getting-updates)."""


DEDUPE_MEMORY = 600.0


DRAIN_SECONDS = 5.0


@options_checked
class Engine:
    """Runs flows over a store, with or without Telegram.

    Args:
        flows: The flows, in order of arbitration.
        store: Where conversations are stored: a store, or its URL as in `open_store`; by default a
            `MemoryStore`, which forgets them at the end.
        clock: The source of the time.
        deliver: Sends one effect, `deliver(key, effect) -> message id | None`, sync or async; without it
            effects are only in the `Outcome`.
        resources: The object that handlers find in `ctx.resources`.
        isolation: `"lease"`: events of a key are handled one after the other. `"optimistic"`: at the same
            time; if two collide, the second one runs again, five times at most.
        dedupe_for: How long event ids are remembered: seconds or a `timedelta`; by default 25 hours in
            durable stores, 10 minutes in memory.
        max_row_bytes: How many bytes may be stored for a key, without unsent messages.
        sources: Other sources of events; they run while the engine does.
        jobs: A runner for the application's own jobs, started and stopped with the engine; sources run in it,
            and so do the jobs of states.
        observers: Called for what the engine does (`fsmkit.engine.Observer`).
        handler_timeout: How long a handler may take: seconds or a `timedelta`; `None`: no limit. A handler
            that takes longer is cancelled with `HandlerTimeout`. States may have their own limit.
        sync_handlers: Where plain functions run as handlers: on the `"loop"`, or each in a `"thread"`, so
            that one which waits for a file or a service delays nobody else.

    Raises:
        DefinitionError: If the flows do not fit together, or no store has the URL.

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
        store: Store | str | None = None,
        clock: Clock | None = None,
        deliver: Deliver | None = None,
        resources: Any = None,
        isolation: Literal["lease", "optimistic"] = "lease",
        dedupe_for: float | timedelta | None = None,
        max_row_bytes: int = 65536,
        sources: "Iterable[Source]" = (),
        jobs: JobRunner | None = None,
        observers: Iterable[Observer] = (),
        handler_timeout: float | timedelta | None = None,
        sync_handlers: Literal["loop", "thread"] = "loop",
    ) -> None:
        if isolation not in ("lease", "optimistic"):
            raise DefinitionError(
                f"isolation={isolation!r}", place=None, remedy='Write "lease" or "optimistic"'
            )
        self.clock = clock or SystemClock()
        given = _store_at(store) if isinstance(store, str) else store
        self.store: Store = MemoryStore(self.clock) if given is None else given
        if isinstance(given, MemoryStore) and clock is not None:
            given.use_clock(clock)
        self.flows = FlowSet(flows)
        for table in self.flows.tables.values():
            table.flow.in_use = True
        self.face = Face()
        """What stands in front of it."""
        self.sources = tuple(sources)
        self.runner = jobs or JobRunner(clock=self.clock)
        """Runs the sources, and the application's own jobs."""
        if self.runner.on_error is None:
            self.runner.on_error = self._job_failed
        self._own_store = given is not store or store is None
        matchers = [h.matcher for t in self.flows.tables.values() for h in t.flow.handlers]
        self.events = EventCodec(classes_in(matchers))
        self.values = ValueCodec(value_classes_in(matchers))
        watching = tuple(observers)
        self._services = Services(
            flows=self.flows,
            store=self.store,
            clock=self.clock,
            resources=resources,
            events=self.events,
            values=self.values,
            limits=Limits(_dedupe(dedupe_for, self.store.durable), max_row_bytes, deliver is not None),
            runner=self.runner,
            watch=Watchers(watching) if watching else None,
            deadlines=deadlines_of(self.flows.tables.values(), self.clock, handler_timeout, sync_handlers),
            face=self.face,
        )
        self._dispatcher = Dispatcher(self._services, deliver, exclusive=isolation == "lease")
        self.receive = self._dispatcher.receive
        """Takes an event from a face, with the keys that it has by the flows' key rules."""
        self._due_scan = DueScan(self._services, self._dispatcher.due)
        self._sweeper = Sweeper(self._due_scan.begin, self._due_scan.take_up, self._services)

    @property
    def resources(self) -> Any:
        """The object that handlers find in `ctx.resources`."""
        return self._services.resources

    @resources.setter
    def resources(self, resources: Any) -> None:
        self._services.resources = resources

    @property
    def bot(self) -> int | str | None:
        """The attached bot's id, part of every key."""
        return self.face.bot

    @bot.setter
    def bot(self, bot: int | str | None) -> None:
        self.face.bot = bot

    @property
    def on_error(self) -> Callable[[Key | None, Any, Exception], Any]:
        """Called, sync or async, with exceptions that nobody awaits: of handlers (timeouts, scheduled events)
        with the key and the event, of jobs and sources with `None` and the job.
        """
        return self.face.on_error

    @on_error.setter
    def on_error(self, told: Callable[[Key | None, Any, Exception], Any]) -> None:
        self.face.on_error = told

    # -- events ------------------------------------------------------------------------------------

    async def send(
        self,
        key: Key,
        event: Any,
        id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
        flow: "Flow[Any] | str | None" = None,
        expect: "str | State | None" = None,
    ) -> Outcome:
        """Send an event to a conversation, like an update; its messages are sent when this returns.

        Args:
            key: The conversation; without a bot, the attached one is used.
            event: Any object; handlers name its class in `on=`.
            id: The id of the event: if it comes again with the same id, it is a `"duplicate"`.
            flow: Only this flow gets it.
            expect: Only in this state of `flow`.

        Returns:
            What became of it.

        Raises:
            NestedSend: If a handler awaits it: use `ctx.send`.
            Exception: What the handler raised; nothing was changed then.
        """
        check_not_nested("engine.send", SEND)
        if not isinstance(key, Key):
            raise TypeError(f"engine.send takes a Key first, got {key!r}")
        if expect is not None and flow is None:
            raise TypeError("expect= is a state of flow=: name both")
        key = key.with_bot(self.bot)
        to = Recipient(
            only=None if flow is None else self.table_of(flow).name,
            expect=None if expect is None else str(expect),
        )
        event_id = None if id is None else event_id_of(id)
        return await self._dispatcher.process(key, Envelope(event, event_id, to, self.face.telegram_for(key)))

    async def send_to_user(
        self,
        user: int | str,
        event: Any,
        id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
        flow: "Flow[Any] | str | None" = None,
        expect: "str | State | None" = None,
    ) -> dict[Key, Outcome]:
        """Send an event to all running conversations of a person, in any chat.

        Args:
            user: The person's id.
            event: As in `send`.
            id: The id of the event, the same in all of them.
            flow: Only this flow gets it.
            expect: Only in this state of `flow`.

        Returns:
            What became of it in each; empty if none runs.

        Raises:
            NestedSend: If a handler awaits it.
            Exception: What a handler raised, once the others have it too; several as an `ExceptionGroup`.
        """
        check_not_nested("engine.send_to_user", SEND)
        name = None if flow is None else self.table_of(flow).name
        told: dict[Key, Outcome] = {}
        errors: list[Exception] = []
        for key in await conversations_of(self.store, user, self.bot, name):
            try:
                told[key] = await self.send(key, event, id, flow, expect)
            except Exception as error:
                errors.append(error)
        if len(errors) > 1:
            raise ExceptionGroup(f"{len(errors)} conversations of {user}", errors)
        if errors:
            raise errors[0]
        return told

    def observe(self, observer: Observer) -> None:
        """Add an observer, before the first event; `observers=` gives them at once."""
        known = self._services.watch.observers if self._services.watch is not None else ()
        self._services.watch = Watchers([*known, observer])

    async def sweep(self) -> int:
        """Fire the timeouts, reminders and scheduled events that are due now, and start jobs of states that
        nobody runs; return the number of keys checked.

        A timeout handler that raises is called again later; see `on_error`.

        Raises:
            NestedSend: If a handler awaits it.
        """
        check_not_nested("engine.sweep", OUTSIDE)
        return await self._due_scan.sweep()

    # -- by hand -----------------------------------------------------------------------------------

    async def get_state(self, flow: "Flow[Any] | str", key: Key) -> tuple[str | None, Any]:
        """Return state and data of a flow, `(None, None)` if there is nothing (a draft has only data).

        Raises:
            OrphanedConversation: If what is stored does not fit any more.
        """
        table = self.table_of(flow)
        frame = frame_of(await self.peek(key.with_bot(self.bot)), table.name)
        return (frame.state, data_of(table, frame)) if frame else (None, None)

    async def set_state(
        self, flow: "Flow[Any] | str", key: Key, state: "str | State | None", data: Any = KEEP
    ) -> None:
        """Put a flow into a state, with its data kept unless given; no prompt is sent, no hook runs.

        The state's job starts. Times start anew as with a transition; the flow's `max_age` starts only if it
        was not running.

        Raises:
            UnknownState: If the flow has no such state.
            UnstorableData: If the data cannot be stored.
        """
        await self.at(flow, key).set_state(state, data)

    async def reset_state(self, flow: "Flow[Any] | str", key: Key) -> None:
        """Drop a flow's state and data, if there are any."""
        await self.at(flow, key).clear()

    def at(self, flow: "Flow[Any] | str", key: Key) -> AsyncConversationHandle:
        """Return one flow of one key, to be read and written by hand; each call is locked and atomic."""
        return AsyncConversationHandle(self._dispatcher, self.table_of(flow), key.with_bot(self.bot))

    # -- life --------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the sweeper; no matter if it runs already."""
        if not self._sweeper.running:
            self._sweeper.start()
            self.runner.start()
            self._dispatcher.jobs.open()
            for source in self.sources:
                await self.runner.run_forever(Job(source.name, source.run, self))
            if self._own_store and not self.store.durable:
                _log.info("conversations are kept in memory: they are lost when this process ends")
            if self.face.started is not None:
                await self.face.started()

    async def stop(self, drain: float = DRAIN_SECONDS) -> None:
        """End the sweeper, the jobs of states, the sources, what else the runner has, and deliveries.

        Jobs of states go on at the next start; the runner's other jobs have its own `drain` time.

        Args:
            drain: Seconds that handlers of timeouts, and then deliveries, are waited for.

        Raises:
            NestedSend: If a handler awaits it, which would be waited for itself.
        """
        check_not_nested("engine.stop", "Stop the application, or the program, instead")
        await self._sweeper.stop()
        await self._due_scan.stop(drain)
        await self._dispatcher.jobs.stop()
        await self.runner.stop()
        await self._dispatcher.outbox.drain(drain)
        if self.face.stopped is not None:
            await self.face.stopped()
        if self._services.deadlines is not None:
            await self._services.deadlines.stop()

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
        """Return a flow made ready.

        Raises:
            UnknownState: If it is not attached.
        """
        return self._services.table_of(flow)

    async def peek(self, key: Key) -> Row:
        """Return the row of a key as last committed, in the versions that run here."""
        return await self._dispatcher.transactions.peek(key)

    async def find_run(self, key: Key, flow: str, run: int, *, any_thread: bool) -> Key | None:
        """Return the key under which a run of a flow is stored; `None` if it is over.

        Args:
            key: Where it should be; its business connection is not known for sure.
            flow: Name of the conversation.
            run: The run.
            any_thread: Whether its topic is not known either.
        """
        return await self._dispatcher.find_run(key, flow, run, any_thread=any_thread)

    async def relocate(self, old: int | str, new: int | str) -> int:
        """Move all conversations of a chat to its new id.

        `attach` does this when a group becomes a supergroup. For a month, events for the old id go to the
        new one, and so do waiting messages. If both have a conversation in one flow, the one under the new id
        continues. May be repeated.

        Returns:
            How many rows were moved.

        Raises:
            NestedSend: If a handler awaits it.
        """
        check_not_nested("engine.relocate", OUTSIDE)
        if old == new:
            return 0
        return await self._dispatcher.migration.chat(self.bot, old, new)

    async def end_all(self, key: Key) -> None:
        """End all conversations of a key, running their `on_exit` hooks.

        Raises:
            NestedSend: If a handler awaits it.
        """
        check_not_nested("engine.end_all", OUTSIDE)
        await self._dispatcher.end_all(key.with_bot(self.bot))

    async def end_chat(self, chat: int | str, business: int | str | None = None) -> None:
        """End the conversations that take place in a chat, which the bot cannot reach any more.

        Those that take place elsewhere, or have moved to the chat's new id, go on.

        Args:
            chat: The chat's id, or the person's.
            business: The business connection through which nobody can be reached; `None`: without one.

        Raises:
            NestedSend: If a handler awaits it.
        """
        check_not_nested("engine.end_chat", OUTSIDE)
        await self._dispatcher.end_chat(chat, business)

    async def end_connection(self, business: int | str) -> None:
        """End all conversations of a business connection that has ended.

        Args:
            business: The connection's id; a new connection of the same owner has another one.

        Raises:
            NestedSend: If a handler awaits it.
        """
        check_not_nested("engine.end_connection", OUTSIDE)
        await self._dispatcher.end_connection(business)

    async def report(self, key: Key | None, event: Any, error: Exception) -> None:
        """Tell `on_error` of an exception that nobody awaits."""
        await self._services.report(key, event, error)

    async def _job_failed(self, job: Job, error: BaseException) -> None:
        if isinstance(error, Exception):
            await self.report(None, job, error)


class Source(Protocol):
    """Takes events from outside and gives them to an engine (`fsmkit.engine.feed`).

    Attributes:
        name: What it is called in the log; part of its events' ids, so it should stay the same.
    """

    @property
    def name(self) -> str:
        """What it is called in the log."""
        ...

    async def run(self, engine: Engine) -> None:
        """Give events to the engine until it is cancelled; if it raises, it is started again later."""
        ...


def _store_at(url: str) -> Store:
    try:
        return open_store(url)
    except DefinitionError as error:
        raise DefinitionError(error.problem, place=calling_location(), remedy=error.remedy) from None


def _dedupe(given: float | timedelta | None, durable: bool) -> float:
    if given is None:
        return DEDUPE_DURABLE if durable else DEDUPE_MEMORY
    return given.total_seconds() if isinstance(given, timedelta) else float(given)
