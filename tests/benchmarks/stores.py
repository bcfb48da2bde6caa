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
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import attrs

from fsmkit.keys import Key
from fsmkit.stores import Change, Index, Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore

STEPS = 512
CHATS = (1, 64)
STORED = 2_000
"""Conversations in the file whose size is told."""

Write = Callable[[Key, bytes], Awaitable[None]]
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
    flow = b'[[["wizard",1,"city",%s,["name","age"],3,[],[]]],305419896,3,1763800000.5,[-100123,null,null,7,"en"],0]'
    return b'[{"wizard":%s}," tg:81273%d ",1763890000.5,3,{},[]]' % (flow % data, number)


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


async def race(rounds: int, contenders: list[Contender], directory: Path) -> dict[tuple[str, int], list[float]]:
    """All rounds; the first one warms up and is not counted."""
    figures: dict[tuple[str, int], list[float]] = {(c.name, chats): [] for c in contenders for chats in CHATS}
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


def tell(contenders: list[Contender], figures: dict[tuple[str, int], list[float]]) -> None:
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
    print(f"a stored conversation: {len(row_of(1))} bytes of row, {taken:.0f} bytes in the file of a SQLiteStore")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15, sys.argv[2:]))
