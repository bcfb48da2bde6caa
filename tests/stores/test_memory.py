"""What only `MemoryStore` does: the table that lives by its clock, the bound on its size, its turns."""

import asyncio
import logging

import pytest
from chat_events import Command, said
from memory_engine import KEY, OTHER, Bench

from fsmkit import Engine, Flow, Key, LeaseLost, StoreFull, StoreUnavailable
from fsmkit.stores import Change, Index
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock

IN_F = (Index("f", "a", None),)


def key(number):
    return Key(1, number)


async def write(store, of, row=b"row", *, wake=None, index=IN_F, **more):
    async with store.lease(of) as lease:
        return await lease.commit(Change(row, wake, index, **more))


async def due(store, now, **more):
    return await store.due(more.get("bot"), more.get("flows", ["f"]), now, more.get("limit", 100))


@pytest.fixture
def clock():
    return ManualClock(1000.0)


@pytest.fixture
def store(clock):
    return MemoryStore(clock)


# -- time ------------------------------------------------------------------------------------------


async def test_what_has_expired_is_handed_on_and_never_dropped(store, clock):
    await write(store, key(1), wake=1010.0)
    clock.advance(10_000)
    await write(store, key(2), wake=20_000.0)  # a write makes the table expire what is due
    assert await due(store, clock.now()) == [key(1)]
    assert await store.peek(key(1)) == b"row"


async def test_it_is_due_until_it_was_seen_to(store, clock):
    await write(store, key(1), wake=1010.0)
    clock.advance(10)
    assert [await due(store, clock.now()) for _ in range(2)] == [[key(1)]] * 2
    await write(store, key(1), wake=1050.0)
    assert await due(store, clock.now()) == []
    clock.advance(40)
    assert await due(store, clock.now()) == [key(1)]


@pytest.mark.parametrize(
    "wakes", [(1010.0, 1100.0), (1100.0, 1010.0), (1100.0, None), (None, 1010.0), (900.0, 1100.0)]
)
async def test_only_the_last_wake_counts(store, clock, wakes):
    for wake in wakes:
        await write(store, key(1), wake=wake)
    for now in (1009.0, 1010.0, 1099.0, 1100.0, 5000.0):
        clock.advance(now - clock.now())
        expected = [key(1)] if wakes[-1] is not None and wakes[-1] <= now else []
        assert await due(store, now) == expected, now


async def test_a_row_that_went_and_came_back_has_its_new_wake_only(store, clock):
    await write(store, key(1), wake=1010.0)
    await write(store, key(1), None)
    await write(store, key(1), wake=1100.0)
    clock.advance(50)
    assert await due(store, clock.now()) == []


async def test_the_most_overdue_come_first_and_no_more_than_asked_for(store, clock):
    for number, wake in enumerate([1030.0, 1010.0, 1020.0, 1500.0]):
        await write(store, key(number), wake=wake)
    clock.advance(100)
    assert await due(store, clock.now()) == [key(1), key(2), key(0)]
    assert await due(store, clock.now(), limit=2) == [key(1), key(2)]


async def test_what_has_no_wake_is_never_due(store, clock):
    await write(store, key(1))
    clock.advance(10**9)
    assert await due(store, clock.now()) == []


async def test_rows_of_flows_that_the_caller_does_not_know_are_left_alone(store, clock):
    await write(store, key(1), wake=1010.0)
    clock.advance(10)
    assert await due(store, clock.now(), flows=["g"]) == []


async def test_rows_of_other_bots_are_left_alone(store, clock):
    await write(store, Key(1, 1, bot=5), wake=1010.0)
    clock.advance(10)
    assert [await due(store, clock.now(), bot=bot) for bot in (None, 5, 6)] == [[], [Key(1, 1, bot=5)], []]


# -- size ------------------------------------------------------------------------------------------


async def test_a_bounded_store_refuses_a_new_conversation_rather_than_forget_a_live_one(clock):
    store = MemoryStore(clock, maxsize=2)
    await write(store, key(1))
    await write(store, key(2))
    with pytest.raises(StoreFull, match="holds 2 "):
        await write(store, key(3))
    assert [await store.peek(key(number)) for number in (1, 2, 3)] == [b"row", b"row", None]
    assert store.turns == {}


async def test_a_full_store_still_writes_what_it_has_and_takes_new_ones_when_some_have_gone(clock):
    store = MemoryStore(clock, maxsize=1)
    await write(store, key(1))
    await write(store, key(1), b"longer")
    await write(store, key(1), None)
    await write(store, key(2))
    assert await store.peek(key(2)) == b"row"


async def test_a_full_store_refuses_the_event_and_the_engine_lives_on(clock):
    flow = Flow("f")
    flow.state("a")
    flow.defstate(None, on=Command("start"))(lambda event, ctx: ctx.reply("hello") or ("transition", "a"))
    flow.defstate("a", on=Command("end"))(lambda event, ctx: ("end",))
    bench = Bench(flow, store=MemoryStore(clock, maxsize=1), clock=clock)
    await bench.say("/start")
    with pytest.raises(StoreFull):
        await bench.say("/start", OTHER)
    assert bench.texts == ["hello"]
    await bench.say("/end")
    assert (await bench.say("/start", OTHER)).kind == "handled"


