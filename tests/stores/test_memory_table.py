"""The table of a `MemoryStore`: slices, clocks that jump, and what it finds, beside a plain dictionary."""

import asyncio
import gc
import tracemalloc
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_engine import Bench
from sample_flows import timed

from fsmkit import Key
from fsmkit.stores import Change, Index
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.memory_table import BUCKET, SLICE, KeyOrder
from fsmkit.testing import ManualClock

IN_F = (Index("f", "a", None),)
MANY = 5 * SLICE


async def write(store, key, wake, row=b"row", index=IN_F):
    async with store.lease(key) as lease:
        await lease.commit(Change(row, wake, index))


@pytest.fixture
def clock():
    return ManualClock(1000.0)


@pytest.fixture
def store(clock):
    return MemoryStore(clock)


async def fill(store, wake, number=MANY, bot=None):
    keys = [Key(user, user, bot=bot) for user in range(number)]
    for key in keys:
        await write(store, key, wake)
    return keys


def overdue(store):
    return sum(map(len, store.table.groups.values()))


# -- slices ----------------------------------------------------------------------------------------


async def test_what_comes_due_at_one_moment_is_handed_over_in_slices(store):
    await fill(store, 1010.0)
    for limit, most in ((10, SLICE), (SLICE + 1, 2 * SLICE), (MANY, MANY)):
        assert len(await store.due(None, ["f"], 1010.0, limit)) == limit
        assert limit <= overdue(store) <= most


async def test_no_write_pays_for_what_has_come_due(store, clock):
    await fill(store, 1010.0)
    clock.advance(10_000)
    await write(store, Key(1, 2), 20_000.0)
    assert overdue(store) == 0


