"""`remind_after`: a word to a person who is silent, before the conversation times out."""

import attrs
import pytest
from chat_events import Word
from memory_engine import KEY, START, Bench, returns
from sample_flows import settle

from fsmkit import ANY, Crashed, Flow, Reminder, Reply, Timeout
from fsmkit.flow.messages import Address
from fsmkit.flow.states import INHERIT


def reminding(*, on_reminder=None, state=None, **options):
    flow = Flow("f", **{"ttl": 100, "remind_after": 40, "reminder": "Still there?", **options})
    flow.state("a", prompt="Question A?", **(state or {}))
    flow.state("b", prompt="Question B?")
    returns(flow, ANY, on=Word("hm"))(None)
    returns(flow, ANY, on=Word("go"))(("transition", "b"))
    if on_reminder is not None:
        flow.defstate(ANY, on=Reminder)(on_reminder)
    return flow


async def begun(*flows, state="a"):
    bench = Bench(*flows)
    await bench.engine.set_state(flows[0], KEY, state, {"n": 1})
    return bench


async def at(bench, seconds):
    """Moves the clock to so many seconds after the start, and sweeps."""
    bench.clock.advance(START + seconds - bench.clock.now())
    return await bench.engine.sweep()


async def deadline(bench):
    return (await bench.row()).snapshots["f"].deadline - START


# -- when and what ---------------------------------------------------------------------------------


async def test_a_silent_person_is_reminded_once_and_the_conversation_times_out_when_it_would_have():
    bench = await begun(reminding())
    assert await at(bench, 39) == 0
    assert await at(bench, 40) == 1
    assert (bench.texts, await deadline(bench)) == (["Still there?"], 100)
    assert await at(bench, 99) == 0
    assert await at(bench, 100) == 1
    assert (bench.texts, await bench.stored()) == (["Still there?"], None)


async def test_each_step_starts_the_silence_anew():
    bench = await begun(reminding())
    await at(bench, 30)
    await bench.say("hm")
    await at(bench, 69)
    assert bench.texts == []
    await at(bench, 70)
    await bench.say("hm")
    await at(bench, 110)
    assert bench.texts == ["Still there?", "Still there?"]


async def test_the_states_own_goes_before_the_flows():
    bench = await begun(reminding(state={"remind_after": 10, "reminder": "A, please."}))
    await at(bench, 10)
    await bench.say("go")
    bench.sent.clear()
    await at(bench, 49)
    assert bench.texts == []
    await at(bench, 50)
    assert bench.texts == ["Still there?"]


async def test_a_state_may_have_none():
    bench = await begun(reminding(state={"remind_after": None}))
    await at(bench, 99)
    assert bench.texts == []


async def test_without_a_text_the_prompt_is_said_once_more_with_its_buttons():
    flow = Flow("f", remind_after=40)
    flow.state("a", prompt="Yes or no?", buttons=["yes", "no"])
    bench = await begun(flow)
    await at(bench, 40)
    [said] = bench.sent
    assert (said.reply.text, [button.text for button in said.reply.buttons[0]]) == (
        "Yes or no?",
        ["yes", "no"],
    )
    assert said.bound.entry == 1, "its buttons are those of the present entry"


async def test_a_state_that_has_nothing_to_say_is_passed_over():
    flow = Flow("f", remind_after=40)
    flow.state("a")
    bench = await begun(flow)
    assert await at(bench, 50) == 0


async def test_it_may_be_a_reply_or_a_function_of_ctx_in_the_persons_language():
    flow = reminding(reminder=lambda ctx: Reply(f"{ctx.lang} {ctx.state} {ctx.data['n']}", silent=True))
    bench = await begun(flow)
    await bench.say("hm", address=Address(20, user=7, lang="de"))
    await at(bench, 40)
    [said] = bench.sent
    assert (said.to, said.reply) == (Address(20, user=7, lang="de"), Reply("de a 1", silent=True))


async def test_of_an_ephemeral_state_it_is_deleted_when_the_state_is_left():
    bench = await begun(reminding(state={"ephemeral": True}))
    await at(bench, 40)
    await bench.say("go", message_id=3)
    assert 101 in bench.deleted


