"""Deadlines: when a conversation times out, what a handler may make of it, and who goes first."""

import asyncio
from datetime import timedelta

import pytest
from bench import KEY, OTHER, START, Bench, returns
from chat_events import Word

from fsmkit.effects import Address
from fsmkit.events import Crashed, Timeout
from fsmkit.flow import Flow
from fsmkit.keys import Key
from fsmkit.states import ANY


def timed(ttl=60, *, on_timeout=None, **options):
    flow = Flow("f", ttl=ttl)
    flow.state("a", **options)
    flow.state("b", prompt="Still there?")
    flow.defstate("a", on=Word("hm"))(lambda event, ctx: None)
    if on_timeout is not None:
        flow.defstate("a", on=Timeout)(on_timeout)
    return flow


async def in_a(flow, *others, **options):
    bench = Bench(flow, *others, **options)
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    return bench


async def deadline(bench):
    return (await bench.row()).snapshots["f"].deadline


# -- when ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flow", "state", "expected"),
    [
        ({}, {}, 86400),
        ({"ttl": 60}, {}, 60),
        ({"ttl": timedelta(minutes=2)}, {}, 120),
        ({"ttl": 60}, {"ttl": 5}, 5),
        ({"ttl": 60}, {"ttl": timedelta(hours=1)}, 3600),
        ({"ttl": 60}, {"ttl": None}, None),
        ({"ttl": None}, {}, None),
        ({"ttl": None}, {"ttl": 5}, 5),
    ],
)
async def test_the_time_to_live_is_the_states_else_the_flows_else_a_day(flow, state, expected):
    made = Flow("f", **flow)
    made.state("a", **state)
    bench = await in_a(made)
    assert await deadline(bench) == (None if expected is None else START + expected)


async def test_each_step_starts_the_idle_deadline_anew():
    bench = await in_a(timed(60))
    bench.clock.advance(50)
    await bench.say("hm")
    assert await deadline(bench) == START + 110


async def test_an_event_that_nobody_takes_leaves_the_deadline():
    bench = await in_a(timed(60))
    bench.clock.advance(50)
    assert (await bench.say("unknown")).kind == "passed"
    assert await deadline(bench) == START + 60


async def test_a_draft_has_no_deadline():
    bench = Bench(timed(60))
    await bench.engine.at("f", KEY).set_data({"n": 1})
    assert await deadline(bench) is None
    bench.clock.advance(timedelta(days=365))
    assert await bench.engine.sweep() == 0
    assert await bench.engine.get_state("f", KEY) == (None, {"n": 1})


# -- what ------------------------------------------------------------------------------------------


async def test_a_timeout_that_nobody_handles_ends_the_conversation_quietly():
    flow, left = timed(60), []
    flow.on_exit()(lambda ctx: left.append((ctx.state, ctx.event)))
    bench = await in_a(flow)
    bench.clock.advance(59)
    assert await bench.engine.sweep() == 0
    bench.clock.advance(1)
    assert await bench.engine.sweep() == 1
    assert await bench.stored() is None
    assert left == [("a", Timeout(START + 60))]
    assert (bench.sent, bench.errors) == ([], [])


async def test_a_handler_may_go_somewhere_on_a_timeout():
    seen = []

    def on_timeout(event, ctx):
        seen.append((event, ctx.state, ctx.data, ctx.now))
        return ("transition", "b")

    bench = await in_a(timed(60, on_timeout=on_timeout))
    bench.clock.advance(100)
    await bench.engine.sweep()
    assert seen == [(Timeout(START + 60), "a", {"n": 1}, START + 100)]
    assert await bench.engine.get_state("f", KEY) == ("b", {"n": 1})
    assert await deadline(bench) == START + 160
    assert bench.texts == ["Still there?"]


async def test_a_timeout_goes_where_the_person_last_wrote():
    bench = await in_a(timed(60, on_timeout=lambda event, ctx: ("transition", "b")))
    await bench.say("hm", address=Address(20, user=7, lang="de"))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert bench.sent[0].to == Address(20, user=7, lang="de")


async def test_a_timeout_handler_that_stays_waits_once_more():
    bench = await in_a(timed(60, on_timeout=lambda event, ctx: None))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await deadline(bench) == START + 120


