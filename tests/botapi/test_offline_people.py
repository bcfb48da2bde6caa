"""What people do, and what reaches the bot of it: as their apps and Telegram do it."""

import pytest
from bot_requests import refusal
from telegram import (
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButton,
    LabeledPrice,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    Update,
    WebAppInfo,
)
from telegram.ext import Defaults

from fsmkit.botapi import OfflineTelegram

GROUP = -5


def keyboard(*data):
    return InlineKeyboardMarkup([[InlineKeyboardButton(f"Button {one}", callback_data=one) for one in data]])


@pytest.fixture
def offline(clock):
    offline = OfflineTelegram(clock=clock)
    offline.add_user(1)
    offline.add_chat(GROUP)
    return offline


def texts(updates):
    return [update["message"]["text"] for update in updates]


# --- what is typed ---


def test_white_space_around_a_text_is_not_sent(offline):
    message = offline.say("  /start \n")["message"]
    assert (message["text"], message["entities"][0]["offset"]) == ("/start", 0)
    assert offline.edit(message["message_id"], " a ")["edited_message"]["text"] == "a"
    assert offline.send("photo", caption=" b ")["message"]["caption"] == "b"
    assert "caption" not in offline.send("photo", caption=" ")["message"]


@pytest.mark.parametrize("text", ["", "  \n", "\r"])
def test_a_text_in_which_nothing_is_cannot_be_sent(offline, text):
    with pytest.raises(ValueError, match="there is nothing in it"):
        offline.say(text)
    assert offline.take_updates() == []


def test_a_long_text_becomes_several_messages(offline):
    first = offline.say("a" * 4096 + "b" * 10)
    assert texts([first]) == ["a" * 4096]
    assert texts(offline.take_updates()) == ["a" * 4096, "b" * 10]
    offline.say("x" + "🙂" * 2048)
    assert texts(offline.take_updates()) == ["x" + "🙂" * 2047, "🙂"]


# --- presses ---


async def test_of_an_old_message_telegram_tells_chat_and_id_only(offline, bot):
    sent = await bot.send_message(1, "a", reply_markup=keyboard("x"))
    bare = {"chat": sent.chat.to_dict(), "message_id": sent.message_id, "date": 0}
    for press in (offline.press("x", old=True), offline.press_data("x", old=True)):
        assert press["callback_query"]["message"] == bare
        assert not Update.de_json(press, bot).callback_query.message.is_accessible
    assert offline.press("x")["callback_query"]["message"]["text"] == "a"


async def test_a_button_under_a_message_of_inline_mode_is_pressed_by_its_text(offline, bot):
    offline.press_data("first", inline_message_id="i")
    await bot.edit_message_text("new", inline_message_id="i", reply_markup=keyboard("x"))
    press = offline.press("Button x", inline_message_id="i")["callback_query"]
    assert (press["data"], press["inline_message_id"], "message" in press) == ("x", "i", False)
    with pytest.raises(LookupError, match=r"no button 'y' under message i, only \['Button x'\]"):
        offline.press("y", inline_message_id="i")


async def test_a_button_whose_text_is_a_blank_is_a_button(offline, bot):
    blank = InlineKeyboardMarkup([[InlineKeyboardButton(" ", callback_data="empty")]])
    await bot.send_message(1, "May", reply_markup=blank)
    assert offline.press(" ")["callback_query"]["data"] == "empty"


# --- live locations ---


def test_a_live_location_moves_and_ends(offline):
    number = offline.send("location", latitude=1.0, live_period=600)["message"]["message_id"]
    moved = offline.move(number, 1.5, 2.5)["edited_message"]
    assert moved["location"] == {"latitude": 1.5, "longitude": 2.5, "live_period": 600}
    last = offline.move(number, 2.0, 3.0, last=True)["edited_message"]
    assert last["location"] == {"latitude": 2.0, "longitude": 3.0}
    with pytest.raises(LookupError, match="is not a live location"):
        offline.move(number, 1.0, 1.0)


# --- payments ---


