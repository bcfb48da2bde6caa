"""`max_age`: a conversation, or one stay in a state, that lasts too long although things happen."""

from datetime import timedelta

import pytest
from chat_events import Command, Word
from memory_engine import KEY, START, Bench, returns
from sample_flows import settle

from fsmkit import ANY, Flow, Timeout


def aging(*, on_timeout=None, flow=None, state=None):
    """A flow of `a` (with "hm", which stays) and `b`; "go" and "again" lead to `b` and to `a`."""
    made = Flow("f", ttl=500, **(flow or {}))
    made.state("a", **(state or {}))
    made.state("b", prompt="In b.")
    returns(made, ANY, on=Word("hm"))(None)
    returns(made, ANY, on=Word("go"))(("transition", "b"))
    returns(made, ANY, on=Word("again"))(("transition", "a"))
    if on_timeout is not None:
        made.defstate(ANY, on=Timeout)(on_timeout)
    return made


async def begun(*flows, state="a"):
    bench = Bench(*flows)
    await bench.engine.set_state(flows[0], KEY, state)
    return bench


async def at(bench, seconds):
    """Moves the clock to so many seconds after the start, and sweeps."""
    bench.clock.advance(START + seconds - bench.clock.now())
    return await bench.engine.sweep()


@pytest.mark.parametrize("age", [60, 60.0, timedelta(minutes=1)])
@pytest.mark.parametrize("whose", ["flow", "state"])
async def test_activity_does_not_move_it(whose, age):
    bench = await begun(aging(**{whose: {"max_age": age}}))
    for seconds in (20, 40, 59):
        await at(bench, seconds)
        assert (await bench.say("hm")).kind == "handled"
    assert await at(bench, 60) == 1
    assert await bench.stored() is None


async def test_the_flows_counts_from_its_entry_whatever_state_it_is_in():
    bench = await begun(aging(flow={"max_age": 60}))
    await at(bench, 30)
    await bench.say("go")
    await at(bench, 59)
    assert await bench.stored() is not None
    await at(bench, 60)
    assert await bench.stored() is None


async def test_a_states_counts_from_each_entry_and_is_over_when_the_state_is_left():
    bench = await begun(aging(state={"max_age": 60}))
    await at(bench, 50)
    await bench.say("again")
    await at(bench, 109)
    await bench.say("go")
    await at(bench, 400)
    assert (await bench.engine.get_state("f", KEY))[0] == "b"


async def test_the_idle_deadline_comes_first_where_it_is_earlier():
    seen = []
    flow = aging(flow={"max_age": 900}, on_timeout=lambda event, ctx: seen.append(event) or ("end",))
    bench = await begun(flow)
    await at(bench, 500)
    assert seen == [Timeout(START + 500, "idle", None)]


@pytest.mark.parametrize(("whose", "state"), [("flow", None), ("state", "a")])
async def test_a_handler_is_told_which_kind_it_is_and_whose(whose, state):
    seen = []
    flow = aging(
        **{whose: {"max_age": 60}}, on_timeout=lambda event, ctx: seen.append((event, ctx.now)) or ("end",)
    )
    bench = await begun(flow)
    await at(bench, 61)
    assert seen == [(Timeout(START + 60, "age", state), START + 61)]


async def test_it_comes_once_and_a_handler_that_stays_goes_on_without_it():
    seen = []
    bench = await begun(aging(flow={"max_age": 60}, on_timeout=lambda event, ctx: seen.append(event.kind)))
    for seconds in (60, 61, 300):
        await at(bench, seconds)
    assert seen == ["age"]
    await at(bench, 560)
    assert seen == ["age", "idle"]


async def test_of_a_state_it_comes_again_with_the_next_entry():
    seen = []
    bench = await begun(
        aging(state={"max_age": 60}, on_timeout=lambda event, ctx: seen.append(event.deadline - START))
    )
    await at(bench, 60)
    await bench.say("again")
    await at(bench, 120)
    assert seen == [60, 120]


async def test_what_is_overdue_at_once_comes_in_the_order_of_its_times_each_with_its_own_commit():
    seen = []

    def on_timeout(event, ctx):
        seen.append((event.deadline - START, event.kind, event.state, ctx.state))
        return ("stay", {"seen": len(seen)}) if event.kind == "age" else ("end",)

    flow = aging(flow={"max_age": 400}, state={"max_age": 90}, on_timeout=on_timeout)
    flow.state("c", ttl=80)
    other = Flow("g", ttl=100)
    other.state("a")
    returns(other, "a", on=Timeout)(("end",))
    bench = await begun(flow, other)
    await bench.engine.set_state(other, KEY, "a")
    writes, write = [], bench.store.write
    bench.store.write = lambda *args: writes.append(args[0]) or write(*args)
    assert await at(bench, 450) == 1
    assert seen == [(90, "age", "a", "a"), (400, "age", None, "a")]
    assert len(writes) == 4, "three timeouts and what the sweep itself writes"
    assert (await bench.row()).snapshots["f"].deadline == START + 950


