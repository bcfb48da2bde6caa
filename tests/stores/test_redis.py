"""RedisStore: the contract, and what only many processes or a server that goes away can show."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from chat_events import said
from stores.store_flows import asking_flow, counting_flow

from fsmkit import Engine, Flow, Key, Timeout
from fsmkit.stores import CLAIM_SECONDS, Change, Store
from fsmkit.stores.redis import RedisStore
from fsmkit.testing import ManualClock, StoreContract
from fsmkit.testing.store_contract.base import KEY, OTHER, PATIENCE, START, add_one, patiently, put

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.redis_server")
from stores.redis_server import Make, calls  # noqa: E402

pytest_plugins = ["stores.redis_server"]

Client = Any
"""A plain client of the server (redis-py's own annotations are for sync and async at once)."""


class TestRedisStore(StoreContract):
    @pytest.fixture
    async def store(self, redis_url: str, prefix: str) -> AsyncIterator[Store]:
        self.url, self.prefix = redis_url, prefix
        store = RedisStore(redis_url, prefix=prefix)
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        return RedisStore(self.url, prefix=self.prefix)

    async def expire_leases(self, store: Store) -> None:
        with redis.Redis.from_url(self.url) as beside:
            for name in beside.scan_iter(f"{{{self.prefix}:*:lease:*"):
                beside.delete(name)

    async def expire_claims(self, store: Store) -> None:
        with redis.Redis.from_url(self.url) as beside:
            for name in beside.scan_iter(f"{{{self.prefix}:*:unsent:*"):
                base = name[: name.index(b"}") + 1]
                for key, till in beside.zrange(name, 0, -1, withscores=True):
                    earlier = round(till - CLAIM_SECONDS * 1000 - 100)
                    beside.zadd(name, {key: earlier})
                    beside.hset(base + b":row:" + key, "c", earlier)

    async def pass_time(self, store: Store, seconds: float) -> None:
        with redis.Redis.from_url(self.url) as beside:
            for kind in ("struck", "since"):
                for name in beside.scan_iter(f"{{{self.prefix}:*:inbox-{kind}:*"):
                    for member, since in beside.zrange(name, 0, -1, withscores=True):
                        beside.zadd(name, {member: since - seconds})


# -- what a step costs ---------------------------------------------------------------------------------


async def test_a_step_is_two_commands(store: RedisStore, beside: Client) -> None:
    await add_one(store, KEY)
    before = calls(beside)
    for _ in range(50):
        await add_one(store, KEY)
    assert calls(beside) - before == 100


async def test_a_step_with_a_reply_is_three_commands(store: RedisStore, beside: Client) -> None:
    await add_one(store, KEY)
    before = calls(beside)
    for number in range(50):
        entry = await put(store, KEY, b"row", outbox=(b"%d" % number,))
        assert entry is not None
        assert await store.acknowledge(KEY, entry, b"receipt") is None
    assert calls(beside) - before == 150


async def test_a_step_is_two_commands_under_contention_too(make: Make, beside: Client) -> None:
    stores = [make(), make()]
    await patiently(*(add_one(store, OTHER) for store in stores))
    before = calls(beside)
    await patiently(*(add_one(store, KEY) for _ in range(50) for store in stores))
    assert await stores[0].peek(KEY) == b"100"
    assert calls(beside) - before == 200


async def test_an_engine_with_replies_needs_three_commands_a_step(store: RedisStore, beside: Client) -> None:
    sent: list[str] = []
    engine = Engine(counting_flow(), store=store, deliver=lambda key, effect: sent.append(effect.text))
    await engine.send(KEY, "begin", id=0)
    before = calls(beside)
    for number in range(1, 21):
        assert (await engine.send(KEY, number, id=number)).kind == "handled"
    assert calls(beside) - before == 60
    assert sent == [f"{number}" for number in range(1, 21)]


async def test_an_event_that_nothing_can_want_is_one_command(store: RedisStore, beside: Client) -> None:
    engine = Engine(asking_flow(), store=store, deliver=lambda key, effect: 1)
    await engine.send(KEY, said("Ann"))
    before = calls(beside)
    for user in range(20):
        assert (await engine.send(Key(1, user), said("Ann"))).kind == "passed"
    assert calls(beside) - before == 20
    assert (await engine.send(KEY, said("/start"))).kind == "handled"
    before = calls(beside)
    assert (await engine.send(KEY, said("Ann"))).kind == "handled"
    assert (await engine.send(KEY, said("Bob"))).kind == "passed"  # the row is there still: it knows ids
    assert calls(beside) - before == 3


async def test_all_commands_are_scripts_and_nothing_else_is_sent(store: RedisStore, beside: Client) -> None:
    await add_one(store, KEY)
    with beside.monitor() as monitor:
        await add_one(store, KEY)
        await store.peek(KEY)
        seen: list[str] = []
        while not seen or seen[-1] != "HGET":
            command = monitor.next_command()
            name = command["command"].split()[0].upper()
            if command["client_type"] != "lua" and name != "PING":
                seen.append(name)
    assert seen == ["EVALSHA", "EVALSHA", "HGET"]


# -- order ---------------------------------------------------------------------------------------------


async def test_first_come_first_served_across_processes(make: Make) -> None:
    stores = [make() for _ in range(3)]
    await patiently(*(add_one(store, OTHER) for store in stores))
    for trial in range(60):
        key, order = Key(1, trial), list[int]()

        async def step(number: int, key: Key = key, order: list[int] = order) -> None:
            async with stores[number % 3].lease(key) as lease:
                order.append(number)
                await lease.commit(Change(b"%d" % number))

        async with stores[0].lease(key):
            tasks = []
            for number in range(9):
                tasks.append(asyncio.create_task(step(number)))
                # The order in which the server hears of them: each store's own line is in order already.
                await stores[number % 3].peek(key)
        await patiently(asyncio.wait_for(asyncio.gather(*tasks), PATIENCE))
        assert order == list(range(9))


async def test_who_gave_up_leaves_nothing_behind(make: Make, beside: Client, prefix: str) -> None:
    store = make()
    async with store.lease(KEY):
        task = asyncio.create_task(add_one(store, KEY))
        await store.peek(KEY)
        assert list(beside.scan_iter(f"{{{prefix}:*:queue:*")) != []
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)
        await store.peek(KEY)
        assert list(beside.scan_iter(f"{{{prefix}:*:queue:*")) == []