async def invoice(bot, chat, payload="tea", **more):
    return await bot.send_invoice(chat, "Tea", "Green", payload, "XTR", [LabeledPrice("Tea", 5)], **more)


async def test_a_payment_comes_in_the_chat_of_its_invoice(offline, bot):
    offline.say("x", chat=GROUP, thread=3, user=7)
    await invoice(bot, 1)
    await invoice(bot, GROUP, message_thread_id=3)
    await invoice(bot, GROUP, "coffee")
    offline.take_updates()
    query = offline.checkout("tea", user=7)["pre_checkout_query"]
    assert (query["total_amount"], query["currency"]) == (5, "XTR")
    await bot.answer_pre_checkout_query(query["id"], ok=True)
    message = offline.take_updates()[-1]["message"]
    assert (message["chat"]["id"], message["from"]["id"], message["message_thread_id"]) == (GROUP, 7, 3)
    assert message["successful_payment"]["invoice_payload"] == "tea"


async def test_an_invoice_of_somebody_elses_private_chat_cannot_be_paid(offline, bot):
    await invoice(bot, 1)
    query = offline.checkout("tea", user=7)["pre_checkout_query"]
    assert query["total_amount"] == 100
    await bot.answer_pre_checkout_query(query["id"], ok=True)
    assert offline.take_updates()[-1]["message"]["chat"]["id"] == 7


async def test_what_an_invoice_link_sells_is_paid_in_private(offline, bot):
    link = await bot.create_invoice_link("Tea", "Green", "tea", "XTR", [LabeledPrice("Tea", 5)])
    assert link.startswith("https://t.me/$")
    query = offline.checkout("tea")["pre_checkout_query"]
    assert query["total_amount"] == 5


async def test_stars_are_refunded_once(offline, bot):
    await invoice(bot, GROUP)
    query = offline.checkout("tea", user=7)["pre_checkout_query"]
    await bot.answer_pre_checkout_query(query["id"], ok=True)
    charge = offline.take_updates()[-1]["message"]["successful_payment"]["telegram_payment_charge_id"]
    assert await refusal(bot.refund_star_payment(1, charge)) == "Charge_not_found"
    await bot.refund_star_payment(7, charge)
    message = offline.take_updates()[-1]["message"]
    assert (message["chat"]["id"], message["refunded_payment"]["invoice_payload"]) == (GROUP, "tea")
    assert await refusal(bot.refund_star_payment(7, charge)) == "Charge_already_refunded"


# --- privacy mode ---


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("hello", False),
        ("/start", True),
        ("/start@offline_bot", True),
        ("/start@other_bot", False),
        ("Hi @Offline_Bot!", True),
        ("mail me@offline_bot.org", False),
    ],
)
def test_in_privacy_mode_a_bot_sees_what_is_meant_for_it(text, seen):
    offline = OfflineTelegram(privacy=True)
    offline.add_chat(GROUP)
    offline.say(text, chat=GROUP)
    assert len(offline.take_updates()) == seen
    assert len(offline.messages(GROUP)) == 1
    offline.add_chat(GROUP, bot_status="administrator")
    offline.say(text, chat=GROUP)
    offline.say(text)
    assert len(offline.take_updates()) == 2


async def test_in_privacy_mode_replies_to_the_bot_and_service_messages_are_seen():
    offline = OfflineTelegram(privacy=True)
    offline.add_chat(GROUP)
    async with offline.builder().build() as app:
        own = (await app.bot.send_message(GROUP, "Name?")).message_id
        assert not (await app.bot.get_me()).can_read_all_group_messages
    other = offline.say("a", chat=GROUP)["message"]["message_id"]
    offline.say("b", chat=GROUP, reply_to_message=other)
    assert offline.take_updates() == []
    offline.say("Ann", chat=GROUP, reply_to_message=own)
    offline.send("new_chat_title", chat=GROUP, title="x")
    assert len(offline.take_updates()) == 2


# --- business accounts ---


