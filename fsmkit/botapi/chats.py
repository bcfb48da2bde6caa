"""Who and where: users and chats that come into being, and the chat that a request is meant for."""

import copy
from typing import Any

from fsmkit.botapi.errors import ApiError, Json, bad_request, forbidden
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import BOT_GONE, ChatRecord, OpenQuery, World

NAMES = {"group": "group chat", "supergroup": "supergroup chat", "channel": "channel chat"}


def user(world: World, user_id: int, **fields: Any) -> Json:
    """The `User` object of an id; made with plain defaults where it is new."""
    known = world.users.get(user_id)
    if known is None or not fields.items() <= known.items():
        plain = {"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"}
        known = world.users[user_id] = {**(known or plain), **fields}
    return known


def chat(world: World, chat_id: int, **fields: Any) -> ChatRecord:
    """The chat of an id; a new positive one is the private chat with that user, a negative a supergroup."""
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
    """The chat that a parameter names, whether the bot may write there or not.

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
    """The chat that a request wants to write to.

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
    if found.bot_status in BOT_GONE:
        raise _not_wanted(found)
    connection = params.get("business_connection_id")
    if connection is not None and connection not in world.business:
        raise bad_request("business connection not found")
    return found


def thread_of(chat: ChatRecord, params: Params) -> Json:
    """The fields of a message that say in which topic it stands.

    Raises:
        ApiError: If the chat has no such topic.
    """
    thread = params.get("message_thread_id")
    if thread is None:
        return {}
    if thread not in chat.threads:
        raise bad_request("message thread not found")
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


ANSWERABLE = frozenset({"inline_query", "pre_checkout_query", "shipping_query"})


def deliver(world: World, kind: str, payload: Json) -> Json:
    """Takes note of an update and queues it.

    Args:
        world: Learns who and what occurs in the update.
        kind: The field of `Update`, for example `message`.
        payload: Its value, as Telegram would send it.

    Returns:
        The update, a copy of its own: tests may change it.
    """
    _meet(world, payload)
    if kind in MESSAGES:
        _message(world, kind, payload)
    elif kind == "callback_query":
        world.queries[str(payload["id"])] = OpenQuery(world.clock.now())
        _inline(world, payload)
    elif kind == "chosen_inline_result":
        _inline(world, payload)
    elif kind in ANSWERABLE:
        world.other_queries[str(payload["id"])] = OpenQuery(world.clock.now(), content=payload)
    elif kind == "chat_join_request":
        world.join_requests.add((payload["chat"]["id"], payload["from"]["id"]))
    elif kind == "my_chat_member":
        chat(world, payload["chat"]["id"]).bot_status = payload["new_chat_member"]["status"]
    elif kind == "business_connection":
        (world.business.add if payload["is_enabled"] else world.business.discard)(payload["id"])
    return copy.deepcopy(world.queue.put(kind, payload))


def _meet(world: World, payload: Json) -> None:
    """The sender and the chat are known from now on."""
    sender: Any = payload.get("from") or payload.get("user")
    if isinstance(sender, dict):
        user(world, sender["id"])
    place: Any = payload.get("chat")
    if isinstance(place, dict):
        chat(world, place["id"], **place)


def _message(world: World, kind: str, message: Json) -> None:
    where = chat(world, message["chat"]["id"])
    message_id = message["message_id"]
    where.messages[message_id] = message
    where.last_id = max(where.last_id, message_id)
    if "message_thread_id" in message:
        where.threads.add(message["message_thread_id"])
    if "business" in kind:
        world.business.add(message["business_connection_id"])


def _inline(world: World, payload: Json) -> None:
    """A message sent through inline mode; what it shows is not known before the bot edits it."""
    inline_id = payload.get("inline_message_id")
    if inline_id is not None:
        world.inline.setdefault(inline_id, {"inline": inline_id, "unseen": True})
