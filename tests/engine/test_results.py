"""What each row of the table of results does to a conversation, from plain tuples and constructors alike."""

import pytest
from bench import KEY, Bench, returns
from chat_events import Word, said

from fsmkit import END, Flow, Returned, State, StatesGroup, back, end, stay, transition


def bench_with(result, *, state="a", data=None, history=(), **options):
    """A bench on which "go" in state `a` returns `result`, after the states of `history`."""
    flow = Flow("f", **options)
    for name in ("a", "b", "c"):
        flow.state(name, prompt=f"at {name}")
    returns(flow, "a", on=Word("go"))(result)
    return flow, Bench(flow)


async def gone(result, *, data=None, via=()):
    """Where a conversation stands after `result` in state `a`, what was sent, and its history."""
    flow, bench = bench_with(result)
    for state in (*via, "a"):
        await bench.engine.set_state(flow, KEY, state, {} if data is None else data)
    outcome = await bench.say("go")
    assert (outcome.kind, outcome.flow) == ("handled", "f")
    stored = await bench.engine.get_state(flow, KEY)
    assert (outcome.state, outcome.data) == stored
    row = await bench.row()
    return stored, bench.texts, row.snapshots["f"].frames[-1].history if row.snapshots else None


@pytest.mark.parametrize("result", [("transition", "b"), transition("b"), transition(State("b"))])
async def test_transition_goes_there_and_keeps_the_data(result):
    assert await gone(result, data={"n": 1}) == (("b", {"n": 1}), ["at b"], ("a",))


@pytest.mark.parametrize("result", [("transition", "b", {"m": 2}), transition("b", {"m": 2})])
async def test_transition_with_data_replaces_and_never_merges(result):
    assert await gone(result, data={"n": 1}) == (("b", {"m": 2}), ["at b"], ("a",))


async def test_a_transition_to_the_same_state_enters_it_again_and_adds_nothing_to_the_history():
    assert await gone(("transition", "a", {"n": 2}), data={"n": 1}) == (("a", {"n": 2}), ["at a"], ())


@pytest.mark.parametrize("result", [("stay",), stay(), None])
async def test_stay_changes_nothing_and_says_nothing(result):
    assert await gone(result, data={"n": 1}) == (("a", {"n": 1}), [], ())


@pytest.mark.parametrize("result", [("stay", {"n": 2}), stay({"n": 2})])
async def test_stay_with_data_replaces_them_and_says_nothing(result):
    assert await gone(result, data={"n": 1, "m": 1}) == (("a", {"n": 2}), [], ())


@pytest.mark.parametrize("result", [("back",), ("back", 1), back(), back(1)])
async def test_back_goes_to_the_state_before_with_the_data_kept(result):
    assert await gone(result, data={"n": 1}, via=("b", "c")) == (("c", {"n": 1}), ["at c"], ("b",))


@pytest.mark.parametrize("result", [("back", 2), back(2)])
async def test_back_goes_several_states_back(result):
    assert await gone(result, data={"n": 1}, via=("b", "c")) == (("b", {"n": 1}), ["at b"], ())


@pytest.mark.parametrize("result", [("back", 1, {"m": 2}), back(data={"m": 2})])
async def test_back_with_data_replaces_them(result):
    assert await gone(result, data={"n": 1}, via=("b",)) == (("b", {"m": 2}), ["at b"], ())


async def test_back_by_more_than_there_is_goes_to_the_oldest_state():
    assert await gone(("back", 9), via=("b", "c")) == (("b", {}), ["at b"], ())


async def test_back_at_the_start_stays_and_asks_again():
    assert await gone(("back",), data={"n": 1}) == (("a", {"n": 1}), ["at a"], ())


async def test_back_at_the_start_takes_new_data():
    assert await gone(("back", 1, {"m": 2}), data={"n": 1}) == (("a", {"m": 2}), ["at a"], ())


@pytest.mark.parametrize("result", [("end",), END, ("end", "ignored"), end(), end({"any": object})])
async def test_end_is_over_and_drops_the_data(result):
    assert await gone(result, data={"n": 1}) == ((None, None), [], None)


