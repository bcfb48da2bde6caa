"""Presses of buttons: bound to the state in which their step ended, stale when that was left or entered again."""

import pytest
from chat_events import Press, Word, press
from memory_engine import KEY, Bench, returns

from fsmkit import Button, Flow, KeyBy
from fsmkit.flow.events import Pressed
from fsmkit.flow.messages import Address, Answer
from fsmkit.interpreter.row import Delete, Edit, Send

LONG = "x" * 60


def counter(**options):
    """A flow whose state `a` shows buttons, and counts their presses."""
    flow = Flow("f", ttl=None, **options)
    flow.state("a", prompt="Press.", buttons=["more", Button("Long", LONG)])
    flow.state("b", prompt="Elsewhere.")
    flow.texts(stale={"en": "Too old.", "de": "Zu alt."})
    flow.defstate("a", on=Press())(
        lambda event, ctx: ("stay", {"n": ctx.data.get("n", 0) + 1, "by": event.value})
    )
    returns(flow, None, "a", "b", on=Word("a"))(("transition", "a"))
    returns(flow, "a", on=Word("b"))(("transition", "b"))
    returns(flow, "a", on=Word("end"))(("end",))
    return flow


async def shown(flow=None):
    """A bench on which the buttons were shown, and the effect that showed them."""
    bench = Bench(flow or counter())
    await bench.say("a")
    return bench, bench.sent[-1]


def pressed(effect, value="more", **more):
    """A press of a button of a message that was sent."""
    bound = effect.bound
    return press(value, 101, Pressed(bound.flow, bound.run, bound.entry, value=value, **more))


async def test_buttons_are_bound_to_the_state_in_which_the_step_ends():
    bench, effect = await shown()
    snapshot = (await bench.row()).snapshots["f"]
    assert (effect.bound.flow, effect.bound.run, effect.bound.entry) == (
        "f",
        snapshot.run,
        snapshot.frames[-1].entry,
    )


async def test_a_button_belongs_to_the_person_unless_the_chat_shares_the_conversation():
    assert (await shown())[1].bound.owner == 7
    assert (await shown(counter(key=KeyBy.CHAT)))[1].bound.owner is None


async def test_a_button_may_be_pressed_again_as_long_as_the_state_stays():
    bench, effect = await shown()
    for number in (1, 2, 3):
        outcome = await bench.engine.send(KEY, pressed(effect))
        assert (outcome.kind, outcome.data) == ("handled", {"n": number, "by": "more"})


async def stale(then):
    bench, effect = await shown()
    for text in then:
        await bench.say(text)
    before = await bench.stored()
    outcome = await bench.engine.send(KEY, pressed(effect), id=1)
    assert await bench.stored() == before
    return outcome


@pytest.mark.parametrize("then", [["b"], ["a"], ["b", "a"], ["end"], ["end", "a"]])
async def test_a_press_of_a_state_that_was_left_changes_nothing_and_is_answered(then):
    outcome = await stale(then)
    assert (outcome.kind, list(outcome.effects)) == ("handled", [Answer("Too old.")])


async def test_the_answer_to_a_stale_press_is_in_the_persons_language():
    bench, effect = await shown()
    await bench.say("b")
    event = pressed(effect)
    event.address = Address(10, user=7, lang="de")
    assert list((await bench.engine.send(KEY, event)).effects) == [Answer("Zu alt.")]


async def test_a_long_value_stands_in_the_row_and_is_found_by_its_position():
    bench, effect = await shown()
    assert effect.bound.values == (LONG,)
    bound = effect.bound
    event = press("?", 101, Pressed("f", bound.run, bound.entry, value=None, position=0))
    assert (await bench.engine.send(KEY, event)).data == {"n": 1, "by": LONG}


async def test_a_position_that_there_is_not_is_stale():
    bench, effect = await shown()
    event = press("?", 101, Pressed("f", effect.bound.run, effect.bound.entry, value=None, position=1))
    assert list((await bench.engine.send(KEY, event)).effects) == [Answer("Too old.")]


async def test_long_values_are_kept_once_and_go_with_their_state():
    flow = counter()
    flow.defstate("a", on=Word("again"))(lambda event, ctx: ctx.reply("Again.", buttons=[Button("L", LONG)]))
    bench, _ = await shown(flow)
    await bench.say("again")
    assert (await bench.row()).snapshots["f"].frames[-1].values == (LONG,)
    await bench.say("b")
    assert (await bench.row()).snapshots["f"].frames[-1].values == ()