async def test_a_timeout_handler_that_passes_lets_the_conversation_end():
    bench = await in_a(timed(60, on_timeout=lambda event, ctx: ("pass",)))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await bench.stored() is None


async def test_the_person_is_told_where_the_flow_has_a_text_for_it_in_their_language():
    flow = timed(60)
    flow.texts(expired={"en": "Too late.", "de": "Zu spät."})
    bench = await in_a(flow)
    await bench.say("hm", address=Address(10, user=7, lang="de"))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert bench.texts == ["Zu spät."]


async def test_a_timeout_that_nobody_handles_ends_the_whole_conversation():
    order, address, left = Flow("f", ttl=60), Flow("address"), []
    address.state("street")
    returns(order, "a")(("call", address))
    for flow in (order, address):
        flow.on_exit()(lambda ctx: left.append(ctx.state))
    bench = await in_a(order, address)
    await bench.say("x")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await bench.stored() is None
    assert left == ["street", "a"]


async def test_a_waiting_caller_may_handle_the_timeout_of_its_sub_flow():
    order, address = Flow("f", ttl=60), Flow("address")
    address.state("street")
    returns(order, "a", on=Word("ask"))(("call", address))
    returns(order, ANY, on=Timeout)(("transition", "a"))
    bench = await in_a(order, address)
    await bench.say("ask")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await bench.engine.get_state(order, KEY) == ("a", {"n": 1})
    assert await bench.engine.get_state(address, KEY) == (None, None)


async def test_only_what_is_due_is_fired():
    slow = Flow("slow", ttl=500)
    slow.state("s")
    bench = await in_a(timed(60), slow)
    await bench.engine.set_state(slow, KEY, "s")
    await bench.engine.set_state("f", OTHER, "a")
    bench.clock.advance(30)
    await bench.say("hm", OTHER)
    bench.clock.advance(30)
    assert await bench.engine.sweep() == 1
    assert list((await bench.row()).snapshots) == ["slow"]
    assert list((await bench.row(OTHER)).snapshots) == ["f"]


async def test_many_timeouts_are_fired_in_one_sweep():
    bench = Bench(timed(60))
    for user in range(250):
        await bench.engine.set_state("f", Key(1, user), "a")
    bench.clock.advance(60)
    assert await bench.engine.sweep() == 250
    assert [row async for row in bench.store.scan()] == []


# -- who goes first --------------------------------------------------------------------------------


async def test_an_overdue_deadline_fires_before_the_event_with_its_own_commit():
    seen = []

    def on_timeout(event, ctx):
        return ("transition", "b")

    flow = timed(60, on_timeout=on_timeout)

    @flow.defstate("b")
    def late(event, ctx):
        seen.append(ctx.state)
        raise ValueError("after the timeout")

    bench = await in_a(flow)
    bench.clock.advance(60)
    with pytest.raises(ValueError, match="after the timeout"):
        await bench.say("hello")
    assert seen == ["b"]
    assert await bench.engine.get_state("f", KEY) == ("b", {"n": 1})
    assert bench.texts == ["Still there?"]


async def test_after_an_overdue_deadline_the_event_may_begin_anew():
    flow = timed(60)
    returns(flow, None, on=Word("hello"))(("transition", "b", {"new": 1}))
    bench = await in_a(flow)
    bench.clock.advance(60)
    await bench.say("hello")
    assert await bench.engine.get_state("f", KEY) == ("b", {"new": 1})


async def test_a_message_dated_before_the_deadline_wins():
    bench = await in_a(timed(60, on_timeout=lambda event, ctx: ("transition", "b")))
    bench.clock.advance(300)
    outcome = await bench.say("hm", date=START + 59)
    assert (outcome.kind, outcome.state) == ("handled", "a")
    assert await deadline(bench) == START + 360


async def test_a_message_dated_after_the_deadline_comes_too_late():
    bench = await in_a(timed(60))
    bench.clock.advance(300)
    assert (await bench.say("hm", date=START + 61)).kind == "passed"
    assert await bench.stored() is None


async def test_a_message_in_time_that_nobody_takes_does_not_stop_the_timeout():
    bench = await in_a(timed(60))
    bench.clock.advance(300)
    assert (await bench.say("unknown", date=START + 59)).kind == "passed"
    assert await bench.engine.sweep() == 1
    assert await bench.stored() is None


