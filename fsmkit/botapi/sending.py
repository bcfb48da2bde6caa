"""Methods that put a message into a chat, change one that is there, or take it away.

Every message of the bot goes through `place`, every edit through `_replace`: what Telegram refuses there is
refused before anything has happened.
"""

import re
from typing import Any

from telegram.constants import ReactionEmoji

from fsmkit.botapi.chats import business_connection, deliver, find_chat, thread_of, writable_chat
from fsmkit.botapi.errors import Json, bad_request
from fsmkit.botapi.formatting import formatted_caption, formatted_text
from fsmkit.botapi.keyboards import inline_keyboard, inline_keyboard_only, refuse_requests
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import ChatRecord, StoredFile, World

# --- files ---

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
    """Return the field of a message that a bot's file becomes.

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
    """Return the media object, in the list of sizes that a photo is."""
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
    """Return the file that a request carries or names, and its name."""
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


# --- sending ---

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
        "media_group_id",
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


def send_venue(world: World, params: Params) -> Json:
    """`sendVenue`."""
    point = params.pick(("latitude", "longitude"))
    about = params.pick(("title", "address", "foursquare_id", "google_place_id", "google_place_type"))
    for field in ("latitude", "longitude", "title", "address"):
        if field not in point | about:
            raise bad_request(f"venue {field} must be non-empty")
    return place(world, params, {"location": point, "venue": {"location": point, **about}})


DICE = {"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}
"""Each die and the highest value that it shows."""


def send_dice(world: World, params: Params) -> Json:
    """`sendDice`: the values come one after the other, so that a test can be repeated."""
    emoji = params.text("emoji") or "🎲"
    if emoji not in DICE:
        raise bad_request("wrong emoji specified")
    return place(world, params, {"dice": {"emoji": emoji, "value": world.number() % DICE[emoji] + 1}})


MAX_GROUP = 10


def send_media_group(world: World, params: Params) -> list[Json]:
    """`sendMediaGroup`: an album of 2 to 10 files, photos and videos mixed, others of one kind only."""
    media: Any = params.get("media")
    if not isinstance(media, list) or not 1 <= len(media) <= MAX_GROUP:
        raise bad_request("wrong number of media in the album; must be from 1 to 10")
    kinds = {str(item.get("type")) for item in media}
    if not kinds <= {"photo", "video", "document", "audio"}:
        raise bad_request("can't parse InputMedia: type must be one of audio, document, photo, video")
    if len(kinds) > 1 and not kinds <= {"photo", "video"}:
        raise bad_request(f"{max(kinds - {'photo', 'video'})} can't be mixed with other media types")
    chat = writable_chat(world, params)
    album = {"media_group_id": str(world.number())} if len(media) > 1 else {}
    contents = [_input_media(world, item, params) for item in media]
    return [place(world, params, {**content, **album}, chat) for content in contents]


def _input_media(world: World, item: Json, params: Params) -> Json:
    """Return the fields of a message that an `InputMedia` becomes."""
    kind = str(item["type"])
    inner = Params({**item, kind: item.get("media")}, params.uploads)
    spoiler = {"has_media_spoiler": True} if item.get("has_spoiler") else {}
    return {**media_fields(world, kind, inner), **formatted_caption(inner), **spoiler}


def send_contact(world: World, params: Params) -> Json:
    """`sendContact`."""
    person = params.pick(("phone_number", "first_name", "last_name", "vcard"))
    for field in ("phone_number", "first_name"):
        if field not in person:
            raise bad_request(f"{field.replace('_', ' ')} is empty")
    return place(world, params, {"contact": person})


def send_invoice(world: World, params: Params) -> Json:
    """`sendInvoice`."""
    message = place(world, params, {"invoice": _invoice(params)})
    world.chats[message["chat"]["id"]].invoices[message["message_id"]] = params.text("payload")
    return message


def create_invoice_link(world: World, params: Params) -> str:
    """`createInvoiceLink`: whoever has it may pay."""
    link = f"https://t.me/$offline{world.number()}"
    world.invoice_links[link] = {**_invoice(params), "payload": params.text("payload")}
    return link


def _invoice(params: Params) -> Json:
    """Return the `Invoice` of a request; its payload is for the bot only, and no part of it."""
    for field in ("title", "description", "payload", "currency"):
        if params.get(field) is None:
            raise bad_request(f"{field} is empty")
    prices: Any = params.get("prices")
    if not isinstance(prices, list) or not prices:
        raise bad_request("there are no prices specified")
    return {
        "title": params.text("title"),
        "description": params.text("description"),
        "start_parameter": params.text("start_parameter"),
        "currency": params.text("currency"),
        "total_amount": sum(int(price["amount"]) for price in prices),
    }


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
    return _forward(world, params, _source(world, params, "forwarded"))


def forward_messages(world: World, params: Params) -> list[Json]:
    """`forwardMessages`: those that are not there are left out."""
    return [
        {"message_id": _forward(world, params, source)["message_id"]}
        for source in _sources(world, params, "forwarded")
    ]


def copy_messages(world: World, params: Params) -> list[Json]:
    """`copyMessages`: as `copyMessage`, and those that are not there are left out."""
    dropped = ("caption", "caption_entities") if params.get("remove_caption") else ()
    return [
        {"message_id": place(world, params, _copied(source, dropped))["message_id"]}
        for source in _sources(world, params, "copied")
    ]


def _forward(world: World, params: Params, source: Json) -> Json:
    origin: Json = {"type": "user", "date": source["date"], "sender_user": source.get("from", world.bot)}
    if "sender_chat" in source and source["chat"]["type"] == "channel":
        about = {"chat": source["chat"], "message_id": source["message_id"]}
        origin = {"type": "channel", "date": source["date"], **about}
    content = {name: value for name, value in source.items() if name not in OWN_FIELDS}
    return place(world, params, {**content, "forward_origin": source.get("forward_origin", origin)})


def _copied(source: Json, dropped: tuple[str, ...] = ()) -> Json:
    left_out = OWN_FIELDS | {"forward_origin", *dropped}
    return {name: value for name, value in source.items() if name not in left_out}


def copy_message(world: World, params: Params) -> Json:
    """`copyMessage`: a message without its origin, with another caption if one is given."""
    content = _copied(source := _source(world, params, "copied"))
    if params.values.get("caption") is not None and "text" not in content:
        content = _copied(source, ("caption", "caption_entities")) | formatted_caption(params)
    return {"message_id": place(world, params, content)["message_id"]}


def place(world: World, params: Params, content: Json, chat: ChatRecord | None = None) -> Json:
    """Put the bot's message into the chat, once everything about it is known to be right.

    Raises:
        ApiError: If the chat, the topic, the message replied to or the keyboard is not; nothing was sent.
    """
    chat = chat or writable_chat(world, params)
    _check_permission(chat, content)
    keyboard = inline_keyboard(params)
    if not chat.private:
        refuse_requests(params)
    frame = {
        **thread_of(chat, params),
        **_reply(chat, params),
        **({"reply_markup": keyboard} if keyboard else {}),
    }
    sender: Json = {"sender_chat": chat.info} if chat.info["type"] == "channel" else {"from": world.bot}
    sender |= _business(world, params)
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
    if not keyboard and params.get("reply_markup"):
        chat.markups.add(message["message_id"])
    _echo(world, "business_message", message)
    return message


PERMISSION_OF = {
    "audio": ("can_send_audios", "music"),
    "document": ("can_send_documents", "documents"),
    "photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "video_note": ("can_send_video_notes", "video notes"),
    "voice": ("can_send_voice_notes", "voice notes"),
    "poll": ("can_send_polls", "polls"),
    "sticker": ("can_send_other_messages", "stickers"),
    "animation": ("can_send_other_messages", "animations"),
}
"""What a restricted bot needs to send something, and the refusal's word for it; all else is a text."""


