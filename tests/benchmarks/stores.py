"""Steps a second of each store, for 1 and for 64 chats, beside raw writes of the same row, interleaved.

Run it: `python tests/benchmarks/stores.py [ROUNDS] [NAME ...]`. A step is a lease, the read of the row, and
the commit of another one; in a round each contender has its turn, so that a slow moment of the machine
strikes all. The figures to quote are the ratios, medians over the rounds.

Another store joins with a function that yields `write(key, row)`, and the name of what it is compared with:

    @contender("mystore", baseline="raw mystore")
    async def mystore(directory: Path) -> AsyncIterator[Write]:
        async with opened(MyStore(...)) as write:
            yield write
"""

import asyncio
import contextlib
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import attrs

from fsmkit import Key
from fsmkit.stores import Change, Index, Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore

STEPS = 512
CHATS = (1, 64)
STORED = 2_000
"""Conversations in the file whose size is told."""

Write = Callable[[Key, bytes], Awaitable[None]]
Figures = dict[tuple[str, int], list[float]]
"""Steps a second of each round, by name and number of chats."""
Opening = Callable[[Path], contextlib.AbstractAsyncContextManager[Write]]


@attrs.frozen
class Contender:
    """One that is timed.

    Attributes:
        name: What it is called.
        baseline: Whom it is compared with, `None` for one that others are compared with.
        opening: Opens it in a directory of its own.
    """

    name: str
    baseline: str | None
    opening: Opening


CONTENDERS: list[Contender] = []


def contender(
    name: str, *, baseline: str | None = None
) -> Callable[[Callable[[Path], AsyncIterator[Write]]], None]:
    """Adds a contender."""

    def add(function: Callable[[Path], AsyncIterator[Write]]) -> None:
        CONTENDERS.append(Contender(name, baseline, contextlib.asynccontextmanager(function)))

    return add


def row_of(number: int) -> bytes:
    """A row of usual size, never the same twice: an identical one would not be written by some."""
    data = b'{"name":"Annegret","age":%d,"city":"Rome","sure":false}' % number
    frame = b'["wizard",1,"city",%s,["name","age"],3,[],[]]' % data
    flow = b'[[%s],305419896,3,1763800000.5,[-100123,null,null,7,"en"],0]' % frame
    return b'[{"wizard":%s}," tg:81273%d ",1763890000.5,3,{},[]]' % (flow, number)


@contextlib.asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Write]:
    """A store, writing one step at a time for each key; closed at the end."""

    async def write(key: Key, row: bytes) -> None:
        async with store.lease(key) as lease:
            await lease.commit(Change(row, 1763800000.5, (Index("wizard", "city", 1763800000.5),)))

    yield write
    await store.close()


@contender("memory", baseline="raw sqlite, FULL")
async def memory(directory: Path) -> AsyncIterator[Write]:
    """The reference, without any disk."""
    async with opened(MemoryStore()) as write:
        yield write


@contender("sqlite, FULL", baseline="raw sqlite, FULL")
async def sqlite_full(directory: Path) -> AsyncIterator[Write]:
    """Commits wait for the disk."""
    async with opened(SQLiteStore(directory / "bot.db")) as write:
        yield write


@contender("sqlite, NORMAL", baseline="raw sqlite, NORMAL")
async def sqlite_normal(directory: Path) -> AsyncIterator[Write]:
    """Commits wait for nothing."""
    async with opened(SQLiteStore(directory / "bot.db", synchronous="NORMAL")) as write:
        yield write


@contender("redis", baseline="plain redis")
async def redis_store(directory: Path) -> AsyncIterator[Write]:
    """Two scripts a step: the lease with the row, the commit."""
    from fsmkit.stores.redis import RedisStore

    with _redis_url() as url:
        async with opened(RedisStore(url)) as write:
            yield write


@contender("plain redis")
async def plain_redis(directory: Path) -> AsyncIterator[Write]:
    """One script a step by redis-py's own client, which reads the row and writes another one."""
    import redis.asyncio

    with _redis_url() as url:
        async with redis.asyncio.Redis.from_url(url) as client:
            script = "local old = redis.call('GET', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) return old"
            sha = await client.script_load(script)

            async def write(key: Key, row: bytes) -> None:
                await client.evalsha(sha, 1, str(key), row)

            yield write


@contextlib.contextmanager
def _redis_url() -> Iterator[str]:
    """The server that the tests would use: `FSMKIT_TEST_REDIS_URL`, or one of its own."""
    if given := os.environ.get("FSMKIT_TEST_REDIS_URL"):
        yield given
        return
    sys.path.append(str(Path(__file__).parents[1] / "stores"))
    from redis_server import RedisServer

    server = RedisServer()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@contender("postgres", baseline="plain postgres")
async def postgres_store(directory: Path) -> AsyncIterator[Write]:
    """Two statements a step, of which the commit waits for the disk."""
    from fsmkit.stores.postgres import PostgresStore

    with _postgres_dsn() as dsn:
        async with opened(PostgresStore(dsn)) as write:
            yield write


@contender("plain postgres")
async def plain_postgres(directory: Path) -> AsyncIterator[Write]:
    """One upsert a step by asyncpg's own pool."""
    import asyncpg

    with _postgres_dsn() as dsn:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=10) as pool:
            await pool.execute("CREATE TABLE plain (key text PRIMARY KEY, row bytea)")
            upsert = "INSERT INTO plain VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET row = excluded.row"

            async def write(key: Key, row: bytes) -> None:
                await pool.execute(upsert, str(key), row)

            yield write


