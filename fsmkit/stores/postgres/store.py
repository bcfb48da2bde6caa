"""The store of many processes on PostgreSQL: rows, leases, deadlines and outboxes in one schema.

What the server does is in `schema.sql`, waiting for leases in `fsmkit.stores.postgres.leases`,
connections in `fsmkit.stores.postgres.session`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any

from fsmkit.errors import LeaseLost, StoreUnavailable, requires_extra
from fsmkit.keys import Key
from fsmkit.stores.inbox import Inbox
from fsmkit.stores.protocol import CLAIM_SECONDS, Change, Index, Lease, StoredRow
from fsmkit.stores.sessions import LoopSessions, WarnOnce
from fsmkit.stores.snapshot import RowSnapshot

with requires_extra("postgres"):
    from fsmkit.stores.postgres.inbox import PostgresInbox
    from fsmkit.stores.postgres.inbox import statements as inbox_statements
    from fsmkit.stores.postgres.leases import Leases, LoadedRow, new_token

PAGE = 500
"""Rows that `scan` reads at a time."""


TAKEN = timedelta(seconds=30)
"""How long a key that `due` has given to one process is kept from the others."""

_CLAIM = timedelta(seconds=CLAIM_SECONDS)


class PostgresLease:
    """A turn with one row; see `fsmkit.stores.Lease`."""

    __slots__ = (
        "_leases",
        "_store",
        "_text",
        "_token",
        "_version",
        "_wanted",
        "idle",
        "key",
        "receipts",
        "row",
    )

    def __init__(self, store: "PostgresStore", key: Key, wanted: bool) -> None:
        self._store = store
        self._wanted = wanted
        self.idle = False
        self._text = str(key)
        self._token = new_token()
        self._leases: Leases | None = None
        self._version = 0
        self.key = key
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def __aenter__(self) -> "PostgresLease":
        leases = self._store.leases()
        loaded = await leases.acquire(self._text, self._token, self._wanted)
        self._version, self.row, self.receipts, self.idle = loaded
        self._leases = None if self.idle else leases
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leases, self._leases = self._leases, None
        if leases is None or leases.connections.loop.is_closed():
            return
        freed = leases.release(self._text, self._token)
        if not isinstance(error, asyncio.CancelledError):
            await asyncio.shield(freed)

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row and free the lease; see `fsmkit.stores.Lease`."""
        leases = self._leases
        if leases is None:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")
        entry, self._version = await self._store.write(
            leases, self._text, self._version, change, token=self._token, hold=hold
        )
        self.receipts = self.receipts[change.folded :]
        if not hold:
            self._leases = None
            leases.committed(self._token)
        return entry


