"""Order, gates and kinds of jobs."""

import asyncio
import contextvars
import threading

import pytest
from jobs.waiting import settle, until

from fsmkit import RunnerStopped
from fsmkit.jobs import Job, JobRunner
from fsmkit.testing import ManualClock


async def test_jobs_run_one_after_the_other_in_order_of_arrival():
    order = []

    async def slow(name):
        order.append(f"{name} begins")
        await asyncio.sleep(0)
        order.append(f"{name} ends")

    async with JobRunner() as runner:
        await runner.put_all([Job("a", slow, "a"), Job("b", order.append, "b"), Job("c", slow, "c")])
    assert order == ["a begins", "a ends", "b", "c begins", "c ends"]


async def test_jobs_that_were_put_before_the_start_run_too():
    order = []
    runner = JobRunner()
    await runner.put(Job("early", order.append, 1))
    async with runner:
        pass
    assert order == [1]


async def test_run_takes_jobs_until_stop_without_a_task_of_the_runners_own():
    order = []
    runner = JobRunner()
    await runner.put(Job("j", order.append, 1))
    running = asyncio.create_task(runner.run())
    await settle()
    with pytest.raises(RuntimeError, match="runs already"):
        await runner.run()
    await runner.stop()
    assert (order, running.done()) == ([1], True)


async def test_a_blocking_function_runs_in_a_thread_and_holds_nobody_up():
    here, there, go, order = threading.get_ident(), [], threading.Event(), []

    def block():
        there.append(threading.get_ident())
        assert go.wait(10)
        order.append("thread")

    async with JobRunner() as runner:
        await runner.put(Job("block", block, blocking=True))
        await runner.put(Job("next", order.append, "next"))
        await until(lambda: order)
        go.set()
    assert order == ["next", "thread"]
    assert there[0] != here


async def test_a_blocking_async_function_runs_beside_the_queue():
    gate, order = asyncio.Event(), []

    async def wait():
        await gate.wait()
        order.append("waited")

    async with JobRunner() as runner:
        await runner.put(Job("wait", wait, blocking=True))
        await runner.put(Job("next", order.append, "next"))
        await settle()
        assert order == ["next"]
        gate.set()
    assert order == ["next", "waited"]


async def test_no_more_threads_than_were_allowed_are_busy_at_once():
    lock, busy, most = threading.Lock(), 0, 0
    full = threading.Barrier(2, timeout=10)

    def work():
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        full.wait()
        with lock:
            busy -= 1

    async with JobRunner(threads=2) as runner:
        await runner.put_all([Job("work", work, blocking=True)] * 6)
    assert most == 2


async def test_a_thread_sees_the_context_variables_of_the_runner():
    seen, who = [], contextvars.ContextVar("who", default="nobody")
    who.set("Ann")
    async with JobRunner() as runner:
        await runner.put(Job("look", lambda: seen.append(who.get()), blocking=True))
    assert seen == ["Ann"]


async def test_a_function_whose_result_is_awaitable_is_awaited():
    seen = []

    async def note():
        seen.append(1)

    async with JobRunner() as runner:
        await runner.put(Job("lambda", lambda: note()))
        await runner.put(Job("thread", lambda: note(), blocking=True))
    assert seen == [1, 1]


async def test_a_gated_job_does_not_hold_up_those_behind_it():
    gate, order = asyncio.Event(), []
    async with JobRunner() as runner:
        await runner.put(Job("gated", order.append, "gated", after=gate))
        await runner.put(Job("next", order.append, "next"))
        await settle()
        assert [(run.job.name, run.state) for run in runner.jobs] == [("gated", "gated")]
        gate.set()
    assert order == ["next", "gated"]


async def test_an_ordered_job_holds_up_those_behind_it_until_its_gate_opens():
    gate, order = asyncio.Event(), []
    async with JobRunner() as runner:
        await runner.put(Job("gated", order.append, "gated", after=gate, ordered=True))
        await runner.put(Job("next", order.append, "next"))
        await settle()
        assert [(run.job.name, run.state) for run in runner.jobs] == [("gated", "gated"), ("next", "queued")]
        gate.set()
    assert order == ["gated", "next"]


async def test_an_ordered_job_that_runs_beside_the_queue_holds_it_up_until_its_gate_opens_only():
    gate, end, order = asyncio.Event(), asyncio.Event(), []

    async def slow():
        order.append("slow")
        await end.wait()

    async with JobRunner() as runner:
        await runner.put(Job("slow", slow, after=gate, ordered=True, blocking=True))
        await runner.put(Job("next", order.append, "next"))
        await settle()
        assert [(run.job.name, run.state) for run in runner.jobs] == [("slow", "gated"), ("next", "queued")]
        gate.set()
        await settle()
        assert order == ["slow", "next"]
        end.set()


