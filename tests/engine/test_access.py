"""Reading and writing by hand: `get_state`, `set_state`, `reset_state`, `engine.at`, `expect=`; two bots."""

import pytest
from chat_events import Command, Word, said
from memory_engine import KEY, OTHER, Bench, returns

from fsmkit import ANY, Flow, Key, State, UnknownState, UnstorableData


def simple(name="f", *, data=dict, **options):
    flow = Flow(name, data=data, **options)
    flow.state("a", prompt="at a")
    flow.state("b", prompt="at b")
    return flow


# -- get, set, reset -------------------------------------------------------------------------------


async def test_where_nothing_is_stored_there_is_neither_state_nor_data():
    assert await Bench(simple()).engine.get_state("f", KEY) == (None, None)


@pytest.mark.parametrize("state", ["a", State("a")])
@pytest.mark.parametrize("by", ["flow", "name"])
async def test_set_state_puts_a_flow_into_a_state(state, by):
    flow = simple()
    bench = Bench(flow)
    await bench.engine.set_state(flow if by == "flow" else "f", KEY, state, {"n": 1})
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 1})
    assert type((await bench.engine.get_state(flow, KEY))[0]) is str


async def test_set_state_keeps_the_data_unless_given():
    bench = Bench(simple())
    await bench.engine.set_state("f", KEY, "a", {"n": 1})
    await bench.engine.set_state("f", KEY, "b")
    assert await bench.engine.get_state("f", KEY) == ("b", {"n": 1})
    await bench.engine.set_state("f", KEY, "b", {})
    assert await bench.engine.get_state("f", KEY) == ("b", {})


async def test_set_state_none_keeps_the_data_as_a_draft():
    bench = Bench(simple())
    await bench.engine.set_state("f", KEY, "a", {"n": 1})
    await bench.engine.set_state("f", KEY, None)
    assert await bench.engine.get_state("f", KEY) == (None, {"n": 1})


async def test_set_state_starts_the_idle_deadline():
    bench = Bench(simple(ttl=60))
    await bench.engine.set_state("f", KEY, "a")
    assert (await bench.row()).snapshots["f"].deadline == bench.clock.now() + 60


async def test_an_unknown_state_is_refused_with_the_name_that_was_probably_meant():
    flow = Flow("f")
    flow.state("name")
    bench = Bench(flow)
    with pytest.raises(UnknownState, match=r"flow 'f' has no state 'nmae'\. Did you mean 'name'"):
        await bench.engine.set_state(flow, KEY, "nmae")
    assert await bench.stored() is None


@pytest.mark.parametrize("use", ["get_state", "set_state", "reset_state", "at"])
async def test_an_unknown_flow_is_refused_with_those_there_are(use):
    engine = Bench(simple()).engine
    arguments = ("g", KEY, "a") if use == "set_state" else ("g", KEY)

    async def used():
        await getattr(engine, use)(*arguments)

    with pytest.raises(UnknownState, match="flow 'g' is not attached; attached are f"):
        await used()


async def test_another_flow_of_the_same_name_is_not_taken_for_it():
    with pytest.raises(UnknownState, match="is not attached"):
        await Bench(simple()).engine.get_state(simple(), KEY)


async def test_data_that_cannot_be_stored_are_refused():
    bench = Bench(simple())
    await bench.engine.set_state("f", KEY, "a", {"n": 1})
    before = await bench.stored()
    with pytest.raises(UnstorableData):
        await bench.engine.set_state("f", KEY, "b", {"n": float("nan")})
    assert await bench.stored() == before


async def test_reset_state_drops_state_and_data_and_may_be_repeated():
    bench = Bench(simple())
    await bench.engine.set_state("f", KEY, "a", {"n": 1})
    for _ in range(2):
        await bench.engine.reset_state("f", KEY)
        assert await bench.stored() is None


async def test_a_flow_never_touches_another_flows_data():
    bench = Bench(simple("f"), simple("g"))
    await bench.engine.set_state("f", KEY, "a", {"n": 1})
    await bench.engine.set_state("g", KEY, "b", {"n": 2})
    await bench.engine.reset_state("f", KEY)
    assert await bench.engine.get_state("g", KEY) == ("b", {"n": 2})


async def test_writing_by_hand_sends_no_prompt():
    bench = Bench(simple())
    await bench.engine.set_state("f", KEY, "a")
    assert bench.sent == []


# -- sub-flows -------------------------------------------------------------------------------------


async def nested():
    outer, inner = simple("outer"), simple("inner")
    returns(outer, "a", on=Word("down"))(("call", inner, {"in": 1}))
    bench = Bench(outer, inner)
    await bench.engine.set_state(outer, KEY, "a", {"out": 1})
    await bench.say("down")
    return bench


async def test_get_state_reads_the_flows_own_frame_waiting_or_running():
    bench = await nested()
    assert await bench.engine.get_state("outer", KEY) == ("a", {"out": 1})
    assert await bench.engine.get_state("inner", KEY) == ("a", {"in": 1})


async def test_the_data_of_a_waiting_flow_can_be_written_without_disturbing_what_runs():
    bench = await nested()
    await bench.engine.at("outer", KEY).set_data({"out": 2})
    assert await bench.engine.get_state("outer", KEY) == ("a", {"out": 2})
    assert await bench.engine.get_state("inner", KEY) == ("a", {"in": 1})


