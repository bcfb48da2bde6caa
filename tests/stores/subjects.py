"""The stores that are held against MemoryStore: opened, opened again, and their time moved on.

Each test case has data of its own; a server's other users are left alone.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import asyncpg
import attrs
import pytest
import redis
from pymongo import MongoClient

from fsmkit import Key
from fsmkit.stores import CLAIM_SECONDS, Store
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.mongo.documents import new_token
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock

START = 1000.0
LIMIT = 100
LEASE_SECONDS = 300.0
"""Longer than a test case lasts, so that no lease runs out by itself."""


class Subject:
    """A store that is compared.

    Attributes:
        few: Examples in the default suite.
        many: Examples of the long search.
    """

    few: ClassVar[int] = 3
    many: ClassVar[int] = 12

    @classmethod
    def ready(cls, request: pytest.FixtureRequest) -> Callable[[], Self]:
        """Makes subjects, once the server runs."""
        raise NotImplementedError

    def open(self) -> Store:
        """The store on this subject's data, as a process that has just started opens it."""
        raise NotImplementedError

    async def expire_leases(self) -> None:
        """Lets leases run out, and claims with them."""
        raise NotImplementedError

    async def expire_claims(self) -> None:
        """Lets claims run out."""
        raise NotImplementedError

    async def due(self, store: Store, bot: int, flows: Sequence[str], now: float) -> list[Key]:
        """What is due, which is due again the next time: nobody looks after it meanwhile."""
        return await store.due(bot, flows, now, LIMIT)

    async def end(self) -> None:
        """Removes the data."""
        raise NotImplementedError


class SQLite(Subject):
    """Leases last longer than claims here, so that claims can run out under a lease."""

    few = 10
    many = 60

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.wall = ManualClock(START)

    @classmethod
    def ready(cls, request: pytest.FixtureRequest) -> Callable[[], Self]:
        return cls

    def open(self) -> Store:
        return SQLiteStore(Path(self.directory.name) / "bot.db", lease_seconds=1e6, clock=self.wall)

    async def expire_leases(self) -> None:
        self.wall.advance(1e6)

    async def expire_claims(self) -> None:
        self.wall.advance(CLAIM_SECONDS)

    async def end(self) -> None:
        self.directory.cleanup()


@attrs.define
class Redis(Subject):
    """One server; the names of each test case begin with a prefix of its own."""

    url: str
    prefix: str
    beside: Any

    @classmethod
    def ready(cls, request: pytest.FixtureRequest) -> Callable[[], Self]:
        url = request.getfixturevalue("redis_url")
        beside = redis.Redis.from_url(url)
        request.addfinalizer(beside.close)
        return lambda: cls(url, f"test-{secrets.token_hex(6)}", beside)

    def open(self) -> Store:
        return RedisStore(self.url, prefix=self.prefix, lease_seconds=LEASE_SECONDS)

    async def expire_leases(self) -> None:
        for node, name in self.names("lease:*"):
            node.delete(name)
        await self.expire_claims()

    async def expire_claims(self) -> None:
        for node, name in self.names("unsent:*"):
            base = name[: name.index(b"}") + 1]
            for key, till in node.zrange(name, 0, -1, withscores=True):
                earlier = round(till - CLAIM_SECONDS * 1000 - 100)
                node.zadd(name, {key: earlier})
                node.hset(base + b":row:" + key, "c", earlier)

    async def due(self, store: Store, bot: int, flows: Sequence[str], now: float) -> list[Key]:
        sets = [*self.names("due:*"), *self.names("unsent:*")]
        before = [(node, name, node.zrange(name, 0, -1, withscores=True)) for node, name in sets]
        found = await super().due(store, bot, flows, now)
        for node, name, members in before:
            node.zadd(name, dict(members))
        return found

    def names(self, what: str) -> Iterator[tuple[Any, bytes]]:
        """Names of a sort, each with the node that has it."""
        for node in self.nodes():
            for name in list(node.scan_iter(f"{{{self.prefix}:*:{what}", count=1000)):
                yield node, name

    def nodes(self) -> list[Any]:
        return [self.beside]

    async def end(self) -> None:
        for node, name in self.names("*"):
            node.delete(name)


