"""What a job is called with, and when that is found out."""

import asyncio

import pytest

from fsmkit.jobs import Job, JobRunner


async def coroutine(value):
    return value


async def test_arguments_come_first_then_the_lazy_ones_in_their_order():
    job = Job(
        "j", print, 1, 2, lazy_args=[lambda: 3, coroutine(4), lambda: coroutine(5), "six"], blocking=False
    )
    assert await job.arguments() == (1, 2, 3, 4, 5, "six")


async def test_lazy_arguments_are_found_just_before_the_run_and_after_the_gate():
    order, gate = [], asyncio.Event()

    def lazy():
        order.append("lazy")
        return "value"

    async def wait():
        await gate.wait()
        order.append("gate")

    async with JobRunner() as runner:
        await runner.put(Job("j", order.append, lazy_args=[lazy], after=wait))
        await asyncio.sleep(0)
        assert order == []
        gate.set()
    assert order == ["gate", "lazy", "value"]


async def test_a_job_that_runs_again_is_called_with_fresh_arguments_only():
    called, numbers = [], iter(range(9))
    job = Job("j", lambda *args: called.append(args), "a", lazy_args=[lambda: next(numbers)])
    async with JobRunner() as runner:
        await runner.put_all([job, job])
    assert called == [("a", 0), ("a", 1)]


async def test_a_lazy_argument_that_raises_is_the_failure_of_its_job_alone():
    failed, done = [], []
    runner = JobRunner(on_error=lambda job, error: failed.append((job.name, repr(error))))
    async with runner:
        await runner.put(Job("bad", done.append, lazy_args=[lambda: 1 / 0]))
        await runner.put(Job("good", done.append, "good"))
    assert (failed, done) == ([("bad", "ZeroDivisionError('division by zero')")], ["good"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Job("j", 3), "a function is needed; pass it itself, uncalled"),
        (lambda: Job("j", print, after=3), r"Job\('j', after=3\): a gate is an asyncio.Event"),
        (lambda: Job("j", print, after=["x"]), r"after='x'\): a gate is"),
    ],
)
def test_what_is_no_function_and_no_gate_is_refused_at_once(make, said):
    with pytest.raises(TypeError, match=said):
        make()