async def test_it_goes_before_an_idle_deadline_of_the_same_moment():
    seen = []
    bench = await begun(
        aging(flow={"max_age": 500}, on_timeout=lambda event, ctx: seen.append(event.kind) or ("end",))
    )
    await at(bench, 500)
    assert seen == ["age"]


async def test_an_event_finds_it_over_and_what_it_wrote_stands_though_the_event_fails():
    flow = aging(flow={"max_age": 60}, on_timeout=lambda event, ctx: ("transition", "b"))
    flow.defstate("b", on=Word("crash"))(lambda event, ctx: 1 / 0)
    bench = await begun(flow)
    bench.clock.advance(60)
    with pytest.raises(ZeroDivisionError):
        await bench.say("crash")
    assert ((await bench.engine.get_state("f", KEY))[0], bench.texts) == ("b", ["In b."])


@pytest.mark.parametrize(("date", "kind"), [(59, "handled"), (60, "passed"), (61, "passed")])
async def test_a_message_dated_before_it_was_in_time_and_one_of_the_same_moment_was_not(date, kind):
    bench = await begun(aging(flow={"max_age": 60}))
    bench.clock.advance(61)
    assert (await bench.say("hm", date=START + date)).kind == kind
    await bench.engine.sweep()
    assert await bench.stored() is None


async def test_a_handler_that_fails_is_asked_again_five_times_then_the_conversation_ends():
    bench = await begun(aging(flow={"max_age": 60}, on_timeout=lambda event, ctx: 1 / 0))
    times = []
    while (row := await bench.row()).snapshots:
        [frame] = row.snapshots["f"].frames
        times.append(frame.flow_limit - START)
        await at(bench, times[-1])
    assert times == [60, 65, 80, 125, 260]
    assert [type(error) for *_, error in bench.errors] == [ZeroDivisionError] * 5


async def test_it_outlives_a_restart():
    bench = await begun(aging(flow={"max_age": 60}))
    again = Bench(aging(flow={"max_age": 60}), store=bench.store, clock=bench.clock)
    async with again.engine:
        await settle()
        for _ in range(61):
            again.clock.advance(1)
            await settle()
        assert await again.stored() is None


async def test_a_draft_has_none():
    bench = Bench(aging(flow={"max_age": 60}))
    await bench.engine.at("f", KEY).set_data({"n": 1})
    await at(bench, 10_000)
    assert await bench.engine.get_state("f", KEY) == (None, {"n": 1})


async def test_a_draft_that_is_taken_up_begins_to_age_then():
    bench = Bench(aging(flow={"max_age": 60}))
    await bench.engine.at("f", KEY).set_data({"n": 1})
    await at(bench, 50)
    await bench.engine.set_state("f", KEY, "a")
    await at(bench, 109)
    assert await bench.engine.get_state("f", KEY) == ("a", {"n": 1})
    await at(bench, 110)
    assert await bench.stored() is None


async def test_written_by_hand_a_state_is_entered_anew_and_the_flow_goes_on_aging():
    bench = await begun(aging(flow={"max_age": 100}, state={"max_age": 60}))
    await at(bench, 50)
    await bench.engine.set_state("f", KEY, "a")
    [frame] = (await bench.row()).snapshots["f"].frames
    assert (frame.flow_limit, frame.state_limit) == (START + 100, START + 110)
    await bench.engine.at("f", KEY).set_data({"n": 1})
    [frame] = (await bench.row()).snapshots["f"].frames
    assert (frame.flow_limit, frame.state_limit) == (START + 100, START + 110)


async def test_what_was_stored_before_there_was_one_has_none():
    bench = await begun(aging())
    later = Bench(aging(flow={"max_age": 60}), store=bench.store, clock=bench.clock)
    await later.say("go")
    await at(later, 400)
    assert (await later.engine.get_state("f", KEY))[0] == "b"


# -- sub-flows -------------------------------------------------------------------------------------


