"""An event loop in which it can be drawn who goes on next, and in which nobody waits for the clock.

Callbacks run in their order, as asyncio promises; among tasks that can go on, a schedule chooses. Timers fire
when nothing else is left to do, however far away they are.
"""

import asyncio
import concurrent.futures
import contextlib
import selectors
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, SupportsIndex

ACT = "fsmkit act "
"""What the names of the tasks of actions begin with."""


PATIENCE = 5.0
"""Seconds for which the loop stands still for work in a thread."""


class DrawnSchedule:
    """Who goes on where several tasks can: 0 the one that has waited longest, 1 the next, ….

    Args:
        choices: One for each point at which there is a choice; after the last of them it is always 0.

    Attributes:
        made: The choices that there were, without the zeros at the end.
    """

    def __init__(self, choices: tuple[int, ...] = ()) -> None:
        self._choices = choices
        self._made: list[int] = []

    def choose(self, among: int) -> int:
        """Return the next choice, less than `among`."""
        number = len(self._made)
        chosen = self._choices[number] % among if number < len(self._choices) else 0
        self._made.append(chosen)
        return chosen

    @property
    def made(self) -> tuple[int, ...]:
        """The choices that there were, without the zeros at the end."""
        last = max((number for number, choice in enumerate(self._made, 1) if choice), default=0)
        return tuple(self._made[:last])


class _Ready(deque[asyncio.Handle]):
    """The loop's ready queue."""

    schedule: DrawnSchedule | None = None
    behind: str | None = None
    """What the names of tasks begin with that run only where nothing else can."""

    def popleft(self) -> asyncio.Handle:
        """Return the handle that runs next."""
        if self.behind is not None:
            for number, handle in enumerate(self):
                if not _task_name(handle).startswith(self.behind):
                    del self[number]
                    return handle
            return super().popleft()
        if self.schedule is None or len(self) < 2 or not _is_task(self[0]):
            return super().popleft()
        tasks: list[SupportsIndex] = [number for number, handle in enumerate(self) if _is_task(handle)]
        chosen = tasks[self.schedule.choose(len(tasks))] if len(tasks) > 1 else 0
        handle = self[chosen]
        del self[chosen]
        return handle


class _Selector(selectors.DefaultSelector):
    """Waits for sockets, but for timers only where something else may come before them."""

    def __init__(self, skip: Callable[[float], bool]) -> None:
        super().__init__()
        self._skip = skip

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; with nothing but the loop's own pipe open, time is skipped."""
        if timeout is not None and timeout > 0 and len(self.get_map() or ()) <= 1 and self._skip(timeout):
            timeout = 0
        return super().select(timeout)


class DrawnLoop(asyncio.SelectorEventLoop):
    """The event loop of generated conversations.

    Args:
        hasty: Whether time is skipped from the beginning, not only while a schedule is followed.

    Attributes:
        begun: How many tasks have been created.
    """

    def __init__(self, *, hasty: bool = True) -> None:
        self.begun = 0
        self._skipped = 0.0
        self._hasty = hasty
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        super().__init__(_Selector(self._skip))
        # asyncio has no public way to order them; since 3.4 the loop takes the next one by `popleft`.
        self._ready = _Ready()

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Count tasks."""
        self.begun += 1
        return super().create_task(coro, **options)

    def time(self) -> float:
        """Seconds; those that were skipped have passed."""
        return super().time() + self._skipped

    def follow(self, choices: Iterable[int] | None) -> None:
        """Follows a schedule from now on; `None`: the ordinary order."""
        self._ready.schedule = None if choices is None else DrawnSchedule(tuple(choices))

    @contextlib.contextmanager
    def drawn(self, choices: tuple[int, ...], behind: str | None = None) -> Generator[DrawnSchedule]:
        """Follow a schedule meanwhile.

        Args:
            choices: Those of the schedule.
            behind: In the place of the schedule: what the names of tasks begin with that run only where
                nothing else can.
        """
        hasty, self._hasty = self._hasty, True
        schedule = DrawnSchedule(choices)
        self._ready.schedule, self._ready.behind = schedule, behind
        try:
            yield schedule
        finally:
            self.follow(None)
            self._ready.behind = None
            self._hasty = hasty

    def run_in_executor(  # type: ignore[override]  # typeshed's variadic types cannot be repeated here
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Stands still until a thread has done its work, so that it is done at the same point each time."""
        if not self._hasty:
            return super().run_in_executor(executor, func, *args)
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="fsmkit test")
        work = (executor or self._threads).submit(func, *args)
        concurrent.futures.wait([work], timeout=PATIENCE)
        return asyncio.wrap_future(work, loop=self)

    def close(self) -> None:
        """Close the loop."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        super().close()

    def _skip(self, seconds: float) -> bool:
        if self._hasty:
            self._skipped += seconds
        return self._hasty


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop for `asyncio.Runner(loop_factory=...)`, which keeps to the clock without a schedule."""
    return DrawnLoop(hasty=False)


def _is_task(handle: asyncio.Handle) -> bool:
    return _task_name(handle) != ""


def _task_name(handle: asyncio.Handle) -> str:
    """Return the name of the task that a handle goes on with, else nothing."""
    # asyncio's own `_format_handle` finds the task of a handle in the same way.
    task: Any = getattr(getattr(handle, "_callback", None), "__self__", None)
    return task.get_name() if isinstance(task, asyncio.Task) else ""