# -- handlers --------------------------------------------------------------------------------------


async def test_a_handler_may_take_it_and_staying_does_not_start_the_idle_deadline_anew():
    seen = []

    def on_reminder(event, ctx):
        seen.append((event, ctx.now - START))
        ctx.reply("My own words.")
        return ("stay", {"n": 2})

    bench = await begun(reminding(on_reminder=on_reminder))
    await at(bench, 41)
    assert seen == [(Reminder(START + 40), 41)]
    assert (bench.texts, await deadline(bench)) == (["My own words."], 100)
    assert await bench.engine.get_state("f", KEY) == ("a", {"n": 2})
    assert await at(bench, 99) == 0


async def test_a_handler_that_goes_somewhere_starts_everything_anew():
    bench = await begun(reminding(on_reminder=lambda event, ctx: ("transition", "b")))
    await at(bench, 40)
    assert (bench.texts, await deadline(bench)) == (["Question B?"], 140)


async def test_a_handler_that_passes_leaves_it_to_the_text():
    bench = await begun(reminding(on_reminder=lambda event, ctx: ("pass",)))
    await at(bench, 40)
    assert (bench.texts, await deadline(bench)) == (["Still there?"], 100)


async def test_a_handler_may_end_the_conversation():
    bench = await begun(reminding(on_reminder=lambda event, ctx: ("end",)))
    await at(bench, 40)
    assert (bench.texts, await bench.stored()) == ([], None)


async def test_a_handler_needs_no_text():
    flow = Flow("f", remind_after=40)
    flow.state("a")
    flow.defstate("a", on=Reminder)(lambda event, ctx: ctx.reply("Hm?"))
    bench = await begun(flow)
    await at(bench, 40)
    assert bench.texts == ["Hm?"]


@pytest.mark.parametrize(
    "handler", [lambda event, ctx: 1 / 0, lambda event, ctx: ctx.reply("never") or "nonsense"]
)
async def test_one_that_fails_is_reported_changes_nothing_and_is_not_repeated(handler):
    bench = await begun(reminding(on_reminder=handler))
    for seconds in (40, 41, 60):
        await at(bench, seconds)
    assert [(key, event) for key, event, _ in bench.errors] == [(KEY, Reminder(START + 40))]
    assert (bench.texts, await deadline(bench)) == ([], 100)
    assert await bench.engine.get_state("f", KEY) == ("a", {"n": 1})


async def test_a_crashed_handler_may_catch_what_a_handler_of_it_raised():
    flow = reminding(on_reminder=lambda event, ctx: 1 / 0)
    returns(flow, "a", on=Crashed)(("transition", "b"))
    bench = await begun(flow)
    await at(bench, 40)
    assert ((await bench.engine.get_state("f", KEY))[0], bench.errors) == ("b", [])


async def test_one_that_is_refused_changes_nothing():
    bench = await begun(reminding(on_reminder=lambda event, ctx: ("error", "no")))
    await at(bench, 40)
    assert (bench.texts, bench.errors, await deadline(bench)) == ([], [], 100)


# -- who goes first --------------------------------------------------------------------------------


async def test_a_message_of_the_same_moment_wins_and_there_is_no_reminder():
    bench = await begun(reminding())
    bench.clock.advance(40)
    await bench.say("hm")
    assert await bench.engine.sweep() == 0
    assert (bench.texts, await deadline(bench)) == ([], 140)


async def test_a_message_that_nobody_takes_does_not_hinder_it():
    bench = await begun(reminding())
    bench.clock.advance(40)
    assert (await bench.say("unknown")).kind == "passed"
    assert bench.texts == []
    await bench.engine.sweep()
    assert bench.texts == ["Still there?"]


async def test_nobody_is_reminded_of_what_has_timed_out_meanwhile():
    bench = await begun(reminding())
    await at(bench, 100)
    assert (bench.texts, await bench.stored()) == ([], None)


async def test_nobody_is_reminded_while_a_timeout_is_put_off():
    flow = reminding()
    flow.defstate(ANY, on=Timeout)(lambda event, ctx: 1 / 0)
    bench = await begun(flow)
    for seconds in (100, 104):
        await at(bench, seconds)
    assert (bench.texts, await deadline(bench)) == ([], 105)


