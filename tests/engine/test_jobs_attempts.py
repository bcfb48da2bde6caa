"""Attempts at the jobs of states: retries, timeouts, leaving, outcomes, threads."""

import asyncio
import functools
import threading

import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns
from state_jobs import Work, settle, working

from fsmkit import (
    DefinitionError,
    Done,
    Failed,
    Flow,
    HandlerAborted,
    Returned,
    State,
    StatesGroup,
    StoreUnavailable,
)
from fsmkit.engine.jobs import MAX_LOST


@pytest.fixture
def work():
    return Work()


async def begun(work, **options):
    bench = Bench(working(work, **options))
    await bench.say("go")
    await settle()
    return bench


async def where(bench):
    return await bench.engine.get_state("f", KEY)


async def later(bench, seconds):
    bench.clock.advance(seconds)
    await bench.engine.sweep()
    await settle()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a thread tells nobody
            await asyncio.sleep(0)


# -- retries and timeouts ------------------------------------------------------------------------


async def test_a_job_that_raises_is_tried_again_with_growing_delay(work):
    bench = await begun(work, job_retries=2)
    await work.end(OSError("first"))
    await later(bench, 1.9)
    assert work.attempts == [1]
    await later(bench, 0.1)
    assert work.attempts == [1, 2]
    await work.end(OSError("second"))
    await later(bench, 3.9)
    assert work.attempts == [1, 2]
    await later(bench, 0.1)
    await work.end("result")
    assert (work.attempts, len(work.ids)) == ([1, 2, 3], 1)
    assert await where(bench) == ("idle", {"done": "result"})
    assert bench.errors == []


async def test_what_the_last_attempt_raises_comes_back_as_failed(work):
    bench = await begun(work, job_retries=1)
    await work.end(OSError("first"))
    await later(bench, 2)
    await work.end(OSError("second"))
    assert await where(bench) == ("idle", {"failed": "second"})


async def test_a_job_that_was_put_off_is_not_begun_once_its_state_was_left(work):
    bench = await begun(work, job_retries=1)
    await work.end(OSError("first"))
    await bench.say("leave")
    await later(bench, 60)
    assert work.attempts == [1]


async def test_an_attempt_that_takes_too_long_is_cancelled_and_has_failed(work):
    bench = await begun(work, job_timeout=30)
    bench.clock.advance(29)
    await settle()
    assert work.cancelled == 0
    bench.clock.advance(1)
    await settle()
    state, data = await where(bench)
    assert (state, work.cancelled, work.jobs[0].cancelled) == ("idle", 1, True)
    assert data["failed"].startswith("the job of f/work took longer than 30 s (")


async def test_an_attempt_that_is_in_time_is_not_disturbed(work):
    bench = await begun(work, job_timeout=30)
    bench.clock.advance(29)
    await settle()
    await work.end("result")
    assert await where(bench) == ("idle", {"done": "result"})
    assert work.cancelled == 0


async def test_a_job_that_cleans_up_after_its_time_has_ended_before_the_outcome_is_told(work):
    order = []

    async def slow(data):
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            order.append("cleaned up")

    flow = working(slow, job_timeout=30)
    flow.on_enter("idle")(lambda ctx: order.append("told"))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    bench.clock.advance(30)
    await settle()
    assert order == ["cleaned up", "told"]


async def test_a_job_that_cancels_itself_has_failed(work):
    bench = await begun(work)
    await work.end(asyncio.CancelledError())
    state, data = await where(bench)
    assert state == "idle"
    assert "CancelledError" in data["failed"]


@pytest.mark.parametrize("options", [{}, {"job_timeout": 30}, {"job_retries": 1}], ids=str)
async def test_a_job_that_cancels_its_own_task_is_not_begun_for_ever(options):
    begun = []

    async def gives_up(data):
        begun.append(data)
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    bench = Bench(working(gives_up, **options))
    await bench.say("go")
    for _ in range(20):
        await settle()
        bench.clock.advance(31)
        await bench.engine.sweep()
    await settle()
    state, data = await where(bench)
    assert (state, len(begun) <= MAX_LOST + 1) == ("idle", True)
    assert "cancel" in data["failed"].lower()


async def test_a_job_that_an_ordinary_stop_cancels_loses_no_attempt(work):
    bench = await begun(work)
    for _ in range(2 * MAX_LOST):
        await bench.engine.stop()
        await bench.engine.start()
        await settle()
        await bench.engine.sweep()
        await settle()
    await work.end("at last")
    assert await where(bench) == ("idle", {"done": "at last"})
    await bench.engine.stop()


