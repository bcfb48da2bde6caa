"""A clock that stands still until a test moves it."""

import asyncio
from collections.abc import Container
from datetime import timedelta


class ManualClock:
    """A clock for tests; nothing happens between two calls of `advance`.

    Args:
        start: The first reading, in seconds.

    Example:
        >>> clock = ManualClock()
        >>> clock.advance(timedelta(minutes=2))
        120.0
        >>> clock.now()
        120.0
    """

    __slots__ = ("_now", "_sleepers")

    def __init__(self, start: float = 0.0) -> None:
        self._now = float(start)
        self._sleepers: list[tuple[float, asyncio.Future[None], str]] = []

    def now(self) -> float:
        """Return the current reading, in seconds."""
        return self._now

    def advance(self, by: float | timedelta) -> float:
        """Move the clock forward.

        Args:
            by: Seconds, or a `timedelta`; never negative.

        Returns:
            The new reading, in seconds.

        Raises:
            ValueError: If `by` is negative: stored deadlines would come alive again.
        """
        seconds = by.total_seconds() if isinstance(by, timedelta) else float(by)
        if seconds < 0:
            raise ValueError(f"a clock only moves forward, got {by!r}")
        self._now += seconds
        woken = [sleeper for sleeper in self._sleepers if sleeper[0] <= self._now]
        for sleeper in sorted(woken, key=lambda sleeper: sleeper[0]):
            self._sleepers.remove(sleeper)
            if not sleeper[1].done():
                sleeper[1].set_result(None)
        return self._now

    def next_wake(self, *, without: Container[str] = ()) -> float | None:
        """Return the time at which the next one wakes who sleeps on this clock, `None` if nobody sleeps.

        Args:
            without: Names of tasks whose sleep does not count.
        """
        return min((at for at, _, name in self._sleepers if name not in without), default=None)

    async def sleep(self, seconds: float) -> None:
        """Return when the clock was moved so far; without a move, never."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.current_task()
        sleeper = (self._now + seconds, woken, "" if task is None else task.get_name())
        self._sleepers.append(sleeper)
        try:
            await woken
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)
