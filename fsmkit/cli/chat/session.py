"""The bot and the person who talks to it: a real application on a Telegram in memory.

The bot itself and its restarts are in `fsmkit.testing.harness.ptb_driver`; here is what is shown.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Coroutine
from typing import Any

from fsmkit.engine.engine import Engine
from fsmkit.errors import FsmkitError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import location_in_user_code
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import probe
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.ptb_driver import PTBDriver
from fsmkit.testing.harness.rendering import Screen
from fsmkit.testing.harness.screen import NotThereError

MAX_LENGTH = 300


MAX_VALUE = 100


def describe(error: BaseException) -> list[str]:
    """Return an exception of a handler: what and where, then flow, state and handler.

    Args:
        error: The exception, with the notes that the engine has put onto it.
    """
    said = str(error)
    place = location_in_user_code(error)
    if place is not None or not isinstance(error, FsmkitError):  # the texts of most of ours name the place
        said = f"{type(error).__name__}: {said}".removesuffix(": ")
    lines = [f"! {one_line(f'{place}: {said}' if place else said)}"]
    for note in getattr(error, "__notes__", ()):
        if note.startswith("fsmkit: "):
            where = re.sub(r", key [^,]*", "", note.removeprefix("fsmkit: "))
            lines.append(f"  in {one_line(where)}; nothing was changed")
    return lines


class Warnings(logging.Handler):
    """Shows what fsmkit warns of, among the lines of the chat.

    Args:
        show: Prints a line.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as one line; long values in it are cut, so that its end, the reason, is seen."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _Brief(arg) if not isinstance(arg, int | float) else arg for arg in record.args
            )
        self._show(f"! {one_line(record.getMessage())}")


class _Brief:
    """A value that is written in few letters, by `%s` and by `%r`."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        text = str(self._value)
        return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"

    __repr__ = __str__


def one_line(text: str) -> str:
    """Return a text without line breaks, and not longer than can be read."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else f"{line[: MAX_LENGTH - 1]}…"


USER = 1


LOOK_EVERY = 0.1
"""Seconds between two looks at what a slow handler has sent meanwhile."""


JOB_PATIENCE = 5.0
"""Seconds for which the job of a state is awaited before the next line is read."""

Flows = tuple[Flow[Any], ...]


class ChatSession:
    """A person in the private chat with a bot, and a clock that only moves when told to.

    Args:
        load: Loads the bot's flows; called again by `restart`.
        store: Where conversations are kept.
        lang: The person's language code.
        show: Prints a line.

    Attributes:
        driver: The bot and its world.
        clock: Begins at the real time.
        offline: The Telegram of bot and person.
        screen: What the person sees.
        last_said: Id of the person's last message.
        last_pressed: Id of the message whose button was pressed last.

    Raises:
        CommandError: If the flows cannot be loaded.
        DefinitionError: If they do not fit together.
    """

    def __init__(
        self, load: Callable[[], Flows], store: Store, *, lang: str, show: Callable[[str], None]
    ) -> None:
        self._show = show
        self._lines = 0
        self.store = store
        self.clock = ManualClock(int(time.time()))
        first_id = _first_id() if store.durable else 1
        self.driver = PTBDriver(
            load(), store=store, clock=self.clock, load=load, first_id=first_id, lang=lang
        )
        self.driver.on_error = self._complain
        self.offline = self.driver.offline
        self.offline.add_user(USER, first_name="You", language_code=lang)
        self.screen = Screen(self.offline, USER, self.out, first_id=first_id)
        self.last_said: int | None = None
        self.last_pressed: int | None = None

    @property
    def flows(self) -> Flows:
        """The bot's flows, as last loaded."""
        return self.driver.flows

    @property
    def engine(self) -> Engine:
        """What runs them."""
        if self.driver.engine is None:
            raise TypeError("a stage of flows has an engine")
        return self.driver.engine

    @property
    def key(self) -> Key:
        """Whose conversations they are: in a private chat all key rules give the same key."""
        return Key(chat=USER, user=USER, bot=self.engine.bot)

    def out(self, line: str) -> None:
        """Print a line."""
        self._lines += 1
        self._show(line)

    # -- its life ----------------------------------------------------------------------------------

    async def begin(self, hint: str) -> None:
        """Start on what is stored: say where conversations go on, and do what came due meanwhile.

        Raises:
            CommandError: If the store cannot be used.
        """
        await probe(self.store)
        self._show(hint)
        await self.driver.open()
        if self.store.durable:
            await self.watch(self._go_on())

    async def end(self) -> None:
        """Stop for good."""
        try:
            await self.driver.close()
        finally:
            await self.store.close()

    async def restart(self) -> None:
        """Read the file anew and go on with its flows on the same store, as a bot does after a restart.

        Raises:
            CommandError: If the flows cannot be loaded; then the old ones go on.
            DefinitionError: If they do not fit together; likewise.
        """
        await self.driver.restart()

    # -- what happens ------------------------------------------------------------------------------

    async def handle(self) -> None:
        """Give the bot all that the person did, and show what it does until it has come to rest."""
        await self.watch(self.offline.feed(self.driver.app), silence="(no answer)")

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
        if isinstance(error, NotThereError):
            self.out(f"? {error}")
        elif error is not None:
            self._complain(error)
        await self._rest()
        if silence and self._lines == before:
            self.out(silence)

    async def act(self, act: Action) -> None:
        """Carries out an act of a test, and shows what comes of it."""
        await self.watch(self.driver.do(act), silence="(no answer)")
        self.last_said = self.driver.last_said(USER) or self.last_said

    async def wait(self, seconds: float) -> None:
        """Move the clock, stopping at each deadline on the way, so that all fire at their time."""
        await self.driver.wait(seconds)

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

    async def _rest(self) -> None:
        """Show all there is, and wait for jobs of states, whose outcome is an event; not for ever."""
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

    def _complain(self, error: BaseException) -> None:
        self.screen.show()  # what was sent before it went wrong comes first
        for line in describe(error):
            self.out(line)


def _tasks(name: str) -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(name)]


def _first_id() -> int:
    """Return a number beyond those of earlier chats on the same store, whose updates it remembers."""
    return time.time_ns() // 1_000_000
