"""The store in one file: rows of one machine, safe from kill -9 at any point.

The thread that writes is in `fsmkit.stores.sqlite.writer`.
"""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Literal

from fsmkit.clock import Clock, SystemClock
from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores.inbox import Inbox
from fsmkit.stores.protocol import Change, Lease, StoredRow
from fsmkit.stores.snapshot import RowSnapshot
from fsmkit.stores.sqlite.inbox import SQLiteInbox, bots, strike_for
from fsmkit.stores.sqlite.inbox import forget as forget_updates
from fsmkit.stores.sqlite.leases import Waiter
from fsmkit.stores.sqlite.tables import FoundRow
from fsmkit.stores.sqlite.writer import COMMIT, LEASE, READ, Transaction, WriterThread


class SQLiteLease:
    """A turn with one row; see `fsmkit.stores.Lease`."""

    __slots__ = ("_held", "_seen", "_waiter", "_wanted", "_writer", "idle", "key", "receipts", "row")

    def __init__(self, writer: WriterThread, key: Key, wanted: bool) -> None:
        self._writer = writer
        self._wanted = wanted
        self._seen = FoundRow()
        self._waiter: Waiter | None = None
        self._held = False
        self.idle = False
        self.key = key
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def __aenter__(self) -> "SQLiteLease":
        waiter = self._waiter = Waiter(str(self.key), asyncio.get_running_loop(), self._wanted)
        try:
            self._seen = await self._writer.enter(waiter)
        except asyncio.CancelledError:
            self._writer.leave(waiter)
            raise
        self.idle = waiter.idle
        self._held = not self.idle
        self.row = self._seen.row
        self.receipts = self._seen.receipts
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._held and self._waiter is not None:
            self._held = False
            self._writer.leave(self._waiter)

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row and free the lease; see `fsmkit.stores.Lease`."""
        waiter, seen = self._waiter, self._seen
        if not self._held or waiter is None:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")

        def work(at: Transaction) -> tuple[bytes | None, FoundRow]:
            at.waiters.prove(at.db, waiter, at.now, last=not hold)
            written = at.rows.commit(waiter.key, seen, change, at.now)
            if change.struck:
                strike_for(at.db, waiter.key, change.struck, at.now)
            if not hold:
                at.waiters.leave(at.db, waiter, at.now)
            return written

        entry, self._seen = await self._writer.ask(COMMIT, work)
        self._held = hold
        self.receipts = self.receipts[change.folded :]
        first: bytes | None = entry
        return first


class SQLiteStore:
    """Conversations in one SQLite file, for one machine; several processes may use the file at the same time.

    The file is opened (or created) when the store is first used. One thread writes: it puts all waiting
    changes into one transaction, and confirms them when that is durable. Event loops in several threads may
    use one store, and so may both sides of a fork. A pickled store becomes a separate store on the same file.

    - `synchronous="FULL"`: confirmed changes survive a kill of the process, a crash of the system and a power
      cut (if the disk keeps what it reports as written).
    - `synchronous="NORMAL"`: confirmed changes survive a kill of the process. A crash of the system or a
      power cut may lose the last moments; the file stays intact. It saves one wait for the disk with each
      commit.

    Within a process, a key is served in the order of arrival. Between processes no order is promised, only
    one at a time. A key that a killed process held is free at once: each process has its own file in
    `-owners`, which the operating system locks while the process lives. Without such locks (Windows), or if a
    process hangs, the key is free after `lease_seconds`.

    Beside the file there are `-wal`, `-shm` and `-owners` while it is open, and `-lock`; delete them only
    when nobody uses the file. Do not put the file into a directory of another machine (NFS).

    Args:
        path: The file; its directory must exist.
        synchronous: What to wait for, as above.
        lease_seconds: How long a step may hold a key without a sign of life from its process, in seconds.
        clock: The source of the time of leases and claims; `now` is called from the writer's thread.

    Example:
        >>> import asyncio, tempfile
        >>> from fsmkit import Engine, Flow, Key
        >>> from fsmkit.stores.sqlite import SQLiteStore
        >>> async def main(path):
        ...     store = SQLiteStore(path)
        ...     visits = Engine(Flow("visits"), store=store).at("visits", Key(chat=1, user=1))
        ...     data = await visits.update_data(count=await visits.get_value("count", 0) + 1)
        ...     await store.close()
        ...     return data
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     [asyncio.run(main(f"{directory}/bot.db")) for _ in range(2)]
        [{'count': 1}, {'count': 2}]
    """

    durable = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        lease_seconds: float = 15.0,
        clock: Clock | None = None,
    ) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise ValueError(f"synchronous={synchronous!r}: it is 'FULL' or 'NORMAL'")
        if lease_seconds <= 0:
            raise ValueError(f"lease_seconds={lease_seconds!r}: a time in seconds is needed")
        name = os.fspath(path)
        if not name or name == ":memory:":
            raise ValueError(f"SQLiteStore({name!r}): a file is needed; MemoryStore() keeps rows in memory")
        # Absolute: the program may change its directory before the first use.
        self.path = os.path.abspath(name)
        self._made_of = (self.path, synchronous, lease_seconds, clock)
        self._writer = WriterThread(self.path, synchronous, lease_seconds, clock or SystemClock())
        self._end = weakref.finalize(self, self._writer.stop)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, self._made_of

    def lease(self, key: Key, *, wanted: bool = True) -> SQLiteLease:
        """Wait for the turn with one row, first come, first served in this process."""
        return SQLiteLease(self._writer, key, wanted)

    async def snapshot(self, key: Key) -> Lease:
        """Read the row; of several who commit, the first wins."""
        text, ask = str(key), self._writer.ask

        async def write(seen: FoundRow, change: Change) -> tuple[bytes | None, FoundRow]:
            def work(at: Transaction) -> tuple[bytes | None, FoundRow]:
                written = at.rows.commit(text, seen, change, at.now)
                strike_for(at.db, text, change.struck, at.now)
                return written

            written: tuple[bytes | None, FoundRow] = await ask(COMMIT, work)
            return written

        found: FoundRow = await ask(READ, lambda at: at.rows.find(text))
        return RowSnapshot(key, found, found.row, found.receipts, write)

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed."""
        text = str(key)
        row: bytes | None = await self._writer.ask(READ, lambda at: at.rows.peek(text))
        return row

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in their order."""
        text = str(key)
        entries: list[bytes] = await self._writer.ask(READ, lambda at: at.rows.outbox(text))
        return entries

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys in a chat for which anything is stored, ordered by their text."""
        where, only = _part_text(chat), None if bot is None else _bot_text(bot)
        found: list[Key] = await self._writer.ask(READ, lambda at: at.rows.keys(where, only))
        return found

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys of a person in whatever chat, ordered by their text."""
        who, only = _part_text(user), None if bot is None else _bot_text(bot)
        found: list[Key] = await self._writer.ask(READ, lambda at: at.rows.keys_of(who, only))
        return found

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Acknowledge the first entry of the outbox; return the next one.

        It survives the kill of the process. It waits for the disk with the next commit, whose wait it
        shares: a power cut before that repeats the message.
        """
        text = str(key)
        following: bytes | None = await self._writer.ask(
            LEASE, lambda at: at.rows.acknowledge(text, entry, receipt, at.now)
        )
        return following

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Extend the claim on the outbox by so many seconds and `CLAIM_SECONDS` more."""
        text = str(key)
        await self._writer.ask(LEASE, lambda at: at.rows.extend_claim(text, seconds, at.now))

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys whose `wake` has come, or whose outbox nobody delivers; the most overdue first."""
        who = _bot_text(bot)

        def look(at: Transaction) -> tuple[list[Key], bool]:
            return at.rows.due(who, flows, now, at.now, limit), at.rows.has_unbounded(at.now)

        found: tuple[list[Key], bool] = await self._writer.ask(READ, look)
        keys, unbounded = found
        if unbounded:
            await self._writer.ask(LEASE, lambda at: at.rows.bound_claims(at.now))
        return keys

    async def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield all rows, or those with a conversation of a flow or in a state, ordered by the key's text."""
        who, after = None if bot is None else _bot_text(bot), ""
        while page := await self._page(after, who, flow, state):
            for stored in page:
                yield stored
            after = str(page[-1].key)

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person, from the file and from its log.

        Nothing of it is left in unused parts of the file either, unless another program reads the file
        at that moment.
        """
        text, key = (str(who).split(":")[0], str(who)) if isinstance(who, Key) else (_part_text(who), None)
        only = None if bot is None else _bot_text(bot)

        def work(at: Transaction) -> int:
            at.scrub = True
            forget_updates(at.db, who, only)
            return at.rows.forget(key, text, only)

        removed: int = await self._writer.ask(COMMIT, work)
        return removed

    @property
    def worker(self) -> str:
        """What this process is known by; empty where its death could not be told."""
        owners = self._writer.owners
        return owners.name if owners.is_locked else ""

    @property
    def deaths(self) -> int:
        """How many other processes this one has found dead."""
        return self._writer.owners.deaths

    def is_gone(self, worker: str) -> bool:
        """Return whether a process that used the file is no more."""
        return self._writer.owners.is_gone(worker)

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the updates of a bot that wait to be handled."""
        return SQLiteInbox(self._writer, _bot_text(bot))

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        texts: list[str] = await self._writer.ask(READ, lambda at: bots(at.db))
        return [Key.parse(f"0:0:-:-:{text}").bot for text in texts]

    async def close(self) -> None:
        """End the thread, and leave one file without a log."""
        await self._writer.close()

    async def _page(self, after: str, *by: str | None) -> list[StoredRow]:
        page: list[StoredRow] = await self._writer.ask(READ, lambda at: at.rows.page(after, *by))
        return page


def _make(
    path: str, synchronous: Literal["FULL", "NORMAL"], lease_seconds: float, clock: Clock | None
) -> SQLiteStore:
    return SQLiteStore(path, synchronous=synchronous, lease_seconds=lease_seconds, clock=clock)


def _part_text(part: int | str) -> str:
    return str(Key(chat=part, user=part)).split(":")[0]


def _bot_text(bot: int | str | None) -> str:
    return str(Key(chat=0, user=0, bot=bot)).split(":")[4]
