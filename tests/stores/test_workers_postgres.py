"""Four processes on one PostgreSQL, killed at random and started again: every event counts once, in order."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fsmkit import Engine, Key
from fsmkit.stores.postgres import PostgresStore

pytest.register_assert_rewrite("stores.postgres_server")
from stores.postgres_worker import counting  # noqa: E402

pytest_plugins = ["stores.postgres_server"]

WORKERS = 4
ROOT = Path(__file__).parents[2]


class Crew:
    """The worker processes."""

    def __init__(self, dsn: str, schema: str, keys: int, events: int, home: Path) -> None:
        self._args = [dsn, schema]
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
        program = Path(__file__).with_name("postgres_worker.py")
        args = [*self._args, str(number), *self._share, str(self._home / f"notes-{number}")]
        paths = {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen([sys.executable, str(program), *args], env={**os.environ, **paths})


async def run_workers(dsn: str, schema: str, keys: int, events: int, kills: int, home: Path) -> float:
    """Lets the workers do it all, and checks every counter; how long it took, in seconds."""
    started = time.monotonic()
    crew = await asyncio.to_thread(Crew, dsn, schema, keys, events, home)
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
    store = PostgresStore(dsn, schema=schema)
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
    await run_workers(postgres_dsn, schema, keys=40, events=12, kills=3, home=tmp_path)


@pytest.mark.thorough
async def test_twenty_thousand_events_through_workers_that_are_killed(
    postgres_dsn: str, schema: str, tmp_path: Path
) -> None:
    took = await run_workers(postgres_dsn, schema, keys=200, events=25, kills=12, home=tmp_path)
    assert took < 110
