"""Who and where: users and chats that come into being, the chat that a request is meant for, who is in it.

`deliver` is the way of every update: the model takes note of it, and queues it where the bot may see it.
"""

import copy
import re
from typing import Any

from fsmkit.botapi.errors import ApiError, Json, bad_request, forbidden
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import ChatRecord, OpenQuery, World

NAMES = {"group": "group chat", "supergroup": "supergroup chat", "channel": "channel chat"}


def user(world: World, user_id: int, **fields: Any) -> Json:
    """Return the `User` object of an id; made with plain defaults where it is new."""
    known = world.users.get(user_id)
    if known is None or not fields.items() <= known.items():
        plain = {"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"}
        known = world.users[user_id] = {**(known or plain), **fields}
    return known


def chat(world: World, chat_id: int, **fields: Any) -> ChatRecord:
    """Return the chat of an id; a new one is private if the id is positive, else a supergroup."""
    known = world.chats.get(chat_id)
    if known is None:
        known = world.chats[chat_id] = ChatRecord(_info(world, chat_id), last_id=world.first_id - 1)
    if not fields.items() <= known.info.items():
        known.info = {**known.info, **fields}
    return known


def _info(world: World, chat_id: int) -> Json:
    if chat_id < 0:
        return {"id": chat_id, "type": "supergroup", "title": f"Chat {chat_id}"}
    person = user(world, chat_id)
    names = {name: person[name] for name in ("first_name", "last_name", "username") if person.get(name)}
    return {"id": chat_id, "type": "private", **names}


def find_chat(world: World, params: Params, field: str = "chat_id") -> ChatRecord:
    """Return the chat that a parameter names, whether the bot may write there or not.

    Raises:
        ApiError: If it names none that the bot has seen.
    """
    wanted = params.get(field)
    if wanted is None:
        raise bad_request(f"{field} is empty")
    if isinstance(wanted, str):
        name = wanted.removeprefix("@").lower()
        named = (chat for chat in world.chats.values() if chat.info.get("username", "").lower() == name)
        # The server finds only groups and channels by their name, never a person.
        found = next((chat for chat in named if not chat.private), None)
    else:
        found = world.chats.get(wanted)
    if found is None:
        raise bad_request("chat not found")
    return found


def writable_chat(world: World, params: Params) -> ChatRecord:
    """Return the chat that a request wants to write to.

    Raises:
        ApiError: If there is none, or the bot is not wanted there.
    """
    found = find_chat(world, params)
    if found.migrated_to is not None:
        raise ApiError(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            migrate_to_chat_id=found.migrated_to,
        )
    if found.bot_gone:
        raise _not_wanted(found)
    if params.get("business_connection_id") is not None:
        business_connection(world, params)
    return found


def business_connection(world: World, params: Params) -> Json:
    """Return the business connection that a request goes through.

    Raises:
        ApiError: If there is none of this id, or its owner has ended it.
    """
    found = world.business.get(params.text("business_connection_id"))
    if found is None or not found["is_enabled"]:
        raise bad_request("business connection not found")
    return found


def thread_of(chat: ChatRecord, params: Params) -> Json:
    """Return the fields of a message that say in which topic it stands.

    Raises:
        ApiError: If the chat has no such topic.
    """
    thread = params.get("message_thread_id")
    if thread is None:
        return {}
    topic = chat.threads.get(thread)
    if topic is None:
        raise bad_request("message thread not found")
    if topic.get("is_closed") and not chat.bot_administers:
        raise bad_request("TOPIC_CLOSED")
    return {"message_thread_id": thread, "is_topic_message": True}


def _not_wanted(chat: ChatRecord) -> ApiError:
    if chat.private:
        return forbidden("bot was blocked by the user")
    name = NAMES[chat.info["type"]]
    if chat.bot_status == "kicked":
        return forbidden(f"bot was kicked from the {name}")
    return forbidden(f"bot is not a member of the {name}")


MESSAGES = frozenset(
    [
        "message",
        "edited_message",
        "channel_post",
        "edited_channel_post",
        "business_message",
        "edited_business_message",
    ]
)


CONTENTS = frozenset(
    [
        "animation",
        "audio",
        "checklist",
        "contact",
        "dice",
        "document",
        "game",
        "invoice",
        "live_photo",
        "location",
        "paid_media",
        "photo",
        "poll",
        "sticker",
        "story",
        "text",
        "venue",
        "video",
        "video_note",
        "voice",
    ]
)
"""Fields of what people say; a message that has none of them is a service message."""

ANSWERABLE = frozenset({"inline_query", "pre_checkout_query", "shipping_query"})


def deliver(world: World, kind: str, payload: Json) -> Json:
    """Take note of an update and queue it.

    Args:
        world: Learns who and what occurs in the update.
        kind: The field of `Update`, for example `message`.
        payload: Its value, as Telegram would send it.

    Returns:
        The update, a copy of its own: tests may change it. One that the bot may not see has no `update_id`.
    """
    _meet(world, payload)
    if kind in MESSAGES:
        _message(world, kind, payload)
    elif kind == "callback_query":
        world.queries[str(payload["id"])] = OpenQuery(kind, world.clock.now())
        _inline(world, payload)
    elif kind == "chosen_inline_result":
        _inline(world, payload)
    elif kind in ANSWERABLE:
        world.other_queries[str(payload["id"])] = OpenQuery(kind, world.clock.now(), content=payload)
    elif kind == "chat_join_request":
        world.join_requests.add((payload["chat"]["id"], payload["from"]["id"]))
    elif kind == "my_chat_member":
        where, change = chat(world, payload["chat"]["id"]), payload["new_chat_member"]
        where.bot_status = change["status"]
        where.bot_limits = {name: change[name] for name in change if name not in {"status", "user"}}
    elif kind == "business_connection":
        world.business[payload["id"]] = payload
    elif kind == "chat_member" and (now := payload.get("new_chat_member")):
        chat(world, payload["chat"]["id"]).members[now["user"]["id"]] = now
    if world.privacy and kind in {"message", "edited_message"} and not _meant_for_bot(world, payload):
        return copy.deepcopy({kind: payload})
    return copy.deepcopy(world.queue.put(kind, payload))


