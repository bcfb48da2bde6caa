"""Conversations of one message that was sent through inline mode: it is edited, and nothing else is done."""

import asyncio
from pathlib import Path

import pytest

from fsmkit import Done, Flow, Key, KeyBy, Reply, Timeout
from fsmkit.telegram import button, chosen_inline_result, raw_button

ID = "AAQIBQ-x_1"
FILE = "AgACAgIAAxkBAAM"


def poll(key=KeyBy.MESSAGE, **options):
    """A vote under an inline message: opened by a raw button, or as soon as its result was chosen."""
    flow = Flow("poll", key=key, ttl=60, **options)
    flow.state("open", prompt="For or against?", buttons=["For", "Photo"], show=True)

    @flow.defstate(None, on=raw_button("open") | chosen_inline_result("poll"))
    def begin(event, ctx):
        return ("transition", "open", {"votes": 0})

    @flow.defstate("open", on=button("For"))
    def count(event, ctx):
        votes = ctx.data["votes"] + 1
        ctx.show(f"{votes} votes", buttons=["For", "Photo"])
        return ("stay", {"votes": votes})

    @flow.defstate("open", on=button("Photo"))
    def picture(event, ctx):
        ctx.show(Reply("Seen", photo=FILE, buttons=["For"]))
        return ("stay", {**ctx.data, "photo": True})

    @flow.defstate("open", on=Timeout)
    def over(event, ctx):
        if "photo" not in ctx.data:
            ctx.show(f"Over, with {ctx.data['votes']} votes.")
        return ("end",)

    return flow


def text(bench, ident=ID):
    return bench.offline.inline_message(ident).get("text")


def methods(bench):
    return [method for method in bench.calls() if method != "answerCallbackQuery"]


@pytest.mark.parametrize("key", [KeyBy.MESSAGE, KeyBy.USER_IN_MESSAGE])
async def test_what_is_shown_edits_the_inline_message_also_on_a_timeout(bench, key):
    await bench.start(poll(key))
    await bench.press_data("open", inline_message_id=ID)
    assert text(bench) == "For or against?"
    await bench.press("For", inline_message_id=ID)
    assert text(bench) == "1 votes"
    await bench.advance(61)
    assert (text(bench), set(methods(bench)), bench.texts(1)) == (
        "Over, with 1 votes.",
        {"editMessageText"},
        [],
    )
    assert all("chat_id" not in call.params for call in bench.offline.calls_of("editMessageText"))


async def test_two_people_share_the_conversation_of_one_inline_message_and_not_of_another(bench):
    await bench.start(poll())
    bench.offline.add_user(2)
    for ident in (ID, "BBQ-2"):
        await bench.press_data("open", inline_message_id=ident)
    await bench.press("For", inline_message_id=ID)
    await bench.press("For", user=2, inline_message_id=ID)
    assert [text(bench, ident) for ident in (ID, "BBQ-2")] == ["2 votes", "For or against?"]


async def test_a_result_that_was_chosen_begins_the_conversation_of_its_message(bench):
    engine = await bench.start(poll())
    bench.offline.gesture("chosen_inline_result", "poll", user=1, inline_message_id=ID)
    await bench.feed()
    assert text(bench) == "For or against?"
    assert (await engine.get_state("poll", Key(ID, ID, f"m{ID}")))[0] == "open"


async def test_a_file_that_telegram_has_takes_the_place_of_the_text(bench):
    await bench.start(poll())
    await bench.press_data("open", inline_message_id=ID)
    await bench.press("Photo", inline_message_id=ID)
    assert bench.offline.inline_message(ID)["caption"] == "Seen"
    assert methods(bench) == ["editMessageText", "editMessageMedia"]


REFUSED = {
    "no other message": lambda ctx: ctx.reply("Thanks."),
    "uploaded": lambda ctx: ctx.show(Reply("", photo=Path("cats/tom.jpg"))),
    "no voice": lambda ctx: ctx.show(Reply("", voice=FILE)),
    "has that one screen": lambda ctx: ctx.show("Menu", screen="menu"),
    "no message is deleted": lambda ctx: ctx.delete_on_exit(7),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_cannot_go_to_an_inline_message_refuses_the_step(bench, why):
    flow = Flow("f", key=KeyBy.MESSAGE)
    flow.state("on")

    @flow.defstate(None, on=raw_button("go"))
    def go(event, ctx):
        REFUSED[why](ctx)
        return ("transition", "on")

    engine = await bench.start(flow)
    await bench.press_data("go", inline_message_id=ID)
    [error] = bench.errors
    bench.errors.clear()
    assert why in str(error)
    assert (await engine.get_state(flow, Key(ID, ID, f"m{ID}")), methods(bench)) == ((None, None), [])


async def test_a_text_that_would_have_to_take_a_file_away_is_refused(bench):
    await bench.start(poll())
    await bench.press_data("open", inline_message_id=ID)
    await bench.press("Photo", inline_message_id=ID)
    await bench.press("For", inline_message_id=ID)
    [error] = bench.errors
    bench.errors.clear()
    assert "no file is taken away" in str(error)


async def test_the_text_of_a_crash_goes_to_nobodys_private_chat(bench):
    flow = poll(KeyBy.USER_IN_MESSAGE)
    flow.texts(crash="Sorry.")

    @flow.defstate("open", on=raw_button("bad"))
    def bad(event, ctx):
        raise ValueError("bad")

    await bench.start(flow)
    await bench.press_data("open", inline_message_id=ID)
    await bench.press_data("bad", inline_message_id=ID)
    assert ([str(error) for error in bench.errors], bench.texts(1)) == (["bad"], [])
    bench.errors.clear()


async def test_an_inline_message_that_is_gone_is_a_failed_delivery_and_no_new_message(bench):
    await bench.start(poll())
    await bench.press_data("open", inline_message_id=ID)
    bench.offline.fail("editMessageText", status=400, description="Bad Request: MESSAGE_ID_INVALID")
    await bench.press("For", inline_message_id=ID)
    assert (text(bench), set(methods(bench))) == ("For or against?", {"editMessageText"})


async def test_who_blocks_the_bot_in_private_keeps_the_conversation_of_the_inline_message(bench):
    engine = await bench.start(poll(KeyBy.USER_IN_MESSAGE))
    await bench.press_data("open", inline_message_id=ID)
    bench.offline.block(1)
    await bench.feed()
    assert (await engine.get_state("poll", Key(1, 1, f"m{ID}")))[0] == "open"
    await bench.press("For", inline_message_id=ID)
    assert text(bench) == "1 votes"


async def test_the_progress_of_a_job_is_shown_in_the_inline_message(bench):
    gate = asyncio.Event()

    async def convert(data, job):
        job.progress(0.5, "Converting")
        await gate.wait()
        return "done"

    flow = Flow("work", key=KeyBy.MESSAGE)
    flow.state("busy", job=convert)
    flow.defstate(None, on=raw_button("go"))(lambda event, ctx: ("transition", "busy", {}))

    @flow.defstate("busy", on=Done)
    def done(event, ctx):
        ctx.show(f"It is {event.value}.")
        return ("end",)

    await bench.start(flow)
    await bench.press_data("go", inline_message_id=ID)
    await bench.advance(4)
    assert "Converting" in text(bench)
    gate.set()
    await bench.advance(1)
    assert (text(bench), set(methods(bench))) == ("It is done.", {"editMessageText"})
