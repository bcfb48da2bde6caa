"""The bot and the person who talks to it: a real application on a Telegram in memory."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from math import inf
from typing import TYPE_CHECKING, Any

from fsmkit.cli.chat.mishaps import describe
from fsmkit.cli.chat.screen import Screen
from fsmkit.cli.storing import tried
from fsmkit.codec import decode_row
from fsmkit.deadlines import times_of
from fsmkit.engine import Engine
from fsmkit.flow import Flow
from fsmkit.keys import Key
from fsmkit.stores import Store
from fsmkit.telegram import attach
from fsmkit.testing import ManualClock, OfflineTelegram

if TYPE_CHECKING:
    from fsmkit.telegram.offline import AnyApplication

USER = 1
LOOK_EVERY = 0.1
"""Seconds between two looks at what a slow handler has sent meanwhile."""
JOB_PATIENCE = 5.0
"""Seconds for which the job of a state is awaited before the next line is read."""

Flows = tuple[Flow[Any], ...]


class Session:
    """A person in the private chat with a bot, and a clock that only moves when told to.

    Args:
        load: Loads the bot's flows; called again by `restart`.
        store: Where conversations are kept.
        lang: The person's language code.
        show: Prints a line.

    Attributes:
        flows: The bot's flows.
        clock: Begins at the real time.
        offline: The Telegram of bot and person.
        screen: What the person sees.
        last_said: Id of the person's last message.

    Raises:
        Refusal: If the flows cannot be loaded.
        DefinitionError: If they do not fit together.
    """

    def __init__(
        self, load: Callable[[], Flows], store: Store, *, lang: str, show: Callable[[str], None]
    ) -> None:
        self._load = load
        self._show = show
        self._lines = 0
        self.clock = ManualClock(int(time.time()))
        first_id = _first_id() if store.durable else 1
        self.offline = OfflineTelegram(clock=self.clock, first_id=first_id)
        self.offline.add_user(USER, first_name="You", language_code=lang)
        self.screen = Screen(self.offline, USER, self.out, first_id=first_id)
        self.last_said: int | None = None
        self.flows = load()
        self.store = store
        self.app, self.engine = self._build(self.flows)

    @property
    def key(self) -> Key:
        """Whose conversations they are: in a private chat all key rules give the same key."""
        return Key(chat=USER, user=USER, bot=self.engine.bot)

    def out(self, line: str) -> None:
        """Prints a line."""
        self._lines += 1
        self._show(line)

    # -- its life ----------------------------------------------------------------------------------

    async def begin(self, hint: str) -> None:
        """Starts on what is stored: says where conversations go on, and does what came due meanwhile.

        Raises:
            Refusal: If the store cannot be used.
        """
        await tried(self.store)
        self._show(hint)
        await self.open()
        if self.store.durable:
            await self.watch(self._go_on())

    async def end(self) -> None:
        """Stops for good."""
        try:
            await self.close()
        finally:
            await self.store.close()

    async def open(self) -> None:
        """Starts the application, and what hangs on its start."""
        await self.app.initialize()
        if self.app.post_init is not None:
            await self.app.post_init(self.app)
        await self.app.start()

    async def close(self) -> None:
        """Stops the application; what is stored stays."""
        await self.app.stop()
        if self.app.post_stop is not None:
            await self.app.post_stop(self.app)
        await self.app.shutdown()

    async def restart(self) -> None:
        """Reads the file anew and goes on with its flows on the same store, as a bot does after a restart.

        Raises:
            Refusal: If the flows cannot be loaded; then the old ones go on.
            DefinitionError: If they do not fit together; likewise.
        """
        flows = self._load()
        app, engine = self._build(flows)
        await self.close()
        self.flows, self.app, self.engine = flows, app, engine
        await self.open()

    def _build(self, flows: Flows) -> "tuple[AnyApplication, Engine]":
        app = self.offline.builder().build()
        engine = attach(app, *flows, store=self.store, clock=self.clock)
        engine.busy, engine.patience = _always, inf  # deadlines fire when the clock is moved, never beside it
        app.add_error_handler(self._failed)
        return app, engine

    # -- what happens ------------------------------------------------------------------------------

    async def handle(self) -> None:
        """Gives the bot all that the person did, and shows what it does until it has come to rest."""
        await self.watch(self.offline.feed(self.app), silence="(no answer)")

    async def watch(self, work: Coroutine[Any, Any, object], *, silence: str = "") -> None:
        """Carries out what may make the bot act, and shows that as it goes on.

        Args:
            work: What to carry out.
            silence: What is shown if there was nothing to show.
        """
        before = self._lines
        task = asyncio.create_task(work)
        while not task.done():
            await asyncio.wait({task}, timeout=LOOK_EVERY)
            self.screen.show()
        error = task.exception()
        if error is not None:
            self._complain(error)
        await self._rest()
        if silence and self._lines == before:
            self.out(silence)

    async def wait(self, seconds: float) -> None:
        """Moves the clock, stopping at each deadline on the way, so that all fire at their time."""
        end = self.clock.now() + seconds
        while (due := await self._next_due(end)) is not None:
            self.clock.advance(due - self.clock.now())
            await self.engine.sweep()
            self.screen.show()
        self.clock.advance(end - self.clock.now())

    async def _go_on(self) -> None:
        await self.engine.sweep()
        self.screen.show()
        for snapshot in (await self.engine.peek(self.key)).snapshots.values():
            if snapshot.active:
                runs = snapshot.frames[-1]
                self.out(f"({runs.flow} goes on in {runs.state}; `:state` shows what is stored)")

    async def undelivered(self) -> int:
        """How many effects wait to be delivered to the person."""
        rows = self.store.scan(bot=self.engine.bot)
        return sum([stored.outbox async for stored in rows if stored.key == self.key])

    async def _next_due(self, end: float) -> float | None:
        """The next time at which something is due, `None` if nothing is until `end`."""
        times: list[float] = []
        async for stored in self.store.scan(bot=self.engine.bot):
            row = decode_row(stored.row)
            times += [at for snapshot in row.snapshots.values() for at in times_of(snapshot)]
            times += [mail.due for mail in row.later]
        return min((at for at in times if self.clock.now() < at <= end), default=None)

    async def _rest(self) -> None:
        """Shows all there is, and waits for jobs of states, whose outcome is an event; not for ever."""
        patience = asyncio.get_running_loop().time() + JOB_PATIENCE
        if waiting := _tasks("fsmkit outbox "):  # most of them wait for the clock
            await asyncio.wait(waiting, timeout=LOOK_EVERY)
        self.screen.show()
        while jobs := _tasks("fsmkit job "):
            if asyncio.get_running_loop().time() > patience:
                self.out("(a job is still running; `:wait 0s` looks again)")
                break
            await asyncio.wait(jobs, timeout=LOOK_EVERY)
            self.screen.show()
        if late := await self.undelivered():
            self.out(f"({late} to be delivered later; `:wait 1m` tries again)")

    async def _failed(self, _update: object, context: Any) -> None:
        """PTB's error handler."""
        self._complain(context.error)

    def _complain(self, error: BaseException) -> None:
        self.screen.show()  # what was sent before it went wrong comes first
        for line in describe(error):
            self.out(line)


def _tasks(name: str) -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(name)]


def _first_id() -> int:
    """A number beyond those of earlier chats on the same store, whose updates it remembers."""
    return time.time_ns() // 1_000_000


def _always() -> bool:
    return True
