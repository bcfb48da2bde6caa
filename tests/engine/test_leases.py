"""Turns: one key's events one after the other, other keys meanwhile, and leases that are lost."""

import asyncio

import pytest
from chat_events import Word, said
from memory_engine import KEY, OTHER, Bench, returns

from fsmkit import Flow, Key, LeaseLost
from fsmkit.stores import Change, Index


class Gate:
    """Handlers wait at it until the test lets them through."""

    def __init__(self):
        self.arrived = []
        self.open = asyncio.Event()

    async def wait(self, name):
        self.arrived.append(name)
        await self.open.wait()


IN_A = (Index("f", "a", None),)
"""What such a row is looked up by."""


def counting():
    """A flow whose handlers read, wait, and write what they have read and one."""
    flow = Flow("f", data=dict)

    @flow.defstate("a", on=int)
    async def more(event, ctx):
        before = ctx.data["n"]
        await asyncio.sleep(0)
        return ("stay", {"n": before + event})

    return flow


def gated():
    flow, gate = Flow("f"), Gate()

    @flow.defstate("a")
    async def wait(event, ctx):
        await gate.wait(event.text)
        ctx.reply(event.text)

    return flow, gate


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def in_a(flow, *keys, **options):
    bench = Bench(flow, **options)
    for key in keys or (KEY,):
        await bench.engine.set_state(flow, key, "a", {"n": 0})
    return bench


async def test_concurrent_events_of_one_key_all_count():
    bench = await in_a(counting())
    await asyncio.gather(*(bench.engine.send(KEY, 1) for _ in range(50)))
    assert await bench.engine.get_state("f", KEY) == ("a", {"n": 50})
    assert bench.store.turns == {}


async def test_events_of_one_key_are_handled_in_the_order_of_their_arrival():
    flow, gate = gated()
    bench = await in_a(flow)
    tasks = []
    for number in range(10):
        tasks.append(asyncio.create_task(bench.say(f"{number}")))
        await asyncio.sleep(0)
    await settle()
    assert gate.arrived == ["0"]
    gate.open.set()
    await asyncio.gather(*tasks)
    assert gate.arrived == bench.texts == [f"{number}" for number in range(10)]
    assert bench.store.turns == {}


async def test_other_keys_run_meanwhile():
    flow, gate = gated()
    bench = await in_a(flow, KEY, OTHER)
    tasks = [asyncio.create_task(bench.say("mine")), asyncio.create_task(bench.say("theirs", OTHER))]
    await settle()
    assert gate.arrived == ["mine", "theirs"]
    gate.open.set()
    await asyncio.gather(*tasks)


async def test_writing_by_hand_waits_its_turn_too():
    flow, gate = gated()
    bench = await in_a(flow)
    task = asyncio.create_task(bench.say("x"))
    await settle()
    write = asyncio.create_task(bench.engine.at(flow, KEY).set_data({"n": 9}))
    await settle()
    assert not write.done()
    gate.open.set()
    await asyncio.gather(task, write)
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 9})


async def test_reading_waits_for_nobody():
    flow, gate = gated()
    bench = await in_a(flow)
    task = asyncio.create_task(bench.say("x"))
    await settle()
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 0})
    gate.open.set()
    await task


async def test_one_who_gives_up_waiting_does_not_hold_up_those_behind():
    flow, gate = gated()
    bench = await in_a(flow)
    first = asyncio.create_task(bench.say("first"))
    await settle()
    second, third = asyncio.create_task(bench.say("second")), asyncio.create_task(bench.say("third"))
    await settle()
    second.cancel()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.gather(first, third)
    assert gate.arrived == ["first", "third"]
    assert bench.store.turns == {}


