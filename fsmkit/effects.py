"""What a step wants done in the world: data, stored with the commit and carried out after it.

`Reply` and `Button` are what users write; the effects are what the engine makes of them. Nothing here
knows how a message is sent.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import attrs
import msgspec


@attrs.frozen
class Button:
    """An inline button.

    Args:
        text: What is written on it.
        value: What a handler finds in `event.value`; by default the text.
        url: A link to open instead; such a button sends no event.
        flow: Set by `flow.button(...)`: the flow that the button starts; it outlives conversations.
    """

    text: str
    value: str = ""
    url: str | None = attrs.field(default=None, kw_only=True)
    flow: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.value == "":  # msgspec knows no defaults that look at other fields
            object.__setattr__(self, "value", self.text)
        for name, text in (("text", self.text), ("value", self.value)):
            if type(text) is not str or not text:
                raise TypeError(f"Button({name}={text!r}): a text that is not empty is needed")


Buttons: TypeAlias = "Sequence[str | Button | Sequence[str | Button]]"
"""Rows of buttons; a flat list is one row, a string is a button with its own text as value."""

Keyboard: TypeAlias = "Sequence[str | Sequence[str]]"
"""Rows of a reply keyboard; a flat list is one row."""


def rows_of_buttons(buttons: Buttons) -> tuple[tuple[Button, ...], ...]:
    """Buttons in their one shape, rows of `Button`; raises TypeError for anything else."""
    return tuple(tuple(_button(item) for item in row) for row in _rows(buttons, "buttons"))


def _rows_of_texts(keyboard: Keyboard) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(row) for row in _rows(keyboard, "keyboard"))


def _rows(items: Sequence[Any], what: str) -> list[Sequence[Any]]:
    if isinstance(items, (str, Button)) or not isinstance(items, Iterable):
        raise TypeError(f"{what}={items!r}: a list is needed, of rows or of single buttons")
    rows = [[item] if isinstance(item, (str, Button)) else item for item in items]
    if any(isinstance(item, (str, Button)) for item in items):
        if not all(isinstance(item, (str, Button)) for item in items):
            raise TypeError(f"{what}={items!r}: either rows or single buttons, not both")
        return [[item for row in rows for item in row]]
    return [row for row in rows if row]


def _button(item: str | Button) -> Button:
    if isinstance(item, Button):
        return item
    if isinstance(item, str):
        return Button(item)
    raise TypeError(f"a button is a text or a Button, got {item!r}")


@attrs.frozen
class Reply:
    """A message to a person.

    Args:
        text: The text; the caption where there is a photo or a document.
        buttons: Rows of inline buttons; a flat list is one row, a string its own value.
        keyboard: Rows of a reply keyboard; it stays until another one or `remove_keyboard`.
        photo: File id, URL or path of a photo to send.
        document: File id, URL or path of a file to send.
        parse_mode: `"HTML"`, `"MarkdownV2"` or `None` (plain text).
        remove_keyboard: Takes the reply keyboard away.
        silent: Sends without a sound.

    Example:
        >>> Reply("Sure?", buttons=["Yes", "No"]).buttons[0][0].value
        'Yes'
    """

    text: str = ""
    buttons: tuple[tuple[Button, ...], ...] = attrs.field(default=(), converter=rows_of_buttons)
    keyboard: tuple[tuple[str, ...], ...] = attrs.field(default=(), converter=_rows_of_texts)
    photo: str | None = None
    document: str | None = None
    parse_mode: str | None = None
    remove_keyboard: bool = attrs.field(default=False, kw_only=True)
    silent: bool = attrs.field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if type(self.text) is not str:
            raise TypeError(f"Reply(text={self.text!r}): a text is needed")
        if not (self.text or self.photo or self.document):
            raise TypeError("an empty Reply: Telegram sends no message without a text, a photo or a document")


class Address(msgspec.Struct, frozen=True, array_like=True):
    """Where effects go, and in which language.

    Attributes:
        chat: Chat id.
        thread: Forum topic id within the chat.
        business: Business connection to send through.
        user: The person spoken to.
        lang: That person's language code, as Telegram gives it.
    """

    chat: int | str
    thread: int | str | None = None
    business: int | str | None = None
    user: int | str | None = None
    lang: str | None = None


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """The place in a conversation that a message's buttons belong to.

    Attributes:
        flow: Name of the flow.
        run: Number of the run, different each time that the flow is entered.
        entry: How often a state was entered in this run.
        owner: The only person who may press, or `None`: anybody in the chat.
        values: Values too long for a button, which stand in the row; a button refers to one by position.
    """

    flow: str
    run: int
    entry: int
    owner: int | str | None = None
    values: tuple[str, ...] = ()


class Send(msgspec.Struct, frozen=True, tag="send", omit_defaults=True):
    """Send a message.

    Attributes:
        reply: The message.
        to: Where it goes.
        bound: What its buttons belong to.
        keep: What its message id is remembered for: `view`, `ephemeral` or nothing.
    """

    reply: Reply
    to: Address
    bound: Bound
    keep: str = ""

    @property
    def text(self) -> str:
        """The text of the message."""
        return self.reply.text


class Edit(msgspec.Struct, frozen=True, tag="edit", omit_defaults=True):
    """Change a message that was sent; without `reply`, take its buttons away."""

    to: Address
    message: int
    bound: Bound
    reply: Reply | None = None

    @property
    def text(self) -> str:
        """The new text of the message."""
        return self.reply.text if self.reply else ""


class Delete(msgspec.Struct, frozen=True, tag="delete"):
    """Delete messages; failures are ignored."""

    to: Address
    messages: tuple[int, ...]


class Answer(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True):
    """Answer the press of a button: out of band, at once or not at all, never stored."""

    text: str = ""
    alert: bool = False


Effect: TypeAlias = Send | Edit | Delete | Answer
"""All that goes to a person."""
