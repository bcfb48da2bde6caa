"""PTB's `JobQueue` on a test's clock: its jobs run when the clock is moved past their time.

APScheduler has no clock of its own: it asks `datetime.now()` where it needs the time, and PTB does too. Both
get the test's time there, while the bot does something.
"""

import asyncio
import datetime
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fsmkit.botapi.request import AnyApplication
from fsmkit.clock import Clock
from fsmkit.testing.harness.background import JOB_PATIENCE
from fsmkit.testing.harness.times import BotDatetime, reading

ASKING = (
    "apscheduler.schedulers.base",
    "apscheduler.executors.base",
    "apscheduler.triggers.date",
    "apscheduler.triggers.interval",
)
"""APScheduler's modules that ask for the time."""


@contextmanager
def on_clock(clock: Clock) -> Generator[None]:
    """Let job queues have a clock's time meanwhile, if there can be any."""
    with ExitStack() as stack:
        if find_spec("apscheduler") is not None:
            stack.enter_context(reading(clock.now))
            for module in ASKING:
                stack.enter_context(mock.patch(f"{module}.datetime", BotDatetime))
            times = SimpleNamespace(**{**vars(datetime), "datetime": BotDatetime})
            stack.enter_context(mock.patch("telegram.ext._jobqueue.dtm", times))
        yield


class ClockedJobs:
    """The jobs of an application, none for one without a job queue.

    Args:
        app: The application, before it is started.
    """

    def __init__(self, app: AnyApplication) -> None:
        # `Application.job_queue` warns where there is none.
        self._queue: Any = app._job_queue  # pyright: ignore[reportPrivateUsage]
        if self._queue is not None:
            self._queue.scheduler._start_timer = _no_timer

    def next_due(self) -> float | None:
        """Return when the next job is due, `None` if none is."""
        jobs = [] if self._queue is None else self._queue.scheduler.get_jobs()
        times = (getattr(job, "next_run_time", None) for job in jobs)
        return min((time.timestamp() for time in times if time is not None), default=None)

    async def run(self) -> None:
        """Run what is due, to its end."""
        if self._queue is None or not self._queue.scheduler.running:
            return
        self._queue.scheduler.wakeup()
        await asyncio.sleep(0)  # the scheduler looks in a callback of the loop
        if pending := set(self._queue._executor._pending_futures):
            await asyncio.wait(pending, timeout=JOB_PATIENCE)


def _no_timer(_seconds: float | None) -> None:
    """Start no timer: only the test's clock says when to look."""
