"""Matchers for what is no ordinary message: payments, web apps, inline results, members, reactions."""

import re
from typing import Any

from fsmkit.events import ChatEvent
from fsmkit.matching import Matcher
from fsmkit.telegram.matchers import OfKind, compiled


class Payload(Matcher):
    """Events of one kind whose payload or text matches a pattern as a whole; the match is a `re.Match`."""

    def __init__(self, kind: str, pattern: str | re.Pattern[str], read: str) -> None:
        self.kinds = frozenset({kind})
        self.kind = kind
        self.read = read
        self.pattern = compiled(pattern, kind)

    def match(self, event: Any) -> Any:
        """The `re.Match`."""
        if not isinstance(event, ChatEvent) or event.kind != self.kind:
            return None
        return self.pattern.fullmatch(getattr(event, self.read) or "")

    def __repr__(self) -> str:
        return f"{self.kind}({self.pattern.pattern!r})"


class Reaction(Matcher):
    """Reactions that were added to a message; the match is the first that is wanted."""

    kinds = frozenset({"message_reaction"})

    def __init__(self, *wanted: str) -> None:
        if not all(isinstance(one, str) for one in wanted):
            raise TypeError(f"reaction({wanted!r}): emoji, or ids of custom emoji, are texts")
        self.wanted = wanted

    def match(self, event: Any) -> Any:
        """The emoji, or the id of the custom emoji."""
        if not isinstance(event, ChatEvent) or event.kind != "message_reaction":
            return None
        added = getattr(event, "reactions", ())
        return next((one for one in added if not self.wanted or one in self.wanted), None)

    def __repr__(self) -> str:
        return f"reaction({', '.join(map(repr, self.wanted))})"


def web_app_data(pattern: str | re.Pattern[str] | None = None) -> Matcher:
    """Data that a web app sent, opened from a reply keyboard; the match is the data, or its `re.Match`."""
    return _of("web_app_data", pattern)


def pre_checkout_query(payload: str | re.Pattern[str] | None = None) -> Matcher:
    """A person is about to pay: the handler says `ctx.approve()`, else the payment is declined.

    Args:
        payload: What the invoice's payload must match as a whole; `ctx.match` is then a `re.Match`, else
            the payload.
    """
    return _of("pre_checkout_query", payload)


def shipping_query(payload: str | re.Pattern[str] | None = None) -> Matcher:
    """A person wants something shipped: the handler says `ctx.approve(shipping=...)`, else it is declined."""
    return _of("shipping_query", payload)


def successful_payment(payload: str | re.Pattern[str] | None = None) -> Matcher:
    """The money has come; the match is the invoice's payload, `event.content` PTB's `SuccessfulPayment`."""
    return _of("successful_payment", payload)


def refunded_payment(payload: str | re.Pattern[str] | None = None) -> Matcher:
    """The money has gone back; the match is the payload, `event.content` PTB's `RefundedPayment`."""
    return _of("refunded_payment", payload)


def purchased_paid_media(payload: str | re.Pattern[str] | None = None) -> Matcher:
    """Somebody has bought paid media; the match is their payload."""
    return _of("purchased_paid_media", payload)


def chosen_inline_result(result_id: str | re.Pattern[str] | None = None) -> Matcher:
    """The result of an inline query that was sent; the match is the result's id, or its `re.Match`."""
    return _of("chosen_inline_result", result_id)


def chat_join_request() -> Matcher:
    """Somebody asks to join; a conversation with that person. The match is PTB's `ChatJoinRequest`."""
    return OfKind("chat_join_request", frozenset({"chat_join_request"}))


def my_chat_member() -> Matcher:
    """The bot's own place in a chat has changed; the match is PTB's `ChatMemberUpdated`."""
    return OfKind("my_chat_member", frozenset({"my_chat_member"}))


def chat_member() -> Matcher:
    """Somebody's place in a chat has changed; the match is PTB's `ChatMemberUpdated`.

    The event is that of who changed it, often an administrator.
    """
    return OfKind("chat_member", frozenset({"chat_member"}))


def reaction(*emoji: str) -> Matcher:
    """A reaction that was added to a message; the match is the emoji, or the id of a custom one.

    Args:
        emoji: Which, none given: any. One that was taken away is only seen by `kind("message_reaction")`.

    Example:
        >>> reaction("👍", "👎")
        reaction('👍', '👎')
    """
    return Reaction(*emoji)


def _of(name: str, pattern: str | re.Pattern[str] | None, read: str = "value") -> Matcher:
    """Events of one kind, narrowed by a pattern for one of their texts; the match is then a `re.Match`."""
    return OfKind(name, frozenset({name})) if pattern is None else Payload(name, pattern, read)
