"""Methods that put a message into a chat."""

import re
from typing import Any

from fsmkit.testing.botapi.chats import find_chat, thread_of, writable_chat
from fsmkit.testing.botapi.errors import bad_request
from fsmkit.testing.botapi.formatting import formatted_caption, formatted_text
from fsmkit.testing.botapi.keyboards import inline_keyboard
from fsmkit.testing.botapi.media import media_fields
from fsmkit.testing.botapi.params import Params
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import Chat, World

ACTIONS = re.compile(
    r"typing|choose_sticker|find_location|(?:upload|record)_(?:photo|video|voice|audio|document|video_note)"
)
OWN_FIELDS = frozenset(
    [
        "message_id",
        "date",
        "chat",
        "from",
        "message_thread_id",
        "is_topic_message",
        "reply_markup",
        "reply_to_message",
        "edit_date",
        "business_connection_id",
        "sender_business_bot",
        "sender_chat",
        "via_bot",
        "author_signature",
    ]
)
"""What a copy of a message does not take over from it."""


def send_message(world: World, params: Params) -> Json:
    """`sendMessage`."""
    content = formatted_text(params)
    if (preview := params.get("link_preview_options")) is not None:
        content["link_preview_options"] = preview
    return place(world, params, content)


def send_media(world: World, params: Params, kind: str) -> Json:
    """`sendPhoto`, `sendDocument` and the others that carry a file."""
    caption = {} if kind in {"sticker", "video_note"} else formatted_caption(params)
    chat = writable_chat(world, params)
    content = media_fields(world, kind, params)
    extra = params.pick(name for name in ("show_caption_above_media",) if params.get(name))
    spoiler = {"has_media_spoiler": True} if params.get("has_spoiler") else {}
    return place(world, params, {**content, **caption, **extra, **spoiler}, chat)


def send_location(world: World, params: Params) -> Json:
    """`sendLocation`."""
    point = params.pick(
        ("latitude", "longitude", "horizontal_accuracy", "live_period", "heading", "proximity_alert_radius")
    )
    if not {"latitude", "longitude"} <= point.keys():
        raise bad_request("latitude and longitude must be specified")
    return place(world, params, {"location": point})


def send_contact(world: World, params: Params) -> Json:
    """`sendContact`."""
    person = params.pick(("phone_number", "first_name", "last_name", "vcard"))
    for field in ("phone_number", "first_name"):
        if field not in person:
            raise bad_request(f"{field.replace('_', ' ')} is empty")
    return place(world, params, {"contact": person})


def send_invoice(world: World, params: Params) -> Json:
    """`sendInvoice`."""
    for field in ("title", "description", "payload", "currency"):
        if params.get(field) is None:
            raise bad_request(f"{field} is empty")
    prices: Any = params.get("prices")
    if not isinstance(prices, list) or not prices:
        raise bad_request("there are no prices specified")
    invoice = {
        "title": params.text("title"),
        "description": params.text("description"),
        "start_parameter": params.text("start_parameter"),
        "currency": params.text("currency"),
        "total_amount": sum(int(price["amount"]) for price in prices),
    }
    return place(world, params, {"invoice": invoice})


def send_poll(world: World, params: Params) -> Json:
    """`sendPoll`."""
    options: Any = params.get("options")
    if not isinstance(options, list) or not 1 <= len(options) <= 12:
        raise bad_request("poll must have from 1 to 12 options")
    texts = [option["text"] if isinstance(option, dict) else str(option) for option in options]
    anonymous = params.get("is_anonymous")
    poll = {
        "id": str(world.number()),
        "question": params.text("question"),
        "options": [
            {"text": text, "voter_count": 0, "persistent_id": str(number)}
            for number, text in enumerate(texts)
        ],
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": True if anonymous is None else anonymous,
        "type": params.text("type") or "regular",
        "allows_multiple_answers": bool(params.get("allows_multiple_answers")),
        "allows_revoting": True,
        "members_only": False,
    }
    return place(world, params, {"poll": poll})


def send_chat_action(world: World, params: Params) -> bool:
    """`sendChatAction`."""
    writable_chat(world, params)
    if not ACTIONS.fullmatch(params.text("action")):
        raise bad_request("wrong parameter action in request")
    return True


def forward_message(world: World, params: Params) -> Json:
    """`forwardMessage`."""
    source = _source(world, params, "forwarded")
    origin: Json = {"type": "user", "date": source["date"], "sender_user": source.get("from", world.bot)}
    content = {name: value for name, value in source.items() if name not in OWN_FIELDS}
    return place(world, params, {**content, "forward_origin": source.get("forward_origin", origin)})


def copy_message(world: World, params: Params) -> Json:
    """`copyMessage`: a message without its origin, with another caption if one is given."""
    source = _source(world, params, "copied")
    content = {name: value for name, value in source.items() if name not in OWN_FIELDS | {"forward_origin"}}
    if params.values.get("caption") is not None and "text" not in content:
        content = {
            name: value for name, value in content.items() if name not in {"caption", "caption_entities"}
        }
        content |= formatted_caption(params)
    return {"message_id": place(world, params, content)["message_id"]}


def place(world: World, params: Params, content: Json, chat: Chat | None = None) -> Json:
    """Puts the bot's message into the chat, once everything about it is known to be right.

    Raises:
        ApiError: If the chat, the topic, the message replied to or the keyboard is not; nothing was sent.
    """
    chat = chat or writable_chat(world, params)
    frame = {
        **thread_of(chat, params),
        **_reply(chat, params),
        **_keyboard(params),
        **_business(world, params),
    }
    sender: Json = {"sender_chat": chat.info} if chat.info["type"] == "channel" else {"from": world.bot}
    message: Json = {
        "message_id": chat.next_id(),
        **sender,
        "chat": chat.info,
        "date": world.date(),
        **frame,
        **content,
    }
    if params.get("protect_content"):
        message["has_protected_content"] = True
    chat.messages[message["message_id"]] = message
    chat.own.add(message["message_id"])
    return message


def _keyboard(params: Params) -> Json:
    keyboard = inline_keyboard(params)
    return {"reply_markup": keyboard} if keyboard else {}


def _business(world: World, params: Params) -> Json:
    connection = params.get("business_connection_id")
    if connection is None:
        return {}
    return {"business_connection_id": connection, "sender_business_bot": world.bot}


def _reply(chat: Chat, params: Params) -> Json:
    wanted: Any = params.get("reply_parameters")
    if wanted is None:
        return {}
    if not isinstance(wanted, dict) or "message_id" not in wanted:
        raise bad_request("message identifier is not specified")
    # A reply to a message of another chat is shown without it; only replies in this chat are looked up.
    if wanted.get("chat_id", chat.info["id"]) != chat.info["id"]:
        return {}
    found = chat.messages.get(int(wanted["message_id"]))
    if found is None:
        if wanted.get("allow_sending_without_reply"):
            return {}
        raise bad_request("message to be replied not found")
    return {"reply_to_message": {name: value for name, value in found.items() if name != "reply_to_message"}}


def _source(world: World, params: Params, verb: str) -> Json:
    chat = find_chat(world, params, "from_chat_id")
    found = chat.messages.get(params.integer("message_id"))
    if found is None:
        raise bad_request(f"message to {'forward' if verb == 'forwarded' else 'copy'} not found")
    if found.get("has_protected_content"):
        raise bad_request(f"message can't be {verb}")
    return found
