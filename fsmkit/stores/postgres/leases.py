"""Who holds a lease of a `PostgresStore` and who waits for one, in one event loop.

The order is kept by the server (`schema.sql`); here is what a process does to get its turn.
"""

import asyncio
import logging
import secrets
import time
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

from fsmkit.errors import StoreError
from fsmkit.stores.postgres.session import Connections
from fsmkit.stores.sessions import WarnOnce

_log = logging.getLogger("fsmkit")

LOOK_SECONDS = 0.25
"""Seconds between two looks for processes that have died."""

CLOSE_LOOK_SECONDS = 0.1
"""Seconds between two looks while nothing is heard of some process."""

TIDY_SECONDS = 600.0
"""Between two removals of leases and places in line that nobody has used for long."""


def new_token() -> int:
    """Return a number for a lease or a commit that no other process draws, a forked one neither."""
    return secrets.randbits(62) + 1


class LoadedRow(NamedTuple):
    """A row as a lease found it; version 0: there is none. `idle`: nothing could want the lease."""

    version: int
    blob: bytes | None
    receipts: Sequence[bytes]
    idle: bool = False


class Leases:
    """The leases of one event loop.

    Args:
        dsn: Where the server is.
        schema: Name of the schema.
        lease_seconds: How long a lease holds unless it is renewed.
        pool_size: How many connections there may be, beside the one that listens.
        warn: Told of settings by which the server may lose what it stored.

    Attributes:
        number: Whose claims on outboxes are those of this loop.
        dead: The numbers of processes that were found dead in the last minute.
        deaths: How many this one has heard of.
        told: Who wants to know of another one.
    """

    def __init__(self, dsn: str, schema: str, lease_seconds: float, pool_size: int, warn: WarnOnce) -> None:
        self.number = new_token()
        self.term = timedelta(seconds=lease_seconds)
        self._third = lease_seconds / 3
        self._channel = f"fsmkit_{secrets.token_hex(12)}"
        self.connections = Connections(
            dsn, schema, self._channel, self.number, pool_size, self._hear, self._ask_again, self._beat,
            self._third, self._watch, warn,
        )  # fmt: skip
        self.dead: set[int] = set()
        self.deaths = 0
        self.told: list[Callable[[], None]] = []
        self._held: dict[int, str] = {}
        self._waiting: dict[int, asyncio.Future[LoadedRow | None]] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tidied = time.monotonic()
        self._look_up = f"SELECT * FROM {schema}.look()"
        self._acquire = f"SELECT * FROM {schema}.acquire($1, $2, $3, $4)"
        self._approach = f"SELECT * FROM {schema}.approach($1, $2, $3, $4)"
        self._release = f"SELECT {schema}.release($1, $2)"
        self._renew = f"SELECT {schema}.renew($1, $2, $3)"
        self._tidy = f"SELECT {schema}.tidy()"

    async def acquire(self, key: str, token: int, wanted: bool) -> LoadedRow:
        """Wait for a lease, first come, first served in the order that the server received.

        Args:
            key: Whose.
            token: A number of its own.
            wanted: `False`: not if no conversation is stored, and the answer is `idle` then.
        """
        # Known before it is sent: the grant can overtake the answer.
        self._waiting[token] = self.connections.loop.create_future()
        try:
            loaded = await self._wait(key, token, wanted)
        except BaseException:
            self._waiting.pop(token, None)
            self.release(key, token)
            raise
        del self._waiting[token]
        if not loaded.idle:
            self._held[token] = key
        return loaded

    async def close(self) -> None:
        """Close the connections, once what was begun is finished."""
        await self.connections.close()

    def committed(self, token: int) -> None:
        """Renew a lease no more that a commit has freed."""
        self._held.pop(token, None)

    def release(self, key: str, token: int) -> "asyncio.Task[None]":
        """Free a lease or leave the line, in the background."""
        self._held.pop(token, None)
        return self.connections.chores.begin(self.connections.call(self._release, key, token))

    async def _wait(self, key: str, token: int, wanted: bool) -> LoadedRow:
        # One key's questions leave one by one: on their several connections they would overtake each other.
        lock = self._asking.get(key)
        if lock is None:
            lock = self._asking[key] = asyncio.Lock()
        async with lock:
            answer = await self._ask(key, token, wanted)
        while not isinstance(answer, LoadedRow):
            granted = self._waiting[token]
            # Asked again in time to keep the place in line, and when the holder's time is up.
            await asyncio.wait([granted], timeout=min(answer + 0.01, self._third))
            told = granted.result() if granted.done() else None
            if granted.done():
                self._waiting[token] = self.connections.loop.create_future()
            answer = told or await self._ask(key, token)
        return answer

    async def _watch(self) -> None:
        """Have the server look for processes that have died, and free what they had, until the end."""
        while True:
            seconds = LOOK_SECONDS
            try:
                rows, _ = await self.connections.call(self._look_up)
                dead, suspects = {*rows[0][0]} - {self.number}, rows[0][1]
                seconds = CLOSE_LOOK_SECONDS if suspects else LOOK_SECONDS
                found, self.dead = dead - self.dead, dead
                if found:
                    self.deaths += len(found)
                    for told in self.told:
                        told()
            except StoreError as error:
                _log.debug("a look at other processes failed: %s", error)
            except Exception:
                _log.exception("a look at other processes failed; the next one follows")
            await asyncio.sleep(seconds)

    async def _ask(self, key: str, token: int, wanted: bool = True) -> LoadedRow | float:
        """Return the row, or the seconds that the lease of somebody else has left."""
        statement = self._acquire if wanted else self._approach
        rows, _ = await self.connections.call(statement, key, token, self._channel, self.term)
        wait, version, blob, receipts, *idle = rows[0]
        return LoadedRow(version or 0, blob, receipts or (), any(idle)) if wait is None else float(wait)

    def _hear(self, payload: str) -> None:
        """Take a lease that was handed over; the row comes with it, unless it is too long."""
        token, key, *parts = payload.split(" ")
        number = int(token)
        granted = self._waiting.get(number)
        if granted is None:
            if number not in self._held:  # who waited has given up
                self.release(key, number)
        elif not granted.done():
            granted.set_result(_loaded(parts) if parts else None)

    def _ask_again(self) -> None:
        for granted in self._waiting.values():
            if not granted.done():
                granted.set_result(None)

    async def _beat(self) -> bool:
        """Renew what is held, in the background; return whether anybody waits to hear of a lease."""
        if self._held:
            args = (list(self._held.values()), list(self._held), self.term)
            self.connections.chores.begin(self.connections.call(self._renew, *args))
        if time.monotonic() - self._tidied > TIDY_SECONDS:
            self._tidied = time.monotonic()
            self.connections.chores.begin(self.connections.call(self._tidy))
        return bool(self._waiting)


def _loaded(parts: list[str]) -> LoadedRow:
    version, blob, *receipts = parts
    return LoadedRow(int(version), None if blob == "-" else b64decode(blob), tuple(map(b64decode, receipts)))
