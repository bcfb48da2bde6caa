"""PostgresStore when something breaks: processes that stand still or die, connections cut, the server gone."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator

import pytest

from fsmkit import Key, LeaseLost, StoreUnavailable
from fsmkit.stores import Change
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.postgres import session as postgres_connections
from fsmkit.testing.store_contract.base import KEY, add_one

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.postgres_server")
from stores.postgres_server import PostgresServer, run_sql, waiting  # noqa: E402

pytest_plugins = ["stores.postgres_server"]


@pytest.fixture
async def store(postgres_dsn: str, schema: str) -> AsyncIterator[PostgresStore]:
    """A store of the tests below; its leases last long enough that none is renewed."""
    store = PostgresStore(postgres_dsn, schema=schema, lease_seconds=300.0)
    yield store
    await store.close()


async def test_a_slow_step_keeps_its_lease_and_a_paused_one_loses_it(postgres_dsn: str, schema: str) -> None:
    store = PostgresStore(postgres_dsn, schema=schema, lease_seconds=0.6)
    async with store.lease(KEY) as lease:
        await asyncio.sleep(1.5)
        await lease.commit(Change(b"slow"))
    async with store.lease(KEY) as lease:
        time.sleep(0.9)  # noqa: ASYNC251  # the whole process stands still
        with pytest.raises(LeaseLost):
            await lease.commit(Change(b"paused"))
    assert await store.peek(KEY) == b"slow"
    await store.close()


async def test_a_process_that_died_delays_a_key_by_about_its_lease_time(
    postgres_dsn: str, schema: str
) -> None:
    store = PostgresStore(postgres_dsn, schema=schema, lease_seconds=1.0)
    await store.peek(KEY)
    await run_sql(postgres_dsn, f"SELECT {schema}.acquire($1, 1, 'nobody', '1 s')", str(KEY))
    await run_sql(postgres_dsn, f"SELECT {schema}.acquire($1, 2, 'nobody', '1 s')", str(KEY))
    started = time.monotonic()
    await add_one(store, KEY)
    assert time.monotonic() - started < 2.5
    await store.close()


async def test_steps_survive_terminated_backends(store: PostgresStore, postgres_dsn: str) -> None:
    done = 0

    async def steps(key: Key) -> int:
        while True:
            try:
                return int(await store.peek(key) or 0)
            except StoreUnavailable:
                pass

    async def run(key: Key) -> None:
        nonlocal done
        for number in range(1, 21):
            while await steps(key) < number:  # an answer that was lost may mean either
                with contextlib.suppress(StoreUnavailable, LeaseLost):
                    await add_one(store, key)
            done += 1

    async def kill() -> None:
        while done < 100:
            await asyncio.sleep(0.1)
            await run_sql(
                postgres_dsn,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'",
            )

    async with asyncio.timeout(60):
        await asyncio.gather(kill(), *(run(Key(1, user)) for user in range(5)))
    assert [await store.peek(Key(1, user)) for user in range(5)] == [b"20"] * 5


async def test_who_waits_hears_of_its_turn_after_the_listener_was_cut(
    store: PostgresStore, postgres_dsn: str, schema: str
) -> None:
    async with store.lease(KEY) as lease:
        task = asyncio.create_task(add_one(store, KEY))
        await waiting(postgres_dsn, schema, 1)
        await run_sql(
            postgres_dsn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'",
        )
        await lease.commit(Change(b"1"))
    await asyncio.wait_for(task, 10)
    assert await store.peek(KEY) == b"2"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_a_server_that_was_away_is_found_again(
    postgres_server: PostgresServer, how: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connections, "PAUSES", (0.05, 0.1))
    schema = f"fsmkit_away_{how.name.lower()}"
    store = PostgresStore(postgres_server.dsn, schema=schema)
    await add_one(store, KEY)
    async with store.lease(KEY) as lease:
        await asyncio.to_thread(postgres_server.stop, how)
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await lease.commit(Change(b"lost"))
        with pytest.raises(StoreUnavailable):
            await store.peek(KEY)
        await asyncio.to_thread(postgres_server.start)
    await add_one(store, KEY)
    assert await store.peek(KEY) == b"2"
    await store.close()
    await run_sql(postgres_server.dsn, f"DROP SCHEMA {schema} CASCADE")


async def test_a_commit_whose_answer_was_lost_is_recognised_when_it_is_repeated(
    store: PostgresStore, postgres_dsn: str, schema: str
) -> None:
    await store.peek(KEY)

    async def commit(version: int, number: int) -> tuple[object, ...]:
        arguments = f"'k', NULL, {version}, {number}, 'row', NULL, '{{}}', '{{}}', '{{}}', '{{entry}}', 0"
        (row,) = await run_sql(postgres_dsn, f"SELECT * FROM {schema}.commit({arguments}, 9, '30 s', NULL)")
        return tuple(row)

    assert await commit(0, 11) == (True, b"entry", 11)
    assert await commit(0, 11) == (True, b"entry", 11)
    assert await commit(11, 12) == (True, None, 12)
    assert await commit(0, 11) == (True, b"entry", 11)
    assert (await commit(11, 13))[0] is not True
