"""Deadlines: when a conversation times out, what a handler may make of it, and who goes first."""

from datetime import timedelta

import pytest
from chat_events import Word
from memory_engine import KEY, OTHER, START, Bench, returns
from sample_flows import deadline, in_timed, timed

from fsmkit import ANY, Flow, Key, Timeout
from fsmkit.flow.messages import Address

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
    bench = await in_timed(made)
    assert await deadline(bench) == (None if expected is None else START + expected)


async def test_each_step_starts_the_idle_deadline_anew():
    bench = await in_timed(timed(60))
    bench.clock.advance(50)
    await bench.say("hm")
    assert await deadline(bench) == START + 110


async def test_an_event_that_nobody_takes_leaves_the_deadline():
    bench = await in_timed(timed(60))
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
    bench = await in_timed(flow)
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

    bench = await in_timed(timed(60, on_timeout=on_timeout))
    bench.clock.advance(100)
    await bench.engine.sweep()
    assert seen == [(Timeout(START + 60), "a", {"n": 1}, START + 100)]
    assert await bench.engine.get_state("f", KEY) == ("b", {"n": 1})
    assert await deadline(bench) == START + 160
    assert bench.texts == ["Still there?"]


async def test_a_timeout_goes_where_the_person_last_wrote():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: ("transition", "b")))
    await bench.say("hm", address=Address(20, user=7, lang="de"))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert bench.sent[0].to == Address(20, user=7, lang="de")


async def test_a_timeout_handler_that_stays_waits_once_more():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: None))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await deadline(bench) == START + 120


async def test_a_timeout_handler_that_passes_lets_the_conversation_end():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: ("pass",)))
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await bench.stored() is None


async def test_the_person_is_told_where_the_flow_has_a_text_for_it_in_their_language():
    flow = timed(60)
    flow.texts(expired={"en": "Too late.", "de": "Zu spät."})
    bench = await in_timed(flow)
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
    bench = await in_timed(order, address)
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
    bench = await in_timed(order, address)
    await bench.say("ask")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await bench.engine.get_state(order, KEY) == ("a", {"n": 1})
    assert await bench.engine.get_state(address, KEY) == (None, None)


async def test_only_what_is_due_is_fired():
    slow = Flow("slow", ttl=500)
    slow.state("s")
    bench = await in_timed(timed(60), slow)
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
