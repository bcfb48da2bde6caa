"""Methods that put a message into a chat."""

import re
from typing import Any

from fsmkit.botapi.chats import find_chat, thread_of, writable_chat
from fsmkit.botapi.errors import Json, bad_request
from fsmkit.botapi.formatting import formatted_caption, formatted_text
from fsmkit.botapi.keyboards import inline_keyboard, inline_keyboard_only
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import ChatRecord, StoredFile, World

DEFAULTS: dict[str, Json] = {
    "photo": {"width": 800, "height": 600},
    "document": {"file_name": "document.txt", "mime_type": "text/plain"},
    "video": {"width": 640, "height": 360, "duration": 5, "mime_type": "video/mp4"},
    "animation": {"width": 320, "height": 240, "duration": 2, "mime_type": "video/mp4"},
    "audio": {"duration": 60, "mime_type": "audio/mpeg", "title": "Song"},
    "voice": {"duration": 3, "mime_type": "audio/ogg"},
    "video_note": {"length": 240, "duration": 3},
    "sticker": {
        "type": "regular",
        "width": 512,
        "height": 512,
        "is_animated": False,
        "is_video": False,
        "emoji": "🙂",
    },
}
"""What is said about a file of each kind where nobody says anything else."""

FILE_ID = re.compile(r"[A-Za-z0-9_-]{8,}")


def media_fields(world: World, kind: str, params: Params) -> Json:
    """The field of a message that a bot's file becomes.

    A file id that the model has not given out is taken for one of an earlier life of the bot: real ids cannot
    be told from wrong ones here, except by their characters.

    Raises:
        ApiError: If there is no file, or what is given is none.
    """
    stored, name = _file(world, kind, params)
    said = params.pick(("width", "height", "duration", "length", "title", "performer", "emoji"))
    if kind == "document" and name:
        said["file_name"] = name
    return describe(kind, stored, said)


def describe(kind: str, stored: StoredFile, said: Json) -> Json:
    """The media object, in the list of sizes that a photo is."""
    about = {
        "file_id": stored.file_id,
        "file_unique_id": f"u{stored.file_id.rpartition('-')[0] or stored.file_id}",
        **DEFAULTS[kind],
        "file_size": len(stored.content),
        **said,
    }
    if kind != "photo":
        # An animation comes as a document too, for clients that do not know it.
        twin = (
            {"document": {k: about[k] for k in ("file_id", "file_unique_id")}} if kind == "animation" else {}
        )
        return {kind: about, **twin}
    small = {**about, "file_id": f"{about['file_id']}-s", "file_unique_id": f"{about['file_unique_id']}s"}
    return {"photo": [{**small, "width": 90, "height": 67}, about]}


def _file(world: World, kind: str, params: Params) -> tuple[StoredFile, str]:
    """The file that a request carries or names, and its name."""
    given: Any = params.get(kind)
    part = given.removeprefix("attach://") if isinstance(given, str) else kind
    upload = params.uploads.get(part)
    if upload is not None:
        if not upload.content:
            raise bad_request("file must be non-empty")
        return world.store_file(kind, upload.content, upload.name), upload.name
    if not isinstance(given, str) or given.startswith("attach://"):
        raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
    if given in world.files:
        return world.files[given], ""
    if re.match(r"https?://[^\s/]+\.\S+", given):
        return world.store_file(kind, given.encode(), given), given.rpartition("/")[2]
    if FILE_ID.fullmatch(given):
        return StoredFile(given, "", b"?"), ""
    raise bad_request("wrong file identifier/HTTP URL specified")


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


def place(world: World, params: Params, content: Json, chat: ChatRecord | None = None) -> Json:
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


def _reply(chat: ChatRecord, params: Params) -> Json:
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


MAX_AGE = 48 * 3600
"""Seconds after which a message can no longer be deleted (https://core.telegram.org/bots/api#deletemessage)."""

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as "
    "a current content and reply markup of the message"
)


EDITABLE_MEDIA = frozenset({"photo", "document", "video", "animation", "audio"})


MEDIA = frozenset({"photo", "document", "video", "animation", "audio", "voice"})


ADMINISTRATORS = frozenset({"administrator", "creator"})


def edit_message_text(world: World, params: Params) -> Json | bool:
    """`editMessageText`: text, entities and keyboard are replaced; without a keyboard it goes."""
    content = formatted_text(params)
    if (preview := params.get("link_preview_options")) is not None:
        content["link_preview_options"] = preview
    message = _editable(world, params)
    if "inline" not in message and "text" not in message:
        raise bad_request("there is no text in the message to edit")
    return _replace(world, params, message, ("text", "entities", "link_preview_options"), content)


def edit_message_caption(world: World, params: Params) -> Json | bool:
    """`editMessageCaption`: an empty caption removes it."""
    content = formatted_caption(params)
    message = _editable(world, params)
    if "inline" not in message and not MEDIA & message.keys():
        raise bad_request("there is no caption in the message to edit")
    return _replace(world, params, message, ("caption", "caption_entities"), content)


