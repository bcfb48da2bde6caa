"""`Receiver`: an application's updates by way of the store's inbox, so that a kill loses none.

Theory of operation
===================

PTB's own polling confirms an update to Telegram and then handles it: a kill in between loses it, and one
reply that cannot be parsed stops it for good. Here an update goes through four hands, each of which can die
at any moment:

1. **The poller** (`polling`) fetches a reply, as bytes. The scanner (`scanner`) cuts it into updates; nothing
   is parsed. They are appended to the inbox of the store (`fsmkit.stores.inbox`), in one write, and only the
   next request, with its offset, confirms them to Telegram. A kill before the write: Telegram gives them
   again. A kill after it: they wait in the inbox. An update that Telegram gives again although it is in the
   inbox, or was struck from it, is not new, and is not appended.
2. **The hand-over** (`handover`) takes what waits into memory, oldest first, a bounded number. After a start
   that is first of all what the process before has left. So a flood waits in the store, and fetching never
   waits for handling.
3. **Handling.** Each update is parsed alone, so that a bad one costs only itself: it becomes a dead letter at
   once. A good one goes through `Application.process_update`, in the turn that the application's update
   processor gives it (`KeyedProcessor`: one after the other in a chat), first to the flows, then to what
   other handlers want it.
4. **The strike.** The commit of the step that an update causes strikes it from the inbox, in the same write
   as the row, its timers and its messages (`Strike` goes with the update to that commit): either all of that
   has happened, or nothing has and the update still waits. (In Redis and MongoDB the strike follows the
   commit; should a kill come between them, the row knows the update's id, and the engine finds a duplicate.)
   What no step has committed (no flow wanted it, its handler raised) is struck alone, after the bot's other
   handlers have had it: these may see it twice.

A step whose commit fails although no handler did (the store is away, the lease was lost twice) has not
happened. The update is then taken again, in its turn, until the store is back.

Where the inbox does not outlive the process (`MemoryStore`), updates are confirmed only when they were
handled: the offset stays at the oldest that is not.

With a webhook (`webhook`) only the first hand is another one: Telegram posts an update, and the answer 200
confirms it, where with the poller the next offset does.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Container, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from telegram import Bot, Update
from telegram.error import InvalidToken, TelegramError

from fsmkit.clock import backoff, first_of
from fsmkit.engine.engine import Engine
from fsmkit.engine.envelope import Strike
from fsmkit.errors import DefinitionError, FsmkitError
from fsmkit.flow.locations import calling_location
from fsmkit.stores.inbox import MOST_WAITING, DeadLetter, Inbox, StoredUpdate, inbox_of, name_of
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.fast_lane import FastLane
from fsmkit.telegram.handler import FlowHandler
from fsmkit.telegram.lifecycle import AnyApplication
from fsmkit.telegram.receiver.handover import DEATHS, LONGEST_WAIT, HandOver, insist
from fsmkit.telegram.receiver.polling import Poller
from fsmkit.telegram.receiver.scanner import ScannedUpdate
from fsmkit.telegram.receiver.watchdog import (
    LoopWatchdog,
    end_after,
    ended,
    handler_names,
    handlers_in,
    stopping_on_signals,
)
from fsmkit.telegram.update_processor import KeyedProcessor

if TYPE_CHECKING:
    from fsmkit.telegram.receiver.webhook import WebhookServer

_log = logging.getLogger("fsmkit")

POLL_SECONDS = 10.0

DRAIN_SECONDS = 10.0

GOODBYE_SECONDS = 2.0
"""How long the last confirmation may take."""

GRACE_SECONDS = 2.0
"""How much longer than `drain` handlers may hold up the end of the process."""

REST_SECONDS = 20.0
"""How long the rest of the bot may take to end once no handler runs: jobs, deliveries, `post_stop`."""

AGAIN_SECONDS = 0.5
"""How often is fetched while updates are handled that must not be confirmed yet."""


class CannotListenError(FsmkitError):
    """The port of a webhook cannot be had."""


class WebhookOptions(TypedDict, total=False):
    """How a webhook is served.

    Attributes:
        port: The port to listen on, by default 8443; 0 for any free one, which the log names.
        host: The address to listen on, by default `"127.0.0.1"`: a reverse proxy on this machine does TLS.
        secret: What Telegram sends with each request, 1 to 256 letters, digits, `_` and `-`; by default it is
            made anew at each start.
        max_connections: How many updates Telegram posts at the same time at most, by default 40.
        delete_at_stop: Whether the webhook is deleted at the end. By default Telegram goes on to post, and
            keeps what nobody takes.
        header_seconds: How long the head of a request may take to arrive, by default 5.
        body_seconds: How long its body may take, by default 5.
    """

    port: int
    host: str
    secret: str | None
    max_connections: int
    delete_at_stop: bool
    header_seconds: float
    body_seconds: float


class Receiver:
    """Gets an application's updates by long polling or a webhook, and keeps each until it has taken effect.

    With a store that has an inbox (all but `MemoryStore`), an update is stored before it is confirmed to
    Telegram, and removed in the commit of its step. So it takes effect in a conversation exactly once,
    whenever the process is killed. Handlers of the bot that are not flows see an update at least once.

    Args:
        application: The application given to `attach`; its own `run_polling` must not run as well.
        engine: The engine that `attach` returned.
        allowed_updates: The kinds of updates to fetch, by default all.
        poll_seconds: How long Telegram holds a request if there is no update.
        drain: How many seconds a stop waits for running handlers; updates that take longer stay in the inbox.
            With `run_polling` and `run_webhook`, the process is ended two seconds later if a handler still
            runs, with all stacks on standard error.

    Raises:
        DefinitionError: If the engine does not belong to the application.

    Example:
        >>> from telegram.ext import Application
        >>> from fsmkit import Flow
        >>> from fsmkit.telegram import Receiver, attach
        >>> app = Application.builder().token("42:YOUR-TOKEN").build()
        >>> receiver = Receiver(app, attach(app, Flow("signup"), store="sqlite:bot.db"))

        Then `receiver.run_polling()` runs the bot until SIGINT or SIGTERM, as PTB's does.
    """

    def __init__(
        self,
        application: AnyApplication,
        engine: Engine,
        *,
        allowed_updates: Sequence[str] = Update.ALL_TYPES,
        poll_seconds: float = POLL_SECONDS,
        drain: float = DRAIN_SECONDS,
    ) -> None:
        handlers = [each for group in application.handlers.values() for each in group]
        own = [each for each in handlers if isinstance(each, FlowHandler) and each.engine is engine]
        if not own:
            raise DefinitionError(
                "Receiver() takes an application and the engine of its flows",
                place=calling_location(),
                remedy="Write Receiver(app, attach(app, flow, ...))",
            )
        if isinstance(application.update_processor, KeyedProcessor):
            application.update_processor.refuse_none()
        self._app = application
        self._lane = FastLane(application, own[0])
        self._engine = engine
        self._clock = engine.clock
        self._allowed = tuple(allowed_updates)
        self._poll_seconds = poll_seconds
        self._drain = drain
        self._received: dict[int, Strike] = {}
        engine.face.received = self._received
        busy = engine.face.busy
        engine.face.busy = lambda: busy() or not self.caught_up
        self._inbox: Inbox = inbox_of(engine.store, engine.bot, engine.clock.now)
        self._stopping = False
        self._stop = asyncio.Event()
        """Set by a signal, or when no more updates can be taken."""
        self._failure: BaseException | None = None
        self._runs_process = False
        self._starting = False
        self._begun: set[asyncio.Task[Any] | None] = set()
        self._unfinished: dict[int, asyncio.Event] = {}
        self._finished = asyncio.Event()
        self._work: list[asyncio.Task[None]] = []
        self._poller: Poller | WebhookServer | None = None
        self._hand_over: HandOver | None = None

    @property
    def caught_up(self) -> bool:
        """Whether nothing waits any more that had come before the start, at Telegram or in the store."""
        poller, hand_over = self._poller, self._hand_over
        if poller is None or hand_over is None:
            return not self._starting
        return poller.caught_up and hand_over.caught_up

    # -- its life ----------------------------------------------------------------------------------

    def run_polling(self) -> None:
        """Run the application until SIGINT or SIGTERM, then end it cleanly; blocks.

        It does what PTB's `run_polling` does, `post_init`, `post_stop` and `post_shutdown` included. A
        handler that blocks the event loop for a second is named in the log.

        Raises:
            InvalidToken: If the server does not know the token.
        """
        self._run_process(self)

    def run_webhook(self, url: str, **options: Unpack[WebhookOptions]) -> None:
        """Run the application as `run_polling` does, with updates that Telegram posts to a URL.

        Args:
            url: Where Telegram posts them, as in `"https://bot.example.org/telegram"`; what stands before
                the path is the reverse proxy's, the path is served here.
            options: See `WebhookOptions`.

        Raises:
            CannotListenError: If the port cannot be had.
            DefinitionError: If the URL or the secret cannot be a webhook's.
            InvalidToken: If the server does not know the token.
        """
        self._run_process(self.webhook(url, **options))

    @asynccontextmanager
    async def webhook(self, url: str, **options: Unpack[WebhookOptions]) -> AsyncGenerator["WebhookServer"]:
        """Take updates by a webhook until the block ends, as `async with receiver` does by polling.

        Args:
            url: See `run_webhook`.
            options: See `WebhookOptions`.

        Raises:
            CannotListenError: If the port cannot be had.
            DefinitionError: If the URL or the secret cannot be a webhook's.
        """
        from fsmkit.telegram.receiver.webhook import WebhookServer

        server = WebhookServer(
            self._app.bot,
            self._clock,
            store=self._keep,
            handled=self._handled,
            reach=lambda: self._inbox.waiting(limit=1),
            allowed=self._allowed,
            url=url,
            **options,
        )
        await self._prepare()
        try:
            await server.open()
        except OSError as error:
            raise CannotListenError(f"the webhook cannot listen on port {server.port}: {error}") from error
        self._begin(server)
        try:
            yield server
        finally:
            await self._end()

    async def __aenter__(self) -> "Receiver":
        """Begin to fetch; the application is initialized where it was not."""
        await self._prepare()
        self._begin(Poller(self._app.bot, self._clock, self._store, self._poll_seconds, self._allowed))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Fetch no more, and finish what is in hand; the rest waits in the inbox."""
        await self._end()

    async def _prepare(self) -> None:
        await self._app.initialize()
        await self._engine.start()
        if not self._inbox.durable:
            _log.info("updates wait in memory: each is confirmed to Telegram once it was handled")
        self._stopping, self._failure = False, None
        _ = self._lane.is_open  # the log says now, if it is not
        self._hand_over = HandOver(self._inbox, self._clock, self._take, self._bury_suspect)

    def _begin(self, poller: "Poller | WebhookServer") -> None:
        assert self._hand_over is not None
        self._poller, self._starting = poller, False
        make = asyncio.get_running_loop().create_task
        self._work = [
            make(self._hand_over.run(), name="fsmkit hand-over"),
            make(poller.run(), name="fsmkit poller"),
        ]
        for task in self._work:
            task.add_done_callback(self._work_ended)

    def _work_ended(self, task: "asyncio.Task[None]") -> None:
        """End a bot that would be deaf from now on."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("no more updates are taken: %s failed", task.get_name(), exc_info=error)
            self._failure = self._failure or error
            self._stop.set()

    async def _end(self) -> None:
        self._stopping = True
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        poller, hand_over, self._poller, self._hand_over = self._poller, self._hand_over, None, None
        if hand_over is not None:
            await self._hand_back(hand_over)
        if self._runs_process and self._stop.is_set():
            end_after(REST_SECONDS)
        if poller is not None:
            with suppress(
                TelegramError, OSError, TimeoutError
            ):  # Telegram gives them again, which is no matter
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await poller.confirm()

    async def _hand_back(self, hand_over: HandOver) -> None:
        """Wait for what has begun, cancel it where that takes too long, and leave it to the inbox."""
        ending = asyncio.ensure_future(hand_over.stop(lambda task: task in self._begun, self._drain))
        await asyncio.wait({ending}, timeout=self._drain + GRACE_SECONDS / 2)
        if not ending.done():
            names = handler_names(self._engine)
            deaf = {name for task in self._begun if task for name in handlers_in(task, names)}
            _log.error(
                "cancelled, and taking no notice: %s", ", ".join(sorted(deaf)) or "handlers of the bot"
            )
        await ending

    def _run_process(self, receiving: AbstractAsyncContextManager[object]) -> None:
        try:
            with suppress(KeyboardInterrupt):  # where the event loop takes no signals
                asyncio.run(self._run(receiving))
        finally:  # `asyncio.run` has waited for threads, for ever if need be
            ended()

    async def _run(self, receiving: AbstractAsyncContextManager[object]) -> None:
        self._stop.clear()
        self._runs_process = True
        with (
            LoopWatchdog(handler_names(self._engine)).watching(),
            stopping_on_signals(self._stop, self._drain + GRACE_SECONDS),
        ):
            await self._run_until(self._stop, receiving)

    async def _run_until(self, stop: asyncio.Event, receiving: AbstractAsyncContextManager[object]) -> None:
        app, self._starting = self._app, True
        try:
            if not await self._initialized(stop):
                return
            if app.post_init is not None:
                await app.post_init(app)
            await app.start()
            async with receiving:
                await stop.wait()
            if self._failure is not None:
                raise self._failure
        finally:
            if app.running:
                await app.stop()
                if app.post_stop is not None:
                    await app.post_stop(app)
            await app.shutdown()
            if app.post_shutdown is not None:
                await app.post_shutdown(app)

    async def _initialized(self, stop: asyncio.Event) -> bool:
        """Initialize the application, as soon as the server answers; return whether no signal came first."""
        stopped = asyncio.ensure_future(stop.wait())
        work = asyncio.ensure_future(self._initialize())
        try:
            await asyncio.wait({stopped, work}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            return work.done()
        finally:
            stopped.cancel()
            work.cancel()
            await asyncio.gather(stopped, work, return_exceptions=True)

    async def _initialize(self) -> None:
        for tries in count(1):
            try:
                await self._app.initialize()
                return
            except InvalidToken:
                raise
            except (TelegramError, OSError) as error:
                if tries == 1:
                    _log.warning("the server does not answer (%s): it is tried again", type(error).__name__)
                await self._clock.sleep(backoff(tries, 0.5, most=LONGEST_WAIT))

    # -- storing -----------------------------------------------------------------------------------

    async def _store(self, updates: Sequence[ScannedUpdate]) -> int | None:
        """Store what was fetched; return the id up to which it may be confirmed, `None` if all of it may."""
        new = await self._keep(updates)
        if not new and self._unfinished and any(update.id is not None for update in updates):
            self._finished.clear()
            await first_of(self._finished.wait(), self._clock.sleep(AGAIN_SECONDS))
        return min(self._unfinished) - 1 if self._unfinished else None

    async def _keep(self, updates: Sequence[ScannedUpdate]) -> list[StoredUpdate]:
        """Store what was received, and set aside what has no id; return what is new."""
        now = self._clock.now()
        for update in updates:
            if update.id is None:
                await self._set_aside(update, "its update_id cannot be read")
        readable = [
            StoredUpdate(update.id, update.chat, update.user, update.body, now)
            for update in updates
            if update.id is not None
        ]
        new = await self._inbox.append(readable) if readable else []
        if not self._inbox.durable:
            self._unfinished.update((update.id, asyncio.Event()) for update in new)
        if self._hand_over is not None:
            self._hand_over.put(new)
        if len(new) < len(readable) and self._inbox.durable:
            await self._answer_again(readable, {update.id for update in new})
        return new

    async def _answer_again(self, given: Iterable[StoredUpdate], new: Container[int]) -> None:
        """Answer presses that come again and were handled: the process that did so may not have answered."""
        for update in given:
            query = _query_of(update.body) if update.id not in new else None
            if query is None or update.id in (self._engine.face.received or {}):
                continue
            waiting = await self._inbox.waiting(limit=MOST_WAITING, line=update.line)
            if all(other.id != update.id for other in waiting):
                self._app.create_task(_answer_quietly(self._app.bot, query))

    async def _handled(self, ident: int) -> None:
        """Wait until an update was handled that a kill would lose; others may be confirmed at once."""
        if ident in self._unfinished:
            await self._unfinished[ident].wait()

    async def _set_aside(self, update: ScannedUpdate | StoredUpdate, reason: str) -> None:
        """Make a dead letter of an update."""
        letter = DeadLetter(
            name_of(update.id, update.body), update.id, update.chat, update.user, reason, update.body
        )
        _log.error("update %s is set aside: %s (see `fsmkit inspect STORE dead`)", letter.name, reason)
        await self._inbox.set_aside(letter)

    # -- handling ----------------------------------------------------------------------------------

    async def _take(self, stored: StoredUpdate) -> None:
        """Have one update handled in its turn, and strike it if no commit has."""
        update = self._parse(stored)
        if isinstance(update, str):
            await self._bury(stored, update)
            return
        strike = self._received[stored.id] = Strike(stored.id)
        work, task = self._handle(update, strike), asyncio.current_task()
        failed = ""
        try:
            await self._app.update_processor.process_update(update, work)
        except Exception as error:  # handlers' errors end in `process_update`: this came before or after them
            if self._stopping:
                raise
            what = "handling it failed" if task in self._begun else "its chat or person cannot be read"
            failed = f"{what}: {type(error).__name__}"
        finally:
            work.close()  # of one that has begun nothing is left to close
            del self._received[stored.id]
            begun = task in self._begun
            self._begun.discard(task)
        if self._stopping and (not begun or strike.lost is not None):
            return
        if failed and not strike.done:
            await self._bury(stored, failed)
            return
        if not (strike.done and self._inbox.durable):
            await insist(self._clock, "an update cannot be struck", lambda: self._inbox.strike([stored.id]))
        self._note_finished(stored.id)

    async def _handle(self, update: Update | TelegramEvent, strike: Strike) -> None:
        """Handle an update; again, while its step cannot be committed."""
        self._begun.add(asyncio.current_task())
        for tries in count(1):
            lost = await self._attempt(update, strike)
            if lost is None or self._stopping:
                return
            if isinstance(update, TelegramEvent):  # it can be handled once
                update = update.update
            if tries == 1:
                _log.warning("update %d is taken again: %s", update.update_id, lost)
            await self._clock.sleep(backoff(tries, 0.1, most=LONGEST_WAIT))

    async def _attempt(self, update: Update | TelegramEvent, strike: Strike) -> Exception | None:
        strike.lost = None
        if isinstance(update, TelegramEvent):
            await self._lane.handle(update)
        else:
            await self._app.process_update(update)
        return strike.lost

    def _parse(self, stored: StoredUpdate) -> Update | TelegramEvent | str:
        """Return an update as PTB's object, or as an event for the fast lane, or why it is neither."""
        event = self._lane.read(stored.body)
        if event is not None and event.number == stored.id:
            return event
        try:
            update = Update.de_json(json.loads(stored.body), self._app.bot)
        except Exception as error:
            return f"it cannot be parsed: {type(error).__name__}"
        if update.update_id != stored.id:
            return "it has two numbers"
        return update

    async def _bury(self, stored: StoredUpdate, reason: str) -> None:
        await insist(self._clock, "a dead letter cannot be stored", lambda: self._set_aside(stored, reason))
        self._note_finished(stored.id)

    async def _bury_suspect(self, stored: StoredUpdate) -> None:
        await self._bury(stored, f"{DEATHS} processes have ended while it was handled alone")

    def _note_finished(self, ident: int) -> None:
        handled = self._unfinished.pop(ident, None)
        if handled is not None:
            handled.set()
        self._finished.set()


def _query_of(body: bytes) -> str | None:
    """Return the id of the press that an update tells of."""
    if b'"callback_query"' not in body:
        return None
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        return str(json.loads(body)["callback_query"]["id"])
    return None


async def _answer_quietly(bot: Bot, query: str) -> None:
    """Answer a press; that it was answered, or is too old, is no matter."""
    with suppress(TelegramError):
        await bot.answer_callback_query(query)