def counting(data):
    yield 1


async def telling(data, job):
    yield 1


class Counter:
    """An object that is called, with a generator for its call."""

    def __call__(self, data):
        yield 1


@pytest.mark.parametrize("job", [counting, telling, Counter(), functools.partial(counting)])
def test_a_generator_is_refused_as_a_job_where_it_is_declared(job):
    with pytest.raises(DefinitionError, match=r"job of .*work.* has a yield in it"):
        Bench(working(job))


async def test_a_job_that_wants_to_exit_has_failed_and_the_bot_lives_on(work):
    def leave(data):
        raise SystemExit(3)

    bench = await begun(leave)
    await until(lambda: not bench.engine._dispatcher.jobs.running)
    state, data = await where(bench)
    assert state == "idle"
    assert "SystemExit" in data["failed"]


@pytest.mark.parametrize("timeout", [None, 30])
async def test_what_a_job_that_wants_to_exit_raises_is_reported_where_nobody_handles_it(timeout):
    async def leave(data):
        raise SystemExit(3)

    flow = Flow("g")
    flow.state("work", job=leave, job_timeout=timeout)
    returns(flow, None)(("transition", "work"))
    bench = Bench(flow)
    await bench.say("go")
    await until(lambda: bench.errors)
    [(_, event, error)] = bench.errors
    assert (type(event), type(error), type(error.__cause__)) == (Failed, HandlerAborted, SystemExit)


async def test_a_function_that_returns_a_coroutine_is_awaited():
    async def work(data, times):
        return data["n"] * times

    bench = await begun(lambda data: work(data, 3))
    await until(lambda: not bench.engine._dispatcher.jobs.running)
    assert await where(bench) == ("idle", {"done": 3})


# -- leaving -------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["leave", "end"])
async def test_leaving_the_state_ends_the_job(work, word):
    bench = await begun(work)
    await bench.say(word)
    await settle()
    assert (work.cancelled, work.jobs[0].cancelled, bench.errors) == (1, True, [])
    assert bench.engine._dispatcher.jobs.running == {}


async def test_entering_the_state_anew_ends_the_first_job_and_begins_another_with_its_own_id(work):
    bench = await begun(work)
    await bench.say("again")
    await settle()
    assert (work.attempts, work.cancelled, len(work.ids)) == ([1, 1], 1, 2)
    await work.end("fresh")
    assert await where(bench) == ("idle", {"done": "fresh"})


async def test_the_outcome_of_a_job_that_ignores_its_cancellation_changes_nothing():
    ended = asyncio.Event()

    async def stubborn(data):
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.set()
            return "stale"

    bench = await begun(stubborn)
    await bench.say("leave")
    await settle()
    assert ended.is_set()
    assert await where(bench) == ("idle", {"n": 1})
    assert bench.errors == []


async def test_staying_does_not_disturb_the_job(work):
    flow = working(work)
    returns(flow, "work", on=Word("stay"))(("stay", {"n": 3}))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await bench.say("stay")
    await settle()
    assert work.cancelled == 0
    await work.end("result")
    assert await where(bench) == ("idle", {"done": "result"})


async def test_a_job_does_not_outlive_a_timeout_of_its_conversation(work):
    flow = Flow("f", ttl=60)
    flow.state("work", job=work)
    returns(flow, None)(("transition", "work"))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await later(bench, 60)
    assert work.cancelled == 1
    assert (await where(bench))[0] is None


# -- outcomes ------------------------------------------------------------------------------------


async def test_an_outcome_reaches_the_state_that_waits_for_a_sub_flow_meanwhile(work):
    sub = Flow("sub")
    sub.state("asking")
    taken = []
    sub.defstate("asking", on=Done)(lambda event, ctx: taken.append("sub"))
    flow = working(work)
    flow.defstate("work", on=Word("call"))(lambda event, ctx: ("call", sub))
    flow.defstate("work", on=Returned)(lambda event, ctx: ("stay",))
    bench = Bench(flow, sub)
    await bench.say("go")
    await bench.say("call")
    assert (await bench.row()).snapshots["f"].frames[-1].flow == "sub"
    await settle()
    await work.end("result")
    assert (taken, await where(bench)) == ([], ("idle", {"done": "result"}))


