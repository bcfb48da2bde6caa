"""What a person is told when a handler raises, and that a press is answered before messages have to wait."""

from telegram.error import TelegramError

from fsmkit import Flow
from fsmkit.telegram import button, command


def crashing(**texts):
    flow = Flow("crashing")
    flow.state("on", prompt="On.", buttons=["Go"])
    flow.texts(**texts)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on")
    def fail(event, ctx):
        raise ValueError("of the handler")

    @flow.defstate("on", on=button("Go"))
    def go(event, ctx):
        ctx.answer("Saved")
        ctx.reply("a message")

    return flow


async def test_the_crash_text_is_said_in_the_persons_language_and_nothing_is_stored(bench):
    await bench.start(crashing(crash={"en": "Sorry.", "de": "Verzeihung."}))
    await bench.say("/start")
    before = await bench.engine.get_state("crashing", bench.key())
    await bench.say("boom")
    assert bench.texts() == ["On.", "Sorry."]
    assert await bench.engine.get_state("crashing", bench.key()) == before
    assert [type(error) for error in bench.errors] == [ValueError]
    bench.errors.clear()


async def test_without_a_crash_text_nothing_is_said(bench):
    await bench.start(crashing())
    await bench.say("/start")
    await bench.say("boom")
    assert bench.texts() == ["On."]
    bench.errors.clear()


async def test_a_crash_text_that_cannot_be_sent_changes_nothing_of_the_error(bench):
    await bench.start(crashing(crash="Sorry."))
    await bench.say("/start")
    bench.offline.fail("sendMessage", status=400)
    await bench.say("boom")
    assert [type(error) for error in bench.errors] == [ValueError]
    assert not any(isinstance(error, TelegramError) for error in bench.errors)
    bench.errors.clear()


async def test_a_press_is_answered_with_its_text_before_its_messages_are_delivered(bench):
    await bench.start(crashing())
    await bench.say("/start")
    assert await bench.press("Go") == ["Saved"]
    assert bench.calls()[-2:] == ["answerCallbackQuery", "sendMessage"]


async def test_an_exception_that_is_raised_again_is_told_to_the_person_whose_handler_raised_it(bench):
    flow, same = Flow("same"), ValueError("one object for all")
    flow.texts(crash="Sorry.")

    @flow.defstate(None)
    def fail(event, ctx):
        raise same

    await bench.start(flow)
    await bench.say("boom", user=1)
    await bench.say("boom", user=2)
    assert (bench.texts(1), bench.texts(2)) == (["Sorry."], ["Sorry."])
    bench.errors.clear()
