"""Handlers that raise or refuse: nothing changes, and a `Crashed` handler may make a step of it."""

import logging

import pytest
from chat_events import Word, said
from memory_engine import KEY, Bench, returns

from fsmkit import ANY, Crashed, Flow, HandlerRefused, InvalidResult


def failing(*, how=None, on_crash=None):
    """A flow whose handler for "fail" replies and raises, and whose handler of `Crashed` is given."""
    flow = Flow("f", ttl=60)
    flow.state("b", prompt="at b")
    flow.state("a")
    flow.defstate("b", on=str)(lambda event, ctx: ctx.reply("never"))

    @flow.defstate("a", on=Word("fail"))
    def fails(event, ctx):
        ctx.reply("never")
        ctx.send(KEY, "never")
        ctx.at("other").set_data({"n": 1})
        return how() if how else 1 / 0

    if on_crash is not None:
        flow.defstate(ANY, on=Crashed)(on_crash)
    return flow


async def in_a(flow):
    bench = Bench(flow, Flow("other"))
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    return bench


async def test_a_handler_that_raises_changes_nothing():
    bench = await in_a(failing())
    before = await bench.stored()
    bench.clock.advance(10)
    with pytest.raises(ZeroDivisionError):
        await bench.say("fail", id=1)
    assert await bench.stored() == before
    assert bench.sent == []
    assert bench.store.turns == {}


async def test_the_exception_carries_flow_state_key_and_place():
    bench = await in_a(failing())
    with pytest.raises(ZeroDivisionError) as caught:
        await bench.say("fail")
    (note,) = caught.value.__notes__
    assert "flow 'f', state 'a', key 10:7:-:-:-, handler failing.<locals>.fails" in note
    assert "tests/engine/test_crashes.py:" in note


async def test_an_event_whose_handler_raised_is_handled_when_it_comes_again():
    mood = [ValueError("first"), None]

    def how():
        error = mood.pop(0)
        if error:
            raise error

    bench = await in_a(failing(how=how))
    with pytest.raises(ValueError, match="first"):
        await bench.say("fail", id=1)
    assert (await bench.say("fail", id=1)).kind == "handled"
    assert (await bench.say("fail", id=1)).kind == "duplicate"


async def test_the_handlers_after_one_that_raised_are_not_asked():
    flow = failing()
    returns(flow, "a")(("end",))
    bench = await in_a(flow)
    with pytest.raises(ZeroDivisionError):
        await bench.say("fail")
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 1})


async def test_a_crashed_handler_may_turn_the_error_into_a_step():
    seen = []

    def crashed(event, ctx):
        seen.append((type(event.error), event.event.text, ctx.state, ctx.data))
        ctx.reply("Something broke.")
        return ("transition", "b")

    flow = failing(on_crash=crashed)
    bench = await in_a(flow)
    outcome = await bench.say("fail", id=1)
    assert seen == [(ZeroDivisionError, "fail", "a", {"n": 1})]
    assert (outcome.kind, outcome.state) == ("handled", "b")
    assert bench.texts == ["Something broke.", "at b"]
    assert await bench.engine.get_state("other", KEY) == (None, None)
    assert (await bench.say("fail", id=1)).kind == "duplicate"


async def test_a_crashed_handler_that_passes_lets_the_error_go_on():
    bench = await in_a(failing(on_crash=lambda event, ctx: ("pass",)))
    before = await bench.stored()
    with pytest.raises(ZeroDivisionError):
        await bench.say("fail")
    assert await bench.stored() == before


async def test_a_crashed_handler_that_raises_is_not_asked_about_itself():
    asked = []

    def crashed(event, ctx):
        asked.append(event)
        raise ValueError("worse")

    bench = await in_a(failing(on_crash=crashed))
    before = await bench.stored()
    with pytest.raises(ValueError, match="worse"):
        await bench.say("fail")
    assert len(asked) == 1
    assert await bench.stored() == before


async def test_a_wrong_result_reaches_the_crashed_handler_too():
    seen = []
    bench = await in_a(
        failing(how=lambda: "nonsense", on_crash=lambda event, ctx: seen.append(type(event.error)))
    )
    await bench.say("fail")
    assert seen == [InvalidResult]


async def test_a_hook_that_raises_undoes_its_step():
    flow = failing(how=lambda: ("transition", "b"))

    @flow.on_enter("b")
    def hook(ctx):
        raise ValueError("in the hook")

    bench = await in_a(flow)
    before = await bench.stored()
    with pytest.raises(ValueError, match="in the hook"):
        await bench.say("fail")
    assert await bench.stored() == before