async def test_one_who_gives_up_when_the_turn_has_just_come_hands_it_on():
    flow, gate = gated()
    bench = await in_a(flow)
    async with bench.store.lease(KEY):
        second, third = asyncio.create_task(bench.say("second")), asyncio.create_task(bench.say("third"))
        await settle()
    second.cancel()  # the turn was passed to it, but it has not run yet
    gate.open.set()
    await asyncio.gather(second, third, return_exceptions=True)
    assert gate.arrived == ["third"]
    assert bench.store.turns == {}


async def test_a_handler_that_is_cancelled_frees_its_turn_and_changes_nothing():
    flow, _gate = gated()
    bench = await in_a(flow)
    before = await bench.stored()
    task = asyncio.create_task(bench.say("x"))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.stored() == before
    assert bench.store.turns == {}


async def test_a_lost_lease_runs_the_event_once_more_on_the_fresh_row():
    flow, seen = Flow("f"), []

    @flow.defstate("a")
    async def handler(event, ctx):
        seen.append(ctx.data["n"])
        if len(seen) == 1:
            await write_behind()
        ctx.reply(f"run {len(seen)}")
        return ("stay", {"n": ctx.data["n"] + 1})

    bench = await in_a(flow)

    async def write_behind():
        """What another process would do after this one had lost its lease."""
        lease = await bench.store.snapshot(KEY)
        await lease.commit(Change(lease.row.replace(b'"n":0', b'"n":7'), index=IN_A))

    await bench.say("x")
    assert seen == [0, 7]
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 8})
    assert bench.texts == ["run 2"]


async def test_a_lease_that_is_lost_twice_is_an_error_and_nothing_is_written():
    flow = Flow("f")

    @flow.defstate("a")
    async def handler(event, ctx):
        lease = await bench.store.snapshot(KEY)
        await lease.commit(Change(row, index=IN_A))
        ctx.reply("never")

    bench = await in_a(flow)
    row = await bench.stored()
    with pytest.raises(LeaseLost):
        await bench.say("x")
    assert await bench.stored() == row
    assert bench.sent == []


# -- optimistic ------------------------------------------------------------------------------------


async def test_optimistic_handlers_of_one_key_run_at_the_same_time():
    flow, gate = gated()
    bench = await in_a(flow, isolation="optimistic")
    tasks = [asyncio.create_task(bench.say(name)) for name in ("one", "two")]
    await settle()
    assert gate.arrived == ["one", "two"]
    gate.open.set()
    await asyncio.gather(*tasks)
    assert sorted(bench.texts) == ["one", "two"]
    assert gate.arrived == ["one", "two", "two"]


async def test_optimistic_events_that_come_second_run_again_and_every_success_counts():
    bench = await in_a(counting(), isolation="optimistic")
    outcomes = await asyncio.gather(*(bench.engine.send(KEY, 1) for _ in range(20)), return_exceptions=True)
    lost = [outcome for outcome in outcomes if isinstance(outcome, LeaseLost)]
    done = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(lost) + len(done) == 20
    assert len(done) >= 6
    assert (await bench.engine.get_state("f", KEY))[1] == {"n": len(done)}


async def test_optimistic_events_run_six_times_at_most():
    flow, runs = Flow("f"), []

    @flow.defstate("a")
    async def handler(event, ctx):
        runs.append(event.text)
        lease = await bench.store.snapshot(KEY)
        await lease.commit(Change(lease.row))

    bench = await in_a(flow, isolation="optimistic")
    with pytest.raises(LeaseLost):
        await bench.engine.send(KEY, said("x"))
    assert len(runs) == 6


# -- exceptions and entries ------------------------------------------------------------------------


async def test_no_turn_is_left_behind_whatever_handlers_do():
    flow = Flow("f")
    returns(flow, None, on=Word("go"))(("transition", "a"))
    flow.defstate("a")(lambda event, ctx: 1 / 0)
    bench = Bench(flow)
    keys = [Key(1, user) for user in range(20)]
    sends = [bench.say(text, key) for key in keys for text in ("go", "boom", "nothing", "go")]
    await asyncio.gather(*sends, return_exceptions=True)
    assert bench.store.turns == {}
