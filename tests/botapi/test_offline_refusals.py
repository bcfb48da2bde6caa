"""The rarer things that Telegram takes and refuses, each in its own words."""

import pytest
from telegram import InlineQueryResultArticle, InputTextMessageContent, LabeledPrice
from telegram.error import BadRequest

from fsmkit.botapi import OfflineTelegram
from fsmkit.testing import ManualClock


@pytest.fixture
def offline():
    offline = OfflineTelegram(clock=ManualClock(1_000_000))
    offline.add_user(1)
    return offline


def button(**fields):
    return {"inline_keyboard": [[{"text": "a", **fields}]]}


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        (
            {"inline_keyboard": [{}]},
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
        ),
        (
            {"inline_keyboard": [["a"]]},
            "can't parse inline keyboard button: InlineKeyboardButton must be an Object",
        ),
        ({"inline_keyboard": [[{}]]}, "can't parse inline keyboard button: Can't find field \"text\""),
        (button(text=5), 'can\'t parse inline keyboard button: Field "text" must be of type String'),
        (button(text="", url="a.io"), "inline keyboard button text must be non-empty"),
        (button(), "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"),
        (
            button(url="ftp://a.io"),
            "inline keyboard button URL 'ftp://a.io' is invalid: Unsupported URL protocol",
        ),
        (button(url="nowhere"), "inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL"),
        (
            button(callback_data=5),
            'can\'t parse inline keyboard button: Field "callback_data" must be of type',
        ),
        ({"inline_keyboard": [[{"text": "a", "url": "a.io"}] * 101]}, "reply markup is too long"),
        ({"keyboard": [[5]]}, "can't parse keyboard button: KeyboardButton must be an Object"),
        ({"keyboard": [[{}]]}, "can't parse keyboard button: Can't find field \"text\""),
    ],
)
async def test_keyboards_of_a_wrong_shape_are_refused(offline, bot, markup, problem):
    with pytest.raises(BadRequest):
        await bot.send_message(1, "a", reply_markup=markup)
    assert offline.calls[-1].error.description.startswith(f"Bad Request: {problem}")
    assert offline.messages(1) == []


@pytest.mark.parametrize(
    "markup",
    [
        button(url="tg://resolve?domain=a"),
        button(switch_inline_query=""),
        button(text=" ", callback_data="empty day"),
        {"keyboard": [[" "]]},
        {"keyboard": [["a", {"text": "b", "request_contact": True}]]},
        {"remove_keyboard": True},
        {"force_reply": True},
        {"inline_keyboard": [[]]},
    ],
)
async def test_keyboards_of_other_kinds_are_taken(bot, markup):
    assert await bot.send_message(1, "a", reply_markup=markup)


@pytest.mark.parametrize(
    ("method", "params", "problem"),
    [
        ("sendMessage", {"text": "a"}, "chat_id is empty"),
        ("sendMessage", {"chat_id": "x", "text": "a"}, "chat not found"),
        ("sendMessage", {"chat_id": 1, "text": "a", "entities": "["}, "can't parse entities JSON object"),
        (
            "sendMessage",
            {"chat_id": 1, "text": "a", "reply_parameters": "{}"},
            "message identifier is not specified",
        ),
        ("sendPhoto", {"chat_id": 1}, "there is no photo in the request"),
        ("sendLocation", {"chat_id": 1, "latitude": "north"}, "invalid latitude specified"),
        ("sendLocation", {"chat_id": 1, "latitude": 1}, "latitude and longitude must be specified"),
        ("sendContact", {"chat_id": 1, "phone_number": "1"}, "first name is empty"),
        ("sendChatAction", {"chat_id": 1, "action": "sing"}, "wrong parameter action in request"),
        ("sendInvoice", {"chat_id": 1, "title": "a"}, "description is empty"),
        (
            "forwardMessage",
            {"chat_id": 1, "from_chat_id": 1, "message_id": 9},
            "message to forward not found",
        ),
        ("copyMessage", {"chat_id": 1, "from_chat_id": 1, "message_id": 9}, "message to copy not found"),
        ("editMessageText", {"chat_id": 1, "text": "a"}, "message identifier is not specified"),
        ("editMessageText", {"inline_message_id": "x", "text": "a"}, "MESSAGE_ID_INVALID"),
        ("deleteMessages", {"chat_id": 1, "message_ids": "[]"}, "message identifiers are not specified"),
        ("getFile", {"file_id": "x"}, "wrong file_id or the file is temporarily unavailable"),
        ("getChatMember", {"chat_id": 1, "user_id": 99}, "invalid user_id specified"),
        ("setWebhook", {"url": "http://a.io"}, "bad webhook: An HTTPS URL must be provided for webhook"),
        ("setMyCommands", {"commands": '[{"command": "Go", "description": "a"}]'}, "BOT_COMMAND_INVALID"),
        ("setMyCommands", {"commands": '[{"command": "go"}]'}, "BOT_COMMAND_DESCRIPTION_INVALID"),
    ],
)
@pytest.mark.filterwarnings("ignore:Please use 'Bot")
async def test_requests_are_refused_in_telegrams_words(bot, method, params, problem):
    with pytest.raises(BadRequest) as caught:
        await bot.do_api_request(method, params)
    assert caught.value.message.lower() == problem.lower()


