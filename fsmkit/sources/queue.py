"""A source in this process: other parts of the program put events in, for example a test."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from fsmkit.engine.fifo import KeyedWorkers
from fsmkit.engine.source import Incoming, feed, lane_of
from fsmkit.keys import Key

if TYPE_CHECKING:
    from fsmkit.engine.engine import Engine

AT_ONCE = 64
"""Events under way; those of one key wait for each other."""


class QueueSource:
    """Events from this process; events that are in the queue when the process ends are lost.

    When the engine stops, events that it has taken from the queue and not handled are lost as well. If a
    handler raises, the engine's `on_error` is called, and the event is dropped.

    Args:
        name: Its name.
        maxsize: How many events may wait, besides the 64 that are being handled; with more, `put` waits.
            0: no limit.

    Example:
        >>> from fsmkit.sources import QueueSource
        >>> payments = QueueSource("payments")
    """

    def __init__(self, name: str = "queue", *, maxsize: int = 0) -> None:
        self.name = name
        self._queue: asyncio.Queue[Incoming] = asyncio.Queue(maxsize)
        self._taken = 0

    async def put(
        self,
        key: Key,
        event: Any,
        id: str | int | None = None,  # noqa: A002  # the field's word for it
        *,
        flow: str | None = None,
        expect: str | None = None,
    ) -> None:
        """Add an event; the arguments are those of `Incoming`."""
        await self._queue.put(Incoming(key, event, id, flow=flow, expect=expect))

    async def join(self) -> None:
        """Wait until all events that were put have been handled; the source has to be running."""
        await self._queue.join()

    async def run(self, engine: "Engine") -> None:
        """Give events to the engine until it is cancelled."""
        lanes = KeyedWorkers(AT_ONCE)
        try:
            while True:
                incoming = await self._queue.get()
                self._taken += 1
                await lanes.put(lane_of(engine, incoming), partial(self._feed, engine, incoming))
        finally:
            await lanes.cancel()
            for _ in range(self._taken):  # dropped: nobody is to wait for them
                self._done()

    async def _feed(self, engine: "Engine", incoming: Incoming) -> None:
        try:
            await feed(engine, self.name, incoming)
        except Exception as error:
            await engine.report(incoming.key, incoming.event, error)
        finally:
            self._done()

    def _done(self) -> None:
        self._taken -= 1
        self._queue.task_done()
