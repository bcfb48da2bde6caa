"""From the inbox into memory: a bounded number of updates at a time, in order, none of a chat too many.

What waits stays in the store. An update is handed over when it is next, but of one line (a chat) only so many
that a flood of one does not keep others out; the line's other updates are read from the store when the first
ones are done.

An update that ends the process (`os._exit` in a handler, a fault in a library, all of the memory) would end
each process after it too. So the updates that a process finds waiting at its start, and takes into memory,
are counted (`StoredUpdate.attempts`), in one write a batch; what comes while it runs costs no write. One that
was in hand so when a process ended is a suspect, one of perhaps hundreds. From then on it begins *alone*: no
other update is in hand, for half a minute none begins beside it (jobs and timers run on), and each such
attempt is counted before it begins. A process that ends then was ended by it, or by chance; three times is no
chance, and it is set aside. A stop takes back what it counted.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from fsmkit.clock import Clock, backoff, first_of
from fsmkit.errors import StoreError
from fsmkit.stores.inbox import Inbox, StoredUpdate

_log = logging.getLogger("fsmkit")

T = TypeVar("T")

MOST = 1000
"""Updates in memory at most."""

MOST_OF_LINE = 16
"""Updates of one chat in memory at most."""

PAGE = 200
"""Updates read at once."""

DEATHS = 3
"""How many processes may end with an update that ran alone."""

ALONE_SECONDS = 30.0
"""How long others wait for an update that runs alone, and it for them."""

LONGEST_WAIT = 10.0
"""Seconds between two tries of the store at most."""


class _Behind:
    """A line whose next updates wait in the store.

    Attributes:
        after: The number of the last one that was handed over.
        upto: The number of the last one that is known to wait.
        reading: Whether somebody reads the next ones.
    """

    __slots__ = ("after", "reading", "upto")

    def __init__(self, after: int, upto: int) -> None:
        self.after = after
        self.upto = upto
        self.reading = False


async def insist(clock: Clock, what: str, work: Callable[[], Awaitable[T]]) -> T:
    """Do something with the store until it succeeds, saying once that it does not."""
    tries = 0
    while True:
        try:
            return await work()
        except StoreError as error:
            tries += 1
            if tries == 1:
                _log.warning("%s: %s; it is tried again", what, error)
            await clock.sleep(backoff(tries, 0.1, most=LONGEST_WAIT))


class HandOver:
    """Hands what waits in an inbox over, oldest first.

    Args:
        inbox: Where it waits.
        clock: For waiting while the store is away.
        handle: Handles one update, whatever becomes of it. Those that are handed over begin in their order.
        bury: Sets aside one that has ended too many processes.
    """

    def __init__(
        self,
        inbox: Inbox,
        clock: Clock,
        handle: Callable[[StoredUpdate], Coroutine[Any, Any, None]],
        bury: Callable[[StoredUpdate], Awaitable[None]],
    ) -> None:
        self._inbox = inbox
        self._clock = clock
        self._handle = handle
        self._bury = bury
        self._starting = asyncio.Lock()
        self._own_from: int | None = None
        """The number of the first update that came in this process."""
        self._found_with: dict[int, int] = {}
        """The attempts of updates in hand, by their ids, before this process has counted its own."""
        self._read_upto = 0
        self._fresh: Sequence[StoredUpdate] = ()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._idle = False
        self._stopped = False
        self._loads: Counter[int] = Counter()
        self._last: dict[int, int] = {}
        self._behind: dict[int, _Behind] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: set[asyncio.Task[None]] = set()

    @property
    def caught_up(self) -> bool:
        """Whether nothing waits in the store that was not handed over."""
        return self._idle and not self._news.is_set() and not self._behind

    def put(self, updates: Sequence[StoredUpdate]) -> None:
        """Take note of what was just appended; nothing: of something that may have been."""
        if updates and self._own_from is None:
            self._own_from = updates[0].number
        if self._idle and not self._news.is_set():
            self._fresh = updates
        self._news.set()

    async def run(self) -> None:
        """Hand over until cancelled."""
        while True:
            page, self._fresh = self._fresh, ()
            # Where numbers are missing, another process may have put a dead letter back in between.
            if not page or page[0].number != self._read_upto + 1:
                after = self._read_upto
                page = await insist(
                    self._clock,
                    "the inbox cannot be read",
                    lambda after=after: self._inbox.waiting(after, PAGE),  # type: ignore[misc]
                )
            while len(self._tasks) + len(page) > MOST:
                self._room.clear()
                await self._room.wait()
            if page:
                self._read_upto = page[-1].number
                await self._start([update for update in page if self._admits(update)])
            else:
                self._idle = True
                await self._news.wait()
                self._news.clear()
                self._idle = False

    async def stop(self, begun: Callable[["asyncio.Task[None]"], bool], drain: float) -> None:
        """Wait for what has begun, and leave the rest to the inbox.

        Args:
            begun: Whether the handling of an update has begun.
            drain: Seconds of real time; what takes longer is cancelled.
        """
        self._stopped = True
        for reader in self._readers:
            reader.cancel()
        tasks = set(self._tasks)
        for task in tasks:
            if not begun(task):
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=drain)
        late = {task for task in tasks if not task.done()}
        if late:
            _log.warning(
                "%d updates are still being handled after %g seconds: they stay in the inbox",
                len(late),
                drain,
            )
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, *self._readers, return_exceptions=True)
        with suppress(StoreError):  # then they are suspects, which only costs time
            for ident, attempts in self._found_with.items():
                await self._inbox.note_attempts([ident], attempts)

    def _admits(self, update: StoredUpdate) -> bool:
        """Return whether an update may begin; else it waits behind others of its line."""
        line = update.line
        behind = self._behind.get(line)
        if behind is not None:
            behind.upto = update.number
        elif line and self._loads[line] >= MOST_OF_LINE:
            self._behind[line] = _Behind(self._last[line], update.number)
        else:
            self._reserve(update)
            return True
        return False

    def _reserve(self, update: StoredUpdate) -> None:
        self._loads[update.line] += 1
        self._last[update.line] = update.number

    async def _start(self, updates: Sequence[StoredUpdate]) -> None:
        """Have updates handled that were admitted, in the order in which they were."""
        async with self._starting:
            await self._count([update for update in updates if not update.attempts], 1)
            for update in updates:
                if update.attempts:
                    await self._start_alone(update)
                else:
                    self._begin(update)

    async def _start_alone(self, update: StoredUpdate) -> None:
        """Have an update handled that was in hand when a process ended."""
        if update.attempts > DEATHS:
            await self._bury(update)
            self._free(update.line)
            return
        alone = await self._until_idle()
        if alone:
            await self._count([update], update.attempts + 1)
        self._begin(update)
        if alone:  # what takes longer stays counted: it may be this one that others are to be saved from
            await self._until_idle()

    async def _until_idle(self) -> bool:
        """Wait until nothing is in hand, but not too long; return whether nothing is."""
        if self._tasks:
            await first_of(asyncio.wait(self._tasks), self._clock.sleep(ALONE_SECONDS))
        return not self._tasks

    async def _count(self, updates: Sequence[StoredUpdate], attempts: int) -> None:
        """Note an attempt of those among updates that came before this process."""
        own = self._own_from
        left = [update for update in updates if own is None or update.number < own]
        if left:
            self._found_with.update((update.id, update.attempts) for update in left)
            await self._note([update.id for update in left], attempts)

    async def _note(self, ids: Sequence[int], attempts: int) -> None:
        await insist(
            self._clock, "attempts cannot be noted", lambda: self._inbox.note_attempts(ids, attempts)
        )

    def _begin(self, update: StoredUpdate) -> None:
        task = asyncio.get_running_loop().create_task(self._handle(update), name=f"fsmkit update {update.id}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, update))

    def _ended(self, task: "asyncio.Task[None]", update: StoredUpdate) -> None:
        self._tasks.discard(task)
        self._room.set()
        if not task.cancelled() and not self._stopped:
            self._found_with.pop(update.id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an update could not be handled; it stays in the inbox", exc_info=error)
        self._free(update.line)

    def _free(self, line: int) -> None:
        """Take note that an update of a line is no longer in hand."""
        self._loads[line] -= 1
        self._read_on(line)

    def _read_on(self, line: int) -> None:
        """Have the next ones of a line read as soon as half of what it may have in memory is done."""
        behind = self._behind.get(line)
        if behind is None:
            if not self._loads[line]:
                del self._loads[line]
                self._last.pop(line, None)
        elif not behind.reading and not self._stopped and self._loads[line] <= MOST_OF_LINE // 2:
            behind.reading = True
            reader = asyncio.get_running_loop().create_task(self._follow(line, behind))
            self._readers.add(reader)
            reader.add_done_callback(self._reader_ended)

    def _reader_ended(self, reader: "asyncio.Task[None]") -> None:
        self._readers.discard(reader)
        if not reader.cancelled() and (error := reader.exception()) is not None:
            _log.error("updates of one chat wait until the next start: reading them failed", exc_info=error)

    async def _follow(self, line: int, behind: _Behind) -> None:
        """Hand over the next ones of a line, and go on if they are done before this has come to its end."""
        upto = behind.upto
        found = await insist(
            self._clock,
            "the inbox cannot be read",
            lambda: self._inbox.waiting(behind.after, MOST_OF_LINE // 2, line=line),
        )
        # Others come with their page.
        known = [update for update in found if update.number <= self._read_upto]
        for update in known:
            behind.after = update.number
            self._reserve(update)
        await self._start(known)
        if not known:  # whatever was known to wait has been taken out of the inbox
            behind.after = upto
        behind.reading = False
        if behind.after >= behind.upto:
            del self._behind[line]
        self._read_on(line)