def _check_permission(chat: ChatRecord, content: Json) -> None:
    if chat.bot_status != "restricted":
        return
    kind = next((kind for kind in content if kind in PERMISSION_OF), "")
    permission, name = PERMISSION_OF.get(kind, ("can_send_messages", "text messages"))
    if not chat.bot_limits.get(permission):
        raise bad_request(f"not enough rights to send {name} to the chat")


def _business(world: World, params: Params) -> Json:
    """Return whom a message for a business account is from: its owner, where the model knows that person."""
    if params.get("business_connection_id") is None:
        return {}
    connection = business_connection(world, params)
    owner = {"from": connection["user"]} if "user" in connection else {}
    return {"business_connection_id": connection["id"], "sender_business_bot": world.bot, **owner}


def _echo(world: World, kind: str, message: Json) -> None:
    """Tell the bot of what it did itself in a business chat, if this world does so."""
    if world.business_echoes and "sender_business_bot" in message:
        deliver(world, kind, message)


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


def _sources(world: World, params: Params, verb: str) -> list[Json]:
    """Return those of many messages that can be forwarded or copied, in order."""
    messages = find_chat(world, params, "from_chat_id").messages
    found = [messages[number] for number in sorted(_wanted(params)) if number in messages]
    good = [message for message in found if not message.get("has_protected_content")]
    if not good:
        raise bad_request(f"there are no messages to {'forward' if verb == 'forwarded' else 'copy'}")
    return good


# --- changing and deleting ---

REACTIONS = frozenset(ReactionEmoji)
"""The emoji that a reaction may be (https://core.telegram.org/bots/api#reactiontypeemoji)."""

MAX_AGE = 48 * 3600
"""Seconds after which a message can no longer be deleted (https://core.telegram.org/bots/api#deletemessage)."""

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as "
    "a current content and reply markup of the message"
)

EDITABLE_MEDIA = frozenset({"photo", "document", "video", "animation", "audio"})

