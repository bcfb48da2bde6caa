"""What `SQLiteStore` asks of its tables: rows, conversations, outboxes and receipts, inside a transaction.

Whose turn it is stands in `fsmkit.stores.sqlite.leases`.
"""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores.protocol import CLAIM_SECONDS, Change, Index, StoredRow

PAGE = 256
"""Rows that `scan` reads at once; between two pages others have their turn."""

_pack = msgspec.msgpack.Encoder().encode


_unpack = msgspec.msgpack.Decoder(list[bytes]).decode

_INSERT = """INSERT INTO record
        (key, chat, user, bot, version, wake, conversations, claim, claimer, term, row)
    VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)"""


_UPDATE = """UPDATE record SET version = ?, wake = ?, conversations = ?, claim = ?, claimer = ?,
    term = ?, receipts = ?, row = ? WHERE id = ?"""


_OVERWRITE = """UPDATE record SET version = version + 1, wake = ?, conversations = ?, row = ?
    WHERE id = ? AND version = ? AND claim IS NULL AND receipts IS NULL"""


_INDEX = """INSERT INTO conversation (record, place, flow, state, deadline) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (record, place) DO UPDATE
    SET flow = excluded.flow, state = excluded.state, deadline = excluded.deadline"""


_FIRST = "SELECT id, entry FROM outbox WHERE record = ? ORDER BY id LIMIT 1"


class FoundRow(Struct, frozen=True):
    """A row as a lease found it.

    Attributes:
        record: Number of its record, never used twice; 0: there was none.
        version: How often the record had been written.
        row: The row.
        receipts: What came of messages.
        conversations: How many it is looked up by.
    """

    record: int = 0
    version: int = 0
    row: bytes | None = None
    receipts: tuple[bytes, ...] = ()
    conversations: int = 0


