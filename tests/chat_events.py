"""Events of a chat for tests that do without Telegram."""

from typing import Any

import attrs

from fsmkit.flow.events import ChatEvent, Pressed
from fsmkit.flow.matchers import Matcher
from fsmkit.flow.messages import Address

HERE = Address(10, user=7)


@attrs.define
class Said(ChatEvent):
    """What a person did in chat 10."""

    text: str | None = None
    kind: str = "text"
    date: float | None = None
    address: Address = HERE
    message_id: int | None = None
    value: str | None = None
    pressed: Pressed | None = None
    update: Any = None
    id: tuple[str, Any] | None = None


def said(text: str, **more: Any) -> Said:
    """A new message; a command if it begins with a slash."""
    return Said(text, kind="command" if text.startswith("/") else "text", **more)


def press(value: str, message: int, pressed: Pressed | None = None) -> Said:
    """A press of a button under a message."""
    return Said(kind="button", value=value, message_id=message, pressed=pressed)


class Command(Matcher):
    """Commands of one name; the match is the whole text."""

    kinds = frozenset({"command"})

    def __init__(self, name: str) -> None:
        self.name = name

    def match(self, event: Any) -> str | None:
        """The text of the command."""
        if isinstance(event, ChatEvent) and event.kind == "command" and event.text == f"/{self.name}":
            return event.text
        return None


class Word(Matcher):
    """Texts that are exactly one word."""

    kinds = frozenset({"text"})

    def __init__(self, word: str) -> None:
        self.word = word

    def match(self, event: Any) -> str | None:
        """The word."""
        return self.word if isinstance(event, ChatEvent) and event.text == self.word else None


class Press(Matcher):
    """Presses of a button; the match is its value."""

    kinds = frozenset({"button"})

    def match(self, event: Any) -> str | None:
        """The value."""
        return event.value if isinstance(event, ChatEvent) and event.kind == "button" else None
