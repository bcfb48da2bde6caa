"""The driver on PTB: a real application on an offline Telegram, with fsmkit's flows or without.

What `fsmkit.testing.Chat` and `fsmkit chat` drive. Beside it stands the driver without PTB,
`fsmkit.testing.harness.engine_driver`.
"""

import asyncio
from collections.abc import Callable, Iterable
from math import inf
from typing import Any

import attrs
from telegram.ext import Application

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication, AnyBuilder, process
from fsmkit.botapi.world import World
from fsmkit.engine.engine import Engine
from fsmkit.flow.flow import Flow
from fsmkit.stores.protocol import Store
from fsmkit.telegram.attach import attach
from fsmkit.telegram.handler import FlowHandler
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.background import JOB_PATIENCE
from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.harness.faults import FragileStore
from fsmkit.testing.harness.instrument import watch
from fsmkit.testing.harness.job_queue import ClockedJobs, on_clock
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.rendering import Screen
from fsmkit.testing.harness.screen import NotThereError

Flows = tuple[Flow[Any], ...]


Build = Callable[[AnyBuilder], AnyApplication]
"""Makes an application with a builder that has the token and the way to the offline Telegram."""


@attrs.frozen(eq=False)
class Checkpoint:
    """What there was after an action, for another bot of the same make to go on from.

    Attributes:
        now: The time, in seconds since 1970, UTC.
        rows: What was stored.
        world: The Telegram, with all chats.
        kept: What the driver remembers itself.
    """

    now: float
    rows: Any
    world: World
    kept: dict[str, Any]