async def test_a_duplicate_fires_no_timeout():
    bench = await in_a(timed(60))
    await bench.say("hm", id=1)
    before = await bench.stored()
    bench.clock.advance(60)
    assert (await bench.say("hm", id=1)).kind == "duplicate"
    assert await bench.stored() == before


# -- handlers that fail ----------------------------------------------------------------------------


def raising(event, ctx):
    raise ValueError("in the timeout")


def refusing(event, ctx):
    return ("error", "not now")


@pytest.mark.parametrize("handler", [raising, refusing, lambda event, ctx: "nonsense"])
async def test_a_timeout_handler_that_fails_is_tried_again_with_growing_delay_then_the_conversation_ends(
    handler,
):
    bench = await in_a(timed(60, on_timeout=handler))
    delays, before = [], START
    for _ in range(5):
        due = await deadline(bench)
        delays.append(due - before)
        bench.clock.advance(due - bench.clock.now())
        assert await bench.engine.sweep() == 1
        before = due
    assert delays[0] == 60
    assert delays[1:] == sorted(set(delays[1:]))
    assert await bench.stored() is None
    assert [(key, type(event)) for key, event, _ in bench.errors] == [(KEY, Timeout)] * 5


async def test_a_timeout_handler_that_fails_does_not_hold_up_others():
    bench = await in_a(timed(60, on_timeout=lambda event, ctx: 1 / 0 if ctx.key == KEY else ("end",)))
    await bench.engine.set_state("f", OTHER, "a")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert (await bench.stored(OTHER), len(bench.errors)) == (None, 1)


async def test_a_step_in_between_forgives_failed_timeouts():
    bench = await in_a(timed(60, on_timeout=raising))
    for _ in range(4):
        bench.clock.advance(await deadline(bench) - bench.clock.now())
        await bench.engine.sweep()
    await bench.say("hm")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert len(bench.errors) == 5
    assert (await bench.engine.get_state("f", KEY))[0] == "a"


async def test_a_crashed_handler_may_catch_what_a_timeout_handler_raised():
    flow = timed(60, on_timeout=raising)
    returns(flow, "a", on=Crashed)(("transition", "b"))
    bench = await in_a(flow)
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert (await bench.engine.get_state("f", KEY))[0] == "b"
    assert bench.errors == []


async def test_a_timeout_handler_that_fails_does_not_hinder_the_event_that_found_it_overdue():
    bench = await in_a(timed(60, on_timeout=raising))
    bench.clock.advance(60)
    assert (await bench.say("hm")).kind == "handled"
    assert len(bench.errors) == 1


# -- by itself -------------------------------------------------------------------------------------


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_while_the_engine_runs_timeouts_fire_by_themselves():
    bench = await in_a(timed(60, on_timeout=lambda event, ctx: ("transition", "b")))
    async with bench.engine:
        await settle()
        for _ in range(70):
            bench.clock.advance(1)
            await settle()
        assert bench.texts == ["Still there?"]


async def test_what_was_overdue_at_the_start_fires_soon_but_after_updates_that_wait():
    bench = await in_a(timed(60))
    bench.clock.advance(1000)
    waiting = True
    bench.engine.busy = lambda: waiting
    async with bench.engine:
        await settle()
        for _ in range(10):
            bench.clock.advance(1)
            await settle()
        assert await bench.stored() is not None
        waiting = False
        bench.clock.advance(1)
        await settle()
        assert await bench.stored() is None


async def test_an_engine_that_was_stopped_sweeps_no_more():
    bench = await in_a(timed(60))
    async with bench.engine:
        await settle()
        assert bench.engine.running
    assert not bench.engine.running
    bench.clock.advance(100)
    await settle()
    assert await bench.stored() is not None


async def test_a_sweep_that_fails_is_followed_by_the_next(caplog):
    bench = await in_a(timed(60))
    good, bench.store.due = bench.store.due, None
    async with bench.engine:
        await settle()
        bench.clock.advance(61)
        await settle()
        assert "a sweep failed" in caplog.text
        bench.store.due = good
        bench.clock.advance(1)
        await settle()
        assert await bench.stored() is None