async def test_the_history_holds_sixteen_states():
    flow = Flow("f")
    for number in range(20):
        flow.state(f"s{number}")
    bench = Bench(flow)
    for number in range(20):
        await bench.engine.set_state(flow, KEY, f"s{number}")
    frame = (await bench.row()).snapshots["f"].frames[0]
    assert frame.history == tuple(f"s{number}" for number in range(3, 19))


async def test_going_back_shortens_the_history():
    flow = Flow("f")
    for name in "abc":
        returns(flow, name)(("back",))
    bench = Bench(flow)
    for name in "abc":
        await bench.engine.set_state(flow, KEY, name)
    assert [(await bench.say("back")).state for _ in range(3)] == ["b", "a", "a"]


async def test_states_may_be_named_by_states_and_members_of_groups():
    class Signup(StatesGroup):
        name = State()
        age = State()

    flow = Flow("f", states=Signup)
    returns(flow, Signup.name)(("transition", Signup.age))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, Signup.name)
    assert (await bench.say("x")).state == "Signup:age"


async def test_pass_goes_on_to_the_next_handler_that_matches():
    flow, asked = Flow("f"), []

    @flow.defstate("a")
    def first(event, ctx):
        asked.append("first")
        return ("pass",)

    @flow.defstate("a")
    def second(event, ctx):
        asked.append("second")
        return ("end",)

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    assert (await bench.say("x")).kind == "handled"
    assert asked == ["first", "second"]


async def test_an_event_that_everybody_passes_is_passed_and_changes_nothing():
    flow = Flow("f", ttl=60)
    returns(flow, "a")(("pass",))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    before = await bench.stored()
    bench.clock.advance(10)
    outcome = await bench.say("x", id=1)
    assert (outcome.kind, outcome.flow, outcome.state, outcome.effects) == ("passed", None, None, ())
    assert await bench.stored() == before


async def test_what_a_handler_asked_for_before_it_passed_is_dropped():
    flow = Flow("f")

    @flow.defstate("a")
    def passes(event, ctx):
        ctx.reply("never")
        ctx.send(KEY, "never")
        ctx.at("other").set_data({"n": 1})
        return ("pass",)

    @flow.defstate("a")
    def takes(event, ctx):
        ctx.reply("taken")

    bench = Bench(flow, Flow("other"))
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("x")
    assert bench.texts == ["taken"]
    assert await bench.engine.get_state("other", KEY) == (None, None)


async def test_without_a_conversation_stay_with_data_keeps_a_draft():
    flow = Flow("f")
    returns(flow, None)(("stay", {"n": 1}))
    bench = Bench(flow)
    await bench.say("x")
    assert await bench.engine.get_state(flow, KEY) == (None, {"n": 1})


async def test_a_draft_is_taken_up_by_the_transition_that_gives_no_data():
    flow = Flow("f")
    flow.state("a")
    returns(flow, None)(("transition", "a"))
    bench = Bench(flow)
    await bench.engine.at(flow, KEY).set_data({"n": 1})
    await bench.say("x")
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 1})


async def test_without_a_conversation_stay_leaves_nothing():
    flow = Flow("f")
    returns(flow, None)(None)
    bench = Bench(flow)
    assert (await bench.say("x")).kind == "handled"
    assert await bench.stored() is None


async def test_async_handlers_and_bound_methods_are_handlers_too():
    flow = Flow("f")

    class Service:
        async def name(self, event, ctx):
            return ("transition", "b", {"by": type(self).__name__})

    flow.state("b")
    flow.defstate(None)(Service().name)
    bench = Bench(flow)
    await bench.say("x")
    assert await bench.engine.get_state(flow, KEY) == ("b", {"by": "Service"})


async def test_an_end_result_comes_back_to_the_caller_only():
    flow, results = Flow("f"), []
    returns(flow, "a")(("end", 5))

    @flow.defstate("a", None, on=Returned)
    def returned(event, ctx):
        results.append(event)

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.engine.send(KEY, said("x"))
    assert results == []
