"""An event loop whose order is drawn: which of the acts that are under way goes on next.

A schedule is a list of small numbers. At each turn of the loop the acts that could go on stand in the order
in which they became ready; a number says how far back the next one is fetched from. So `0`, and the end of
the list, mean the ordinary order, and the simplest schedule is the empty one.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

ACT = "fsmkit act "
"""What the names of the tasks begin with whose order is drawn."""


class DrawnLoop(asyncio.SelectorEventLoop):
    """An event loop that follows a schedule while there is one."""

    _schedule: Iterator[int] | None = None

    def follow(self, schedule: Iterable[int] | None) -> None:
        """Follows a schedule from now on; `None`: the ordinary order."""
        self._schedule = None if schedule is None else iter(schedule)

    def _run_once(self) -> None:
        if self._schedule is not None:
            self._reorder(self._schedule)
        super()._run_once()  # type: ignore[misc]

    def _reorder(self, schedule: Iterator[int]) -> None:
        """Lays the handles of acts anew; all others keep their places."""
        ready: deque[Any] = vars(self)["_ready"]  # asyncio has no public way to its queue
        places = [number for number, handle in enumerate(ready) if _is_act(handle)]
        if len(places) < 2:
            return
        waiting = [ready[place] for place in places]
        for place in places:
            ready[place] = waiting.pop(next(schedule, 0) % len(waiting))


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for `asyncio.Runner(loop_factory=...)`."""
    return DrawnLoop()


def _is_act(handle: Any) -> bool:
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    return isinstance(task, asyncio.Task) and task.get_name().startswith(ACT)