class PTBDriver(Driver):
    """A PTB application on an offline Telegram, and people who talk to it.

    Args:
        bot: The flows, or an application, or what makes one with a builder.
        store: Where conversations are kept; by default in memory. Not with an application, which has its own.
        clock: The bot's clock.
        load: Makes the flows anew for a restart.
        resources: What handlers find in `ctx.resources`.
        chat: Where people talk to the bot; `None`: each in the private chat with it.
        offline: The Telegram of an application that was built on one.
        first_id: The number from which updates and messages are counted.
        lang: People's language code.
        options: Further arguments of `attach`.

    Attributes:
        app: The application.
        offline: The Telegram.
        flows: The flows; none for an application.
    """

    def __init__(
        self,
        bot: "Flows | AnyApplication | Build",
        *,
        store: Store | None = None,
        clock: ManualClock,
        load: Callable[[], Flows] | None = None,
        resources: Any = None,
        chat: int | None = None,
        offline: OfflineTelegram | None = None,
        first_id: int = 1,
        lang: str = "en",
        **options: Any,
    ) -> None:
        super().__init__(
            clock, chat, offline or OfflineTelegram(_token(bot), clock=clock, first_id=first_id), lang
        )
        self.on_error: Callable[[Exception], None] | None = None
        """Told of what handlers raise, as it happens."""
        self._load = load
        self._options = {"resources": resources, **options}
        self._bot = bot
        self.store: Store = FragileStore(clock) if store is None else store
        self.flows: Flows = bot if isinstance(bot, tuple) else ()
        self._screen = Screen(
            self.offline,
            self.where(1),
            lambda line: self.lines.append(line),
            first_id=first_id,
            numbered=False,
        )
        self._open = False
        with on_clock(clock):
            self.app, self.engine = self._build(self.flows)
        self._jobs = ClockedJobs(self.app)

    def _build(self, flows: Flows) -> tuple[AnyApplication, Engine | None]:
        if isinstance(self._bot, tuple):
            app = self.offline.builder().build()
            engine: Engine | None = attach(app, *flows, store=self.store, clock=self.clock, **self._options)
            app.post_shutdown = None  # it closes the store, which is the caller's and outlives this bot
        else:
            app = self._bot if isinstance(self._bot, Application) else self._bot(self.offline.builder())
            _put_offline(app, self.offline)
            engine = _engine_of(app)
        if engine is not None:
            engine.face.busy, engine.face.patience = _always, inf  # deadlines fire when the clock is moved
            watch(engine, lambda taken: self.taken.append(taken))
        app.add_error_handler(self._failed)
        return app, engine

    async def _failed(self, _update: object, context: Any) -> None:
        """PTB's error handler."""
        self.errors.append(context.error)
        if self.on_error is not None:
            self.on_error(context.error)

    # -- its life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Start the application, and what hangs on its start."""
        self._open = True
        with on_clock(self.clock):
            await self.app.initialize()
            if self.app.post_init is not None:
                await self.app.post_init(self.app)
            await self.app.start()

    async def close(self) -> None:
        """Stop the application, and what hangs on its end; what is stored stays."""
        if not self._open:
            return
        self._open = False
        if self.app.running:
            await self.app.stop()
            if self.app.post_stop is not None:
                await self.app.post_stop(self.app)
        await self.app.shutdown()
        if self.app.post_shutdown is not None:
            await self.app.post_shutdown(self.app)

    async def restart(self) -> None:
        """Another application on the same store, with newly made flows where that is possible."""
        if isinstance(self._bot, Application):
            raise NotThereError("Chat(app) has only this one application: give what makes it, Chat(build)")
        await self.close()  # first: the new bot's modules may take what the old one gives back
        try:
            flows = self._load() if self._load is not None else self.flows
            self.app, self.engine = self._build(flows)
        except Exception:
            await self.open()  # a file with a mistake in it: the old bot goes on
            raise
        self.flows = flows
        self._jobs = ClockedJobs(self.app)
        if isinstance(self.store, FragileStore):
            self.store.restore(self.store.copy())
        await self.open()
        await self.sweep()

    async def deploy(self, load: Callable[[], Flows]) -> None:
        """Another application, with another version of the flows, on the same store."""
        if not isinstance(self._bot, tuple):
            raise NotThereError("another version can only be deployed where the bot was given as flows")
        self._load = load
        await self.restart()

    def save(self) -> Checkpoint:
        """Return what there is, as a kill would leave it: without what is under way.

        Raises:
            NotThereError: If conversations are not kept in the driver's own memory.
        """
        if not isinstance(self.store, FragileStore):
            raise NotThereError("only with the default store can a bot go back to an earlier action")
        seen = {chat: list(known) for chat, known in self.seen.items()}
        kept = {"seen": seen, "_mine": dict(self._mine)}
        kept |= {name: getattr(self, name) for name in ("_known", "_last", "_groups", "outside")}
        return Checkpoint(self.clock.now(), self.store.copy(), self.offline.world.copy(), kept)

    def resume(self, saved: Checkpoint) -> None:
        """Go on from there, with a driver that has not been opened yet and whose clock is at that time."""
        if isinstance(self.store, FragileStore):
            self.store.restore(saved.rows)
        self.offline.world = saved.world.copy(clock=self.clock)
        seen = {chat: list(known) for chat, known in saved.kept["seen"].items()}
        vars(self).update({**saved.kept, "seen": seen, "_mine": dict(saved.kept["_mine"])})

    # -- time --------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Fire what is due, jobs of PTB's queue too."""
        await super().sweep()
        await self._jobs.run()

    async def next_due(self) -> float | None:
        """Return the next time at which something is due, a job of PTB's queue too."""
        now, times = self.clock.now(), (await super().next_due(), self._jobs.next_due())
        return min((at for at in times if at is not None and at > now), default=None)

    # -- people ------------------------------------------------------------------------------------

    async def do(self, action: Action) -> Observation:
        """Carry an action out, and all that comes of it."""
        with on_clock(self.clock):
            return await super().do(action)

    async def give(self, update: Any) -> None:
        """Give an update to the application, and what comes of it meanwhile."""
        try:
            await process(self.app, [update])
            await self.offline.feed(self.app)
        except Exception as error:  # of a check_update, which PTB lets through
            self.errors.append(error)

    async def _rest(self) -> None:
        """Wait for what was left behind: handlers that do not block, deliveries, jobs of states."""
        pending = [task for task in asyncio.all_tasks() if _is_left_behind(task.get_name())]
        if pending:
            await asyncio.wait(pending, timeout=JOB_PATIENCE)
            await self.offline.feed(self.app)
        if any(task.get_name().startswith("fsmkit outbox ") for task in asyncio.all_tasks()):
            await asyncio.sleep(0)  # most of them wait for the clock, the others go on now
        await super()._rest()
        self._screen.show()
        for user in self._known:
            rows = (row for bubble in self.bubbles(user) for row in bubble.buttons)
            self.note_buttons(self.where(user), [shown for row in rows for shown in row])


def _engine_of(app: AnyApplication) -> Engine | None:
    handlers: Iterable[Any] = (handler for group in app.handlers.values() for handler in group)
    return next((handler.engine for handler in handlers if isinstance(handler, FlowHandler)), None)


def _put_offline(app: AnyApplication, offline: OfflineTelegram) -> None:
    """Lets an application's bot talk to the offline Telegram, whatever it was built with."""
    # PTB has no public way to change them, and handlers and fsmkit's delivery know this bot already.
    app.bot._request = (offline.request(), offline.request())  # pyright: ignore[reportPrivateUsage]


def _token(bot: Any) -> str:
    return str(bot.bot.token) if isinstance(bot, Application) else "42:OFFLINE"


def _is_left_behind(name: str) -> bool:
    """Whether a task is of a handler that does not block, or of its ConversationHandler's timeout."""
    # PTB writes the handler behind the first.
    return ":process_update_non_blocking" in name or name.endswith((":non_blocking_cb", ":timeout_job"))


def _always() -> bool:
    return True
