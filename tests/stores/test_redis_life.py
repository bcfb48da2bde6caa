"""RedisStore from its first command to its end: event loops, closing, and what it refuses to work with."""

import asyncio
import gc
from typing import Any

import pytest

from fsmkit import StoreCorrupt, StoreUnavailable
from fsmkit.stores.redis import RedisStore
from fsmkit.testing.store_contract.base import KEY, add_one, patiently, put

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.redis_server")
from stores.redis_server import Make  # noqa: E402

pytest_plugins = ["stores.redis_server"]

Client = Any
"""A plain client of the server (redis-py's own annotations are for sync and async at once)."""


# -- life ----------------------------------------------------------------------------------------------


def test_a_second_loop_goes_on_where_the_first_one_ended(redis_url: str, prefix: str) -> None:
    store = RedisStore(redis_url, prefix=prefix)
    for _ in range(3):
        asyncio.run(patiently(*(add_one(store, KEY) for _ in range(5))))

    async def last() -> bytes | None:
        row = await store.peek(KEY)
        await store.close()
        return row

    assert asyncio.run(last()) == b"15"
    gc.collect()  # what was not closed says so now, and warnings are errors


async def test_close_leaves_no_task_and_refuses_work(redis_url: str, prefix: str) -> None:
    before = asyncio.all_tasks()
    store = RedisStore(redis_url, prefix=prefix)
    await add_one(store, KEY)
    assert asyncio.all_tasks() != before
    await store.close()
    assert asyncio.all_tasks() == before
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.peek(KEY)
    await store.close()


async def test_close_tells_who_still_waits(make: Make) -> None:
    store, other = make(), make()
    await store.peek(KEY)
    async with other.lease(KEY):
        task = asyncio.create_task(add_one(store, KEY))
        await asyncio.sleep(0.02)
        await store.close()
        with pytest.raises(StoreUnavailable, match="closed"):
            await asyncio.wait_for(task, 1.0)


# -- what it refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"prefix": "a{b}"}, {"prefix": ""}, {"lease_seconds": 0.0}])
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RedisStore("redis://localhost", **options)


def test_a_url_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="redis://"):
        RedisStore("http://localhost")


async def test_what_another_version_wrote_stays(store: RedisStore, beside: Client, prefix: str) -> None:
    beside.set(f"{{{prefix}:0}}:meta", "fsmkit 2 shards 128")
    with pytest.raises(StoreCorrupt, match="shards 128"):
        await store.peek(KEY)
    assert len(list(beside.scan_iter(f"{{{prefix}:*"))) == 1


async def test_what_others_wrote_stays(store: RedisStore, beside: Client, prefix: str) -> None:
    await store.peek(KEY)
    names = [f"{{{prefix}:{shard}}}:row:{KEY}" for shard in range(64)]
    for name in names:
        beside.set(name, "strange")
    with pytest.raises(StoreCorrupt, match="WRONGTYPE"):
        await put(store, KEY, b"row")
    assert {beside.get(name) for name in names} == {b"strange"}
