"""Methods that change or remove what stands in a chat."""

from typing import Any

from fsmkit.testing.botapi.chats import writable_chat
from fsmkit.testing.botapi.errors import bad_request
from fsmkit.testing.botapi.formatting import formatted_caption, formatted_text
from fsmkit.testing.botapi.keyboards import inline_keyboard_only
from fsmkit.testing.botapi.media import media_fields
from fsmkit.testing.botapi.params import Params
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import Chat, World

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


def _remove(chat: Chat, message_id: int) -> None:
    del chat.messages[message_id]
    chat.own.discard(message_id)


def _check_deletable(world: World, chat: Chat, message_id: int) -> None:
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
    if new == old and not message.pop("unseen", False):
        raise bad_request(NOT_MODIFIED)
    for name in old:
        del message[name]
    message.pop("unseen", None)
    message.update(new)
    if "inline" in message:
        return True
    message["edit_date"] = world.date()
    return message