async def test_a_job_that_is_ordered_cannot_come_after_one_behind_it():
    failed, order = [], []
    behind = Job("behind", order.append, "behind")
    async with JobRunner(on_error=lambda job, error: failed.append(str(error))) as runner:
        await runner.put(Job("before", order.append, "before", after=behind, ordered=True))
        await runner.put(behind)
    assert (order, failed) == (["behind"], ["it is ordered, and comes after behind, which stands behind it"])


async def test_a_job_that_is_cancelled_leaves_the_gate_to_the_others():
    gate, order = asyncio.get_running_loop().create_future(), []
    async with JobRunner() as runner:
        first = await runner.put(Job("first", order.append, "first", after=gate))
        await runner.put(Job("second", order.append, "second", after=gate))
        await settle()
        await runner.cancel(first)
        gate.set_result(None)
    assert order == ["second"]


async def test_a_job_that_is_cancelled_in_the_queue_never_runs():
    end, order = asyncio.Event(), []
    async with JobRunner() as runner:
        await runner.put(Job("first", end.wait))
        queued = await runner.put(Job("queued", order.append, "queued"))
        await settle()
        await runner.cancel(queued)
        end.set()
    assert order == []


async def test_a_job_may_come_after_other_jobs_however_they_end():
    order = []
    first, bad = Job("first", order.append, "first", blocking=True), Job("bad", lambda: 1 / 0)
    last = Job("last", order.append, "last", after=[first, bad])
    async with JobRunner() as runner:
        await runner.put_all([last, bad, first])
    assert order == ["first", "last"]


async def test_a_job_that_is_not_in_the_runner_is_no_hindrance():
    order = []
    async with JobRunner() as runner:
        await runner.put(Job("j", order.append, 1, after=Job("elsewhere", print)))
    assert order == [1]


def cancelled():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    return future


@pytest.mark.parametrize(
    "gate", [lambda: 1 / 0, lambda: False, cancelled], ids=["raises", "returns False", "is cancelled"]
)
async def test_a_gate_that_does_not_open_fails_its_job_alone(gate):
    failed, order = [], []
    async with JobRunner(on_error=lambda job, error: failed.append(type(error))) as runner:
        await runner.put(Job("gated", order.append, "never", after=gate))
        await runner.put(Job("also", order.append, "never", after=gate, ordered=True))
        await runner.put(Job("next", order.append, "next"))
    assert order == ["next"]
    assert len(failed) == 2


async def test_what_waits_what_runs_and_since_when_can_be_seen():
    clock, gate = ManualClock(100.0), asyncio.Event()
    async with JobRunner(clock=clock) as runner:
        await runner.put_all([Job("runs", gate.wait), Job("waits", print)])
        await settle()
        clock.advance(5)
        assert [(run.job.name, run.state, run.since) for run in runner.jobs] == [
            ("runs", "running", 100.0),
            ("waits", "queued", 100.0),
        ]
        gate.set()
    assert runner.jobs == ()


async def test_after_stop_jobs_are_refused_until_the_runner_is_started_again():
    order = []
    runner = JobRunner()
    async with runner:
        pass
    with pytest.raises(RunnerStopped, match="job 'late' comes too late"):
        await runner.put(Job("late", print))
    with pytest.raises(RunnerStopped):
        await runner.run_forever(Job("late", asyncio.sleep, 1))
    async with runner:
        await runner.put(Job("again", order.append, 1))
    assert order == [1]


async def test_a_job_may_begin_at_once_beside_the_queue_and_before_the_start():
    order, runner = [], JobRunner()
    await runner.put(Job("queued", order.append, "queued"))
    run = runner.begin(Job("now", order.append, "now"))
    await run.ended.wait()
    assert order == ["now"]
    async with runner:
        pass
    assert order == ["now", "queued"]


async def test_no_job_begins_in_a_runner_that_was_stopped():
    async with JobRunner() as runner:
        pass
    with pytest.raises(RunnerStopped):
        runner.begin(Job("late", print))


async def test_a_function_may_be_called_in_one_of_the_threads():
    async with JobRunner(threads=1) as runner:
        name = await runner.call("name", lambda: threading.current_thread().name)
        with pytest.raises(ZeroDivisionError):
            await runner.call("wrong", lambda: 1 / 0)
        with pytest.raises(RuntimeError, match="empty raised StopIteration"):
            await runner.call("empty", next, iter(()))
    assert name.startswith("fsmkit job")
