"""SQLiteStore beyond the contract: its file, its thread, its transactions, and what it says when it cannot."""

import asyncio
import contextlib
import fcntl
import gc
import os
import pickle
import sqlite3
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsmkit import Engine, Flow, Key, LeaseLost, StoreCorrupt, StoreUnavailable
from fsmkit.stores import CLAIM_SECONDS, Change, Index, Store
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.stores.sqlite import schema as schema
from fsmkit.testing import ManualClock
from fsmkit.testing.store_contract.base import KEY, OTHER, PATIENCE, add_one, begun, patiently, put

Traced = Callable[[], list[str]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bot.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    store = SQLiteStore(path)
    yield store
    await store.close()


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Traced:
    """What was asked of SQLite since the last call."""
    heard: list[str] = []
    connect = schema.connect

    def listening(path: str) -> sqlite3.Connection:
        db = connect(path)
        db.set_trace_callback(heard.append)
        return db

    def take() -> list[str]:
        taken = list(heard)
        heard.clear()
        return taken

    monkeypatch.setattr(schema, "connect", listening)
    return take


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fsmkit")]


async def seed(path: Path, *keys: Key) -> bytes:
    """A file that was closed properly; its bytes."""
    store = SQLiteStore(path)
    for key in keys or (KEY,):
        await put(store, key, b"row", outbox=(b"entry",))
    await store.close()
    return path.read_bytes()


# -- the file and the thread -----------------------------------------------------------------------


async def test_a_store_that_is_not_used_touches_nothing(path: Path) -> None:
    store = SQLiteStore(path)
    assert (list(path.parent.iterdir()), threads()) == ([], [])
    await store.close()
    assert (list(path.parent.iterdir()), threads()) == ([], [])


async def test_close_leaves_one_file_and_no_thread(path: Path) -> None:
    store = SQLiteStore(path)
    await put(store, KEY, b"row")
    assert threads() == ["fsmkit sqlite"]
    await store.close()
    assert threads() == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["bot.db", "bot.db-lock"]


async def test_a_store_that_was_dropped_ends_its_thread(path: Path) -> None:
    store = SQLiteStore(path)
    await put(store, KEY, b"row")
    del store
    gc.collect()
    assert threads() == []
    assert sorted(file.name for file in path.parent.iterdir()) == ["bot.db", "bot.db-lock"]


async def test_a_closed_store_says_so(store: SQLiteStore) -> None:
    await put(store, KEY, b"row")
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.peek(KEY)


async def test_who_waits_at_the_close_is_told(path: Path) -> None:
    store = SQLiteStore(path)
    async with store.lease(KEY):
        waiting = asyncio.create_task(add_one(store, KEY))
        await begun(waiting)
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await waiting
    again = SQLiteStore(path)
    await patiently(add_one(again, KEY))
    await again.close()


def test_one_event_loop_after_the_other_may_use_it(path: Path) -> None:
    store = SQLiteStore(path)

    async def count() -> int:
        at = Engine(Flow("visits"), store=store).at("visits", KEY)
        return int((await at.update_data(n=await at.get_value("n", 0) + 1))["n"])

    assert [asyncio.run(count()) for _ in range(3)] == [1, 2, 3]
    asyncio.run(store.close())
    assert threads() == []


def test_a_lease_of_a_loop_that_has_ended_is_free_in_the_next(path: Path) -> None:
    store = SQLiteStore(path, lease_seconds=3600.0)

    async def leave_behind() -> None:
        await store.lease(KEY).__aenter__()

    asyncio.run(leave_behind())
    asyncio.run(patiently_add(store))
    asyncio.run(store.close())


async def test_who_waits_in_another_loop_has_the_turn_of_a_loop_that_ends(path: Path) -> None:
    store, held, waits = SQLiteStore(path, lease_seconds=0.3), threading.Event(), threading.Event()

    async def leave_behind() -> None:
        await store.lease(KEY).__aenter__()
        held.set()
        waits.wait()

    thread = threading.Thread(target=asyncio.run, args=(leave_behind(),))
    thread.start()
    await asyncio.to_thread(held.wait)
    adding = asyncio.create_task(patiently_add(store))
    await begun(adding)
    waits.set()
    await adding
    await asyncio.to_thread(thread.join)
    assert await store.peek(KEY) == b"1"
    await store.close()


def test_event_loops_in_several_threads_share_a_store(path: Path) -> None:
    store, loops, steps = SQLiteStore(path), 4, 25

    async def count() -> None:
        for _ in range(steps):
            await patiently(add_one(store, KEY), add_one(store, OTHER))

    workers = [threading.Thread(target=asyncio.run, args=(count(),)) for _ in range(loops)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [asyncio.run(store.peek(key)) for key in (KEY, OTHER)] == [b"%d" % (loops * steps)] * 2
    asyncio.run(store.close())
    assert threads() == []


async def test_a_pickled_store_is_another_on_the_same_file(store: SQLiteStore) -> None:
    await put(store, KEY, b"row")
    copied = pickle.loads(pickle.dumps(store))
    async with copied.lease(KEY) as lease:
        waiting = asyncio.create_task(add_one(store, OTHER))
        await lease.commit(Change(b"from the copy"))
        await waiting
    await copied.close()
    assert (await store.peek(KEY), await store.peek(OTHER)) == (b"from the copy", b"1")


async def test_the_log_is_short_again_once_a_long_reader_has_gone(path: Path, store: SQLiteStore) -> None:
    log, keys = path.with_name("bot.db-wal"), [Key(1, user) for user in range(40)]

    async def load(rounds: int) -> int:
        for _ in range(rounds):
            await patiently(*(put(store, key, os.urandom(3000)) for key in keys))
        return log.stat().st_size

    await load(1)
    with contextlib.closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record").fetchone()
        assert await load(60) > 2 * schema.LOG_BYTES
    assert await load(3) <= schema.LOG_BYTES


async def patiently_add(store: Store) -> None:
    await patiently(add_one(store, KEY))


async def test_the_path_counts_from_where_the_program_was(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("bot.db")
    monkeypatch.chdir(tmp_path / "elsewhere")
    await put(store, KEY, b"row")
    await store.close()
    assert (tmp_path / "bot.db").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
@pytest.mark.parametrize("made", [None, 0o660])
async def test_others_cannot_read_a_new_file_and_one_that_is_there_keeps_its_mode(
    path: Path, made: int | None
) -> None:
    if made is not None:
        path.touch()
        path.chmod(made)
    store = SQLiteStore(path)
    await put(store, KEY, b"row")
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir() if file.is_file()}
    assert {modes[path.name], modes[f"{path.name}-wal"]} == {made or 0o600}
    await store.close()


@pytest.mark.parametrize("given", ["", ":memory:"])
def test_only_a_file_will_do(given: str) -> None:
    with pytest.raises(ValueError, match="MemoryStore"):
        SQLiteStore(given)


@pytest.mark.parametrize("options", [{"synchronous": "OFF"}, {"lease_seconds": 0}])
def test_options_are_checked(path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        SQLiteStore(path, **options)


# -- transactions ----------------------------------------------------------------------------------


async def test_a_step_is_two_transactions(store: SQLiteStore, traced: Traced) -> None:
    await put(store, KEY, b"row")
    traced()
    await put(store, KEY, b"row 2")
    assert traced().count("BEGIN IMMEDIATE") == 2


async def test_commits_that_wait_share_a_transaction(store: SQLiteStore, traced: Traced) -> None:
    await put(store, KEY, b"row")
    traced()
    await patiently(*(put(store, Key(1, user), b"row") for user in range(64)))
    assert traced().count("COMMIT") < 64


async def test_steps_of_one_key_that_wait_are_handed_on_within_the_commit(
    store: SQLiteStore, traced: Traced
) -> None:
    await put(store, KEY, b"0")
    async with store.lease(KEY):
        tasks = [asyncio.create_task(add_one(store, KEY)) for _ in range(10)]
        await begun(*tasks)
        await store.peek(KEY)  # the ten stand in line now
        traced()
    await patiently(*tasks)
    assert traced().count("BEGIN IMMEDIATE") == 11


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_only_commits_wait_for_the_disk(path: Path, traced: Traced, synchronous: Any) -> None:
    store = SQLiteStore(path, synchronous=synchronous)
    await put(store, KEY, b"row")
    traced()
    await put(store, KEY, b"row 2")
    modes = [line.rpartition("=")[2] for line in traced() if "synchronous" in line]
    assert modes == (["NORMAL", "FULL"] if synchronous == "FULL" else [])
    await store.close()


async def test_the_note_of_a_delivery_waits_for_the_disk_with_the_next_commit(
    store: SQLiteStore, path: Path, traced: Traced
) -> None:
    await put(store, KEY, b"row", outbox=(b"one", b"two"))
    traced()
    assert await store.acknowledge(KEY, b"one", None) == b"two"
    assert await store.acknowledge(KEY, b"two", None) is None
    assert [line.rpartition("=")[2] for line in traced() if "synchronous" in line] == ["NORMAL"]
    with contextlib.closing(sqlite3.connect(path)) as db:  # as the next process finds it
        assert db.execute("SELECT count(*) FROM outbox").fetchone() == (0,)
    await put(store, KEY, b"row 2")
    assert "FULL" in [line.rpartition("=")[2] for line in traced() if "synchronous" in line]


@pytest.mark.parametrize("seconds", [None, 3600.0])
async def test_a_chat_that_has_to_wait_still_does_for_the_next_process(
    path: Path, seconds: float | None
) -> None:
    one = SQLiteStore(path)
    await put(one, KEY, b"row", outbox=(b"one",))
    if seconds is not None:
        await one.extend_claim(KEY, seconds)
    await one.close()
    other = SQLiteStore(path)
    assert await other.due(KEY.bot, [], 0.0, 10) == ([] if seconds else [KEY])
    assert await put(other, KEY, b"row 2") == (None if seconds else b"one")
    await other.close()
    third = SQLiteStore(path)  # the end of a wait is not put forward by each end of a process
    assert await third.due(KEY.bot, [], 0.0, 10) == ([] if seconds else [KEY])
    await third.close()


async def test_what_was_answered_stands_in_the_file(store: SQLiteStore, path: Path) -> None:
    await put(store, KEY, b"row", wake=5.5, index=[Index("form", "name", 5.5)], outbox=(b"entry",))
    with contextlib.closing(sqlite3.connect(path)) as db:
        columns = "key, chat, user, bot, wake, row, flow, state, deadline"
        found = db.execute(f"SELECT {columns} FROM record JOIN conversation ON record = record.id").fetchall()
    assert found == [(str(KEY), "-100", "7", "1", 5.5, b"row", "form", "name", 5.5)]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT key FROM record WHERE bot = ? AND wake <= 1 ORDER BY wake", "record_wake"),
        ("SELECT key FROM record WHERE bot = ? AND claim <= 1 ORDER BY claim", "record_claim"),
        ("SELECT id FROM record WHERE user = ?", "record_user"),
        ("SELECT id FROM record WHERE chat = ?", "record_chat"),
        ("SELECT record FROM conversation WHERE flow = ?", "conversation_state"),
    ],
)
async def test_what_is_looked_up_by_has_an_index(
    store: SQLiteStore, path: Path, query: str, index: str
) -> None:
    await put(store, KEY, b"row")
    with contextlib.closing(sqlite3.connect(path)) as db:
        plan = str(db.execute(f"EXPLAIN QUERY PLAN {query}", ("1",)).fetchall())
    assert index in plan
    assert "TEMP B-TREE" not in plan


async def test_a_person_who_is_forgotten_leaves_nothing_in_the_files(store: SQLiteStore, path: Path) -> None:
    for number in range(50):
        await put(store, KEY, b"the secret of user seven %d" % number + b"x" * 3000, outbox=(b"a secret",))
        await put(store, OTHER, b"kept")
    await store.forget(KEY.user)
    files = [file.read_bytes() for file in path.parent.iterdir() if file.is_file()]
    assert not any(b"secret" in file for file in files)
    assert await store.peek(OTHER) == b"kept"


async def test_a_first_step_that_runs_while_its_person_is_forgotten_writes_nothing(
    store: SQLiteStore,
) -> None:
    for who in (KEY, KEY.user):
        async with store.lease(KEY) as lease:
            assert await store.forget(who) == 0
            with pytest.raises(LeaseLost):
                await lease.commit(Change(b"back again"))
    assert await store.peek(KEY) is None


# -- leases of several processes -------------------------------------------------------------------


async def test_a_lease_lasts_as_long_as_its_process_lives(path: Path) -> None:
    one, two = (SQLiteStore(path, lease_seconds=0.2) for _ in range(2))
    async with one.lease(KEY) as lease:
        other = asyncio.create_task(add_one(two, KEY))
        await asyncio.sleep(0.6)
        assert not other.done()
        await lease.commit(Change(b"1"))
    await patiently(*[asyncio.wait_for(other, 5)])
    assert await two.peek(KEY) == b"2"
    await one.close()
    await two.close()


async def test_a_process_that_closes_gives_its_turns_back(path: Path) -> None:
    one, two = SQLiteStore(path), SQLiteStore(path)
    async with one.lease(KEY):
        await one.close()
        await patiently(add_one(two, KEY))
    await two.close()


async def test_who_gives_up_waiting_for_another_process_holds_up_nobody(path: Path) -> None:
    one, two = SQLiteStore(path), SQLiteStore(path)
    async with one.lease(KEY):
        tasks = [asyncio.create_task(add_one(two, KEY)) for _ in range(2)]
        await begun(*tasks)
        tasks[0].cancel()
        await asyncio.gather(tasks[0], return_exceptions=True)
    await asyncio.wait_for(tasks[1], 10)
    assert await one.peek(KEY) == b"1"
    await one.close()
    await two.close()


async def test_without_file_locks_sqlites_own_have_to_do(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "fcntl", None)
    one, two = SQLiteStore(path), SQLiteStore(path)
    await patiently(*(add_one(store, KEY) for _ in range(20) for store in (one, two)))
    assert await one.peek(KEY) == b"40"
    assert not (path.parent / "bot.db-lock").exists()
    await one.close()
    await two.close()


# -- files that cannot be used ---------------------------------------------------------------------


async def refused(path: Path, error: type[Exception], words: str) -> None:
    """The file is refused with these words and its own name, and is not changed."""
    before = path.read_bytes() if path.is_file() else None
    store = SQLiteStore(path)
    with pytest.raises(error, match=words) as caught:
        await put(store, KEY, b"row")
    assert str(path) in str(caught.value)
    with pytest.raises(error, match=words):
        await store.peek(KEY)
    await store.close()
    assert (path.read_bytes() if path.is_file() else None) == before
    assert threads() == []


async def test_a_file_of_a_newer_schema_is_left_alone(path: Path) -> None:
    await seed(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version={len(schema.UPGRADES) + 1}")
    await refused(path, StoreCorrupt, "newer fsmkit.*upgrade fsmkit")


@pytest.mark.parametrize("content", [b"Dear diary, today " * 100, b"\x00" * 8192], ids=["text", "zeros"])
async def test_a_file_that_is_no_database_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    await refused(path, StoreCorrupt, "not a file of fsmkit.*another path")


@pytest.mark.parametrize("application", [0, 4711])
async def test_the_database_of_another_program_is_left_alone(path: Path, application: int) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE recipes (name)")
        db.execute(f"PRAGMA application_id={application}")
    await refused(path, StoreCorrupt, "not a file of fsmkit.*another path")


async def test_a_damaged_file_is_left_alone(path: Path) -> None:
    whole = await seed(path, *(Key(1, user) for user in range(200)))
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    await refused(path, StoreCorrupt, r"damaged.*restore a backup")


async def test_a_file_that_was_cut_off_is_left_alone(path: Path) -> None:
    whole = await seed(path, *(Key(1, user) for user in range(200)))
    path.write_bytes(whole[:10_000])
    await refused(path, StoreCorrupt, r"damaged.*restore a backup")


async def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    await seed(path)


async def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    await refused(tmp_path / "nowhere" / "bot.db", StoreUnavailable, "is its directory there")


async def test_a_directory_is_no_file(path: Path) -> None:
    path.mkdir()
    await refused(path, StoreUnavailable, "cannot be opened")


async def test_a_store_goes_on_when_the_directory_is_there_at_last(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "late" / "bot.db")
    with pytest.raises(StoreUnavailable):
        await put(store, KEY, b"row")
    (tmp_path / "late").mkdir()
    await put(store, KEY, b"row")
    assert await store.peek(KEY) == b"row"
    await store.close()


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A directory, and a process that is not allowed everything: root may write read-only files."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        mine = os.geteuid()
        if mine == 0:
            os.chown(name, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            os.seteuid(mine)
            os.chmod(name, 0o777)


async def test_a_read_only_file_is_named_and_can_be_read(as_nobody: Path) -> None:
    path = as_nobody / "bot.db"
    before = await seed(path)
    path.chmod(0o444)
    store = SQLiteStore(path)
    with pytest.raises(StoreUnavailable, match=f"{path}.*read-only; let this process write"):
        await put(store, KEY, b"new")
    assert await store.peek(KEY) == b"row"
    await store.close()
    assert path.read_bytes() == before


async def test_a_read_only_directory_is_named(as_nobody: Path) -> None:
    path = as_nobody / "bot.db"
    await seed(path)
    path.with_name("bot.db-lock").unlink()
    as_nobody.chmod(0o555)
    await refused(path, StoreUnavailable, r"is its directory there, and writable\?")


async def test_a_full_disk_refuses_the_step_and_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, connect = 60, schema.connect

    def small(path: str) -> sqlite3.Connection:
        db = connect(path)
        db.execute(f"PRAGMA max_page_count={pages}")
        return db

    monkeypatch.setattr(schema, "connect", small)
    store = SQLiteStore(path)
    await put(store, KEY, b"old")
    async with store.lease(KEY) as lease:
        with pytest.raises(StoreUnavailable, match="disk is full; make room"):
            await lease.commit(Change(b"x" * 1_000_000, outbox=(b"entry",)))
    assert await store.peek(KEY) == b"old"
    await patiently(put(store, KEY, b"small", outbox=(b"first",)))
    pages = 1000
    with pytest.raises(StoreUnavailable):  # the next connection is the one with more room
        await put(store, KEY, b"x" * 1_000_000)
    await patiently(put(store, KEY, b"x" * 1_000_000))
    assert await store.acknowledge(KEY, b"first", None) is None
    await store.close()


async def test_who_waits_while_the_disk_is_full_is_told_so(path: Path, monkeypatch: Any) -> None:
    connect, big = schema.connect, b"x" * 1_000_000

    def full(path: str) -> sqlite3.Connection:
        db = connect(path)
        db.execute("PRAGMA max_page_count=60")
        return db

    monkeypatch.setattr(schema, "connect", full)
    store = SQLiteStore(path)
    await put(store, KEY, b"old")
    async with store.lease(KEY) as lease:
        tasks = [asyncio.create_task(put(store, KEY, big)) for _ in range(3)]
        await begun(*tasks)
        with pytest.raises(StoreUnavailable):
            await lease.commit(Change(big))
    told = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
    assert {type(error) for error in told} == {StoreUnavailable}
    await patiently(put(store, KEY, b"new"))
    await store.close()


async def test_a_person_who_keeps_the_file_locked_is_asked_to_let_go(path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        schema, "connect", lambda path: sqlite3.connect(path, timeout=0.05, isolation_level=None)
    )
    store = SQLiteStore(path)
    await put(store, KEY, b"row")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"locked.*close that program"):
            await put(store, KEY, b"row 2")
    await patiently(put(store, KEY, b"row 3"))
    assert await store.peek(KEY) == b"row 3"
    await store.close()


async def test_a_process_that_was_stopped_while_it_wrote_stops_no_other(path: Path, monkeypatch: Any) -> None:
    store = SQLiteStore(path)
    await put(store, KEY, b"row")
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    with open(f"{path}-lock") as side:
        fcntl.flock(side, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="locked"):
            await put(store, KEY, b"row 2")
        assert time.monotonic() - began < 5
        assert await store.peek(KEY) == b"row"
    await patiently(put(store, KEY, b"row 3"))
    await store.close()


# -- upgrades --------------------------------------------------------------------------------------


async def test_an_older_file_is_upgraded_and_keeps_its_rows(path: Path, monkeypatch: Any) -> None:
    await seed(path)
    step = ("ALTER TABLE record ADD COLUMN note TEXT NOT NULL DEFAULT 'new'",)
    monkeypatch.setattr(schema, "UPGRADES", (*schema.UPGRADES, step))
    store = SQLiteStore(path)
    assert await store.peek(KEY) == b"row"
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT note FROM record").fetchall() == [("new",)]
        assert db.execute("PRAGMA user_version").fetchone() == (len(schema.UPGRADES),)


async def test_updates_that_wait_in_an_older_file_are_read(path: Path) -> None:
    await seed(path)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE inbox DROP COLUMN attempts")
        db.execute("ALTER TABLE lease DROP COLUMN term")
        db.execute("ALTER TABLE record DROP COLUMN term")
        db.execute(
            "INSERT INTO inbox (bot, id, line, chat, user, received, body) VALUES (1, 5, 2, 2, 3, 0, '{}')"
        )
        db.execute("PRAGMA user_version=2")
        db.commit()
    store = SQLiteStore(path)
    await store.inbox(1).note_attempts([5], 1)
    assert [(update.id, update.attempts) for update in await store.inbox(1).waiting()] == [(5, 1)]
    await store.close()


async def test_an_upgrade_that_fails_changes_nothing(path: Path, monkeypatch: Any) -> None:
    await seed(path)
    steps = (*schema.UPGRADES, ("CREATE TABLE half (done)", "CREATE TABLE record (twice)"))
    monkeypatch.setattr(schema, "UPGRADES", steps)
    await refused(path, StoreUnavailable, "already exists")
    monkeypatch.undo()
    store = SQLiteStore(path)
    assert await store.peek(KEY) == b"row"
    await store.close()


async def test_claims_and_leases_go_by_the_stores_own_clock(path: Path) -> None:
    clock = ManualClock(50.0)
    store = SQLiteStore(path, clock=clock)
    await put(store, KEY, b"row", outbox=(b"entry",))
    assert await store.due(1, [], 1e12, 10) == []
    clock.advance(30)
    assert await store.due(1, [], 0.0, 10) == [KEY]
    await store.close()


async def test_a_clock_that_is_set_back_lets_nobody_wait_longer_than_a_lease_or_a_claim(path: Path) -> None:
    clock = ManualClock(6_400.0)
    holder = SQLiteStore(path, clock=ManualClock(10_000.0), lease_seconds=1)  # before that
    other = SQLiteStore(path, clock=clock)
    await put(holder, OTHER, b"row", outbox=(b"entry",))
    async with holder.lease(KEY):
        holder._writer._beat_at += 3600  # its process stands still
        waiting = asyncio.create_task(add_one(other, KEY))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        clock.advance(1.0)
        await asyncio.wait_for(waiting, PATIENCE)
    assert await other.due(1, [], 0.0, 10) == []
    clock.advance(CLAIM_SECONDS)
    assert await other.due(1, [], 0.0, 10) == [OTHER]
    for store in (holder, other):
        await store.close()


async def put_again_and_again(store: SQLiteStore) -> None:
    """Write rows: the thread may have begun to wait for one more before it was broken."""
    while True:
        await put(store, OTHER, b"row")


@pytest.mark.parametrize("where", ["_gather", "_fail"])
async def test_nobody_waits_for_a_thread_that_a_mistake_of_ours_has_ended(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def broken(*_args: object) -> None:
        raise OverflowError("a mistake of ours")

    await put(store, KEY, b"row")
    async with store.lease(KEY):
        waiting = asyncio.create_task(add_one(store, KEY))
        await asyncio.sleep(0)
        monkeypatch.setattr(store._writer, where, broken)
        if where == "_fail":
            monkeypatch.setattr(store._writer._file, "transaction", broken)
        with pytest.raises(
            StoreUnavailable, match=r"thread has failed: OverflowError\('a mistake of ours'\)"
        ):
            await put_again_and_again(store)
        with pytest.raises(StoreUnavailable):
            await waiting
    with pytest.raises(StoreUnavailable):
        await put(store, OTHER, b"row")
    assert "start the bot anew" in caplog.text
    await store.close()


async def test_a_row_that_another_has_written_under_a_lease_is_not_overwritten_and_the_turn_goes_on(
    store: SQLiteStore,
) -> None:
    await put(store, KEY, b"one")
    async with store.lease(KEY) as lease:
        snapshot = await store.snapshot(KEY)
        await snapshot.commit(Change(b"two", index=(Index("f", "a", None), Index("g", "b", None))))
        with pytest.raises(LeaseLost):
            await lease.commit(Change(b"three"))
        waiting = asyncio.create_task(put(store, KEY, b"four"))
    await waiting
    assert [(row.row, row.index) async for row in store.scan()] == [(b"four", ())]
    assert [row async for row in store.scan(flow="g")] == []


async def test_what_was_sent_meanwhile_is_no_loss_to_a_step_that_writes_the_same_row(
    store: SQLiteStore,
) -> None:
    async with store.lease(KEY) as lease:
        assert await lease.commit(Change(b"one", outbox=(b"entry",))) == b"entry"
    async with store.lease(KEY) as lease:
        await store.acknowledge(KEY, b"entry", b"receipt")
        await lease.commit(Change(b"two"))
    async with store.lease(KEY) as lease:
        assert (lease.row, list(lease.receipts)) == (b"two", [b"receipt"])
