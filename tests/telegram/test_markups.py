"""Buttons and keys that do something else, as they reach Telegram."""

import pytest

from fsmkit import Button, Flow, Keyboard, KeyboardButton, Reply
from fsmkit.telegram import button, command, contact, location, raw_button

PRIVATE = {"allow_user_chats": True, "allow_bot_chats": True, "allow_group_chats": True}


async def markup(bench, **options):
    """The markup of a message with such options."""
    flow = Flow("f")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ctx.reply(Reply("?", **options)))
    await bench.start(flow)
    await bench.say("/start")
    return bench.offline.calls_of("sendMessage")[-1].params["reply_markup"]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"url": "https://example.org"}, {"url": "https://example.org"}),
        ({"web_app": "https://example.org"}, {"web_app": {"url": "https://example.org"}}),
        ({"login_url": "https://a.org"}, {"login_url": {"url": "https://a.org"}}),
        (
            {"login_url": {"url": "https://a.org", "request_write_access": True}},
            {"login_url": {"url": "https://a.org", "request_write_access": True}},
        ),
        ({"switch_inline_query": ""}, {"switch_inline_query": ""}),
        ({"switch_inline_query": "cats"}, {"switch_inline_query": "cats"}),
        ({"switch_inline_query_current_chat": ""}, {"switch_inline_query_current_chat": ""}),
        (
            {"switch_inline_query_chosen_chat": "cats"},
            {"switch_inline_query_chosen_chat": {"query": "cats", "allow_channel_chats": True, **PRIVATE}},
        ),
        (
            {"switch_inline_query_chosen_chat": {"query": "cats", "allow_group_chats": True}},
            {"switch_inline_query_chosen_chat": {"query": "cats", "allow_group_chats": True}},
        ),
        ({"copy_text": "code"}, {"copy_text": {"text": "code"}}),
        ({"callback_game": True}, {"callback_game": {}}),
        ({"pay": True}, {"pay": True}),
        ({"callback_data": "old:1"}, {"callback_data": "old:1"}),
        (
            {"url": "https://a.org", "style": "danger", "icon": "5"},
            {"url": "https://a.org", "style": "danger", "icon_custom_emoji_id": "5"},
        ),
    ],
    ids=str,
)
async def test_an_action_reaches_telegram_in_its_own_form(bench, options, sent):
    shown = await markup(bench, buttons=[[Button("Text", **options)]])
    assert shown == {"inline_keyboard": [[{"text": "Text", **sent}]]}


async def test_a_button_with_data_of_ones_own_comes_to_raw_button(bench):
    flow, pressed = Flow("f"), []
    flow.defstate(None, on=command("start"))(
        lambda event, ctx: ctx.reply("?", buttons=[Button("Old", callback_data="old:1")])
    )
    flow.defstate(None, on=button())(lambda event, ctx: pressed.append("no"))
    flow.defstate(None, on=raw_button(r"old:\d"))(lambda event, ctx: pressed.append(event.value))
    await bench.start(flow)
    await bench.say("/start")
    assert (await bench.press("Old"), pressed) == ([""], ["old:1"])


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"request_contact": True}, {"request_contact": True}),
        ({"request_location": True}, {"request_location": True}),
        ({"request_users": 3}, {"request_users": {"request_id": 2, "max_quantity": 3}}),
        (
            {"request_users": {"request_id": 9, "user_is_bot": False}},
            {"request_users": {"request_id": 9, "user_is_bot": False}},
        ),
        ({"request_chat": "channel"}, {"request_chat": {"request_id": 2, "chat_is_channel": True}}),
        ({"request_chat": "group"}, {"request_chat": {"request_id": 2, "chat_is_channel": False}}),
        (
            {"request_chat": {"chat_is_channel": False, "bot_is_member": True}},
            {"request_chat": {"request_id": 2, "chat_is_channel": False, "bot_is_member": True}},
        ),
        ({"request_poll": "quiz"}, {"request_poll": {"type": "quiz"}}),
        ({"request_poll": "any"}, {"request_poll": {}}),
        ({"web_app": "https://a.org"}, {"web_app": {"url": "https://a.org"}}),
        ({}, {}),
    ],
    ids=str,
)
async def test_a_request_reaches_telegram_in_its_own_form(bench, options, sent):
    shown = await markup(bench, keyboard=[["first", KeyboardButton("Text", **options)]])
    assert shown["keyboard"] == [[{"text": "first"}, {"text": "Text", **sent}]]


async def test_the_options_of_a_keyboard_reach_telegram(bench):
    keyboard = Keyboard(
        ["A"], one_time=True, placeholder="Which?", selective=True, persistent=True, resize=False
    )
    assert await markup(bench, keyboard=keyboard) == {
        "keyboard": [[{"text": "A"}]],
        "one_time_keyboard": True,
        "input_field_placeholder": "Which?",
        "selective": True,
        "is_persistent": True,
    }


async def test_what_was_requested_comes_as_an_event(bench):
    flow, got = Flow("f"), []
    flow.state("on", prompt=Reply("Who, where?", keyboard=[KeyboardButton("Me", request_contact=True)]))
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on", on=contact() | location())(lambda event, ctx: got.append(event.kind))
    await bench.start(flow)
    await bench.say("/start")
    for kind in ("contact", "location"):
        bench.offline.send(kind)
        await bench.feed()
    assert got == ["contact", "location"]