class Rows:
    """The tables, as one process uses them.

    Args:
        db: The connection.
        owner: What this process's claims are known by.
    """

    def __init__(self, db: sqlite3.Connection, owner: str) -> None:
        self._db = db
        self._owner = owner

    def find(self, key: str) -> FoundRow:
        """Return a row with all that a step needs."""
        found = self._one("SELECT id, version, row, receipts, conversations FROM record WHERE key = ?", key)
        if found is None:
            return FoundRow()
        record, version, row, receipts, conversations = found
        return FoundRow(record, version, row, tuple(_unpack(receipts)) if receipts else (), conversations)

    def peek(self, key: str) -> bytes | None:
        """Return the row alone."""
        found = self._one("SELECT row FROM record WHERE key = ?", key)
        row: bytes | None = found[0] if found else None
        return row

    def outbox(self, key: str) -> list[bytes]:
        """Return the entries of an outbox."""
        query = "SELECT entry FROM outbox WHERE record = (SELECT id FROM record WHERE key = ?) ORDER BY id"
        return [entry for (entry,) in self._db.execute(query, (key,))]

    def keys(self, chat: str, bot: str | None) -> list[Key]:
        """Return the keys of a chat."""
        query = "SELECT key FROM record WHERE chat = :chat AND (bot = :bot OR :bot IS NULL) ORDER BY key"
        return [Key.parse(key) for (key,) in self._db.execute(query, {"chat": chat, "bot": bot})]

    def keys_of(self, who: str, bot: str | None) -> list[Key]:
        """Return the keys of a person."""
        query = """SELECT key FROM record
            WHERE (user = :who OR chat = :who) AND (bot = :bot OR :bot IS NULL) ORDER BY key"""
        return [Key.parse(key) for (key,) in self._db.execute(query, {"who": who, "bot": bot})]

    def commit(self, key: str, seen: FoundRow, change: Change, now: float) -> tuple[bytes | None, FoundRow]:
        """Write on a record as it was seen; return the entry to deliver, and the row as it is now.

        The usual step has a row before and after it, and nobody sends anything: that is one statement.

        Raises:
            LeaseLost: If somebody has written it since; nothing was written.
        """
        record, size = seen.record, len(change.index)
        if record and change.row is not None and not change.outbox and not seen.receipts:
            given = (change.wake, size, change.row, record, seen.version)
            if self._db.execute(_OVERWRITE, given).rowcount:
                self._file(record, change, seen.conversations)
                return None, FoundRow(record, seen.version + 1, change.row, (), size)
        return self.write(key, self.check(key, seen), change, now)

    def check(self, key: str, seen: FoundRow) -> tuple[Any, ...] | None:
        """Return the record as it stands, which nobody may have written since it was seen.

        Raises:
            LeaseLost: Somebody has.
        """
        stands = self._one(
            "SELECT id, version, conversations, claim, claimer, term, receipts FROM record WHERE key = ?", key
        )
        if (stands[:2] if stands else (0, 0)) != (seen.record, seen.version):
            raise LeaseLost(f"the row of {key} was written by another step; nothing was written")
        return stands

    def write(
        self, key: str, stands: tuple[Any, ...] | None, change: Change, now: float
    ) -> tuple[bytes | None, FoundRow]:
        """Commit on a record that `check` returned; return the entry to deliver, and the row as it is now."""
        record, version, conversations, claim, claimer, term, packed = stands or (0, 0, 0, *[None] * 4)
        receipts = _unpack(packed)[change.folded :] if packed else []
        mine = False
        if change.outbox or claim is not None:
            mine = claim is None or claim <= now
            if mine:
                claim, claimer, term = now + CLAIM_SECONDS, self._owner, CLAIM_SECONDS
        elif change.row is None:
            if record:
                self._drop(record)
            return None, FoundRow()
        size = len(change.index)
        if record:
            kept = _pack(receipts) if receipts else None
            given = (version + 1, change.wake, size, claim, claimer, term, kept, change.row, record)
            self._db.execute(_UPDATE, given)
        else:
            chat, user, _, _, bot = key.split(":")
            made = (key, chat, user, bot, change.wake, size, claim, claimer, term, change.row)
            record = self._db.execute(_INSERT, made).lastrowid or 0
        self._file(record, change, conversations)
        entry = self._db.execute(_FIRST, (record,)).fetchone()[1] if mine else None
        return entry, FoundRow(record, version + 1, change.row, tuple(receipts), size)

    def acknowledge(self, key: str, entry: bytes, receipt: bytes | None, now: float) -> bytes | None:
        """Acknowledge the first entry of an outbox; return the next."""
        found = self._one("SELECT id, claim, claimer, receipts, row IS NULL FROM record WHERE key = ?", key)
        if found is None or found[1] is None or (found[1] > now and found[2] != self._owner):
            return None
        record, _, _, packed, bare = found
        first = self._one(_FIRST, record)
        if first is None or first[1] != entry:
            return None
        self._db.execute("DELETE FROM outbox WHERE id = ?", (first[0],))
        if receipt is not None:
            packed = _pack([*(_unpack(packed) if packed else ()), receipt])
        following = self._one(_FIRST, record)
        if following is None and bare and packed is None:
            self._drop(record)
            return None
        if following is None and bare:  # nobody may ever come back for the receipts: the sweeper tidies up
            self._db.execute("UPDATE record SET wake = 0 WHERE id = ?", (record,))
        claim = (now + CLAIM_SECONDS, self._owner, CLAIM_SECONDS) if following else (None, None, None)
        self._db.execute(
            "UPDATE record SET claim = ?, claimer = ?, term = ?, receipts = ? WHERE id = ?",
            (*claim, packed, record),
        )
        return following[1] if following else None

    def extend_claim(self, key: str, seconds: float, now: float) -> None:
        """Extend the claim on an outbox."""
        term = seconds + CLAIM_SECONDS
        self._db.execute(
            """UPDATE record SET claim = :now + :term, term = :term, claimer = :owner
                WHERE key = :key AND (claimer = :owner OR claim <= :now)""",
            {"now": now, "term": term, "owner": self._owner, "key": key},
        )

    def has_unbounded(self, now: float) -> bool:
        """Return whether a claim has more time left than it was given: the clock was set back."""
        query = "SELECT EXISTS (SELECT 1 FROM record WHERE claim IS NOT NULL AND claim > ? + term)"
        return bool(self._db.execute(query, (now,)).fetchone()[0])

    def bound_claims(self, now: float) -> None:
        """Let no claim last longer than it was given for."""
        self._db.execute(
            "UPDATE record SET claim = :now + term WHERE claim IS NOT NULL AND claim > :now + term",
            {"now": now},
        )

    def release(self, owners: Sequence[str], now: float) -> None:
        """Free what owners held that are dead, or that leave; a chat that has to wait still does."""
        for owner in owners:
            self._db.execute("DELETE FROM lease WHERE owner = ?", (owner,))
            self._db.execute(
                """UPDATE record SET claim = max(:now, min(claim, :now + term) - :term), claimer = ''
                    WHERE claim > :now AND claimer = :owner""",
                {"now": now, "term": CLAIM_SECONDS, "owner": owner},
            )

    def held_until(self, known: Collection[str]) -> float | None:
        """Return when the last lease or claim of an owner is over that is none of these."""
        query = """SELECT owner, max(expires) FROM lease GROUP BY owner UNION ALL
            SELECT claimer, max(claim) FROM record WHERE claim IS NOT NULL AND claimer <> ''
            GROUP BY claimer"""
        return max((until for owner, until in self._db.execute(query) if owner not in known), default=None)

    def due(self, bot: str, flows: Sequence[str], now: float, wall: float, limit: int) -> list[Key]:
        """Return keys whose `wake` has come by the engine's clock, or whose claim is over by the store's."""
        known = f"""(conversations = 0 OR EXISTS (SELECT 1 FROM conversation
            WHERE record = record.id AND flow IN ({", ".join("?" * len(flows))})))"""
        overdue: dict[str, float] = {}
        for column, until in (("wake", now), ("claim", wall)):
            query = f"""SELECT key, {column} FROM record WHERE bot = ? AND {column} <= ? AND {known}
                ORDER BY {column} LIMIT ?"""
            for key, since in self._db.execute(query, (bot, until, *flows, limit)):
                overdue[key] = min(since, overdue.get(key, since))
        return [Key.parse(key) for key in sorted(overdue, key=overdue.__getitem__)[:limit]]

    def page(self, after: str, bot: str | None, flow: str | None, state: str | None) -> list[StoredRow]:
        """Return some of the rows that `scan` shows: those whose keys come after `after`."""
        wanted = {"flow": flow, "state": state}
        narrow = [f"{name} = :{name}" for name, value in wanted.items() if value is not None]
        query = f"""SELECT id, key, row, (SELECT count(*) FROM outbox WHERE record = record.id) FROM record
            WHERE row IS NOT NULL AND key > :after {"AND bot = :bot" if bot is not None else ""}
            {f"AND id IN (SELECT record FROM conversation WHERE {' AND '.join(narrow)})" if narrow else ""}
            ORDER BY key LIMIT {PAGE}"""
        found = self._db.execute(query, {"after": after, "bot": bot, **wanted}).fetchall()
        return [StoredRow(Key.parse(key), row, self._index(record), size) for record, key, row, size in found]

    def forget(self, key: str | None, who: str, bot: str | None) -> int:
        """Remove records, by their key or by who is in it; their leases too, so that steps are lost."""
        if key is not None:
            found = self._db.execute("SELECT id FROM record WHERE key = ?", (key,)).fetchall()
            self._db.execute("DELETE FROM lease WHERE key = ?", (key,))
        else:
            query = """SELECT id FROM record
                WHERE (user = :who OR chat = :who) AND (bot = :bot OR :bot IS NULL)"""
            found = self._db.execute(query, {"who": who, "bot": bot}).fetchall()
            for (held,) in self._db.execute("SELECT key FROM lease").fetchall():
                parts = held.split(":")
                if who in parts[:2] and bot in (None, parts[4]):
                    self._db.execute("DELETE FROM lease WHERE key = ?", (held,))
        for (record,) in found:
            self._drop(record)
        return len(found)

    def _file(self, record: int, change: Change, before: int) -> None:
        """Write what a record is looked up by, and append to its outbox."""
        for place, entry in enumerate(change.index):
            self._db.execute(_INDEX, (record, place, entry.flow, entry.state, entry.deadline))
        if before > len(change.index):
            self._db.execute(
                "DELETE FROM conversation WHERE record = ? AND place >= ?", (record, len(change.index))
            )
        for effect in change.outbox:
            self._db.execute("INSERT INTO outbox (record, entry) VALUES (?, ?)", (record, effect))

    def _index(self, record: int) -> tuple[Index, ...]:
        query = "SELECT flow, state, deadline FROM conversation WHERE record = ? ORDER BY place"
        return tuple(Index(*found) for found in self._db.execute(query, (record,)))

    def _drop(self, record: int) -> None:
        self._db.execute("DELETE FROM conversation WHERE record = ?", (record,))
        self._db.execute("DELETE FROM outbox WHERE record = ?", (record,))
        self._db.execute("DELETE FROM record WHERE id = ?", (record,))

    def _one(self, query: str, value: str | int) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._db.execute(query, (value,)).fetchone()
        return found
