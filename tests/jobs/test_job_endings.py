"""How jobs end: errors, cancellation, the stop of their runner; and services, which never should."""

import asyncio
import functools
import gc
import logging
import threading
import weakref

import pytest
from jobs.waiting import settle, until

from fsmkit.jobs import Job, JobRunner
from fsmkit.testing import ManualClock


def messages(caplog):
    return [record.getMessage() for record in caplog.records]


async def test_start_end_and_duration_are_logged(caplog):
    caplog.set_level(logging.INFO)
    clock = ManualClock()
    async with JobRunner(clock=clock) as runner:
        await runner.put(Job("count", clock.advance, 1.5))
    assert messages(caplog) == [
        "job count is queued, 0 before it (fsmkit.testing.clock.ManualClock.advance)",
        "job count begins (fsmkit.testing.clock.ManualClock.advance)",
        "job count ended after 1.500 s",
    ]


async def test_the_log_says_behind_what_a_job_is_queued_and_what_it_waits_for(caplog):
    caplog.set_level(logging.INFO)

    def ready():
        return True

    runner = JobRunner()
    first = Job("first", functools.partial(print, end=""))
    await runner.put_all([first, Job("second", print, after=[ready, asyncio.Event(), first])])
    runner.start()
    await settle()
    await runner.stop(0)
    told = messages(caplog)
    assert "job second is queued, 1 before it (builtins.print)" in told
    assert any(
        message.startswith("job second waits for") and message.endswith("ready, Event, job first")
        for message in told
    )


async def test_durations_are_not_those_of_a_wall_clock_that_is_put_back(caplog):
    class Corrected(ManualClock):
        def monotonic(self):
            return 2 * self.now()

    caplog.set_level(logging.INFO)
    clock = Corrected()
    async with JobRunner(clock=clock) as runner:
        await runner.put(Job("count", clock.advance, 1.5))
    assert messages(caplog)[-1] == "job count ended after 3.000 s"


# -- what came of a run ----------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_run_has_the_result_of_its_function(blocking):
    async def double(number):
        return 2 * number

    async with JobRunner() as runner:
        runs = await runner.put_all([Job(f.__name__, f, 7, blocking=blocking) for f in (abs, double)])
        assert [(await run.wait(), run.error, run.result) for run in runs] == [(7, None, 7), (14, None, 14)]


@pytest.mark.parametrize("where", ["function", "arguments", "gate"])
async def test_a_run_has_the_error_that_ended_it_wherever_that_was_raised(where):
    def bad():
        raise ValueError(where)

    job = {
        "function": Job("j", bad),
        "arguments": Job("j", print, lazy_args=[bad]),
        "gate": Job("j", print, after=bad),
    }[where]
    async with JobRunner() as runner:
        run = await runner.put(job)
        assert await run.wait() is None
    assert repr(run.error) == f"ValueError({where!r})"


async def test_a_run_that_is_cancelled_says_so_wherever_it_stood():
    runner = JobRunner()
    forever = Job("forever", asyncio.Event().wait)
    runs = await runner.put_all([Job("gated", print, after=asyncio.Event()), forever, Job("queued", print)])
    runner.start()
    await settle()
    await runner.stop(0)
    assert [await run.wait() for run in runs] == [None] * 3
    assert [type(run.error) for run in runs] == [asyncio.CancelledError] * 3


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)], ids=["ValueError", "SystemExit"])
@pytest.mark.parametrize("blocking", [False, True])
async def test_an_error_is_logged_and_reported_and_the_others_run(error, blocking, caplog):
    told, done = [], []

    def bad():
        raise error

    async def on_error(job, error):
        told.append((job.name, error))

    async with JobRunner(on_error=on_error) as runner:
        await runner.put_all([Job("bad", bad, blocking=blocking), Job("good", done.append, 1)])
    assert (told, done) == ([("bad", error)], [1])
    assert "job bad failed after" in caplog.text


async def test_an_on_error_that_raises_is_logged_and_no_more(caplog):
    done = []
    async with JobRunner(on_error=lambda job, error: 1 / 0) as runner:
        await runner.put_all([Job("bad", lambda: 1 / 0), Job("good", done.append, 1)])
    assert done == [1]
    assert "on_error failed for job bad" in caplog.text


async def test_a_job_that_cancels_itself_ends_alone():
    done = []

    async def cancelled():
        raise asyncio.CancelledError

    failed = []
    async with JobRunner(on_error=lambda job, error: failed.append(job.name)) as runner:
        await runner.put_all([Job("bad", cancelled), Job("good", done.append, 1)])
    assert (done, failed) == ([1], ["bad"])


async def test_a_service_that_is_cancelled_from_within_is_started_again():
    clock, starts = ManualClock(), []

    async def serve():
        starts.append(clock.now())
        raise asyncio.CancelledError

    async with JobRunner(clock=clock) as runner:
        await runner.run_forever(Job("service", serve))
        await settle()
        clock.advance(1)
        await settle()
        assert len(starts) == 2


async def test_cancelling_run_cancels_the_job_that_runs_and_goes_on_outward():
    seen = []

    async def endless():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    runner = JobRunner()
    await runner.put(Job("endless", endless))
    running = asyncio.create_task(runner.run())
    await settle()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert seen == ["cancelled"]
    assert runner.jobs == ()


async def test_stop_lets_what_was_put_before_come_to_its_end():
    gate, done = asyncio.Event(), []
    runner = JobRunner(clock=ManualClock())
    runner.start()
    await runner.put_all(
        [
            Job("runs", gate.wait),
            Job("queued", done.append, "queued"),
            Job("gated", done.append, "gated", after=gate),
        ]
    )
    stopping = asyncio.create_task(runner.stop())
    await settle()
    assert not stopping.done()
    gate.set()
    await stopping
    assert done == ["queued", "gated"]


