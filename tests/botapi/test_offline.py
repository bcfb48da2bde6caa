"""`OfflineTelegram` in process: conversations, buttons, files, the log, failures; with real PTB objects."""

import asyncio
import subprocess
import sys

import pytest
from bot_requests import NOT_MODIFIED, keyboard, refusal
from telegram import Update
from telegram.error import (
    Forbidden,
    NetworkError,
    RetryAfter,
)
from telegram.ext import (
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    MessageHandler,
    filters,
)

# --- conversations ---


@pytest.mark.filterwarnings("ignore:If 'per_message=False'")
async def test_a_ptb_conversation_runs_from_start_to_end(offline, app):
    async def start(update, context):
        await update.message.reply_text("Name?")
        return 0

    async def name(update, context):
        await update.message.reply_text(f"Hello {update.message.text}", reply_markup=keyboard("ok"))
        return 1

    async def done(update, context):
        await update.callback_query.answer("thanks")
        await update.callback_query.edit_message_text("Done")
        return ConversationHandler.END

    states = {0: [MessageHandler(filters.TEXT, name)], 1: [CallbackQueryHandler(done)]}
    app.add_handler(ConversationHandler([CommandHandler("start", start)], states, []))

    offline.say("/start")
    offline.say("Ann")
    assert await offline.feed(app) == 2
    press = offline.press("Button ok")
    await offline.feed(app)

    assert offline.texts(1) == ["Name?", "Done"]
    answers = offline.answered[press["callback_query"]["id"]]
    assert [answer["text"] for answer in answers] == ["thanks"]


async def test_polling_brings_updates_and_stops_cleanly(offline, app):
    seen = asyncio.Queue()

    async def note(update, context):
        await seen.put(update.message.text)

    app.add_handler(MessageHandler(filters.ALL, note))
    await app.start()
    await app.updater.start_polling()
    offline.say("one")
    assert await seen.get() == "one"
    offline.say("two")
    assert await seen.get() == "two"
    await app.updater.stop()
    await app.stop()
    assert await app.bot.get_updates() == ()


