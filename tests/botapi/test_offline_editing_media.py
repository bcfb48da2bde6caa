"""`editMessageMedia` and `deleteBusinessMessages`, as Telegram carries them out."""

import pytest
from telegram import InputMediaPhoto, InputMediaVideo
from telegram.error import BadRequest

from fsmkit.botapi import OfflineTelegram
from fsmkit.testing import ManualClock


@pytest.fixture
def offline():
    offline = OfflineTelegram(clock=ManualClock(1000.0))
    offline.add_user(1)
    return offline


@pytest.fixture
async def bot(offline):
    app = offline.builder().build()
    await app.initialize()
    yield app.bot
    await app.shutdown()


def shown(offline):
    """File kinds, caption and text of the newest message."""
    message = offline.messages(1)[-1]
    return [name for name in ("photo", "video", "text", "caption") if name in message]


async def test_a_file_takes_the_place_of_another(offline, bot):
    sent = await bot.send_photo(1, "some-photo-id", caption="photo")
    edited = await bot.edit_message_media(
        InputMediaVideo("some-video-id", "<b>film</b>", parse_mode="HTML"), 1, sent.message_id
    )
    assert (shown(offline), edited.caption, edited.caption_entities[0].type) == (
        ["video", "caption"],
        "film",
        "bold",
    )
    assert edited.edit_date is not None


async def test_an_uploaded_file_takes_the_place_of_another(offline, bot):
    sent = await bot.send_photo(1, "some-photo-id", caption="photo")
    edited = await bot.edit_message_media(InputMediaPhoto(b"meow"), 1, sent.message_id)
    assert (edited.photo[-1].file_size, edited.caption) == (4, None)


async def test_a_text_may_become_a_file_but_no_file_a_text(offline, bot):
    sent = await bot.send_message(1, "text")
    await bot.edit_message_media(InputMediaPhoto("some-photo-id"), 1, sent.message_id)
    assert shown(offline) == ["photo"]
    with pytest.raises(BadRequest, match="no text in the message"):
        await bot.edit_message_text("text", 1, sent.message_id)


async def test_what_has_no_such_file_cannot_be_edited(bot):
    sent = await bot.send_location(1, 1.0, 2.0)
    with pytest.raises(BadRequest, match="can't be edited"):
        await bot.edit_message_media(InputMediaPhoto("some-photo-id"), 1, sent.message_id)


async def test_the_same_once_more_is_not_modified(bot):
    sent = await bot.send_photo(1, "some-photo-id", caption="photo")
    with pytest.raises(BadRequest, match="not modified"):
        await bot.edit_message_media(InputMediaPhoto("some-photo-id", "photo"), 1, sent.message_id)


async def test_a_kind_that_cannot_be_edited_in_is_refused(offline, bot):
    sent = await bot.send_message(1, "text")
    with pytest.raises(BadRequest, match=r"(?i)can't parse InputMedia"):
        await bot.edit_message_media(
            InputMediaPhoto("x"), 1, sent.message_id, api_kwargs={"media": {"type": "voice", "media": "x"}}
        )


async def test_messages_of_a_business_connection_are_deleted_for_it_only(offline, bot):
    offline.add_user(2)
    offline.say("one", business="link")
    offline.say("elsewhere", user=2, business="link")
    sent = await bot.send_message(1, "two", business_connection_id="link")
    own = await bot.send_message(1, "three")
    assert await bot.delete_business_messages("link", [1, sent.message_id, own.message_id, 99])
    assert [message["text"] for message in offline.messages(1)] == ["three"]
    assert [message["text"] for message in offline.messages(2)] == ["elsewhere"]


@pytest.mark.parametrize(
    ("connection", "messages", "problem"),
    [
        ("other", [1], "business connection not found"),
        ("link", [], "not specified"),
        ("link", list(range(101)), "too many"),
    ],
)
async def test_what_cannot_be_deleted_is_refused(offline, bot, connection, messages, problem):
    offline.say("one", business="link")
    with pytest.raises(BadRequest, match=f"(?i){problem}"):
        await bot.delete_business_messages(connection, messages)