async def test_each_slice_lets_others_have_their_turn(store):
    await fill(store, 1010.0)
    due, turns = asyncio.ensure_future(store.due(None, ["f"], 1010.0, MANY)), 0
    while not due.done():
        await asyncio.sleep(0)
        turns += 1
    assert (len(due.result()), turns >= MANY // SLICE) == (MANY, True)


async def test_all_that_is_due_comes_though_only_slices_are_asked_for(store):
    keys, seen = await fill(store, 1010.0), []
    while found := await store.due(None, ["f"], 1010.0, 100):
        for key in found:
            await write(store, key, 5000.0)
        seen += found
    assert sorted(seen) == keys


async def test_an_earlier_deadline_that_is_written_between_two_slices_comes_first(store):
    await fill(store, 1010.0)
    await store.due(None, ["f"], 1020.0, 10)
    await write(store, Key(-1, -1), 1005.0)
    assert (await store.due(None, ["f"], 1020.0, 1)) == [Key(-1, -1)]


async def test_one_put_off_and_due_again_takes_its_place_among_the_others(store):
    first, second = Key(1, 1), Key(2, 2)
    await write(store, first, 1010.0)
    await write(store, second, 1020.0)
    await write(store, first, 1030.0)
    assert await store.due(None, ["f"], 1040.0, 1) == [second]
    assert await store.due(None, ["f"], 1040.0, 2) == [second, first]


async def test_rows_of_strangers_that_stay_due_are_not_walked_again(store):
    for bot, flow in ((9, "f"), (None, "stranger")):
        for user in range(MANY):
            await write(store, Key(user, user, bot=bot), 1005.0, index=(Index(flow, "a", None),))
    await write(store, Key(-1, -1), 1010.0)
    assert await store.due(None, ["f"], 1010.0, 10) == [Key(-1, -1)]
    assert store.table.count_overdue(None, frozenset(["f"])) == 1


async def test_an_expired_conversation_is_over_for_its_person_before_its_slice_comes():
    bench = Bench(timed(60, on_timeout=lambda event, ctx: ("end",)))
    keys = [Key(user, user) for user in range(SLICE * 3)]
    for key in keys:
        await bench.engine.set_state("f", key, "a")
    bench.clock.advance(60)
    assert await bench.store.due(None, ["f"], bench.clock.now(), 1) == keys[:1]
    await bench.say("hello", keys[-1])
    assert await bench.stored(keys[-1]) is None
    assert await bench.engine.sweep() == len(keys) - 1
    assert bench.store.table.records == {}


# -- clocks that jump ------------------------------------------------------------------------------


async def test_a_clock_put_back_makes_what_was_due_wait_again(store):
    keys = await fill(store, 1010.0)
    assert len(await store.due(None, ["f"], 2000.0, MANY)) == MANY
    assert await store.due(None, ["f"], 1009.0, MANY) == []
    assert overdue(store) == 0
    assert sorted(await store.due(None, ["f"], 1010.0, MANY)) == keys


async def test_a_clock_put_back_in_the_middle_of_slices_loses_none(store):
    keys = await fill(store, 1010.0)
    await store.due(None, ["f"], 2000.0, SLICE)
    assert await store.due(None, ["f"], 1000.0, SLICE) == []
    assert sorted(await store.due(None, ["f"], 1010.0, MANY)) == keys


async def test_a_jump_ahead_and_back_leaves_later_deadlines_as_they_are(store, clock):
    await write(store, Key(1, 1), 1500.0)
    await store.due(None, ["f"], 10.0**12, 10)
    await write(store, Key(2, 2), 1400.0)
    assert await store.due(None, ["f"], 1300.0, 10) == []
    assert await store.due(None, ["f"], 1450.0, 10) == [Key(2, 2)]
    assert await store.due(None, ["f"], 1500.0, 10) == [Key(2, 2), Key(1, 1)]


KEYS = st.sampled_from([Key(c, u, bot=b) for c in (1, 2, 10, "1") for u in (1, 2, 3) for b in (None, 5)])
STEPS = st.one_of(
    st.tuples(
        st.just("write"), KEYS, st.none() | st.sampled_from([-inf, 0.0, 5.0, 5.5, 9.0]), st.sampled_from("fg")
    ),
    st.tuples(st.just("drop"), KEYS),
    st.tuples(st.just("forget"), st.sampled_from([1, 2, "1"])),
    st.tuples(
        st.just("due"),
        st.sampled_from([0.0, 4.0, 5.0, 7.0, 9.0]),
        st.sampled_from([1, 3, 100]),
        st.none() | st.just(5),
    ),
    st.tuples(st.just("look"), st.sampled_from([1, 2, 3, 10, "1"])),
)


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEPS, max_size=60), size=st.sampled_from([2, 3, SLICE]))
async def test_it_finds_what_a_plain_dictionary_finds(steps, size):
    """With slices of two, and buckets of two, so that a few keys make many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsmkit.stores.memory_table.SLICE", size)
        patch.setattr("fsmkit.stores.memory_table.BUCKET", size)
        store, plain = MemoryStore(ManualClock(5.0)), {}
        for kind, *given_ in steps:
            if kind == "write":
                key, wake, flow = given_
                await write(store, key, wake, index=(Index(flow, "a", None),))
                plain[key] = (inf if wake is None else wake, flow)
            elif kind == "drop":
                await write(store, given_[0], None, None)
                plain.pop(given_[0], None)
            elif kind == "forget":
                gone = [key for key in plain if given_[0] in (key.chat, key.user)]
                assert await store.forget(given_[0]) == len(gone)
                for key in gone:
                    del plain[key]
            elif kind == "due":
                now, limit, bot = given_
                found = await store.due(bot, ["f"], now, limit)
                wakes = sorted(w for k, (w, f) in plain.items() if w <= now and k.bot == bot and f == "f")
                assert [plain[key][0] for key in found] == wakes[:limit]
                assert len(set(found)) == len(found)
            else:
                here = [key for key in plain if key.chat == given_[0]]
                assert await store.keys(given_[0]) == sorted(here, key=str)
                theirs = [key for key in plain if given_[0] in (key.chat, key.user)]
                assert await store.keys_of(given_[0]) == sorted(theirs, key=str)
            assert [row.key async for row in store.scan()] == sorted(plain, key=str)
            assert store.table.talking == len(plain)
        for key in list(plain):
            await write(store, key, None, None)
        assert_nothing_left(store)


def assert_nothing_left(store):
    table = store.table
    left = (table.records, table.groups, table._overdue, table._people, table.order._buckets, table.talking)
    assert left == ({}, {}, {}, {}, [[]], 0)
    assert (len(table), store.turns, store.void) == (0, {}, set())


# -- indexes ---------------------------------------------------------------------------------------


def test_a_key_is_found_among_many_without_a_walk_over_all():
    order, keys = KeyOrder(), [Key(chat, user) for chat in range(200) for user in range(10)]
    for key in keys:
        order.add(key)
    assert max(map(len, order._buckets)) <= BUCKET
    page, following = order.page("150:")
    assert (page[0][1], len(page) <= BUCKET, following is not None) == (Key(150, 0), True, True)
    assert [key for _, key in order.between("", "~")] == sorted(keys, key=str)
    for key in keys:
        order.remove(key)
    assert (order._buckets, order._begins) == ([[]], [""])


async def test_a_scan_shows_what_is_added_behind_it_and_not_what_is_gone_before_it(store):
    for user in range(3 * BUCKET):
        await write(store, Key(1, 1000 + user), None)
    seen = []
    async for stored in store.scan():
        seen.append(stored.key)
        if len(seen) == 1:
            await write(store, Key(1, 999), None)  # before where the scan is: by text, 999 comes after 1...
            await write(store, Key(1, 1000 + 3 * BUCKET - 1), None, None)
            await write(store, Key(0, 0), None)
    assert seen[-1] == Key(1, 999)
    assert Key(0, 0) not in seen
    assert Key(1, 1000 + 3 * BUCKET - 1) not in seen


async def test_a_live_conversation_in_a_private_chat_takes_at_most_900_bytes(store):
    row = (
        b'[{"form":[[["form",1,"age",{"age":33,"name":"Annegret"},[],1,[],[],null,null,0,null]],%d,1,17638009'
    )
    number = 4000
    gc.collect()
    tracemalloc.start()
    try:
        for user in range(5_000_000_000, 5_000_000_000 + number):
            # Two ints, as from Telegram: of one update the chat and its person are two objects.
            key, wake = Key(int(f"{user}"), int(f"{user}")), 1000.0 + user
            await write(store, key, wake, row % user + b"00.0,null,0,null,null]]", (Index("f", "a", wake),))
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] / number
    finally:
        tracemalloc.stop()
    assert taken <= 900


async def test_what_was_put_off_and_is_due_all_the_same_is_due_at_the_first_look():
    clock = ManualClock(1000.0)
    store, key = MemoryStore(clock), Key(1, 1)
    for wake in (1045.0, 1600.0, 1046.0):
        async with store.lease(key) as lease:
            await lease.commit(Change(b"row", wake))
    clock.advance(46)
    assert await store.due(None, (), clock.now(), 10) == [key]
