"""Where the time comes from: one protocol, and the system's own clock.

Deadlines are absolute and stored, so a clock tells wall time (seconds since 1970, UTC), not a monotonic
count. `fsmkit.testing.ManualClock` is the one that tests move by hand.
"""

import asyncio
import time
from collections.abc import Coroutine
from math import inf
from typing import Any, Protocol


class Clock(Protocol):
    """What the engine, the stores and the tests ask for the time."""

    def now(self) -> float:
        """Seconds since 1970-01-01 00:00 UTC (tests may start anywhere)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when so many seconds of this clock have passed."""
        ...


def monotonic(clock: Clock) -> float:
    """Return seconds for the measuring of durations, which nobody puts forward or back.

    That is `clock.monotonic()` where the clock has it, as `SystemClock` does, else its time.
    """
    count = getattr(clock, "monotonic", None)
    return clock.now() if count is None else float(count())


async def first_of(*waits: Coroutine[Any, Any, Any], name: str | None = None) -> None:
    """Wait for the first of several to come to its end, and cancel the others.

    Args:
        waits: What is waited for; each runs in a task.
        name: The name of these tasks.
    """
    tasks = [asyncio.create_task(wait, name=name) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


class SystemClock:
    """The wall clock of this machine."""

    __slots__ = ()

    def now(self) -> float:
        """Seconds since 1970-01-01 00:00 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some moment, whatever is done to the wall clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return when so many seconds have passed."""
        await asyncio.sleep(seconds)


def backoff(tries: int, first: float, *, factor: float = 2.0, most: float = inf) -> float:
    """Return how long to wait before the next try, in seconds: longer each time.

    Args:
        tries: How many have failed, at least one.
        first: Seconds after the first.
        factor: How many times as long each further wait is.
        most: The longest, in seconds.

    Example:
        >>> [backoff(tries, 2.0, most=10.0) for tries in (1, 2, 3, 4)]
        [2.0, 4.0, 8.0, 10.0]
        >>> backoff(10_000, 1.0, most=60.0)
        60.0
    """
    return min(first * factor ** min(tries - 1, 100), most)
