"""The inbox of `SQLiteStore`: what it asks of its tables, and a bot's view of it."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec import structs

import fsmkit.stores.inbox as inboxes
from fsmkit.errors import StoreFull
from fsmkit.keys import Key
from fsmkit.stores.inbox import DEAD_SECONDS, VERDICT_SECONDS, DeadLetter, StoredUpdate
from fsmkit.stores.sqlite.writer import COMMIT, LEASE, READ, Transaction, WriterThread

T = TypeVar("T")

_APPEND = "INSERT INTO inbox (bot, id, line, chat, user, received, body) VALUES (?, ?, ?, ?, ?, ?, ?)"

_KNOWN = """SELECT 1 FROM inbox WHERE bot = ?1 AND id = ?2
    UNION ALL SELECT 1 FROM dead_letter WHERE bot = ?1 AND update_id = ?2"""

_COUNT = "SELECT count(*) FROM inbox WHERE bot = ? AND body IS NOT NULL"

_STRIKE = """UPDATE inbox SET struck = ?, body = NULL, line = 0, chat = 0, user = 0
    WHERE bot = ? AND id = ? AND body IS NOT NULL"""

_NOTE_ATTEMPTS = "UPDATE inbox SET attempts = ? WHERE bot = ? AND id = ? AND body IS NOT NULL"

_WAITING = """SELECT id, chat, user, body, received, number, attempts FROM inbox
    WHERE bot = :bot AND number > :after AND body IS NOT NULL"""

_SET_ASIDE = """INSERT OR REPLACE INTO dead_letter (bot, since, name, update_id, chat, user, reason, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

_DEAD = """SELECT name, update_id, chat, user, reason, body, since FROM dead_letter
    WHERE bot = ? AND since > ? ORDER BY since, rowid"""

_REQUEUED = """SELECT update_id, chat, user, body FROM dead_letter
    WHERE bot = ? AND name = ? AND update_id IS NOT NULL"""

_OF_PERSON = "(chat = :who OR user = :who) AND bot = coalesce(:bot, bot)"

_OF_KEY = "chat = :chat AND user = :user AND bot = :bot"


def strike(db: sqlite3.Connection, bot: str, ids: Iterable[int], now: float) -> None:
    """Note that updates were handled; of a struck one nothing is left but its number."""
    for ident in ids:
        db.execute(_STRIKE, (now, bot, ident))


def forget(db: sqlite3.Connection, who: Key | int | str, bot: str | None) -> None:
    """Remove what waits, and what was set aside, of a person or a key."""
    if not isinstance(who, Key):
        where, given = _OF_PERSON, {"who": who, "bot": bot}
    elif who.chat == who.user:
        where, given = _OF_PERSON, {"who": who.chat, "bot": _bot_of(str(who))}
    else:
        where, given = _OF_KEY, {"chat": who.chat, "user": who.user, "bot": _bot_of(str(who))}
    db.execute(f"DELETE FROM inbox WHERE body IS NOT NULL AND {where}", given)
    db.execute(f"DELETE FROM dead_letter WHERE {where}", given)


def strike_for(db: sqlite3.Connection, key: str, ids: Iterable[int], now: float) -> None:
    """Note that the step of a key has handled updates of its bot."""
    strike(db, _bot_of(key), ids, now)


def bots(db: sqlite3.Connection) -> list[str]:
    """Return the bots for which something waits or was set aside, as the texts of their keys end."""
    query = "SELECT bot FROM inbox WHERE body IS NOT NULL UNION SELECT bot FROM dead_letter ORDER BY bot"
    return [bot for (bot,) in db.execute(query)]


def _bot_of(key: str) -> str:
    return key.rpartition(":")[2]


class SQLiteInbox:
    """The updates of one bot; see `fsmkit.stores.inbox.Inbox`.

    Args:
        writer: Does what is asked.
        bot: The last part of the text of the bot's keys.
    """

    durable = True

    def __init__(self, writer: WriterThread, bot: str) -> None:
        self._writer = writer
        self._bot = bot

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        """Store what is new, and drop what has had its time."""
        bot = self._bot

        def work(at: Transaction) -> list[StoredUpdate] | None:
            at.db.execute("DELETE FROM inbox WHERE struck < ?", (at.now - VERDICT_SECONDS,))
            if at.db.execute(_COUNT, (bot,)).fetchone()[0] >= inboxes.MOST_WAITING:
                return None
            found: list[StoredUpdate] = []
            for update in updates:  # one that stands twice in a batch is new once
                if not at.db.execute(_KNOWN, (bot, update.id)).fetchone():
                    found.append(_put(at.db, bot, update))  # noqa: PERF401
            return found

        found = await self._ask(COMMIT, work)
        if found is None:
            raise StoreFull(f"{inboxes.MOST_WAITING} updates wait in the inbox: no more are taken")
        return found

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        """Return what waits, the oldest first."""
        narrow = "" if line is None else "AND line = :line"
        query = f"{_WAITING} {narrow} ORDER BY number LIMIT :limit"
        given = {"bot": self._bot, "after": after, "line": line, "limit": limit}
        return await self._ask(READ, lambda at: [StoredUpdate(*row) for row in at.db.execute(query, given)])

    async def strike(self, ids: Sequence[int]) -> None:
        """Note that updates were handled; a power cut may lose that, and nothing but that."""
        await self._ask(LEASE, lambda at: strike(at.db, self._bot, ids, at.now))

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        """Note the `attempts` of updates that wait."""
        rows = [(attempts, self._bot, ident) for ident in ids]

        def work(at: Transaction) -> None:
            at.db.executemany(_NOTE_ATTEMPTS, rows)

        await self._ask(LEASE, work)

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep a dead letter, and strike its update."""
        fields = (letter.name, letter.update, letter.chat, letter.user, letter.reason, letter.body)

        def work(at: Transaction) -> None:
            at.db.execute("DELETE FROM dead_letter WHERE since <= ?", (at.now - DEAD_SECONDS,))
            at.db.execute(_SET_ASIDE, (self._bot, at.now, *fields))
            strike(at.db, self._bot, () if letter.update is None else (letter.update,), at.now)

        await self._ask(COMMIT, work)

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        return await self._ask(
            READ,
            lambda at: [DeadLetter(*row) for row in at.db.execute(_DEAD, (self._bot, at.now - DEAD_SECONDS))],
        )

    async def requeue(self, name: str) -> bool:
        """Put a dead letter at the end of the inbox."""

        def work(at: Transaction) -> bool:
            found = at.db.execute(_REQUEUED, (self._bot, name)).fetchone()
            if found is None:
                return False
            at.db.execute("DELETE FROM inbox WHERE bot = ? AND id = ?", (self._bot, found[0]))
            update, chat, user, body = found
            _put(at.db, self._bot, StoredUpdate(update, chat, user, body, at.now))
            return _drop(at.db, self._bot, name)

        return await self._ask(COMMIT, work)

    async def drop(self, name: str) -> bool:
        """Remove a dead letter, from the file and from its log; its update stays handled."""

        def work(at: Transaction) -> bool:
            at.scrub = True
            return _drop(at.db, self._bot, name)

        return await self._ask(COMMIT, work)

    async def _ask(self, level: int, work: Callable[[Transaction], T]) -> T:
        done: T = await self._writer.ask(level, work)
        return done


def _put(db: sqlite3.Connection, bot: str, update: StoredUpdate) -> StoredUpdate:
    row = (update.id, update.line, update.chat, update.user, update.received, update.body)
    return structs.replace(update, number=db.execute(_APPEND, (bot, *row)).lastrowid or 0)


def _drop(db: sqlite3.Connection, bot: str, name: str) -> bool:
    return db.execute("DELETE FROM dead_letter WHERE bot = ? AND name = ?", (bot, name)).rowcount > 0
