"""`Backlog`: an application's update queue that makes PTB wait while too much waits to be processed.

PTB takes updates from its queue as soon as they come, so that the queue is always empty and a bound on its
size bounds nothing. This one counts what is unfinished: while its `put` waits, PTB fetches nothing (polling)
or keeps Telegram waiting (webhook), and Telegram keeps the updates.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from telegram import Update

from fsmkit.clock import Clock, SystemClock
from fsmkit.lines import Lines

Names = Sequence[Hashable]

_ALL: Names = ("all chats",)


class Backlog(asyncio.Queue[object]):
    """A queue whose `put` waits for what was put before to be processed.

    It waits as long as it takes while `max_pending` updates are unfinished, and for at most `patience`
    seconds for one chat that has `max_waiting` of them: in polling all others wait behind it. That time is
    granted anew when the chat has half caught up. What is put although the chat has too many is refused by
    the processor.

    Args:
        names_of: The lines in which an update will stand.
        max_pending: Unfinished updates of all chats together.
        max_waiting: Unfinished updates of one chat, beside the one that is processed.
        patience: Seconds.
        clock: For `patience`.
    """

    def __init__(
        self,
        names_of: Callable[[object], Names],
        max_pending: int,
        max_waiting: int,
        patience: float,
        clock: Clock | None,
    ) -> None:
        super().__init__()
        self._names_of = names_of
        self._max_pending = max_pending
        self._max_waiting = max_waiting
        self._patience = patience
        self._clock = clock
        self._pending = 0
        self._names: dict[int, Names] = {}
        """By `id(update)`: the lines of what is in the queue."""
        self._loads: Counter[Hashable] = Counter()
        self._spent: dict[Hashable, float] = {}
        """Seconds that were waited for a chat since it last had half caught up."""
        self._woken: list[asyncio.Future[None]] = []
        self._lines = Lines()
        """Those who put at the same time (a webhook) wait in line too."""

    def adopt(self, clock: Clock) -> None:
        """Takes an engine's clock, where none was given."""
        if self._clock is None:
            self._clock = clock

    async def put(self, item: object) -> None:
        """Waits until there is room for an update; anything else (PTB's own sign to stop) never waits."""
        if not isinstance(item, Update):
            await super().put(item)
            return
        names = self._names_of(item)
        async with self._lines.place(names):
            await self._until_not_full(names)
            async with self._lines.place(_ALL):
                while self._pending >= self._max_pending:
                    await self._woken_by_next()
                await super().put(item)

    def _put(self, item: object) -> None:
        super()._put(item)
        self._pending += 1
        if isinstance(item, Update):
            names = self._names[id(item)] = self._names_of(item)
            self._loads.update(names)

    def task_done(self) -> None:
        """Marks an update as finished, and lets those go on who wait for room."""
        super().task_done()
        self._pending -= 1
        if self._names and self.empty() and self._pending <= 0:  # PTB drops what is left when it stops
            self._names.clear()
            self._loads.clear()
        woken, self._woken = self._woken, []
        for future in woken:
            if not future.done():
                future.set_result(None)

    # -- for the processor ---------------------------------------------------------------------------

    def taken(self, update: object) -> Names | None:
        """The lines of an update that came through this queue."""
        return self._names.pop(id(update), None)

    def finished(self, names: Names) -> None:
        """Takes an update off what its chat has unfinished."""
        loads = self._loads
        for name in names:
            left = loads[name] - 1
            if left > 0:
                loads[name] = left
            else:
                del loads[name]
            if self._spent and left <= self._max_waiting // 2:
                self._spent.pop(name, None)

    # -- waiting -------------------------------------------------------------------------------------

    async def _until_not_full(self, names: Names) -> None:
        clock = self._clock or SystemClock()
        while full := [name for name in names if self._loads[name] > self._max_waiting]:
            left = self._patience - max(self._spent.get(name, 0.0) for name in full)
            if left <= 0:
                return
            begun = clock.now()
            timer = asyncio.ensure_future(clock.sleep(left))
            try:
                await asyncio.wait({timer, self._woken_by_next()}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
            for name in full:
                if self._loads[name] > self._max_waiting // 2:  # else it has caught up meanwhile
                    self._spent[name] = self._spent.get(name, 0.0) + clock.now() - begun

    def _woken_by_next(self) -> "asyncio.Future[None]":
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._woken.append(future)
        return future
