"""PostgresStore: the contract, and what only a real server shows."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from chat_events import said
from stores.store_flows import asking_flow

from fsmkit import Context, Engine, Flow, Key, StoreCorrupt, StoreError
from fsmkit.stores import CLAIM_SECONDS, Change, Store
from fsmkit.stores.inbox import StoredUpdate
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.postgres.session import SCHEMA_VERSION
from fsmkit.testing import StoreContract
from fsmkit.testing.store_contract.base import KEY, add_one

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.postgres_server")
from stores.postgres_server import PostgresServer, counted, run_sql, waiting  # noqa: E402

pytest_plugins = ["stores.postgres_server"]


class TestPostgresStore(StoreContract):
    """The contract, against a real server."""

    @pytest.fixture
    async def store(self, postgres_dsn: str, schema: str) -> AsyncIterator[Store]:
        self.dsn, self.schema = postgres_dsn, schema
        store = PostgresStore(postgres_dsn, schema=schema)
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        return PostgresStore(self.dsn, schema=self.schema)

    async def expire_leases(self, store: Store) -> None:
        await run_sql(self.dsn, f"UPDATE {self.schema}.leases SET until = until - interval '15.1 s'")

    async def expire_claims(self, store: Store) -> None:
        past = f"interval '{CLAIM_SECONDS + 0.1} s'"
        await run_sql(
            self.dsn, f"UPDATE {self.schema}.rows SET claim = claim - {past}, stalled = stalled - {past}"
        )

    async def pass_time(self, store: Store, seconds: float) -> None:
        for table, column in (("inbox", "struck"), ("dead_letters", "since")):
            statement = f"UPDATE {self.schema}.{table} SET {column} = {column} - interval '{seconds} s'"
            await run_sql(self.dsn, statement)


@pytest.fixture
async def store(postgres_dsn: str, schema: str) -> AsyncIterator[PostgresStore]:
    """A store of the tests below; its leases last long enough that none is renewed."""
    store = PostgresStore(postgres_dsn, schema=schema, lease_seconds=300.0)
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


@pytest.fixture
async def single(postgres_server: PostgresServer) -> AsyncIterator[PostgresStore]:
    """A store with one connection: asyncpg asks each new one for the types of a schema, once."""
    store = PostgresStore(postgres_server.dsn, schema="fsmkit_count", lease_seconds=300.0, pool_size=1)
    await run_sql(postgres_server.dsn, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
    yield store
    await store.close()
    await run_sql(postgres_server.dsn, "DROP SCHEMA fsmkit_count CASCADE")


async def statements(dsn: str) -> int:
    """How many statements clients have sent since this was asked last, as the server counted.

    A store begins to listen, says that it lives, and looks for the dead in its own time: that is left out.
    """
    (calls,) = await run_sql(
        dsn,
        "SELECT sum(calls) FROM pg_stat_statements WHERE toplevel AND query NOT LIKE '%pg_stat_statements%'"
        " AND query NOT LIKE 'LISTEN%' AND query NOT LIKE '%.beat(%' AND query NOT LIKE '%.look(%'",
    )
    await run_sql(dsn, "SELECT pg_stat_statements_reset()")
    return int(calls[0] or 0)


@pytest.mark.parametrize(("event", "expected"), [(1, 2), ("hello", 3)])
async def test_a_step_takes_two_statements_and_three_with_replies(
    single: PostgresStore, postgres_server: PostgresServer, event: object, expected: int
) -> None:
    engine = Engine(replying(), store=single, deliver=lambda key, effect: 1)
    await engine.send(KEY, event)
    await statements(postgres_server.dsn)
    await asyncio.gather(*(engine.send(Key(user % 5, user), event) for user in range(20) for _ in range(5)))
    assert await statements(postgres_server.dsn) == expected * 100


async def test_an_event_that_nothing_can_want_is_one_statement(
    single: PostgresStore, postgres_server: PostgresServer
) -> None:
    engine = Engine(asking_flow(), store=single, deliver=lambda key, effect: 1)
    await engine.send(KEY, said("/start"))
    await engine.send(KEY, said("Ann"))
    await statements(postgres_server.dsn)
    assert [(await engine.send(Key(1, user), said("Ann"))).kind for user in range(20)] == ["passed"] * 20
    assert await statements(postgres_server.dsn) == 20
    await engine.send(KEY, said("/start"))
    await statements(postgres_server.dsn)
    assert (await engine.send(KEY, said("Ann"))).kind == "handled"
    assert (await engine.send(KEY, said("Bob"))).kind == "passed"  # the row is there still: it knows ids
    assert await statements(postgres_server.dsn) == 3


async def test_first_come_first_served_over_two_processes(
    store: PostgresStore, postgres_dsn: str, schema: str
) -> None:
    second = PostgresStore(postgres_dsn, schema=schema, lease_seconds=300.0)
    order: list[int] = []

    async def note(number: int) -> None:
        async with (store, second)[number % 2].lease(KEY) as lease:
            order.append(number)
            await lease.commit(Change(b"%d" % number))

    async with store.lease(KEY):
        tasks = []
        for number in range(20):
            tasks.append(asyncio.create_task(note(number)))
            await waiting(postgres_dsn, schema, number + 1)
    started = time.monotonic()
    await asyncio.gather(*tasks)
    assert order == list(range(20))
    assert time.monotonic() - started < 10.0, "woken up, not asked again"
    await second.close()


async def test_a_long_row_is_handed_over_too(store: PostgresStore, postgres_dsn: str, schema: str) -> None:
    async with store.lease(KEY) as lease:
        task = asyncio.create_task(add_long(store))
        await waiting(postgres_dsn, schema, 1)
        await lease.commit(Change(b"x" * 20_000, outbox=(b"entry",)))
    assert await asyncio.wait_for(task, 10) == b"x" * 20_000


async def add_long(store: PostgresStore) -> bytes | None:
    async with store.lease(KEY) as lease:
        return lease.row


async def test_no_connection_is_held_while_handlers_run(postgres_dsn: str, schema: str) -> None:
    store = PostgresStore(postgres_dsn, schema=schema, pool_size=1)
    inside = asyncio.Barrier(20)

    async def step(key: Key) -> None:
        async with store.lease(key) as lease:
            await inside.wait()
            await lease.commit(Change(b"row"))

    async with asyncio.timeout(20):
        await asyncio.gather(*(step(Key(1, user)) for user in range(20)))
    await store.close()


async def test_what_is_due_is_given_to_one_sweeper_only(
    store: PostgresStore, postgres_dsn: str, schema: str
) -> None:
    keys = [Key(1, user) for user in range(300)]
    for key in keys:
        async with store.lease(key) as lease:
            await lease.commit(Change(b"row", wake=1.0 + key[1]))
    others = [PostgresStore(postgres_dsn, schema=schema) for _ in range(3)]
    found: list[Key] = []

    async def sweep(one: PostgresStore) -> None:
        while taken := await one.due(None, [], 1000.0, 10):
            found.extend(taken)

    await asyncio.gather(*map(sweep, (store, *others)))
    await sweep(store)
    assert sorted(found, key=str) == sorted(keys, key=str)
    await asyncio.gather(*(one.close() for one in others))


def test_a_store_serves_one_event_loop_after_the_other(postgres_server: PostgresServer) -> None:
    store = PostgresStore(postgres_server.dsn, schema="fsmkit_loops")

    async def step() -> int:
        await asyncio.gather(*(add_one(store, KEY) for _ in range(5)))
        return int(await store.peek(KEY) or 0)

    async def close() -> set[str]:
        await store.peek(KEY)
        await store.close()
        await asyncio.sleep(0)
        left = {task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()}
        await run_sql(postgres_server.dsn, "DROP SCHEMA fsmkit_loops CASCADE")
        return left

    assert [asyncio.run(step()), asyncio.run(step())] == [5, 10]
    assert asyncio.run(close()) == set()


async def test_many_processes_may_open_at_once(postgres_dsn: str, schema: str) -> None:
    stores = [PostgresStore(postgres_dsn, schema=schema) for _ in range(8)]
    await asyncio.gather(*(add_one(store, KEY) for store in stores))
    assert await stores[0].peek(KEY) == b"8"
    await asyncio.gather(*(store.close() for store in stores))
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    await counted(postgres_dsn, f"SELECT count(*) {others} AND query LIKE '%{schema}%'", 0)


async def test_an_inbox_without_attempts_is_upgraded_with_what_waits(
    store: PostgresStore, postgres_dsn: str, schema: str
) -> None:
    await store.inbox(1).append([StoredUpdate(1, 2, 3, b"{}", 0.0)])
    await run_sql(postgres_dsn, f"UPDATE {schema}.schema_version SET version = 3")
    await run_sql(postgres_dsn, f"ALTER TABLE {schema}.inbox DROP COLUMN attempts")
    second = PostgresStore(postgres_dsn, schema=schema)
    await second.inbox(1).note_attempts([1], 2)
    assert [(update.id, update.attempts) for update in await second.inbox(1).waiting()] == [(1, 2)]
    await second.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_schema_of_an_earlier_version_is_upgraded_with_its_rows(
    store: PostgresStore, postgres_dsn: str, schema: str, version: int
) -> None:
    await add_one(store, KEY)
    await run_sql(postgres_dsn, f"UPDATE {schema}.schema_version SET version = {version}")
    newer = {1: "approach", 2: "commit_and_strike", 3: "look", 4: "bury"}[version]
    await run_sql(postgres_dsn, f"DROP FUNCTION {schema}.{newer}")
    await run_sql(postgres_dsn, f"DROP TABLE {schema}.inbox, {schema}.dead_letters, {schema}.workers")
    await run_sql(postgres_dsn, f"ALTER TABLE {schema}.leases DROP COLUMN channel, DROP COLUMN term")
    await run_sql(postgres_dsn, f"ALTER TABLE {schema}.rows DROP COLUMN term, DROP COLUMN taker")
    second = PostgresStore(postgres_dsn, schema=schema)
    async with second.lease(KEY, wanted=False) as lease:
        assert (lease.idle, lease.row) == (True, b"1")
    assert len(await second.inbox(1).append([StoredUpdate(1, 2, 3, b"{}", 0.0)])) == 1
    await second.close()
    assert [
        row[0] for row in await run_sql(postgres_dsn, f"SELECT version FROM {schema}.schema_version")
    ] == [SCHEMA_VERSION]


async def test_a_newer_schema_is_left_alone(store: PostgresStore, postgres_dsn: str, schema: str) -> None:
    await add_one(store, KEY)
    await run_sql(postgres_dsn, f"UPDATE {schema}.schema_version SET version = 99")
    older = PostgresStore(postgres_dsn, schema=schema)
    with pytest.raises(StoreCorrupt, match=r"version 99.*update fsmkit"):
        await older.peek(KEY)
    await older.close()


async def test_a_server_that_refuses_says_why(postgres_dsn: str) -> None:
    store = PostgresStore(postgres_dsn.rpartition("/")[0] + "/no_such_database")
    with pytest.raises(StoreError, match="no_such_database"):
        await store.peek(KEY)
    await store.close()


def test_a_schema_is_a_plain_name() -> None:
    with pytest.raises(ValueError, match="lower-case"):
        PostgresStore("postgresql://127.0.0.1/x", schema="a; DROP TABLE")
