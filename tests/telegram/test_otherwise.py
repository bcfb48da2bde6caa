"""`otherwise`: what a state says to a new message that no handler wanted."""

import pytest
from telegram.ext import CommandHandler, MessageHandler, filters

from fsmkit import Flow, Key
from fsmkit.telegram import command, text


@pytest.fixture
def others(bench):
    """What the bot's own handlers, which want everything, have seen."""
    seen = []

    async def note(update, context):
        seen.append(update.effective_message.text or "something else")

    bench.app.add_handler(CommandHandler("help", note), 1)
    bench.app.add_handler(MessageHandler(filters.ALL, note), 2)
    return seen


def form(**options):
    """Three states after one another; `name` says nothing otherwise."""
    flow = Flow("form", **options)
    flow.state("name")
    flow.state("age", prompt=lambda ctx: f"How old, {ctx.data['name']}?", otherwise="Digits, please.")
    flow.state("sure", prompt="Sure?", buttons=["yes"], otherwise=lambda ctx: f"{ctx.event.kind}?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    @flow.defstate("name")
    def name(event, ctx):
        return ("transition", "age", {"name": event.text})

    @flow.defstate("age", on=text(r"\d+"))
    def age(event, ctx):
        if int(event.text) > 150:
            ctx.reply("never sent")
            return ("pass",)
        return ("transition", "sure")

    return flow


async def answered(bench, *said, flow=None):
    """Says some things, and returns what the bot said to the last one."""
    await bench.start(flow or form())
    for words in said[:-1]:
        await bench.say(words)
    before = len(bench.texts())
    await bench.say(said[-1])
    return bench.texts()[before:]


async def test_otherwise_is_said_to_a_message_that_no_handler_wants(bench, others):
    assert await answered(bench, "/start", "Ada", "old") == ["Digits, please."]
    assert others == []


async def test_otherwise_is_said_after_all_handlers_passed(bench, others):
    assert await answered(bench, "/start", "Ada", "151") == ["Digits, please."]
    assert others == []


async def test_otherwise_is_said_to_a_photo(bench, others):
    await answered(bench, "/start", "Ada")
    bench.offline.send("photo")
    await bench.feed()
    assert (bench.texts()[-1], others) == ("Digits, please.", [])


async def test_otherwise_may_be_a_function_that_sees_the_message(bench):
    await answered(bench, "/start", "Ada", "7", "sure")
    bench.offline.send("location")
    await bench.feed()
    assert bench.texts()[-2:] == ["text?", "location?"]
    assert bench.buttons()[-2:] == [[], []]


async def test_otherwise_starts_the_idle_deadline_anew_and_changes_nothing_else(bench):
    await answered(bench, "/start", "Ada", flow=form(ttl=60))
    await bench.advance(40)
    await bench.say("old")
    await bench.advance(40)
    assert await bench.engine.get_state("form", Key(1, 1)) == ("age", {"name": "Ada"})
    await bench.advance(21)
    assert await bench.engine.get_state("form", Key(1, 1)) == (None, None)


async def test_otherwise_is_never_said_to_a_command(bench, others):
    assert await answered(bench, "/start", "Ada", "/help") == []
    assert others == ["/help", "/help"]


async def test_otherwise_is_never_said_to_an_edited_message(bench, others):
    await answered(bench, "/start", "Ada")
    [*_, said] = [message for message in bench.offline.messages(1) if not message["from"]["is_bot"]]
    bench.offline.edit(said["message_id"], "Ida")
    await bench.feed()
    assert (bench.texts()[-1], others) == ("How old, Ada?", ["Ida"])


async def test_otherwise_is_never_said_to_a_press(bench):
    await answered(bench, "/start", "Ada", "7")
    assert await bench.press("yes") == [""]
    assert await bench.press_data("whose?") == [""]
    assert bench.texts()[-1] == "Sure?"


async def test_a_state_without_otherwise_leaves_the_message_to_the_bot(bench, others):
    await answered(bench, "/start")
    bench.offline.send("photo")
    await bench.feed()
    assert (bench.texts(), others) == ([], ["something else"])


async def test_nothing_is_said_otherwise_once_the_conversation_is_over(bench, others):
    await answered(bench, "/start", "Ada")
    await bench.engine.reset_state("form", Key(1, 1))
    await bench.say("old")
    assert (bench.texts()[-1], others) == ("How old, Ada?", ["old"])


def waiting(name, **options):
    """A flow that says its own name otherwise, and that its own name's command enters."""
    flow = Flow(name, **options)
    flow.state("on", otherwise=f"{name}: what?")

    @flow.defstate(None, on=command(name))
    def start(event, ctx):
        return ("transition", "on")

    return flow


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
async def test_of_two_flows_the_one_entered_last_answers(bench, order):
    await bench.start(waiting("a"), waiting("b"))
    for name in order:
        await bench.say(f"/{name}")
    await bench.say("hello")
    assert bench.texts() == [f"{order[-1]}: what?"]


async def test_otherwise_comes_after_the_handlers_of_all_flows(bench):
    flow = waiting("late")

    @flow.defstate("on", on=text("hello"))
    def hello(event, ctx):
        ctx.reply("hello of the first")

    await bench.start(flow, waiting("last"))
    for words in ("/late", "/last", "hello"):
        await bench.say(words)
    assert bench.texts() == ["hello of the first"]
