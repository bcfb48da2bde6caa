"""What stores on a server do alike: small work in the background that may fail, and commands said again."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from fsmkit.errors import StoreError, StoreUnavailable

_log = logging.getLogger("fsmkit")

_T = TypeVar("_T")


class BackgroundTasks:
    """What is begun and not waited for: what it would have freed ends by itself.

    Args:
        loop: Where it runs.
        store: Name of the store, for the tasks' names.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, store: str) -> None:
        self._loop = loop
        self._name = f"fsmkit {store} chore"
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[None]":
        """Begin a piece of work; what the store refuses is noted, and not raised."""
        task = self._loop.create_task(_quietly(work), name=self._name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def finish(self, seconds: float) -> None:
        """Wait for what was begun, for so long at most."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)


async def call_again(
    call: Callable[[], Awaitable[_T]],
    *,
    passes: Callable[[Exception], bool],
    pauses: Iterable[float],
    server: str,
    over: Callable[[], bool],
) -> tuple[_T, bool]:
    """Call until the server answers; a call whose answer was lost may have been obeyed.

    Args:
        call: The call.
        passes: Whether an error may pass if the call is repeated; may raise another one instead.
        pauses: About how many seconds to wait before each repetition; half as long to half as long again.
        server: Name of the server, for the error.
        over: Whether the store was closed meanwhile.

    Returns:
        The answer, and whether the call was repeated.

    Raises:
        StoreUnavailable: If the server does not answer after the last repetition, or the store is closed.
    """
    repeated = False
    for pause in (*pauses, None):
        if over():
            break
        try:
            return await call(), repeated
        except Exception as error:
            if not passes(error):
                raise
            if pause is None:
                raise StoreUnavailable(f"{server} does not answer: {error!r}") from error
        repeated = True
        await asyncio.sleep(pause * random.uniform(0.5, 1.5))
    raise StoreUnavailable("the store is closed")


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except StoreError as error:
        _log.debug("left undone: %r", error)
