"""Several people at once: schedules, and what comes of no order of what was done."""

import asyncio
import itertools
import time

import one_seat_bot
import pytest
import remembering_bot
from wizards import wizard

from fsmkit import Done, Flow, KeyBy
from fsmkit.telegram import command
from fsmkit.testing import Profile, check
from fsmkit.testing.harness.actions import Press, Say, Together
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.loop import ACT, DrawnLoop

QUICK = Profile(steps=100, examples=60, length=10, seconds=60.0, overlaps=15)


def order_of(schedule):
    """In which order three tasks of two turns each go on."""
    seen = []

    async def work(name):
        seen.append(name)
        await asyncio.sleep(0)
        seen.append(name.upper())

    async def main():
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(work(name), name=f"{ACT}{name}") for name in "abc"]
        loop.follow(schedule)
        await asyncio.gather(*tasks)
        loop.follow(None)

    with asyncio.Runner(loop_factory=DrawnLoop) as runner:
        runner.run(main())
    return "".join(seen)


def test_the_empty_schedule_is_the_ordinary_order():
    assert order_of([]) == order_of([0, 0, 0]) == order_of(None) == "abcABC"


def test_a_number_fetches_the_next_one_from_further_back():
    assert order_of([1]) == "bacBAC"
    assert order_of([2, 1, 0, 2]) == "cbaACB"


def test_tasks_that_are_no_acts_keep_their_places():
    async def main():
        seen = []
        loop = asyncio.get_running_loop()
        loop.call_soon(seen.append, "x")
        tasks = [loop.create_task(_note(seen, name), name=f"{ACT}{name}") for name in "ab"]
        loop.call_soon(seen.append, "y")
        loop.follow([1])
        await asyncio.gather(*tasks)
        return "".join(seen)

    with asyncio.Runner(loop_factory=DrawnLoop) as runner:
        assert runner.run(main()) == "xbay"


async def _note(seen, name):
    seen.append(name)


def test_people_who_do_not_meet_end_as_if_one_after_the_other():
    driver = EngineDriver((remembering_bot.garden,))
    with asyncio.Runner(loop_factory=DrawnLoop) as runner:
        for user in (1, 2):
            runner.run(driver.do(Say("/start", user=user)))
            runner.run(driver.do(Say("Basil", user=user)))
        runner.run(driver.do(Together([Press("Yes"), Press("No", user=2)], [1, 0, 1])))
        assert runner.run(driver.row(1)).snapshots == {}
        assert runner.run(driver.row(2)).snapshots["garden"].frames[-1].state == "plant"
    assert sorted(driver.lines)[-2:] == ["Basil is wet.", "Which plant?"]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in (1, 2))])
def test_a_seat_that_is_sold_twice_is_found(seed):
    report = check(one_seat_bot.careless, phases=["parallel"], profile=QUICK, seed=seed)
    [finding] = report.failures
    assert finding.code == "race"
    assert [action.line() for action in finding.actions[:-1]] == ["/book", "/book"]
    assert isinstance(finding.actions[-1], Together)
    assert [action.line() for action in finding.actions[-1].actions] == ["/yes", "/yes"]
    assert finding.actions[-1].schedule == ()


def test_a_seat_that_is_sold_in_one_go_is_no_finding():
    assert check(one_seat_bot.careful, phases=["parallel"], profile=QUICK, seed=1).failures == []


def test_a_flow_that_shares_nothing_has_no_race():
    report = check(wizard(3), phases=["parallel"], profile=QUICK, seed=1)
    assert report.failures == []
    assert report.steps["parallel"] >= 20


def test_a_job_may_be_done_before_or_after_what_somebody_else_does():
    flow = Flow("working", key=KeyBy.CHAT, ttl=60)
    flow.state("a", prompt="A?", otherwise="?")
    flow.state("work", prompt="Working.", job=len, otherwise="Wait.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a")

    @flow.defstate("a")
    def got_a(event, ctx):
        return ("transition", "work")

    @flow.defstate("work", on=Done)
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    report = check(flow, phases=["tours", "parallel"], profile=QUICK, seed=1)
    assert report.failures == []
    assert report.coverage.numbers()["states"] == (2, 2)


class Till:
    """Money that all chats share."""

    def __init__(self):
        self.coins = 0


