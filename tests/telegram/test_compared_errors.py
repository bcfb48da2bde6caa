"""What goes wrong, and ways in and out: further rows of docs/explanation/compared.md (see `test_compared`)."""

import re

import pytest
from compared_bots import END, WORDS, There, conversation, counting, counting_there, hurried, says
from moving_bots import Jobs
from telegram.error import Forbidden
from telegram.ext import (
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)
from telegram.warnings import PTBUserWarning

from fsmkit import ANY, Flow, Timeout, UnknownState
from fsmkit.telegram import command

pytestmark = pytest.mark.filterwarnings("ignore:If 'per_message=False'")


# -- unknown_state ----------------------------------------------------------------------------------


async def test_unknown_state_there(offline):
    states = {"name": [MessageHandler(WORDS, says("Hello.", "agge"))], "age": []}
    async with There(offline, conversation(says("Name?", "name"), states)) as bot:
        await bot.say("/start")
        with pytest.warns(PTBUserWarning, match="returned state agge which is unknown"):
            await bot.say("Ann")
        for text in ("Ann", "/start", "?"):
            await bot.say(text)
        assert (offline.texts(1), bot.errors) == (["Name?", "Hello."], [])  # stuck


async def test_unknown_state_here(bench):
    flow = Flow("flow")
    flow.state("name", prompt="Name?")
    flow.state("age", prompt="Age?")
    targets = ["agge", "age"]

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    @flow.defstate("name")
    def name(event, ctx):
        ctx.reply("Hello.")
        return ("transition", targets.pop(0))

    await bench.start(flow)
    await bench.say("/start")
    await bench.say("Ann")
    [error] = bench.errors
    bench.errors.clear()
    assert isinstance(error, UnknownState)
    assert re.search(r"test_compared_errors\.py:\d+: .*'agge'\. Did you mean 'age'", str(error))
    assert bench.texts() == ["Name?"]
    await bench.say("Ann")  # it has gone nowhere: the answer can be given again
    assert bench.texts() == ["Name?", "Hello.", "Age?"]


# -- handler_raises_half_way ------------------------------------------------------------------------


async def test_handler_raises_half_way_there(offline):
    async def order(update, context):
        context.user_data["orders"] = context.user_data.get("orders", 0) + 1
        await update.message.reply_text("Ordered.")
        raise ValueError("out of stock")

    async with There(offline, conversation(says("What?", 1), {1: [MessageHandler(WORDS, order)]})) as bot:
        for text in ("/start", "tea", "tea"):
            await bot.say(text)
        assert offline.texts(1) == ["What?", "Ordered.", "Ordered."]
        assert bot.app.user_data[1] == {"orders": 2}
        assert [type(error) for error in bot.errors] == [ValueError] * 2  # they are reported


