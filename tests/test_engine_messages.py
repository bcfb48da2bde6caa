"""What is said without a handler: prompts, `otherwise`, hooks; and messages that are tidied up or edited."""

import pytest
from bench import KEY, Bench, returns
from chat_events import Command, Press, Said, Word, press, said

from fsmkit.effects import Button, Delete, Edit, Reply, Send
from fsmkit.errors import InvalidResult
from fsmkit.events import Pressed
from fsmkit.flow import Flow
from fsmkit.states import ANY


def entering(state="b", data=None, **options):
    """A flow in which "go" leads from `a` to `b`, which is declared with `options`."""
    flow = Flow("f")
    flow.state("a")
    flow.state("b", **options)
    returns(flow, "a", on=Word("go"))(("transition", state, data or {"name": "Ann"}))
    return flow


async def in_a(*flows):
    bench = Bench(*flows)
    await bench.engine.set_state("f", KEY, "a")
    return bench


# -- prompts ---------------------------------------------------------------------------------------


def text_of(ctx):
    return f"Hello, {ctx.data['name']}, in {ctx.state}."


async def async_text_of(ctx):
    return text_of(ctx)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Who?", Reply("Who?")),
        (Reply("Who?", parse_mode="HTML"), Reply("Who?", parse_mode="HTML")),
        (text_of, Reply("Hello, Ann, in b.")),
        (async_text_of, Reply("Hello, Ann, in b.")),
        (lambda ctx: Reply(text_of(ctx)), Reply("Hello, Ann, in b.")),
    ],
)
async def test_a_prompt_is_a_text_a_reply_or_a_function_of_ctx(prompt, expected):
    bench = await in_a(entering(prompt=prompt))
    await bench.say("go")
    assert [effect.reply for effect in bench.sent] == [expected]


async def test_a_prompt_that_returns_none_says_nothing():
    bench = await in_a(entering(prompt=lambda ctx: None))
    await bench.say("go")
    assert bench.sent == []


async def test_a_prompt_that_raises_undoes_the_step():
    bench = await in_a(entering(prompt=lambda ctx: ctx.data["nmae"]))
    before = await bench.stored()
    with pytest.raises(KeyError, match="nmae"):
        await bench.say("go")
    assert await bench.stored() == before


async def test_the_buttons_of_a_state_stand_under_its_prompt():
    bench = await in_a(entering(prompt="Sure?", buttons=["Yes", "No"]))
    await bench.say("go")
    assert bench.sent[0].reply == Reply("Sure?", buttons=((Button("Yes"), Button("No")),))


async def test_the_buttons_of_a_prompt_of_its_own_stand_instead():
    bench = await in_a(entering(prompt=lambda ctx: Reply("Sure?", buttons=["Maybe"]), buttons=["Yes"]))
    await bench.say("go")
    assert bench.sent[0].reply == Reply("Sure?", buttons=["Maybe"])


async def test_a_prompt_is_sent_on_the_entry_by_an_external_event():
    flow = Flow("f")
    flow.state("b", prompt="Paid.")
    returns(flow, None, on=int)(("transition", "b"))
    bench = Bench(flow)
    await bench.engine.send(KEY, 5)
    assert bench.texts == ["Paid."]


# -- otherwise -------------------------------------------------------------------------------------


def digits(**options):
    flow = Flow("f", ttl=60)
    flow.state("a", otherwise="Digits, please.", **options)
    flow.defstate("a", on=Word("7"))(lambda event, ctx: ("end",))
    return flow


@pytest.mark.parametrize("event", [said("x"), Said(kind="photo"), Said(kind="location")])
async def test_otherwise_answers_a_new_message_that_matches_no_handler(event):
    bench = await in_a(digits())
    outcome = await bench.engine.send(KEY, event)
    assert (outcome.kind, outcome.state) == ("handled", "a")
    assert bench.texts == ["Digits, please."]


@pytest.mark.parametrize(
    "event", [said("/help"), Said("x", kind="edited"), press("x", 1), Said(kind="inline"), 5, "plain"]
)
async def test_otherwise_answers_nothing_else(event):
    bench = await in_a(digits())
    assert (await bench.engine.send(KEY, event)).kind == "passed"
    assert bench.sent == []


async def test_otherwise_answers_where_every_handler_that_matched_passed():
    flow = digits()
    returns(flow, "a", on=Word("999"))(("pass",))
    bench = await in_a(flow)
    assert (await bench.say("999")).kind == "handled"
    assert bench.texts == ["Digits, please."]


async def test_otherwise_may_be_a_function_of_ctx():
    flow = Flow("f")
    flow.state("a", otherwise=lambda ctx: Reply(f"{ctx.event.text}? In {ctx.state}?"))
    bench = await in_a(flow)
    await bench.say("x")
    assert bench.texts == ["x? In a?"]


async def test_otherwise_starts_the_idle_deadline_anew():
    bench = await in_a(digits())
    bench.clock.advance(30)
    await bench.say("x")
    assert (await bench.row()).snapshots["f"].deadline == bench.clock.now() + 60


async def test_what_otherwise_answered_is_not_answered_twice():
    bench = await in_a(digits())
    await bench.say("x", id=1)
    assert (await bench.say("x", id=1)).kind == "duplicate"


async def test_without_otherwise_a_message_nobody_wants_is_passed():
    bench = await in_a(entering())
    assert (await bench.say("x")).kind == "passed"


# -- hooks -----------------------------------------------------------------------------------------