async def test_moving_a_waiting_flow_drops_what_it_had_called():
    bench = await nested()
    await bench.engine.set_state("outer", KEY, "b")
    assert await bench.engine.get_state("outer", KEY) == ("b", {"out": 1})
    assert await bench.engine.get_state("inner", KEY) == (None, None)


async def test_resetting_a_running_sub_flow_gives_the_turn_back_to_its_caller():
    bench = await nested()
    await bench.engine.reset_state("inner", KEY)
    assert list((await bench.row()).snapshots["outer"].frames)[-1].flow == "outer"


# -- send(flow=, expect=) --------------------------------------------------------------------------


def two_takers():
    flows = [Flow("f"), Flow("g")]
    for flow in flows:
        flow.defstate(ANY, None, on=int)(lambda event, ctx: ("stay", {"got": event}))
        flow.state("a")
        flow.state("b")
    return flows


async def got(bench):
    return {name: (await bench.engine.get_state(name, KEY))[1] for name in bench.engine.flows.tables}


async def test_flow_gives_an_event_to_that_flow_only():
    bench = Bench(*two_takers())
    await bench.engine.set_state("f", KEY, "a", {})
    await bench.engine.set_state("g", KEY, "a", {})
    assert (await bench.engine.send(KEY, 5, flow="f")).flow == "f"
    assert await got(bench) == {"f": {"got": 5}, "g": {}}


async def test_flow_gives_an_event_to_a_sub_flow_that_runs():
    outer, inner = two_takers()
    returns(outer, "a", on=Word("down"))(("call", inner, {}))
    bench = Bench(outer, inner)
    await bench.engine.set_state(outer, KEY, "a", {})
    await bench.say("down")
    assert (await bench.engine.send(KEY, 5, flow=inner, expect="a")).kind == "handled"
    assert await got(bench) == {"f": {}, "g": {"got": 5}}


async def test_flow_gives_an_event_to_a_waiting_flow_past_its_sub_flow():
    outer, inner = two_takers()
    returns(outer, "a", on=Word("down"))(("call", inner, {}))
    bench = Bench(outer, inner)
    await bench.engine.set_state(outer, KEY, "a", {})
    await bench.say("down")
    await bench.engine.send(KEY, 5, flow=outer)
    assert await got(bench) == {"f": {"got": 5}, "g": {}}


@pytest.mark.parametrize(("expect", "kind"), [("a", "handled"), (State("a"), "handled"), ("b", "passed")])
async def test_expect_gives_an_event_in_that_state_only(expect, kind):
    bench = Bench(*two_takers())
    await bench.engine.set_state("f", KEY, "a", {})
    assert (await bench.engine.send(KEY, 5, flow="f", expect=expect)).kind == kind


async def test_expect_means_a_state_of_a_flow():
    with pytest.raises(TypeError, match="name both"):
        await Bench(*two_takers()).engine.send(KEY, 5, expect="a")


async def test_an_external_event_reaches_an_idle_user():
    bench = Bench(*two_takers())
    assert (await bench.engine.send(KEY, 5, id="evt-7")).kind == "handled"
    assert (await bench.engine.send(KEY, 5, id="evt-7")).kind == "duplicate"


async def test_send_takes_a_key():
    with pytest.raises(TypeError, match="takes a Key first"):
        await Bench(*two_takers()).engine.send((10, 7), 5)


# -- two bots --------------------------------------------------------------------------------------


def greeting():
    flow = Flow("f", ttl=60)
    flow.state("a")
    flow.defstate(None, on=Command("start"))(lambda event, ctx: ("transition", "a", {"bot": ctx.key.bot}))
    return flow


async def test_two_bots_share_a_store_and_never_see_each_others_rows():
    one = Bench(greeting())
    two = Bench(greeting(), store=one.store, clock=one.clock)
    one.engine.bot, two.engine.bot = 1, 2
    await one.engine.send(KEY, said("/start"))
    assert await two.engine.get_state("f", KEY) == (None, None)
    await two.engine.send(KEY, said("/start"))
    assert (await one.engine.get_state("f", KEY), await two.engine.get_state("f", KEY)) == (
        ("a", {"bot": 1}),
        ("a", {"bot": 2}),
    )
    one.clock.advance(60)
    assert await one.engine.sweep() == 1
    assert await two.engine.get_state("f", KEY) == ("a", {"bot": 2})


async def test_a_key_without_a_bot_means_the_attached_one():
    bench = Bench(greeting())
    bench.engine.bot = 1
    await bench.engine.send(KEY, said("/start"))
    full = Key(10, 7, bot=1)
    assert (await bench.engine.get_state("f", full))[0] == await bench.engine.at("f", KEY).get_state() == "a"
    assert await bench.engine.get_state("f", OTHER) == (None, None)


async def test_a_called_flow_that_is_removed_leaves_no_caller_that_stands_nowhere():
    flow, called = Flow("f"), Flow("called")
    flow.state("on")
    called.state("asks")
    returns(flow, None)(("call", called))
    bench = Bench(flow)
    await bench.say("go")
    await bench.engine.at(called, KEY).clear()
    assert (await bench.row()).snapshots == {}
