"""Four worker processes share one server and are killed at random: nothing is lost, nothing happens twice."""

import asyncio
import logging
import os
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from stores.store_flows import Tally, counting_flow

from fsmkit import Engine, Key
from fsmkit.stores.redis import RedisStore

pytest_plugins = ["stores.redis_server"]

WORKERS = 4
TWICE = 0.1
"""Share of events that two workers get at the same time, as after a confirmation that was lost."""
ROOT = Path(__file__).parents[2]

Event = tuple[int, int]


class Crew:
    """Workers, the events that each of them has, and what they said.

    An event of a key goes out when the one before was answered, to any worker; what a killed worker had
    goes to another one.
    """

    def __init__(self, url: str, prefix: str, keys: int, events: int, kills: int) -> None:
        self._args = (str(ROOT / "tests/stores/redis_worker.py"), url, prefix)
        self._events = events
        self._next = dict.fromkeys(range(keys), 0)
        self._workers: list[asyncio.subprocess.Process] = []
        self._has: dict[int, set[Event]] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._answers = 0
        self._marks = sorted(random.sample(range(1, keys * events), kills), reverse=True)
        self.kill_now: asyncio.Queue[bool] = asyncio.Queue()
        """Says `True` whenever it is time to kill one, `False` when all is done."""
        self.handled: Counter[Event] = Counter()
        self.sent: Counter[Event] = Counter()
        self.kills = 0

    async def start(self) -> None:
        for _ in range(WORKERS):
            await self._hire()
        for user in self._next:
            self._give((user, 0))

    async def kill_one(self) -> None:
        """Kills a worker in the middle of whatever it does, and starts another one."""
        worker = self._workers.pop(random.randrange(WORKERS))
        worker.kill()
        await worker.wait()
        self.kills += 1
        await self._hire()
        for event in self._has.pop(worker.pid):
            self._give(event)

    async def stop(self) -> None:
        """Ends the workers in order; each must end well."""
        for worker in self._workers:
            assert worker.stdin is not None
            worker.stdin.close()
        codes = await asyncio.gather(*(worker.wait() for worker in self._workers))
        await asyncio.gather(*self._readers)
        assert codes == [0] * WORKERS

    async def abandon(self) -> None:
        """Ends what is still there."""
        for worker in self._workers:
            with suppress(ProcessLookupError):
                worker.kill()
            await worker.wait()

    async def _hire(self) -> None:
        paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(
            sys.executable, *self._args, stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONPATH": paths}
        )
        self._workers.append(worker)
        self._has[worker.pid] = set()
        self._readers.append(asyncio.create_task(self._read(worker)))

    def _give(self, event: Event) -> None:
        for worker in random.sample(self._workers, 2 if random.random() < TWICE else 1):
            assert worker.stdin is not None
            worker.stdin.write(b"%d %d\n" % event)
            self._has[worker.pid].add(event)

    async def _read(self, worker: asyncio.subprocess.Process) -> None:
        assert worker.stdout is not None
        async for line in worker.stdout:
            what, user, number, *kind = line.split()
            event = (int(user), int(number))
            if what == b"sent":
                self.sent[event] += 1
                continue
            self._has.get(worker.pid, set()).discard(event)
            if kind == [b"handled"]:
                self.handled[event] += 1
            else:
                assert kind == [b"duplicate"], line
            self._answered(event)

    def _answered(self, event: Event) -> None:
        user, number = event
        self._answers += 1
        if self._marks and self._answers >= self._marks[-1]:
            self._marks.pop()
            self.kill_now.put_nowait(True)
        if self._next.get(user) != number:
            return  # the other one of two had answered already
        if number == self._events:
            del self._next[user]
            if not self._next:
                self.kill_now.put_nowait(False)
        else:
            self._next[user] = number + 1
            self._give((user, number + 1))


async def all_delivered(store: RedisStore) -> None:
    """Returns when no outbox holds anything any more: what killed workers left, others deliver."""
    waiting = True
    while waiting:
        waiting = any([row.outbox async for row in store.scan()])
        await asyncio.sleep(0.1 if waiting else 0)


async def run(url: str, prefix: str, keys: int, events: int, kills: int) -> tuple[Crew, list[Tally]]:
    """Has all events handled while workers are killed at random moments; what it came to."""
    crew, store = Crew(url, prefix, keys, events, kills), RedisStore(url, prefix=prefix)
    try:
        await crew.start()
        while await crew.kill_now.get():
            await crew.kill_one()
        await all_delivered(store)
        await crew.stop()
        engine = Engine(counting_flow(), store=store)
        return crew, [(await engine.get_state("count", Key(1, user)))[1] for user in range(keys)]
    finally:
        await crew.abandon()
        await store.close()


@pytest.mark.parametrize(
    ("keys", "events", "kills"),
    [(20, 40, 3), pytest.param(200, 100, 20, marks=pytest.mark.thorough)],
    ids=["800 events", "20,000 events"],
)
async def test_killed_workers_lose_nothing_and_do_nothing_twice(
    redis_url: str, prefix: str, keys: int, events: int, kills: int
) -> None:
    started = time.monotonic()
    async with asyncio.timeout(110):
        crew, tallies = await run(redis_url, prefix, keys, events, kills)
    assert tallies == [Tally(count=events, last=events, wrong=0)] * keys
    assert crew.kills == kills
    # A worker may be killed between its commit and its answer; then nobody says "handled".
    assert set(crew.handled.values()) == {1}
    # Each reply was sent, and again only if its worker was killed before it could strike it off.
    assert set(crew.sent) == {(user, number) for user in range(keys) for number in range(1, events + 1)}
    assert max(crew.sent.values()) <= 1 + crew.kills
    repeated = sum(crew.sent.values()) - len(crew.sent)
    seconds = time.monotonic() - started
    logging.getLogger(__name__).info("%d kills, %.1f s, %d replies repeated", crew.kills, seconds, repeated)
