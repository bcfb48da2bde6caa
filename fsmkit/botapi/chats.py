"""Who and where: users and chats that come into being, and the chat that a request is meant for."""

from typing import Any

from fsmkit.testing.botapi.errors import ApiError, bad_request, forbidden
from fsmkit.testing.botapi.params import Params
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import BOT_GONE, Chat, World

NAMES = {"group": "group chat", "supergroup": "supergroup chat", "channel": "channel chat"}


def user(world: World, user_id: int, **fields: Any) -> Json:
    """The `User` object of an id; made with plain defaults where it is new."""
    known = world.users.setdefault(
        user_id,
        {"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"},
    )
    known.update(fields)
    return known


def chat(world: World, chat_id: int, **fields: Any) -> Chat:
    """The chat of an id; a new positive one is the private chat with that user, a negative a supergroup."""
    known = world.chats.get(chat_id)
    if known is None:
        known = world.chats[chat_id] = Chat(_info(world, chat_id), last_id=world.first_id - 1)
    known.info.update(fields)
    return known


def _info(world: World, chat_id: int) -> Json:
    if chat_id < 0:
        return {"id": chat_id, "type": "supergroup", "title": f"Chat {chat_id}"}
    person = user(world, chat_id)
    names = {name: person[name] for name in ("first_name", "last_name", "username") if person.get(name)}
    return {"id": chat_id, "type": "private", **names}


def find_chat(world: World, params: Params, field: str = "chat_id") -> Chat:
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


def writable_chat(world: World, params: Params) -> Chat:
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


def thread_of(chat: Chat, params: Params) -> Json:
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


def _not_wanted(chat: Chat) -> ApiError:
    if chat.private:
        return forbidden("bot was blocked by the user")
    name = NAMES[chat.info["type"]]
    if chat.bot_status == "kicked":
        return forbidden(f"bot was kicked from the {name}")
    return forbidden(f"bot is not a member of the {name}")
