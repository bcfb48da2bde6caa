"""What stands under a message: inline buttons, and reply keyboards.

Data that users write and the outbox stores; only what is not as default is stored. What a button's callback
data are is `fsmkit.telegram`'s business.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

import msgspec
from msgspec import UNSET, structs

MAX_VALUE = 39
"""Bytes that a button has for its value: Telegram's 64, less mark and header. Others stand in the row."""

ACTIONS = (
    "url",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
    "callback_data",
)
"""What a button may do instead of sending its value."""

REQUESTS = (
    "request_contact",
    "request_location",
    "request_users",
    "request_chat",
    "request_poll",
    "web_app",
)
"""What a key of a reply keyboard may do instead of sending its text."""


CHATS = ("group", "channel")
POLLS = ("quiz", "regular", "any")


class _Pressable(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True):
    """The part of `Button` that may be written without names."""

    text: str
    value: Any = UNSET


class Button(_Pressable, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """An inline button. Without an action it sends its value, for `on=button(...)`.

    Args:
        text: What is written on it.
        value: What a handler finds in `event.value`, by default the text: a text, a number, `True`, `None`, a
            date, a list, tuple or dict of such, or an object of a class that some `on=button(...)` names.
        url: A link to open; such a button, as all with an action, sends no event.
        web_app: Address of a web app to open.
        login_url: Address to log in at, or a mapping with the Bot API's fields of `LoginUrl`.
        switch_inline_query: Opens a chat of the person's choice with the bot's name and this query.
        switch_inline_query_current_chat: The same in this chat.
        switch_inline_query_chosen_chat: The same in a chat of any kind, or of the kinds that a mapping with
            the Bot API's fields of `SwitchInlineQueryChosenChat` allows.
        copy_text: A text for the clipboard.
        callback_game: Starts the game of the message; must be the first button.
        pay: Pays the invoice of the message; must be the first button.
        callback_data: Callback data of your own, for `on=raw_button(...)`: not authenticated.
        style: `"primary"`, `"success"` or `"danger"` (Bot API 9.4).
        icon: Id of a custom emoji before the text (Bot API 9.4).
        flow: Set by `flow.button(...)`: the flow that the button starts; it outlives conversations.
        packed: Set in the outbox: the value is the JSON of one that is no text.

    Raises:
        TypeError: If the text is empty, or the button has two actions, or a value and an action.

    Example:
        >>> Button("Yes").value, Button("Add one", 1).value, Button("Docs", url="https://example.org").url
        ('Yes', 1, 'https://example.org')
    """

    url: str | None = None
    web_app: str | None = None
    login_url: str | dict[str, Any] | None = None
    switch_inline_query: str | None = None
    switch_inline_query_current_chat: str | None = None
    switch_inline_query_chosen_chat: str | dict[str, Any] | None = None
    copy_text: str | None = None
    callback_game: bool = False
    pay: bool = False
    callback_data: str | None = None
    style: str | None = None
    icon: str | None = None
    flow: str | None = None
    packed: bool = False

    def __post_init__(self) -> None:
        check_text("Button", self.text)
        if self.value is UNSET:
            structs.force_setattr(self, "value", self.text)
        elif isinstance(self.value, str) and not self.value:
            raise TypeError(f"Button({self.text!r}, value=''): a value that is not empty is needed")
        if _actions_of(self) == _NO_ACTIONS:
            return
        actions = _given(self, ACTIONS)
        if len(actions) > 1:
            raise TypeError(f"Button({self.text!r}): a button does one thing, not {' and '.join(actions)}")
        if actions and self.value != self.text:
            raise TypeError(f"Button({self.text!r}): with {actions[0]} it sends no value, got {self.value!r}")

    @property
    def action(self) -> tuple[str, Any] | None:
        """What it does instead of sending its value: the name of the argument, and what was given."""
        if _actions_of(self) == _NO_ACTIONS:
            return None
        name = next(iter(_given(self, ACTIONS)), None)
        return None if name is None else (name, getattr(self, name))


# Compared at once: this is done for each button, when it is made and when it is read.
_actions_of: Callable[[Any], tuple[Any, ...]] = operator.attrgetter(*ACTIONS)
_NO_ACTIONS = tuple(False if name in ("callback_game", "pay") else None for name in ACTIONS)


class _Key(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True):
    """The part of `KeyboardButton` that may be written without names."""

    text: str


class KeyboardButton(_Key, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """A key of a reply keyboard that sends something else than its text.

    Args:
        text: What is written on it.
        request_contact: Sends the person's phone number (`on=contact()`).
        request_location: Sends the person's place (`on=location()`).
        request_users: Lets the person choose users: how many at most, or a mapping with the Bot API's fields
            of `KeyboardButtonRequestUsers`.
        request_chat: Lets the person choose a chat: `"group"`, `"channel"`, or a mapping with the Bot API's
            fields of `KeyboardButtonRequestChat`.
        request_poll: Lets the person make a poll: `"quiz"`, `"regular"` or `"any"`.
        web_app: Address of a web app, whose data come back (`on=kind("web_app_data")`).

    Raises:
        TypeError: If the text is empty, or the key asks for two things.

    Example:
        >>> Keyboard([[KeyboardButton("My number", request_contact=True)], ["Skip"]], one_time=True).one_time
        True
    """

    request_contact: bool = False
    request_location: bool = False
    request_users: int | dict[str, Any] | None = None
    request_chat: str | dict[str, Any] | None = None
    request_poll: str | None = None
    web_app: str | None = None

    def __post_init__(self) -> None:
        check_text("KeyboardButton", self.text)
        asked = _given(self, REQUESTS)
        if len(asked) > 1:
            raise TypeError(f"KeyboardButton({self.text!r}): a key does one thing, not {' and '.join(asked)}")
        for name, known in (("request_chat", CHATS), ("request_poll", POLLS)):
            given = getattr(self, name)
            if isinstance(given, str) and given not in known:
                raise TypeError(f"KeyboardButton({self.text!r}, {name}={given!r}): one of {known} is needed")

    @property
    def request(self) -> tuple[str, Any] | None:
        """What it does instead of sending its text: the name of the argument, and what was given."""
        name = next(iter(_given(self, REQUESTS)), None)
        return None if name is None else (name, getattr(self, name))


Buttons: TypeAlias = Sequence[str | Button | Sequence[str | Button]]
"""Rows of buttons; a flat list is one row, a string is a button with its own text as value."""

ButtonRows: TypeAlias = tuple[tuple[Button, ...], ...]
"""Buttons in their one shape."""

KeyRows: TypeAlias = tuple[tuple[str | KeyboardButton, ...], ...]
"""Keys in their one shape."""

Keys: TypeAlias = Sequence[str | KeyboardButton | Sequence[str | KeyboardButton]]
"""Rows of a reply keyboard; a flat list is one row, a string a key that sends it."""


class _Rows(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True):
    """The part of `Keyboard` that may be written without names."""

    rows: Keys


class Keyboard(_Rows, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """A reply keyboard with options; without any, a list of rows says the same.

    It is taken away when the state that showed it is left, unless it is `one_time` or `persistent`.

    Args:
        rows: Rows of keys; a flat list is one row, a string a key that sends it.
        one_time: Telegram hides it after one key.
        placeholder: What stands in the empty input field, 64 characters at most.
        selective: Shown only to whom the message replies to or mentions.
        persistent: Telegram always shows it, and it outlives its state.
        resize: Whether it is no higher than its keys need.
    """

    one_time: bool = False
    placeholder: str | None = None
    selective: bool = False
    persistent: bool = False
    resize: bool = True

    def __post_init__(self) -> None:
        structs.force_setattr(self, "rows", rows_of_keys(self.rows))

    @property
    def keys(self) -> KeyRows:
        """The rows in their one shape."""
        return cast(KeyRows, self.rows)

    @property
    def leaves(self) -> bool:
        """Whether it is taken away when its state is left."""
        return not self.one_time and not self.persistent


def rows_of_buttons(buttons: Buttons) -> ButtonRows:
    """Buttons in their one shape, rows of `Button`; raises TypeError for anything else."""
    return tuple(tuple(_button(item) for item in row) for row in _rows(buttons, "buttons", Button))


def rows_of_keys(keys: Keys) -> KeyRows:
    """The keys of a reply keyboard in their one shape; raises TypeError for anything else."""
    return tuple(tuple(_key(item) for item in row) for row in _rows(keys, "keyboard", KeyboardButton))


def as_keyboard(keyboard: Keyboard | Keys) -> Keyboard | KeyRows:
    """A reply keyboard as it is kept: with options a `Keyboard`, else its rows."""
    return keyboard if isinstance(keyboard, Keyboard) else rows_of_keys(keyboard)


def check_text(whose: str, text: Any) -> None:
    """Raises TypeError unless it is a text that is not empty."""
    if type(text) is not str or not text:
        raise TypeError(f"{whose}(text={text!r}): a text that is not empty is needed")


def _rows(items: Any, what: str, single: type) -> list[Sequence[Any]]:
    if isinstance(items, (str, single, Mapping)) or not isinstance(items, Iterable):
        raise TypeError(f"{what}={items!r}: a list is needed, of rows or of single buttons")
    found: list[Any] = [*items]
    if any(isinstance(item, (str, single)) for item in found):
        if not all(isinstance(item, (str, single)) for item in found):
            raise TypeError(f"{what}={items!r}: either rows or single buttons, not both")
        return [found]
    return [row for row in found if row]


def _button(item: Any) -> Button:
    if isinstance(item, Button):
        return item
    if isinstance(item, str):
        return Button(item)
    raise TypeError(f"a button is a text or a Button, got {item!r}")


def _key(item: Any) -> str | KeyboardButton:
    if isinstance(item, str | KeyboardButton):
        return item
    raise TypeError(f"a key of a reply keyboard is a text or a KeyboardButton, got {item!r}")


def _given(item: Any, names: Iterable[str]) -> list[str]:
    """Those of some options that say something; an empty text does."""
    return [name for name in names if getattr(item, name) not in (None, False)]