async def test_hooks_and_prompt_follow_the_handler_in_their_order():
    flow = entering(prompt="prompt")
    flow.on_enter("b")(lambda ctx: ctx.reply("enter b"))
    flow.on_exit()(lambda ctx: ctx.reply("exit any"))
    flow.on_exit("a")(lambda ctx: ctx.reply("exit a"))
    flow.on_exit("b")(lambda ctx: ctx.reply("exit b"))
    flow.on_enter(ANY)(lambda ctx: ctx.reply("enter any"))
    flow.defstate("a", on=Word("say"))(lambda event, ctx: ctx.reply("handler") or ("transition", "b"))
    bench = await in_a(flow)
    await bench.say("say")
    assert bench.texts == ["handler", "exit any", "exit a", "enter b", "enter any", "prompt"]


async def test_hooks_see_the_state_and_the_data_that_are_left_and_entered():
    flow, seen = entering(), []
    flow.on_exit("a")(lambda ctx: seen.append((ctx.state, ctx.data, ctx.event.text)))

    @flow.on_enter("b")
    async def entered(ctx):
        seen.append((ctx.state, ctx.data, ctx.previous))

    bench = await in_a(flow)
    await bench.say("go")
    assert seen == [("a", {}, "go"), ("b", {"name": "Ann"}, "a")]


async def test_hooks_do_not_run_where_a_handler_only_stays():
    flow, ran = entering(), []
    flow.on_exit()(lambda ctx: ran.append("exit"))
    flow.on_enter()(lambda ctx: ran.append("enter"))
    returns(flow, "a", on=Word("stay"))(("stay", {"n": 1}))
    bench = await in_a(flow)
    await bench.say("stay")
    assert ran == []


async def test_on_exit_runs_at_the_end_for_each_flow_the_innermost_first():
    outer, inner, ran = Flow("f"), Flow("inner"), []
    inner.state("i")
    returns(outer, "a", on=Word("go"))(("call", inner))
    returns(outer, ANY, on=Command("cancel"))(("end",))
    outer.on_exit()(lambda ctx: ran.append(ctx.state))
    inner.on_exit()(lambda ctx: ran.append(ctx.state))
    bench = await in_a(outer, inner)
    await bench.say("go")
    assert ran == []
    await bench.say("/cancel")
    assert ran == ["i", "a"]


async def test_a_hook_that_returns_something_is_told_that_hooks_return_nothing():
    flow = entering()
    flow.on_enter("b")(lambda ctx: ("transition", "a"))
    bench = await in_a(flow)
    with pytest.raises(InvalidResult, match="hooks return nothing"):
        await bench.say("go")


# -- ephemeral, track, show ------------------------------------------------------------------------


async def test_an_ephemeral_states_prompt_and_answers_are_deleted_when_it_is_left():
    flow = entering(prompt="Password?", ephemeral=True)
    returns(flow, "b", on=Word("again"))(("stay",))
    returns(flow, "b", on=Word("right"))(("transition", "a"))
    bench = await in_a(flow)
    await bench.say("go", message_id=1)
    await bench.say("again", message_id=2)
    assert bench.deleted == []
    await bench.say("right", message_id=3)
    assert [effect for effect in bench.sent if isinstance(effect, Delete)] == [
        Delete(bench.sent[0].to, (101, 2, 3))
    ]


async def test_a_message_that_no_handler_took_is_deleted_too_where_otherwise_answered():
    flow = entering(prompt="Password?", ephemeral=True, otherwise="Wrong.")
    returns(flow, "b", on=Word("right"))(("transition", "a"))
    bench = await in_a(flow)
    await bench.say("go", message_id=1)
    await bench.say("wrong", message_id=2)
    await bench.say("right", message_id=3)
    assert sorted(bench.deleted) == [2, 3, 101, 102]


async def test_tracked_and_ephemeral_messages_are_deleted_when_the_state_is_left():
    flow = entering()

    @flow.defstate("a", on=Word("note"))
    def note(event, ctx):
        ctx.track(event)
        ctx.track(55)
        ctx.reply("Noted.", ephemeral=True)

    bench = await in_a(flow)
    await bench.say("note", message_id=4)
    await bench.say("go", message_id=5)
    assert sorted(bench.deleted) == [4, 55, 101]


async def test_messages_are_tidied_up_at_the_end_of_the_conversation():
    flow = entering()
    flow.defstate("a", on=Word("note"))(lambda event, ctx: ctx.track(55))
    returns(flow, "a", on=Word("end"))(("end",))
    bench = await in_a(flow)
    await bench.say("note")
    await bench.say("end")
    assert bench.deleted == [55]


def screen():
    flow = Flow("f")
    flow.defstate("a", on=Word("show"))(lambda event, ctx: ctx.show("One", buttons=["more"]))
    flow.defstate("a", on=Press())(lambda event, ctx: ctx.show("Two"))
    return flow


async def test_show_sends_the_screen_anew_and_takes_the_old_ones_buttons_away():
    bench = await in_a(screen())
    await bench.say("show")
    await bench.say("show")
    await bench.say("nothing")
    await bench.say("show")
    assert [effect.text for effect in bench.sent if isinstance(effect, Send)] == ["One", "One", "One"]
    edits = [effect for effect in bench.sent if isinstance(effect, Edit)]
    assert [(edit.message, edit.reply) for edit in edits][:1] == [(101, None)]


async def test_show_edits_the_screen_on_a_press_of_it():
    bench = await in_a(screen())
    await bench.say("show")
    bound = bench.sent[0].bound
    await bench.engine.send(KEY, press("more", 101, Pressed("f", bound.run, bound.entry, value="more")))
    assert [(type(effect), effect.text) for effect in bench.sent] == [(Send, "One"), (Edit, "Two")]
    assert bench.sent[1].message == 101