async def test_an_invoice_is_sent_and_its_checkout_answered(offline, bot):
    message = await bot.send_invoice(
        1, "T", "D", "payload", "XTR", [LabeledPrice("a", 3), LabeledPrice("b", 4)]
    )
    assert message.invoice.total_amount == 7
    query = {
        "id": "p",
        "from": offline.add_user(1),
        "currency": "XTR",
        "total_amount": 7,
        "invoice_payload": "x",
    }
    offline.update(pre_checkout_query=query)
    assert await bot.answer_pre_checkout_query("p", True)
    with pytest.raises(BadRequest, match="Query is too old"):
        await bot.answer_pre_checkout_query("other", True)


async def test_inline_results_are_counted_and_told_apart(offline, bot):
    offline.update(inline_query={"id": "q", "from": offline.add_user(1), "query": "", "offset": ""})
    for ids, problem in [
        (range(51), "Results_too_much"),
        ("aa", "Result_id_duplicate"),
        (["🙂" * 17], "Result_id"),
    ]:
        results = [InlineQueryResultArticle(str(name), "t", InputTextMessageContent("x")) for name in ids]
        with pytest.raises(BadRequest, match=problem):
            await bot.answer_inline_query("q", results)


async def test_a_note_on_a_press_has_its_length(offline, bot):
    query = offline.press_data("x")["callback_query"]["id"]
    with pytest.raises(BadRequest, match="Message_too_long"):
        await bot.answer_callback_query(query, "a" * 201)
    assert offline.answered[query] == []


async def test_posts_and_business_messages_show_who_wrote_them(offline, bot):
    offline.add_chat(-9, type="channel", title="News")
    post = await bot.send_message(-9, "a")
    assert (post.from_user, post.sender_chat.title) == (None, "News")
    assert "channel_post" in offline.say("b", chat=-9)
    offline.say("c", business="bc")
    assert (await bot.send_message(1, "d", business_connection_id="bc")).sender_business_bot.id == bot.id


async def test_replies_and_copies_may_do_without_their_message(offline, bot):
    lenient = {"message_id": 99, "allow_sending_without_reply": True}
    assert (await bot.send_message(1, "a", reply_parameters=lenient)).reply_to_message is None
    source = offline.send("photo", caption="old")["message"]["message_id"]
    copied = await bot.copy_message(1, 1, source, caption="new")
    assert offline.messages(1)[-1]["caption"] == "new"
    assert (await bot.edit_message_caption(1, copied.message_id, caption="newer")).caption == "newer"
    secret = await bot.send_message(1, "s", protect_content=True)
    with pytest.raises(BadRequest, match="can't be forwarded"):
        await secret.forward(1)


def test_what_users_send_needs_a_kind_or_fields(offline):
    assert offline.send("poll", id="1")["message"]["poll"] == {"id": "1"}
    with pytest.raises(LookupError, match="no defaults for 'poll'"):
        offline.send("poll")
