"""A worker that is killed: the others soon have its leases and its deliveries.

The lease time is five minutes here, so that nothing is free because its time has run out; and the silence after
which a worker counts as dead is shorter than in use, so that tests do not wait for it.
"""

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fsmkit import Engine, Key
from fsmkit.engine.jobs import JobContext
from fsmkit.interpreter.row import Effect, Send
from fsmkit.stores import Index, Store
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore, liveness
from fsmkit.testing.store_contract.base import KEY, add_one, put

# Before the import: they are plugins too, for there is one server of a kind in a session.
for plugin in ("redis", "postgres"):
    pytest.register_assert_rewrite(f"stores.{plugin}_server")
from stores import holding_worker, job_worker  # noqa: E402
from stores.postgres_server import run_sql  # noqa: E402
from stores.redis_server import client  # noqa: E402

pytest_plugins = ["stores.redis_server", "stores.postgres_server"]

LEASE_SECONDS = 300.0
SILENT_SECONDS = 0.3
SOON = 5.0
"""Seconds; it takes less than one where the machine has nothing else to do."""
HOUR = 3600.0


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker count as dead sooner."""
    monkeypatch.setattr(liveness, "SILENT_SECONDS", SILENT_SECONDS)


class Server:
    """A server, and what stores on it are named."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url
        self.name = f"fsmkit_test_{secrets.token_hex(6)}"
        self.held_by = ""
        """What the last worker is known by."""

    def store(self, lease_seconds: float = LEASE_SECONDS) -> Store:
        """Return a store as another process has it."""
        make, option = holding_worker.KINDS[self.kind]
        store: Store = make(self.url, lease_seconds=lease_seconds, **{option: self.name})
        return store

    async def make_impatient(self) -> None:
        """Make the schema, and let a worker count as dead sooner."""
        store = self.store()
        await store.peek(KEY)
        await store.close()
        await run_sql(
            self.url,
            f"CREATE OR REPLACE FUNCTION {self.name}.silence() RETURNS interval LANGUAGE sql IMMUTABLE AS"
            f" $$ SELECT interval '{SILENT_SECONDS} s' $$",
        )

    @asynccontextmanager
    async def worker(
        self, what: str, lease_seconds: float = LEASE_SECONDS
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """Start a worker, and wait until it has what it is to have; it is killed in the end."""
        words = (self.kind, self.url, self.name, what, str(lease_seconds))
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(holding_worker.__file__)), *words, stdin=pipe, stdout=pipe
        )
        try:
            word, _, self.held_by = (await said(worker)).partition(" ")
            assert word in ("held", "claimed", "busy")
            yield worker
        finally:
            if worker.returncode is None:
                worker.kill()
            await worker.wait()


async def said(worker: asyncio.subprocess.Process) -> str:
    """Return the next line of a worker."""
    assert worker.stdout is not None
    return (await asyncio.wait_for(worker.stdout.readline(), 30)).decode().strip()


async def go_on(worker: asyncio.subprocess.Process) -> str:
    """Let a worker commit; return what came of it."""
    assert worker.stdin is not None
    worker.stdin.write(b"\n")
    return await said(worker)


