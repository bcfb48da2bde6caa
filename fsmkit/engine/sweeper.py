"""The sweeper: looks again and again for what has come due, as long as the engine runs.

`DueScan` finds the keys and has them looked at, `Sweeper` says when.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from fsmkit.clock import first_of, monotonic
from fsmkit.engine.due import DueWork
from fsmkit.engine.services import Services
from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores.protocol import NoticesDeaths

NAME = "fsmkit sweeper"
"""What its tasks are called: a test that lets time pass does not stop for them."""

_log = logging.getLogger("fsmkit")

AT_ONCE = 16
"""Keys that are looked at at the same time: one whose handler is slow must not hold up the others."""


FETCHED = 100
"""New keys that are asked of the store at a time."""


MAX_LEFT = 10_000
"""Outboxes that are taken up at once after a death; the sweeps find any others."""


LEFT_ALONE = 60.0
"""Seconds for which a row that stays due is only read, not leased: nobody here can do anything about it."""

SOON = 0.2
"""Seconds until the first sweep where a receiver knows whether updates wait."""


class DueScan:
    """Has the keys looked at for which something is due, several at once, and none twice at the same time.

    However many keys are due, no more are asked of the store than are looked at next, and no more tasks run
    than look at one: between two of them everybody else has a turn.

    Args:
        services: The engine's means. A conversation whose updates wait is left to them: they fire what is
            due, or were in time.
        work: Does what is due for one.
    """

    def __init__(self, services: Services, work: DueWork) -> None:
        self._services = services
        self._clock = services.clock
        self._work = work
        self._looking: dict[Key, asyncio.Task[None]] = {}
        self._slots: asyncio.Semaphore
        self._stopping = False
        self._left_alone: dict[Key, float] = {}
        self._deaths = -1
        self._taken_up: dict[Key, bool] = {}
        """Keys that are taken up just now, and whether a sweep has found something due for them meanwhile."""

    async def take_up(self, running: "set[asyncio.Task[None]] | None" = None) -> set[Key]:
        """Take up what processes have left behind that died since the last time, if the store can tell.

        Args:
            running: Takes up the tasks that look at it, as long as they do.

        Returns:
            The keys.
        """
        services, workers = self._services, self._services.workers
        if workers is None or workers.deaths == self._deaths:
            return set()
        # At a time before all others nothing is due but what nobody delivers any more.
        left = await services.store.due(services.face.bot, list(services.flows.tables), -1.0, MAX_LEFT)
        self._deaths = workers.deaths  # the store has looked by now
        for table in services.flows.tables.values():
            for state, spec in table.rules.items():
                if spec.job is not None:
                    rows = services.store.scan(bot=services.face.bot, flow=table.name, state=state)
                    left += [stored.key async for stored in rows if await self._work.has_due(stored.key)]
        self._open_slots()
        for key in dict.fromkeys(left):
            _watch(await self._look_at(key, self._take_up), running)
        return {*left}

    async def _take_up(self, key: Key) -> None:
        self._taken_up[key] = False
        try:
            await self._work.take_up(key)
        finally:
            due = self._taken_up.pop(key)
        if due:  # the store may not give it to anybody again for a while
            await self._process(key)

    def _open_slots(self) -> None:
        if not self._looking:
            self._slots = asyncio.Semaphore(AT_ONCE)  # of the loop that runs now

    async def sweep(self) -> int:
        """Look at all keys for which something is due now; return how many there were."""
        running: set[asyncio.Task[None]] = set()
        found = await self.begin(running)
        if running:
            await asyncio.wait(running)
        return found

    async def begin(self, running: "set[asyncio.Task[None]] | None" = None) -> int:
        """Begin to look at them, as slots become free, without waiting for the end of the last ones.

        Args:
            running: Takes up the tasks that look at them, as long as they do.

        Returns:
            How many keys there were.
        """
        taken_up = await self.take_up(running)
        self._open_slots()
        now = monotonic(self._clock)
        self._left_alone = {key: until for key, until in self._left_alone.items() if until > now}
        found, last, limit = len(taken_up), frozenset[Key](), len(self._looking) + FETCHED
        while not self._stopping:
            # Some stores give a key to one sweeper only, others again while it is due. Those leave the others
            # their room, and are remembered only until they are not there again: many keys cost no memory.
            keys = await self._due(limit)
            new = [key for key in keys if key not in last]
            for key in new:
                if key in self._taken_up:
                    self._taken_up[key] = True
                _watch(self._looking.get(key) or await self._look_at(key), running)
            found += len(taken_up.union(new)) - len(taken_up)
            if len(keys) < limit:
                break
            last, limit = frozenset(keys), 2 * (len(keys) - len(new)) + len(self._looking) + FETCHED
        return found

    async def _due(self, limit: int) -> list[Key]:
        services = self._services
        return await services.store.due(
            services.face.bot, list(services.flows.tables), self._clock.now(), limit
        )

    async def stop(self, seconds: float) -> None:
        """Begin nothing more, and wait for what is under way, for so many seconds; then give it up.

        A handler that is cancelled in the middle of a request would send it again at the next start.
        """
        self._stopping = True
        try:
            if self._looking:
                _done, late = await asyncio.wait(self._looking.values(), timeout=seconds)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)
        finally:
            self._stopping = False

    async def _look_at(
        self, key: Key, act: Callable[[Key], Awaitable[object]] | None = None
    ) -> "asyncio.Task[None]":
        """Begin to look at a key when a slot is free, and let others have their turn."""
        await self._slots.acquire()
        task = self._looking.get(key)
        if task is not None:  # begun by another sweep meanwhile
            self._slots.release()
            return task
        work = self._look(key, act or self._process)
        task = self._looking[key] = asyncio.get_running_loop().create_task(work, name=f"fsmkit look {key}")
        task.add_done_callback(partial(self._looked, key))
        await asyncio.sleep(0)
        return task

    def _looked(self, key: Key, task: "asyncio.Task[None]") -> None:
        if self._looking.get(key) is task:  # it was cancelled before it began
            del self._looking[key]
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("looking at %s failed", key, exc_info=error)

    async def _process(self, key: Key) -> None:
        if self._services.face.awaited(key) or (
            key in self._left_alone and not await self._work.has_due(key)
        ):
            return
        if not await self._work.process_due(key):
            self._left_alone[key] = monotonic(self._clock) + LEFT_ALONE

    async def _look(self, key: Key, act: Callable[[Key], Awaitable[object]]) -> None:
        try:
            if not self._stopping:
                await act(key)
        except LeaseLost:
            _log.info("%s is looked after by another process", key)
        except Exception as error:  # one row that cannot be handled must not hold up the others
            await self._services.report(key, None, error)
        finally:
            del self._looking[key]  # what is due from now on, another look has to find


def _watch(task: "asyncio.Task[None]", running: "set[asyncio.Task[None]] | None") -> None:
    """Have a task stand in a set as long as it runs."""
    if running is not None:
        running.add(task)
        task.add_done_callback(running.discard)


class Sweeper:
    """Calls a function at intervals, in a task of its own.

    Args:
        sweep: Fires what is due.
        at_once: Called when the task begins: what need not wait for the first sweep.
        services: The engine's means. While its face is busy, the updates that wait go first: after a restart
            they may be older than a deadline. They do so for `patience` at most: a bot that is always busy
            has timeouts too.
        every: Seconds between two sweeps.
        first: Seconds until the first one: after a restart, updates that waited meanwhile go first.
    """

    def __init__(
        self,
        sweep: Callable[[], Awaitable[object]],
        at_once: Callable[[], Awaitable[object]],
        services: Services,
        *,
        every: float = 1.0,
        first: float = 3.0,
    ) -> None:
        self._sweep = sweep
        self._at_once = at_once
        self._clock = services.clock
        self._store = services.store
        self._face = services.face
        self._every = every
        self._first = first
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether it has been started."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Start the task."""
        if not self.running:
            # A receiver says for sure whether updates wait; elsewhere they are given time to come.
            first = self._first if self._face.received is None else min(self._first, SOON)
            work = self._run(monotonic(self._clock) + first, min(first, self._every))
            self._task = asyncio.get_running_loop().create_task(work, name=NAME)

    async def stop(self) -> None:
        """End the task and wait for it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, at: float, soon: float) -> None:
        death, over = asyncio.Event(), _nothing
        if isinstance(self._store, NoticesDeaths):
            over = self._store.on_death(death.set)
        try:
            await self._go_on(at, soon, death)
        finally:
            over()

    async def _go_on(self, at: float, soon: float, death: asyncio.Event) -> None:
        last, begun = monotonic(self._clock), False
        await self._try(self._at_once)
        while True:
            sleep = self._clock.sleep(max(0.0, at - monotonic(self._clock)))
            await first_of(sleep, death.wait(), name=NAME)
            now = monotonic(self._clock)
            if death.is_set():
                death.clear()
                await self._try(self._at_once)
                if not begun and now < at:
                    continue
            if self._face.busy() and now - last < self._face.patience:
                at = now + soon
                continue
            begun, last, soon, at = True, now, self._every, now + self._every
            await self._try(self._sweep)

    async def _try(self, sweep: Callable[[], Awaitable[object]]) -> None:
        try:
            await sweep()
        except Exception:
            _log.exception("a sweep failed; the next one follows")


def _nothing() -> None:
    """Do nothing."""
