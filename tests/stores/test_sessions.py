"""The stores of servers wherever a program takes them: other loops, threads, and processes after a fork."""

import asyncio
import gc
import secrets
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fsmkit import Engine, Flow, Key, StoreUnavailable
from fsmkit.stores import Store
from fsmkit.stores.mongo import session as mongo_session
from fsmkit.testing.store_contract.base import KEY, add_one

# Before the import: they are plugins too, for there is one server of a kind in a session.
for plugin in ("redis", "postgres", "mongo"):
    pytest.register_assert_rewrite(f"stores.{plugin}_server")
from stores import fork_worker  # noqa: E402
from stores.postgres_server import run_sql  # noqa: E402
from stores.redis_server import client  # noqa: E402

pytest_plugins = ["stores.redis_server", "stores.postgres_server", "stores.mongo_server"]

SERVERS = {"redis": "redis_url", "postgres": "postgres_dsn", "mongo": "mongo_url"}
POOL = 10
THREADS = 3


class Place:
    """Data of a name of their own on one server."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url
        self.name = f"fsmkit_test_{secrets.token_hex(6)}"
        self.store = fork_worker.make(kind, url, self.name)

    async def end(self) -> None:
        """Remove the data."""
        if self.kind == "postgres":
            await run_sql(self.url, f"DROP SCHEMA IF EXISTS {self.name} CASCADE")
        elif self.kind == "redis":
            with client(self.url) as one:
                for key in one.scan_iter(f"{{{self.name}:*"):
                    one.delete(key)
        else:
            async with mongo_session.AsyncMongoClient(self.url) as beside:
                await beside.drop_database(self.name)


@pytest.fixture(params=list(SERVERS))
def place(request: pytest.FixtureRequest) -> Any:
    one = Place(request.param, request.getfixturevalue(SERVERS[request.param]))
    yield one
    asyncio.run(one.end())


def in_threads(store: Store, work: Any) -> None:
    """Run the same in threads with a loop each, in turns: no loop is the last one to come for long."""
    errors: list[BaseException] = []
    turn = threading.Barrier(THREADS)

    async def rounds(number: int) -> None:
        for _ in range(10):
            await asyncio.to_thread(turn.wait)
            await work(number)

    def run(number: int) -> None:
        try:
            asyncio.run(asyncio.wait_for(rounds(number), 40))
        except BaseException as error:
            turn.abort()
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_loops_side_by_side_keep_one_session_each(place: Place) -> None:
    made = []
    sessions: Any = place.store._sessions  # type: ignore[attr-defined]
    make = sessions._make
    sessions._make = lambda: made.append(make()) or made[-1]
    in_threads(place.store, lambda _: add_one(place.store, KEY))
    assert len(made) == THREADS

    async def last() -> bytes | None:
        row = await place.store.peek(KEY)
        await place.store.close()
        return row

    assert asyncio.run(last()) == b"30"
    gc.collect()  # what was not closed says so now, and warnings are errors


def test_an_engine_in_several_threads_needs_few_connections(place: Place) -> None:
    flow = Flow("count")
    flow.state("on")

    @flow.defstate(None, "on", on=str)
    def step(event: Any, ctx: Any) -> Any:
        return ("transition", "on", {"n": (ctx.data.get("n", 0) if ctx.data else 0) + 1})

    engine, most = Engine(flow, store=place.store), 0
    before = connections(place)

    async def send(number: int) -> None:
        nonlocal most
        await asyncio.gather(*(engine.send(Key(number, user), "x") for user in range(20)))
        if number == 0:
            most = max(most, await asyncio.to_thread(connections, place) - before)

    in_threads(place.store, send)
    assert 0 < most <= THREADS * {"redis": 2, "postgres": POOL + 1, "mongo": POOL + 2}[place.kind]


def connections(place: Place) -> int:
    """Return how many connections lead to the server, as the operating system counts them."""
    address, _, _ = place.url.partition("//")[2].rpartition("@")[2].partition("/")
    port = f":{int(address.rpartition(':')[2]):04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for line in lines if line.split()[2].endswith(port) and line.split()[3] == "01")


def test_a_loop_that_was_closed_without_an_end_leaves_nothing(place: Place) -> None:
    sessions: Any = place.store._sessions  # type: ignore[attr-defined]
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(add_one(place.store, KEY))
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        loop.close()
    asyncio.run(add_one(place.store, KEY))
    assert len(sessions._sessions) == 1


def test_close_reaches_the_loop_of_another_thread(place: Place) -> None:
    ready, closed = threading.Event(), threading.Event()
    left: list[Any] = []

    async def other() -> None:
        before = asyncio.all_tasks()
        await add_one(place.store, KEY)
        ready.set()
        await asyncio.to_thread(closed.wait)
        left.extend(asyncio.all_tasks() - before)
        with pytest.raises(StoreUnavailable, match="closed"):
            await place.store.peek(KEY)

    thread = threading.Thread(target=asyncio.run, args=(other(),))
    thread.start()
    ready.wait()
    asyncio.run(place.store.close())
    closed.set()
    thread.join()
    assert left == []


def run_worker(place: Place, *more: str) -> str:
    args = [sys.executable, fork_worker.__file__, place.kind, place.url, place.name, *more]
    done = subprocess.run(args, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_that_were_forked_do_not_take_each_other_for_themselves(place: Place) -> None:
    assert run_worker(place) == f"{1 + 5 * fork_worker.TIMES}"


def test_a_loop_that_was_inherited_is_refused_in_one_line(place: Place) -> None:
    said, row = run_worker(place, "inherited").splitlines()
    assert said == (
        "StoreMisconfigured: the store was used in this event loop before the process was forked. "
        "Run the child's work in a loop of its own: asyncio.run(...) after the fork"
    )
    assert row == "2"
