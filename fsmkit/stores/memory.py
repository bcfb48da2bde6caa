"""The store in this process: a TTL-backed table. It forgets everything when the process ends."""

import asyncio
import itertools
from asyncio import _get_running_loop
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from math import inf
from types import TracebackType

from fsmkit.clock import Clock, SystemClock
from fsmkit.errors import LeaseLost, StoreFull, StoreUnavailable
from fsmkit.keys import Key
from fsmkit.stores.inbox import MemoryInbox
from fsmkit.stores.memory_table import Mail, Record, Table
from fsmkit.stores.protocol import Change, Index, Lease, StoredRow
from fsmkit.stores.snapshot import RowSnapshot

_SYSTEM = SystemClock()


class MemoryLease:
    """A turn with one row; see `fsmkit.stores.Lease`."""

    __slots__ = ("_held", "_store", "_version", "_wanted", "idle", "key", "receipts", "row")

    def __init__(self, store: "MemoryStore", key: Key, wanted: bool) -> None:
        self._store = store
        self._wanted = wanted
        self._held = False
        self._version = 0
        self.key = key
        self.idle = False
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def __aenter__(self) -> "MemoryLease":
        if (waiting := self.take()) is not None:
            await waiting
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.free()

    def take(self) -> Awaitable[None] | None:
        """Take the turn at once if it is free, or return what waits for it."""
        store, key = self._store, self.key
        if _get_running_loop() is not store.loop:
            store.enter_loop()
        record = store.table.records.get(key)
        if self._wanted or (record is not None and record.lookup):
            if store.turns.setdefault(key, self) is not self:
                return self._wait()
            self._held = True
        elif key in store.turns:
            return self._wait()
        else:
            self.idle = True
        if record is not None:
            self._show(record)
        return None

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row and free the lease; see `fsmkit.stores.Lease`."""
        entry = self.put(change, hold=hold)
        return entry if entry is None or isinstance(entry, bytes) else await entry

    def put(self, change: Change, *, hold: bool = False) -> bytes | Awaitable[bytes | None] | None:
        """Write the row and free the lease; nothing is ever waited for."""
        store, key = self._store, self.key
        if not self._held or (store.void and key in store.void):
            raise LeaseLost(f"the lease on {key} is over; nothing was written")
        entry, self._version = store.write(key, self._version, change)
        if hold:
            self.receipts = self.receipts[change.folded :]
        else:
            self._held = False
            store.pass_turn(key)
        return entry

    def free(self) -> None:
        """Free the lease, if it is held."""
        if self._held:
            self._held = False
            self._store.pass_turn(self.key)

    async def _wait(self) -> None:
        """Wait in line; a waiter that is cancelled when its turn has just come hands it on."""
        turns = self._store.turns
        queue = turns[self.key]
        if isinstance(queue, MemoryLease):
            queue = turns[self.key] = deque()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._store.pass_turn(self.key)
            else:
                queue.remove(turn)
            raise
        self._held = True
        record = self._store.table.records.get(self.key)
        if record is not None:
            self._show(record)

    def _show(self, record: Record) -> None:
        self.row = record.row
        self._version = record.version
        if record.mail is not None:
            self.receipts = record.mail.receipts


Copied = dict[Key, tuple[bytes | None, int, float, tuple[Index, ...], tuple[bytes, ...], tuple[bytes, ...]]]
"""What `MemoryStore.copy` gives."""


class MemoryStore:
    """Conversations in the memory of this process, for tests, demos, and bots that may forget.

    It serves one event loop at a time; using it from a second loop at the same time is an error.

    Args:
        clock: The source of the time; the engine's clock if the engine makes the store.
        maxsize: How many keys may have a conversation; more are refused. `None`: no limit.

    Example:
        >>> from fsmkit.stores.memory import MemoryStore
        >>> store = MemoryStore(maxsize=10_000)
    """

    durable = False

    def __init__(self, clock: Clock | None = None, *, maxsize: int | None = None) -> None:
        self._clock: Clock | None = clock
        self.maxsize = maxsize
        # Never used twice, so that a row which went and came back is not taken for the old one.
        self._versions = itertools.count(1)
        self.table = Table()
        self.turns: dict[Key, MemoryLease | deque[asyncio.Future[None]]] = {}
        """By key the lease that holds it, or from then on those who wait; a key that nobody holds has no
        entry."""
        self._inboxes: dict[int | str | None, MemoryInbox] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that it serves."""
        self.void: set[Key] = set()
        """Keys that were forgotten under the turn that is held."""

    def use_clock(self, clock: Clock) -> None:
        """Take an engine's clock, where the store was given none."""
        if self._clock is None:
            self._clock = clock

    def enter_loop(self) -> None:
        """Take note of the event loop that uses the rows; what one that has ended held is free.

        Raises:
            StoreUnavailable: If another one runs with them at the same time, in another thread.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a coroutine that is driven by hand
            return
        if self.loop is loop:
            return
        if self.loop is not None and self.loop.is_running():
            raise StoreUnavailable(
                "a MemoryStore serves one event loop at a time, and another one runs with it: SQLiteStore "
                "serves several threads"
            )
        self.loop = loop
        self.turns.clear()

    def lease(self, key: Key, *, wanted: bool = True) -> MemoryLease:
        """Wait for the turn with one row, first come, first served."""
        return MemoryLease(self, key, wanted)

    async def snapshot(self, key: Key) -> Lease:
        """Read the row; of several who commit, the first wins."""
        self.enter_loop()
        record = self.table.records.get(key) or Record()

        async def write(version: int, change: Change) -> tuple[bytes | None, int]:
            return self.write(key, version, change)

        return RowSnapshot(key, record.version, record.row, record.receipts, write)

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed."""
        record = self.table.records.get(key)
        return record.row if record else None

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in their order."""
        record = self.table.records.get(key)
        return list(record.outbox) if record else []

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys in a chat for which anything is stored."""
        return [key for key in self.table.keys(chat) if bot in (None, key.bot)]

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys of a person in whatever chat."""
        return [key for key in self.table.keys_of(user) if bot in (None, key.bot)]

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Acknowledge the first entry of the outbox; return the next one."""
        record = self.table.records.get(key)
        mail = None if record is None else record.mail
        if record is None or mail is None or mail.outbox[:1] != (entry,):
            return None
        mail.outbox = mail.outbox[1:]
        if receipt is not None:
            mail.receipts += (receipt,)
        mail.delivering = bool(mail.outbox)
        if mail.outbox:
            return mail.outbox[0]
        if not mail.receipts:
            record.mail = None
        if record.row is None and record.mail is None:
            self.table.drop(key)
        elif record.row is None:  # nobody may ever come back for them: the sweeper tidies up
            record.wake = self._now()
            self.table.put(key, record, record.index)
        return None

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Do nothing: in one process a claim ends with the process."""

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys whose `wake` has come, the most overdue first."""
        table, known = self.table, frozenset(flows)
        table.go_back(now)
        while table.count_overdue(bot, known) < limit:
            if not table.hand_over(now):
                break
            await asyncio.sleep(0)
        found = [(record.wake, key) for rows in table.overdue(bot, known) for key, record in rows.items()]
        found.sort(key=lambda item: item[0])
        return [key for _, key in found[:limit]]

    async def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield all rows, or those with a conversation of a flow or in a state."""
        begin: str | None = ""
        while begin is not None:
            page, begin = self.table.order.page(begin)
            for _, key in page:
                record = self.table.records.get(key)
                if record is None or record.row is None or (bot is not None and key.bot != bot):
                    continue
                if _fits(record.index, flow, state):
                    yield StoredRow(key, record.row, record.index, len(record.outbox))
            if begin is not None:
                await asyncio.sleep(0)

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person; a step that runs meanwhile loses its lease."""
        if isinstance(who, Key):
            keys = [who]
        else:  # those too that have only a turn: of a first step, which has stored nothing yet
            held = [key for key in self.turns if _is_of(key, who, bot)]
            keys = list({*held, *await self.keys_of(who, bot=bot)})
        self.void.update(key for key in keys if key in self.turns)
        for owner, inbox in self._inboxes.items():
            if owner == (who.bot if isinstance(who, Key) else bot) or (
                bot is None and not isinstance(who, Key)
            ):
                inbox.forget(who)
        return sum(self.table.drop(key) is not None for key in keys)

    def inbox(self, bot: int | str | None) -> MemoryInbox:
        """Return the updates of a bot that wait to be handled."""
        return self._inboxes.setdefault(bot, MemoryInbox(self._now))

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        return [bot for bot, inbox in self._inboxes.items() if not inbox.is_empty()]

    async def close(self) -> None:
        """Do nothing: there is no connection to end, and another engine may go on with the rows."""

    def _now(self) -> float:
        return (self._clock or _SYSTEM).now()

    # -- for tests ---------------------------------------------------------------------------------

    def copy(self) -> "Copied":
        """Copy all rows and outboxes, as another process would find them: without leases and claims."""
        return {
            key: (
                record.row,
                record.version,
                record.wake,
                record.index,
                record.outbox,
                record.receipts,
            )
            for key, record in self.table.records.items()
        }

    def restore(self, copied: "Copied") -> None:
        """Go back to a copy; nothing may be under way."""
        self.table = Table()
        self.turns.clear()
        for key, (row, version, wake, index, outbox, receipts) in copied.items():
            record = Record()
            record.row, record.version, record.wake = row, version, wake
            record.mail = Mail(outbox, receipts) if outbox or receipts else None
            if outbox:  # nobody delivers it: it is due
                record.wake = -inf
            self.table.put(key, record, index)

    # -- for the lease -----------------------------------------------------------------------------

    def write(self, key: Key, version: int, change: Change) -> tuple[bytes | None, int]:
        """Commit; return the entry to deliver, as `Lease.commit` does, and the row's new version."""
        table = self.table
        record = table.records.get(key) or Record()
        if record.version != version:
            raise LeaseLost(f"the row of {key} was written by another step; nothing was written")
        if record.lookup is None and change.index and self._is_full():
            raise StoreFull(
                f"the memory store holds {self.maxsize} conversations, its maxsize: {key} is refused"
            )
        if change.struck:
            self.inbox(key.bot).strike_now(change.struck)
        record.version = next(self._versions)
        record.row = change.row
        record.wake = inf if change.wake is None else change.wake
        entry = None
        if record.mail is not None or change.outbox:
            entry = record.fold(change.folded, change.outbox)
        if change.row is None and not record.outbox:
            table.drop(key)
            return None, 0
        table.put(key, record, change.index)
        return entry, record.version

    def _is_full(self) -> bool:
        return self.maxsize is not None and self.table.talking >= self.maxsize

    def pass_turn(self, key: Key) -> None:
        """Give the turn to the next in line; with nobody there the key is forgotten."""
        waiting = self.turns.pop(key)
        if self.void:
            self.void.discard(key)
        while isinstance(waiting, deque) and waiting:
            turn = waiting.popleft()
            if not turn.done():
                self.turns[key] = waiting
                turn.set_result(None)
                return


def _is_of(key: Key, user: int | str, bot: int | str | None) -> bool:
    return user in (key.user, key.chat) and (bot is None or key.bot == bot)


def _fits(index: tuple[Index, ...], flow: str | None, state: str | None) -> bool:
    return (flow is None and state is None) or any(
        (flow is None or entry.flow == flow) and (state is None or entry.state == state) for entry in index
    )
