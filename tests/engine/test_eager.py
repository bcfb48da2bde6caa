"""Work that begins at once runs as in a task of its own, from its first line on."""

import asyncio
from contextvars import ContextVar

import pytest

from fsmkit.engine.eager import begin_at_once

where: ContextVar[str] = ContextVar("where", default="outside")


def run(test):
    asyncio.run(test())


def test_work_that_waits_for_nothing_ends_before_others_have_a_turn():
    async def main():
        turns = []
        asyncio.get_running_loop().call_soon(turns.append, "another")

        async def work():
            turns.append("work")

        assert begin_at_once(work()) is None
        assert turns == ["work"]
        assert asyncio.current_task().get_name() == "main"

    async def named():
        await asyncio.create_task(main(), name="main")

    run(named)


def test_work_that_waits_goes_on_in_the_task_that_it_began_in():
    async def main():
        seen = []

        async def work():
            seen.append(asyncio.current_task())
            token = where.set("work")
            async with asyncio.timeout(10):  # belongs to the task that enters it
                await asyncio.sleep(0)
            seen.append(asyncio.current_task())
            where.reset(token)  # raises in another context

        task = begin_at_once(work())
        assert asyncio.current_task() is not task
        await task
        assert seen == [task, task]
        assert where.get() == "outside"

    run(main)


def test_a_timeout_that_is_entered_in_the_first_part_ends_the_work_and_nobody_else():
    async def main():
        async def work():
            async with asyncio.timeout(0):
                await asyncio.get_running_loop().create_future()

        with pytest.raises(TimeoutError):
            await begin_at_once(work())

    run(main)


def test_what_is_raised_before_the_first_wait_comes_to_the_caller_and_leaves_no_task():
    async def main():
        async def work():
            raise ValueError("at once")

        with pytest.raises(ValueError, match="at once"):
            begin_at_once(work())
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)


def test_a_task_that_is_cancelled_before_its_first_turn_cancels_the_work_where_it_waits():
    async def main():
        ended = []

        async def work():
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append("work")

        task = begin_at_once(work())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["work"]

    run(main)


def test_work_that_cancels_itself_before_it_waits_is_cancelled_there():
    async def main():
        async def work():
            asyncio.current_task().cancel()
            await asyncio.sleep(10)

        with pytest.raises(asyncio.CancelledError):
            await begin_at_once(work())

    run(main)


def test_a_result_that_was_there_before_the_first_turn_is_taken():
    async def main():
        got, future = [], asyncio.get_running_loop().create_future()

        async def work():
            got.append(await future)

        task = begin_at_once(work())
        future.set_result("early")
        await task
        assert got == ["early"]

    run(main)
