"""Jobs of states: slow work outside the lease, whose outcome comes back as an event."""

import asyncio
import threading

import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns

from fsmkit import Done, Engine, Failed, Flow, Timeout
from fsmkit.jobs import Job, JobRunner


class Work:
    """A job that waits until the test says what comes of it."""

    def __init__(self):
        self.given = []
        self.outcome = None
        self.go = asyncio.Event()

    async def __call__(self, data):
        self.given.append(data)
        await self.go.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def working(work, *, failed=True):
    flow = Flow("f", ttl=None)
    flow.state("work", prompt="Working …", job=work)
    flow.state("idle")
    returns(flow, None, on=Word("go"))(("transition", "work", {"n": 1}))
    returns(flow, "idle", on=Word("go"))(("transition", "work", {"n": 2}))
    returns(flow, "work", on=Word("leave"))(("transition", "idle"))
    returns(flow, "work", on=Word("stay"))(("stay", {"n": 3}))
    flow.defstate("work", on=Done)(lambda event, ctx: ("transition", "idle", {"done": event.value}))
    if failed:
        flow.defstate("work", on=Failed)(
            lambda event, ctx: ("transition", "idle", {"failed": str(event.error)})
        )
    return flow


async def settle(bench):
    for _ in range(20):
        await asyncio.sleep(0)
    assert bench.store.turns == {}


async def test_a_job_runs_with_the_data_when_its_state_is_entered_and_its_value_comes_back():
    work = Work()
    bench = Bench(working(work))
    await bench.say("go")
    await settle(bench)
    assert (work.given, bench.texts) == ([{"n": 1}], ["Working …"])
    work.outcome = "result"
    work.go.set()
    await settle(bench)
    assert await bench.engine.get_state("f", KEY) == ("idle", {"done": "result"})


async def test_what_a_job_raises_comes_back_as_failed():
    work = Work()
    bench = Bench(working(work))
    await bench.say("go")
    work.outcome = ValueError("no luck")
    work.go.set()
    await settle(bench)
    assert await bench.engine.get_state("f", KEY) == ("idle", {"failed": "no luck"})


async def test_what_a_job_raises_is_not_lost_where_nobody_handles_it():
    work = Work()
    bench = Bench(working(work, failed=False))
    await bench.say("go")
    work.outcome = ValueError("no luck")
    work.go.set()
    await settle(bench)
    assert [(key, type(event), str(error)) for key, event, error in bench.errors] == [
        (KEY, Failed, "no luck")
    ]


async def test_what_the_handler_of_an_outcome_raises_is_reported():
    flow, work = Flow("f"), Work()
    flow.state("work", job=work)
    returns(flow, None)(("transition", "work"))
    flow.defstate("work", on=Done)(lambda event, ctx: 1 / 0)
    bench = Bench(flow)
    await bench.say("go")
    work.go.set()
    await settle(bench)
    assert [(type(event), type(error)) for _, event, error in bench.errors] == [(Done, ZeroDivisionError)]


async def test_other_messages_are_handled_while_a_job_runs():
    work = Work()
    bench = Bench(working(work))
    await bench.say("go")
    assert (await bench.say("stay")).data == {"n": 3}
    work.go.set()
    await settle(bench)
    assert (await bench.engine.get_state("f", KEY))[0] == "idle"


async def test_the_outcome_of_a_state_that_was_left_changes_nothing():
    work = Work()
    bench = Bench(working(work))
    await bench.say("go")
    await settle(bench)
    await bench.say("leave")
    before = await bench.stored()
    work.go.set()
    await settle(bench)
    assert await bench.stored() == before
    assert bench.errors == []


async def test_the_outcome_of_an_earlier_entry_into_the_state_changes_nothing():
    first, second = Work(), Work()
    works = [first, second]

    async def work(data):
        return await works.pop(0)(data)

    bench = Bench(working(work))
    await bench.say("go")
    await settle(bench)
    await bench.say("leave")
    await bench.say("go")
    await settle(bench)
    first.outcome = "stale"
    first.go.set()
    await settle(bench)
    assert (await bench.engine.get_state("f", KEY))[0] == "work"
    second.outcome = "fresh"
    second.go.set()
    await settle(bench)
    assert await bench.engine.get_state("f", KEY) == ("idle", {"done": "fresh"})


async def test_a_job_of_a_step_that_was_undone_never_runs():
    work = Work()
    flow = working(work)

    @flow.on_enter("work")
    def hook(ctx):
        raise ValueError("undone")

    bench = Bench(flow)
    with pytest.raises(ValueError, match="undone"):
        await bench.say("go")
    await settle(bench)
    assert work.given == []


async def test_a_job_that_is_a_plain_function_runs_in_a_thread():
    threads, done = [], asyncio.Event()

    def work(data):
        threads.append(threading.current_thread())
        return data["n"]

    flow = working(work)
    flow.on_enter("idle")(lambda ctx: done.set())
    bench = Bench(flow)
    await bench.say("go")
    await asyncio.wait_for(done.wait(), 5)
    await settle(bench)
    assert await bench.engine.get_state("f", KEY) == ("idle", {"done": 1})
    assert threads[0] is not threading.main_thread()


async def test_a_job_starts_after_a_timeout_that_leads_into_its_state():
    work = Work()
    flow = working(work)
    flow.state("waiting", ttl=60)
    returns(flow, "waiting", on=Timeout)(("transition", "work"))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "waiting", {"n": 5})
    bench.clock.advance(60)
    await bench.engine.sweep()
    await settle(bench)
    assert work.given == [{"n": 5}]
    await bench.engine.stop()


async def test_stopping_the_engine_ends_its_jobs():
    work = Work()
    bench = Bench(working(work))
    async with bench.engine:
        await bench.say("go")
        await settle(bench)
    assert [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    assert (await bench.engine.get_state("f", KEY))[0] == "work"


async def test_an_async_on_error_is_told_of_what_a_job_of_the_application_raised():
    told = []

    async def on_error(key, job, error):
        told.append((key, job.name, type(error)))

    engine = Engine(Flow("f"))
    engine.on_error = on_error
    async with engine:
        await engine.runner.put(Job("bad", lambda: 1 / 0))
    assert told == [(None, "bad", ZeroDivisionError)]


async def test_a_runner_that_has_somebody_to_tell_keeps_them():
    told = []
    runner = JobRunner(on_error=lambda job, error: told.append(job.name))
    engine = Engine(Flow("f"), jobs=runner)
    engine.on_error = lambda key, event, error: told.append("engine")
    async with engine:
        await runner.put(Job("bad", lambda: 1 / 0))
    assert told == ["bad"]


async def test_without_anybody_to_tell_it_is_in_the_log_once(caplog):
    engine = Engine(Flow("f"))
    async with engine:
        await engine.runner.put(Job("bad", lambda: 1 / 0))
    await engine.report(KEY, "event", ValueError("no"))
    assert [record.getMessage().partition(" after")[0] for record in caplog.records] == [
        "job bad failed",
        f"{KEY}: handling str failed",
    ]