@attrs.define
class RedisCluster(Redis):
    """Three nodes."""

    few: ClassVar[int] = 1
    many: ClassVar[int] = 5

    @classmethod
    def ready(cls, request: pytest.FixtureRequest) -> Callable[[], Self]:
        cluster = request.getfixturevalue("redis_cluster")
        clients = [node.client() for node in cluster.nodes]
        for client in clients:
            request.addfinalizer(client.close)
        return lambda: cls(cluster.url, f"test-{secrets.token_hex(6)}", clients)

    def nodes(self) -> list[Any]:
        return list(self.beside)


@attrs.define
class Postgres(Subject):
    """A schema for all test cases of a test, emptied after each."""

    dsn: str
    schema: str
    beside: Any = None

    @classmethod
    def ready(cls, request: pytest.FixtureRequest) -> Callable[[], Self]:
        dsn, schema = (request.getfixturevalue(name) for name in ("postgres_dsn", "schema"))
        return lambda: cls(dsn, schema)

    def open(self) -> Store:
        return PostgresStore(self.dsn, schema=self.schema, lease_seconds=LEASE_SECONDS, pool_size=2)

    async def expire_leases(self) -> None:
        await self.sql(f"UPDATE {self.schema}.leases SET until = until - interval '{LEASE_SECONDS + 1} s'")
        await self.expire_claims()

    async def expire_claims(self) -> None:
        past = f"interval '{CLAIM_SECONDS + 0.1} s'"
        await self.sql(f"UPDATE {self.schema}.rows SET claim = claim - {past}, stalled = stalled - {past}")

    async def due(self, store: Store, bot: int, flows: Sequence[str], now: float) -> list[Key]:
        found = await super().due(store, bot, flows, now)
        if found:
            await self.sql(f"UPDATE {self.schema}.rows SET filed = wake, stalled = claim")
        return found

    async def sql(self, statement: str) -> None:
        if self.beside is None:
            self.beside = await asyncpg.connect(self.dsn)
        await self.beside.execute(statement)

    async def end(self) -> None:
        await self.sql(f"TRUNCATE {self.schema}.rows, {self.schema}.leases, {self.schema}.waiters")
        await self.beside.close()


@attrs.define
class Mongo(Subject):
    """A database for each test case."""

    url: str
    name: str
    beside: Any

    @classmethod
    def ready(cls, request: pytest.FixtureRequest) -> Callable[[], Self]:
        url = request.getfixturevalue("mongo_url")
        beside: MongoClient[Any] = MongoClient(url)
        request.addfinalizer(beside.close)
        return lambda: cls(url, f"fsmkit_test_{secrets.token_hex(6)}", beside)

    @property
    def rows(self) -> Any:
        """The documents, past the store."""
        return self.beside[self.name].fsmkit_rows

    def open(self) -> Store:
        return MongoStore(self.url, database=self.name, lease_seconds=LEASE_SECONDS)

    async def expire_leases(self) -> None:
        await self.earlier("until", LEASE_SECONDS + 1)
        await self.expire_claims()

    async def expire_claims(self) -> None:
        await self.earlier("claim", CLAIM_SECONDS + 0.1)

    async def earlier(self, field: str, seconds: float) -> None:
        for row in self.rows.find({field: {"$gt": 0.0}}):
            # What a lease remembers of the document is from another time now: it has to look again.
            moved = {field: row[field] - seconds, "revision": new_token()}
            self.rows.update_one({"_id": row["_id"]}, {"$set": moved})

    async def due(self, store: Store, bot: int, flows: Sequence[str], now: float) -> list[Key]:
        found = await super().due(store, bot, flows, now)
        if found:
            self.rows.update_many({"taken": {"$gt": 0.0}}, {"$set": {"taken": 0.0}})
        return found

    async def end(self) -> None:
        self.beside.drop_database(self.name)


SUBJECTS: dict[str, type[Subject]] = {
    "sqlite": SQLite,
    "redis": Redis,
    "redis cluster": RedisCluster,
    "postgres": Postgres,
    "mongo": Mongo,
}
