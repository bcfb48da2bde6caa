"""`Lanes`: work in order for each key, for several keys at the same time, and not too much of it at once."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable

Work = Callable[[], Awaitable[None]]


class Lanes:
    """Runs pieces of work: those of one key one after the other, in the order in which they were put.

    Args:
        most: How much may be under way or wait in a lane; beyond it `put` waits.
    """

    def __init__(self, most: int) -> None:
        self._room = asyncio.Semaphore(most)
        self._lanes: dict[Hashable, deque[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, key: Hashable, work: Work) -> None:
        """Adds a piece of work at the end of a key's lane. It must not raise."""
        await self._room.acquire()
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(work)
            return
        self._lanes[key] = deque([work])
        task = asyncio.get_running_loop().create_task(self._run(key), name=f"fsmkit lane {key}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def join(self) -> None:
        """Waits until all lanes are empty."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def cancel(self) -> None:
        """Ends what is under way; what waits is dropped."""
        await ended(self._tasks)

    async def _run(self, key: Hashable) -> None:
        lane = self._lanes[key]
        try:
            while lane:
                try:
                    await lane[0]()
                finally:
                    lane.popleft()
                    self._room.release()
        finally:
            for _ in lane:
                self._room.release()
            del self._lanes[key]


async def ended(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancels tasks until they have ended; one whose cancellation was lost in a time-out once more."""
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=1.0)
