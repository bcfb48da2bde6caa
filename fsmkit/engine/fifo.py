"""Waiting in line under several names at once, first come, first served, in one process.

A place is taken in all lines at the same moment, before anything is awaited; whoever came first is in front
in every line in which they stand, so that two who share lines never wait for each other.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from fsmkit.errors import LeaseLost

T = TypeVar("T")


class LockClosed(Exception):
    """Those who wait are sent away: their turn never comes."""


class Ticket:
    """One who waits or whose turn it is; a context that lasts as long as the turn.

    Attributes:
        who: Whatever the place is to be known by.
    """

    __slots__ = ("_ahead", "_lines", "_names", "_turn", "who")

    def __init__(self, lines: "KeyedLock", names: Sequence[Hashable], who: object) -> None:
        self._lines = lines.lines
        self._names = names
        self._ahead = 0
        self._turn: asyncio.Future[None] | None = None
        self.who = who

    @property
    def waits(self) -> bool:
        """Whether the turn has not come yet."""
        return self._turn is not None and not self._turn.done()

    async def __aenter__(self) -> "Ticket":
        """Take the place, and return when its turn has come.

        Raises:
            LockClosed: If those who wait are sent away.
        """
        for name in self._names:
            line = self._lines.get(name)
            if line is None:
                self._lines[name] = deque((self,))
            else:
                line.append(self)
                self._ahead += 1
        if self._ahead:
            self._turn = asyncio.get_running_loop().create_future()
            try:
                await self._turn
            except BaseException:
                self._leave()
                raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._leave()

    def send_away(self) -> None:
        """End the waiting with `LockClosed`."""
        if self._turn is not None and not self._turn.done():
            self._turn.set_exception(LockClosed())

    def _leave(self) -> None:
        for name in self._names:
            line = self._lines[name]
            if line[0] is not self:  # given up in the middle of the line
                line.remove(self)
                continue
            line.popleft()
            if line:
                line[0]._moved_up()
            else:
                del self._lines[name]

    def _moved_up(self) -> None:
        self._ahead -= 1
        if not self._ahead and self._turn is not None and not self._turn.done():
            self._turn.set_result(None)


class KeyedLock:
    """Lines by name; a line that nobody stands in takes no room.

    Example:
        >>> async def handle(lines: KeyedLock) -> int:
        ...     async with lines.place(["chat 1", "user 7"]):
        ...         return lines.length("chat 1")
        >>> asyncio.run(handle(KeyedLock()))
        1
    """

    def __init__(self) -> None:
        self.lines: dict[Hashable, deque[Ticket]] = {}

    def place(self, names: Sequence[Hashable], who: object = None) -> Ticket:
        """Return a place in all the lines named; it is taken when it is entered.

        Args:
            names: The lines, each once; none: there is nobody to wait for.
            who: What the place is to be known by.
        """
        return Ticket(self, names, who)

    def length(self, name: Hashable) -> int:
        """Return how many stand in a line, whose turn it is included."""
        line = self.lines.get(name)
        return len(line) if line is not None else 0

    def waiting(self, name: Hashable) -> Iterator[Ticket]:
        """Return those in a line whose turn has not come."""
        return (place for place in self.lines.get(name, ()) if place.waits)

    def send_away(self) -> int:
        """Send away all who wait; return how many they were."""
        waiting = {id(place): place for line in self.lines.values() for place in line if place.waits}
        for place in waiting.values():
            place.send_away()
        return len(waiting)


Work = Callable[[], Awaitable[None]]


class KeyedWorkers:
    """Runs pieces of work: those of one key one after the other, in the order in which they were put.

    Args:
        most: How much may be under way or wait in a line; beyond it `put` waits.
    """

    def __init__(self, most: int) -> None:
        self._room = asyncio.Semaphore(most)
        self._lines = KeyedLock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def put(self, key: Hashable, work: Work) -> None:
        """Add a piece of work at the end of a key's line. It must not raise."""
        await self._room.acquire()
        task = asyncio.get_running_loop().create_task(self._run(key, work), name=f"fsmkit lane {key}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def join(self) -> None:
        """Wait until all lines are empty."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def cancel(self) -> None:
        """End what is under way; what waits is dropped."""
        await ended(self._tasks)

    async def _run(self, key: Hashable, work: Work) -> None:
        async with self._lines.place([key]):  # tasks begin in the order in which they were made
            await work()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()


async def again_if_lost(step: Callable[[], Awaitable[T]], *, tries: int = 3) -> T:
    """Take a step with a lease again if another commit has overtaken it; return what it returns.

    Args:
        step: The step.
        tries: How often it is taken at most.

    Raises:
        LeaseLost: If it was overtaken each time.
    """
    for _ in range(tries - 1):
        try:
            return await step()
        except LeaseLost:
            continue
    return await step()


async def ended(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Cancel tasks until they have ended; one whose cancellation was lost in a time-out once more."""
    going = set(tasks)
    while going:
        for task in going:
            task.cancel()
        _, going = await asyncio.wait(going, timeout=1.0)