async def test_a_press_goes_to_its_own_conversation_only():
    other = Flow("other")
    other.defstate("o", on=Press())(lambda event, ctx: ("end",))
    flow = counter()
    bench = Bench(flow, other)
    await bench.say("a")
    effect = bench.sent[-1]
    await bench.engine.set_state(other, KEY, "o")
    assert (await bench.engine.send(KEY, pressed(effect))).flow == "f"


async def test_a_menu_button_starts_its_flow_whenever_it_is_pressed():
    flow = Flow("f")
    flow.state("a")
    flow.defstate(None, on=Press())(lambda event, ctx: ("transition", "a", {"by": event.value}))
    bench = Bench(flow)
    for _ in range(2):
        outcome = await bench.engine.send(
            KEY, press("start", 5, Pressed("f", 0, 0, menu=True, value="start"))
        )
        assert (outcome.state, outcome.data) == ("a", {"by": "start"})
        await bench.engine.reset_state(flow, KEY)


async def test_a_button_that_was_shown_without_a_conversation_works_while_there_is_none():
    flow = Flow("f")
    flow.state("a")
    flow.defstate(None, on=Word("hi"))(lambda event, ctx: ctx.reply("Start?", buttons=["yes"]))
    flow.defstate(None, on=Press())(lambda event, ctx: ("transition", "a"))
    bench = Bench(flow)
    await bench.say("hi")
    effect = bench.sent[-1]
    assert (await bench.engine.send(KEY, pressed(effect, "yes"))).state == "a"
    assert [type(each) for each in (await bench.engine.send(KEY, pressed(effect, "yes"))).effects] == [Answer]


# -- messages that were on their way while the conversation went on --------------------------------


async def test_an_ephemeral_message_that_was_sent_too_late_is_deleted_by_the_next_step():
    flow = counter()
    flow.defstate("a", on=Word("note"))(
        lambda event, ctx: ctx.reply("Note.", ephemeral=True) or ("transition", "a")
    )
    bench = Bench(flow)
    await bench.say("a")
    sent = []

    async def deliver(key, effect):
        sent.append(effect)
        if isinstance(effect, Send) and effect.text == "Note.":
            await bench.engine.set_state(flow, KEY, "b")  # the state is left before the message id is known
            return 55
        return None

    late = Bench(flow, deliver=deliver, store=bench.store, clock=bench.clock)
    await late.say("note")
    await late.engine.set_state(flow, KEY, "a")
    assert [effect.messages for effect in sent if isinstance(effect, Delete)] == [(55,)]


async def test_it_is_deleted_too_where_the_next_commit_is_that_of_a_timeout():
    flow, other = Flow("f", ttl=None), Flow("other", ttl=60)
    for state in ("a", "b"):
        flow.state(state)
    other.state("o")
    flow.defstate("a", on=Word("note"))(lambda event, ctx: ctx.reply("Note.", ephemeral=True))
    sent = []

    async def deliver(key, effect):
        sent.append(effect)
        if isinstance(effect, Send):
            await bench.engine.set_state(flow, KEY, "b")
            return 55
        return None

    bench = Bench(flow, other, deliver=deliver)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.engine.set_state(other, KEY, "o")
    await bench.say("note")
    bench.clock.advance(60)
    assert (await bench.say("unknown")).kind == "passed"
    assert [effect.messages for effect in sent if isinstance(effect, Delete)] == [(55,)]


async def test_a_view_that_was_sent_too_late_loses_its_buttons_when_a_newer_one_is_there():
    flow = Flow("f", ttl=None)
    flow.defstate("a", on=Word("show"))(lambda event, ctx: ctx.show("View", buttons=["x"]))
    flow.defstate("a", on=Word("twice"))(
        lambda event, ctx: ctx.show("One", buttons=["x"]) or ctx.show("Two", buttons=["x"])
    )
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("twice")
    await bench.say("show")
    edits = [effect.message for effect in bench.sent if isinstance(effect, Edit)]
    assert sorted(edits) == [101, 102]
    assert [effect.reply for effect in bench.sent if isinstance(effect, Edit)] == [None, None]
