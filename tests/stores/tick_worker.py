"""A worker process of `test_workers`: gives its share of events to an engine, and notes them.

Run as `python tick_worker.py KIND URL NAME NUMBER KEYS EVENTS FILE`. Started again after a kill it goes on
with the first event that it had not noted.
"""

import asyncio
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from fsmkit import Context, Engine, Flow, Key, LeaseLost, StoreUnavailable
from fsmkit.stores import Store
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.postgres import PostgresStore

AT_ONCE = 16
"""Keys that one worker is busy with."""
BURST = 2
"""Events of one key that are given at once: they have to be taken in their order."""
ROUND = 5
"""Events of a key before the next one has its turn. A row remembers 64 ids: while a worker starts again, the
others must not get further than that with a key whose last event it has not noted."""
LEASE_SECONDS = 2.0
PATIENT_SECONDS = 6.0
"""Where the server tells which workers have died nobody waits for so long, and a worker that starts on a busy
machine keeps its leases and its places in line."""


@attrs.frozen
class Tick:
    """An event: number `number` of those that a worker has for a key."""

    worker: int
    number: int


def counting() -> Flow[dict[str, Any]]:
    """Counts events, and those that came twice or out of order."""
    flow: Flow[dict[str, Any]] = Flow("count", ttl=None)

    @flow.defstate(None, "on", on=Tick)
    def count(event: Tick, ctx: Context[dict[str, Any]]) -> object:
        last = dict(ctx.data.get("last", {}))
        wrong = ctx.data.get("wrong", 0) + (event.number != last.get(str(event.worker), 0) + 1)
        last[str(event.worker)] = event.number
        return ("transition", "on", {"count": ctx.data.get("count", 0) + 1, "wrong": wrong, "last": last})

    return flow


class Worker:
    """One process's share."""

    def __init__(self, engine: Engine, number: int, notes: Path) -> None:
        self._engine = engine
        self._number = number
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._busy = asyncio.Semaphore(AT_ONCE)

    async def work_off(self, user: int, numbers: Sequence[int]) -> None:
        """Gives a key its events, some at a time."""
        async with self._busy:
            self._note(user, numbers[0] - 1)
            for first in range(0, len(numbers), BURST):
                await asyncio.gather(*(self._give(user, number) for number in numbers[first : first + BURST]))
                self._note(user, numbers[min(first + BURST, len(numbers)) - 1])

    def _note(self, user: int, number: int) -> None:
        os.write(self._notes, b"%d %d\n" % (user, number))

    async def _give(self, user: int, number: int) -> None:
        tick = Tick(self._number, number)
        while True:
            try:
                await self._engine.send(Key(1, user), tick, id=f"{self._number}-{number}")
            except (LeaseLost, StoreUnavailable):
                continue
            return


def noted(notes: Path) -> dict[int, int]:
    """The last event done, by key; a line that a kill cut short says nothing."""
    text = notes.read_text() if notes.exists() else ""
    done: dict[int, int] = {}
    for line in text.splitlines():
        user, number = line.split()
        done[int(user)] = int(number)
    return done


def shared_store(kind: str, url: str, name: str) -> Store:
    """The store of all workers: a schema of PostgreSQL, or a database of MongoDB."""
    if kind == "postgres":
        return PostgresStore(url, schema=name, lease_seconds=PATIENT_SECONDS, pool_size=6)
    return MongoStore(url, database=name, lease_seconds=LEASE_SECONDS)


async def main(kind: str, url: str, name: str, number: str, keys: str, events: str, notes: str) -> None:
    """Works until every event is done."""
    done = noted(Path(notes))
    store = shared_store(kind, url, name)
    worker = Worker(Engine(counting(), store=store), int(number), Path(notes))
    users = [user for user in range(int(keys)) if done.get(user) != int(events)]
    random.shuffle(users)
    for end in range(ROUND, int(events) + ROUND, ROUND):
        last = min(end, int(events))
        # What was under way comes first, as Telegram does it.
        shares = [(user, range(done.get(user, 0) + 1, last + 1)) for user in users]
        shares.sort(key=lambda share: (done.get(share[0], 0) % ROUND == 0, share[0] not in done))
        await asyncio.gather(*(worker.work_off(user, numbers) for user, numbers in shares if numbers))
        done.update({user: max(done.get(user, 0), last) for user in users})
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