def paying(name, *, careless):
    """Each payment adds a coin, and says nothing of the sum; `/sum` does."""
    flow = Flow(name, ttl=60)
    flow.state("a", prompt="A?", otherwise="?")

    @flow.defstate(None, on=command("pay"))
    async def pay(event, ctx):
        coins = ctx.resources.coins
        await asyncio.sleep(60)
        ctx.resources.coins = (coins if careless else ctx.resources.coins) + 1
        ctx.reply("Paid.")

    @flow.defstate(None, on=command("sum"))
    def total(event, ctx):
        ctx.reply(f"{ctx.resources.coins} coins.")

    return flow


def test_what_was_lost_at_once_is_found_when_it_shows_later():
    options = {"phases": ["parallel"], "profile": QUICK, "seed": 1, "resources": Till}
    [finding] = check(paying("careless_till", careless=True), **options).failures
    assert finding.code == "race"
    together, last = finding.actions
    assert [action.line() for action in together.actions] == ["/pay", "/pay"]
    assert last.line() == "/sum"
    assert "'2 coins.' is not shown" in finding.message
    assert check(paying("careful_till", careless=False), **options).failures == []


def test_a_bot_that_does_not_do_the_same_twice_is_not_judged():
    flow = Flow("dice", ttl=60)
    flow.state("a", prompt="A?", otherwise="?")
    rolled = itertools.count()

    @flow.defstate(None, on=command("roll"))
    async def roll(event, ctx):
        await asyncio.sleep(0)
        ctx.reply(f"{next(rolled)}")

    assert check(flow, phases=["parallel"], profile=QUICK, seed=1).failures == []


def news(name, *, at_once):
    """Two messages, sent past the engine."""
    flow = Flow(name, ttl=60)
    flow.state("a", prompt="A?", otherwise="?")

    @flow.defstate(None, on=command("news"))
    async def tell_news(event, ctx):
        async def tell(text):
            await asyncio.sleep(0.5)
            await ctx.bot.send_message(event.chat_id, text)

        if at_once:
            await asyncio.gather(tell("First."), tell("Second."))
        else:
            await tell("First.")
            await tell("Second.")

    return flow


def test_messages_of_one_handler_that_come_in_another_order_are_found():
    [finding] = check(news("hasty", at_once=True), phases=["parallel"], profile=QUICK, seed=1).failures
    assert [action.line() for action in finding.actions] == ["user 1: /news (schedule 1)"]


@pytest.mark.parametrize("rest", [True, False])
def test_a_schedule_draws_among_tasks_of_the_overlap_alone(rest):
    """What was delivered before it has begun a task as well, which is over but may have had no turn yet."""
    flow = news("rested", at_once=True)
    flow.defstate(None, on=command("greet"))(lambda event, ctx: ctx.reply("Hello."))
    driver = EngineDriver((flow,))

    async def talk():
        await driver.do(Say("/greet"))
        if rest:
            await asyncio.sleep(0)
        await driver.do(Together([Say("/news")], (1,)))
        return list(driver.lines)

    with asyncio.Runner(loop_factory=DrawnLoop) as runner:
        assert [runner.run(talk()) for _ in range(2)] == [["Second.", "First."]] * 2


def test_messages_of_one_handler_one_after_the_other_are_no_finding():
    assert check(news("calm", at_once=False), phases=["parallel"], profile=QUICK, seed=1).failures == []


def test_an_overlap_is_drawn_and_pasted_as_a_test_that_judges():
    report = check(one_seat_bot.careless, phases=["parallel"], profile=QUICK, seed=1)
    [finding] = report.failures
    assert "      > /yes       |\n" in str(finding)
    assert "                   | > /yes\n" in str(finding)
    judged = "assert 'race' not in {finding.code for finding in report.failures}, str(report)"
    assert judged in report.test(finding)
    [again] = check(one_seat_bot.careless, phases=[], replays=[finding.actions]).failures
    assert again.code == "race"


def test_time_is_skipped_and_threads_are_waited_for():
    async def main():
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(3600)
        assert loop.time() - begun >= 3600
        return await asyncio.to_thread(str.upper, "done")

    real = time.monotonic()
    with asyncio.Runner(loop_factory=DrawnLoop) as runner:
        assert runner.run(main()) == "DONE"
    assert time.monotonic() - real < 60
