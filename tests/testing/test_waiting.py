"""Time that passes in a test passes all that lies between, in its order."""

import asyncio
import datetime

import pytest

from fsmkit import Flow
from fsmkit.flow.events import Done, Failed, Timeout
from fsmkit.jobs import Job, JobRunner
from fsmkit.telegram import attach, command
from fsmkit.testing import Chat, ManualClock
from fsmkit.testing.chat import START


def counting(job, log, clock, ttl=3600, **options):
    """A flow whose state has a job, and what becomes of it in a log."""
    flow = Flow("counting", ttl=ttl)
    flow.state("work", job=job, prompt="Wait.", otherwise="Not yet.", **options)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "work")

    @flow.defstate("work", on=(Done, Failed))
    def over(event, ctx):
        log.append((type(event).__name__, clock.now() - START))
        ctx.reply("Over.")
        return ("end",)

    return flow


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.mark.parametrize("in_thread", [False, True])
def test_a_long_wait_stops_at_each_retry_of_a_states_job(clock, in_thread):
    log = []

    def fails(data):
        log.append(("tried", clock.now() - START))
        raise OSError("away")

    async def fails_later(data):
        fails(data)

    flow = counting(fails if in_thread else fails_later, log, clock, job_retries=3)
    with Chat(flow, clock=clock) as chat:
        chat.command("start")
        log.append(("waits", 0))
        chat.advance(1000).expect("Over.")
    tries = [("tried", 2), ("tried", 6), ("tried", 14)]
    assert log == [("tried", 0), ("waits", 0), *tries, ("Failed", 14)]


def test_a_job_that_sleeps_on_the_clock_goes_on_at_its_time_and_its_limit_too(clock):
    log = []

    async def naps(data):
        for _ in range(3):
            await clock.sleep(20)
            log.append(("awake", clock.now() - START))

    with Chat(counting(naps, log, clock, job_timeout=50), clock=clock) as chat:
        chat.command("start").advance(300)
    assert log == [("awake", 20), ("awake", 40), ("Failed", 50)]


def test_services_and_timeouts_come_in_the_order_of_their_times(clock):
    log = []
    flow = Flow("asked", ttl=5)
    flow.state("name", prompt="Name?", otherwise="?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        log.append(("timeout", clock.now() - START))
        return ("end",)

    async def polls():
        log.append(("polled", clock.now() - START))
        raise OSError("away")

    runner = JobRunner(clock=clock)

    def build(builder):
        async def begin(app):
            runner.start()
            await runner.run_forever(Job("polls", polls), delay=2.0)

        async def end(app):
            await runner.stop()

        app = builder.post_init(begin).post_stop(end).build()
        attach(app, flow, clock=clock)
        return app

    with Chat(build, clock=clock) as chat:
        chat.command("start").advance(20)
    assert log == [("polled", 0), ("polled", 2), ("timeout", 5), ("polled", 6), ("polled", 14)]


class CountingClock(ManualClock):
    """A clock that counts how often it is moved."""

    def __init__(self, start):
        super().__init__(start)
        self.moves = 0

    def advance(self, by):
        self.moves += 1
        return super().advance(by)


def test_a_month_passes_without_a_stop_at_each_sign_of_life():
    clock, log = CountingClock(START), []

    async def waits_long(data):
        await clock.sleep(20 * 86_400)

    with Chat(counting(waits_long, log, clock, ttl=40 * 86_400), clock=clock) as chat:
        chat.command("start").advance(datetime.timedelta(days=30).total_seconds())
    assert log == [("Done", 20 * 86_400)]
    assert clock.moves < 10


def test_what_sleeps_wakes_in_the_order_of_its_time():
    async def main():
        clock, woken = ManualClock(), []

        async def sleeps(seconds):
            await clock.sleep(seconds)
            woken.append(seconds)

        tasks = [asyncio.create_task(sleeps(seconds), name=f"{seconds}") for seconds in (3, 1, 2)]
        await asyncio.sleep(0)
        assert (clock.next_wake(), clock.next_wake(without=("1", "2"))) == (1, 3)
        clock.advance(5)
        await asyncio.gather(*tasks)
        return woken, clock.next_wake()

    assert asyncio.run(main()) == ([1, 2, 3], None)
