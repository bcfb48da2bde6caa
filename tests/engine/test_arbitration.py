"""Several flows on one key, and flows of several key rules: who is asked, in which order, and who answers."""

import pytest
from chat_events import Command, Word, said
from memory_engine import KEY, Bench, returns

from fsmkit import ANY, Flow, Key, KeyBy
from fsmkit.flow.messages import Address

CHAT = Key(10, 10)


def noting(name, asked, result=("pass",), **options):
    """A flow whose handlers note that they were asked and return a result."""
    flow = Flow(name, **options)
    flow.state("a")

    @flow.defstate("a")
    def running(event, ctx):
        asked.append(f"in {name}")
        return result

    @flow.defstate(None)
    def entry(event, ctx):
        asked.append(f"enter {name}")
        return result

    return flow


async def test_the_flow_entered_last_is_asked_first_then_the_others_then_entries_in_order():
    asked = []
    bench = Bench(*(noting(name, asked) for name in ("one", "two", "three", "four")))
    await bench.engine.set_state("four", KEY, "a")
    await bench.engine.set_state("two", KEY, "a")
    assert (await bench.say("x")).kind == "passed"
    assert asked == ["in two", "in four", "enter one", "enter three"]


async def test_the_first_that_does_not_pass_has_it():
    asked = []
    bench = Bench(noting("one", asked), noting("two", asked, None), noting("three", asked))
    await bench.engine.set_state("one", KEY, "a")
    outcome = await bench.say("x")
    assert (outcome.kind, asked) == ("handled", ["in one", "enter two"])


async def test_entering_a_flow_again_makes_it_the_last():
    asked = []
    one, two = noting("one", asked), noting("two", asked)
    returns(one, None, on=Command("one"))(("transition", "a"))
    bench = Bench(one, two)
    await bench.engine.set_state("one", KEY, "a")
    await bench.engine.set_state("two", KEY, "a")
    await bench.engine.reset_state("one", KEY)
    await bench.say("/one")
    await bench.say("x")
    assert asked == ["in one", "in two"]


async def test_a_step_that_does_not_enter_leaves_the_order():
    asked = []
    one, two = noting("one", asked), noting("two", asked)
    returns(one, "a", on=Command("again"))(("transition", "a"))
    bench = Bench(one, two)
    await bench.engine.set_state("one", KEY, "a")
    await bench.engine.set_state("two", KEY, "a")
    await bench.say("/again")
    await bench.say("x")
    assert asked == ["in two", "in one"]


# -- otherwise -------------------------------------------------------------------------------------


def with_otherwise(name, **options):
    flow = Flow(name, **options)
    flow.state("a", otherwise=f"not for {name}")
    return flow


async def test_otherwise_comes_after_all_other_flows_were_asked():
    entered = Flow("entered")
    entered.state("b")
    returns(entered, None, on=Word("begin"))(("transition", "b"))
    bench = Bench(with_otherwise("f"), entered)
    await bench.engine.set_state("f", KEY, "a")
    assert (await bench.say("begin")).flow == "entered"
    assert bench.texts == []


async def test_otherwise_is_said_by_the_flow_entered_last_that_has_one():
    silent = Flow("silent")
    silent.state("a")
    bench = Bench(with_otherwise("one"), with_otherwise("two"), silent)
    for name in ("two", "one", "silent"):
        await bench.engine.set_state(name, KEY, "a")
    outcome = await bench.say("x")
    assert (outcome.flow, bench.texts) == ("one", ["not for one"])


async def test_otherwise_is_never_said_to_a_command():
    bench = Bench(with_otherwise("f"))
    await bench.engine.set_state("f", KEY, "a")
    assert (await bench.say("/help")).kind == "passed"
    assert bench.sent == []


async def test_a_command_for_another_flow_reaches_it_past_otherwise():
    other = Flow("other")
    other.state("b")
    returns(other, None, on=Command("other"))(("transition", "b"))
    bench = Bench(with_otherwise("f"), other)
    await bench.engine.set_state("f", KEY, "a")
    assert (await bench.say("/other")).flow == "other"


async def test_otherwise_is_that_of_the_running_sub_flow():
    outer, inner = with_otherwise("outer"), with_otherwise("inner")
    returns(outer, "a", on=Word("down"))(("call", inner))
    bench = Bench(outer, inner)
    await bench.engine.set_state(outer, KEY, "a")
    await bench.say("down")
    await bench.say("x")
    assert bench.texts == ["not for inner"]


# -- several key rules -----------------------------------------------------------------------------