async def test_an_outcome_that_only_stays_leaves_the_sub_flow_alone(work):
    sub = Flow("sub")
    sub.state("asking")
    flow = Flow("f")
    flow.state("work", job=work)
    returns(flow, None, on=Word("go"))(("transition", "work", {}))
    flow.defstate("work", on=Word("call"))(lambda event, ctx: ("call", sub))
    flow.defstate("work", on=Done)(lambda event, ctx: ("stay", {"done": event.value}))
    bench = Bench(flow, sub)
    await bench.say("go")
    await bench.say("call")
    await settle()
    await work.end("result")
    frames = (await bench.row()).snapshots["f"].frames
    assert [(frame.flow, frame.state) for frame in frames] == [("f", "work"), ("sub", "asking")]
    assert await where(bench) == ("work", {"done": "result"})


async def test_an_outcome_that_nobody_wants_is_over_all_the_same(work):
    flow = Flow("f")
    flow.state("work", job=work)
    returns(flow, None)(("transition", "work"))
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await work.end("result")
    assert (await bench.row()).snapshots["f"].frames[0].job is None
    assert bench.errors == []


async def test_an_outcome_whose_handler_raises_is_given_again_and_at_last_dropped(work):
    flow = Flow("f", ttl=None)
    flow.state("work", job=work)
    returns(flow, None)(("transition", "work"))
    flow.defstate("work", on=Done)(lambda event, ctx: 1 / 0)
    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await work.end("result")
    for tries, delay in enumerate([1, 3, 9, 27], 1):
        assert len(bench.errors) == tries
        await later(bench, delay)
    assert len(bench.errors) == 5
    assert work.attempts == [1]
    assert (await bench.row()).snapshots["f"].frames[0].job is None


async def test_an_outcome_whose_handler_raises_once_is_not_lost(work):
    failing = [True]
    flow = Flow("f", ttl=None)
    flow.state("work", job=work)
    flow.state("idle")
    returns(flow, None)(("transition", "work"))

    @flow.defstate("work", on=Done)
    def done(event, ctx):
        if failing.pop():
            failing.append(False)
            raise OSError("the database is away")
        return ("transition", "idle", {"done": event.value})

    bench = Bench(flow)
    await bench.say("go")
    await settle()
    await work.end("result")
    await later(bench, 1)
    assert (work.attempts, await where(bench)) == ([1], ("idle", {"done": "result"}))


async def test_the_outcome_of_a_conversation_that_was_ended_and_begun_anew_changes_nothing(work):
    bench = await begun(work)
    await bench.say("end")
    await bench.say("go")
    await settle()
    assert work.cancelled == 1
    assert (await where(bench))[0] == "work"
    await work.end("fresh")
    assert await where(bench) == ("idle", {"done": "fresh"})


async def test_an_outcome_waits_for_a_store_that_is_away(work):
    bench = await begun(work)
    apply, away = bench.engine._dispatcher.jobs.apply, [True, True]

    async def once_more(*args):
        if away:
            away.pop()
            raise StoreUnavailable("not now")
        return await apply(*args)

    bench.engine._dispatcher.jobs.apply = once_more
    await work.end("result")
    await later(bench, 1)
    assert (await where(bench))[0] == "work"
    await later(bench, 3)
    assert await where(bench) == ("idle", {"done": "result"})
    assert bench.errors == []


async def test_a_job_that_cannot_be_kept_for_a_while_goes_on(work, caplog):
    bench = await begun(work)
    edit = bench.engine._dispatcher.jobs.edit

    async def away(*_args):
        raise StoreUnavailable("not now")

    bench.engine._dispatcher.jobs.edit = away
    bench.clock.advance(10)
    await settle()
    assert "could not be kept" in caplog.text
    bench.engine._dispatcher.jobs.edit = edit
    bench.clock.advance(10)
    await settle()
    assert (await bench.row()).snapshots["f"].frames[0].job.due == bench.clock.now() + 30
    await work.end("result")
    assert await where(bench) == ("idle", {"done": "result"})


# -- threads -------------------------------------------------------------------------------------


class Thread:
    """A job in a thread that goes on until it is let go."""

    def __init__(self):
        self.jobs = []
        self.go = threading.Event()

    def __call__(self, data, job):
        self.jobs.append(job)
        self.go.wait(20)
        if job.cancelled:
            raise InterruptedError
        return "result"


