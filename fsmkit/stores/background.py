"""Small work that a store does in the background, such as giving a lease back, and that may fail."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from fsmkit.errors import StoreError

_log = logging.getLogger("fsmkit")


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


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    try:
        await work
    except StoreError as error:
        _log.debug("left undone: %r", error)