def _meant_for_bot(world: World, message: Json) -> bool:
    """Whether a bot in privacy mode sees a message.

    https://core.telegram.org/bots/features#privacy-mode, and mentions, as BotFather says.
    """
    where = world.chats[message["chat"]["id"]]
    if where.private or where.bot_administers or not CONTENTS & message.keys():
        return True
    text = str(message.get("text", message.get("caption", "")))
    username = str(world.bot.get("username", ""))
    command = re.match(r"/\w+(?:@(\w+))?(?!\S)", text)
    if command and (command[1] or username).lower() == username.lower():
        return True
    replied = message.get("reply_to_message", {}).get("from", {}).get("id")
    via = message.get("via_bot", {}).get("id")
    return world.bot["id"] in (replied, via) or f"@{username}".lower() in re.findall(
        r"(?<![\w@/.])@\w+", text.lower()
    )


def _meet(world: World, payload: Json) -> None:
    """Know the sender and the chat from now on."""
    sender: Any = payload.get("from") or payload.get("user")
    if isinstance(sender, dict):
        user(world, sender["id"])
    place: Any = payload.get("chat")
    if isinstance(place, dict):
        where = chat(world, place["id"], **place)
        if isinstance(sender, dict) and not where.private and sender["id"] != world.bot["id"]:
            where.members.setdefault(sender["id"], member(user(world, sender["id"]), "member"))


def _message(world: World, kind: str, message: Json) -> None:
    where = chat(world, message["chat"]["id"])
    message_id = message["message_id"]
    where.messages[message_id] = message
    where.last_id = max(where.last_id, message_id)
    if "message_thread_id" in message:
        thread = message["message_thread_id"]
        where.threads.setdefault(thread, {"message_thread_id": thread, "name": f"Topic {thread}"})
    if "business" in kind:
        connection = message["business_connection_id"]
        world.business.setdefault(connection, {"id": connection, "is_enabled": True})


def _inline(world: World, payload: Json) -> None:
    """Note a message of inline mode; what it shows is not known before the bot edits it."""
    inline_id = payload.get("inline_message_id")
    if inline_id is not None:
        world.inline.setdefault(inline_id, {"inline": inline_id, "unseen": True})


RIGHTS = (
    "can_manage_chat",
    "can_delete_messages",
    "can_manage_video_chats",
    "can_restrict_members",
    "can_promote_members",
    "can_change_info",
    "can_invite_users",
    "can_post_stories",
    "can_edit_stories",
    "can_delete_stories",
    "can_manage_direct_messages",
)
"""What an administrator may do everywhere."""

GROUP_RIGHTS = ("can_pin_messages", "can_manage_topics")
CHANNEL_RIGHTS = ("can_post_messages", "can_edit_messages")

PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
    "can_edit_tag",
    "can_react_to_messages",
)
"""What somebody restricted may do or not (https://core.telegram.org/bots/api#chatmemberrestricted)."""


def member(person: Json, status: str, **fields: Any) -> Json:
    """Return a `ChatMember` with the fields that its status needs; administrators may do everything."""
    needed: Json = {}
    if status == "creator":
        needed = {"is_anonymous": False}
    elif status == "administrator":
        allowed = dict.fromkeys((*RIGHTS, *GROUP_RIGHTS, *CHANNEL_RIGHTS), True)
        needed = {"can_be_edited": False, "is_anonymous": False, **allowed}
    elif status == "restricted":
        needed = {**dict.fromkeys(PERMISSIONS, False), "is_member": True, "until_date": 0}
    elif status == "kicked":
        needed = {"until_date": 0}
    return {"user": person, "status": status, **needed, **fields}


def bot_member(world: World, where: ChatRecord) -> Json:
    """Return what the bot is in a chat."""
    return member(world.bot, where.bot_status, **where.bot_limits)


def change_bot(world: World, chat_id: int, status: str, *, by: int, **fields: Any) -> Json:
    """Change what the bot is in a chat, and tell it: the `my_chat_member` update.

    Args:
        world: Where it happens.
        chat_id: The chat.
        status: What the bot becomes.
        by: Who does it.
        fields: Other fields of its `ChatMember`.
    """
    where = chat(world, chat_id)
    change = {
        "chat": where.info,
        "from": world.bot if by == world.bot["id"] else user(world, by),
        "date": world.date(),
        "old_chat_member": bot_member(world, where),
        "new_chat_member": member(world.bot, status, **fields),
    }
    return deliver(world, "my_chat_member", change)


def invoice_of(world: World, payload: str, person: int) -> tuple[ChatRecord, Json] | None:
    """Return the newest invoice that a person can pay, and its chat; `None` where it is but a link."""
    found = [
        (where.messages[number]["date"], where.private, number, where)
        for where in world.chats.values()
        if not where.private or where.info["id"] == person
        for number, kept in where.invoices.items()
        if kept == payload and number in where.messages
    ]
    if not found:
        return None
    *_, number, where = max(found, key=lambda one: one[:3])
    return where, where.messages[number]
