"""Events from elsewhere in the process, and the lanes that keep their order."""

import asyncio

import pytest
from jobs.waiting import settle
from sources.shipping import KEY, Refusing, Shipped, World

from fsmkit import Key
from fsmkit.engine.fifo import KeyedWorkers
from fsmkit.sources import QueueSource


async def test_events_come_to_their_conversations_in_order():
    queue = QueueSource()
    world = World(sources=[queue])
    async with world.engine:
        for number in range(10):
            await queue.put(KEY, Shipped(number))
            await queue.put(Key(2, 2), Shipped(number))
        await queue.join()
    assert world.numbers(1) == world.numbers(2) == list(range(10))


async def test_a_key_with_its_bot_and_one_without_are_one_conversation_and_one_line():
    queue = QueueSource("q")
    world = World(sources=[queue])
    world.engine.bot = 42
    async with world.engine:
        for number in range(10):
            await queue.put(KEY.with_bot(42) if number % 2 else KEY, Shipped(number))
        await queue.join()
    assert world.numbers() == list(range(10))


async def test_nobody_waits_for_events_that_were_under_way_when_the_engine_stopped():
    queue = QueueSource("q")
    world = World(sources=[queue])
    async with world.engine.store.lease(KEY), world.engine:
        for number in (1, 2):
            await queue.put(KEY, Shipped(number))
        await settle()
    async with world.engine:
        await queue.put(KEY, Shipped(3))
        await asyncio.wait_for(queue.join(), 5)
    assert world.numbers() == [3]


async def test_an_id_makes_the_second_one_a_duplicate():
    queue = QueueSource()
    world = World(sources=[queue])
    async with world.engine:
        await queue.put(KEY, Shipped(1), id="a")
        await queue.put(KEY, Shipped(1), id="a")
        await queue.join()
    assert world.numbers() == [1]


async def test_what_a_handler_raises_is_reported_and_the_next_event_comes():
    queue = QueueSource()
    world = World(sources=[queue])
    world.refused[1] = 1
    async with world.engine:
        await queue.put(KEY, Shipped(1))
        await queue.put(KEY, Shipped(2))
        await queue.join()
    assert world.numbers() == [2]
    [(key, event, error)] = world.errors
    assert (key, event, type(error)) == (KEY, Shipped(1), Refusing)


async def test_an_event_for_a_state_that_is_not_there_is_for_nobody():
    queue = QueueSource()
    world = World(sources=[queue])
    async with world.engine:
        await queue.put(KEY, Shipped(1), flow="shipping", expect="elsewhere")
        await queue.join()
    assert world.seen == []


async def test_a_source_that_raises_is_reported_and_started_again():
    class Broken:
        name = "broken"
        starts = 0

        async def run(self, engine):
            Broken.starts += 1
            raise OSError("gone")

    world = World(sources=[Broken()])
    async with world.engine:
        await settle()
        world.clock.advance(1)
        await settle()
        assert Broken.starts == 2
    assert [(key, job.name, str(error)) for key, job, error in world.errors] == [(None, "broken", "gone")] * 2


async def test_lanes_keep_order_within_a_key_and_run_keys_at_the_same_time():
    order, gate = [], asyncio.Event()
    lanes = KeyedWorkers(10)

    async def slow():
        await gate.wait()
        order.append("slow")

    async def note(what):
        order.append(what)

    await lanes.put("a", slow)
    await lanes.put("a", lambda: note("after slow"))
    await lanes.put("b", lambda: note("other"))
    await settle()
    assert order == ["other"]
    gate.set()
    await lanes.join()
    assert order == ["other", "slow", "after slow"]


async def test_beyond_its_bound_put_waits_and_room_comes_back_after_a_cancellation():
    lanes, gate = KeyedWorkers(2), asyncio.Event()
    await lanes.put("a", gate.wait)
    await lanes.put("a", gate.wait)
    third = asyncio.create_task(lanes.put("b", gate.wait))
    await settle()
    assert not third.done()
    await lanes.cancel()
    await third
    gate.set()
    await asyncio.wait_for(lanes.put("c", gate.wait), 5)
    await lanes.join()


async def test_a_bounded_queue_makes_those_who_put_wait():
    queue = QueueSource(maxsize=1)
    await queue.put(KEY, Shipped(1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await queue.put(KEY, Shipped(2))
