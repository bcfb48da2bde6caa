"""The receiver on stores that are servers: what a kill between two of their writes leaves is recognised."""

import pytest
from polled_bot import update

from fsmkit import Flow, StoreUnavailable
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.redis.inbox import RedisInbox
from fsmkit.telegram import text

pytest_plugins = ["stores.redis_server", "stores.postgres_server", "stores.mongo_server"]


@pytest.fixture(params=["redis", "postgres", "mongo"])
def open_store(request):
    """Opens the store, as each process does for itself."""
    if request.param == "redis":
        url, prefix = request.getfixturevalue("redis_url"), request.getfixturevalue("prefix")
        return lambda: RedisStore(url, prefix=prefix)
    if request.param == "mongo":
        url, database = request.getfixturevalue("mongo_url"), request.getfixturevalue("database")
        return lambda: MongoStore(url, database=database.name)
    dsn, schema = request.getfixturevalue("postgres_dsn"), request.getfixturevalue("schema")
    return lambda: PostgresStore(dsn, schema=schema)


def counting():
    flow, seen = Flow("counting", data=dict), []

    @flow.defstate(None, "on", on=text(r".*"))
    def take(event, ctx):
        seen.append(event.text)
        return ("transition", "on", {"count": (ctx.data or {}).get("count", 0) + 1})

    return flow, seen


async def test_what_was_handled_is_not_handled_again_by_the_next_process(bench, open_store):
    flow, seen = counting()
    for words in (("one", "two"), ("one", "two", "three")):
        async with bench.running(flow, store=open_store()):
            bench.wire.put(*(update(5 + n, word) for n, word in enumerate(words)))
            await bench.until_handled(*range(5, 5 + len(words)))
        flow, more = counting()
        seen, more = more, seen
        assert more == list(words[-2:] if len(words) == 2 else words[-1:])


async def test_an_update_whose_strike_got_lost_after_its_commit_counts_once(
    bench, redis_url, prefix, monkeypatch
):
    flow, seen = counting()
    strike = RedisInbox.strike

    async def lost(self, ids):
        raise StoreUnavailable("killed")

    monkeypatch.setattr(RedisInbox, "strike", lost)
    async with bench.running(flow, store=RedisStore(redis_url, prefix=prefix)):
        bench.wire.put(update(5, "one"))
        await bench.until(lambda: bench.wire.offset == 6 and seen and not bench.receiver._received)
        assert await bench.waiting() == [5]
    monkeypatch.setattr(RedisInbox, "strike", strike)
    again, more = counting()
    async with bench.running(again, store=RedisStore(redis_url, prefix=prefix)):
        await bench.until(lambda: bench.wire.asked and bench.receiver.caught_up)
        bench.wire.put(update(6, "two"))
        await bench.until_handled(5, 6)
        [row] = [row async for row in bench.engine.store.scan()]
        assert await bench.engine.get_state("counting", row.key) == ("on", {"count": 2})
    assert (seen, more) == (["one"], ["two"])