def calling(*, caller=None, waiting=None, called=None, handled=()):
    """`f` calls `sub` from `a`; each of the flows in `handled` notes its timeouts and goes on."""
    outer, inner, seen = Flow("f", ttl=None, **(caller or {})), Flow("sub", **(called or {})), []
    outer.state("a", **(waiting or {}))
    outer.state("b")
    inner.state("i")
    inner.state("j")
    returns(outer, "a", on=Word("call"))(("call", inner))
    returns(inner, ANY, on=Word("hm"))(None)

    def noting(flow, state):
        @flow.defstate(*state, on=Timeout)
        def late(event, ctx):
            seen.append((ctx.flow, event.deadline - START, event.state))
            return ("transition", "b" if flow is outer else "j")

    if "f" in handled:
        noting(outer, (ANY,))
    if "a" in handled:
        noting(outer, ("a",))
    if "sub" in handled:
        noting(inner, (ANY,))
    return outer, inner, seen


async def called(*flows):
    bench = await begun(*flows)
    await at(bench, 20)
    await bench.say("call")
    return bench


async def test_a_called_flows_counts_from_its_call():
    outer, inner, seen = calling(called={"max_age": 60}, handled=("sub",))
    bench = await called(outer, inner)
    await at(bench, 79)
    assert seen == []
    await at(bench, 80)
    assert (seen, await bench.engine.get_state("sub", KEY)) == ([("sub", 80, None)], ("j", {}))


async def test_a_callers_goes_on_while_it_waits_and_is_its_own_business():
    outer, inner, seen = calling(caller={"max_age": 60}, handled=("f", "sub"))
    bench = await called(outer, inner)
    await at(bench, 60)
    assert seen == [("f", 60, None)]
    assert await bench.engine.get_state("f", KEY) == ("b", {})
    assert await bench.engine.get_state("sub", KEY) == (None, None)


async def test_of_the_state_in_which_a_caller_waits_its_own_handlers_are_asked():
    outer, inner, seen = calling(waiting={"max_age": 60}, handled=("a", "sub"))
    bench = await called(outer, inner)
    await at(bench, 60)
    assert (seen, await bench.engine.get_state("f", KEY)) == ([("f", 60, "a")], ("b", {}))


async def test_a_called_flows_is_offered_to_those_that_wait_too():
    outer, inner, seen = calling(called={"max_age": 60}, handled=("f",))
    bench = await called(outer, inner)
    await at(bench, 80)
    assert (seen, await bench.engine.get_state("f", KEY)) == ([("f", 80, None)], ("b", {}))


@pytest.mark.parametrize("whose", ["caller", "waiting", "called"])
async def test_that_nobody_handles_ends_the_whole_conversation(whose):
    outer, inner, _ = calling(**{whose: {"max_age": 60}})
    bench = await called(outer, inner)
    await at(bench, 80)
    assert await bench.stored() is None


async def test_a_caller_that_only_stays_lets_the_called_flow_run_on():
    outer, inner, _ = calling(caller={"max_age": 60})
    returns(outer, ANY, on=Timeout)(None)
    bench = await called(outer, inner)
    await at(bench, 300)
    assert (await bench.row()).snapshots["f"].frames[-1].state == "i"


async def test_a_return_drops_the_called_flows():
    outer, inner, _ = calling(called={"max_age": 60})
    returns(inner, ANY, on=Command("done"))(("end",))
    bench = await called(outer, inner)
    await bench.say("/done")
    await at(bench, 1000)
    assert (await bench.engine.get_state("f", KEY))[0] == "a"


async def test_a_flow_that_calls_from_its_entry_ages_although_it_waits_without_a_state():
    outer, inner, seen = calling(caller={"max_age": 60}, handled=("f",))
    returns(outer, None, on=Command("go"))(("call", inner))
    bench = Bench(outer, inner)
    await bench.say("/go")
    await at(bench, 60)
    assert (seen, await bench.engine.get_state("f", KEY)) == ([("f", 60, None)], ("b", {}))


async def test_a_waiting_flow_without_a_state_is_not_begun_by_its_own_timeout():
    outer, inner, _ = calling(caller={"max_age": 60})
    ran = []
    returns(outer, None, on=Command("go"))(("call", inner))
    outer.defstate(None, on=Timeout)(lambda event, ctx: ran.append(event))
    bench = Bench(outer, inner)
    await bench.say("/go")
    await at(bench, 60)
    assert (ran, await bench.stored()) == ([], None)


async def test_a_transition_to_another_flow_begins_its_own():
    here, there = aging(flow={"max_age": 60}), Flow("there", max_age=100)
    there.state("t")
    returns(here, "a", on=Word("cross"))(("transition", "there/t"))
    bench = await begun(here, there)
    await at(bench, 50)
    await bench.say("cross")
    await at(bench, 149)
    assert await bench.engine.get_state("there", KEY) == ("t", {})
    await at(bench, 150)
    assert await bench.stored() is None