async def test_handler_raises_half_way_here(bench):
    flow = Flow("flow")
    flow.state("what", prompt="What?")
    flow.texts(crash="Sorry, that went wrong.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "what", {"orders": 0})

    @flow.defstate("what")
    def order(event, ctx):
        ctx.data["orders"] += 1
        ctx.reply("Ordered.")
        raise ValueError("out of stock")

    await bench.start(flow)
    await bench.say("/start")
    await bench.say("tea")
    assert bench.texts() == ["What?", "Sorry, that went wrong."]
    assert await bench.engine.get_state(flow, bench.key()) == ("what", {"orders": 0})
    assert [type(error) for error in bench.errors] == [ValueError]
    bench.errors.clear()


# -- exception_in_a_timeout -------------------------------------------------------------------------


async def test_exception_in_a_timeout_there(offline, clock):
    async def late(update, context):
        raise ValueError("of the timeout")

    states = {1: [], ConversationHandler.TIMEOUT: [MessageHandler(filters.ALL, late)]}
    jobs = Jobs(clock)
    handler = conversation(says("Name?", 1), states, conversation_timeout=60)
    async with There(offline, handler, jobs=jobs) as bot:
        await bot.say("/start")
        clock.advance(61)
        with pytest.raises(ValueError, match="of the timeout"):
            await jobs.run()
        assert jobs.jobs == []  # it is not tried again
        await bot.say("/start")
        assert offline.texts(1) == ["Name?"]  # and the conversation goes on for ever


async def test_exception_in_a_timeout_here(bench):
    flow, tries = hurried(), []

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        tries.append(ctx.now)
        raise ValueError("of the timeout")

    await bench.start(flow)
    await bench.say("/start")
    for seconds in (61, 6, 16, 46, 136):
        await bench.advance(seconds)
    assert (len(tries), {type(error) for error in bench.errors}) == (5, {ValueError})
    bench.errors.clear()
    assert await bench.engine.get_state(flow, bench.key()) == (None, None)


# -- blocked_bot ------------------------------------------------------------------------------------


async def test_blocked_bot_there(offline):
    handler = counting_there()
    async with There(offline, handler) as bot:
        await bot.say("/start")
        offline.say("a")
        offline.block(1)
        await offline.feed(bot.app)
        assert [type(error) for error in bot.errors] == [Forbidden]
        offline.unblock(1)
        await bot.say("/start")
        assert offline.texts(1) == ["Go on."]  # the old conversation still runs, and /start begins none


async def test_blocked_bot_here(bench):
    flow, left = counting(), []

    @flow.on_exit("count")
    def leave(ctx):
        left.append(ctx.key.user)

    await bench.start(flow)
    await bench.say("/start")
    bench.offline.say("a")
    bench.offline.block(1)
    await bench.feed()
    assert (left, await bench.engine.get_state(flow, bench.key())) == ([1], (None, None))
    bench.offline.unblock(1)
    await bench.say("/start")
    await bench.say("a")
    assert bench.texts()[-1] == "1"


# -- entry_while_running ----------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "told"), [(False, ["Name?"]), (True, ["Name?", "Name?"])])
async def test_entry_while_running_there(offline, allowed, told):
    async with There(offline, conversation(says("Name?", 1), {1: []}, allow_reentry=allowed)) as bot:
        await bot.say("/start")
        await bot.say("/start")
        assert offline.texts(1) == told


@pytest.mark.parametrize(("states", "told"), [([None], ["Name?"]), ([None, ANY], ["Name?", "Name?"])])
async def test_entry_while_running_here(bench, states, told):
    flow = Flow("flow")
    flow.state("name", prompt="Name?")

    @flow.defstate(*states, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    await bench.start(flow)
    await bench.say("/start")
    await bench.say("/start")
    assert bench.texts() == told


# -- cancel_from_anywhere ---------------------------------------------------------------------------


async def test_cancel_from_anywhere_there(offline):
    street = ConversationHandler(
        [MessageHandler(filters.Regex("^address$"), says("Street?", "street"))],
        {"street": [MessageHandler(WORDS, says("Noted.", END))]},
        [],
        map_to_parent={END: "what"},
    )
    cancel = CommandHandler("cancel", says("Cancelled.", END))
    async with There(offline, conversation(says("What?", "what"), {"what": [street]}, [cancel])) as bot:
        for text in ("/start", "address", "/cancel"):
            await bot.say(text)
        assert offline.texts(1)[-1] == "Cancelled."  # by the outer one
        for text in ("/start", "address"):
            await bot.say(text)
        assert offline.texts(1)[-1] == "Noted."  # the inner one had waited: "address" is the street


async def test_cancel_from_anywhere_here(bench):
    street = Flow("street")
    street.state("street", prompt="Street?")

    @street.defstate("street")
    def noted(event, ctx):
        return ("end",)

    order = Flow("order")
    order.state("what", prompt="What?")

    @order.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "what")

    @order.defstate("what")
    def address(event, ctx):
        return ("call", street)

    @order.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Cancelled.")
        return ("end",)

    await bench.start(order)
    for text in ("/start", "address", "/cancel", "/start", "address"):
        await bench.say(text)
    assert bench.texts() == ["What?", "Street?", "Cancelled.", "What?", "Street?"]