async def test_the_crashed_handlers_of_a_waiting_caller_are_asked_too():
    order, address = Flow("order"), Flow("address")
    returns(order, "cart")(("call", address))
    address.defstate("street")(lambda event, ctx: 1 / 0)
    order.defstate(ANY, on=Crashed)(lambda event, ctx: ("stay", {"broken": True}))
    bench = Bench(order, address)
    await bench.engine.set_state(order, KEY, "cart")
    await bench.say("x")
    await bench.say("x")
    assert await bench.engine.get_state(order, KEY) == ("cart", {"broken": True})


async def test_the_crashed_handlers_of_other_flows_are_not_asked():
    flow, other = failing(), Flow("nosy")
    other.defstate("n", on=Crashed)(lambda event, ctx: ("end",))
    bench = Bench(flow, other, Flow("other"))
    await bench.engine.set_state(other, KEY, "n")
    await bench.engine.set_state(flow, KEY, "a")
    with pytest.raises(ZeroDivisionError):
        await bench.say("fail")


# -- ("error", reason) -----------------------------------------------------------------------------


async def test_an_error_changes_nothing_and_drops_the_effects(caplog):
    bench = await in_a(failing(how=lambda: ("error", "out of stock")))
    before = await bench.stored()
    bench.clock.advance(10)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        outcome = await bench.say("fail")
    assert (outcome.kind, outcome.flow, outcome.state, outcome.effects) == ("handled", "f", "a", [])
    assert (await bench.stored(), bench.sent) == (before, [])
    assert "out of stock" in caplog.text


async def test_an_error_leaves_no_trace_of_its_event_either():
    bench = await in_a(failing(how=lambda: ("error", "out of stock")))
    before = await bench.stored()
    await bench.say("fail", id=1)
    assert await bench.stored() == before


async def test_a_crashed_handler_sees_the_reason_of_an_error():
    seen = []

    def crashed(event, ctx):
        seen.append((type(event.error), event.error.reason, event.error.flow, event.error.state))
        return ("transition", "b")

    bench = await in_a(failing(how=lambda: ("error", {"code": 5}), on_crash=crashed))
    assert (await bench.say("fail")).state == "b"
    assert seen == [(HandlerRefused, {"code": 5}, "f", "a")]


async def test_an_error_of_an_entry_begins_nothing():
    flow = Flow("f")
    returns(flow, None)(("error", "closed"))
    bench = Bench(flow)
    assert (await bench.engine.send(KEY, said("x"), id=1)).kind == "handled"
    assert await bench.stored() is None


async def test_after_an_error_the_event_goes_to_nobody_else():
    flow = failing(how=lambda: ("error", "no"))
    returns(flow, ANY)(("end",))
    bench = await in_a(flow)
    await bench.say("fail")
    assert (await bench.engine.get_state(flow, KEY))[0] == "a"


@pytest.mark.parametrize("state", [None, "a"])
async def test_a_predicate_that_raises_is_its_handlers_error_and_the_crashed_handlers_are_asked(state):
    flow = Flow("f", ttl=600)
    flow.state("a")
    flow.defstate(state, on=str, when=lambda event: 1 / 0)(lambda event, ctx: None)

    @flow.defstate(state, on=Crashed)
    def crashed(event, ctx):
        ctx.reply(f"{type(event.error).__name__} of {event.event}")
        return ("transition", "a")

    bench = Bench(flow)
    if state is not None:
        await bench.engine.set_state(flow, KEY, state)
    outcome = await bench.engine.send(KEY, "text")
    assert (outcome.kind, [effect.text for effect in outcome.effects]) == (
        "handled",
        ["ZeroDivisionError of text"],
    )
    assert await bench.engine.get_state(flow, KEY) == ("a", {})


async def test_a_predicate_that_raises_is_reached_only_if_the_handlers_before_it_pass():
    flow = Flow("f", ttl=600)
    flow.defstate("a", on=str)(lambda event, ctx: ("end",))
    flow.defstate("a", on=str, when=lambda event: 1 / 0)(lambda event, ctx: None)
    bench = await in_a(flow)
    assert (await bench.engine.send(KEY, "text")).kind == "handled"


async def test_the_predicate_of_a_crashed_handler_that_raises_ends_nothing_but_the_rescue():
    flow = Flow("f", ttl=600)

    @flow.defstate("a", on=str)
    def fail(event, ctx):
        raise KeyError(event)

    flow.defstate("a", on=Crashed, when=lambda event: 1 / 0)(lambda event, ctx: ("end",))
    bench = await in_a(flow)
    with pytest.raises(ZeroDivisionError) as caught:
        await bench.engine.send(KEY, "text")
    assert isinstance(caught.value.__context__, KeyError)
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 1})
