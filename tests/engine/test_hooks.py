"""Hooks on entry and exit, and messages that are tidied up or edited."""

import pytest
from bench import KEY, returns
from chat_events import Command, Press, Word, press
from samples import entering, in_entering

from fsmkit import ANY, Flow, InvalidResult
from fsmkit.flow.events import Pressed
from fsmkit.interpreter.row import Delete, Edit, Send

# -- hooks -----------------------------------------------------------------------------------------


async def test_hooks_and_prompt_follow_the_handler_in_their_order():
    flow = entering(prompt="prompt")
    flow.on_enter("b")(lambda ctx: ctx.reply("enter b"))
    flow.on_exit()(lambda ctx: ctx.reply("exit any"))
    flow.on_exit("a")(lambda ctx: ctx.reply("exit a"))
    flow.on_exit("b")(lambda ctx: ctx.reply("exit b"))
    flow.on_enter(ANY)(lambda ctx: ctx.reply("enter any"))
    flow.defstate("a", on=Word("say"))(lambda event, ctx: ctx.reply("handler") or ("transition", "b"))
    bench = await in_entering(flow)
    await bench.say("say")
    assert bench.texts == ["handler", "exit any", "exit a", "enter b", "enter any", "prompt"]


async def test_hooks_see_the_state_and_the_data_that_are_left_and_entered():
    flow, seen = entering(), []
    flow.on_exit("a")(lambda ctx: seen.append((ctx.state, ctx.data, ctx.event.text)))

    @flow.on_enter("b")
    async def entered(ctx):
        seen.append((ctx.state, ctx.data, ctx.previous))

    bench = await in_entering(flow)
    await bench.say("go")
    assert seen == [("a", {}, "go"), ("b", {"name": "Ann"}, "a")]


async def test_hooks_do_not_run_where_a_handler_only_stays():
    flow, ran = entering(), []
    flow.on_exit()(lambda ctx: ran.append("exit"))
    flow.on_enter()(lambda ctx: ran.append("enter"))
    returns(flow, "a", on=Word("stay"))(("stay", {"n": 1}))
    bench = await in_entering(flow)
    await bench.say("stay")
    assert ran == []


async def test_on_exit_runs_at_the_end_for_each_flow_the_innermost_first():
    outer, inner, ran = Flow("f"), Flow("inner"), []
    inner.state("i")
    returns(outer, "a", on=Word("go"))(("call", inner))
    returns(outer, ANY, on=Command("cancel"))(("end",))
    outer.on_exit()(lambda ctx: ran.append(ctx.state))
    inner.on_exit()(lambda ctx: ran.append(ctx.state))
    bench = await in_entering(outer, inner)
    await bench.say("go")
    assert ran == []
    await bench.say("/cancel")
    assert ran == ["i", "a"]


async def test_a_hook_that_returns_something_is_told_that_hooks_return_nothing():
    flow = entering()
    flow.on_enter("b")(lambda ctx: ("transition", "a"))
    bench = await in_entering(flow)
    with pytest.raises(InvalidResult, match="hooks return nothing"):
        await bench.say("go")


# -- ephemeral, track, show ------------------------------------------------------------------------


async def test_an_ephemeral_states_prompt_and_answers_are_deleted_when_it_is_left():
    flow = entering(prompt="Password?", ephemeral=True)
    returns(flow, "b", on=Word("again"))(("stay",))
    returns(flow, "b", on=Word("right"))(("transition", "a"))
    bench = await in_entering(flow)
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
    bench = await in_entering(flow)
    await bench.say("go", message_id=1)
    await bench.say("wrong", message_id=2)
    await bench.say("right", message_id=3)
    assert sorted(bench.deleted) == [2, 3, 101, 102]


async def test_tracked_and_ephemeral_messages_are_deleted_when_the_state_is_left():
    flow = entering()

    @flow.defstate("a", on=Word("note"))
    def note(event, ctx):
        ctx.delete_on_exit(event)
        ctx.delete_on_exit(55)
        ctx.reply("Noted.", ephemeral=True)

    bench = await in_entering(flow)
    await bench.say("note", message_id=4)
    await bench.say("go", message_id=5)
    assert sorted(bench.deleted) == [4, 55, 101]


async def test_messages_are_tidied_up_at_the_end_of_the_conversation():
    flow = entering()
    flow.defstate("a", on=Word("note"))(lambda event, ctx: ctx.delete_on_exit(55))
    returns(flow, "a", on=Word("end"))(("end",))
    bench = await in_entering(flow)
    await bench.say("note")
    await bench.say("end")
    assert bench.deleted == [55]


def screen():
    flow = Flow("f")
    flow.defstate("a", on=Word("show"))(lambda event, ctx: ctx.show("One", buttons=["more"]))
    flow.defstate("a", on=Press())(lambda event, ctx: ctx.show("Two"))
    return flow


async def test_show_sends_the_screen_anew_and_takes_the_old_ones_buttons_away():
    bench = await in_entering(screen())
    await bench.say("show")
    await bench.say("show")
    assert [(type(effect), effect.text) for effect in bench.sent] == [
        (Send, "One"),
        (Send, "One"),
        (Edit, ""),
    ]
    assert (bench.sent[2].message, bench.sent[2].reply) == (101, None)


async def test_show_edits_the_screen_on_a_press_of_it():
    bench = await in_entering(screen())
    await bench.say("show")
    bound = bench.sent[0].bound
    await bench.engine.send(KEY, press("more", 101, Pressed("f", bound.run, bound.entry, value="more")))
    assert [(type(effect), effect.text) for effect in bench.sent] == [(Send, "One"), (Edit, "Two")]
    assert bench.sent[1].message == 101
