"""The stores, an engine and `run` on uvloop's event loop, whose transports and signals are not asyncio's."""

import asyncio
import gc
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fsmkit import Engine, Flow, Key
from fsmkit.stores import Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing.store_contract.base import KEY, OTHER, add_one, put

# Before the import: they are plugins too, for there is one server of a kind in a session.
for plugin in ("redis", "postgres"):
    pytest.register_assert_rewrite(f"stores.{plugin}_server")
from bot_process import assert_clean, process, telegram  # noqa: E402
from stores.postgres_server import run_sql  # noqa: E402
from stores.redis_server import client  # noqa: E402

pytest_plugins = ["stores.redis_server", "stores.postgres_server"]
uvloop = pytest.importorskip("uvloop", reason="uvloop has no wheel for Windows")

KINDS = ("memory", "sqlite", "redis", "postgres")


def on_uvloop(work: Any) -> Any:
    """Run a coroutine in a loop of uvloop's, with a limit of time."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(work, 60))


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store that no loop has used, whose data go in the end."""
    name = f"fsmkit_test_{secrets.token_hex(6)}"
    match request.param:
        case "memory":
            yield MemoryStore()
        case "sqlite":
            yield SQLiteStore(tmp_path / "bot.db")
        case "redis":
            url = request.getfixturevalue("redis_url")
            yield RedisStore(url, prefix=name)
            with client(url) as beside:
                for key in beside.scan_iter(f"{{{name}:*"):
                    beside.delete(key)
        case "postgres":
            dsn = request.getfixturevalue("postgres_dsn")
            yield PostgresStore(dsn, schema=name)
            asyncio.run(run_sql(dsn, f"DROP SCHEMA IF EXISTS {name} CASCADE"))


def counting() -> Flow[Any]:
    flow: Flow[Any] = Flow("count")
    flow.state("on")

    @flow.defstate(None, "on", on=str)
    def step(event: Any, ctx: Any) -> Any:
        return ("transition", "on", {"n": (ctx.data.get("n", 0) if ctx.data else 0) + 1})

    return flow


def test_a_store_keeps_its_contract(store: Store) -> None:
    async def walk() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        await asyncio.gather(*(add_one(store, key) for key in (KEY, OTHER) * 10))
        assert [await store.peek(key) for key in (KEY, OTHER)] == [b"10", b"10"]
        await put(store, OTHER, b"due", wake=5.0, index=[("count", "on")])
        assert await store.due(OTHER.bot, ["count"], 9.0, 10) == [OTHER]
        async with store.lease(KEY) as lease:  # who comes second waits, and sees what the first one wrote
            second = asyncio.ensure_future(add_one(store, KEY))
            await asyncio.wait({second}, timeout=0.05)
            assert not second.done()
            assert lease.row == b"10"
        await second
        assert [row.key async for row in store.scan(bot=1)] == sorted([KEY, OTHER], key=str)
        await put(store, OTHER, None)
        assert [await store.peek(key) for key in (KEY, OTHER)] == [b"11", None]
        await store.close()

    on_uvloop(walk())
    gc.collect()  # what was not closed says so now, and warnings are errors


@pytest.mark.parametrize("store", [kind for kind in KINDS if kind != "memory"], indirect=True)
@pytest.mark.parametrize("other", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_an_engine_works_in_two_threads_side_by_side(
    store: Store, other: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    flow, errors = counting(), []
    engine = Engine(flow, store=store)
    turn = threading.Barrier(2)

    async def send() -> None:
        for _ in range(5):
            await asyncio.to_thread(turn.wait, 30)
            await asyncio.gather(*(engine.send(Key(1, user), "x") for user in (1, 1, 2)))

    def work(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
        try:
            with asyncio.Runner(loop_factory=factory) as runner:
                runner.run(asyncio.wait_for(send(), 60))
        except BaseException as error:
            turn.abort()
            errors.append(error)

    threads = [threading.Thread(target=work, args=(factory,)) for factory in (uvloop.new_event_loop, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    async def counts() -> list[int]:
        handles = [engine.at(flow, Key(1, user)) for user in (1, 2)]
        found = [(await handle.get_data())["n"] for handle in handles]
        await store.close()
        return found

    assert errors == []
    assert on_uvloop(counts()) == [20, 10]
    gc.collect()


BOT = """
import asyncio
import uvloop
from fsmkit import Flow
from fsmkit.telegram import command, run, text

flow = Flow("loops")
flow.state("said")

@flow.defstate(None, on=command("start"))
async def start(event, ctx):
    ctx.reply(type(asyncio.get_running_loop()).__module__)
    return ("transition", "said")

@flow.defstate("said", on=text())
def say(event, ctx):
    ctx.reply("still " + event.text)

if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    run(flow, store={store!r})
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_a_bot_runs_and_ends_cleanly_and_goes_on_after_it(
    tmp_path: Path, ending: signal.Signals
) -> None:
    (tmp_path / "bot.py").write_text(BOT.format(store="sqlite:bot.db"))
    async with telegram() as (offline, settings):
        async with process(offline, "bot.py", cwd=tmp_path, **settings) as bot:
            offline.say("/start", user=1)
            await bot.answered(1, "uvloop")
            assert_clean(await bot.end(ending))
        async with process(offline, "bot.py", cwd=tmp_path, **settings) as bot:
            offline.say("here", user=1)
            await bot.answered(1, "still here")
            assert_clean(await bot.end(ending))
