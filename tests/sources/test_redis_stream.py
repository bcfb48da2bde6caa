"""Events from a stream, on a real server: order, acknowledgement, other readers, dead letters."""

import asyncio

import pytest
from jobs.waiting import settle

# Before the import: it is a plugin too, for there is one server in a session.
pytest.register_assert_rewrite("stores.redis_server")
from sources.shipping import KEY, Refusing, Shipped, World  # noqa: E402

from fsmkit import (  # noqa: E402
    Key,
    StoreUnavailable,
    UnstorableData,
)
from fsmkit.sources import Incoming  # noqa: E402
from fsmkit.sources.redis_stream import Group, RedisStream  # noqa: E402

pytest_plugins = ["stores.redis_server"]


@pytest.fixture
async def stream(redis_url, prefix):
    async with RedisStream(redis_url, f"{{{prefix}:}}s", "bot", retry=1, reader_seconds=0.5) as stream:
        yield stream


@pytest.fixture
async def another(redis_url, prefix):
    """The same stream as seen by another process."""
    async with RedisStream(redis_url, f"{{{prefix}:}}s", "bot", retry=1, reader_seconds=0.5) as another:
        yield another


async def until(condition, clock=None):
    """Waits for the server; a clock that is given goes on meanwhile."""
    async with asyncio.timeout(20):
        while not condition():  # the server tells nobody
            await asyncio.sleep(0.005)
            if clock is not None:
                clock.advance(0.5)


def pending(beside, stream):
    return beside.xpending(stream._stream, "bot")["pending"]


def dead(beside, stream):
    return [fields for _, fields in beside.xrange(stream.dead)]


async def test_events_come_in_their_order_and_are_acknowledged(stream, beside):
    world = World(sources=[stream])
    for number in range(20):
        await stream.send(KEY, Shipped(number))
        await stream.send(Key(2, 2), Shipped(number))
    async with world.engine:
        await until(lambda: len(world.seen) == 40)
        await stream.send(KEY, Shipped(20))  # one that comes while it waits
        await until(lambda: len(world.seen) == 41)
        await until(lambda: pending(beside, stream) == 0)
    assert world.numbers(1) == list(range(21))
    assert world.numbers(2) == list(range(20))


async def test_the_same_event_put_twice_is_handled_once(stream):
    world = World(sources=[stream])
    async with world.engine:
        await stream.send(KEY, Shipped(1), id="evt-1")
        await stream.send(KEY, Shipped(1), id="evt-1")
        await stream.send(KEY, Shipped(2), id="evt-2")
        await until(lambda: 2 in world.numbers())
    assert world.numbers() == [1, 2]


async def test_a_failed_event_is_tried_again_and_the_persons_later_ones_wait_for_it(stream, beside):
    world = World(sources=[stream])
    world.refused[1] = 2
    for number in (1, 2):
        await stream.send(KEY, Shipped(number))
    await stream.send(Key(2, 2), Shipped(3))
    async with world.engine:
        await until(lambda: world.numbers(2) == [3])
        assert world.numbers(1) == []
        await until(lambda: len(world.numbers(1)) == 2, world.clock)
        await until(lambda: pending(beside, stream) == 0)
    assert world.numbers(1) == [1, 2]
    assert dead(beside, stream) == []


async def test_an_event_that_fails_for_good_is_a_dead_letter_with_its_reason(stream, beside):
    world = World(sources=[stream])
    world.refused[1] = 99
    entry = await stream.send(KEY, Shipped(1))
    await stream.send(KEY, Shipped(2))
    async with world.engine:
        await until(lambda: world.numbers() == [2], world.clock)
        await until(lambda: pending(beside, stream) == 0)
    [letter] = dead(beside, stream)
    assert letter[b"dead_reason"] == b"Refusing: 1"
    assert letter[b"dead_id"] == entry.encode()
    assert (letter[b"key"], letter[b"body"]) == (str(KEY).encode(), b'{"number":1}')
    assert [type(error) for *_, error in world.errors] == [Refusing]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"x": "1"}, b"ValueError: the entry lacks key, event, body; it has x"),
        ({"key": "?", "event": "Shipped", "body": '{"number":1}'}, b"ValueError: no key: '?'"),
        ({"key": "1:1:-:-:-", "event": "Shipped", "body": "{"}, b"Unfit"),
        (
            {"key": "1:1:-:-:-", "event": "Gone", "body": "{}"},
            b"there is no event 'Gone'; the handlers know Shipped",
        ),
    ],
)
async def test_what_cannot_be_read_is_a_dead_letter_and_holds_nobody_up(stream, beside, fields, reason):
    world = World(sources=[stream])
    beside.xadd(stream._stream, fields)
    beside.xadd(stream._stream, {"key": "1:1:-:-:-", "event": "Shipped", "body": '{"number": 5}'})  # by hand
    async with world.engine:
        await until(lambda: world.numbers() == [5])
        await until(lambda: pending(beside, stream) == 0)
    [letter] = dead(beside, stream)
    assert reason in letter[b"dead_reason"]


