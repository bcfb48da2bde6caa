"""What the stores cost: a live chat in memory, look-ups, deadlines, and steps on a disk or a server.

A step of a store is a lease, the read of the row, and the commit of another one. Another store joins with
a `Contender` of its own: a function that opens it and yields `write(key, row)`.
"""

import asyncio
import contextlib
import gc
import itertools
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from fsmkit import ANY, END, Engine, Flow, Key
from fsmkit import Timeout as TimedOut
from fsmkit.stores import Change, Index, Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock
from tests.benchmarks import bots
from tests.benchmarks.measuring import PROCESSOR, ROOT, SLICES, WALL, Comparison, Kind, Load, Measure

LIVE = 100_000
"""Conversations of a large bot that are under way at the same time."""
WRITES = 512
"""Of each slice."""
Write = Callable[[Key, bytes], Awaitable[None]]
Opening = Callable[[], contextlib.AbstractAsyncContextManager[Write]]


def row_of(number: int) -> bytes:
    """Return a row of usual size, never the same twice: an identical one would not be written by some."""
    data = b'{"name":"Annegret","age":%d,"city":"Rome","sure":false}' % number
    frame = b'["wizard",1,"city",%s,["name","age"],3,[],[]]' % data
    flow = b'[[%s],305419896,3,1763800000.5,[-100123,null,null,7,"en"],0]' % frame
    return b'[{"wizard":%s}," tg:81273%d ",1763890000.5,3,{},[]]' % (flow, number)


def key_of(chat: int) -> Key:
    """Return the key of a person in a group."""
    return Key(chat=-100123, user=chat, bot=1)


# -- in memory ---------------------------------------------------------------------------------------


