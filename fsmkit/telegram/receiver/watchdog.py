"""Looks after the event loop of a bot from outside of it: who blocks it is named, and a stop has an end.

While a plain function computes or waits on the loop, nobody is answered, and nothing on the loop could say
so. A thread asks the loop for a sign of life; if none comes, it looks where the loop's thread stands.

A stop must come to its end too. SIGTERM reaches a handler of ours between two instructions of whatever runs;
it sets the clock of `faulthandler`, which needs neither the loop nor the interpreter to write all stacks to
standard error and to end the process. The inbox makes that safe: what was in hand is handled by the next
process.
"""

import asyncio
import faulthandler
import functools
import inspect
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import Any

from fsmkit.engine.engine import Engine

_log = logging.getLogger("fsmkit")

BLOCKED_SECONDS = 1.0
"""How long the loop may give no sign of life."""

BEAT_SECONDS = 0.5
"""How often it is asked for one."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGABRT)
"""What a bot is stopped with, as PTB has it."""


def handler_names(engine: Engine) -> dict[CodeType, str]:
    """Return what the handlers of an engine's flows are called, by their code."""
    return {
        code: f"handler {handler.name} ({handler.place})"
        for table in engine.flows.tables.values()
        for handler in table.flow.handlers
        if (code := _code_of(handler.function)) is not None
    }


def handlers_in(task: "asyncio.Task[Any]", names: Mapping[CodeType, str]) -> list[str]:
    """Return what the handlers are called that a task waits for."""
    found: list[str] = []
    waits: Any = task.get_coro()
    while waits is not None:
        name = names.get(getattr(waits, "cr_code", None))  # type: ignore[arg-type]
        found += [] if name is None else [name]
        waits = getattr(waits, "cr_await", None)
    return found


def _code_of(function: Callable[..., Any]) -> CodeType | None:
    while isinstance(function, functools.partial):
        function = function.func
    found = getattr(inspect.unwrap(function), "__code__", None)
    return found if isinstance(found, CodeType) else None


class LoopWatchdog:
    """Says who blocks an event loop, from a thread of its own.

    Args:
        names: What code is called that may block it.
        seconds: How long the loop may give no sign of life.
    """

    def __init__(self, names: Mapping[CodeType, str], seconds: float = BLOCKED_SECONDS) -> None:
        self._names = names
        self._seconds = seconds
        self._ended = threading.Event()

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch the running loop, and the thread in which it runs, until the block ends."""
        about = asyncio.get_running_loop(), threading.get_ident()
        self._ended.clear()
        thread = threading.Thread(target=self._watch, args=about, name="fsmkit watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, thread: int) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            alive, asked = threading.Event(), time.monotonic()
            try:
                loop.call_soon_threadsafe(alive.set)
            except RuntimeError:  # the loop is closed
                return
            if alive.wait(self._seconds) or self._ended.is_set():
                continue
            if time.monotonic() - asked > 2 * self._seconds:  # the whole process stood still, or the machine
                continue
            frame = sys._current_frames().get(thread)  # pyright: ignore[reportPrivateUsage] - it is documented
            _log.error(
                "nobody has been answered for %g s: %s. Let it wait with `await`, give slow work to a job= "
                'of a state, or run plain functions in threads: sync_handlers="thread"',
                self._seconds,
                "the event loop is blocked" if frame is None else self._blame(frame),
            )
            while not alive.wait(BEAT_SECONDS) and not self._ended.is_set():
                pass
            _log.warning("the event loop goes on, after %.1f s", time.monotonic() - asked)

    def _blame(self, frame: FrameType) -> str:
        """Return whose call blocks the loop, and where in it the loop stands."""
        at = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        caller: FrameType | None = frame
        while caller is not None:
            name = self._names.get(caller.f_code)
            if name is not None:
                return f"{name} blocks the event loop, at {at}"
            caller = caller.f_back
        return f"the event loop is blocked at {at}"


@contextmanager
def stopping_on_signals(stop: asyncio.Event, seconds: float) -> Generator[None]:
    """Set an event at SIGINT or SIGTERM, and end the process if `ended` is not called in time.

    Args:
        stop: The event.
        seconds: How long after the signal the process may go on.
    """
    loop, told = asyncio.get_running_loop(), False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if not told:
            told = True
            end_after(seconds)
            loop.call_soon_threadsafe(stop.set)

    before: dict[signal.Signals, Any] = {}
    with suppress(
        ValueError
    ):  # signals belong to the main thread; whoever runs a bot in another one stops it
        for number in SIGNALS:
            before[number] = signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_after(seconds: float) -> None:
    """Have the process end after so many seconds, with all stacks on standard error; sets the time anew."""
    with suppress(ValueError, AttributeError, OSError):  # standard error is no file: a service of Windows
        faulthandler.dump_traceback_later(seconds, exit=True)


def ended() -> None:
    """Say that the process comes to its end: what `end_after` has set is off."""
    faulthandler.cancel_dump_traceback_later()
