"""Jobs of states that outlive their process: found in the row, begun again, with the same id."""

import msgspec
import pytest
from memory_engine import KEY, Bench, returns
from state_jobs import Work, beside, kill, settle, working

from fsmkit import Flow, Key, StoreUnavailable
from fsmkit.interpreter.codec import decode_row


@pytest.fixture
def work():
    return Work()


@pytest.fixture
async def bench(work):
    bench = Bench(working(work))
    await bench.say("go")
    await settle()
    yield bench
    await bench.engine.stop()


@pytest.fixture
async def other(bench, work):
    other = beside(bench, working(work))
    yield other
    await other.engine.stop()


async def where(bench):
    return await bench.engine.get_state("f", KEY)


async def test_a_job_whose_process_was_killed_is_begun_again_when_its_claim_has_ended(bench, other, work):
    await kill(bench)
    bench.clock.advance(29)
    assert await other.engine.sweep() == 0
    bench.clock.advance(1)
    await other.engine.sweep()
    await settle()
    assert (work.attempts, len(work.ids)) == ([1, 2], 1)
    await work.end("result")
    assert await where(other) == ("idle", {"done": "result"})


async def test_a_job_whose_process_was_stopped_is_begun_again_at_once(bench, other, work):
    await bench.engine.stop()
    assert work.cancelled == 1
    await other.engine.sweep()
    await settle()
    assert (work.attempts, len(work.ids)) == ([1, 2], 1)


async def test_a_process_that_was_killed_between_the_end_of_a_job_and_its_event_repeats_the_job(
    bench, other, work
):
    bench.engine._dispatcher.jobs.apply = None  # killed before the outcome is stored
    await work.end("lost")
    await kill(bench)
    assert (await where(other))[0] == "work"
    bench.clock.advance(30)
    await other.engine.sweep()
    await settle()
    await work.end("result")
    assert (await where(other), len(work.ids)) == (("idle", {"done": "result"}), 1)


async def test_a_job_that_runs_stays_its_processs_own_for_as_long_as_it_runs(bench, other, work):
    for _ in range(20):
        bench.clock.advance(10)
        await settle()
        await other.engine.sweep()
        await settle()
    assert work.attempts == [1]
    await work.end("result")
    assert await where(bench) == ("idle", {"done": "result"})


async def test_a_process_that_slept_goes_on_with_its_own_job(bench, work):
    edit = bench.engine._dispatcher.jobs.edit

    async def away(*_args):
        raise StoreUnavailable("the sweep is faster than what keeps the job")

    bench.engine._dispatcher.jobs.edit = away
    bench.clock.advance(1000)
    await bench.engine.sweep()
    await settle()
    bench.engine._dispatcher.jobs.edit = edit
    assert work.attempts == [1]
    assert (await bench.row()).snapshots["f"].frames[0].job.due == bench.clock.now() + 30


async def test_a_process_that_was_given_up_notices_that_another_has_begun_the_job(bench, other, work):
    edit = bench.engine._dispatcher.jobs.edit

    async def away(*_args):
        raise LookupError("not now")

    bench.engine._dispatcher.jobs.edit = away
    bench.clock.advance(30)
    await other.engine.sweep()
    await settle()
    assert work.attempts == [1, 2]
    bench.engine._dispatcher.jobs.edit = edit
    await work.end("late", number=0)
    assert await where(bench) == ("idle", {"done": "late"})  # it is done, whoever did it
    bench.clock.advance(10)
    await settle()
    assert work.cancelled == 1


async def test_a_state_that_is_left_in_another_process_ends_the_job_when_it_is_next_kept(bench, other, work):
    await other.say("leave")
    assert work.cancelled == 0
    bench.clock.advance(10)
    await settle()
    assert work.cancelled == 1
    assert bench.errors == other.errors == []


async def test_a_state_that_is_entered_by_hand_has_its_job_begun(work):
    bench = Bench(working(work))
    await bench.engine.set_state("f", KEY, "work", {"n": 5})
    await settle()
    assert work.attempts == [1]
    await bench.engine.stop()