async def test_the_outcome_of_a_thread_that_ends_while_the_engine_stops_counts():
    done = threading.Event()

    def work(data):
        done.wait(20)
        return "result"

    bench = await begun(work)
    await until(
        lambda: any(attempt.in_thread for attempt in bench.engine._dispatcher.jobs._attempts.values())
    )
    stopping = asyncio.create_task(bench.engine.stop())
    await settle()
    assert not stopping.done()
    done.set()
    await stopping
    assert await where(bench) == ("idle", {"done": "result"})


async def test_a_thread_that_sees_that_the_engine_stops_is_begun_again_by_the_next():
    work = Thread()
    bench = await begun(work)
    await until(lambda: work.jobs)
    stopping = asyncio.create_task(bench.engine.stop())
    await until(lambda: work.jobs[0].cancelled)
    work.go.set()
    await stopping
    assert (await where(bench))[0] == "work"
    again = Bench(working(work), store=bench.store, clock=bench.clock)
    await again.engine.sweep()
    await until(lambda: not again.engine._dispatcher.jobs.running)
    assert [job.attempt for job in work.jobs] == [1, 2]
    assert await where(again) == ("idle", {"done": "result"})
    await again.engine.stop()


async def test_the_time_of_a_thread_begins_with_the_thread():
    work = Thread()
    flow = working(work, job_timeout=30)
    bench = Bench(flow)
    await bench.say("go")
    await until(lambda: work.jobs)
    await settle()
    bench.clock.advance(30)
    await until(lambda: work.jobs[0].cancelled)
    work.go.set()
    await until(lambda: not bench.engine._dispatcher.jobs.running)
    state, data = await where(bench)
    assert (state, data["failed"][:22]) == ("idle", "the job of f/work took")
    await bench.engine.stop()


async def test_a_thread_that_raises_stop_iteration_has_failed():
    def work(data):
        return next(iter(()))

    bench = await begun(work)
    await until(lambda: not bench.engine._dispatcher.jobs.running)
    assert await where(bench) == ("idle", {"failed": "f/work raised StopIteration"})


# -- declaring -----------------------------------------------------------------------------------


async def test_a_job_may_take_the_data_alone_whatever_else_it_could_take():
    async def work(data, verbose=False):
        return [data, verbose]

    bench = await begun(work)
    await settle()
    assert await where(bench) == ("idle", {"done": [{"n": 1}, False]})


async def test_what_a_job_is_given_says_where_it_belongs(work):
    bench = Bench(working(work), resources="db")
    await bench.say("go")
    await settle()
    [job] = work.jobs
    assert (job.key, job.flow, job.state, job.attempt, job.resources, job.bot) == (
        KEY,
        "f",
        "work",
        1,
        "db",
        None,
    )
    assert (job.cancelled, len(job.id)) == (False, 16)
    assert repr(job) == f"<JobContext of f/work for {KEY}, attempt 1>"
    await bench.engine.stop()


async def test_a_job_of_a_group_of_states_that_was_inherited_keeps_its_options(work):
    class Base(StatesGroup):
        work = State(job=work, job_timeout=5, job_retries=2)

    class Child(Base):
        pass

    assert (Child.work.job_timeout, Child.work.job_retries) == (5, 2)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"job": "charge"}, "a job is a function"),
        ({"job": lambda: None}, "a job is a function"),
        ({"job": lambda a, b, c: None}, "a job is a function"),
        ({"job_timeout": 5}, "no job that they could be for"),
        ({"job_retries": 1}, "no job that they could be for"),
        ({"job": print, "job_timeout": 0}, "job_timeout=0"),
        ({"job": lambda data: None, "job_retries": -1}, "job_retries=-1"),
        ({"job": lambda data: None, "job_retries": True}, "job_retries=True"),
    ],
)
def test_a_job_that_could_not_run_is_refused(options, problem):
    with pytest.raises(DefinitionError, match=problem):
        Flow("f").state("work", **options)


async def test_a_built_in_function_without_a_signature_takes_the_data():
    bench = await begun(max)
    await until(lambda: not bench.engine._dispatcher.jobs.running)
    assert await where(bench) == ("idle", {"done": "n"})


def test_a_time_that_is_inherited_is_no_time_of_a_job():
    from fsmkit.flow.states import INHERIT

    with pytest.raises(DefinitionError, match="job_timeout=INHERIT"):
        Flow("f").state("work", job=lambda data: None, job_timeout=INHERIT)
