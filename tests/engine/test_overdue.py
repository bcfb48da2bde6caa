"""Deadlines that have come: who goes first, and that they fire by themselves."""

import pytest
from bench import KEY, START, returns
from chat_events import Word
from samples import deadline, in_timed, settle, timed

# -- who goes first --------------------------------------------------------------------------------


async def test_an_overdue_deadline_fires_before_the_event_with_its_own_commit():
    seen = []

    def on_timeout(event, ctx):
        return ("transition", "b")

    flow = timed(60, on_timeout=on_timeout)

    @flow.defstate("b")
    def late(event, ctx):
        seen.append(ctx.state)
        raise ValueError("after the timeout")

    bench = await in_timed(flow)
    bench.clock.advance(60)
    with pytest.raises(ValueError, match="after the timeout"):
        await bench.say("hello")
    assert seen == ["b"]
    assert await bench.engine.get_state("f", KEY) == ("b", {"n": 1})
    assert bench.texts == ["Still there?"]


async def test_after_an_overdue_deadline_the_event_may_begin_anew():
    flow = timed(60)
    returns(flow, None, on=Word("hello"))(("transition", "b", {"new": 1}))
    bench = await in_timed(flow)
    bench.clock.advance(60)
    await bench.say("hello")
    assert await bench.engine.get_state("f", KEY) == ("b", {"new": 1})


async def test_a_message_dated_before_the_deadline_wins():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: ("transition", "b")))
    bench.clock.advance(300)
    outcome = await bench.say("hm", date=START + 59)
    assert (outcome.kind, outcome.state) == ("handled", "a")
    assert await deadline(bench) == START + 360


async def test_a_message_dated_after_the_deadline_comes_too_late():
    bench = await in_timed(timed(60))
    bench.clock.advance(300)
    assert (await bench.say("hm", date=START + 61)).kind == "passed"
    assert await bench.stored() is None


async def test_a_message_in_time_that_nobody_takes_does_not_stop_the_timeout():
    bench = await in_timed(timed(60))
    bench.clock.advance(300)
    assert (await bench.say("unknown", date=START + 59)).kind == "passed"
    assert await bench.engine.sweep() == 1
    assert await bench.stored() is None


async def test_a_duplicate_fires_no_timeout():
    bench = await in_timed(timed(60))
    await bench.say("hm", id=1)
    before = await bench.stored()
    bench.clock.advance(60)
    assert (await bench.say("hm", id=1)).kind == "duplicate"
    assert await bench.stored() == before


# -- by itself -------------------------------------------------------------------------------------


async def test_while_the_engine_runs_timeouts_fire_by_themselves():
    bench = await in_timed(timed(60, on_timeout=lambda event, ctx: ("transition", "b")))
    async with bench.engine:
        await settle()
        for _ in range(70):
            bench.clock.advance(1)
            await settle()
        assert bench.texts == ["Still there?"]


async def test_what_was_overdue_at_the_start_fires_soon_but_after_updates_that_wait():
    bench = await in_timed(timed(60))
    bench.clock.advance(1000)
    waiting = True
    bench.engine.face.busy = lambda: waiting
    async with bench.engine:
        await settle()
        for _ in range(10):
            bench.clock.advance(1)
            await settle()
        assert await bench.stored() is not None
        waiting = False
        bench.clock.advance(1)
        await settle()
        assert await bench.stored() is None


async def test_an_engine_that_was_stopped_sweeps_no_more():
    bench = await in_timed(timed(60))
    async with bench.engine:
        await settle()
        assert bench.engine.running
    assert not bench.engine.running
    bench.clock.advance(100)
    await settle()
    assert await bench.stored() is not None


async def test_a_sweep_that_fails_is_followed_by_the_next(caplog):
    bench = await in_timed(timed(60))
    good, bench.store.due = bench.store.due, None
    async with bench.engine:
        await settle()
        bench.clock.advance(61)
        await settle()
        assert "a sweep failed" in caplog.text
        bench.store.due = good
        bench.clock.advance(1)
        await settle()
        assert await bench.stored() is None