class Walk:
    """A person's flow and a chat's flow, and events that have a key for each."""

    def __init__(self, *flows):
        self.bench = Bench(*flows)
        rules = self.bench.engine.flows.key_rules()
        keys = {KeyBy.USER_IN_CHAT: KEY, KeyBy.CHAT: CHAT}
        entries = self.bench.engine.flows.entries
        self.keys = [(keys[rule], [table for table in entries if table.flow.key is rule]) for rule in rules]

    async def say(self, text, event_id=None, event=None):
        return await self.bench.engine.receive(event or said(text), self.keys, event_id, None)


async def test_keys_are_walked_in_the_order_of_flows_until_one_consumes():
    asked = []
    walk = Walk(
        noting("mine", asked),
        noting("ours", asked, None, key=KeyBy.CHAT),
        noting("mine too", asked, key=KeyBy.USER_IN_CHAT),
    )
    assert (await walk.say("x")).kind == "handled"
    assert asked == ["enter mine", "enter mine too", "enter ours"]


async def test_the_walk_stops_at_the_first_that_consumes():
    asked = []
    walk = Walk(noting("mine", asked, None), noting("ours", asked, key=KeyBy.CHAT))
    await walk.say("x")
    assert asked == ["enter mine"]


async def test_an_event_that_no_key_wants_is_passed():
    asked = []
    walk = Walk(noting("mine", asked), noting("ours", asked, key=KeyBy.CHAT))
    assert (await walk.say("x")).kind == "passed"
    assert asked == ["enter mine", "enter ours"]


async def test_a_flow_is_entered_under_its_own_rule_only():
    ours = Flow("ours", key=KeyBy.CHAT)
    ours.state("a")
    returns(ours, None)(("transition", "a"))
    walk = Walk(Flow("mine"), ours)
    await walk.say("x")
    assert await walk.bench.engine.get_state("ours", CHAT) == ("a", {})
    assert await walk.bench.stored(KEY) is None


async def test_one_lease_is_held_at_a_time():
    held = []
    mine, ours = Flow("mine"), Flow("ours", key=KeyBy.CHAT)
    mine.defstate(None)(lambda event, ctx: held.append(list(walk.bench.store.turns)) or ("pass",))
    ours.defstate(None)(lambda event, ctx: held.append(list(walk.bench.store.turns)))
    walk = Walk(mine, ours)
    await walk.say("x")
    assert held == [[KEY], [CHAT]]


async def test_otherwise_comes_after_the_handlers_of_all_keys():
    mine, asked = with_otherwise("mine"), []
    walk = Walk(mine, noting("ours", asked, None, key=KeyBy.CHAT))
    await walk.bench.engine.set_state("mine", KEY, "a")
    await walk.say("x")
    assert (asked, walk.bench.texts) == (["enter ours"], [])


async def test_otherwise_is_said_where_no_key_took_the_message():
    walk = Walk(with_otherwise("mine"), Flow("ours", key=KeyBy.CHAT))
    await walk.bench.engine.set_state("mine", KEY, "a")
    assert (await walk.say("x", "tg:1")).kind == "handled"
    assert (await walk.say("x", "tg:1")).kind == "duplicate"
    assert walk.bench.texts == ["not for mine"]


async def test_a_handler_that_raises_ends_the_walk():
    asked, mine = [], Flow("mine")
    mine.defstate(None)(lambda event, ctx: 1 / 0)
    walk = Walk(mine, noting("ours", asked, None, key=KeyBy.CHAT))
    with pytest.raises(ZeroDivisionError):
        await walk.say("x")
    assert asked == []


async def test_anybody_in_the_chat_has_the_same_conversation():
    ours = Flow("ours", key=KeyBy.CHAT)
    ours.defstate(None)(lambda event, ctx: ("transition", "a", {"by": [event.address.user]}))
    ours.defstate("a")(lambda event, ctx: ("stay", {"by": [*ctx.data["by"], event.address.user]}))
    walk = Walk(ours)
    for user in (7, 8):
        event = said("x", address=Address(10, user=user))
        await walk.say("x", event=event)
    assert (await walk.bench.engine.get_state(ours, CHAT))[1] == {"by": [7, 8]}


async def test_any_stands_for_the_states_and_not_for_no_conversation():
    flow = Flow("f")
    flow.state("a")
    returns(flow, ANY)(("end",))
    bench = Bench(flow)
    assert (await bench.say("x")).kind == "passed"
    await bench.engine.set_state(flow, KEY, "a")
    assert (await bench.say("x")).kind == "handled"