def test_the_core_install_is_enough_in_process():
    code = (
        "import sys, fsmkit.botapi.offline as o; o.OfflineTelegram().builder().build(); "
        "sys.exit(bool({'starlette', 'uvicorn', 'hypothesis', 'pytest'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- buttons ---


async def test_a_press_takes_the_newest_message_that_has_the_button(offline, bot):
    old = await bot.send_message(1, "a", reply_markup=keyboard("x", "y"))
    new = await bot.send_message(1, "b", reply_markup=keyboard("x"))
    assert offline.press("x")["callback_query"]["message"]["message_id"] == new.message_id
    assert offline.press("Button y")["callback_query"]["message"]["message_id"] == old.message_id
    pressed = offline.press("x", message_id=old.message_id, user=9, chat=1)["callback_query"]
    assert (pressed["from"]["id"], pressed["message"]["message_id"]) == (9, old.message_id)


async def test_a_button_that_is_not_there_tells_what_is(offline, bot):
    with pytest.raises(LookupError, match="no button at all"):
        offline.press("x")
    await bot.send_message(1, "a", reply_markup=keyboard("x"))
    with pytest.raises(LookupError, match=r"'z' in chat 1; on the screen: \['Button x'\] under message 1"):
        offline.press("z")


async def test_stale_presses_come_with_what_is_left_of_their_message(offline, bot):
    gone = Update.de_json(offline.press_data("old", message_id=5), bot).callback_query
    assert (gone.data, gone.message.message_id, gone.message.is_accessible) == ("old", 5, False)
    inline = Update.de_json(offline.press_data("i", inline_message_id="abc"), bot).callback_query
    assert (inline.message, inline.inline_message_id) == (None, "abc")
    assert await bot.edit_message_text("new", inline_message_id="abc") is True
    assert await refusal(bot.edit_message_text("new", inline_message_id="abc")) == NOT_MODIFIED


# --- files and the rest ---


async def test_files_go_both_ways(offline, bot):
    sent = offline.send("document", data=b"theirs", file_name="a.txt")["message"]["document"]
    assert bytes(await (await bot.get_file(sent["file_id"])).download_as_bytearray()) == b"theirs"
    photo = (await bot.send_photo(1, b"ours", caption="<b>c</b>", parse_mode="HTML")).photo[-1]
    assert bytes(await (await photo.get_file()).download_as_bytearray()) == b"ours"
    assert offline.texts(1) == ["c"]
    again = await bot.send_photo(1, photo.file_id)
    assert again.photo[-1].file_id == photo.file_id
    assert await refusal(bot.send_photo(1, "no file")) == "Wrong file identifier/http url specified"


async def test_copies_lose_their_origin_and_forwards_keep_it(offline, bot):
    source = offline.say("a", user=2)["message"]["message_id"]
    forwarded = await bot.forward_message(1, 2, source)
    assert forwarded.forward_origin.sender_user.id == 2
    copied = await bot.copy_message(1, 2, source)
    assert "forward_origin" not in offline.messages(1)[copied.message_id - 1]


async def test_commands_are_kept_per_scope(bot):
    await bot.set_my_commands([("go", "Begin")])
    assert [command.command for command in await bot.get_my_commands()] == ["go"]
    await bot.delete_my_commands()
    assert await bot.get_my_commands() == ()


async def test_chats_and_members_are_told(offline, bot):
    offline.add_chat(-5, title="Team", username="team")
    assert (await bot.get_chat("@team")).title == "Team"
    assert (await bot.get_chat_member(-5, bot.id)).status == "member"
    assert (await bot.get_me()).username == "offline_bot"


async def test_queries_that_were_put_can_be_answered(offline, bot):
    user = offline.add_user(1)
    offline.update(inline_query={"id": "q", "from": user, "query": "", "offset": ""})
    assert await bot.answer_inline_query("q", [])
    assert (await refusal(bot.answer_inline_query("z", []))).startswith("Query is too old")
    assert await bot.send_chat_action(1, "typing")
    assert (await bot.send_location(1, 1.5, 2.5)).location.latitude == 1.5
    assert (await bot.send_contact(1, "+1", "Ann")).contact.first_name == "Ann"


# --- the log, and failures ---


async def test_calls_are_logged_decoded_in_order_with_refusals(offline, clock, bot):
    clock.advance(5)
    await bot.send_message(1, "123", reply_markup=keyboard("x"))
    await refusal(bot.send_message(1, ""))
    good, bad = offline.calls_of("sendMessage")
    assert good.params == {
        "chat_id": 1,
        "text": "123",
        "reply_markup": {"inline_keyboard": [[{"text": "Button x", "callback_data": "x"}]]},
    }
    assert (good.result["text"], good.error, good.at) == ("123", None, 1_000_005)
    assert (bad.result, bad.error.description) == (None, "Bad Request: message text is empty")


async def test_ordered_failures_happen_so_often_and_then_no_more(offline, bot, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    offline.fail("sendMessage", retry_after=3, times=2)
    for _ in range(2):
        with pytest.raises(RetryAfter):
            await bot.send_message(1, "a")
    assert await bot.send_message(1, "a")
    offline.fail(status=403)
    assert await refusal(bot.send_chat_action(1, "typing"), Forbidden)


async def test_a_lost_answer_leaves_the_message_in_the_chat(offline, bot):
    offline.fail("sendMessage", after=True)
    await refusal(bot.send_message(1, "sent"), NetworkError)
    offline.fail("sendMessage", drop=True)
    await refusal(bot.send_message(1, "not sent"), NetworkError)
    assert offline.texts(1) == ["sent"]


async def test_failures_pick_requests_by_their_parameters(offline, bot):
    offline.fail("sendMessage", status=502, when=lambda params: params["text"] == "b")
    await bot.send_message(1, "a")
    await refusal(bot.send_message(1, "b"), NetworkError)
    assert offline.texts(1) == ["a"]
