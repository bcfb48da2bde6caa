"""What people tap and type: rows of docs/explanation/compared.md, each with ConversationHandler and with fsmkit.

A row's name stands in the table and in two tests, `test_NAME_there` and `test_NAME_here`. Where PTB does well, the
tests show that too.
"""

import re
from pathlib import Path

import pytest
import telegram
from compared_bots import (
    GROUP,
    STALE,
    WORDS,
    There,
    asking,
    at_once,
    conversation,
    counting,
    counting_there,
    paying,
    says,
)
from telegram import InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest
from telegram.ext import (
    MessageHandler,
)

from fsmkit import Button, Flow
from fsmkit.telegram import button, command

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "compared.md"

pytestmark = pytest.mark.filterwarnings("ignore:If 'per_message=False'")


# -- double_tap -------------------------------------------------------------------------------------


async def test_double_tap_there(offline):
    handler, done = paying()
    async with There(offline, handler) as bot:
        await bot.say("/start")
        assert (await bot.press("Pay"), await bot.press("Pay"), done) == ([""], [], [1])  # the second spins
        await bot.say("/start")
        await at_once(bot.app, offline.press("Pay"), offline.press("Pay"))
        assert done == [1, 1, 1]  # at the same time both are done


async def test_double_tap_here(bench):
    flow = asking()
    await bench.start(flow)
    await bench.say("/start")
    assert (await bench.press("Pay"), await bench.press("Pay")) == ([""], [STALE])
    await bench.say("/start")
    await at_once(bench.app, bench.offline.press("Pay"), bench.offline.press("Pay"))
    assert flow.done == [1, 1]


# -- same_update_twice ------------------------------------------------------------------------------


async def test_same_update_twice_there(offline):
    async with There(offline, counting_there()) as bot:
        await bot.say("/start")
        update = offline.say("a")
        await offline.feed(bot.app)
        await at_once(bot.app, update)
        assert offline.texts(1) == ["Go on.", "1", "2"]


async def test_same_update_twice_here(bench):
    await bench.start(counting())
    await bench.say("/start")
    update = await bench.say("a")
    await at_once(bench.app, update)
    assert bench.texts() == ["1"]


# -- button_of_an_earlier_run -----------------------------------------------------------------------


async def test_button_of_an_earlier_run_there(offline):
    handler, done = paying()
    async with There(offline, handler) as bot:
        for _ in range(2):
            await bot.say("/start")
        first, *_ = [m["message_id"] for m in offline.messages(1) if m["from"]["is_bot"]]
        assert await bot.press("Pay", message_id=first) == [""]
        assert done == [1]  # pays what the second run offers


async def test_button_of_an_earlier_run_here(bench):
    flow = asking()
    await bench.start(flow)
    for _ in range(2):
        await bench.say("/start")
    first, *_ = [m["message_id"] for m in bench.offline.messages(1) if m["from"]["is_bot"]]
    assert await bench.press("Pay", message_id=first) == [STALE]
    assert flow.done == []


# -- another_persons_button -------------------------------------------------------------------------


async def test_another_persons_button_there(offline):
    handler, done = paying()
    offline.add_chat(GROUP)
    async with There(offline, handler) as bot:
        await bot.say("/start", chat=GROUP)
        assert (await bot.press("Pay", user=2, chat=GROUP), done) == ([], [])  # does nothing, and spins
        first = offline.messages(GROUP)[-1]["message_id"]
        await bot.say("/start", user=2, chat=GROUP)
        await bot.press("Pay", user=2, chat=GROUP, message_id=first)
        assert done == [2]  # the first person's button, the second one's money


async def test_another_persons_button_here(bench):
    flow = asking()
    bench.offline.add_chat(GROUP)
    await bench.start(flow)
    await bench.say("/start", chat=GROUP)
    first = bench.offline.messages(GROUP)[-1]["message_id"]
    await bench.say("/start", user=2, chat=GROUP)
    answers = await bench.press("Pay", user=2, chat=GROUP, message_id=first)
    assert (answers, flow.done) == (["This button is for somebody else."], [])


# -- edited_answer ----------------------------------------------------------------------------------


async def test_edited_answer_there(offline):
    async def name(update, context):
        await update.message.reply_text(f"Hello, {update.message.text}.")

    async with There(offline, conversation(says("Name?", 1), {1: [MessageHandler(WORDS, name)]})) as bot:
        await bot.say("/start")
        written = offline.say("An")["message"]["message_id"]
        await offline.feed(bot.app)
        offline.edit(written, "Ann")
        await offline.feed(bot.app)
        assert [type(error) for error in bot.errors] == [AttributeError]  # update.message is None
        assert offline.texts(1) == ["Name?", "Hello, An."]


async def test_edited_answer_here(bench):
    await bench.start(counting())
    await bench.say("/start")
    written = (await bench.say("An"))["message"]["message_id"]
    bench.offline.edit(written, "Ann")
    await bench.feed()
    assert bench.texts() == ["1"]


# -- long_text_echoed -------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "echoed"), [(4096, True), (4097, False)])
async def test_long_text_echoed_there(offline, length, echoed):
    async def echo(update, context):
        await update.message.reply_text(update.message.text + "!" * (length - 4096))

    async with There(offline, conversation(says("Go on.", 1), {1: [MessageHandler(WORDS, echo)]})) as bot:
        await bot.say("/start")
        await bot.say("a" * 4096)
        assert (len(offline.texts(1)) == 2, [type(e) for e in bot.errors] == [BadRequest]) == (
            echoed,
            not echoed,
        )


@pytest.mark.parametrize("length", [4096, 4097])
async def test_long_text_echoed_here(bench, length):
    flow = Flow("flow")

    @flow.defstate(None)
    def echo(event, ctx):
        ctx.reply(event.text + "!" * (length - 4096))

    await bench.start(flow)
    await bench.say("a" * 4096)
    assert "".join(bench.texts()) == "a" * 4096 + "!" * (length - 4096)


# -- long_callback_data -----------------------------------------------------------------------------

LONG = "x" * 65


async def test_long_callback_data_there(offline):
    async def start(update, context):
        markup = InlineKeyboardMarkup([[InlineKeyboardButton("Go", callback_data=LONG)]])
        await update.message.reply_text("Go?", reply_markup=markup)

    async with There(offline, conversation(start, {})) as bot:
        await bot.say("/start")
        assert ([type(error) for error in bot.errors], offline.texts(1)) == ([BadRequest], [])


async def test_long_callback_data_here(bench):
    flow, pressed = Flow("flow"), []
    flow.state("on", prompt="Go?", buttons=[Button("Go", LONG)])

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=button())
    def go(event, ctx):
        pressed.append(event.value)

    await bench.start(flow)
    await bench.say("/start")
    assert (await bench.press("Go"), pressed) == ([""], [LONG])


# -- the page ---------------------------------------------------------------------------------------


def test_each_row_of_the_page_is_two_tests_here_and_the_other_way_round():
    rows = re.findall(r"(?m)^\|.*\| `(\w+)` \|$", PAGE.read_text(encoding="utf-8"))
    tests = "".join(
        path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_compared*.py")
    )
    here = re.findall(r"(?m)^async def test_(\w+)_here\(", tests)
    there = re.findall(r"(?m)^async def test_(\w+)_there\(", tests)
    assert sorted(rows) == sorted(here) == sorted(there)


def test_the_page_is_about_the_installed_version():
    assert f"python-telegram-bot {telegram.__version__.partition('.')[0]}." in PAGE.read_text(
        encoding="utf-8"
    )