async def test_after_the_deadline_what_runs_waits_or_is_gated_is_cancelled_and_named(caplog):
    clock, done = ManualClock(), []
    runner = JobRunner(drain=10, clock=clock)
    runner.start()
    never = asyncio.Event()
    await runner.put_all(
        [
            Job("gated", done.append, 1, after=never),
            Job("beside", never.wait, blocking=True),
            Job("runs", never.wait),
            Job("queued", done.append, 2),
        ]
    )
    await settle()
    stopping = asyncio.create_task(runner.stop())
    await settle()
    clock.advance(9.9)
    await settle()
    assert not stopping.done()
    clock.advance(0.2)
    await stopping
    assert done == []
    assert runner.jobs == ()
    for name, state in {"gated": "gated", "beside": "running", "runs": "running", "queued": "queued"}.items():
        assert f"job {name} is cancelled ({state}): the runner stops" in messages(caplog)


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again_then_left_behind(caplog):
    clock, cancelled, end = ManualClock(), [], asyncio.Event()

    async def stubborn():
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                cancelled.append(1)

    runner = JobRunner(drain=0, clock=clock)
    runner.start()
    await runner.put(Job("stubborn", stubborn, blocking=True))
    await settle()
    stopping = asyncio.create_task(runner.stop())
    for _ in range(4):
        await settle()
        clock.advance(1)
    await stopping
    assert cancelled == [1, 1, 1]
    assert "job stubborn ignores that it is cancelled; it is left behind" in messages(caplog)
    end.set()
    await settle()


async def test_threads_are_joined_and_the_log_says_for_what(caplog):
    begun, go, done = threading.Event(), threading.Event(), []

    def block():
        begun.set()
        assert go.wait(10)
        done.append(1)

    runner = JobRunner(drain=0)
    runner.start()
    await runner.put(Job("block", block, blocking=True))
    await until(lambda: begun.is_set())
    stopping = asyncio.create_task(runner.stop())
    await until(lambda: "waiting for threads that cannot be cancelled: block" in messages(caplog))
    assert not stopping.done()
    go.set()
    await stopping
    assert done == [1]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fsmkit job")]


async def test_stop_before_any_start_drops_what_was_put(caplog):
    runner, done = JobRunner(), []
    await runner.put(Job("j", done.append, 1))
    await runner.stop()
    assert (done, runner.jobs) == ([], ())
    assert "job j is cancelled (queued): the runner stops" in messages(caplog)


async def test_a_job_cannot_stop_its_own_runner():
    failed = []
    runner = JobRunner(on_error=lambda job, error: failed.append(str(error)))
    async with runner:
        await runner.put(Job("stop", runner.stop))
    assert failed == ["a job cannot stop its own runner: it would wait for itself"]


async def test_a_finished_job_leaves_no_reference():
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    async with JobRunner() as runner:
        await runner.put(Job("use", lambda thing: None, thing, lazy_args=[]))
        await runner.put(Job("use", lambda thing: None, thing, blocking=True))
        del thing
        await until(lambda: not runner.jobs)
        await settle()
        gc.collect()
        assert gone() is None


async def test_a_service_is_started_again_with_growing_delays():
    clock, starts = ManualClock(), []

    async def fails():
        starts.append(clock.now())
        raise ValueError

    told = []
    async with JobRunner(clock=clock, on_error=lambda job, error: told.append(job.name)) as runner:
        await runner.run_forever(Job("listen", fails), delay=1, longest=4)
        for _ in range(30):
            await settle()
            clock.advance(0.5)
        assert [run.state for run in runner.jobs] == ["waiting"]
    assert starts == [0.0, 1.0, 3.0, 7.0, 11.0]
    assert told == ["listen"] * 5
    assert runner.jobs == ()


async def test_a_service_that_ran_long_begins_with_the_first_delay_again():
    clock, starts, end = ManualClock(), [], [asyncio.Event() for _ in range(9)]

    async def serve():
        starts.append(clock.now())
        await end[len(starts) - 1].wait()

    async with JobRunner(clock=clock) as runner:
        await runner.run_forever(Job("serve", serve), delay=1, longest=60)
        for _ in range(2):  # ends at once, twice: the delay has grown to 4
            await settle()
            end[len(starts) - 1].set()
            await settle()
            clock.advance(4)
        await settle()
        clock.advance(60)
        end[len(starts) - 1].set()
        await settle()
        begun = clock.now()
        clock.advance(1)
        await settle()
        assert starts[-1] == begun + 1


async def test_stop_ends_services_at_once():
    clock = ManualClock()
    runner = JobRunner(clock=clock, drain=None)
    runner.start()
    await runner.run_forever(Job("serve", asyncio.Event().wait))
    await settle()
    assert [(run.state, run.service) for run in runner.jobs] == [("running", True)]
    await runner.stop()
    assert runner.jobs == ()


async def test_a_service_waits_for_its_gate_before_each_start():
    clock, passed, served = ManualClock(), [], []

    async def serve():
        served.append(1)

    async with JobRunner(clock=clock) as runner:
        await runner.run_forever(Job("serve", serve, after=lambda: passed.append(1)))
        await settle()
        clock.advance(1)
        await settle()
    assert (len(passed), len(served)) == (2, 2)


async def test_a_service_needs_an_async_function():
    with pytest.raises(TypeError, match="service 'sync' needs an async function"):
        await JobRunner().run_forever(Job("sync", print))
