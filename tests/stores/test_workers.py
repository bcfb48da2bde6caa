"""Four processes on one PostgreSQL or MongoDB, killed at random and started again: all counts once, in order."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fsmkit import Engine, Key

pytest.register_assert_rewrite("stores.postgres_server", "stores.mongo_server")
from stores.tick_worker import counting, shared_store  # noqa: E402

pytest_plugins = ["stores.postgres_server", "stores.mongo_server"]

WORKERS = 4
Shared = tuple[str, str, str]
"""The store that they share: kind, URL, name."""
ROOT = Path(__file__).parents[2]


class Crew:
    """The worker processes."""

    def __init__(self, shared: Shared, keys: int, events: int, home: Path) -> None:
        self._args = list(shared)
        self._share = [str(keys), str(events)]
        self._home = home
        self.processes = [self._start(number) for number in range(WORKERS)]

    def working(self) -> list[int]:
        """Numbers of those that are not ready yet; one that failed fails the test."""
        codes = [process.poll() for process in self.processes]
        assert set(codes) <= {None, 0}, codes
        return [number for number, code in enumerate(codes) if code is None]

    def kill(self, number: int) -> None:
        """Kills one and starts it again."""
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = self._start(number)

    def end(self) -> None:
        """Ends whoever is left."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, number: int) -> "subprocess.Popen[bytes]":
        program = Path(__file__).with_name("tick_worker.py")
        args = [*self._args, str(number), *self._share, str(self._home / f"notes-{number}")]
        paths = {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, str(program), *args], env={**os.environ, **paths})


async def run_workers(shared: Shared, keys: int, events: int, kills: int, home: Path) -> float:
    """Lets the workers do it all, and checks every counter; how long it took, in seconds."""
    started = time.monotonic()
    crew = await asyncio.to_thread(Crew, shared, keys, events, home)
    try:
        while working := crew.working():
            await asyncio.sleep(random.uniform(0.4, 1.2) if kills else 0.05)
            if kills:
                kills -= 1
                await asyncio.to_thread(crew.kill, random.choice(working))
    finally:
        await asyncio.to_thread(crew.end)
    took = time.monotonic() - started
    assert not kills, "the work was done before all kills"
    store = shared_store(*shared)
    engine = Engine(counting(), store=store)
    expected = {
        "count": WORKERS * events,
        "wrong": 0,
        "last": {str(number): events for number in range(WORKERS)},
    }
    for user in range(keys):
        _, data = await engine.get_state("count", Key(1, user))
        assert {**data, "last": dict(sorted(data["last"].items()))} == expected
    await store.close()
    return took


async def test_workers_that_are_killed_count_every_event_once(
    postgres_dsn: str, schema: str, tmp_path: Path
) -> None:
    shared = ("postgres", postgres_dsn, schema)
    await run_workers(shared, keys=40, events=12, kills=3, home=tmp_path)


@pytest.mark.thorough
async def test_twenty_thousand_events_through_workers_that_are_killed(
    postgres_dsn: str, schema: str, tmp_path: Path
) -> None:
    shared = ("postgres", postgres_dsn, schema)
    took = await run_workers(shared, keys=200, events=25, kills=12, home=tmp_path)
    assert took < 110


@pytest.mark.thorough
async def test_workers_on_mongo_that_are_killed_count_every_event_once(
    mongo_url: str, database: Any, tmp_path: Path
) -> None:
    shared = ("mongo", mongo_url, database.name)
    await run_workers(shared, keys=40, events=12, kills=6, home=tmp_path)
