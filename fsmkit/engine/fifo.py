"""Waiting in line under several names at once, first come, first served, in one process.

A place is taken in all lines at the same moment, before anything is awaited; whoever came first is in front
in every line in which they stand, so that two who share lines never wait for each other.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar

from fsmkit.errors import LeaseLost

T = TypeVar("T")


class LockClosed(Exception):
    """Those who wait are sent away: their turn never comes."""


class Ticket:
    """One who has come while others stood in their lines; of one who found them empty there is no ticket.

    Attributes:
        who: Whatever the place is to be known by.
    """

    __slots__ = ("_ahead", "_turn", "who")

    def __init__(self, ahead: int, who: object) -> None:
        self._ahead = ahead
        self._turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.who = who

    @property
    def waits(self) -> bool:
        """Whether the turn has not come yet."""
        return not self._turn.done()

    async def turn(self) -> None:
        """Return when the turn has come.

        Raises:
            LockClosed: If those who wait are sent away.
        """
        await self._turn

    def send_away(self) -> None:
        """End the waiting with `LockClosed`."""
        if not self._turn.done():
            self._turn.set_exception(LockClosed())

    def move_up(self) -> None:
        """Note that one of the lines has nobody in front any more."""
        self._ahead -= 1
        if not self._ahead and not self._turn.done():
            self._turn.set_result(None)


class _Place:
    """A context that lasts as long as a turn."""

    __slots__ = ("_lock", "_names", "_ticket", "_who")

    def __init__(self, lock: "KeyedLock", names: Sequence[Hashable], who: object) -> None:
        self._lock = lock
        self._names = names
        self._who = who

    async def __aenter__(self) -> None:
        self._ticket = self._lock.enter(self._names, self._who)
        if self._ticket is not None:
            try:
                await self._ticket.turn()
            except BaseException:
                self._lock.leave(self._names, self._ticket)
                raise

    async def __aexit__(self, *_exc: object) -> None:
        self._lock.leave(self._names, self._ticket)


class KeyedLock:
    """Lines by name; a line that nobody stands in takes no room, one in which one stands an entry.

    Example:
        >>> async def handle(lines: KeyedLock) -> int:
        ...     async with lines.place(["chat 1", "user 7"]):
        ...         return lines.length("chat 1")
        >>> asyncio.run(handle(KeyedLock()))
        1

    Attributes:
        lines: By name: who stands in the line, in front a `None` for one without a ticket; `None` for one
            who has come to it alone.
    """

    def __init__(self) -> None:
        self.lines: dict[Hashable, deque[Ticket | None] | None] = {}

    def place(self, names: Sequence[Hashable], who: object = None) -> AbstractAsyncContextManager[None]:
        """Return a place in all the lines named, as a context; it is taken when that is entered.

        Entering raises `LockClosed` if those who wait are sent away.

        Args:
            names: The lines, each once; none: there is nobody to wait for.
            who: What the place is to be known by.
        """
        return _Place(self, names, who)

    def enter(self, names: Sequence[Hashable], who: object = None) -> Ticket | None:
        """Take a place in all the lines named; `leave` gives it up, whether its turn has come or not.

        Returns:
            What to wait for; `None`: the turn has come.
        """
        lines = self.lines
        ahead = 0
        for name in names:
            if name in lines:
                ahead += 1
        if not ahead:
            for name in names:
                lines[name] = None
            return None
        ticket = Ticket(ahead, who)
        for name in names:
            if name not in lines:
                lines[name] = deque((ticket,))
                continue
            line = lines[name]
            if line is None:
                line = lines[name] = deque((None,))
            line.append(ticket)
        return ticket

    def leave(self, names: Sequence[Hashable], ticket: Ticket | None) -> None:
        """Give a place up: of one whose turn is over, or who waits no more."""
        lines = self.lines
        for name in names:
            line = lines[name]
            if line is None:
                del lines[name]
            elif line[0] is not ticket:  # given up in the middle of the line
                line.remove(ticket)
            else:
                line.popleft()
                if not line:
                    del lines[name]
                elif (following := line[0]) is not None:
                    following.move_up()

    def length(self, name: Hashable) -> int:
        """Return how many stand in a line, whose turn it is included."""
        if name not in self.lines:
            return 0
        line = self.lines[name]
        return 1 if line is None else len(line)

    def waiting(self, name: Hashable) -> Iterator[Ticket]:
        """Return those in a line whose turn has not come."""
        return (ticket for ticket in self.lines.get(name) or () if ticket is not None and ticket.waits)

    def send_away(self) -> int:
        """Send away all who wait; return how many they were."""
        waiting = {id(ticket): ticket for name in self.lines for ticket in self.waiting(name)}
        for ticket in waiting.values():
            ticket.send_away()
        return len(waiting)


class Slots:
    """Room for so many at the same time; who finds none waits, first come, first served.

    Args:
        number: How many.
    """

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> "asyncio.Future[None] | None":
        """Take a slot; `None`: there was one. Else `wait` for what is returned."""
        if self._free:
            self._free -= 1
            return None
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        return turn

    async def wait(self, turn: "asyncio.Future[None]") -> None:
        """Return when there is a slot."""
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # passed over just before, by who had a slot to give
                    self._waiting.remove(turn)
            else:  # its slot had come just before
                self.give_back()
            raise

    def give_back(self) -> None:
        """Give a slot to who has waited longest for one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


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
