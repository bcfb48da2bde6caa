"""`Budget`: how long a search may go on, on a machine that has other work too."""

import math
import time

WAITING = 4.0
"""How many times as long as its budget a search may take where the machine, or a handler, is waited for."""


class Budget:
    """So many seconds of this process's own work, from now on.

    Counted is the processor's time: a search on a machine that others use finds the same as on an idle one,
    only later. Where a bot waits for something in real time, `WAITING` times as much real time is the limit.

    Args:
        seconds: How many.

    Example:
        >>> Budget(0).is_over, Budget(60).is_over
        (True, False)
    """

    def __init__(self, seconds: float = math.inf) -> None:
        self.seconds = seconds
        self._work, self._begun = time.process_time(), time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.left <= 0

    @property
    def left(self) -> float:
        """How many seconds are left, at most."""
        work = self.seconds - (time.process_time() - self._work)
        return min(work, WAITING * self.seconds - (time.monotonic() - self._begun))
