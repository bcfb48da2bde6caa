"""Work that begins at once, and goes on in a task of its own only where it has to wait.

A task costs three rounds of the event loop, even for what needs none. `asyncio` has eager tasks from Python
3.12 on, for all tasks of a loop or none; what is used here is what its documentation names for third parties
("Extending"), and is there in every version.
"""

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any

_TOLD: Any = object()
"""Stands for what work waits for once its task knows it."""


async def _nothing() -> None:
    """Stand in for work that has ended: its task has nothing left to do."""


class _Begun(Coroutine[Any, Any, None]):
    """Work whose first part has run before its task had a turn."""

    __slots__ = ("_waits_for", "_work")

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work
        self._waits_for: Any = _TOLD

    def begin(self) -> bool:
        """Run the first part; return whether the work waits for something."""
        try:
            self._waits_for = self._work.send(None)
        except BaseException as error:
            self._work = _nothing()
            if isinstance(error, StopIteration):
                return False
            raise
        return True

    def send(self, value: Any) -> Any:
        """Go on, first of all with what the work waits for already."""
        if self._waits_for is _TOLD:
            return self._work.send(value)
        waits_for, self._waits_for = self._waits_for, _TOLD
        return waits_for

    def throw(self, *raised: Any) -> Any:
        """Raise something where the work waits."""
        self._waits_for = _TOLD
        return self._work.throw(*raised)

    def close(self) -> None:
        """End the work where it waits."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, None]:
        """Go on within another coroutine."""
        return self._work.__await__()


def begin_at_once(work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
    """Run work up to where it first waits, as a part of the task that goes on with it.

    From its first line on the work sees that task as the current one, and a context of its own, as in any
    task: what it enters (a time-out, a cancel scope) may be left later.

    Returns:
        The task that goes on; `None`: the work has ended.

    Raises:
        BaseException: What the work raises before it first waits.

    Example:
        >>> async def main() -> None:
        ...     async def greet(seconds: float | None) -> None:
        ...         print("Hello")
        ...         if seconds is not None:
        ...             await asyncio.sleep(seconds)
        ...     print(begin_at_once(greet(None)))
        ...     task = begin_at_once(greet(0))
        ...     print(task.done())
        ...     await task
        >>> asyncio.run(main())
        Hello
        None
        Hello
        False
    """
    loop, context, begun = asyncio.get_running_loop(), copy_context(), _Begun(work)
    current, task = asyncio.current_task(loop), asyncio.Task(begun, loop=loop, context=context)
    if current is not None:
        _leave_task(loop, current)
    _enter_task(loop, task)
    try:
        waits = context.run(begun.begin)
    finally:
        _leave_task(loop, task)
        if current is not None:
            _enter_task(loop, current)
    return task if waits else None