async def _bytes_of(app: Any, load: Load) -> float:
    users, updates = load.of(LIVE, 2000), bots.Updates(app.bot)
    for user in range(users, users + users // 10):  # the heap has its holes before the count begins
        await app.process_update(updates.said(user, "/start"))
    gc.collect()
    before = _resident()
    for text in ("/start", "Ann"):
        for user in range(users):
            await app.process_update(updates.said(user + 10_000_000, text))
    gc.collect()
    return (_resident() - before) / users


def _resident() -> int:
    """Return the bytes of memory that this process takes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def kit_bytes(load: Load) -> float:
    """Bytes for each conversation, a step after its begin: row, index, deadline, event ids."""
    app, _ = await bots.kit(bots.form_flow())
    return await _bytes_of(app, load)


async def handler_bytes(load: Load) -> float:
    """The same with a `ConversationHandler`: its state, and the data in `user_data`."""
    return await _bytes_of(await bots.conversation_handler(), load)


async def due_at_once(load: Load) -> float:
    """Milliseconds of processor time for which nothing else comes to its turn while all deadlines fire."""
    flow, fired = Flow[Any]("due", data=bots.Form, ttl=60), 0

    @flow.defstate(None, on=str)
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "waiting", bots.Form())

    flow.state("waiting")

    @flow.defstate(ANY, on=TimedOut)
    def late(event: Any, ctx: Any) -> Any:
        nonlocal fired
        fired += 1
        return END

    clock, chats = ManualClock(1_763_800_000.0), load.of(LIVE, 500)
    engine = Engine(flow, clock=clock)
    for chat in range(chats):
        await engine.send(Key(chat=chat, user=chat), "start")
    gc.collect()
    async with engine:
        clock.advance(61)
        longest, last = 0.0, time.process_time()
        while fired < chats:
            clock.advance(1)  # the sweeper's own pauses are none for this clock
            await asyncio.sleep(0)
            now = time.process_time()
            longest, last = max(longest, now - last), now
    return longest * 1000


async def _stored(load: Load) -> MemoryStore:
    """Return a store with many conversations, in groups of three."""
    store = MemoryStore(ManualClock(1_763_800_000.0))
    for chat in range(load.of(load.size, 200)):
        async with store.lease(Key(chat=-(chat // 3) - 1, user=chat, bot=1)) as lease:
            wake = 1_763_880_000.0 + chat
            await lease.commit(Change(row_of(chat), wake, (Index("wizard", "city", wake),)))
    gc.collect()
    return store


async def _lookup(load: Load, look: Callable[[MemoryStore, int], Awaitable[object]]) -> float:
    store = await _stored(load)
    chats = random.Random(1).sample(range(60), 9)
    took = []
    for chat in chats:
        begin = time.process_time()
        await look(store, chat)
        took.append(time.process_time() - begin)
    return sorted(took)[len(took) // 2] * 1000


async def keys_of_chat(load: Load) -> float:
    """`store.keys(chat)`, milliseconds."""

    async def look(store: MemoryStore, chat: int) -> None:
        assert len(await store.keys(-(chat // 3) - 1)) == 3

    return await _lookup(load, look)


async def keys_of_user(load: Load) -> float:
    """`store.keys_of(user)`, milliseconds."""

    async def look(store: MemoryStore, chat: int) -> None:
        assert [key.user for key in await store.keys_of(chat)] == [chat]

    return await _lookup(load, look)


async def first_of_scan(load: Load) -> float:
    """The first row of `store.scan()`, milliseconds."""

    async def look(store: MemoryStore, chat: int) -> None:
        async for stored in store.scan():
            assert stored.row
            break

    return await _lookup(load, look)


# -- on a disk, on a server --------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Write]:
    """Yield what writes one step at a time for each key, and close the store at the end."""

    async def write(key: Key, row: bytes) -> None:
        async with store.lease(key) as lease:
            await lease.commit(Change(row, 1763800000.5, (Index("wizard", "city", 1763800000.5),)))

    yield write
    await store.close()


@contextlib.asynccontextmanager
async def memory() -> AsyncIterator[Write]:
    """The reference, without any disk."""
    async with opened(MemoryStore()) as write:
        yield write


def sqlite(synchronous: Any) -> Opening:
    """Return what opens a `SQLiteStore`; with `FULL`, commits wait for the disk."""

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Write]:
        with tempfile.TemporaryDirectory() as home:
            async with opened(SQLiteStore(Path(home) / "bot.db", synchronous=synchronous)) as write:
                yield write

    return opening


def upserts(synchronous: str, *, together: bool) -> Opening:
    """Return what opens a table of SQLite's own, written by hand.

    Args:
        synchronous: The setting of that name.
        together: Whether what all chats want written at the same time is one transaction.
    """

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Write]:
        waiting: list[tuple[tuple[str, bytes], asyncio.Future[None]]] = []
        with tempfile.TemporaryDirectory() as home:
            db = sqlite3.connect(Path(home) / "raw.db", isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={synchronous}")
            db.execute("CREATE TABLE record (key TEXT PRIMARY KEY, row BLOB)")
            upsert = "INSERT INTO record VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row"

            def flush() -> None:
                batch, waiting[:] = waiting[:], []
                db.execute("BEGIN IMMEDIATE")
                db.executemany(upsert, [row for row, _ in batch])
                db.execute("COMMIT")
                for _, written in batch:
                    written.set_result(None)

            async def write_together(key: Key, row: bytes) -> None:
                loop = asyncio.get_running_loop()
                written: asyncio.Future[None] = loop.create_future()
                if not waiting:
                    loop.call_soon(flush)
                waiting.append(((str(key), row), written))
                await written

            async def write(key: Key, row: bytes) -> None:
                db.execute(upsert, (str(key), row))

            yield write_together if together else write
            db.close()

    return opening


@contextlib.asynccontextmanager
async def redis_store() -> AsyncIterator[Write]:
    """Two scripts a step: the lease with the row, the commit."""
    from fsmkit.stores.redis import RedisStore

    with redis_url() as url:
        async with opened(RedisStore(url)) as write:
            yield write


@contextlib.asynccontextmanager
async def plain_redis() -> AsyncIterator[Write]:
    """One script a step by redis-py's own client, which reads the row and writes another one."""
    import redis.asyncio

    with redis_url() as url:
        async with redis.asyncio.Redis.from_url(url) as client:
            script = "local old = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return old"
            sha = await client.script_load(script)

            async def write(key: Key, row: bytes) -> None:
                await client.evalsha(sha, 1, str(key), row)

            yield write


@contextlib.asynccontextmanager
async def postgres_store() -> AsyncIterator[Write]:
    """Two statements a step, of which the commit waits for the disk."""
    from fsmkit.stores.postgres import PostgresStore

    with postgres_dsn() as dsn:
        async with opened(PostgresStore(dsn)) as write:
            yield write


@contextlib.asynccontextmanager
async def plain_postgres() -> AsyncIterator[Write]:
    """One upsert a step by asyncpg's own pool."""
    import asyncpg

    with postgres_dsn() as dsn:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=10) as pool:
            await pool.execute("CREATE TABLE plain (key text PRIMARY KEY, row bytea)")
            upsert = "INSERT INTO plain VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET row = excluded.row"

            async def write(key: Key, row: bytes) -> None:
                await pool.execute(upsert, str(key), row)

            yield write


@contextlib.asynccontextmanager
async def mongo_store() -> AsyncIterator[Write]:
    """Two commands a step. Figures of a stand-in for the server say nothing of MongoDB but the ratio."""
    from fsmkit.stores.mongo import MongoStore

    with _mongo_url() as url:
        async with opened(MongoStore(url)) as write:
            yield write


