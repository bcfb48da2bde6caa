"""The inbox of `PostgresStore`: a bot's view of it; what the statements do is in `functions.sql`."""

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from msgspec import structs

import fsmkit.stores.inbox as inboxes
from fsmkit.errors import StoreFull
from fsmkit.stores.inbox import DEAD_SECONDS, VERDICT_SECONDS, DeadLetter, StoredUpdate

_VERDICTS, _DEAD = timedelta(seconds=VERDICT_SECONDS), timedelta(seconds=DEAD_SECONDS)

Call = Callable[..., Awaitable[list[Any]]]
"""Runs a statement of the store by its name."""


def statements(schema: str) -> dict[str, str]:
    """Return the statements, by their names."""
    return {
        "commit_and_strike": f"SELECT * FROM {schema}.commit_and_strike"
        f"({', '.join(f'${n}' for n in range(1, 16))})",
        "append_updates": f"SELECT * FROM {schema}.append_updates($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        "strike_updates": f"SELECT {schema}.strike_updates($1, $2)",
        "waiting_updates": f"SELECT id, chat, person, body, received, number, attempts FROM {schema}.inbox"
        " WHERE bot = $1 AND number > $2 AND body IS NOT NULL ORDER BY number LIMIT $3",
        "waiting_of_line": f"SELECT id, chat, person, body, received, number, attempts FROM {schema}.inbox"
        " WHERE bot = $1 AND number > $2 AND body IS NOT NULL AND line = $4 ORDER BY number LIMIT $3",
        "note_attempts": f"UPDATE {schema}.inbox SET attempts = $3 WHERE bot = $1 AND id = ANY ($2)"
        " AND body IS NOT NULL RETURNING id",
        "set_aside": f"SELECT {schema}.set_aside($1, $2, $3, $4, $5, $6, $7, $8)",
        "dead": f"SELECT name, id, chat, person, reason, body, extract(epoch FROM since)::float8"
        f" FROM {schema}.dead_letters WHERE bot = $1 AND since > clock_timestamp() - $2::interval"
        " ORDER BY since",
        "requeue": f"SELECT {schema}.requeue($1, $2, $3)",
        "drop_letter": f"DELETE FROM {schema}.dead_letters WHERE bot = $1 AND name = $2 RETURNING name",
        "inbox_bots": f"SELECT bot FROM {schema}.inbox WHERE body IS NOT NULL"
        f" UNION SELECT bot FROM {schema}.dead_letters ORDER BY bot",
    }


class PostgresInbox:
    """The updates of one bot; see `fsmkit.stores.inbox.Inbox`.

    Args:
        call: Runs a statement.
        bot: The last part of the text of the bot's keys.
    """

    durable = True

    def __init__(self, call: Call, bot: str) -> None:
        self._call = call
        self._bot = bot

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        """Store what is new, and drop what has had its time."""
        fields = [(u.id, u.line, u.chat, u.user, u.received, u.body) for u in updates]
        columns = [list(column) for column in zip(*fields, strict=True)] or [[]] * 6
        rows = await self._call("append_updates", self._bot, *columns, inboxes.MOST_WAITING, _VERDICTS)
        if rows and rows[0][0] is None:
            raise StoreFull(f"{inboxes.MOST_WAITING} updates wait in the inbox: no more are taken")
        numbers = dict(rows)
        return [structs.replace(u, number=numbers.pop(u.id)) for u in updates if u.id in numbers]

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        """Return what waits, the oldest first."""
        if line is None:
            rows = await self._call("waiting_updates", self._bot, after, limit)
        else:
            rows = await self._call("waiting_of_line", self._bot, after, limit, line)
        return [StoredUpdate(*row) for row in rows]

    async def strike(self, ids: Sequence[int]) -> None:
        """Note that updates were handled."""
        await self._call("strike_updates", self._bot, list(ids))

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        """Note the `attempts` of updates that wait."""
        await self._call("note_attempts", self._bot, list(ids), attempts)

    async def set_aside(self, letter: DeadLetter) -> None:
        """Keep a dead letter, and strike its update."""
        fields = (letter.name, letter.update, letter.chat, letter.user, letter.reason, letter.body)
        await self._call("set_aside", self._bot, *fields, _DEAD)

    async def dead(self) -> list[DeadLetter]:
        """Return the dead letters, the oldest first."""
        return [DeadLetter(*row) for row in await self._call("dead", self._bot, _DEAD)]

    async def requeue(self, name: str) -> bool:
        """Put a dead letter at the end of the inbox."""
        rows = await self._call("requeue", self._bot, name, time.time())
        return bool(rows[0][0])

    async def drop(self, name: str) -> bool:
        """Remove a dead letter; its update stays handled."""
        return bool(await self._call("drop_letter", self._bot, name))
