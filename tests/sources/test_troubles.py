"""Events from outside that come twice, out of order, for nobody, or for a flow of another version."""

import pytest
from sources.shipping import KEY, Shipped, World

from fsmkit import Engine, Flow, Key, StoredByNewerVersion
from fsmkit.sources import QueueSource
from fsmkit.testing import ManualClock


@pytest.fixture
def queue():
    return QueueSource()


async def test_events_out_of_order_count_in_the_order_of_their_arrival_and_once(queue):
    world = World(sources=[queue])
    async with world.engine:
        for number in (3, 1, 3, 2, 1):
            await queue.put(KEY, Shipped(number), id=f"evt-{number}")
        await queue.join()
    assert world.numbers() == [3, 1, 2]


async def test_an_event_that_has_failed_counts_when_it_comes_again(queue):
    world = World(sources=[queue])
    world.refused[1] = 1
    async with world.engine:
        for _ in range(3):
            await queue.put(KEY, Shipped(1), id="evt-1")
        await queue.join()
    assert world.numbers() == [1]


async def test_an_event_for_somebody_unknown_leaves_nothing_behind(queue):
    flow = Flow("parcel")
    flow.state("waiting")
    flow.defstate("waiting", on=Shipped)(lambda event, ctx: ("end",))
    engine = Engine(flow, sources=[queue], clock=ManualClock(1000.0))
    async with engine:
        await queue.put(Key(404, 404), Shipped(1), id="evt-1")
        await queue.join()
        assert await engine.store.peek(Key(404, 404)) is None


async def test_an_event_for_a_conversation_of_a_newer_version_is_reported_and_changes_nothing(queue):
    world = World(sources=[queue])
    newer = Flow("shipping", version=2)
    newer.defstate(None, on=Shipped)(lambda event, ctx: ("stay", {"last": event.number}))
    await Engine(newer, store=world.engine.store, clock=world.clock).send(KEY, Shipped(7))
    before = await world.engine.store.peek(KEY)
    async with world.engine:
        await queue.put(KEY, Shipped(8))
        await queue.join()
    assert [type(error) for _, _, error in world.errors] == [StoredByNewerVersion]
    assert (world.seen, await world.engine.store.peek(KEY)) == ([], before)


async def test_an_event_for_a_conversation_of_an_older_version_is_handled_by_the_newer_one(queue):
    world = World()
    await world.engine.send(KEY, Shipped(7))
    newer, seen = Flow("shipping", version=2), []
    newer.migrate(1)(lambda state, data: (state, {"lifted": data["last"]}))

    @newer.defstate(None, on=Shipped)
    def shipped(event, ctx):
        seen.append((event.number, ctx.data))

    engine = Engine(newer, store=world.engine.store, clock=world.clock, sources=[queue])
    async with engine:
        await queue.put(KEY, Shipped(8))
        await queue.join()
    assert seen == [(8, {"lifted": 7})]
