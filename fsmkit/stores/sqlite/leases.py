"""Whose turn it is with a key of a `SQLiteStore`: a line for each key in this process, a lease in the file.

All of it runs in the writer's thread, inside a transaction. What a turn writes is in
`fsmkit.stores.sqlite.tables`.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable

from fsmkit.clock import backoff
from fsmkit.errors import LeaseLost
from fsmkit.stores.sqlite.owners import Owners
from fsmkit.stores.sqlite.tables import FoundRow, Rows

_TAKE = """INSERT INTO lease (key, owner, ticket, expires, term) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE
    SET owner = excluded.owner, ticket = excluded.ticket, expires = excluded.expires, term = excluded.term
    WHERE lease.expires <= ? OR lease.owner = excluded.owner"""


_RENEW = "UPDATE lease SET expires = ? WHERE key = ? AND owner = ? AND ticket = ? AND expires > ?"


_BOUND = "UPDATE lease SET expires = :now + term WHERE key = :key AND expires > :now + term"
"""After the clock was set back: nobody has more time than was given."""

_FREE = "DELETE FROM lease WHERE key = ? AND owner = ? AND ticket = ?"


_BUSY = """SELECT EXISTS (SELECT 1 FROM lease WHERE key = :key AND expires > :now)
    OR EXISTS (SELECT 1 FROM record WHERE key = :key AND conversations > 0)"""


_FIRST_POLL = 0.002


_LAST_POLL = 0.05
"""Seconds between two looks at a lease that another process holds: no longer than a person notices."""


class Waiter:
    """One who waits in line, or holds a lease.

    Args:
        key: Text of the key.
        loop: The event loop that uses the lease.
        wanted: `False`: it is of use only where a conversation is stored.
    """

    __slots__ = ("granted", "held", "idle", "key", "loop", "ticket", "wanted")

    def __init__(self, key: str, loop: asyncio.AbstractEventLoop, wanted: bool) -> None:
        self.key = key
        self.loop = loop
        self.wanted = wanted
        self.idle = False
        self.granted: asyncio.Future[FoundRow] = loop.create_future()
        self.ticket = 0
        self.held = False


class Waiters:
    """The lines of one process.

    Args:
        owners: What this process's leases are known by, and who else is alive.
        seconds: How long a lease lasts without a sign of life.
        granted: Told of each turn that has come, with the row as it is now.
    """

    def __init__(self, owners: Owners, seconds: float, granted: Callable[[Waiter, FoundRow], None]) -> None:
        self._owners = owners
        self._owner = owners.name
        self._seconds = seconds
        self._granted = granted
        self._tickets = 0
        self._lines: dict[str, deque[Waiter]] = {}
        self._blocked: dict[str, Waiter] = {}
        self._looks = 0

    def __bool__(self) -> bool:
        """Return whether anybody holds or waits."""
        return bool(self._lines)

    @property
    def poll(self) -> float | None:
        """In how many seconds to look at the leases of other processes again; `None`: no need to."""
        if not self._blocked:
            return None
        return backoff(self._looks, _FIRST_POLL, factor=1.5, most=_LAST_POLL)

    def waiting(self) -> list[Waiter]:
        """Return all who wait."""
        return [waiter for line in self._lines.values() for waiter in line if not waiter.held]

    def blocked(self) -> list[Waiter]:
        """Return those who are first in line here, while another process holds the lease."""
        return list(self._blocked.values())

    def enter(self, db: sqlite3.Connection, waiter: Waiter, now: float) -> None:
        """Put a turn in line; it is granted at once if nobody is before it."""
        line = self._lines.get(waiter.key)
        while line is not None and line[0].loop.is_closed():
            self.leave(db, line[0], now)
            line = self._lines.get(waiter.key)
        if line is None and not waiter.wanted and _is_idle(db, waiter.key, now):
            waiter.idle = True
            self._granted(waiter, Rows(db, self._owner).find(waiter.key))
            return
        self._tickets += 1
        waiter.ticket = self._tickets
        if line is not None:
            line.append(waiter)
            return
        self._lines[waiter.key] = deque((waiter,))
        self._take(db, waiter, now)

    def leave(self, db: sqlite3.Connection, waiter: Waiter, now: float) -> None:
        """End a turn, or take it out of the line; the next one has its turn."""
        line = self._lines.get(waiter.key)
        if line is None or waiter not in line:
            return
        first = line[0] is waiter
        line.remove(waiter)
        in_file, waiter.held = waiter.held, False
        if not first:
            return
        self._blocked.pop(waiter.key, None)
        if line:
            # The next one overwrites the lease; if it cannot, the lease is no longer ours.
            self._take(db, line[0], now)
            return
        del self._lines[waiter.key]
        if in_file:
            db.execute(_FREE, (waiter.key, self._owner, waiter.ticket))

    def prove(self, db: sqlite3.Connection, waiter: Waiter, now: float, *, last: bool) -> None:
        """Make sure that a lease is held still, and let it last anew.

        Args:
            db: The connection.
            turn: Who holds it.
            now: The time.
            last: The turn ends after this: where nobody waits, the lease is taken from the file at once.

        Raises:
            LeaseLost: It is not; nothing was written.
        """
        line = self._lines.get(waiter.key)
        if not waiter.held or line is None or line[0] is not waiter:  # of another process, before a fork
            held = False
        elif last and len(line) == 1:
            given = (waiter.key, self._owner, waiter.ticket, now)
            held = db.execute(f"{_FREE} AND expires > ?", given).rowcount > 0
            waiter.held = not held
        else:
            held = self._renew(db, waiter, now)
        if not held:
            raise LeaseLost(f"the lease on {waiter.key} is over; nothing was written")

    def beat(self, db: sqlite3.Connection, now: float) -> None:
        """Renew what is held. Who does not come back (a loop that has ended) loses its turn."""
        for waiter in [line[0] for line in self._lines.values() if line[0].held]:
            if waiter.loop.is_closed():
                self.leave(db, waiter, now)
            else:
                self._renew(db, waiter, now)
        for waiter in self.blocked():
            db.execute(_BOUND, {"key": waiter.key, "now": now})

    def look(self, db: sqlite3.Connection, now: float) -> None:
        """Try again for those whose turn another process has."""
        self._looks += 1
        for waiter in self.blocked():
            if waiter.loop.is_closed():
                self.leave(db, waiter, now)
            else:
                self._take(db, waiter, now)

    def revoke(self, waiter: Waiter) -> None:
        """Take a turn back whose transaction failed; a lease left in the file is this process's still."""
        line = self._lines.get(waiter.key)
        if line is None or waiter not in line:
            return
        waiter.held = False
        first = line[0] is waiter
        line.remove(waiter)
        if not first:
            return
        self._blocked.pop(waiter.key, None)
        if line:
            self._blocked[waiter.key] = line[0]
            self._looks = 1
        else:
            del self._lines[waiter.key]

    def _take(self, db: sqlite3.Connection, waiter: Waiter, now: float) -> None:
        given = (waiter.key, self._owner, waiter.ticket, now + self._seconds, self._seconds, now)
        if db.execute(_TAKE, given).rowcount or (
            self._outlives_holder(db, waiter.key, now) and db.execute(_TAKE, given).rowcount
        ):
            waiter.held = True
            self._blocked.pop(waiter.key, None)
            self._granted(waiter, Rows(db, self._owner).find(waiter.key))
        elif waiter.key not in self._blocked:
            db.execute(_BOUND, {"key": waiter.key, "now": now})
            self._blocked[waiter.key] = waiter
            self._looks = 1

    def _outlives_holder(self, db: sqlite3.Connection, key: str, now: float) -> bool:
        """Return whether the process that has the lease is dead; all that it held is free then."""
        (holder,) = db.execute("SELECT owner FROM lease WHERE key = ?", (key,)).fetchone()
        if not self._owners.is_dead(holder):
            return False
        Rows(db, self._owner).release([holder], now)
        return True

    def _renew(self, db: sqlite3.Connection, waiter: Waiter, now: float) -> bool:
        given = (now + self._seconds, waiter.key, self._owner, waiter.ticket, now)
        return db.execute(_RENEW, given).rowcount > 0


def _is_idle(db: sqlite3.Connection, key: str, now: float) -> bool:
    """Return whether no conversation is stored and no other process has the turn."""
    return not db.execute(_BUSY, {"key": key, "now": now}).fetchone()[0]
