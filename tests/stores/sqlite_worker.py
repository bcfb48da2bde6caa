"""A process that works on a SQLiteStore, to be killed, stopped and started again by tests.

`python sqlite_worker.py nest FILE KEYS` starts a process for each line that it reads, and says its number; the
process steps until it is killed, then the nest says `dead`. `count FILE KEYS STEPS` counts and ends; `hold FILE`
takes a lease, waits for a line and commits; `parent FILE` forks a child, which does nothing, and goes on as
`hold`. `claim FILE` commits what is to be delivered, and delivers nothing. `fork FILE KEYS STEPS` steps, forks,
and then counts in both. Each says what it has done on its standard output, after the store
has answered.
"""

import asyncio
import os
import sys
import time
import zlib

from fsmkit import Key, LeaseLost
from fsmkit.stores import Change, Index
from fsmkit.stores.sqlite import SQLiteStore

LEASE_SECONDS = 1.0


def row_of(number: int) -> bytes:
    """A row that shows whether all of it is there; its size varies, also beyond a page of the file."""
    body = b"%d %s" % (number, b"x" * (number * 977 % 9000))
    return b"%d %s" % (zlib.crc32(body), body)


def number_of(row: bytes) -> int:
    """The number that a row was made of; fails if it is not whole."""
    number = int(row.split()[1])
    assert row == row_of(number)
    return number


def entries_of(number: int) -> tuple[bytes, ...]:
    """What the step with this number wants to send."""
    return tuple(b"%d.%d" % (number, place) for place in range(number % 3))


def say(*words: object) -> None:
    """One line, written at once: a killed process leaves nothing in a buffer."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def load(store: SQLiteStore, key: Key) -> None:
    """Steps and deliveries without end."""
    while True:
        async with store.lease(key) as lease:
            number = 1 if lease.row is None else number_of(lease.row) + 1
            index = (Index("load", f"s{number}", float(number)),)
            change = Change(row_of(number), float(number), index, entries_of(number), len(lease.receipts))
            entry = await lease.commit(change)
        say("step", key.user, number)
        while entry is not None:
            done, entry = entry, await store.acknowledge(key, entry, b"receipt of " + entry)
            say("sent", key.user, done.decode())


async def count(store: SQLiteStore, key: Key, steps: int) -> None:
    """So many steps; a lease that was lost is asked for again."""
    for _ in range(steps):
        while True:
            try:
                async with store.lease(key) as lease:
                    row = int(lease.row or b"0")
                    await asyncio.sleep(0)
                    await lease.commit(Change(b"%d" % (row + 1)))
            except LeaseLost:
                continue
            break
        say("step", key.user)


async def hold(store: SQLiteStore, key: Key) -> None:
    """A step that lasts until a line comes."""
    async with store.lease(key) as lease:
        say("held")
        await asyncio.to_thread(sys.stdin.readline)
        try:
            await lease.commit(Change(b"7"))
        except LeaseLost:
            say("lost")
        else:
            say("written")


async def claim(store: SQLiteStore, key: Key) -> None:
    """A delivery that lasts until the process ends."""
    async with store.lease(key) as lease:
        await lease.commit(Change(b"row", outbox=(b"one", b"two")))
    say("claimed")
    await asyncio.Event().wait()


def sleeper() -> int:
    """Forks a process that does nothing for as long as any test takes; its number."""
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    return child


def fork(path: str, keys: int, steps: int) -> None:
    """Uses one store before a fork, and in both processes after it."""
    store = SQLiteStore(path, lease_seconds=60.0)
    users = [Key(chat=1, user=user, bot=1) for user in range(keys)]

    async def work(steps: int) -> None:
        await asyncio.gather(*(count(store, key, steps) for key in users))

    asyncio.run(work(1))
    child = os.fork()
    asyncio.run(work(steps))
    if child == 0:
        os._exit(0)  # as a worker of gunicorn or multiprocessing may: without closing the store
    _, status = os.waitpid(child, 0)
    asyncio.run(store.close())
    sys.exit(os.waitstatus_to_exitcode(status))


def nest(path: str, keys: int) -> None:
    """Forks processes that step: Python and the library are imported once, and one is born in milliseconds."""
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            asyncio.run(main("load", path, keys, 0))
        say("born", child)
        os.waitpid(child, 0)
        say("dead")  # after all that it had said


async def main(what: str, path: str, keys: int, steps: int) -> None:
    """Does what the command line says."""
    store = SQLiteStore(path, lease_seconds=LEASE_SECONDS)
    users = [Key(chat=1, user=user, bot=1) for user in range(keys)]
    if what == "load":
        await asyncio.gather(*(load(store, key) for key in users))
    elif what == "count":
        await asyncio.gather(*(count(store, key, steps) for key in users))
    elif what == "claim":
        await claim(store, users[0])
    elif what == "parent":
        await count(store, users[0], 1)
        say("child", sleeper())
        await hold(store, users[0])
    else:
        await hold(store, users[0])
    await store.close()


if __name__ == "__main__":
    what, path, keys, steps, *_ = [*sys.argv[1:], *("1", "0")[len(sys.argv) - 3 :]]
    if what == "nest":
        nest(path, int(keys))
    elif what == "fork":
        fork(path, int(keys), int(steps))
    else:
        asyncio.run(main(what, path, int(keys), int(steps)))
