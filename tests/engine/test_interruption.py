"""Interruption: commands that work from anywhere, entries while something runs, and flows that want to be alone."""

import pytest
from chat_events import Command, Word, said
from memory_engine import KEY, Bench, returns

from fsmkit import ANY, Flow, Key, KeyBy, Returned

CHAT = Key(10, 10)


def nested():
    """`outer` calls `middle`, which calls `inner`; "down" goes deeper, `left` notes whose states are left."""
    flows, left = [Flow(name) for name in ("outer", "middle", "inner")], []
    for number, flow in enumerate(flows):
        flow.state("s", prompt=f"{flow.name}?")
        flow.on_exit()(lambda ctx: left.append(ctx.flow))
        if number < 2:
            returns(flow, "s", on=Word("down"))(("call", flows[number + 1]))
    return flows, left


async def inside(flows, depth=2):
    bench = Bench(*flows)
    await bench.engine.set_state(flows[0], KEY, "s", {"kept": 1})
    for _ in range(depth):
        await bench.say("down")
    bench.sent.clear()
    return bench


# -- from anywhere ---------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_cancel_of_the_outermost_flow_ends_everything_from_any_depth(depth):
    flows, left = nested()
    flows[0].defstate(ANY, on=Command("cancel"))(lambda event, ctx: ctx.reply("Cancelled.") or ("end",))
    bench = await inside(flows, depth)
    assert (await bench.say("/cancel")).kind == "handled"
    assert (await bench.stored(), bench.texts) == (None, ["Cancelled."])
    assert left == [flow.name for flow in reversed(flows[: depth + 1])]


async def test_cancel_of_a_flow_in_the_middle_returns_to_its_caller():
    flows, left = nested()
    returns(flows[1], ANY, on=Command("cancel"))(("end", "cancelled"))
    flows[0].defstate("s", on=Returned)(lambda event, ctx: ctx.reply(f"{event.flow} {event.result}"))
    bench = await inside(flows)
    await bench.say("/cancel")
    assert (left, bench.texts) == (["inner", "middle"], ["middle cancelled", "outer?"])
    assert await bench.engine.get_state("outer", KEY) == ("s", {"kept": 1})


async def test_the_innermost_that_wants_it_has_it_and_one_that_passes_lets_the_next_have_it():
    flows, asked = nested()[0], []
    for flow, result in zip(flows, [("stay",), ("stay",), ("pass",)], strict=True):
        flow.defstate(ANY, on=Command("help"))(
            lambda event, ctx, result=result: (
                asked.append(ctx.flow) or ctx.reply(f"{ctx.flow} helps") or result
            )
        )
    bench = await inside(flows)
    await bench.say("/help")
    assert (asked, bench.texts) == (["inner", "middle"], ["middle helps"])


@pytest.mark.parametrize("depth", [0, 1, 2])
async def test_help_that_only_answers_leaves_everything_as_it_was(depth):
    flows, left = nested()
    flows[0].defstate(ANY, on=Command("help"))(lambda event, ctx: ctx.reply("I help."))
    bench = await inside(flows, depth)
    before = [(f.flow, f.state, f.entry) for f in (await bench.row()).snapshots["outer"].frames]
    await bench.say("/help")
    assert [(f.flow, f.state, f.entry) for f in (await bench.row()).snapshots["outer"].frames] == before
    assert (bench.texts, left) == (["I help."], [])


async def test_help_as_a_flow_that_is_called_comes_back_to_the_state_with_its_prompt():
    flows, left = nested()
    helping = Flow("helping")
    helping.state("page", prompt="Page 1.")
    returns(helping, "page", on=Word("close"))(("end",))
    returns(flows[0], ANY, on=Command("help"))(("call", helping))
    bench = await inside([*flows, helping], depth=0)
    await bench.say("/help")
    assert await bench.engine.get_state("outer", KEY) == ("s", {"kept": 1})
    await bench.say("close")
    assert (bench.texts, left) == (["Page 1.", "outer?"], [])
    assert await bench.engine.get_state("outer", KEY) == ("s", {"kept": 1})


async def test_a_command_that_nobody_declared_interrupts_nothing():
    flows, left = nested()
    returns(flows[0], None, on=Command("cancel"))(("end",))
    bench = await inside(flows)
    assert (await bench.say("/cancel")).kind == "passed"
    assert (left, len((await bench.row()).snapshots["outer"].frames)) == ([], 3)


async def test_a_flow_of_its_own_may_interrupt_and_what_ran_before_goes_on_after_it():
    flows, _ = nested()
    other = Flow("other")
    other.state("o", prompt="Other?")
    returns(other, None, on=Command("other"))(("transition", "o"))
    returns(other, "o", on=Word("done"))(("end",))
    bench = await inside([*flows, other])
    await bench.say("/other")
    assert (await bench.say("done")).flow == "other"
    assert await bench.engine.get_state("inner", KEY) == ("s", {})


# -- entries ---------------------------------------------------------------------------------------


def starting(*states):
    flow = Flow("f")
    flow.state("a", prompt="A?")
    flow.state("b")
    returns(flow, "a", on=Word("next"))(("transition", "b", {"n": 1}))
    returns(flow, *states, on=Command("start"))(("transition", "a", {"new": True}))
    return flow


async def started_twice(*states):
    bench = Bench(starting(*states))
    await bench.say("/start")
    await bench.say("next")
    outcome = await bench.say("/start")
    return outcome.kind, await bench.engine.get_state("f", KEY)


