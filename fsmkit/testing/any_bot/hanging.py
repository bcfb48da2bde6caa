"""What a bot does that never ends: it is interrupted, and told as a finding, so that the search goes on.

A callback that computes or blocks for ever holds the interpreter: an alarm raises `HangError` in it. One that
awaits what never comes leaves the loop idle: its task is cancelled. Where neither helps, the child process is
ended from outside (`fsmkit.testing.any_bot.child`).
"""

import asyncio
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import attrs

from fsmkit.flow.locations import shown_path
from fsmkit.testing.findings import Problem

FIRST = 8.0
"""Seconds of real time that a bot has for one action."""

LATER = 3.0
"""The same once it has been found to hang."""


class HangError(Exception):
    """Interrupts code that does not come back."""

    fsmkit_wall = True
    """It is told as a finding of its own, not as what the bot raises."""


@attrs.define(eq=False)
class HangGuard:
    """Ends what a bot does for too long; in the main thread, where there are alarms.

    Attributes:
        root: The directory of the bot's code.
        found: What has been ended during the last action.
    """

    root: Path
    found: list[Problem] = attrs.field(factory=list[Problem], init=False)
    _seconds: float = attrs.field(default=FIRST, init=False)

    @contextmanager
    def with_task(self, task: "asyncio.Task[Any]") -> Generator[None]:
        """End what goes on for too long meanwhile: in the bot's code, or by cancelling a task."""
        loop = asyncio.get_running_loop()
        self.found = []

        def alarm(_number: int, frame: FrameType | None) -> None:
            seconds, self._seconds = self._seconds, LATER
            blocking = self._own_frame(_frames_above(frame))
            if blocking is not None:
                self.found.append(
                    Problem(
                        "hangs",
                        f"{blocking.f_code.co_name} has not come back for {seconds:g} s, and no update of "
                        f"anybody is handled meanwhile",
                        self._place(blocking),
                    )
                )
                raise HangError(f"ended by the test after {seconds:g} s")
            self.found.append(self._waiting(loop))
            loop.call_soon_threadsafe(task.cancel)

        before = signal.signal(signal.SIGALRM, alarm)
        signal.setitimer(signal.ITIMER_REAL, self._seconds, LATER)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)

    def _waiting(self, loop: asyncio.AbstractEventLoop) -> Problem:
        frames = [self._own_frame(_awaited_frames(task)) for task in asyncio.all_tasks(loop)]
        frame = next((frame for frame in frames if frame is not None), None)
        return Problem(
            "hangs",
            f"{frame.f_code.co_name if frame else 'the bot'} waits for what never comes: its update is never "
            f"done, and no later one is handled",
            None if frame is None else self._place(frame),
        )

    def _own_frame(self, frames: Iterator[FrameType]) -> FrameType | None:
        """Return the first frame of the bot's own code."""
        root = str(self.root) + os.sep
        return next((frame for frame in frames if frame.f_code.co_filename.startswith(root)), None)

    def _place(self, frame: FrameType) -> str:
        return f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"


def _frames_above(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames that the loop has called, the innermost first."""
    own = os.path.dirname(asyncio.__file__) + os.sep
    while frame is not None and not (
        frame.f_code.co_name in ("_run", "_run_once") and frame.f_code.co_filename.startswith(own)
    ):
        yield frame
        frame = frame.f_back


def _awaited_frames(task: "asyncio.Task[Any]") -> Iterator[FrameType]:
    """Yield the frames of what a task awaits, the innermost first, as far as the search is not among them."""
    found: list[FrameType] = []
    waiting: Any = task.get_coro()
    while waiting is not None:
        frame = getattr(waiting, "cr_frame", None) or getattr(waiting, "gi_frame", None)
        if frame is not None:
            found = [] if frame.f_code.co_name == "_talk" else [frame, *found]
        waiting = getattr(waiting, "cr_await", None) or getattr(waiting, "gi_yieldfrom", None)
    yield from found
