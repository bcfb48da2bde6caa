"""MongoStore: the contract, and what only a server shows."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from chat_events import said
from pymongo import monitoring
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import AutoReconnect
from stores.store_flows import asking_flow

from fsmkit import Context, Engine, Flow, Key, LeaseLost, StoreCorrupt, StoreUnavailable
from fsmkit.stores import CLAIM_SECONDS, Change, Store
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.mongo import session as mongo_session
from fsmkit.stores.mongo.documents import new_token
from fsmkit.testing import StoreContract
from fsmkit.testing.store_contract.base import KEY, OTHER, add_one, put

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.mongo_server")
from stores.mongo_server import MongoServer  # noqa: E402

pytest_plugins = ["stores.mongo_server"]


class TestMongoStore(StoreContract):
    """The contract, against a server."""

    @pytest.fixture(autouse=True)
    def random_numbers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # pymongo draws its request ids from the generator that a test of the contract seeds.
        monkeypatch.setattr("pymongo.message.random", random.Random())

    @pytest.fixture
    async def store(self, mongo_url: str, database: Any) -> AsyncIterator[Store]:
        self.url, self.database = mongo_url, database
        store = MongoStore(mongo_url, database=database.name)
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        return MongoStore(self.url, database=self.database.name)

    async def expire_leases(self, store: Store) -> None:
        async for document in self.database.fsmkit_rows.find({"until": {"$gt": 0.0}}):
            past = {"$set": {"until": document["until"] - 15.1}}
            await self.database.fsmkit_rows.update_one({"_id": document["_id"]}, past)

    async def expire_claims(self, store: Store) -> None:
        async for document in self.database.fsmkit_rows.find({"claim": {"$gt": 0.0}}):
            past = {"$set": {"claim": document["claim"] - CLAIM_SECONDS - 0.1}}
            await self.database.fsmkit_rows.update_one({"_id": document["_id"]}, past)

    async def pass_time(self, store: Store, seconds: float) -> None:
        for collection, field in (("fsmkit_inbox", "struck"), ("fsmkit_dead_letters", "since")):
            async for document in self.database[collection].find({field: {"$gt": 0.0}}):
                past = {"$set": {field: document[field] - seconds}}
                await self.database[collection].update_one({"_id": document["_id"]}, past)


class Commands(monitoring.CommandListener):
    """Notes the commands that are sent, by whatever client."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.names.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


COMMANDS = Commands()
monitoring.register(COMMANDS)


@pytest.fixture
async def store(mongo_url: str, database: Any) -> AsyncIterator[MongoStore]:
    """A store of the tests below; its leases last long enough that none is renewed."""
    store = MongoStore(mongo_url, database=database.name, lease_seconds=300.0)
    yield store
    await store.close()


def replying() -> Flow[dict[str, int]]:
    """Counts, and says so to texts only."""
    flow: Flow[dict[str, int]] = Flow("count")

    @flow.defstate(None, "on", on=(int, str))
    def count(event: int | str, ctx: Context[dict[str, int]]) -> object:
        if isinstance(event, str):
            ctx.reply(event)
        return ("transition", "on", {"sum": ctx.data.get("sum", 0) + 1})

    return flow


@pytest.mark.parametrize(("event", "expected"), [(1, 2), ("hello", 3)])
async def test_a_step_takes_two_commands_and_three_with_a_reply(
    store: MongoStore, event: object, expected: int
) -> None:
    engine = Engine(replying(), store=store, deliver=lambda key, effect: 1)
    keys = [Key(1, user) for user in range(5)]
    await asyncio.gather(*(engine.send(key, event) for key in keys))
    COMMANDS.names.clear()
    await asyncio.gather(*(engine.send(key, event) for key in keys for _ in range(5)))
    assert len(COMMANDS.names) == expected * 25, COMMANDS.names


async def test_an_event_that_nothing_can_want_is_one_command(store: MongoStore) -> None:
    engine = Engine(asking_flow(), store=store, deliver=lambda key, effect: 1)
    await engine.send(KEY, said("/start"))
    await engine.send(KEY, said("Ann"))
    COMMANDS.names.clear()
    assert [(await engine.send(Key(1, user), said("Ann"))).kind for user in range(20)] == ["passed"] * 20
    assert COMMANDS.names == ["find"] * 20
    await engine.send(KEY, said("/start"))
    COMMANDS.names.clear()
    assert (await engine.send(KEY, said("Ann"))).kind == "handled"
    assert (await engine.send(KEY, said("Bob"))).kind == "passed"  # the row is there still: it knows ids
    assert len(COMMANDS.names) == 3


async def test_a_process_that_has_not_seen_a_conversation_looks_first(
    store: MongoStore, mongo_url: str, database: Any
) -> None:
    await Engine(asking_flow(), store=store).send(KEY, said("/start"))
    second = MongoStore(mongo_url, database=database.name)
    await second.peek(KEY)
    COMMANDS.names.clear()
    assert (await Engine(asking_flow(), store=second).send(KEY, said("Ann"))).kind == "handled"
    assert COMMANDS.names == ["find", "findAndModify", "findAndModify"]
    assert (await Engine(asking_flow(), store=store).send(KEY, said("Ann"))).kind == "passed"
    await second.close()