async def test_an_entry_never_fires_while_its_flow_runs():
    assert await started_twice(None) == ("passed", ("b", {"n": 1}))


async def test_where_it_is_declared_for_the_states_too_it_begins_anew():
    assert await started_twice(None, ANY) == ("handled", ("a", {"new": True}))


async def test_where_it_is_declared_for_some_states_only_those_count():
    assert await started_twice(None, "a") == ("passed", ("b", {"n": 1}))


async def test_an_entry_declared_for_any_state_works_from_a_called_flow_too():
    outer, inner = starting(None, ANY), Flow("inner")
    inner.state("i")
    returns(outer, "b", on=Word("call"))(("call", inner))
    bench = Bench(outer, inner)
    for text in ("/start", "next", "call", "/start"):
        await bench.say(text)
    assert (await bench.engine.get_state("f", KEY), await bench.engine.get_state("inner", KEY)) == (
        ("a", {"new": True}),
        (None, None),
    )


# -- flows that want to be alone -------------------------------------------------------------------


def alone(**options):
    flow = Flow("alone", exclusive=True, **options)
    flow.state("a", prompt="Alone.")
    returns(flow, None, on=Command("alone"))(("transition", "a"))
    return flow


async def test_entering_one_ends_a_conversation_with_all_its_frames_the_innermost_first():
    flows, left = nested()
    bench = await inside([*flows, alone()])
    await bench.say("/alone")
    assert (left, list((await bench.row()).snapshots)) == (["inner", "middle", "outer"], ["alone"])


async def test_what_the_others_say_when_they_are_left_comes_before_what_it_says_itself():
    other = Flow("other")
    other.on_exit("o")(lambda ctx: ctx.reply(f"Bye, {ctx.data['name']}."))
    bench = Bench(other, alone())
    await bench.engine.set_state(other, KEY, "o", {"name": "Ann"})
    await bench.say("/alone")
    assert bench.texts == ["Bye, Ann.", "Alone."]


async def test_an_on_exit_of_another_that_fails_keeps_it_from_being_entered():
    other = Flow("other")
    other.on_exit("o")(lambda ctx: 1 / 0)
    bench = Bench(other, alone())
    await bench.engine.set_state(other, KEY, "o")
    before = await bench.stored()
    with pytest.raises(ZeroDivisionError):
        await bench.say("/alone")
    assert (await bench.stored(), bench.sent) == (before, [])


async def test_a_transition_of_another_flow_into_one_that_runs_already_enters_it_too():
    left, here, other, there = [], Flow("here"), Flow("other"), alone()
    for flow in (here, other):
        flow.state("s")
        flow.on_exit()(lambda ctx: left.append(ctx.flow))
    returns(here, "s", on=Word("go"))(("transition", "alone/a"))
    bench = Bench(here, other, there)
    for flow in ("alone", "other", "here"):
        await bench.engine.set_state(flow, KEY, "a" if flow == "alone" else "s")
    await bench.say("go")
    assert (sorted(left), list((await bench.row()).snapshots)) == (["here", "other"], ["alone"])


async def test_one_that_calls_from_its_entry_is_entered_too():
    left, other, inner, there = [], Flow("other"), Flow("inner"), Flow("alone", exclusive=True)
    other.state("o")
    inner.state("i")
    other.on_exit()(lambda ctx: left.append(ctx.flow))
    returns(there, None, on=Command("alone"))(("call", inner))
    bench = Bench(other, inner, there)
    await bench.engine.set_state(other, KEY, "o")
    await bench.say("/alone")
    assert (left, list((await bench.row()).snapshots)) == (["other"], ["alone"])


async def test_a_step_within_it_ends_nobody():
    there, other = alone(), Flow("other")
    other.state("o")
    returns(there, "a", on=Word("again"))(("transition", "a"))
    bench = Bench(there, other)
    await bench.say("/alone")
    await bench.engine.set_state(other, KEY, "o")
    await bench.say("again")
    assert sorted((await bench.row()).snapshots) == ["alone", "other"]


async def test_one_that_is_called_ends_nobody_its_caller_goes_on_after_it():
    there, caller = alone(), Flow("caller")
    caller.state("c")
    returns(caller, "c", on=Word("call"))(("call", there))
    bench = Bench(caller, there)
    await bench.engine.set_state(caller, KEY, "c")
    await bench.say("call")
    assert [frame.flow for frame in (await bench.row()).snapshots["caller"].frames] == ["caller", "alone"]


async def test_written_by_hand_it_ends_the_others_without_their_hooks():
    flows, left = nested()
    bench = await inside([*flows, alone()])
    await bench.engine.set_state("alone", KEY, "a")
    assert (left, list((await bench.row()).snapshots)) == ([], ["alone"])


async def test_it_sees_its_own_key_only():
    mine, chats = Flow("mine", key=KeyBy.USER_IN_CHAT), Flow("chats", key=KeyBy.CHAT)
    mine.state("m")
    chats.state("c")
    there = alone(key=KeyBy.CHAT)
    bench = Bench(mine, chats, there)
    await bench.engine.set_state(mine, KEY, "m")
    await bench.engine.set_state(chats, CHAT, "c")
    entries = {table.name: table for table in bench.engine.flows.entries}
    keys = [(KEY, [entries["mine"]]), (CHAT, [entries["chats"], entries["alone"]])]
    outcome = await bench.engine.receive(said("/alone"), keys, None, None)
    assert outcome.flow == "alone"
    assert (list((await bench.row()).snapshots), list((await bench.row(CHAT)).snapshots)) == (
        ["mine"],
        ["alone"],
    )
