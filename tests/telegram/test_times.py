"""Times as a person sees them: reminders, ages and timeouts of a real application."""

from fsmkit import ANY, Flow, Key, Timeout
from fsmkit.telegram import button, command, text

ANN = Key(1, 1)


def order(**options):
    flow = Flow("order", **{"ttl": 600, "remind_after": 60, **options})
    flow.texts(expired="Your order has been dropped.")
    flow.state("size", prompt="Which size?", buttons=["small", "large"])
    flow.state("name", prompt="Your name?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "size")

    @flow.defstate("size", on=button("small", "large"))
    def sized(event, ctx):
        return ("transition", "name", {"size": event.value})

    @flow.defstate("name", on=text())
    def named(event, ctx):
        return ("stay", ctx.evolve(name=event.text))

    return flow


async def test_a_reminder_repeats_the_question_and_its_buttons_work_as_do_the_first_ones(bench):
    await bench.start(order())
    await bench.say("/start")
    await bench.advance(61)
    assert bench.buttons() == [["small", "large"]] * 2
    first = bench.data("large")
    assert {button["callback_data"] for button in _row(bench, 0)} >= {first}
    await bench.press("large")
    assert await bench.engine.get_state("order", ANN) == ("name", {"size": "large"})


async def test_a_silent_person_is_reminded_once_then_told_of_the_end(bench):
    await bench.start(order())
    await bench.say("/start")
    for _ in range(62):
        await bench.advance(10)
    assert bench.texts() == ["Which size?", "Which size?", "Your order has been dropped."]


async def test_a_conversation_that_lasts_too_long_ends_although_the_person_writes(bench):
    flow = order(max_age=100)

    @flow.defstate(ANY, on=Timeout)
    def late(event, ctx):
        ctx.reply(f"Closed ({event.kind}).")
        return ("end",)

    await bench.start(flow)
    await bench.say("/start")
    await bench.press("small")
    for _ in range(10):
        await bench.advance(10)
        await bench.say("Ann")
    await bench.advance(2)
    assert bench.texts() == ["Which size?", "Your name?", "Closed (age)."]


async def test_a_message_that_waited_while_the_bot_was_away_was_in_time(bench):
    await bench.start(order())
    await bench.say("/start")
    await bench.press("small")
    bench.clock.advance(599)
    bench.offline.say("Ann")  # dated now; the bot sees it much later
    bench.clock.advance(1000)
    await bench.feed()
    assert await bench.engine.get_state("order", ANN) == ("name", {"size": "small", "name": "Ann"})


def _row(bench, number):
    bots = [message for message in bench.offline.messages(1) if message["from"]["is_bot"]]
    return bots[number]["reply_markup"]["inline_keyboard"][0]