# -- turns -----------------------------------------------------------------------------------------


async def test_turns_come_in_the_order_in_which_they_were_asked_for(store):
    order = []

    async def turn(number):
        async with store.lease(KEY):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(turn(number) for number in range(10)))
    assert (order, store.turns) == (list(range(10)), {})


async def test_a_commit_frees_the_turn_at_once(store):
    async with store.lease(KEY) as lease:
        await lease.commit(Change(b"row"))
        assert store.turns == {}
        async with store.lease(KEY) as other:
            assert other.row == b"row"


async def test_a_held_commit_keeps_the_turn_for_another(store):
    async with store.lease(KEY) as lease:
        await lease.commit(Change(b"one"), hold=True)
        assert list(store.turns) == [KEY]
        await lease.commit(Change(b"two"))
    assert (await store.peek(KEY), store.turns) == (b"two", {})


async def test_a_lease_that_is_over_cannot_commit(store):
    async with store.lease(KEY) as lease:
        await lease.commit(Change(b"one"))
        with pytest.raises(LeaseLost):
            await lease.commit(Change(b"two"))
    with pytest.raises(LeaseLost):
        await lease.commit(Change(b"three"))
    assert await store.peek(KEY) == b"one"


async def test_a_row_that_was_forgotten_meanwhile_is_not_written(store):
    await write(store, KEY)
    async with store.lease(KEY) as lease:
        await store.forget(KEY)
        with pytest.raises(LeaseLost):
            await lease.commit(Change(b"two"))
    assert await store.peek(KEY) is None


async def test_a_row_that_went_and_came_back_is_not_taken_for_the_old_one(store):
    await write(store, KEY)
    seen = await store.snapshot(KEY)
    await write(store, KEY, None)
    await write(store, KEY)
    with pytest.raises(LeaseLost):
        await seen.commit(Change(b"two"))
    assert await store.peek(KEY) == b"row"


# -- event loops -----------------------------------------------------------------------------------


def test_a_turn_that_an_ended_loop_left_behind_is_free_in_the_next():
    store = MemoryStore(ManualClock())

    async def leave_behind():
        await store.lease(KEY).__aenter__()

    asyncio.run(leave_behind())
    asyncio.run(asyncio.wait_for(write(store, KEY), 10))
    assert asyncio.run(store.peek(KEY)) == b"row"


async def test_a_second_loop_that_runs_at_the_same_time_is_refused(store):
    async with store.lease(KEY):
        with pytest.raises(StoreUnavailable, match="one event loop at a time"):
            await asyncio.to_thread(asyncio.run, write(store, KEY))
    await write(store, KEY)
    assert await store.peek(KEY) == b"row"


# -- life ------------------------------------------------------------------------------------------


async def test_after_it_was_closed_another_engine_may_go_on_with_its_rows(store):
    await write(store, KEY, wake=1010.0)
    await store.close()
    assert (await store.peek(KEY), await due(store, 1010.0)) == (b"row", [KEY])


async def test_a_store_without_a_clock_takes_that_of_its_engine(clock):
    store = MemoryStore()
    flow = Flow("f", ttl=60)
    flow.state("a")
    engine = Engine(flow, store=store, clock=clock)
    await engine.set_state(flow, KEY, "a")
    clock.advance(60)
    assert await engine.sweep() == 1


async def test_it_is_not_durable(store):
    assert not store.durable


async def test_an_engine_that_made_its_store_itself_says_once_that_it_forgets(caplog, clock):
    with caplog.at_level(logging.INFO, "fsmkit"):
        async with Engine(Flow("f"), clock=clock) as engine:
            await engine.start()
    assert [record.getMessage() for record in caplog.records if "in memory" in record.getMessage()] == [
        "conversations are kept in memory: they are lost when this process ends"
    ]


async def test_an_engine_that_was_given_it_says_nothing(caplog, clock, store):
    with caplog.at_level(logging.INFO, "fsmkit"):
        async with Engine(Flow("f"), clock=clock, store=store):
            pass
    assert caplog.records == []


async def test_a_store_that_was_passed_stays_open_when_the_engine_ends(clock, store):
    flow = Flow("f")
    flow.state("a")
    flow.defstate(None)(lambda event, ctx: ("transition", "a"))
    async with Engine(flow, clock=clock, store=store) as engine:
        await engine.send(KEY, said("x"))
    assert await store.peek(KEY) is not None


async def test_rows_that_only_remember_event_ids_do_not_fill_the_store(clock):
    store = MemoryStore(clock, maxsize=1)
    await write(store, key(1), index=())
    await write(store, key(2))
    with pytest.raises(StoreFull, match="holds 1 conversations"):
        await write(store, key(3))


async def test_receipts_that_nobody_comes_back_for_are_swept_up(clock, store):
    async with store.lease(key(1)) as lease:
        entry = await lease.commit(Change(None, outbox=(b"one",)))
    assert await store.acknowledge(key(1), entry, b"receipt") is None
    assert await due(store, clock.now()) == [key(1)]
    async with store.lease(key(1)) as lease:
        await lease.commit(Change(None, folded=len(lease.receipts)))
    assert await due(store, clock.now()) == []
