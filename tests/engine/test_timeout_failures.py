"""Handlers of timeouts that fail: tried again with growing delay, five times."""

import pytest
from memory_engine import KEY, OTHER, START, returns
from sample_flows import deadline, in_timed, timed

from fsmkit import Crashed, Timeout


def raising(event, ctx):
    raise ValueError("in the timeout")


def refusing(event, ctx):
    return ("error", "not now")


@pytest.mark.parametrize("handler", [raising, refusing, lambda event, ctx: "nonsense"])
async def test_a_timeout_handler_that_fails_is_tried_again_with_growing_delay_then_the_conversation_ends(
    handler,
):
    bench = await in_timed(timed(60, on_timeout=handler))
    delays, before = [], START
    for _ in range(5):
        due = await deadline(bench)
        delays.append(due - before)
        bench.clock.advance(due - bench.clock.now())
        assert await bench.engine.sweep() == 1
        before = due
    assert delays[0] == 60
    assert delays[1:] == sorted(set(delays[1:]))
    assert await bench.stored() is None
    assert [(key, type(event)) for key, event, _ in bench.errors] == [(KEY, Timeout)] * 5


async def test_a_step_of_a_timeout_handler_that_fails_later_counts_as_failed_too():
    flow = timed(60, on_timeout=lambda event, ctx: ("transition", "broken"))
    flow.state("broken", prompt=lambda ctx: 1 / 0)
    bench = await in_timed(flow)
    for _ in range(5):
        assert (await bench.engine.get_state("f", KEY))[0] == "a"
        bench.clock.advance(await deadline(bench) - bench.clock.now())
        await bench.engine.sweep()
    assert await bench.stored() is None


async def test_an_on_exit_hook_that_fails_at_a_timeout_is_tried_again_too():
    flow = timed(60)
    flow.state("c")
    flow.on_exit()(lambda ctx: ctx.reply("never") or 1 / 0)
    bench = await in_timed(flow)
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await bench.engine.get_state("f", KEY) == ("a", {"n": 1})
    assert (bench.sent, [type(error) for *_, error in bench.errors]) == ([], [ZeroDivisionError])


async def test_a_timeout_handler_that_fails_does_not_hold_up_others():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: 1 / 0 if ctx.key == KEY else ("end",)))
    await bench.engine.set_state("f", OTHER, "a")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert (await bench.stored(OTHER), len(bench.errors)) == (None, 1)


async def test_a_step_in_between_forgives_failed_timeouts():
    bench = await in_timed(timed(60, on_timeout=raising))
    for _ in range(4):
        bench.clock.advance(await deadline(bench) - bench.clock.now())
        await bench.engine.sweep()
    await bench.say("hm")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert len(bench.errors) == 5
    assert (await bench.engine.get_state("f", KEY))[0] == "a"


async def test_a_crashed_handler_may_catch_what_a_timeout_handler_raised():
    flow = timed(60, on_timeout=raising)
    returns(flow, "a", on=Crashed)(("transition", "b"))
    bench = await in_timed(flow)
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert (await bench.engine.get_state("f", KEY))[0] == "b"
    assert bench.errors == []


async def test_a_timeout_handler_that_fails_does_not_hinder_the_event_that_found_it_overdue():
    bench = await in_timed(timed(60, on_timeout=raising))
    bench.clock.advance(60)
    assert (await bench.say("hm")).kind == "handled"
    assert len(bench.errors) == 1