class PostgresStore:
    """Conversations in PostgreSQL, for many processes.

    A step takes two statements, three with replies, and no connection is held while a handler runs. The
    steps of a key are done in the order in which the server received them, from any process. A lease is
    renewed every third of its time; an expired lease commits nothing. The leases of a killed process are free
    after about two seconds, those of a process that hangs after the lease time. A crash of the server ends
    all leases, and loses nothing that was committed.

    Args:
        dsn: The server's URL, `postgresql://user:password@host:port/database`. A pooler in between must pool
            by session, because leases are handed over by notifications; any other is refused.
        schema: Name of the schema, which the store creates and upgrades by itself.
        lease_seconds: How long a lease holds unless it is renewed.
        pool_size: How many connections an event loop may have, besides one that listens.

    Example:
        >>> from fsmkit.stores.postgres import PostgresStore
        >>> store = PostgresStore("postgresql://bot@localhost/bot", lease_seconds=15.0)
    """

    durable = True

    def __init__(
        self, dsn: str, *, schema: str = "fsmkit", lease_seconds: float = 15.0, pool_size: int = 10
    ) -> None:
        if re.fullmatch(r"[a-z_][a-z0-9_]{0,47}", schema) is None:
            raise ValueError(f"schema={schema!r}: lower-case letters, digits and underscores, 48 at most")
        make = partial(Leases, dsn, schema, lease_seconds, pool_size, WarnOnce())
        self._sessions = LoopSessions(make, Leases.close)
        self.statements = _statements(schema)

    def leases(self) -> Leases:
        """Return the leases and connections of the running event loop; they end with the loop."""
        return self._sessions.current()

    def lease(self, key: Key, *, wanted: bool = True) -> PostgresLease:
        """Wait for the turn with one row, first come, first served; see `fsmkit.stores.Store`."""
        return PostgresLease(self, key, wanted)

    async def snapshot(self, key: Key) -> Lease:
        """Read the row; of several who commit, the first wins."""
        leases, text = self.leases(), str(key)

        async def write(version: int, change: Change) -> tuple[bytes | None, int]:
            return await self.write(leases, text, version, change)

        found = await self.load(text)
        return RowSnapshot(key, found.version, found.blob, found.receipts, write)

    async def write(
        self,
        leases: Leases,
        key: str,
        version: int,
        change: Change,
        *,
        token: int | None = None,
        hold: bool = False,
    ) -> tuple[bytes | None, int]:
        """Write by version, and with a token only if its lease holds.

        Returns:
            The entry to deliver and the new version.

        Raises:
            LeaseLost: The lease is over or the version is another; nothing was written.
        """
        args = (*_change(change), leases.number, _CLAIM, leases.term if hold else None)
        struck = (list(change.struck),) if change.struck else ()
        statement = self.statements["commit_and_strike" if struck else "commit"]
        rows, repeated = await leases.connections.call(
            statement, key, token, version, new_token(), *args, *struck
        )
        written, entry, following = rows[0]
        if not written:
            if repeated:  # perhaps it was, and others have written since; only they know
                raise StoreUnavailable(f"the answer to a commit for {key} was lost: perhaps it was written")
            raise LeaseLost(f"the lease on {key} is over or its row was changed; nothing was written")
        return None if entry is None else bytes(entry), following or 0

    async def load(self, key: str) -> LoadedRow:
        """Return the row, without a lease."""
        rows = await self._call("load", key)
        version, blob, receipts = rows[0] if rows else (0, None, ())
        return LoadedRow(version, blob, receipts)

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed."""
        return (await self.load(str(key))).blob

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in their order."""
        rows = await self._call("outbox", str(key))
        return [bytes(entry) for entry in rows[0][0]] if rows else []

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return the keys in a chat for which anything is stored, ordered by their text."""
        rows = await self._call("keys", _part(chat), None if bot is None else _part(bot))
        return [Key.parse(row[0]) for row in rows]

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return the keys of a person in whatever chat, ordered by their text."""
        rows = await self._call("keys_of", _part(user), None if bot is None else _part(bot))
        return [Key.parse(row[0]) for row in rows]

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Strike off the first entry of the outbox; return the next one."""
        rows = await self._call("strike", str(key), entry, receipt, self.leases().number, _CLAIM)
        following: bytes | None = rows[0][0]
        return following

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Keep the claim on an outbox."""
        await self._call("hold", str(key), self.leases().number, _CLAIM + timedelta(seconds=seconds))

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys to look at, the most overdue first; for half a minute one caller alone gets them."""
        rows = await self._call("due", _part(bot), list(flows), now, limit, TAKEN, self.leases().number)
        return [Key.parse(row[0]) for row in rows]

    async def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield all rows, or those with a conversation of a flow or in a state, ordered by the key's text."""
        last, bot_text = "", None if bot is None else _part(bot)
        while True:
            rows = await self._call("scan", last, bot_text, flow, state, PAGE)
            for last, blob, flows, states, deadlines, waiting in rows:
                index = tuple(map(Index, flows, states, deadlines))
                yield StoredRow(Key.parse(last), blob, index, waiting)
            if len(rows) < PAGE:
                return

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person; a step that runs meanwhile loses its lease."""
        if isinstance(who, Key):
            rows = await self._call("forget", str(who), None, None)
        else:
            rows = await self._call("forget", None, _part(who), None if bot is None else _part(bot))
        return int(rows[0][0])

    @property
    def worker(self) -> str:
        """What this process is known by."""
        return str(self.leases().number)

    @property
    def deaths(self) -> int:
        """How many other processes this one has found dead."""
        return self.leases().deaths

    def is_gone(self, worker: str) -> bool:
        """Return whether a process that used the server is no more, as far as is known."""
        return worker.isdecimal() and int(worker) in self.leases().dead

    def on_death(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have something called whenever another process was found dead; return what ends that."""
        listeners = self.leases().told
        listeners.append(told)
        return partial(listeners.remove, told)

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the updates of a bot that wait to be handled."""
        return PostgresInbox(self._call, _part(bot))

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        return [Key.parse(f"0:0:-:-:{row[0]}").bot for row in await self._call("inbox_bots")]

    async def close(self) -> None:
        """Close all connections of this process."""
        await self._sessions.close()

    async def _call(self, name: str, *args: object) -> list[Any]:
        rows, _ = await self.leases().connections.call(self.statements[name], *args)
        return rows


def _statements(schema: str) -> dict[str, str]:
    fits = "(($3::text IS NULL OR i.flow = $3) AND ($4::text IS NULL OR i.state = $4))"
    return {
        "load": f"SELECT commits[1], blob, receipts FROM {schema}.rows WHERE key = $1",
        "commit": f"SELECT * FROM {schema}.commit({', '.join(f'${n}' for n in range(1, 15))})",
        "outbox": f"SELECT outbox FROM {schema}.rows WHERE key = $1",
        "keys": f"SELECT key FROM {schema}.rows"
        " WHERE chat = $1 AND ($2::text IS NULL OR bot = $2) ORDER BY key",
        "keys_of": f"SELECT key FROM {schema}.rows"
        " WHERE (person = $1 OR chat = $1) AND ($2::text IS NULL OR bot = $2) ORDER BY key",
        "strike": f"SELECT {schema}.strike($1, $2, $3, $4, $5)",
        "hold": f"UPDATE {schema}.rows SET claim = clock_timestamp() + $3, term = greatest($3, '1 min')"
        " WHERE key = $1 AND claimer = $2 AND claim IS NOT NULL",
        "due": f"SELECT * FROM {schema}.due($1, $2, $3, $4, $5, $6)",
        "scan": f"SELECT key, blob, flows, states, deadlines, cardinality(outbox) FROM {schema}.rows"
        " WHERE key > $1 AND blob IS NOT NULL AND ($2::text IS NULL OR bot = $2)"
        " AND ($3::text IS NULL OR flows @> ARRAY[$3])"
        " AND (($3 IS NULL AND $4::text IS NULL)"
        f" OR EXISTS (SELECT FROM unnest(flows, states) AS i(flow, state) WHERE {fits}))"
        " ORDER BY key LIMIT $5",
        "forget": f"SELECT {schema}.forget($1, $2, $3)",
        **inbox_statements(schema),
    }


def _change(change: Change) -> tuple[object, ...]:
    index = change.index
    return (
        change.row,
        change.wake,
        [entry.flow for entry in index],
        [entry.state for entry in index],
        [entry.deadline for entry in index],
        change.outbox,
        change.folded,
    )


def _part(part: int | str | None) -> str:
    """Return a part of a key, as its text shows it."""
    return str(Key(chat=0, user=0, bot=part)).rpartition(":")[2]
