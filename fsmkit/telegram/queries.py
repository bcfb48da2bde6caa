"""Updates that are no messages: queries, payments, votes, reactions, members.

Whose each is, where answers to it go, and what of it a handler sees as `event.text` and `event.value`.
"""

from typing import Any, NamedTuple

from telegram import Update, User

QUERIES = {
    "inline_query": "inline",
    "chosen_inline_result": "chosen_inline_result",
    "poll_answer": "poll_answer",
    "message_reaction": "message_reaction",
    "pre_checkout_query": "pre_checkout_query",
    "shipping_query": "shipping_query",
    "purchased_paid_media": "purchased_paid_media",
    "my_chat_member": "my_chat_member",
    "chat_member": "chat_member",
    "chat_join_request": "chat_join_request",
    "business_connection": "business_connection",
    "managed_bot": "managed_bot",
}
"""Kinds by the field of `Update`; what is not here (`poll`, `chat_boost`, …) is no person's doing."""

VALUES = {
    "chosen_inline_result": "result_id",
    "pre_checkout_query": "invoice_payload",
    "shipping_query": "invoice_payload",
    "purchased_paid_media": "paid_media_payload",
}
"""The field of the query that is `event.value`."""


class Query(NamedTuple):
    """What is read of an update that is no message.

    Attributes:
        kind: The event's kind.
        content: PTB's object.
        user: Who did it; `None` if that is no person.
        chat: The chat that it belongs to, `None` where there is none.
        home: Where answers go, `None` for the chat, or else the person's own.
        message_id: The message that it is about.
        text: What was typed.
        value: The payload.
    """

    kind: str
    content: Any
    user: User | None
    chat: int | None
    home: int | None
    message_id: int | None
    text: str | None
    value: str | None


def read_query(update: Update) -> Query | None:
    """What an update that is no message brings; `None` if no person did it."""
    for field, kind in QUERIES.items():
        content: Any = getattr(update, field, None)
        if content is not None:
            chat = getattr(content, "chat", None)
            asked = kind == "chat_join_request"  # a conversation with the person, not one in the group
            return Query(
                kind,
                content,
                _person(content),
                None if chat is None or asked else chat.id,
                content.user_chat_id if asked or kind == "business_connection" else None,
                getattr(content, "message_id", None),
                getattr(content, "query", None),
                getattr(content, VALUES[kind], None) if kind in VALUES else None,
            )
    return None


def _person(content: Any) -> User | None:
    # Who votes or reacts as a chat does so through an account that many share: it is no person.
    if getattr(content, "voter_chat", None) is not None or getattr(content, "actor_chat", None) is not None:
        return None
    user: User | None = getattr(content, "from_user", None) or getattr(content, "user", None)
    return user


def reactions_of(content: Any) -> tuple[str, ...]:
    """What a change of reactions has added: emoji, ids of custom emoji, `"paid"`."""
    before = {_reaction(reaction) for reaction in content.old_reaction}
    return tuple(name for reaction in content.new_reaction if (name := _reaction(reaction)) not in before)


def _reaction(reaction: Any) -> str:
    found = getattr(reaction, "emoji", None) or getattr(reaction, "custom_emoji_id", None)
    return str(found or reaction.type)
