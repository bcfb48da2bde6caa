"""The timer of presses: one for all that are in hand, and one bot that notes who has answered them."""

import asyncio
import itertools

import pytest
from busy_bot import settle
from telegram import Update
from telegram.ext import CallbackQueryHandler

from fsmkit import Flow
from fsmkit.keys import KeyBy
from fsmkit.telegram import button, command
from fsmkit.telegram.answers import Answered, AnswerTimer, over
from fsmkit.telegram.update_processor import OTHER_LINES


def held(gates):
    """A flow whose button holds its press until its gate is opened."""
    flow = Flow("menu")
    flow.state("on", prompt="Press", buttons=["go", "mine"])
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))

    @flow.defstate("on", on=button("go"))
    async def go(event, ctx):
        await gates[event.user_id].wait()
        ctx.answer("done")

    @flow.defstate("on", on=button("mine"))
    def mine(event, ctx):
        return ("pass",)

    return flow


def timers():
    """The tasks that wait for the time of presses."""
    return [task for task in asyncio.all_tasks() if task.get_name() == "fsmkit answers"]


async def test_one_task_waits_for_all_presses_and_each_is_answered_at_its_own_time(bench):
    gates = {user: asyncio.Event() for user in (1, 2, 3)}
    await bench.start(held(gates))
    queries, given = {}, []
    for user in gates:
        await bench.say("/start", user=user)
        raw = bench.offline.press("go", user=user)
        queries[user] = raw["callback_query"]["id"]
        [update] = bench.offline.take_updates()
        given.append(asyncio.create_task(bench.app.process_update(Update.de_json(update, bench.app.bot))))
        await settle()
        await bench.advance(0.5)
    assert len(timers()) == 1
    gates[2].set()
    seen = []
    for _ in range(3):
        seen.append([bench.answers(query) for query in queries.values()])
        await bench.advance(0.5)
    seen.append([bench.answers(query) for query in queries.values()])
    assert seen == [
        [[], [], []],
        [[""], ["done"], []],
        [[""], ["done"], []],
        [[""], ["done"], [""]],
    ]
    for gate in gates.values():
        gate.set()
    await asyncio.gather(*given)
    assert [bench.answers(query) for query in queries.values()] == [[""], ["done"], [""]]
    await bench.advance(2)
    assert timers() == []


async def test_stopping_the_engine_ends_the_task(bench):
    gate = asyncio.Event()
    engine = await bench.start(held({1: gate}))
    await bench.say("/start")
    bench.offline.press("go")
    feeding = asyncio.create_task(bench.feed())
    await settle()
    gate.set()
    await feeding
    assert len(timers()) == 1
    await engine.stop()
    assert timers() == []


async def test_a_press_that_is_passed_on_has_its_own_bot_again_and_its_handler_as_much_time_as_it_likes(
    bench,
):
    seen = []

    async def slow(update, context):
        seen.append(update.callback_query.get_bot())
        await gate.wait()
        await update.callback_query.answer("mine")

    gate = asyncio.Event()
    await bench.start(held({}))
    bench.app.add_handler(CallbackQueryHandler(slow))
    await bench.say("/start")
    query = bench.offline.press("mine")["callback_query"]["id"]
    feeding = asyncio.create_task(bench.feed())
    await settle()
    await bench.advance(60)
    assert (seen, bench.answers(query)) == ([bench.app.bot], [])
    gate.set()
    await feeding
    assert bench.answers(query) == ["mine"]


async def test_a_press_that_comes_twice_at_the_same_time_is_answered_once(bench):
    gate = asyncio.Event()
    await bench.start(held({1: gate}))
    await bench.say("/start")
    raw = bench.offline.press("go")
    updates = [Update.de_json(raw, bench.app.bot) for _ in range(2)]
    bench.offline.take_updates()
    given = [asyncio.create_task(bench.app.process_update(update)) for update in updates]
    await settle()
    gate.set()
    await asyncio.gather(*given)
    await bench.advance(60)
    assert bench.answers(raw["callback_query"]["id"]) == ["done"]
    assert [update.callback_query.get_bot() for update in updates] == [bench.app.bot] * 2


async def test_an_answer_that_is_on_its_way_is_waited_for_and_nobody_else_gives_one(clock, bench):
    sent, gate = [], asyncio.Event()

    async def answer(about):
        await gate.wait()
        sent.append(about)

    timer = AnswerTimer(clock, 2.0, answer)
    query = Update.de_json(bench.offline.press_data("x"), bench.app.bot).callback_query
    awaited = timer.begin(query, "about")
    assert timer.begin(query, "again") is awaited
    await settle()
    clock.advance(2)
    await settle()
    assert (awaited.late, timer.release(awaited)) == (True, False)
    ending = asyncio.create_task(over(timer.end(query)))
    await settle()
    assert (ending.done(), sent) == (False, [])
    gate.set()
    await ending
    assert (sent, timer.end(query)) == (["about"], None)


def test_of_the_queries_that_were_answered_the_last_ones_are_known():
    answered = Answered(2)
    assert [answered.add(query) for query in "aabcab"] == [True, False, True, True, True, True]
    assert [answered.add(query) for query in "ab"] == [False, False]


@pytest.mark.parametrize("rule", KeyBy)
def test_an_update_stands_in_the_line_of_each_chat_that_its_keys_name(rule):
    for chat, user, message in itertools.product((None, 5, -7), (None, 5, 8), (None, "inline")):
        key = rule.key(chat=chat, user=user, message=message)
        if key is not None and key.chat != (user if chat is None else chat):
            assert rule in OTHER_LINES