async def test_what_a_script_enters_that_ends_at_once_is_begun_by_the_bot(bench, other, work):
    await other.engine.stop()
    await other.engine.set_state("f", KEY, "work", {"n": 5})
    await settle()
    assert work.attempts == [1]
    bench.clock.advance(30)
    await bench.engine.sweep()
    await settle()
    assert work.attempts == [1, 2]


async def test_a_stopped_engine_begins_jobs_once_it_was_started_again(bench, work):
    await bench.engine.stop()
    await bench.engine.sweep()
    await settle()
    assert work.attempts == [1]
    async with bench.engine:
        await bench.engine.sweep()
        await settle()
        assert work.attempts == [1, 2]


async def test_a_job_that_ends_every_process_is_not_begun_for_ever(work):
    first = bench = Bench(working(work))
    await bench.say("go")
    for _ in range(6):
        await settle()
        await kill(bench)
        bench.clock.advance(30)
        bench = beside(first, working(work))
        await bench.engine.sweep()
    await settle()
    assert work.attempts == [1, 2, 3, 4, 5, 6]
    state, data = await where(bench)
    assert state == "idle"
    assert "6 processes that ran the job of f/work were killed" in data["failed"]


async def test_stopping_in_order_does_not_count_as_being_killed(work):
    first = bench = Bench(working(work))
    await bench.say("go")
    for _ in range(8):
        await settle()
        await bench.engine.stop()
        bench = beside(first, working(work))
        await bench.engine.sweep()
    await settle()
    assert work.attempts == list(range(1, 10))
    await bench.engine.stop()


async def test_a_job_that_is_declared_no_more_is_forgotten(bench):
    await kill(bench)
    flow = Flow("f")
    flow.state("work")
    returns(flow, None)(("stay",))
    other = beside(bench, flow)
    bench.clock.advance(30)
    await other.engine.sweep()
    assert (await other.row()).snapshots["f"].frames[0].job is None
    assert await other.engine.sweep() == 0


async def test_a_flow_that_does_not_run_here_keeps_its_jobs(bench, work):
    flow = Flow("other")
    returns(flow, None)(("stay",))
    other = beside(bench, flow)
    await kill(bench)
    bench.clock.advance(30)
    before = await bench.stored()
    await other.engine.sweep()
    await other.say("hello")
    assert decode_row(await bench.stored()).snapshots == decode_row(before).snapshots


async def test_no_more_jobs_are_taken_up_than_a_process_can_run(bench, other, work, monkeypatch):
    monkeypatch.setattr("fsmkit.engine.jobs.AT_ONCE", 0)
    await bench.engine.stop()
    await other.engine.sweep()
    await settle()
    assert work.attempts == [1]
    monkeypatch.undo()
    await other.engine.sweep()  # it was left alone, and is looked at because there is room
    await settle()
    assert work.attempts == [1, 2]


async def test_forgetting_a_person_ends_their_job(bench, work):
    await bench.store.forget(KEY)
    bench.clock.advance(10)
    await settle()
    assert work.cancelled == 1
    assert await bench.stored() is None


async def test_a_row_from_before_jobs_stood_in_it_is_read(bench):
    fields = msgspec.json.decode(await bench.stored())
    frame = fields[0]["f"][0][0]
    assert (frame.pop(), frame.pop() is not None) == ([], True)  # what back restores, and the job
    [read] = decode_row(msgspec.json.encode(fields)).snapshots["f"].frames
    assert (read.state, read.job) == ("work", None)


async def test_a_job_goes_on_when_its_group_gets_a_new_id_and_ends_with_its_state(work):
    bench, old, new = Bench(working(work)), Key(-10, 7), Key(-100, 7)
    for ends in (False, True):
        await bench.say("go", old)
        await settle()
        await bench.engine.relocate(-10, -100)
        if ends:
            await bench.say("leave", new)
        else:
            await work.end("result")
            assert await bench.engine.get_state("f", new) == ("idle", {"done": "result"})
            await bench.store.forget(old)
            await bench.store.forget(new)
    bench.clock.advance(10)
    await settle()
    assert (work.cancelled, bench.errors) == (1, [])