@pytest.fixture(params=["redis", "redis cluster", "postgres"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    find: Callable[[str], Any] = request.getfixturevalue
    if request.param == "postgres":
        one = Server("postgres", find("postgres_dsn"))
        await one.make_impatient()
    else:
        one = Server("redis", find("redis_cluster").url if "cluster" in request.param else find("redis_url"))
    yield one
    if one.kind == "postgres":
        await run_sql(one.url, f"DROP SCHEMA IF EXISTS {one.name} CASCADE")
    elif "cluster" not in request.param:
        with client(one.url) as beside:
            for key in beside.scan_iter(f"{{{one.name}:*"):
                beside.delete(key)


async def test_who_waits_for_a_worker_that_is_killed_has_its_turn_soon(server: Server) -> None:
    store = server.store()
    async with server.worker("lease") as worker:
        waiting = asyncio.create_task(add_one(store, KEY))
        await asyncio.wait([waiting], timeout=0.3)
        assert not waiting.done()
        worker.kill()
        await worker.wait()
        began = time.monotonic()
        await asyncio.wait_for(waiting, 30)
        assert time.monotonic() - began < SOON
    assert await store.peek(KEY) == b"1"
    if server.kind == "postgres":  # it has stood in line once
        assert [row[0] for row in await run_sql(server.url, f"SELECT tickets FROM {server.name}.leases")] == [
            1
        ]
    await store.close()


async def until_due(store: Store) -> None:
    """Wait until the key is due, as a sweeper does."""
    async with asyncio.timeout(SOON):
        while await store.due(KEY.bot, [], 0.0, 10) != [KEY]:  # noqa: ASYNC110 - a store notifies nobody
            await asyncio.sleep(0.05)


async def test_what_a_killed_worker_delivered_is_due_soon(server: Server) -> None:
    store = server.store()
    async with server.worker("claim") as worker:
        assert await store.due(KEY.bot, [], 0.0, 10) == []
        worker.kill()
        await worker.wait()
        await until_due(store)
        assert await put(store, KEY, b"row 2", outbox=(b"three",)) == b"one"
    await store.close()


async def test_what_a_killed_worker_has_taken_to_look_at_is_due_soon(server: Server) -> None:
    store = server.store()
    async with server.worker("due") as worker:
        assert await store.due(KEY.bot, ["flow"], 2.0, 10) == []
        worker.kill()
        await worker.wait()
        async with asyncio.timeout(SOON):
            while await store.due(KEY.bot, ["flow"], 2.0, 10) != [KEY]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert await store.due(KEY.bot, ["flow"], 2.0, 10) == []
    await store.close()


async def test_what_was_looked_at_before_its_worker_was_killed_is_not_due_again(server: Server) -> None:
    store = server.store()
    async with server.worker("due") as worker:
        await put(store, KEY, b"row 2", wake=100.0, index=(Index("flow", "on", 100.0),))
        await until_dead(server, store, worker)
        assert await store.due(KEY.bot, ["flow"], 2.0, 10) == []
        assert await store.due(KEY.bot, ["flow"], 101.0, 10) == [KEY]
    await store.close()


async def test_a_chat_that_has_to_wait_still_does_when_its_worker_was_killed(server: Server) -> None:
    store = server.store()
    async with server.worker("wait") as worker:
        await store.due(KEY.bot, [], 0.0, 10)
        await until_dead(server, store, worker)
        assert await store.due(KEY.bot, [], 0.0, 10) == []
        assert await put(store, KEY, b"row 2") is None
    await store.close()


async def test_the_job_and_the_delivery_of_a_killed_worker_go_on_in_another(server: Server) -> None:
    sent, attempts, both = set[str](), list[int](), asyncio.Event()

    async def work(data: object, job: JobContext) -> str:
        attempts.append(job.attempt)
        return "soup"

    def deliver(key: Key, effect: Effect) -> None:
        assert isinstance(effect, Send)
        sent.add(effect.text)
        if sent == {"Hello.", "Done: soup."}:
            both.set()

    store = server.store()
    engine = Engine(job_worker.flow_of(work), store=store, deliver=deliver)
    engine.bot = 1
    async with server.worker("job") as worker, engine:
        await store.peek(KEY)
        worker.kill()
        await asyncio.wait_for(both.wait(), 2 * SOON)
    assert attempts == [2]
    await store.close()


async def until_dead(server: Server, store: Any, worker: asyncio.subprocess.Process) -> None:
    """Kill a worker, if nobody has yet, and wait until a store, which is in use, has noticed it by itself."""
    told = asyncio.Event()
    end = store.on_death(told.set)
    await store.peek(KEY)
    assert not store.is_gone(server.held_by)
    deaths = store.deaths
    with suppress(ProcessLookupError):
        worker.kill()
    await worker.wait()
    await asyncio.wait_for(told.wait(), SOON)
    assert (store.is_gone(server.held_by), store.is_gone(store.worker)) == (True, False)
    assert store.deaths > deaths
    end()
    end = store.on_death(told.set)  # each may go, and only once
    end()


async def test_all_others_know_soon_that_a_worker_was_killed(server: Server) -> None:
    one, other = server.store(), server.store()
    async with server.worker("lease") as worker:
        await asyncio.gather(*(until_dead(server, store, worker) for store in (one, other)))
    late = server.store()
    await late.peek(KEY)
    async with asyncio.timeout(SOON):
        while not late.is_gone(server.held_by):  # type: ignore[attr-defined]  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for store in (one, other, late):
        await store.close()


async def test_a_worker_that_is_killed_before_it_listens_is_missed_like_others(
    postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server("postgres", postgres_dsn)
    await server.make_impatient()
    dead, alive = server.store(), server.store()

    async def never(_connections: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr("fsmkit.stores.postgres.session.Connections._listen", never)
        await put(dead, KEY, b"row", outbox=(b"one",))
        async with dead.lease(KEY):
            await until_due(alive)
            assert await put(alive, KEY, b"row 2") == b"one"
    for store in (dead, alive):
        await store.close()
    await run_sql(server.url, f"DROP SCHEMA {server.name} CASCADE")


async def test_a_worker_that_stands_still_keeps_what_it_has_for_its_time_and_no_longer(
    server: Server,
) -> None:
    seconds = 1.5
    store = server.store(seconds)
    async with server.worker("lease", seconds) as worker:
        worker.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(add_one(store, KEY))
        done, _ = await asyncio.wait([waiting], timeout=seconds / 2)
        assert not done
        await asyncio.wait_for(waiting, 30)
        worker.send_signal(signal.SIGCONT)
        assert await go_on(worker) == "lost"
    assert await store.peek(KEY) == b"1"
    await store.close()


async def holding(store: Store, until: asyncio.Event, taken: asyncio.Event) -> None:
    """Hold a lease."""
    async with store.lease(KEY):
        taken.set()
        await until.wait()


async def test_a_worker_that_has_lost_its_subscription_alone_keeps_its_lease(redis_url: str) -> None:
    server = Server("redis", redis_url)
    holder, other, end = server.store(), server.store(), asyncio.Event()
    assert isinstance(holder, RedisStore)
    taken = asyncio.Event()
    held = asyncio.create_task(holding(holder, end, taken))
    await taken.wait()
    await (await holder.session())._subscriber.close()
    waiting = asyncio.create_task(add_one(other, KEY))
    await asyncio.wait([waiting], timeout=4 * SILENT_SECONDS)
    assert not waiting.done()
    end.set()
    await asyncio.wait_for(asyncio.gather(held, waiting), 10)
    for store in (holder, other):
        await store.forget(KEY)
        await store.close()


async def test_a_clock_of_redis_that_was_set_back_lets_nobody_wait_longer_than_a_lease(
    redis_url: str,
) -> None:
    """What has its end at a time of the clock seems to have an hour more then."""
    server = Server("redis", redis_url)
    holder, end = server.store(), asyncio.Event()
    other = RedisStore(redis_url, prefix=server.name, lease_seconds=0.3, claim_seconds=0.3)
    still, taken = server.store(0.4), asyncio.Event()
    assert isinstance(still, RedisStore)
    held = asyncio.create_task(holding(still, end, taken))
    session = await still.session()
    with client(redis_url) as beside:
        await taken.wait()
        (lease,) = beside.scan_iter(f"{{{server.name}:*:lease:*")
        session.turns.beat = lambda now: None  # type: ignore[method-assign]  # it stands still
        beside.pexpire(lease, round(HOUR * 1000))
        await asyncio.wait_for(add_one(other, KEY), SOON)
        assert await put(other, KEY, b"row", outbox=(b"one", b"two")) == b"one"
        for name in beside.scan_iter(f"{{{server.name}:*:unsent:*"):
            base = name[: name.index(b"}") + 1]
            for key, till in beside.zrange(name, 0, -1, withscores=True):
                beside.zadd(name, {key: till + HOUR * 1000})
                beside.hset(base + b":row:" + key, "c", round(till + HOUR * 1000))
    assert await holder.due(KEY.bot, [], 0.0, 10) == []
    await until_due(holder)
    assert await put(holder, KEY, b"row 2", outbox=(b"three",)) == b"one"
    end.set()
    await held
    for store in (holder, other, still):
        await store.forget(KEY)
        await store.close()


async def test_a_server_that_does_not_tell_who_listens_is_warned_of_once(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, end = Server("redis", redis_url), asyncio.Event()
    holder = server.store()
    taken = asyncio.Event()
    held = asyncio.create_task(holding(holder, end, taken))
    await taken.wait()
    with client(redis_url) as beside:
        beside.execute_command("ACL", "SETUSER", server.name, "on", ">pass", "~*", "&*", "+@all", "-pubsub")
        other = RedisStore(redis_url.replace("//", f"//{server.name}:pass@"), prefix=server.name)
        waiting = asyncio.create_task(add_one(other, KEY))
        async with asyncio.timeout(10):
            while not caplog.records:  # noqa: ASYNC110 - the log notifies nobody
                await asyncio.sleep(0.01)
        assert not waiting.done()
        end.set()
        await asyncio.wait_for(asyncio.gather(held, waiting), 10)
        beside.execute_command("ACL", "DELUSER", server.name)
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == [
        "the store's server does not tell who listens"
    ]
    for store in (holder, other):
        await store.close()


@pytest.fixture
async def postgres(postgres_dsn: str) -> AsyncIterator[Server]:
    server = Server("postgres", postgres_dsn)
    await server.make_impatient()
    yield server
    await run_sql(postgres_dsn, f"DROP SCHEMA {server.name} CASCADE")


async def test_a_worker_whose_listener_postgres_has_ended_keeps_its_lease(postgres: Server) -> None:
    holder, other, end, taken = postgres.store(), postgres.store(), asyncio.Event(), asyncio.Event()
    assert isinstance(holder, PostgresStore)
    held = asyncio.create_task(holding(holder, end, taken))
    await taken.wait()
    listening = f"""SELECT pg_terminate_backend(pid) FROM pg_locks JOIN {postgres.name}.workers
        ON {postgres.name}.lock_of(channel) = (classid::bigint << 32) | objid::bigint WHERE claimer = {holder.leases().number}"""
    holder.leases().connections._dsn = "postgresql://127.0.0.1:1/none"  # for who listens, not for the pool
    async with asyncio.timeout(10):
        while not await run_sql(postgres.url, listening):  # noqa: ASYNC110 - the server notifies nobody
            await asyncio.sleep(0.01)
    waiting = asyncio.create_task(add_one(other, KEY))
    await asyncio.wait([waiting], timeout=4 * SILENT_SECONDS)
    assert not waiting.done()
    end.set()
    await asyncio.wait_for(asyncio.gather(held, waiting), 10)
    for store in (holder, other):
        await store.close()


async def test_a_clock_of_postgres_that_was_set_back_lets_nobody_wait_longer_than_a_lease(
    postgres: Server,
) -> None:
    store = postgres.store()
    await run_sql(postgres.url, f"SELECT {postgres.name}.acquire($1, 1, 'nobody', '0.5 s')", str(KEY))
    await run_sql(postgres.url, f"UPDATE {postgres.name}.leases SET until = until + interval '1 hour'")
    await asyncio.wait_for(add_one(store, KEY), SOON)
    assert await put(store, KEY, b"row", outbox=(b"one", b"two")) == b"one"
    hour = "interval '1 hour'"
    await run_sql(
        postgres.url,
        f"UPDATE {postgres.name}.rows SET claim = claim + {hour}, stalled = stalled + {hour}, term = '0.5 s'",
    )
    assert await store.due(KEY.bot, [], 0.0, 10) == []
    await until_due(store)
    await store.close()
