"""What `OfflineTelegram` refuses a real PTB bot, in the words of Telegram."""

import pytest
from bot_requests import NOT_MODIFIED, keyboard, refusal
from telegram import InlineKeyboardMarkup, ReplyKeyboardMarkup
from telegram.error import (
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
)
from telegram.ext import (
    Application,
)


@pytest.mark.parametrize(
    ("text", "more", "problem"),
    [
        ("", {}, "Message text is empty"),
        (" \n ", {}, "Message text is empty"),
        ("<b> </b>", {"parse_mode": "HTML"}, "Message text is empty"),
        ("🙂" * 2048 + "a", {}, "Message is too long"),
        ("a", {"parse_mode": "XML"}, "Unsupported parse_mode"),
        (
            "<b>a",
            {"parse_mode": "HTML"},
            "Can't parse entities: can't find end tag corresponding to start tag \"b\"",
        ),
        ("a", {"message_thread_id": 9}, "Message thread not found"),
        ("a", {"reply_to_message_id": 9}, "Message to be replied not found"),
        (
            "a",
            {"reply_markup": {"inline_keyboard": "x"}},
            'Field "inline_keyboard" of the InlineKeyboardMarkup',
        ),
        ("a", {"reply_markup": []}, "Object expected as reply markup"),
        ("a", {"reply_markup": "{"}, "Can't parse reply keyboard markup JSON object"),
        ("a", {"reply_markup": keyboard("x" * 65)}, "Button_data_invalid"),
        (
            "a",
            {"reply_markup": keyboard("")},
            "Can't parse inline keyboard button: text buttons are unallowed",
        ),
        ("a", {"reply_markup": {"keyboard": [[""]]}}, "Keyboard button text must be non-empty"),
        ("a", {"business_connection_id": "none"}, "Business connection not found"),
    ],
)
async def test_messages_are_refused_in_telegrams_words(bot, text, more, problem):
    said = await refusal(bot.send_message(1, text, **more))
    assert said.lower().startswith(problem.lower())


async def test_the_limit_of_a_text_counts_what_stands_there_after_parsing(bot):
    await bot.send_message(1, "<b>" + "a" * 4096 + "</b>", parse_mode="HTML")
    await refusal(bot.send_photo(1, "photo_of_something", caption="a" * 1025))


async def test_a_chat_that_the_bot_never_saw_is_not_found(offline, app):
    assert await refusal(app.bot.send_message(77, "a")) == "Chat not found"
    assert await refusal(app.bot.send_message("@nobody", "a")) == "Chat not found"
    offline.say("hi", user=77)
    assert (await app.bot.send_message(77, "a")).text == "a"


async def test_edits_that_change_nothing_are_refused(bot):
    message = await bot.send_message(1, "a", reply_markup=keyboard("x"))
    assert await refusal(message.edit_text("a", reply_markup=keyboard("x"))) == NOT_MODIFIED
    edited = await message.edit_text("a")
    assert edited.reply_markup is None
    assert await refusal(message.edit_reply_markup()) == NOT_MODIFIED


async def test_an_empty_markup_removes_the_keyboard(offline, bot):
    message = await bot.send_message(1, "a", reply_markup=keyboard("x"))
    await message.edit_reply_markup(InlineKeyboardMarkup([]))
    assert "reply_markup" not in offline.messages(1)[0]


async def test_only_own_messages_that_exist_can_be_edited(offline, bot):
    theirs = offline.say("a")["message"]["message_id"]
    assert await refusal(bot.edit_message_text("b", 1, theirs)) == "Message can't be edited"
    assert await refusal(bot.edit_message_text("b", 1, 99)) == "Message to edit not found"
    own = await bot.send_message(1, "a")
    markup = ReplyKeyboardMarkup([["x"]])
    assert await refusal(own.edit_text("b", reply_markup=markup)) == "Inline keyboard expected"
    assert await refusal(own.edit_caption("b")) == "There is no caption in the message to edit"


async def test_deleting_follows_age_and_ownership(offline, clock, bot):
    own = await bot.send_message(1, "a")
    theirs = offline.say("b")["message"]["message_id"]
    assert await bot.delete_message(1, theirs)
    assert await refusal(bot.delete_message(1, theirs)) == "Message to delete not found"
    clock.advance(48 * 3600 + 1)
    assert await refusal(own.delete()) == "Message can't be deleted for everyone"
    other = offline.say("c", chat=-5)["message"]["message_id"]
    assert await refusal(bot.delete_message(-5, other)) == "Message can't be deleted"
    offline.add_chat(-5, bot_status="administrator")
    assert await bot.delete_message(-5, other)


async def test_many_are_deleted_at_once_and_missing_ones_skipped(offline, bot):
    ids = [(await bot.send_message(1, text)).message_id for text in "abc"]
    assert await bot.delete_messages(1, [*ids[:2], 99])
    assert offline.texts(1) == ["c"]
    assert await refusal(bot.delete_messages(1, range(1, 102))) == "Too many message identifiers specified"


async def test_a_press_can_be_answered_for_fifteen_minutes_and_twice(offline, clock, bot):
    await bot.send_message(1, "a", reply_markup=keyboard("x"))
    query = offline.press("x")["callback_query"]["id"]
    assert await bot.answer_callback_query(query)
    assert await bot.answer_callback_query(query, "again")
    assert len(offline.answered[query]) == 2
    clock.advance(15 * 60 + 1)
    assert (await refusal(bot.answer_callback_query(query))).startswith("Query is too old")
    assert (await refusal(bot.answer_callback_query("7"))).startswith("Query is too old")


async def test_blocked_kicked_and_migrated_are_told_apart(offline, bot):
    assert offline.block(1)["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    assert await refusal(bot.send_message(1, "a"), Forbidden) == "Forbidden: bot was blocked by the user"
    offline.unblock(1)
    assert await bot.send_message(1, "a")
    offline.add_chat(-5)
    offline.kick(-5)
    kicked = await refusal(bot.send_message(-5, "a"), Forbidden)
    assert kicked == "Forbidden: bot was kicked from the supergroup chat"
    offline.add_chat(-7, type="group")
    offline.migrate(-7, -100)
    with pytest.raises(ChatMigrated) as caught:
        await bot.send_message(-7, "a")
    assert caught.value.new_chat_id == -100


async def test_unknown_methods_and_wrong_tokens_are_refused_as_by_telegram(offline, bot):
    with pytest.raises(EndPointNotFound):
        await bot.do_api_request("makeCoffee")
    other = Application.builder().token("43:WRONG").request(offline.request()).build()
    with pytest.raises(InvalidToken):
        await other.bot.get_me()
    assert offline.calls_of("makeCoffee") == []