@contextlib.asynccontextmanager
async def plain_mongo() -> AsyncIterator[Write]:
    """One upsert a step by pymongo's own client."""
    from pymongo import AsyncMongoClient

    with _mongo_url() as url:
        async with AsyncMongoClient[dict[str, object]](url) as client:
            rows = client.plain.rows

            async def write(key: Key, row: bytes) -> None:
                await rows.update_one({"_id": str(key)}, {"$set": {"row": row}}, upsert=True)

            yield write


@contextlib.contextmanager
def redis_url() -> Iterator[str]:
    """Yield the URL of a server of our own; `FSMKIT_TEST_REDIS_URL` names another one."""
    with _server("FSMKIT_TEST_REDIS_URL", "redis_server", "RedisServer", "url") as url:
        yield url


@contextlib.contextmanager
def postgres_dsn() -> Iterator[str]:
    """Yield the address of a server of our own; `FSMKIT_TEST_POSTGRES_DSN` names another one."""
    with _server("FSMKIT_TEST_POSTGRES_DSN", "postgres_server", "PostgresServer", "dsn", fsync=True) as dsn:
        yield dsn


@contextlib.contextmanager
def _mongo_url() -> Iterator[str]:
    with _server("FSMKIT_TEST_MONGO_URL", "mongo_server", "MongoServer", "url") as url:
        yield url


@contextlib.contextmanager
def _server(variable: str, module: str, kind: str, address: str, **settings: Any) -> Iterator[str]:
    """Start a server of the tests, unless the environment names one."""
    if given := os.environ.get(variable):
        yield given
        return
    sys.path.append(str(ROOT / "tests" / "stores"))
    server = getattr(__import__(module), kind)(**settings)
    try:
        server.start()
        yield str(getattr(server, address))
    finally:
        server.remove()


_numbers = itertools.count()
"""Of rows: no row is written a second time."""