async def test_those_of_several_conversations_come_in_the_order_of_their_times():
    seen = []
    flow = reminding(on_reminder=lambda event, ctx: seen.append(ctx.flow))
    other = Flow("g", remind_after=30)
    other.state("a")
    other.defstate("a", on=Reminder)(lambda event, ctx: seen.append(ctx.flow))
    bench = await begun(flow, other)
    await bench.engine.set_state(other, KEY, "a")
    await at(bench, 50)
    assert seen == ["g", "f"]


async def test_it_comes_without_input_and_after_a_restart():
    bench = await begun(reminding())
    again = Bench(reminding(), store=bench.store, clock=bench.clock)
    async with again.engine:
        await settle()
        for _ in range(60):
            again.clock.advance(1)
            await settle()
        assert again.texts == ["Still there?"]


async def test_it_is_not_sent_twice_where_its_delivery_fails_once():
    from fsmkit import RetryLater

    tried = []

    def deliver(key, effect):
        tried.append(effect.text)
        if len(tried) == 1:
            raise RetryLater(5)
        return 1

    bench = Bench(reminding(), deliver=deliver)
    await bench.engine.set_state("f", KEY, "a")
    await at(bench, 40)
    assert tried == ["Still there?"]
    bench.clock.advance(5)
    await settle()
    await at(bench, 60)
    assert tried == ["Still there?"] * 2, "the one message, tried twice"


@pytest.mark.parametrize("now_declared", [None, INHERIT])
async def test_what_is_declared_otherwise_since_says_nothing(now_declared):
    bench = await begun(reminding())
    flow = reminding(remind_after=now_declared, reminder=None)
    later = Bench(flow, store=bench.store, clock=bench.clock)
    await at(later, 50)
    assert (later.texts, await deadline(later)) == ([], 100)


async def test_a_conversation_that_no_longer_fits_is_ended_instead():
    bench = await begun(reminding())

    @attrs.frozen
    class Form:
        name: str

    flow = reminding(data=Form, on_reminder=lambda event, ctx: None)
    later = Bench(flow, store=bench.store, clock=bench.clock)
    await at(later, 40)
    assert (later.texts, await later.stored()) == (
        ["Sorry, I have lost track of our conversation. Please start again."],
        None,
    )


# -- sub-flows -------------------------------------------------------------------------------------


def calling(**called):
    outer, inner = reminding(), Flow("sub", ttl=None, **called)
    inner.state("i", prompt="Inner question?")
    returns(outer, "a", on=Word("call"))(("call", inner))
    return outer, inner


async def in_sub(**called):
    bench = await begun(*calling(**called))
    await bench.say("call")
    bench.sent.clear()
    return bench


async def test_a_called_flow_without_one_has_its_callers():
    bench = await in_sub()
    await at(bench, 40)
    assert bench.texts == ["Still there?"]


async def test_a_called_flow_has_its_own_where_it_declares_one():
    bench = await in_sub(remind_after=10)
    await at(bench, 50)
    assert bench.texts == ["Inner question?"]


async def test_a_called_flow_may_have_none():
    bench = await in_sub(remind_after=None)
    await at(bench, 99)
    assert bench.texts == []


async def test_a_flow_that_waits_without_a_state_says_its_own():
    outer, inner = calling()
    returns(outer, None, on=Word("begin"))(("call", inner))
    bench = Bench(outer, inner)
    await bench.say("begin")
    bench.sent.clear()
    await at(bench, 40)
    assert bench.texts == ["Still there?"]


async def test_handlers_of_those_that_wait_are_asked_too():
    outer, inner = calling()
    outer.defstate(ANY, on=Reminder)(lambda event, ctx: ctx.reply(f"{ctx.flow} in {ctx.state}"))
    bench = await begun(outer, inner)
    await bench.say("call")
    bench.sent.clear()
    await at(bench, 40)
    assert (bench.texts, await bench.engine.get_state("sub", KEY)) == (["f in a"], ("i", {}))
