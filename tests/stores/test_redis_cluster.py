"""RedisStore on a cluster of three nodes: the contract, costs, a slot that moves, a node that stops."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from redis.crc import key_slot

from fsmkit import Key, StoreUnavailable
from fsmkit.stores import CLAIM_SECONDS, Store
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.redis.leases import KeyPlace
from fsmkit.testing import StoreContract
from fsmkit.testing.store_contract.base import KEY, START, add_one, patiently, put

# Before the import: it is a plugin too, for there is one cluster in a session.
pytest.register_assert_rewrite("stores.redis_server")
from stores.redis_server import RedisCluster, calls  # noqa: E402

pytest_plugins = ["stores.redis_server"]

Client = Any
"""A plain client of one node (redis-py's own annotations are for sync and async at once)."""


@pytest.fixture
def nodes(redis_cluster: RedisCluster) -> Iterator[list[Client]]:
    """A plain client of each node; what a test has written is removed in the end."""
    clients = [node.client() for node in redis_cluster.nodes]
    yield clients
    for node in clients:
        node.flushall()
        node.close()


def expire(nodes: list[Client], what: str) -> Iterator[tuple[Client, bytes]]:
    """All names of a sort, each with the node that has it."""
    for node in nodes:
        for name in node.scan_iter(f"*:{what}:*"):
            yield node, name


class TestRedisStoreOnACluster(StoreContract):
    @pytest.fixture
    async def store(self, redis_cluster: RedisCluster, nodes: list[Client]) -> AsyncIterator[Store]:
        self.url, self.nodes = redis_cluster.url, nodes
        store = RedisStore(redis_cluster.url)
        yield store
        await store.close()

    async def another(self, store: Store) -> Store:
        return RedisStore(self.url)

    async def expire_leases(self, store: Store) -> None:
        for node, name in expire(self.nodes, "lease"):
            node.delete(name)

    async def expire_claims(self, store: Store) -> None:
        for node, name in expire(self.nodes, "unsent"):
            base = name[: name.index(b"}") + 1]
            for key, till in node.zrange(name, 0, -1, withscores=True):
                earlier = round(till - CLAIM_SECONDS * 1000 - 100)
                node.zadd(name, {key: earlier})
                node.hset(base + b":row:" + key, "c", earlier)

    async def pass_time(self, store: Store, seconds: float) -> None:
        for kind in ("inbox-struck", "inbox-since"):
            for node, name in expire(self.nodes, kind):
                for member, since in node.zrange(name, 0, -1, withscores=True):
                    node.zadd(name, {member: since - seconds})


@pytest.fixture
async def stores(redis_cluster: RedisCluster, nodes: list[Client]) -> AsyncIterator[list[RedisStore]]:
    """Two processes' worth of stores."""
    made = [RedisStore(redis_cluster.url) for _ in range(2)]
    yield made
    for store in made:
        await store.close()


async def test_a_step_is_two_commands_on_a_cluster_too(stores: list[RedisStore], nodes: list[Client]) -> None:
    keys = [Key(1, user) for user in range(20)]
    await patiently(*(add_one(store, key) for store in stores for key in keys))
    before = sum(map(calls, nodes))
    await patiently(*(add_one(store, key) for store in stores for key in keys for _ in range(5)))
    assert sum(map(calls, nodes)) - before == 400
    assert [await stores[0].peek(key) for key in keys] == [b"12"] * 20


async def test_keys_are_spread_over_all_nodes(stores: list[RedisStore], nodes: list[Client]) -> None:
    await patiently(*(put(stores[0], Key(1, user), b"row", wake=START) for user in range(100)))
    held = [len(list(node.scan_iter("*:row:*"))) for node in nodes]
    assert sum(held) == 100
    assert min(held) > 15
    assert len(await stores[1].due(None, [], START, 1000)) == 100


async def test_a_slot_that_moves_is_found_again(stores: list[RedisStore], nodes: list[Client]) -> None:
    """Keys move one by one; until all of them are there, no script may see the half of a key."""
    await put(stores[0], KEY, b"41", outbox=(b"one",))
    await stores[1].peek(KEY)
    slot = key_slot(f"{{fsmkit:{KeyPlace.of(KEY).shard}}}".encode())
    source = next(node for node in nodes if node.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot))
    target = nodes[(nodes.index(source) + 1) % len(nodes)]
    source_id, target_id = (node.execute_command("CLUSTER", "MYID") for node in (source, target))
    target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    steps = asyncio.gather(*(add_one(store, KEY) for store in stores))
    port = target.connection_pool.connection_kwargs["port"]
    for name in source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000):
        source.execute_command("MIGRATE", "127.0.0.1", port, name, 0, 5000)
        await asyncio.sleep(0.01)
        assert not steps.done()
    for node in (target, source, *nodes):
        node.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
    await patiently(asyncio.wait_for(steps, 10.0))
    assert await stores[0].peek(KEY) == b"43"
    assert await stores[1].acknowledge(KEY, b"one", None) is None


async def test_the_other_nodes_go_on(redis_cluster: RedisCluster, nodes: list[Client]) -> None:
    store = RedisStore(redis_cluster.url, retry_seconds=0.5, timeout=0.3)
    keys = [Key(1, user) for user in range(30)]
    await patiently(*(put(store, key, b"row") for key in keys))
    frozen = {Key.parse(name.decode().split(":row:")[1]) for name in nodes[1].scan_iter("*:row:*")}
    redis_cluster.nodes[1].freeze()
    try:
        rows = await patiently(asyncio.gather(*(store.peek(key) for key in keys), return_exceptions=True))
    finally:
        redis_cluster.nodes[1].freeze(on=False)
        await store.close()
    for key, row in zip(keys, rows[0], strict=True):
        assert isinstance(row, StoreUnavailable) if key in frozen else row == b"row"