async def test_while_the_store_is_away_events_wait_and_count_no_tries(stream, beside, monkeypatch):
    world = World(sources=[stream])
    lease, tries = world.engine.store.lease, []

    def away(key, **options):
        tries.append(key)
        raise StoreUnavailable("the server is away")

    monkeypatch.setattr(world.engine.store, "lease", away)
    await stream.send(KEY, Shipped(1))
    async with world.engine:
        await until(lambda: len(tries) > 7, world.clock)
        assert pending(beside, stream) == 1
        monkeypatch.setattr(world.engine.store, "lease", lease)
        await until(lambda: world.numbers() == [1], world.clock)
    assert dead(beside, stream) == []


async def test_one_process_reads_and_the_other_takes_over_what_is_unacknowledged(stream, another, beside):
    first = World(sources=[stream])
    second = World(sources=[another], store=first.engine.store)
    first.refused[1] = 99
    async with first.engine:
        for number in (1, 2):
            await stream.send(KEY, Shipped(number))
        await until(lambda: first.refused[1] < 99)
        async with second.engine:
            for _ in range(20):
                await asyncio.sleep(0)
            assert second.seen == []
            await first.engine.runner.stop()  # in the middle of its tries
            await until(lambda: len(second.seen) == 2)
        await until(lambda: pending(beside, stream) == 0)
    assert (first.seen, second.numbers()) == ([], [1, 2])


async def test_a_reader_that_falls_silent_is_replaced(stream, another, beside, monkeypatch):
    first = World(sources=[stream])
    second = World(sources=[another], store=first.engine.store)
    monkeypatch.setattr(stream, "_hold", asyncio.Event().wait)  # it renews nothing, as if it were paused
    first.refused[1] = 99
    async with first.engine, second.engine:
        await stream.send(KEY, Shipped(1))
        await until(lambda: second.numbers() == [1])


async def test_a_reader_that_has_lost_its_right_stops_reading(stream, beside, caplog):
    world = World(sources=[stream])
    async with world.engine:
        await until(lambda: beside.get(stream._lock))
        beside.set(stream._lock, "another", px=60_000)
        await until(lambda: "another process reads now" in caplog.text)
        await stream.send(KEY, Shipped(1))
        await settle()
        assert world.seen == []
        beside.delete(stream._lock)
        await until(lambda: world.numbers() == [1])


async def test_a_reader_that_has_not_noticed_yet_that_it_lost_its_right_takes_nothing_new(
    redis_url, prefix, beside, caplog
):
    async with RedisStream(redis_url, f"{{{prefix}:}}s", "bot", reader_seconds=60) as stream:
        world = World(sources=[stream])
        async with world.engine:
            await stream.send(KEY, Shipped(1))
            await until(lambda: world.numbers() == [1])
            beside.set(stream._lock, "another", px=60_000)
            await stream.send(KEY, Shipped(2))
            await until(lambda: "another process reads now" in caplog.text)
            assert world.numbers() == [1]
            assert pending(beside, stream) == 0


async def test_a_reader_that_lost_its_right_before_it_began_claims_nothing(stream, beside):
    beside.xgroup_create(stream._stream, "bot", id="0", mkstream=True)
    await stream.send(KEY, Shipped(1))
    beside.xreadgroup("bot", "earlier", {stream._stream: ">"})
    beside.set(stream._lock, "another", px=60_000)
    group = Group(stream._client, stream._stream, "bot", stream._lock, "mine")
    assert [entry async for entry in group.entries(block=10)] == []
    claimed = beside.xpending_range(stream._stream, "bot", "-", "+", 9)
    assert [each["consumer"] for each in claimed] == [b"earlier"]


async def test_after_a_restart_of_the_server_it_goes_on(own_server):
    async with RedisStream(own_server.url, "s", "bot", reader_seconds=0.5) as stream:
        world = World(sources=[stream])
        async with world.engine:
            await stream.send(KEY, Shipped(1))
            await until(lambda: world.numbers() == [1])
            own_server.stop()
            own_server.start()
            await stream.send(KEY, Shipped(2))
            await until(lambda: world.numbers() == [1, 2], world.clock)


async def test_two_groups_get_every_event_each(stream, redis_url):
    async with RedisStream(redis_url, stream._stream, "other", reader_seconds=0.5) as other:
        first, second = World(sources=[stream]), World(sources=[other])
        await stream.send(KEY, Shipped(1))
        async with first.engine, second.engine:
            await until(lambda: first.seen and second.seen)


async def test_entries_of_another_shape_are_read_by_ones_own_function(redis_url, prefix, beside):
    def parse(fields, events):
        return Incoming(KEY, Shipped(int(fields["n"])), fields["n"])

    async with RedisStream(redis_url, f"{{{prefix}:}}own", "bot", parse=parse) as stream:
        world = World(sources=[stream])
        beside.xadd(stream._stream, {"n": "4"})
        async with world.engine:
            await until(lambda: world.numbers() == [4])


async def test_an_event_that_json_does_not_hold_is_refused_where_it_is_put(stream):
    with pytest.raises(UnstorableData):
        await stream.send(KEY, object())
