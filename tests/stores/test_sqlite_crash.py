"""SQLiteStore and processes that die, stand still, or work side by side on one file."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from search_rounds import ROUNDS
from stores.sqlite_worker import LEASE_SECONDS, entries_of, number_of

from fsmkit import Key
from fsmkit.stores import Change, StoredRow
from fsmkit.stores.protocol import CLAIM_SECONDS
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing.store_contract.base import add_one

WORKER = Path(__file__).with_name("sqlite_worker.py")
ROOT = WORKER.parents[2]
KEYS = 8
FEW = 8
MANY = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


@contextlib.asynccontextmanager
async def worker(*words: object) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(WORKER),
        *map(str, words),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    """The next line that a worker says."""
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()


async def killed(nest: asyncio.subprocess.Process, seconds: float) -> list[list[str]]:
    """What a process under load had been answered when it was killed, so many seconds after its first step."""
    assert nest.stdin is not None
    nest.stdin.write(b"another\n")
    said, child = [], 0
    while not child or not said:  # who is born may speak before the nest does
        words = (await line(nest)).split()
        if words[0] == "born":
            child = int(words[1])
        else:
            said.append(words)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(child, signal.SIGKILL)
    while (words := (await line(nest)).split()) != ["dead"]:
        said.append(words)
    return said


def check(path: Path, said: list[list[str]], stored: list[StoredRow]) -> None:
    """All that was answered is there, and every row is whole and agrees with what stands beside it."""
    rows = {row.key.user: (number_of(row.row), row) for row in stored}
    for what, user, *number in said:
        if what == "step":
            assert rows[int(user)][0] >= int(number[0])
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        waiting = db.execute(
            "SELECT record.user, entry FROM outbox JOIN record ON record.id = record"
        ).fetchall()
        strays = "SELECT count(*) FROM {} WHERE record NOT IN (SELECT id FROM record)"
        assert [db.execute(strays.format(table)).fetchone() for table in ("outbox", "conversation")] == [
            (0,)
        ] * 2
    for number, row in rows.values():
        (index,) = row.index
        assert (index.flow, index.state, index.deadline) == ("load", f"s{number}", float(number))
    sent = {(user, number[0]) for what, user, *number in said if what == "sent"}
    for user, entry in waiting:
        # Deliveries come before the next step: what waits was written by the last one, all of it or nothing.
        assert entry in entries_of(rows[int(user)][0])
        assert (user, entry.decode()) not in sent


async def killed_and_checked(path: Path, times: int) -> int:
    """Kills so many workers, one after the other on one file; the number of steps that were answered."""
    chance, steps = random.Random(times), 0
    async with worker("nest", path, KEYS) as nest:
        for _ in range(times):
            said = await killed(nest, chance.uniform(0, 0.15))
            store = SQLiteStore(path, lease_seconds=LEASE_SECONDS)
            check(path, said, [stored async for stored in store.scan()])
            await free_outboxes(store)
            await store.close()
            steps += sum(words[0] == "step" for words in said)
    return steps


async def free_outboxes(store: SQLiteStore) -> None:
    """Delivers what a killed worker left, so that the next one begins without it."""
    await asyncio.to_thread(_expire, store.path)
    for key in await store.due(1, ["load"], 0.0, 1000):
        entries = await asyncio.to_thread(_entries, store.path, str(key))
        for entry in entries:
            await store.acknowledge(key, entry, None)


def _expire(path: str) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
        db.execute("UPDATE record SET claim = 0 WHERE claim IS NOT NULL")
        db.execute("DELETE FROM lease")


def _entries(path: str, key: str) -> list[bytes]:
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as db:
        query = "SELECT entry FROM outbox JOIN record ON record.id = record WHERE key = ? ORDER BY outbox.id"
        return [entry for (entry,) in db.execute(query, (key,))]


async def test_every_step_that_was_answered_outlives_the_kill(path: Path) -> None:
    assert await killed_and_checked(path, FEW) > FEW


@pytest.mark.thorough
async def test_every_step_that_was_answered_outlives_the_kill_at_many_points(path: Path) -> None:
    assert await killed_and_checked(path, MANY * ROUNDS) > MANY * ROUNDS


async def test_the_turn_of_a_process_that_was_killed_is_free_after_the_lease_time(path: Path) -> None:
    store = SQLiteStore(path, lease_seconds=LEASE_SECONDS)
    key = Key(chat=1, user=0, bot=1)
    async with worker("hold", path) as process:
        assert await line(process) == "held"
        process.kill()
        await process.wait()
        began = time.monotonic()
        await asyncio.wait_for(add_one(store, key), 30)
        assert time.monotonic() - began < LEASE_SECONDS + 2
    assert await store.peek(key) == b"1"
    await store.close()


# -- who is dead is known at once ------------------------------------------------------------------

LONG = 3600.0
"""Seconds that a lease would last: no test waits for that."""
AT_ONCE = 5.0
"""Seconds; it takes less than one where the machine has nothing else to do."""
KEY = Key(chat=1, user=0, bot=1)


@pytest.fixture
async def survivor(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path, lease_seconds=LONG)
    yield store
    await store.close()


def free_in_an_hour(path: Path) -> None:
    """Lets all leases last for long."""
    with contextlib.closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
        db.execute("UPDATE lease SET expires = expires + :long, term = term + :long", {"long": LONG})


async def killed_while(path: Path, survivor: SQLiteStore, what: str) -> float:
    """Kills a process that holds a key of which a survivor waits for the turn; seconds until it comes."""
    async with worker(what, path) as process:
        child = 0
        while (said := await line(process)) != "held":
            child = int(said.removeprefix("child ")) if said.startswith("child") else child
        free_in_an_hour(path)
        waiting = asyncio.create_task(add_one(survivor, KEY))
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        process.kill()
        began = time.monotonic()
        try:
            await asyncio.wait_for(waiting, 30)
            return time.monotonic() - began
        finally:
            if child:
                os.kill(child, signal.SIGKILL)


async def test_who_waits_for_a_process_that_is_killed_has_its_turn_at_once(
    path: Path, survivor: SQLiteStore
) -> None:
    assert await killed_while(path, survivor, "hold") < AT_ONCE
    assert await survivor.peek(KEY) == b"1"


async def test_a_child_of_the_killed_process_does_not_pass_for_it(path: Path, survivor: SQLiteStore) -> None:
    assert await killed_while(path, survivor, "parent") < AT_ONCE
    assert await survivor.peek(KEY) == b"2"


async def test_who_comes_after_a_process_was_killed_does_not_wait(path: Path, survivor: SQLiteStore) -> None:
    async with worker("hold", path) as process:
        assert await line(process) == "held"
        free_in_an_hour(path)
        process.kill()
        await process.wait()
    began = time.monotonic()
    await asyncio.wait_for(add_one(survivor, KEY), 30)
    assert time.monotonic() - began < AT_ONCE
    owners = path.with_name("bot.db-owners")
    assert len(list(owners.iterdir())) == 1  # the dead one's file is gone
    await survivor.close()
    assert not owners.exists()


async def test_what_a_killed_process_delivered_is_due_at_once(path: Path, survivor: SQLiteStore) -> None:
    async with worker("claim", path) as process:
        assert await line(process) == "claimed"
        assert await survivor.due(1, [], 0.0, 10) == []
        process.kill()
        await process.wait()
    until = time.monotonic() + CLAIM_SECONDS / 2
    while await survivor.due(1, [], 0.0, 10) != [KEY]:
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    async with survivor.lease(KEY) as lease:
        assert await lease.commit(Change(b"row", outbox=(b"three",))) == b"one"


async def test_a_process_that_stands_still_is_not_dead(path: Path, survivor: SQLiteStore) -> None:
    async with worker("hold", path) as process:
        assert await line(process) == "held"
        free_in_an_hour(path)
        process.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(add_one(survivor, KEY))
        await asyncio.wait([waiting], timeout=1.5)
        assert not waiting.done()
        process.send_signal(signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write(b"go on\n")
        assert await line(process) == "written"
        await asyncio.wait_for(waiting, 30)
    assert await survivor.peek(KEY) == b"8"


async def test_what_an_older_version_left_ends_with_its_time_and_the_log_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with worker("hold", path) as process:
        assert await line(process) == "held"
        process.kill()
        await process.wait()
    shutil.rmtree(path.with_name("bot.db-owners"))
    store = SQLiteStore(path, lease_seconds=LEASE_SECONDS)
    began = time.monotonic()
    await asyncio.wait_for(add_one(store, KEY), 30)
    assert time.monotonic() - began > LEASE_SECONDS / 4
    assert [record.getMessage().split(": ")[1] for record in caplog.records] == [
        "something is held by a process that cannot be told from a dead one; if it is, its chats wait for 1 "
        "seconds at most"
    ]
    await store.close()


async def test_a_store_that_was_used_before_a_fork_is_of_use_in_both_processes(path: Path) -> None:
    keys, steps = 3, 40
    async with worker("fork", path, keys, steps) as process:
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0
    assert len(said.splitlines()) == keys * (1 + 2 * steps)
    store = SQLiteStore(path)
    assert [stored.row async for stored in store.scan()] == [b"%d" % (1 + 2 * steps)] * keys
    await store.close()


async def test_a_process_that_stood_still_writes_nothing_when_it_goes_on(path: Path) -> None:
    store = SQLiteStore(path, lease_seconds=LEASE_SECONDS)
    key = Key(chat=1, user=0, bot=1)
    async with worker("hold", path) as process:
        assert await line(process) == "held"
        process.send_signal(signal.SIGSTOP)
        await asyncio.wait_for(add_one(store, key), 30)
        process.send_signal(signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write(b"go on\n")
        assert await line(process) == "lost"
    assert await store.peek(key) == b"1"
    await store.close()


async def test_two_processes_on_one_file_count_exactly(path: Path) -> None:
    steps, keys = 60, 4
    async with worker("count", path, keys, steps) as one, worker("count", path, keys, steps) as two:
        said = await asyncio.wait_for(asyncio.gather(one.communicate(), two.communicate()), 120)
        assert [one.returncode, two.returncode] == [0, 0]
    assert [len(out.splitlines()) for out, _ in said] == [keys * steps] * 2
    store = SQLiteStore(path)
    assert [stored.row async for stored in store.scan()] == [b"%d" % (2 * steps)] * keys
    await store.close()


async def test_two_processes_count_exactly_while_others_are_killed(path: Path) -> None:
    steps, keys, answered = 40, 2, Counter[str]()
    async with worker("count", path, keys, steps) as one, worker("count", path, keys, steps) as two:
        for _ in range(3):
            async with worker("count", path, keys, 10_000) as victim:
                answered[await line(victim)] += 1
                await asyncio.sleep(0.05)
                victim.kill()
                rest, _ = await victim.communicate()
                answered.update(rest.decode().rpartition("\n")[0].splitlines())
        await asyncio.wait_for(asyncio.gather(one.communicate(), two.communicate()), 120)
        assert [one.returncode, two.returncode] == [0, 0]
    store = SQLiteStore(path)
    async for stored in store.scan():
        least = 2 * steps + answered[f"step {stored.key.user}"]
        # A step that was written when the kill came, and not yet answered, counts too.
        assert least <= int(stored.row) <= least + 3
    await store.close()
