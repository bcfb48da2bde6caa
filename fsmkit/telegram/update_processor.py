"""`KeyedProcessor`: which of an application's updates are processed now, and which wait for their turn.

The updates of a chat one after the other, chats at the same time; the queue that waits when too much waits
is in `fsmkit.telegram.update_processor`.
"""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from typing import Any, Protocol, TypeAlias

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from fsmkit.clock import Clock, SystemClock
from fsmkit.engine.fifo import KeyedLock, LockClosed, Slots
from fsmkit.flow.options import options_checked
from fsmkit.keys import Key, KeyBy
from fsmkit.telegram.event import TelegramEvent, read_update

Names = Sequence[Hashable]

Asking: TypeAlias = Update | TelegramEvent
"""What Telegram waits for an answer to; an event where the update is on the fast lane."""

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
        self._lines = KeyedLock()
        """Those who put at the same time (a webhook) wait in line too."""

    def use_clock(self, clock: Clock) -> None:
        """Take an engine's clock, where none was given."""
        if self._clock is None:
            self._clock = clock

    async def put(self, item: object) -> None:
        """Wait until there is room for an update; anything else (PTB's own sign to stop) never waits."""
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
        """Mark an update as finished, and let those go on who wait for room."""
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
        """Return the lines of an update that came through this queue."""
        return self._names.pop(id(update), None)

    def finished(self, names: Names) -> None:
        """Take an update off what its chat has unfinished."""
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


_log = logging.getLogger("fsmkit")

OTHER_LINES = frozenset({KeyBy.GLOBAL_USER, KeyBy.MESSAGE, KeyBy.USER_IN_MESSAGE})
"""Key rules by which an update may belong to another chat than its own, or to no chat that is known."""


class Served(Protocol):
    """What lives as long as the processor: an engine within its application."""

    async def begin(self) -> None:
        """Begin, when the application is initialized."""
        ...

    async def end(self) -> None:
        """End, when it is shut down; the bot's connections are closed by then."""
        ...


class Watch(Protocol):
    """Answers presses and payments in time whose turn does not come."""

    def watch(self, update: Asking) -> None:
        """Note that the update begins to wait."""
        ...

    def refuse(self, update: Asking) -> None:
        """Answer what will have no turn."""
        ...

    async def unwatch(self, update: Asking) -> None:
        """Note that it is over."""
        ...


