"""How far a job has come, shown in the flow's screen; and what is answered meanwhile."""

import asyncio
import threading

import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns
from state_jobs import Work, settle

from fsmkit import ANY, Button, Done, Flow, Reply, Returned
from fsmkit.interpreter.row import Edit, Send


@pytest.fixture
def work():
    return Work()


def converting(work, **options):
    flow = Flow("f", ttl=None)
    flow.state("work", job=work, **options)
    flow.state("idle")
    returns(flow, None, on=Word("go"))(("transition", "work", {}))
    returns(flow, "work", on=Word("leave"))(("transition", "idle"))

    @flow.defstate(ANY, on=Word("status"))
    def status(event, ctx):
        ctx.reply(f"You are in {ctx.state}.")

    @flow.defstate("work", on=Done)
    def done(event, ctx):
        ctx.show(f"Here: {event.value}")
        return ("transition", "idle")

    return flow


async def begun(work, **options):
    bench = Bench(converting(work, **options))
    await bench.say("go")
    await settle()
    return bench


async def reported(bench, work, *args):
    work.jobs[-1].progress(*args)
    await settle()


async def test_progress_brings_a_screen_and_then_edits_it(work):
    bench = await begun(work)
    await reported(bench, work, 0.1, "Converting")
    bench.clock.advance(3)
    await reported(bench, work, 0.4, "Converting")
    assert [(type(effect), effect.text) for effect in bench.sent] == [
        (Send, "Converting: 10%"),
        (Edit, "Converting: 40%"),
    ]
    assert bench.sent[1].message == 101


async def test_the_handler_of_the_outcome_shows_its_result_in_the_same_screen(work):
    bench = await begun(work)
    await reported(bench, work, 0.1)
    await work.end("film.mp4")
    assert [(type(effect), effect.text) for effect in bench.sent] == [(Send, "10%"), (Edit, "Here: film.mp4")]
    assert bench.sent[1].message == 101


async def test_a_screen_that_is_there_is_edited(work):
    flow = converting(work)
    flow.on_enter("work")(lambda ctx: ctx.show("Please wait."))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await reported(bench, work, None, "Halfway")
    assert [(type(effect), effect.text) for effect in bench.sent] == [
        (Send, "Please wait."),
        (Edit, "Halfway"),
    ]


async def test_of_much_that_is_reported_at_once_the_last_is_shown(work):
    bench = await begun(work)
    for percent in range(10):
        await reported(bench, work, percent / 100)
    assert bench.texts == ["0%"]
    bench.clock.advance(2.9)
    await settle()
    assert bench.texts == ["0%"]
    bench.clock.advance(0.1)
    await settle()
    assert bench.texts == ["0%", "9%"]


async def test_progress_is_no_step_of_the_conversation(work):
    bench = await begun(work)
    before = (await bench.row()).snapshots["f"].frames[0]
    await reported(bench, work, 0.5)
    after = (await bench.row()).snapshots["f"].frames[0]
    assert (after.entry, after.data, after.job) == (before.entry, before.data, before.job)


async def test_progress_comes_with_the_buttons_of_the_state_or_with_its_own(work):
    bench = await begun(work, prompt="Wait.", buttons=["Stop"])
    await reported(bench, work, 0.5)
    bench.clock.advance(3)
    await reported(bench, work, None, Reply("Half", buttons=["Hurry up"]))
    buttons = [effect.reply.buttons for effect in bench.sent]
    assert buttons == [((Button("Stop"),),), ((Button("Stop"),),), ((Button("Hurry up"),),)]
    assert bench.sent[1].bound.entry == 1


async def test_a_state_that_was_left_shows_no_progress_any_more(work):
    bench = await begun(work)
    job = work.jobs[0]
    await bench.say("leave")
    job.progress(0.5)
    await settle()
    assert bench.texts == []


async def test_what_is_reported_just_before_the_state_is_left_is_shown_before_what_is_said_then(work):
    flow = converting(work)
    flow.on_enter("idle")(lambda ctx: ctx.reply("Idle."))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    async with bench.store.lease(KEY):
        await reported(bench, work, 0.5)
        leaving = asyncio.create_task(bench.say("leave"))
        await settle()
    await leaving
    await settle()
    assert bench.texts == ["50%", "Idle."]


async def test_a_sub_flow_keeps_the_screen_to_itself(work):
    sub = Flow("sub")
    sub.state("asking", prompt="Your name?")
    flow = converting(work)
    flow.defstate("work", on=Word("call"))(lambda event, ctx: ("call", sub))
    flow.defstate("work", on=Returned)(lambda event, ctx: ("stay",))
    bench = Bench(flow, sub)
    await bench.say("go")
    await bench.say("call")
    await settle()
    await reported(bench, work, 0.5)
    assert bench.texts == ["Your name?"]


async def test_a_screen_that_is_not_delivered_yet_is_not_sent_twice(work):
    waiting = asyncio.Event()

    async def deliver(key, effect):
        await waiting.wait()
        return 5

    bench = Bench(converting(work), deliver=deliver)
    await bench.say("go")
    await settle()
    await reported(bench, work, 0.1)
    bench.clock.advance(3)
    await reported(bench, work, 0.2)
    assert sum([stored.outbox async for stored in bench.store.scan()]) == 1
    waiting.set()
    await settle()
    await bench.engine.stop()


async def test_a_thread_may_report_too():
    def work(data, job):
        job.progress(0.5, "Halfway")
        shown.wait(20)
        return "film.mp4"

    shown = threading.Event()
    bench = await begun(work)
    async with asyncio.timeout(20):
        while not bench.sent:  # noqa: ASYNC110  # a thread tells nobody
            await asyncio.sleep(0)
    shown.set()
    async with asyncio.timeout(20):
        while len(bench.sent) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert bench.texts == ["Halfway: 50%", "Here: film.mp4"]
    await bench.engine.stop()


async def test_progress_that_cannot_be_shown_does_no_harm(work, caplog):
    bench = await begun(work)
    edit = bench.engine._dispatcher.jobs.edit

    async def away(*_args):
        raise LookupError("not now")

    bench.engine._dispatcher.jobs.edit = away
    await reported(bench, work, 0.5)
    bench.engine._dispatcher.jobs.edit = edit
    assert "was not shown" in caplog.text
    await work.end("film.mp4")
    assert bench.texts == ["Here: film.mp4"]


@pytest.mark.parametrize("report", [(), (1.5,), (-0.1, "text")])
async def test_progress_that_says_nothing_is_refused(work, report):
    bench = await begun(work)
    with pytest.raises(ValueError, match="progress"):
        work.jobs[0].progress(*report)
    await bench.engine.stop()


async def test_the_person_is_answered_while_the_job_runs(work):
    bench = await begun(work)
    await bench.say("status")
    assert bench.texts == ["You are in work."]
    await work.end("film.mp4")
    assert bench.texts == ["You are in work.", "Here: film.mp4"]


async def test_progress_goes_to_the_screen_that_the_states_prompt_names(work):
    flow = converting(work, prompt="Please wait.", show="film")
    flow.on_enter("work")(lambda ctx: ctx.show("Another screen"))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await reported(bench, work, None, "Halfway")
    first, film, progress = bench.sent
    assert (first.text, film.text, progress.text) == ("Another screen", "Please wait.", "Halfway")
    assert (film.screen, progress.screen, progress.message) == ("f/film", "f/film", 102)