async def test_messages_for_a_business_account_are_from_its_owner(offline, bot):
    offline.connect("bc", user=99)
    offline.say("Hello", user=7, business="bc")
    offline.take_updates()
    sent = await bot.send_message(7, "Hi", business_connection_id="bc")
    assert (sent.from_user.id, sent.sender_business_bot.id) == (99, bot.id)
    assert offline.take_updates() == []
    assert (await bot.get_business_connection("bc")).user.id == 99
    assert await bot.read_business_message("bc", 7, 1)
    offline.connect("bc", user=99, enabled=False)
    said = await refusal(bot.send_message(7, "Hi", business_connection_id="bc"))
    assert said == "Business connection not found"


async def test_a_bot_may_be_told_of_what_it_does_in_business_chats():
    offline = OfflineTelegram(business_echoes=True)
    offline.connect("bc", user=99)
    offline.say("Hello", user=7, business="bc")
    offline.take_updates()
    async with offline.builder().build() as app:
        sent = await app.bot.send_message(7, "Hi", business_connection_id="bc")
        await app.bot.edit_message_text("Hi!", 7, sent.message_id, business_connection_id="bc")
    new, edited = offline.take_updates()
    assert new["business_message"]["sender_business_bot"]["id"] == 42
    assert (edited["edited_business_message"]["text"], edited["edited_business_message"]["from"]["id"]) == (
        "Hi!",
        99,
    )


# --- any bot ---


@pytest.mark.parametrize(("token", "number"), [("7:abc", 7), ("TOKEN", 42), ("x:y", 42)])
async def test_any_token_is_one(token, number):
    async with OfflineTelegram(token).builder().build() as app:
        assert (app.bot.id, app.bot.token) == (number, token)


async def test_a_builder_takes_settings_of_the_network_and_stays_offline(offline):
    builder = offline.builder().token("1:OTHER").base_url("https://example.org/x/bot")
    builder = builder.connect_timeout(5).get_updates_connection_pool_size(2).proxy("http://127.0.0.1:9")
    async with builder.defaults(Defaults(parse_mode="HTML")).build() as app:
        assert (await app.bot.send_message(1, "<b>a</b>")).entities[0].type == "bold"
    assert offline.texts(1) == ["a"]


async def test_a_builder_whose_request_was_set_stays_offline(offline):
    elsewhere = OfflineTelegram()
    async with offline.builder().request(elsewhere.request()).build() as app:
        await app.bot.send_message(1, "a")
    assert (offline.texts(1), elsewhere.calls) == (["a"], [])


# --- refusals ---


@pytest.mark.parametrize(
    ("button", "problem"),
    [
        (KeyboardButton("a", request_contact=True), "Phone number can be requested in private chats only"),
        (KeyboardButton("a", request_location=True), "Location can be requested in private chats only"),
        (
            KeyboardButton("a", web_app=WebAppInfo("https://a.io")),
            "Web app buttons can be used in private chats only",
        ),
    ],
)
async def test_keys_that_ask_people_for_something_are_for_private_chats(offline, bot, button, problem):
    markup = ReplyKeyboardMarkup([[button]])
    assert await bot.send_message(1, "a", reply_markup=markup)
    assert await refusal(bot.send_message(GROUP, "a", reply_markup=markup)) == problem
    assert offline.texts(GROUP) == []


async def test_web_apps_open_from_inline_keyboards_in_private_chats_only(bot):
    app = InlineKeyboardMarkup([[InlineKeyboardButton("a", web_app=WebAppInfo("https://a.io"))]])
    assert await bot.send_message(1, "a", reply_markup=app)
    assert await refusal(bot.send_message(GROUP, "a", reply_markup=app)) == "Button_type_invalid"


@pytest.mark.parametrize("markup", [ReplyKeyboardMarkup([["a"]]), ReplyKeyboardRemove()])
async def test_a_message_with_a_reply_keyboard_cannot_be_edited(bot, markup):
    sent = await bot.send_message(1, "a", reply_markup=markup)
    assert await refusal(sent.edit_text("b")) == "Message can't be edited"
    assert await sent.delete()