@contextlib.contextmanager
def _postgres_dsn() -> Iterator[str]:
    """The server that the tests would use: `FSMKIT_TEST_POSTGRES_DSN`, or one of its own."""
    if given := os.environ.get("FSMKIT_TEST_POSTGRES_DSN"):
        yield given
        return
    sys.path.append(str(Path(__file__).parents[1] / "stores"))
    from postgres_server import PostgresServer

    server = PostgresServer(fsync=True)
    try:
        server.start()
        yield server.dsn
    finally:
        server.remove()


@contender("mongo", baseline="plain mongo")
async def mongo_store(directory: Path) -> AsyncIterator[Write]:
    """Two commands a step. Figures of a stand-in for the server say nothing of MongoDB but the ratio."""
    from fsmkit.stores.mongo import MongoStore

    with _mongo_url() as url:
        async with opened(MongoStore(url)) as write:
            yield write


@contender("plain mongo")
async def plain_mongo(directory: Path) -> AsyncIterator[Write]:
    """One upsert a step by pymongo's own client."""
    from pymongo import AsyncMongoClient

    with _mongo_url() as url:
        async with AsyncMongoClient[dict[str, object]](url) as client:
            rows = client.plain.rows

            async def write(key: Key, row: bytes) -> None:
                await rows.update_one({"_id": str(key)}, {"$set": {"row": row}}, upsert=True)

            yield write


@contextlib.contextmanager
def _mongo_url() -> Iterator[str]:
    """The server that the tests would use: `FSMKIT_TEST_MONGO_URL`, or the wheel's."""
    if given := os.environ.get("FSMKIT_TEST_MONGO_URL"):
        yield given
        return
    sys.path.append(str(Path(__file__).parents[1] / "stores"))
    from mongo_server import MongoServer

    server = MongoServer()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@contender("raw sqlite, FULL")
async def raw_full(directory: Path) -> AsyncIterator[Write]:
    """One upsert after the other, each in a transaction of its own."""
    with _raw(directory, "FULL") as write:
        yield write


@contender("raw sqlite, NORMAL")
async def raw_normal(directory: Path) -> AsyncIterator[Write]:
    """The same without waiting for the disk."""
    with _raw(directory, "NORMAL") as write:
        yield write


@contextlib.contextmanager
def _raw(directory: Path, synchronous: str) -> Iterator[Write]:
    db = sqlite3.connect(directory / "raw.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, row BLOB)")

    async def write(key: Key, row: bytes) -> None:
        db.execute(
            "INSERT INTO record VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row",
            (str(key), row),
        )

    yield write
    db.close()


async def timed(write: Write, chats: int, start: int) -> float:
    """Steps a second, all chats at once, each with its steps one after the other."""

    async def talk(chat: int) -> None:
        for number in range(STEPS // chats):
            await write(Key(chat=-100123, user=chat, bot=1), row_of(start + number))

    begin = time.perf_counter()
    await asyncio.gather(*(talk(chat) for chat in range(chats)))
    return STEPS / (time.perf_counter() - begin)


async def race(rounds: int, contenders: list[Contender], directory: Path) -> Figures:
    """All rounds; the first one warms up and is not counted."""
    figures: Figures = {(one.name, chats): [] for one in contenders for chats in CHATS}
    async with contextlib.AsyncExitStack() as stack:
        writes = {}
        for number, one in enumerate(contenders):
            (own := directory / str(number)).mkdir()
            writes[one.name] = await stack.enter_async_context(one.opening(own))
        for turn in range(rounds + 1):
            for chats in CHATS:
                for name, write in writes.items():
                    speed = await timed(write, chats, turn * STEPS)
                    if turn:
                        figures[name, chats].append(speed)
    return figures


async def size(directory: Path) -> float:
    """Bytes that one stored conversation takes in the file of a SQLiteStore."""
    async with opened(SQLiteStore(directory / "size.db", synchronous="NORMAL")) as write:
        await asyncio.gather(*(write(Key(-100123, user, bot=1), row_of(user)) for user in range(STORED)))
    return (directory / "size.db").stat().st_size / STORED


def tell(contenders: list[Contender], figures: Figures) -> None:
    """Prints the table."""
    for one in contenders:
        for chats in CHATS:
            mine = figures[one.name, chats]
            line = f"{one.name:20} {chats:3} chats {statistics.median(mine):9.0f} steps/s"
            if (one.baseline, chats) in figures and one.baseline is not None:
                ratios = [a / b for a, b in zip(mine, figures[one.baseline, chats], strict=True)]
                line += f", {statistics.median(ratios):6.2f} x {one.baseline}"
                line += f" (from {min(ratios):.2f} to {max(ratios):.2f})"
            print(line)


async def main(rounds: int, names: list[str]) -> None:
    """Times all contenders, or those named."""
    contenders = [one for one in CONTENDERS if not names or one.name in names]
    with tempfile.TemporaryDirectory() as directory:
        tell(contenders, await race(rounds, contenders, Path(directory)))
        taken = await size(Path(directory))
    print(f"a stored conversation: {len(row_of(1))} bytes of row, {taken:.0f} bytes in a SQLiteStore's file")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2:]))