async def test_nothing_is_left_but_what_is_stored(make: Make, beside: Client, prefix: str) -> None:
    stores = [make(), make()]
    await patiently(*(add_one(store, Key(1, n % 5)) for n in range(20) for store in stores))
    for user in range(5):
        assert await stores[0].forget(Key(1, user)) == 1
    left = [name for name in beside.scan_iter(f"{{{prefix}:*") if b":done:" not in name]
    assert sorted(left) == [f"{{{prefix}:0}}:{name}".encode() for name in ("meta", "workers")]
    for store in stores:
        await store.close()
    assert not beside.exists(f"{{{prefix}:0}}:workers")
    assert all(beside.pttl(name) > 0 for name in beside.scan_iter(f"{{{prefix}:*:done:*"))


# -- deadlines -----------------------------------------------------------------------------------------


async def test_each_deadline_goes_to_one_sweeper(make: Make) -> None:
    stores = [make() for _ in range(4)]
    keys = [Key(1, user, bot=1) for user in range(400)]
    await patiently(*(put(stores[0], key, b"row", wake=START, index=[("form", "x")]) for key in keys))
    taken = await patiently(*(store.due(1, ["form"], START, 50) for _ in range(3) for store in stores))
    assert sorted(key for some in taken for key in some) == sorted({key for some in taken for key in some})
    rest = await stores[0].due(1, ["form"], START, 1000)
    assert sorted([*rest, *(key for some in taken for key in some)]) == sorted(keys)


async def test_a_deadline_whose_sweeper_died_is_due_again(make: Make) -> None:
    store = make(lease_seconds=10.0)
    await put(store, KEY, b"row", wake=START, index=[("form", "x")])
    assert await store.due(1, ["form"], START, 10) == [KEY]
    assert await store.due(1, ["form"], START + 9.9, 10) == []
    assert await store.due(1, ["form"], START + 10.0, 10) == [KEY]


async def test_four_sweepers_fire_each_timeout_once(make: Make) -> None:
    clock, fired = ManualClock(START), Counter[Key]()
    flow = Flow("wait", ttl=60)
    flow.state("waiting")
    flow.defstate(None, on=str)(lambda event, ctx: ("transition", "waiting"))

    @flow.defstate("waiting", on=Timeout)
    def late(event: Timeout, ctx: Any) -> Any:
        fired[ctx.key] += 1
        return ("end",)

    engines = [Engine(flow, store=make(), clock=clock) for _ in range(4)]
    keys = [Key(1, user) for user in range(200)]
    await patiently(*(engines[0].send(key, "begin") for key in keys))
    clock.advance(61)
    await patiently(*(engine.sweep() for engine in engines))
    assert fired == Counter(keys)


async def test_receipts_of_an_ended_conversation_are_looked_at(make: Make) -> None:
    store = make(claim_seconds=0.0)
    await put(store, KEY, None, outbox=(b"one",))
    await store.acknowledge(KEY, b"one", b"receipt")
    assert await store.due(KEY.bot, [], 0.0, 10) == [KEY]
    async with store.lease(KEY) as lease:
        assert list(lease.receipts) == [b"receipt"]
        await lease.commit(Change(None, folded=1))
    assert await store.due(KEY.bot, [], 0.0, 10) == []
