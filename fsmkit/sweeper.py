"""The sweeper: looks again and again for deadlines that have come, as long as the engine runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from fsmkit.clock import Clock

_log = logging.getLogger("fsmkit")


class Sweeper:
    """Calls a function at intervals, in a task of its own.

    Args:
        sweep: Fires what is due.
        clock: For waiting.
        every: Seconds between two sweeps.
        first: Seconds until the first one: after a restart, updates that waited meanwhile go first.
        busy: Whether updates wait that should go first (after a restart they may be older than a deadline).
    """

    def __init__(
        self,
        sweep: Callable[[], Awaitable[object]],
        clock: Clock,
        *,
        every: float = 1.0,
        first: float = 3.0,
        busy: Callable[[], bool],
    ) -> None:
        self._sweep = sweep
        self._clock = clock
        self._every = every
        self._first = first
        self._busy = busy
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it has been started."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Starts the task."""
        if not self.running:
            work = self._run(self._clock.now() + self._first)
            self._task = asyncio.get_running_loop().create_task(work, name="fsmkit sweeper")

    async def stop(self) -> None:
        """Ends the task and waits for it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, at: float) -> None:
        while True:
            await self._clock.sleep(max(0.0, at - self._clock.now()))
            at = self._clock.now() + self._every
            if self._busy():
                continue
            try:
                await self._sweep()
            except Exception:
                _log.exception("a sweep failed; the next one follows")