def edit_message_media(world: World, params: Params) -> Json | bool:
    """`editMessageMedia`: another file, of another kind too, with its caption; a text may become one."""
    media: Any = params.get("media")
    if not isinstance(media, dict) or media.get("type") not in EDITABLE_MEDIA:
        raise bad_request("can't parse InputMedia: type must be one of " + ", ".join(sorted(EDITABLE_MEDIA)))
    kind = str(media["type"])
    inner = Params({**media, kind: media.get("media")}, params.uploads)
    caption = formatted_caption(inner)
    message = _editable(world, params)
    if "inline" not in message and not ({"text"} | EDITABLE_MEDIA) & message.keys():
        raise bad_request("message can't be edited")
    content = {**media_fields(world, kind, inner), **caption}
    if media.get("has_spoiler"):
        content["has_media_spoiler"] = True
    fields = ("text", "entities", "link_preview_options", "caption", "caption_entities", "has_media_spoiler")
    return _replace(world, params, message, (*fields, *sorted(EDITABLE_MEDIA)), content)


def edit_message_reply_markup(world: World, params: Params) -> Json | bool:
    """`editMessageReplyMarkup`: without a keyboard, or with an empty one, it goes."""
    return _replace(world, params, _editable(world, params), (), {})


def delete_message(world: World, params: Params) -> bool:
    """`deleteMessage`."""
    chat = writable_chat(world, params)
    message_id = params.integer("message_id")
    if message_id not in chat.messages:
        raise bad_request("message to delete not found")
    _check_deletable(world, chat, message_id)
    _remove(chat, message_id)
    return True


def delete_messages(world: World, params: Params) -> bool:
    """`deleteMessages`: those that are not there any more are skipped, as documented."""
    chat = writable_chat(world, params)
    there = [message_id for message_id in _wanted(params) if message_id in chat.messages]
    for message_id in there:
        _check_deletable(world, chat, message_id)
    for message_id in there:
        _remove(chat, message_id)
    return True


def delete_business_messages(world: World, params: Params) -> bool:
    """`deleteBusinessMessages`: of one chat, on behalf of the account that the connection stands for."""
    connection = params.text("business_connection_id")
    if connection not in world.business:
        raise bad_request("business connection not found")
    wanted = _wanted(params)
    chats = [
        chat
        for chat in world.chats.values()
        if any(
            chat.messages.get(message_id, {}).get("business_connection_id") == connection
            for message_id in wanted
        )
    ]
    for chat in chats[:1]:
        for message_id in wanted:
            if chat.messages.get(message_id, {}).get("business_connection_id") == connection:
                _remove(chat, message_id)
    return True


def _wanted(params: Params) -> list[int]:
    wanted: Any = params.get("message_ids")
    if not isinstance(wanted, list) or not wanted:
        raise bad_request("message identifiers are not specified")
    if len(wanted) > 100:
        raise bad_request("too many message identifiers specified")
    return [int(message_id) for message_id in wanted]


def _remove(chat: ChatRecord, message_id: int) -> None:
    del chat.messages[message_id]
    chat.own.discard(message_id)


def _check_deletable(world: World, chat: ChatRecord, message_id: int) -> None:
    if not chat.private and chat.bot_status in ADMINISTRATORS:
        return
    # Anybody's message in a private chat, only one's own among others.
    if message_id not in chat.own and not chat.private:
        raise bad_request("message can't be deleted")
    if world.clock.now() - chat.messages[message_id]["date"] > MAX_AGE:
        raise bad_request("message can't be deleted for everyone")


def _editable(world: World, params: Params) -> Json:
    """The message to edit; an inline one has the field `inline` and no chat that we see."""
    inline = params.get("inline_message_id")
    if inline is not None:
        if inline not in world.inline:
            raise bad_request("MESSAGE_ID_INVALID")
        return world.inline[inline]
    if params.get("message_id") is None:
        raise bad_request("message identifier is not specified")
    chat = writable_chat(world, params)
    message_id = params.integer("message_id")
    if message_id not in chat.messages:
        raise bad_request("message to edit not found")
    if message_id not in chat.own or "forward_origin" in chat.messages[message_id]:
        raise bad_request("message can't be edited")
    return chat.messages[message_id]


def _replace(
    world: World, params: Params, message: Json, fields: tuple[str, ...], content: Json
) -> Json | bool:
    """Puts new content and the new keyboard into a message.

    Raises:
        ApiError: If that changes nothing, which Telegram refuses.
    """
    keyboard = inline_keyboard_only(params)
    new = {**content, **({"reply_markup": keyboard} if keyboard else {})}
    old = {name: message[name] for name in (*fields, "reply_markup") if name in message}
    # An inline message is only known from the first edit on, which always changes it.
    if new == old and "unseen" not in message:
        raise bad_request(NOT_MODIFIED)
    kept = {name: value for name, value in message.items() if name not in old and name != "unseen"}
    if "inline" in message:
        world.inline[message["inline"]] = {**kept, **new}
        return True
    edited = {**kept, **new, "edit_date": world.date()}
    world.chats[message["chat"]["id"]].messages[message["message_id"]] = edited
    return edited
