"""PTB's markup from ours: inline keyboards with their callback data, and reply keyboards."""

from itertools import count
from typing import Any

from telegram import (
    CallbackGame,
    CopyTextButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    KeyboardButtonPollType,
    KeyboardButtonRequestChat,
    KeyboardButtonRequestUsers,
    LoginUrl,
    ReplyKeyboardMarkup,
    ReplyKeyboardRemove,
    SwitchInlineQueryChosenChat,
    WebAppInfo,
)
from telegram import KeyboardButton as TelegramKey

from fsmkit.effects import Bound, Reply
from fsmkit.markup import Button, Keyboard, KeyboardButton
from fsmkit.telegram.buttons import ButtonCodec

ANY_CHAT = {
    "allow_user_chats": True,
    "allow_bot_chats": True,
    "allow_group_chats": True,
    "allow_channel_chats": True,
}


def inline_markup(reply: Reply, bound: Bound, codec: ButtonCodec) -> InlineKeyboardMarkup | None:
    """The inline keyboard under a message."""
    if not reply.buttons:
        return None
    return InlineKeyboardMarkup([[_inline(button, bound, codec) for button in row] for row in reply.buttons])


def any_markup(reply: Reply, bound: Bound, codec: ButtonCodec) -> Any:
    """What a new message shows or takes away below it; of both kinds of keyboards the inline one."""
    inline = inline_markup(reply, bound, codec)
    if inline is not None:
        return inline
    if reply.keyboard:
        return _reply_keyboard(reply.keyboard)
    return ReplyKeyboardRemove() if reply.remove_keyboard else None


def _inline(button: Button, bound: Bound, codec: ButtonCodec) -> InlineKeyboardButton:
    action = button.action
    if action is None:
        does: dict[str, Any] = {"callback_data": codec.encode(button, bound)}
    else:
        does = {action[0]: _argument(*action)}
    # By `api_kwargs`: the oldest PTB that we take does not know them yet.
    looks = {"style": button.style, "icon_custom_emoji_id": button.icon}
    looks = {name: look for name, look in looks.items() if look is not None}
    return InlineKeyboardButton(button.text, **does, api_kwargs=looks or None)


def _argument(action: str, given: Any) -> Any:
    """What PTB takes for an action."""
    if action == "web_app":
        return WebAppInfo(given)
    if action == "login_url":
        return LoginUrl(**given) if isinstance(given, dict) else LoginUrl(given)
    if action == "switch_inline_query_chosen_chat":
        chosen: dict[str, Any] = given if isinstance(given, dict) else {"query": given, **ANY_CHAT}
        return SwitchInlineQueryChosenChat(**chosen)
    if action == "copy_text":
        return CopyTextButton(given)
    return CallbackGame() if action == "callback_game" else given


def _reply_keyboard(keyboard: Any) -> ReplyKeyboardMarkup:
    board = keyboard if isinstance(keyboard, Keyboard) else Keyboard(keyboard)
    numbers = count(1)  # requests are told apart by a number that is theirs within the message
    return ReplyKeyboardMarkup(
        [[_key(key, next(numbers)) for key in row] for row in board.keys],
        resize_keyboard=board.resize or None,
        one_time_keyboard=board.one_time or None,
        selective=board.selective or None,
        input_field_placeholder=board.placeholder,
        is_persistent=board.persistent or None,
    )


def _key(key: str | KeyboardButton, number: int) -> str | TelegramKey:
    if isinstance(key, str):
        return key
    request = key.request
    if request is None:
        return key.text
    return TelegramKey(key.text, **{request[0]: _request(*request, number)})


def _request(name: str, given: Any, number: int) -> Any:
    """What PTB takes for a request."""
    if name == "web_app":
        return WebAppInfo(given)
    if name == "request_poll":
        return KeyboardButtonPollType(None if given == "any" else given)
    fields: dict[str, Any] = {"request_id": number}
    if name == "request_users":
        fields |= given if isinstance(given, dict) else {"max_quantity": given}
        return KeyboardButtonRequestUsers(**fields)
    if name == "request_chat":
        fields |= given if isinstance(given, dict) else {"chat_is_channel": given == "channel"}
        return KeyboardButtonRequestChat(**fields)
    return given
