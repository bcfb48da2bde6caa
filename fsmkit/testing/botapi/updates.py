"""Updates on their way to the bot: what each tells the model about the world, then into the queue.

All updates pass here, made ones and raw ones, so that a raw `my_chat_member` counts like `block`.
"""

import copy
from typing import Any

from fsmkit.testing.botapi.chats import chat, user
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import Query, World

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
        The update, a copy of its own: later edits of a message do not reach into it.
    """
    _meet(world, payload)
    if kind in MESSAGES:
        _message(world, kind, payload)
    elif kind == "callback_query":
        world.queries[str(payload["id"])] = Query(world.clock.now())
        _inline(world, payload)
    elif kind == "chosen_inline_result":
        _inline(world, payload)
    elif kind in ANSWERABLE:
        world.other_queries[str(payload["id"])] = Query(world.clock.now(), content=payload)
    elif kind == "chat_join_request":
        world.join_requests.add((payload["chat"]["id"], payload["from"]["id"]))
    elif kind == "my_chat_member":
        chat(world, payload["chat"]["id"]).bot_status = payload["new_chat_member"]["status"]
    elif kind == "business_connection":
        (world.business.add if payload["is_enabled"] else world.business.discard)(payload["id"])
    return copy.deepcopy(world.queue.put(kind, copy.deepcopy(payload)))


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
