"""RedisStore when processes stand still or die, connections are cut, and the server goes away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fsmkit import Key, LeaseLost, StoreUnavailable
from fsmkit.stores import Change, tls
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.redis.leases import KeyPlace
from fsmkit.testing.store_contract.base import KEY, OTHER, PATIENCE, add_one, patiently, put

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.redis_server")
from stores.redis_server import Make, RedisServer  # noqa: E402

pytest_plugins = ["stores.redis_server"]

Client = Any
"""A plain client of the server (redis-py's own annotations are for sync and async at once)."""


# -- leases in real time -------------------------------------------------------------------------------


async def stand_still(store: RedisStore, key: Key, seconds: float) -> None:
    """Keeps a lease as a paused process does: nobody renews it."""
    async with store.lease(key) as lease:
        (await store.session()).turns.beat = lambda now: None  # type: ignore[method-assign]
        await asyncio.sleep(seconds)
        await lease.commit(Change(b"too late", outbox=(b"entry",)))


async def test_a_paused_process_loses_its_lease_and_writes_nothing(make: Make) -> None:
    paused, other = make(lease_seconds=0.2), make(lease_seconds=0.2)
    task = asyncio.create_task(stand_still(paused, KEY, 0.5))
    await asyncio.sleep(0.02)
    started = asyncio.get_running_loop().time()
    await patiently(add_one(other, KEY))
    assert 0.1 < asyncio.get_running_loop().time() - started < 0.4
    with pytest.raises(LeaseLost, match="nothing was written"):
        await task
    assert await other.peek(KEY) == b"1"


async def test_a_handler_that_takes_long_keeps_its_lease(make: Make) -> None:
    seconds = 0.6  # so much a busy machine may keep the process from its beats
    slow, other = make(lease_seconds=seconds), make(lease_seconds=seconds)
    async with slow.lease(KEY) as lease:
        task = asyncio.create_task(add_one(other, KEY))
        await asyncio.sleep(2.5 * seconds)
        assert not task.done()
        await lease.commit(Change(b"41"))
    await asyncio.wait_for(task, PATIENCE)
    assert await other.peek(KEY) == b"42"


async def test_a_waiter_that_died_is_passed_over(make: Make) -> None:
    store, dead, third = make(lease_seconds=0.3), make(lease_seconds=0.3), make(lease_seconds=0.3)
    async with store.lease(KEY):
        waiting = asyncio.create_task(add_one(dead, KEY))
        await asyncio.sleep(0.02)
        session = await dead.session()
        session.turns.beat = lambda now: None  # type: ignore[method-assign]
        await session._subscriber.close()  # as if its process had been killed: nobody listens any more
        task = asyncio.create_task(add_one(third, KEY))
        await asyncio.sleep(0.02)
    await asyncio.wait_for(task, 0.25)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_waiter_that_stands_still_is_passed_over_and_comes_back(make: Make) -> None:
    holder, still, third = (make(lease_seconds=0.6) for _ in range(3))
    order: list[str] = []

    async def step(store: RedisStore, name: str) -> None:
        async with store.lease(KEY):
            order.append(name)

    turns = (await still.session()).turns
    beat, turns.beat = turns.beat, lambda now: None  # type: ignore[method-assign]
    async with holder.lease(KEY):
        tasks = [asyncio.create_task(step(still, "still"))]
        await still.peek(KEY)
        tasks.append(asyncio.create_task(step(third, "third")))
        await asyncio.sleep(0.5)
    await asyncio.wait_for(tasks[1], 0.3)
    assert order == ["third"]
    turns.beat = beat  # type: ignore[method-assign]
    await asyncio.wait_for(tasks[0], PATIENCE)


# -- repeated commands ---------------------------------------------------------------------------------


async def test_a_script_that_runs_twice_has_run_once(make: Make) -> None:
    store = make()
    nodes, turns = (await store.session()).nodes, (await store.session()).turns
    shard, text = KeyPlace.of(KEY)
    token, commit, strike = turns.new_id(), turns.new_id(), turns.new_id()
    steps: list[tuple[Any, ...]] = [
        ("acquire", text, token, 999, ""),
        ("commit", text, token, 999, "", commit, "", "1", b"row", "", b"[]", b"[]", 0, 999, 9999, b"1", b"2"),
        ("strike", text, strike, 30_000, b"1", "1", b"receipt"),
        ("release", text, token, 999, 9999),
    ]
    for step in steps:
        assert await nodes.call(shard, *step) == await nodes.call(shard, *step)
    async with store.lease(KEY) as lease:
        assert (lease.row, list(lease.receipts)) == (b"row", [b"receipt"])
    assert await store.acknowledge(KEY, b"2", None) is None


async def test_a_repeated_commit_is_recognised_after_others(make: Make) -> None:
    store = make()
    nodes, turns = (await store.session()).nodes, (await store.session()).turns
    shard, text = KeyPlace.of(KEY)
    token, number = turns.new_id(), turns.new_id()
    await nodes.call(shard, "acquire", text, token, 15_000, "")
    step = ("commit", text, token, 15_000, "", number, "", "1", b"1", "", b"[]", b"[]", 0, 30_000, 9999)
    assert (await nodes.call(shard, *step))[:2] == [1, None]
    for commits in range(1, 50):
        await add_one(store, KEY)
        assert (await nodes.call(shard, *step))[:2] == [1, None], commits
    assert await store.peek(KEY) == b"50"
    await store.forget(KEY)
    assert await nodes.call(shard, *step) == [1, None, b""]
    assert await store.peek(KEY) is None


async def test_a_question_that_arrives_after_its_turn_takes_nothing(make: Make) -> None:
    store = make()
    nodes, turns = (await store.session()).nodes, (await store.session()).turns
    shard, text = KeyPlace.of(KEY)
    gone = turns.new_id()
    await nodes.call(shard, "release", text, gone, 15_000, 9999)
    assert await nodes.call(shard, "acquire", text, gone, 15_000, "") == [2]
    async with store.lease(KEY) as lease:
        await lease.commit(Change(b"1"))
        assert await nodes.call(
            shard, "acquire", text, f"{turns.process}00000002{turns.lease_ms:x}", 15_000, ""
        ) == [2]
    await asyncio.wait_for(add_one(store, KEY), 1.0)


# -- connections that are cut --------------------------------------------------------------------------


async def test_a_waiter_whose_subscription_is_cut_gets_its_turn(make: Make, beside: Client) -> None:
    store, other = make(), make()
    async with store.lease(KEY):
        task = asyncio.create_task(add_one(other, KEY))
        await asyncio.sleep(0.02)
        beside.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await asyncio.wait_for(task, 3.0)
    assert await store.peek(KEY) == b"1"


async def test_counters_stay_exact_while_all_connections_are_cut(make: Make, beside: Client) -> None:
    stores = [make(), make()]

    async def cut() -> None:
        for number in range(30):
            await asyncio.sleep(0.01)
            beside.execute_command("CLIENT", "KILL", "TYPE", "pubsub" if number % 3 == 0 else "normal")

    async def count(store: RedisStore, key: Key) -> None:
        for _ in range(40):
            await add_one(store, key)

    keys = [Key(1, user) for user in range(8)]
    await patiently(cut(), *(count(store, key) for store in stores for key in keys))
    assert [await stores[0].peek(key) for key in keys] == [b"80"] * 8


async def test_scripts_that_the_server_forgot_are_given_again(make: Make, beside: Client) -> None:
    store = make()
    await add_one(store, KEY)
    beside.script_flush()
    await patiently(*(add_one(store, key) for key in (KEY, OTHER, KEY)))
    assert (await store.peek(KEY), await store.peek(OTHER)) == (b"3", b"1")


# -- the server goes away ------------------------------------------------------------------------------


@pytest.fixture
async def lonely(own_server: RedisServer) -> AsyncIterator[RedisStore]:
    """A store whose server the test may stop."""
    store = RedisStore(own_server.url, retry_seconds=0.3, timeout=0.5)
    yield store
    await store.close()


async def test_a_server_that_comes_back_has_everything(own_server: RedisServer, lonely: RedisStore) -> None:
    await put(lonely, KEY, b"41", outbox=(b"one", b"two"))
    own_server.stop()
    own_server.start()
    await add_one(lonely, KEY)
    assert await lonely.peek(KEY) == b"42"
    assert await lonely.acknowledge(KEY, b"one", None) == b"two"


async def test_a_step_that_failed_can_be_sent_again(own_server: RedisServer, lonely: RedisStore) -> None:
    await add_one(lonely, KEY)
    own_server.stop()
    with pytest.raises(StoreUnavailable):
        await patiently(add_one(lonely, KEY))
    own_server.start()
    await add_one(lonely, KEY)
    assert await lonely.peek(KEY) == b"2"


async def test_a_server_that_has_answered_is_not_asked_about_tls(
    own_server: RedisServer, lonely: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking lets patience run on, in which a command that was carried out might be repeated too late."""

    async def speaks_tls(host: str, port: int) -> bool:
        raise AssertionError("it was asked")

    await add_one(lonely, KEY)
    monkeypatch.setattr(tls, "speaks_tls", speaks_tls)
    own_server.stop()
    with pytest.raises(StoreUnavailable):
        await patiently(add_one(lonely, KEY))


async def test_what_was_under_way_fails(own_server: RedisServer, lonely: RedisStore) -> None:
    async with lonely.lease(KEY) as lease:
        waiting = asyncio.create_task(add_one(lonely, KEY))
        await lonely.peek(KEY)
        own_server.stop()
        with pytest.raises(StoreUnavailable):
            await lease.commit(Change(b"1"))
        with pytest.raises(StoreUnavailable):
            await asyncio.wait_for(waiting, PATIENCE)
    own_server.start()
    assert await lonely.peek(KEY) is None


async def test_a_server_that_stands_still_is_given_up(own_server: RedisServer, lonely: RedisStore) -> None:
    await add_one(lonely, KEY)
    own_server.freeze()
    try:
        with pytest.raises(StoreUnavailable):
            await patiently(add_one(lonely, KEY))
    finally:
        own_server.freeze(on=False)
    await add_one(lonely, OTHER)
    assert await lonely.peek(OTHER) == b"1"


async def test_a_server_that_is_not_there_is_no_end(own_server: RedisServer, lonely: RedisStore) -> None:
    own_server.stop()
    with pytest.raises(StoreUnavailable):
        await lonely.peek(KEY)
    own_server.start()
    await add_one(lonely, KEY)