CAPTIONED = EDITABLE_MEDIA | {"voice"}


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
    if "inline" not in message and not CAPTIONED & message.keys():
        raise bad_request("there is no caption in the message to edit")
    return _replace(world, params, message, ("caption", "caption_entities"), content)


def edit_message_media(world: World, params: Params) -> Json | bool:
    """`editMessageMedia`: another file, of another kind too, with its caption; a text may become one."""
    media: Any = params.get("media")
    if not isinstance(media, dict) or media.get("type") not in EDITABLE_MEDIA:
        raise bad_request("can't parse InputMedia: type must be one of " + ", ".join(sorted(EDITABLE_MEDIA)))
    message = _editable(world, params)
    if "inline" not in message and not ({"text"} | EDITABLE_MEDIA) & message.keys():
        raise bad_request("message can't be edited")
    if "inline" in message and str(media.get("media", "")).startswith("attach://"):
        raise bad_request("a file can't be uploaded for an inline message")
    content = _input_media(world, media, params)
    fields = ("text", "entities", "link_preview_options", "caption", "caption_entities", "has_media_spoiler")
    return _replace(world, params, message, (*fields, *sorted(EDITABLE_MEDIA)), content)


def edit_message_reply_markup(world: World, params: Params) -> Json | bool:
    """`editMessageReplyMarkup`: without a keyboard, or with an empty one, it goes."""
    return _replace(world, params, _editable(world, params), (), {})


def edit_live_location(world: World, params: Params) -> Json | bool:
    """`editMessageLiveLocation`: as long as its time is not over."""
    point = _live_location(world, message := _editable(world, params))
    moved = params.pick(("latitude", "longitude", "horizontal_accuracy", "heading", "proximity_alert_radius"))
    if not {"latitude", "longitude"} <= moved.keys():
        raise bad_request("latitude and longitude must be specified")
    period = params.get("live_period") or point.get("live_period")
    return _replace(world, params, message, ("location",), {"location": {**moved, "live_period": period}})


def stop_live_location(world: World, params: Params) -> Json | bool:
    """`stopMessageLiveLocation`: from then on it is an ordinary location."""
    point = _live_location(world, message := _editable(world, params))
    still = {name: value for name, value in point.items() if name != "live_period"}
    return _replace(world, params, message, ("location",), {"location": still})


def _live_location(world: World, message: Json) -> Json:
    point: Json = message.get("location", {})
    over = message.get("date", 0) + point.get("live_period", 0) <= world.clock.now()
    if "inline" not in message and over:
        raise bad_request("message can't be edited")
    return point


def stop_poll(world: World, params: Params) -> Json:
    """`stopPoll`: the bot is told its last state in a `poll` update, too."""
    message = _editable(world, params)
    if "poll" not in message:
        raise bad_request("message with poll to stop not found")
    if message["poll"]["is_closed"]:
        raise bad_request("poll has already been closed")
    poll: Json = {**message["poll"], "is_closed": True}
    _replace(world, params, message, ("poll",), {"poll": poll})
    deliver(world, "poll", poll)
    return poll


def set_message_reaction(world: World, params: Params) -> bool:
    """`setMessageReaction`: a bot sets one at most; none takes it away."""
    chat = writable_chat(world, params)
    if params.integer("message_id") not in chat.messages:
        raise bad_request("message to react not found")
    given: Any = params.get("reaction") or []
    if len(given) > 1:
        raise bad_request("REACTIONS_TOO_MANY")
    if any(one.get("type") == "emoji" and one.get("emoji") not in REACTIONS for one in given):
        raise bad_request("REACTION_INVALID")
    if any(one.get("type") not in {"emoji", "custom_emoji"} for one in given):
        raise bad_request("REACTION_INVALID")
    world.reactions[chat.info["id"], params.integer("message_id"), world.bot["id"]] = given
    return True


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
    connection = business_connection(world, params)["id"]
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
    chat.pinned = tuple(number for number in chat.pinned if number != message_id)


def _check_deletable(world: World, chat: ChatRecord, message_id: int) -> None:
    if not chat.private and chat.bot_administers:
        return
    # Anybody's message in a private chat, only one's own among others.
    if message_id not in chat.own and not chat.private:
        raise bad_request("message can't be deleted")
    if world.clock.now() - chat.messages[message_id]["date"] > MAX_AGE:
        raise bad_request("message can't be deleted for everyone")


def _editable(world: World, params: Params) -> Json:
    """Return the message to edit; an inline one has the field `inline` and no chat that we see."""
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
    if message_id not in chat.own - chat.markups or "forward_origin" in chat.messages[message_id]:
        raise bad_request("message can't be edited")
    return chat.messages[message_id]


def _replace(
    world: World, params: Params, message: Json, fields: tuple[str, ...], content: Json
) -> Json | bool:
    """Put new content and the new keyboard into a message.

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
    _echo(world, "edited_business_message", edited)
    return edited