async def written(write: Write, chats: int, count: int, first: int = 0) -> None:
    """Write for all chats at the same time, for each one row after the other."""

    async def talk(chat: int) -> None:
        for _ in range(-(-count // chats)):
            await write(key_of(chat), row_of(next(_numbers)))

    await asyncio.gather(*(talk(chat) for chat in range(first, first + chats)))


def _measured(opening: Opening, clock: Callable[[], float]) -> Measure:
    """Return what measures a step of a store by a clock, in µs."""

    async def measured(load: Load) -> float:
        count, took = load.of(WRITES, load.size), []
        async with opening() as write:
            await written(write, load.size, count)
            for _ in range(1 if load.quick else SLICES):
                load.turn()
                begin = clock()
                await written(write, load.size, count)
                took.append((clock() - begin) / count * 1e6)
        return statistics.median(took)

    return measured


def steps_on(opening: Opening) -> Measure:
    """Return what measures a step on the clock on the wall: a disk or a server is in it."""
    return _measured(opening, time.perf_counter)


def client_of(opening: Opening) -> Measure:
    """Return what measures the processor time of a step in the bot's own process, threads included."""
    return _measured(opening, time.process_time)


def server_of(opening: Opening) -> Measure:
    """Return what measures the processor time of a step in the processes of the server."""
    return _measured(opening, _time_of_children)


def _time_of_children() -> float:
    """Return the processor seconds that this process's children, and theirs, have used so far."""
    children: dict[int, list[Path]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has just ended
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            children.setdefault(int(parent), []).append(process)
    used, ours = 0, [os.getpid()]
    while ours:
        for process in children.get(ours.pop(), []):
            ours.append(int(process.name))
            with contextlib.suppress(OSError):
                used += sum(int(each.read_text().split()[0]) for each in process.glob("task/*/schedstat"))
    return used / 1e9


async def bytes_on_disk(load: Load) -> float:
    """Bytes that one stored conversation takes in the file of a `SQLiteStore`."""
    chats = load.of(2000, 100)
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "bot.db"
        async with opened(SQLiteStore(file, synchronous="NORMAL")) as write:
            await written(write, chats, chats)
        return file.stat().st_size / chats


async def bytes_in_redis(load: Load) -> float:
    """Bytes that one stored conversation takes in the memory of the server."""
    import redis.asyncio

    from fsmkit.stores.redis import RedisStore

    chats = load.of(10_000, 100)
    with redis_url() as url:
        async with redis.asyncio.Redis.from_url(url) as client, opened(RedisStore(url)) as write:
            await written(write, 100, 100)
            before = (await client.info("memory"))["used_memory"]
            await written(write, chats, chats, first=1000)
            return ((await client.info("memory"))["used_memory"] - before) / chats


# -- many processes ----------------------------------------------------------------------------------


def shared_by_workers(url_of: Callable[[], contextlib.AbstractContextManager[str]]) -> Measure:
    """Return what measures the processor time of a step in all of many processes on one store."""

    async def measured(load: Load) -> float:
        with url_of() as url:
            count = load.of(2048, 64)
            workers = [
                subprocess.Popen(  # noqa: ASYNC220  # nothing else runs in this loop
                    [sys.executable, "-m", f"{__package__}.worker", url, str(64 * number), str(count)],
                    stdout=subprocess.PIPE,
                    cwd=ROOT,
                )
                for number in range(load.size)
            ]
            used = [float(worker.communicate()[0]) for worker in workers]
            assert all(worker.returncode == 0 for worker in workers)
        return sum(used) / len(used)

    return measured


@contextlib.contextmanager
def sqlite_url() -> Iterator[str]:
    """Yield the URL of a file that several processes write."""
    with tempfile.TemporaryDirectory() as home:
        yield f"sqlite:{home}/bot.db"


_KIT = "fsmkit"


def _steps(
    name: str,
    title: str,
    mine: Opening,
    others: dict[str, Opening],
    goal: float | None = None,
    *,
    server: bool = False,
) -> Comparison:
    contenders = {who: steps_on(opening) for who, opening in {_KIT: mine, **others}.items()}
    return Comparison(
        name, title, WALL, contenders, goal, axis="chats at a time", sizes=(1, 64), alone=server
    )


COMPARISONS = (
    Comparison(
        "memory",
        "A conversation in memory, of 100,000",
        "bytes",
        {_KIT: kit_bytes, "ConversationHandler": handler_bytes},
        goal=900,
        kind=Kind.VALUE,
        most=1,
        alone=True,
    ),
    Comparison(
        "deadlines",
        "100,000 deadlines are due at once: longest block of the loop",
        "ms of processor time",
        {_KIT: due_at_once},
        goal=10,
        kind=Kind.VALUE,
        most=3,
    ),
    *(
        Comparison(
            name,
            f"{title}, 100,000 conversations in memory",
            "ms of processor time",
            {_KIT: measured},
            goal=0.1,
            kind=Kind.VALUE,
            axis="conversations",
            sizes=(1_000, LIVE),
            most=3,
        )
        for name, title, measured in (
            ("keys", "`store.keys(chat)`", keys_of_chat),
            ("keys_of", "`store.keys_of(user)`", keys_of_user),
            ("scan", "First row of `store.scan()`", first_of_scan),
        )
    ),
    _steps("memory-store", "A step of the MemoryStore", memory, {}),
    _steps(
        "sqlite",
        "A step of the SQLiteStore, FULL",
        sqlite("FULL"),
        {
            "batched upserts": upserts("FULL", together=True),
            "single upserts": upserts("FULL", together=False),
        },
        3.0,
    ),
    _steps(
        "sqlite-normal",
        "A step of the SQLiteStore, NORMAL",
        sqlite("NORMAL"),
        {
            "batched upserts": upserts("NORMAL", together=True),
            "single upserts": upserts("NORMAL", together=False),
        },
    ),
    _steps(
        "redis", "A step of the RedisStore", redis_store, {"one Lua GET+SET": plain_redis}, 2.0, server=True
    ),
    _steps(
        "postgres", "A step of the PostgresStore", postgres_store, {"one upsert": plain_postgres}, server=True
    ),
    _steps("mongo", "A step of the MongoStore", mongo_store, {"one upsert": plain_mongo}, server=True),
    *(
        Comparison(
            f"{name}-{side}",
            f"{title}: {where}",
            PROCESSOR,
            {_KIT: of(mine), other: of(theirs)},
            axis="chats at a time",
            sizes=(64,),
            alone=True,
        )
        for name, title, mine, other, theirs in (
            ("redis", "A step of the RedisStore", redis_store, "one Lua GET+SET", plain_redis),
            ("postgres", "A step of the PostgresStore", postgres_store, "one upsert", plain_postgres),
        )
        for side, where, of in (
            ("server", "the server's processes", server_of),
            ("client", "the bot's process", client_of),
        )
    ),
    Comparison(
        "file",
        "A stored conversation in the SQLiteStore's file",
        "bytes",
        {_KIT: bytes_on_disk},
        kind=Kind.VALUE,
        most=1,
    ),
    Comparison(
        "redis-bytes",
        "A stored conversation in Redis",
        "bytes",
        {_KIT: bytes_in_redis},
        kind=Kind.VALUE,
        most=1,
        alone=True,
    ),
    *(
        Comparison(
            f"workers-{name}",
            f"A step with many processes on one {title}",
            PROCESSOR,
            {_KIT: shared_by_workers(url_of)},
            kind=Kind.GROWTH,
            axis="workers",
            sizes=(1, 2, 4, 8),
            alone=True,
        )
        for name, title, url_of in (
            ("sqlite", "SQLite file", sqlite_url),
            ("redis", "Redis", redis_url),
        )
    ),
)
