"""Where the time comes from: one protocol, and the system's own clock.

Deadlines are absolute and stored, so a clock tells wall time (seconds since 1970, UTC), not a monotonic
count. `fsmkit.testing.ManualClock` is the one that tests move by hand.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the engine, the stores and the tests ask for the time."""

    def now(self) -> float:
        """Seconds since 1970-01-01 00:00 UTC (tests may start anywhere)."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns when so many seconds of this clock have passed."""
        ...


def monotonic(clock: Clock) -> float:
    """Return seconds for the measuring of durations, which nobody puts forward or back.

    That is `clock.monotonic()` where the clock has it, as `SystemClock` does, else its time.
    """
    count = getattr(clock, "monotonic", None)
    return clock.now() if count is None else float(count())


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
        """Returns when so many seconds have passed."""
        await asyncio.sleep(seconds)
