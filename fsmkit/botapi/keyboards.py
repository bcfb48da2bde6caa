"""Keyboards: their shapes and limits, as the server checks them.

https://core.telegram.org/bots/api#inlinekeyboardbutton, https://core.telegram.org/bots/api#replykeyboardmarkup
"""

import re
from collections.abc import Callable
from typing import Any

from fsmkit.botapi.errors import ApiError, Json, bad_request
from fsmkit.botapi.params import Params

MAX_DATA = 64
"""Bytes of callback data."""

MAX_BUTTONS = 100


ACTIONS = frozenset(
    [
        "callback_data",
        "url",
        "web_app",
        "login_url",
        "switch_inline_query",
        "switch_inline_query_current_chat",
        "switch_inline_query_chosen_chat",
        "copy_text",
        "callback_game",
        "pay",
    ]
)


OTHER_MARKUPS = ("keyboard", "remove_keyboard", "force_reply")


def inline_keyboard(params: Params) -> Json | None:
    """Return the inline keyboard that the message will show, `None` for none or another kind of markup.

    Raises:
        ApiError: If the markup is not one.
    """
    markup: Any = params.get("reply_markup")
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in markup:
        return _inline(markup["inline_keyboard"])
    if "keyboard" in markup:
        _rows(markup["keyboard"], "keyboard", "ReplyKeyboardMarkup", _check_reply_button)
    # An object without any of the known fields is taken for no markup at all.
    return None


def inline_keyboard_only(params: Params) -> Json | None:
    """Return what `inline_keyboard` does, where no other markup is allowed (edits, inline messages)."""
    markup: Any = params.get("reply_markup")
    if isinstance(markup, dict) and any(kind in markup for kind in OTHER_MARKUPS):
        raise bad_request("inline keyboard expected")
    return inline_keyboard(params)


REQUESTS = {
    "request_contact": "phone number can be requested in private chats only",
    "request_location": "location can be requested in private chats only",
    "request_poll": "poll can be requested in private chats only",
    "request_users": "users can be requested in private chats only",
    "request_chat": "chats can be requested in private chats only",
    "web_app": "Web App buttons can be used in private chats only",
}
"""What keys of a reply keyboard ask a person for, and how a group's refusal says it."""


def refuse_requests(params: Params) -> None:
    """Refuse a keyboard that asks people for something, which Telegram allows in private chats only.

    Raises:
        ApiError: If there is such a key, or an inline button that opens a web app.
    """
    markup: Any = params.get("reply_markup") or {}
    for row in markup.get("keyboard", []):
        for button in row:
            for request, problem in REQUESTS.items():
                if isinstance(button, dict) and button.get(request):
                    raise bad_request(problem)
    if any(button.get("web_app") for row in markup.get("inline_keyboard", []) for button in row):
        raise bad_request("BUTTON_TYPE_INVALID")


def buttons_of(message: Json) -> list[Json]:
    """Return the inline buttons under a message, row by row."""
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    return [button for row in rows for button in row]


def _inline(rows: Any) -> Json | None:
    kept = _rows(rows, "inline_keyboard", "InlineKeyboardMarkup", _check_inline_button)
    if sum(map(len, kept)) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return {"inline_keyboard": kept} if kept else None


def _rows(rows: Any, field: str, markup: str, check: Callable[[Any], None]) -> list[list[Any]]:
    """Return the rows that have buttons; empty ones are left out, as the server does."""
    if not isinstance(rows, list):
        raise bad_request(f'field "{field}" of the {markup} must be of type Array')
    for row in rows:
        if not isinstance(row, list):
            raise bad_request(f'field "{field}" of the {markup} must be an Array of Arrays')
        for button in row:
            check(button)
    return [row for row in rows if row]


def _check_reply_button(button: Any) -> None:
    if isinstance(button, str):
        text: Any = button
    elif isinstance(button, dict):
        text = button.get("text")
    else:
        raise bad_request("can't parse keyboard button: KeyboardButton must be an Object")
    if not isinstance(text, str):
        raise bad_request("can't parse keyboard button: Can't find field \"text\"")
    if not text:
        raise bad_request("keyboard button text must be non-empty")


def _check_inline_button(button: Any) -> None:
    if not isinstance(button, dict):
        raise _unparsable("InlineKeyboardButton must be an Object")
    if "text" not in button:
        raise _unparsable('Can\'t find field "text"')
    if not isinstance(button["text"], str):
        raise _unparsable('Field "text" must be of type String')
    # A blank is a text: calendars fill their empty days with it.
    if not button["text"]:
        raise bad_request("inline keyboard button text must be non-empty")
    # An empty value counts as none, and a button that does nothing is a "text button": the live server
    # answers an empty callback_data so, not with BUTTON_DATA_INVALID (HilelLustiger/max#32). The two
    # switch_inline_query fields may be empty, and callback_game is an empty object.
    if not any(button.get(action) or (action in button and _may_be_empty(action)) for action in ACTIONS):
        raise _unparsable("Text buttons are unallowed in the inline keyboard")
    _check_data(button.get("callback_data"))
    _check_url(button.get("url"))


def _check_data(data: Any) -> None:
    if data and not isinstance(data, str):
        raise _unparsable('Field "callback_data" must be of type String')
    if data and len(data.encode()) > MAX_DATA:
        raise bad_request("BUTTON_DATA_INVALID")


def _check_url(url: Any) -> None:
    if not url:
        return
    if not isinstance(url, str):
        raise _unparsable('Field "url" must be of type String')
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*)://", url)
    if scheme and scheme[1].lower() not in {"http", "https", "tg", "ton", "tonsite"}:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Unsupported URL protocol")
    if (not scheme or scheme[1].lower().startswith("http")) and not _has_host(url):
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")


def _has_host(url: str) -> bool:
    return re.match(r"(?:https?://)?[^\s/?#]*[^\s/?#.]\.[^\s/?#.]", url, re.IGNORECASE) is not None


def _may_be_empty(action: str) -> bool:
    return action.startswith("switch_inline_query") or action == "callback_game"


def _unparsable(problem: str) -> ApiError:
    return bad_request(f"can't parse inline keyboard button: {problem}")
