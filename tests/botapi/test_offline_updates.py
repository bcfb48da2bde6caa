"""What PTB gets from `OfflineTelegram`: updates of the right shape, and `getUpdates`."""

import asyncio

import pytest
from bot_requests import keyboard, refusal
from telegram import Update
from telegram.error import (
    Conflict,
)

from fsmkit.botapi import OfflineTelegram
from fsmkit.testing import ManualClock

# --- updates are shaped as Telegram's ---


def test_a_text_has_the_fields_and_entities_of_a_real_update(offline, clock):
    update = offline.say("/go@offline_bot to https://a.io, @friend 🙂 #tag")
    assert update == {
        "update_id": 1,
        "message": {
            "message_id": 1,
            "date": 1_000_000,
            "chat": {"id": 1, "type": "private", "first_name": "User 1"},
            "from": {"id": 1, "is_bot": False, "first_name": "User 1", "language_code": "en"},
            "text": "/go@offline_bot to https://a.io, @friend 🙂 #tag",
            "entities": [
                {"type": "bot_command", "offset": 0, "length": 15},
                {"type": "url", "offset": 19, "length": 12},
                {"type": "mention", "offset": 33, "length": 7},
                {"type": "hashtag", "offset": 44, "length": 4},
            ],
        },
    }
    assert Update.de_json(update, None).message.text.startswith("/go")


def test_update_ids_rise_by_one_and_message_ids_per_chat(offline):
    updates = [offline.say("a"), offline.say("b", user=2), offline.say("c")]
    assert [update["update_id"] for update in updates] == [1, 2, 3]
    assert [update["message"]["message_id"] for update in updates] == [1, 1, 2]


def test_topics_replies_and_business_messages_carry_their_fields(offline):
    offline.add_chat(-5, is_forum=True)
    offline.add_chat(-6)
    first = offline.say("a", chat=-5, thread=7)["message"]
    assert (first["message_thread_id"], first["is_topic_message"]) == (7, True)
    assert "is_topic_message" not in offline.say("a", chat=-6, thread=7)["message"]
    reply = offline.say("b", chat=-5, reply_to_message=first["message_id"])["message"]
    assert reply["reply_to_message"]["text"] == "a"
    assert offline.say("c", business="bc")["business_message"]["business_connection_id"] == "bc"


def test_a_clock_at_zero_makes_no_inaccessible_messages():
    offline = OfflineTelegram(clock=ManualClock())
    assert offline.say("a")["message"]["date"] == 1


def test_an_edit_becomes_edited_message_and_needs_an_own_one(offline):
    message = offline.say("a")["message"]
    edited = offline.edit(message["message_id"], "/b")["edited_message"]
    assert (edited["text"], edited["entities"][0]["type"]) == ("/b", "bot_command")
    assert offline.messages(1)[0]["text"] == "/b"
    with pytest.raises(LookupError, match=r"user 2 has no message 1 in chat 1, only \[\]"):
        offline.edit(1, "c", user=2, chat=1)


@pytest.mark.parametrize(
    "kind",
    [
        "photo",
        "document",
        "video",
        "animation",
        "audio",
        "voice",
        "video_note",
        "sticker",
        "location",
        "contact",
    ],
)
def test_everything_that_users_send_is_read_by_ptb(offline, kind):
    message = Update.de_json(offline.send(kind), None).message
    assert message.effective_attachment


def test_raw_updates_get_an_id_and_have_one_field(offline):
    assert offline.update(poll_answer={"poll_id": "1", "option_ids": [0]})["update_id"] == 1
    with pytest.raises(ValueError, match="exactly one field"):
        offline.update(message={}, poll={})


async def test_updates_do_not_change_with_later_edits(offline, bot):
    message = await bot.send_message(1, "old", reply_markup=keyboard("x"))
    press = offline.press("x")
    await message.edit_text("new")
    assert press["callback_query"]["message"]["text"] == "old"


# --- getUpdates ---


async def test_an_offset_confirms_and_a_negative_one_counts_from_the_end(offline, bot):
    for text in "abc":
        offline.say(text)
    assert [u.update_id for u in await bot.get_updates(limit=2)] == [1, 2]
    assert [u.update_id for u in await bot.get_updates(offset=2)] == [2, 3]
    assert [u.update_id for u in await bot.get_updates(offset=-1)] == [3]
    assert [u.update_id for u in await bot.get_updates()] == [3]
    assert await bot.get_updates(offset=4) == ()


async def test_kinds_that_were_not_asked_for_are_left_out(offline, bot):
    offline.update(chat_member={"x": 1})
    offline.say("a")
    assert [u.update_id for u in await bot.get_updates(timeout=0)] == [2]
    assert await bot.get_updates(allowed_updates=["callback_query"]) == ()


async def test_a_poll_waits_until_an_update_comes(offline, bot):
    poll = asyncio.create_task(bot.get_updates(timeout=50))
    await offline.polled()
    offline.say("a")
    assert [u.message.text for u in await poll] == ["a"]


async def test_the_older_of_two_polls_is_ended_with_conflict(offline, bot):
    older = asyncio.create_task(bot.get_updates(timeout=50))
    await offline.polled()
    newer = asyncio.create_task(bot.get_updates(timeout=50))
    assert "terminated by other getUpdates" in await refusal(older, Conflict)
    offline.say("a")
    assert len(await newer) == 1


async def test_a_webhook_keeps_polls_away_until_it_is_deleted(offline, bot):
    offline.say("a")
    await bot.set_webhook("https://example.org/hook")
    assert (await bot.get_webhook_info()).pending_update_count == 1
    assert "can't use getUpdates" in await refusal(bot.get_updates(), Conflict)
    await bot.delete_webhook(drop_pending_updates=True)
    assert await bot.get_updates() == ()