@options_checked
class KeyedProcessor(BaseUpdateProcessor):
    """Processes the updates of a chat in order, and those of other chats at the same time.

    An update waits in the line of its chat, in any topic or business connection; without a chat, in the line
    of its person. With a flow by `KeyBy.GLOBAL_USER` it waits in the line of its person too, and with a flow
    by `KeyBy.MESSAGE` in that of its inline message. It takes a slot when it is at the front, so a chat has
    one slot at most, however much it sends. A press or a payment that waits is still answered in time. The
    engines of `attach` start and stop with it.

    Args:
        max_concurrent: Slots: how many updates are processed at the same time.
        max_waiting: How many updates of one chat may wait. With more, the queue waits; after that they are
            refused: dropped, with a warning in the log.
        max_pending: How many updates of all chats may be unfinished before the queue waits.
        patience: How many seconds the queue waits for one chat, until half of its updates are handled.
        clock: The clock for `patience`; by default the attached engine's.

    Attributes:
        queue: The queue that waits, for `ApplicationBuilder.update_queue`.

    Raises:
        ValueError: If a number is below 1, or `patience` negative.

    Example:
        >>> from telegram.ext import Application
        >>> from fsmkit.telegram import KeyedProcessor
        >>> processor = KeyedProcessor(32)
        >>> builder = Application.builder().token("42:YOUR-TOKEN")
        >>> app = builder.concurrent_updates(processor).update_queue(processor.queue).build()
    """

    def __init__(
        self,
        max_concurrent: int = 64,
        *,
        max_waiting: int = 100,
        max_pending: int = 1000,
        patience: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        if min(max_concurrent, max_waiting, max_pending) < 1 or patience < 0:
            raise ValueError("a KeyedProcessor's numbers are 1 or more, and its patience is not negative")
        # PTB takes a slot before it asks whose turn it is, so that one chat could have all of them: the
        # slots that count are taken below.
        super().__init__(sys.maxsize)
        self.queue = Backlog(self._lines_of, max_pending, max_waiting, patience, clock)
        self.refused = 0
        self._max_waiting = max_waiting
        self._slots = Slots(max_concurrent)
        self._lines = KeyedLock()
        self._refusals: Counter[Hashable] = Counter()
        self._rules: set[KeyBy] = set()
        """Those that put an update into another line than that of its chat."""
        self._served: list[Served] = []
        self._watches: list[Watch] = []

    def serve(self, rules: Iterable[KeyBy], served: Served, watch: Watch, clock: Clock) -> None:
        """Make an engine's conversations known; called by `attach`.

        Args:
            rules: The key rules of its flows.
            served: What starts and stops with the application.
            watch: What answers while updates wait.
            clock: Its clock.
        """
        self._rules.update(rule for rule in rules if rule in OTHER_LINES)
        self._served.append(served)
        self._watches.append(watch)
        self.queue.use_clock(clock)

    def refuse_none(self) -> None:
        """Let any number wait: a `Receiver` hands over no more than fit, and keeps the rest in its inbox."""
        self._max_waiting = sys.maxsize

    async def initialize(self) -> None:
        """Start the engines."""
        for served in self._served:
            await served.begin()

    async def shutdown(self) -> None:
        """Send away what waits still (nothing, after `Application.stop`), and stop the engines."""
        waited = self._lines.send_away()
        if waited:
            _log.warning("%d updates that waited for their turn are dropped at shutdown", waited)
        for served in self._served:
            await served.end()

    async def do_process_update(self, update: object, coroutine: Awaitable[Any]) -> None:
        """Wait for the turn of the update's chat and for a slot, then process it; or refuse it."""
        queued = self.queue.taken(update)
        names = self._lines_of(update) if queued is None else queued
        asked = _asking(update) if self._watches else None
        lines, slots, begun = self._lines, self._slots, False
        ticket = lines.enter(names, update)
        try:
            if asked is not None:
                for watch in self._watches:
                    watch.watch(asked)
            if ticket is not None:
                if any(lines.length(name) > self._max_waiting + 1 for name in names):
                    self._refuse(update, names, asked)
                    return
                await ticket.turn()
            if (slot := slots.take()) is not None:
                await slots.wait(slot)
            try:
                begun = True
                await coroutine
            finally:
                slots.give_back()
        except LockClosed:
            return
        finally:
            lines.leave(names, ticket)
            if queued is not None:
                self.queue.finished(names)
            if self._refusals:
                self._sum_up(names)
            if not begun and asyncio.iscoroutine(coroutine):
                coroutine.close()
            if asked is not None:  # last, for it may be cancelled
                for watch in self._watches:
                    await watch.unwatch(asked)

    def awaited(self, key: Key) -> bool:
        """Whether updates of a conversation wait, which go before its timeouts."""
        return any(key.user in (_person(ticket.who), key.chat) for ticket in self._lines.waiting(key.chat))

    def _lines_of(self, update: object) -> Names:
        """Return the lines that an update stands in; none: it is not a chat's, and waits for nobody."""
        event: TelegramEvent | None
        if isinstance(update, TelegramEvent):
            event = update
        elif not isinstance(update, Update):
            return ()
        else:
            message = update.message
            if message is not None and not self._rules:  # as a rule
                return (message.chat.id,)
            event = read_update(update, None)
        if event is None:  # nobody's conversation, but perhaps something that happened in a chat
            somewhere = update.effective_chat or update.effective_user  # type: ignore[union-attr]
            return () if somewhere is None else (somewhere.id,)
        # Neither topic nor connection are part of a name: a press under an old message does not tell them.
        place = event.user_id if event.chat_id is None else event.chat_id
        names: list[Hashable] = [] if place is None else [place]
        for rule in self._rules:
            key = rule.key(chat=event.chat_id, user=event.user_id, message=event.inline)
            if key is not None and key.chat not in names:
                names.append(key.chat)
        return names

    def _refuse(self, update: object, names: Names, asked: Asking | None) -> None:
        if asked is not None:
            for watch in self._watches:
                watch.refuse(asked)
        self.refused += 1
        if not any(name in self._refusals for name in names):
            ident = getattr(update, "update_id", update)
            _log.warning(
                "update %s of %s is refused: %d updates of that chat or person wait already "
                "(KeyedProcessor(max_waiting=...)); the next ones too, until the line is shorter",
                *(ident, _shown(names), self._max_waiting),
            )
        self._refusals.update(names)

    def _sum_up(self, names: Names) -> None:
        """Says how many were refused, once nobody waits any more."""
        for name in names:
            if name in self._refusals and not self._lines.length(name):
                _log.warning("%d updates of %s were refused", self._refusals.pop(name), _shown([name]))


def _asking(update: object) -> Asking | None:
    """Return what Telegram waits for an answer to: a press, or a question before a payment."""
    if isinstance(update, TelegramEvent):
        return None if update.press_query is None else update
    if not isinstance(update, Update):
        return None
    return update if update.callback_query or update.pre_checkout_query or update.shipping_query else None


def _person(update: object) -> int | None:
    """Who did it, for `awaited`; of no matter for the order."""
    if isinstance(update, TelegramEvent):
        return update.user_id
    user = update.effective_user if isinstance(update, Update) else None
    return user.id if user is not None else None


def _shown(names: Names) -> str:
    return ", ".join(map(str, names))
