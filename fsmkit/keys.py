"""Whose conversation it is: the key, its one text form, and the rules that make a key from a place.

What an event's place *is* (its chat, user, thread) is read elsewhere; here is only what follows from it.
"""

import enum
import re
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

_PART = re.compile(r"-|(?P<number>-?[0-9]+)|~(?P<text>[A-Za-z0-9_.%~-]*)")


class _Parts(NamedTuple):
    chat: int | str
    user: int | str
    thread: int | str | None = None
    business: int | str | None = None
    bot: int | str | None = None


class Key(_Parts):
    """The identity of a conversation: chat, user, thread, business connection and bot.

    A tuple, so that keys hash and compare fast. `1` and `"1"` are two different parts, in memory and in
    every store.

    Args:
        chat: Chat id; by the flow's key rule it may be the user's id.
        user: User id; by the flow's key rule it may be the chat's id.
        thread: Forum topic id, or `None`.
        business: Business connection id, or `None`.
        bot: The bot's id; `None` stands for the attached bot.

    Raises:
        TypeError: If a part is neither an int nor a str.

    Example:
        >>> str(Key(chat=-100, user=7))
        '-100:7:-:-:-'
        >>> Key.parse("-100:7:-:-:-") == Key(chat=-100, user=7)
        True
    """

    __slots__ = ()

    def __new__(
        cls,
        chat: int | str,
        user: int | str,
        thread: int | str | None = None,
        business: int | str | None = None,
        bot: int | str | None = None,
    ) -> Self:
        self = super().__new__(cls, chat, user, thread, business, bot)
        for number, part in enumerate(self):
            # `type(...) is`: a bool or an enum member is an int, and would not come back as one.
            if type(part) is not int and type(part) is not str and (part is not None or number < 2):
                raise TypeError(f"a key is made of ints and strings, got {part!r} in {tuple(self)!r}")
        return self

    @property
    def message(self) -> int | None:
        """By `KeyBy.MESSAGE` and `USER_IN_MESSAGE`: the message that it belongs to, if that has a number."""
        thread = self.thread
        number = thread[1:] if isinstance(thread, str) and thread[:1] == "m" else ""
        return int(number) if number.isdecimal() else None

    @property
    def inline(self) -> str | None:
        """By the same rules: the id of the inline message that it belongs to, whose chat is not known."""
        thread = self.thread
        if not isinstance(thread, str) or thread[:1] != "m" or thread[1:].isdecimal():
            return None
        return thread[1:]

    def __str__(self) -> str:
        """Return the canonical text: the five parts joined by colons; no two keys share it."""
        return ":".join(map(_part_text, self))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the canonical text back.

        Raises:
            ValueError: If the text is no key.
        """
        parts = [_parse_part(part, text) for part in text.split(":")]
        if len(parts) != 5 or parts[0] is None or parts[1] is None:
            raise ValueError(
                f"no key: {text!r}; a key reads like '-100:7:-:-:-' (chat:user:thread:business:bot)"
            )
        return cls(parts[0], parts[1], *parts[2:])

    def with_bot(self, bot: int | str | None) -> "Key":
        """Return this key, with `bot` where it names none."""
        return self if self[4] is not None or bot is None else Key(*self[:4], bot)


class KeyBy(enum.Enum):
    """The rule by which a flow tells one conversation from another.

    Bot and business connection are always part of the key.
    """

    USER_IN_CHAT = "user in chat"
    """Each person in each chat (the default)."""
    CHAT = "chat"
    """One conversation for all who write in a chat."""
    GLOBAL_USER = "global user"
    """One conversation for a person, in whatever chat."""
    USER_IN_TOPIC = "user in topic"
    """Each person in each forum topic."""
    CHAT_TOPIC = "chat topic"
    """One conversation for all who write in a forum topic."""
    USER_IN_MESSAGE = "user in message"
    """Each person under each message with buttons; only presses belong to it."""
    MESSAGE = "message"
    """One conversation for all who press buttons of one message."""

    def __init__(self, _description: str) -> None:
        self.by_chat = self.name in ("CHAT", "CHAT_TOPIC", "MESSAGE")
        """Whether several people share one conversation."""
        self.by_topic = self.name in ("USER_IN_TOPIC", "CHAT_TOPIC")
        """Whether a forum topic has conversations of its own."""
        self.by_message = self.name in ("USER_IN_MESSAGE", "MESSAGE")
        """Whether each message with buttons has conversations of its own."""
        self._by_user = self.name == "GLOBAL_USER"
        self._threaded = self.by_topic or self.by_message

    def key(
        self,
        *,
        chat: int | str | None,
        user: int | str | None,
        thread: int | str | None = None,
        business: str | None = None,
        bot: int | str | None = None,
        message: int | str | None = None,
    ) -> Key | None:
        """Return the key of a place, or `None` if the rule has no use for it.

        Args:
            chat: The chat's id, `None` where there is none (the user then stands for it).
            user: The person's id, `None` for channel posts and anonymous senders.
            thread: The forum topic's id; ignored by rules that are not by topic.
            business: The business connection's id.
            bot: The bot's id.
            message: Id of the message whose button was pressed; an inline message's is a text.
        """
        if self.by_message:
            if message is None:
                return None
            if chat is None:  # an inline message: which chat it stands in, Telegram does not say
                chat = user if self is KeyBy.USER_IN_MESSAGE else str(message)
            # A text, so that message 7 and topic 7 of a chat are no one place.
            thread = f"m{message}"
        elif chat is None or self._by_user:
            chat = user
        if self.by_chat:
            user = chat
        if chat is None or user is None:
            return None
        # Built without the checks of `Key(...)`: this is done for each update, with ids from Telegram.
        return tuple.__new__(Key, (chat, user, thread if self._threaded else None, business, bot))


def event_id_of(given: "str | int | tuple[str, str | int]") -> str:
    """Return the text by which an event is recognised: `source:id`, without spaces.

    Args:
        given: `(source, id)`, or an id alone; `1` and `"1"` are two ids.
    """
    source, ident = given if isinstance(given, tuple) else ("", given)
    return f"{quote(source, safe='')}:{_part_text(ident)}"


def _part_text(part: int | str | None) -> str:
    if part is None:
        return "-"
    return str(part) if isinstance(part, int) else "~" + quote(part, safe="")


def _parse_part(part: str, text: str) -> int | str | None:
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"no key: {text!r}; the part {part!r} is neither a number, nor ~text, nor -")
    if found["number"] is not None:
        return int(found["number"])
    return None if found["text"] is None else unquote(found["text"])