async def test_a_slow_step_keeps_its_lease_and_a_paused_one_loses_it(mongo_url: str, database: Any) -> None:
    store = MongoStore(mongo_url, database=database.name, lease_seconds=0.9)
    async with store.lease(KEY) as lease:
        await asyncio.sleep(2.0)
        await lease.commit(Change(b"slow"))
    async with store.lease(KEY) as lease:
        time.sleep(1.2)  # noqa: ASYNC251  # the whole process stands still
        with pytest.raises(LeaseLost):
            await lease.commit(Change(b"paused"))
    assert await store.peek(KEY) == b"slow"
    await store.close()


async def test_a_process_that_died_delays_a_key_by_about_its_lease_time(
    mongo_url: str, database: Any
) -> None:
    store, died = (MongoStore(mongo_url, database=database.name, lease_seconds=1.0) for _ in range(2))
    lease = died.lease(KEY)
    await lease.__aenter__()
    session = await died.session()
    session.held.clear()  # nobody renews it
    started = time.monotonic()
    await add_one(store, KEY)
    assert 0.8 < time.monotonic() - started < 2.5
    with pytest.raises(LeaseLost):
        await lease.commit(Change(b"late"))
    await asyncio.gather(store.close(), died.close())


async def test_a_clock_that_was_set_back_lets_nobody_wait_longer_than_a_lease_or_a_claim(
    store: MongoStore, mongo_url: str, database: Any
) -> None:
    """The server's times are an hour ahead then; a process that begins now goes by the new one."""
    dead = MongoStore(mongo_url, database=database.name, lease_seconds=0.3)
    lease = dead.lease(KEY)
    await lease.__aenter__()
    session = await dead.session()
    session.held.clear()  # nobody renews it
    await put(store, OTHER, b"row", outbox=(b"entry",))
    now = (await store.session()).now()
    await database.fsmkit_rows.update_one({"_id": str(KEY)}, {"$set": {"until": now + 3600.0}})
    ahead = {"claim": now + 3600.0, "claim_term": 0.3, "revision": new_token()}
    await database.fsmkit_rows.update_one({"_id": str(OTHER)}, {"$set": ahead})
    assert await store.due(1, [], 0.0, 10) == []
    await asyncio.wait_for(add_one(store, KEY), 10)
    async with asyncio.timeout(10):
        while await store.due(1, [], 0.0, 10) != [OTHER]:  # noqa: ASYNC110 - a store notifies nobody
            await asyncio.sleep(0.05)
    await dead.close()


async def test_what_is_due_is_given_to_one_sweeper_only(
    store: MongoStore, mongo_url: str, database: Any
) -> None:
    keys = [Key(1, user) for user in range(40)]
    for key in keys:
        async with store.lease(key) as lease:
            await lease.commit(Change(b"row", wake=1.0 + key[1]))
    others = [MongoStore(mongo_url, database=database.name) for _ in range(3)]
    found: list[Key] = []

    async def sweep(one: MongoStore) -> None:
        for _ in range(12):
            found.extend(await one.due(None, [], 1000.0, 10))

    await asyncio.gather(*map(sweep, (store, *others)))
    assert sorted(found, key=str) == sorted(keys, key=str)
    await asyncio.gather(*(one.close() for one in others))


async def test_a_commit_whose_answer_was_lost_is_recognised(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_one(store, KEY)
    plain = AsyncCollection.find_one_and_update
    lost = 0

    async def lose(*args: Any, **options: Any) -> Any:
        nonlocal lost
        answer = await plain(*args, **options)
        if lost < 2:  # the lease, then the commit
            lost += 1
            raise AutoReconnect("the answer was lost")
        return answer

    for skip in (0, 1):
        lost = skip
        monkeypatch.setattr(AsyncCollection, "find_one_and_update", lose)
        async with store.lease(KEY) as lease:
            row = b"%d" % (int(lease.row or b"0") + 1)
            assert await lease.commit(Change(row, outbox=(b"%d" % skip,))) == (None if skip else b"0")
        monkeypatch.undo()
    assert await store.peek(KEY) == b"3"


async def test_a_server_that_was_away_is_found_again(
    mongo_server: MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_session, "PAUSES", (0.1,))
    monkeypatch.setattr(mongo_session, "SELECTION_MS", 300)
    store = MongoStore(mongo_server.url, database="fsmkit_away")
    await add_one(store, KEY)
    async with store.lease(KEY) as lease:
        await asyncio.to_thread(mongo_server.stop)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await lease.commit(Change(b"lost"))
        with pytest.raises(StoreUnavailable):
            await store.peek(KEY)
        await asyncio.to_thread(mongo_server.start)
    await add_one(store, KEY)
    assert await store.peek(KEY) == b"2"
    await store.forget(KEY)
    await store.close()


def test_a_store_serves_one_event_loop_after_the_other(mongo_server: MongoServer) -> None:
    store = MongoStore(mongo_server.url, database="fsmkit_loops")

    async def step() -> int:
        await asyncio.gather(*(add_one(store, KEY) for _ in range(5)))
        return int(await store.peek(KEY) or 0)

    async def close() -> set[str]:
        await store.forget(KEY)
        await store.close()
        await asyncio.sleep(0)
        return {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}

    assert [asyncio.run(step()), asyncio.run(step())] == [5, 10]
    assert asyncio.run(close()) == set()


async def test_a_newer_schema_is_left_alone(store: MongoStore, mongo_url: str, database: Any) -> None:
    await add_one(store, KEY)
    await database.fsmkit_schema.update_one({"_id": "rows"}, {"$set": {"version": 99}})
    older = MongoStore(mongo_url, database=database.name)
    with pytest.raises(StoreCorrupt, match=r"schema 99.*update fsmkit"):
        await older.peek(KEY)
    await older.close()
