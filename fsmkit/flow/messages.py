"""What stands under a message: inline buttons, and reply keyboards.

Data that users write and the outbox stores; only what is not as default is stored. What a button's callback
data are is `fsmkit.telegram`'s business.
"""

import difflib
import functools
import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypedDict, Unpack, cast

import attrs
import msgspec
from msgspec import UNSET, structs

from fsmkit.errors import refuse_options

MAX_TEXT = 4096
"""UTF-16 units of a message, https://core.telegram.org/bots/api#sendmessage."""

MAX_VALUE = 39
"""Bytes that a button has for its value: Telegram's 64, less mark and header. Longer values are stored."""

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
        text: The text on the button.
        value: The `event.value` of its presses, by default the text: a text, a number, `True`, `None`, a
            date, a list, tuple or dict of these, or an object of a class that some `on=button(...)` names.
        url: A link to open. A button with a link or another action sends no event.
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
        flow: Set by `flow.button(...)`: the flow that the button starts; it is never stale.
        packed: Set in the outbox: the value is JSON, of a value that is not a text.

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
        if _BUTTON_OPTIONS.are_defaults(self):
            return
        _BUTTON_OPTIONS.check(self)
        actions = _given(self, ACTIONS)
        if len(actions) > 1:
            raise TypeError(f"Button({self.text!r}): a button does one thing, not {' and '.join(actions)}")
        if actions and self.value != self.text:
            raise TypeError(f"Button({self.text!r}): with {actions[0]} it sends no value, got {self.value!r}")

    @property
    def action(self) -> tuple[str, Any] | None:
        """What it does instead of sending its value: the name of the argument, and what was given."""
        if _BUTTON_OPTIONS.are_defaults(self):
            return None
        name = next(iter(_given(self, ACTIONS)), None)
        return None if name is None else (name, getattr(self, name))


class _KeySpec(msgspec.Struct, frozen=True, omit_defaults=True, repr_omit_defaults=True):
    """The part of `KeyboardButton` that may be written without names."""

    text: str


class KeyboardButton(_KeySpec, frozen=True, kw_only=True, omit_defaults=True, repr_omit_defaults=True):
    """A key of a reply keyboard that sends something other than its text.

    Args:
        text: The text on the key.
        request_contact: Sends the person's phone number (`on=contact()`).
        request_location: Sends the person's location (`on=location()`).
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
        _KEY_OPTIONS.check(self)
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
    """A reply keyboard with options; without options, a list of rows is enough.

    It is removed when the state that showed it is left, unless it is `one_time` or `persistent`.

    Args:
        rows: Rows of keys; a flat list is one row, a string a key that sends it.
        one_time: Telegram hides it after one key.
        placeholder: The text in the empty input field, 64 characters at most.
        selective: Shown only to people whom the message replies to or mentions. It is removed by a reply to
            that person; in a conversation of a whole chat without `reply_to=`, it is removed for everybody.
        persistent: Telegram always shows it, and it stays after its state.
        resize: Whether it is only as high as its keys need.
    """

    one_time: bool = False
    placeholder: str | None = None
    selective: bool = False
    persistent: bool = False
    resize: bool = True

    def __post_init__(self) -> None:
        structs.force_setattr(self, "rows", rows_of_keys(self.rows))
        _KEYBOARD_OPTIONS.check(self)

    @property
    def keys(self) -> KeyRows:
        """The rows in their one shape."""
        return cast(KeyRows, self.rows)

    @property
    def leaves(self) -> bool:
        """Whether it is taken away when its state is left."""
        return not self.one_time and not self.persistent


def rows_of_buttons(buttons: Buttons) -> ButtonRows:
    """Return buttons in their one shape, rows of `Button`; raise TypeError for anything else."""
    if buttons == ():  # as most messages have it, and each as it is read
        return ()
    return tuple(tuple(_button(item) for item in row) for row in _rows(buttons, "buttons", Button))


def rows_of_keys(keys: Keys) -> KeyRows:
    """Return the keys of a reply keyboard in their one shape; raise TypeError for anything else."""
    if keys == ():
        return ()
    return tuple(tuple(_key(item) for item in row) for row in _rows(keys, "keyboard", KeyboardButton))


def as_keyboard(keyboard: Keyboard | Keys) -> Keyboard | KeyRows:
    """Return a reply keyboard as it is kept: with options a `Keyboard`, else its rows."""
    return keyboard if isinstance(keyboard, Keyboard) else rows_of_keys(keyboard)


def check_text(whose: str, text: Any) -> None:
    """Raise TypeError unless it is a text that is not empty."""
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


class _Options:
    """The types of what stands beside the text of a message, a key or a button.

    They are checked where an option is written: an entry of the outbox in which a flag is a text could not
    be read back, and nothing behind it would ever be sent.

    Args:
        types: The type of each option, by name.
        defaults: Their defaults.
    """

    def __init__(self, types: Mapping[str, Any], defaults: Iterable[Any]) -> None:
        self._types = types
        self._defaults = tuple(defaults)
        # All at once, and by identity (`0 == False`): for each message, when it is made and when it is read.
        self._get: Callable[[Any], tuple[Any, ...]] = operator.attrgetter(*types)

    def are_defaults(self, item: Any) -> bool:
        """Return whether nothing else was given."""
        return all(map(operator.is_, self._get(item), self._defaults))

    def check(self, item: Any) -> None:
        """Raise TypeError for an option of the wrong type."""
        for name, value, default in zip(self._types, self._get(item), self._defaults, strict=True):
            if value is default:
                continue
            try:
                msgspec.convert(value, self._types[name])
                if isinstance(value, dict):
                    json.dumps(value, allow_nan=False)
            except (msgspec.ValidationError, TypeError, ValueError) as error:
                text = f"{item.text!r}, " if hasattr(item, "text") else ""
                told = f"{type(item).__name__}({text}{name}={value!r})"
                raise TypeError(f"{told}: {str(error)[:1].lower()}{str(error)[1:]}") from None


def _options_of(kind: type[msgspec.Struct], besides: Sequence[str]) -> _Options:
    fields = [field for field in structs.fields(kind) if field.name not in besides]
    return _Options({field.name: field.type for field in fields}, [field.default for field in fields])


_BUTTON_OPTIONS = _options_of(Button, ("text", "value"))
_KEY_OPTIONS = _options_of(KeyboardButton, ("text",))
_KEYBOARD_OPTIONS = _options_of(Keyboard, ("rows",))


def _given(item: Any, names: Iterable[str]) -> list[str]:
    """Return those of some options that say something; an empty text does."""
    return [name for name in names if getattr(item, name) not in (None, False)]


MEDIA = ("photo", "document", "video", "animation", "audio", "voice", "video_note", "sticker")
"""Files that a message may carry, one at a time, by the name of the argument and of the Bot API's field."""

BARE_MEDIA = ("video_note", "sticker")
"""Those that have no caption."""

EDITABLE_MEDIA = ("photo", "document", "video", "animation", "audio")
"""Those that may take each other's place, https://core.telegram.org/bots/api#editmessagemedia."""


class ScreenOptions(TypedDict, total=False):
    """What may stand beside the text of `Reply`, `ctx.reply` and `ctx.show`; `Reply` says what each is."""

    buttons: Buttons
    photo: str | Path | None
    document: str | Path | None
    video: str | Path | None
    animation: str | Path | None
    audio: str | Path | None
    voice: str | Path | None
    video_note: str | Path | None
    sticker: str | Path | None
    parse_mode: str | None
    silent: bool
    protect_content: bool
    link_preview: bool | None
    reply_to: int | None
    extra: Mapping[str, Any]


class ReplyOptions(ScreenOptions, total=False):
    """What a message may have and the one screen of a conversation may not: it cannot be edited."""

    keyboard: Keyboard | Keys
    remove_keyboard: bool


_files_of: Callable[[Any], tuple[str | None, ...]] = operator.attrgetter(*MEDIA)  # at once: for each message


class LocalFile(str):
    """The URI of a file on this machine; only a `Path` becomes one.

    In the outbox it is a text like another, so that what is stored there is told apart when it is written:
    a text that a person has sent must never name a file to be uploaded.
    """

    __slots__ = ()


FILE_URI = "file://"


URIS = ("https://", "http://", FILE_URI)


def _as_file(source: str | Path | None) -> str | None:
    """Return a file as it is kept: an id or a URL as it is, a path as a URI."""
    if isinstance(source, Path):
        return LocalFile(source.absolute().as_uri())
    # What has come back from the outbox may begin with `file://`; `storable` tells it from what is new.
    is_path = type(source) is str and ("/" in source or "\\" in source) and not source.startswith(URIS)
    if is_path:
        raise TypeError(
            f"{source!r} is neither the id of a file nor a URL; for a file on this machine write "
            f"pathlib.Path({source!r})"
        )
    return source


def _as_extra(extra: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(extra) if extra else None


@attrs.frozen
class Reply:
    """A message to a person.

    Args:
        text: The text; the caption if there is a file.
        buttons: Rows of inline buttons; a flat list is one row, a string is a button with itself as value.
        keyboard: Rows of a reply keyboard, or a `Keyboard` with options.
        photo: A photo: a text is the id of a file or a URL, a `pathlib.Path` is a file on this machine. The
            same holds for the other files; a message has one at most.
        document: A file.
        parse_mode: `"HTML"`, `"MarkdownV2"` or `None` (as the application's `Defaults` say, else plain text).
        remove_keyboard: Removes the reply keyboard.
        silent: Sends without a sound.
        video: A video.
        animation: A video without sound, or a GIF.
        audio: A piece of music.
        voice: A voice message (OGG with OPUS, MP3 or M4A).
        video_note: A round video; without a caption.
        sticker: A sticker; without a caption.
        protect_content: Forbids forwarding and saving.
        link_preview: Whether the first link is shown with a preview; `None`: as `Defaults` say.
        reply_to: Id of the message that it replies to; if that does not exist any more, it is sent anyway.
        extra: Further parameters of the Bot API's method, by its names: `{"message_effect_id": "5104..."}`.

    Raises:
        TypeError: If Telegram could not send such a message.

    Example:
        >>> Reply("Sure?", buttons=["Yes", "No"]).buttons[0][0].value
        'Yes'
    """

    text: str = ""
    buttons: ButtonRows = attrs.field(default=(), converter=rows_of_buttons)
    keyboard: Keyboard | KeyRows = attrs.field(default=(), converter=as_keyboard)
    photo: str | None = attrs.field(default=None, converter=_as_file)
    document: str | None = attrs.field(default=None, converter=_as_file)
    parse_mode: str | None = None
    remove_keyboard: bool = attrs.field(default=False, kw_only=True)
    silent: bool = attrs.field(default=False, kw_only=True)
    video: str | None = attrs.field(default=None, kw_only=True, converter=_as_file)
    animation: str | None = attrs.field(default=None, kw_only=True, converter=_as_file)
    audio: str | None = attrs.field(default=None, kw_only=True, converter=_as_file)
    voice: str | None = attrs.field(default=None, kw_only=True, converter=_as_file)
    video_note: str | None = attrs.field(default=None, kw_only=True, converter=_as_file)
    sticker: str | None = attrs.field(default=None, kw_only=True, converter=_as_file)
    protect_content: bool = attrs.field(default=False, kw_only=True)
    link_preview: bool | None = attrs.field(default=None, kw_only=True)
    reply_to: int | None = attrs.field(default=None, kw_only=True)
    extra: dict[str, Any] | None = attrs.field(default=None, kw_only=True, converter=_as_extra)

    def __attrs_post_init__(self) -> None:
        if type(self.text) is not str:
            raise TypeError(f"Reply(text={self.text!r}): a text is needed")
        if not _REPLY_OPTIONS.are_defaults(self):
            _REPLY_OPTIONS.check(self)
        if not any(_files_of(self)):
            if not self.text:
                raise TypeError("an empty Reply: Telegram sends no message without a text or a file")
            return
        files = [name for name in MEDIA if getattr(self, name)]
        if len(files) > 1:
            raise TypeError(f"Reply({self.text!r}): a message carries one file, not {' and '.join(files)}")
        if self.text and files[0] in BARE_MEDIA:
            raise TypeError(
                f"Reply({self.text!r}): a {files[0]} has no caption; say it in a message of its own"
            )

    @property
    def media(self) -> tuple[str, str] | None:
        """The file that it carries: its kind, and file id, URL or path."""
        files = _files_of(self)
        if not any(files):
            return None
        return next((name, source) for name, source in zip(MEDIA, files, strict=True) if source)

    @property
    def file(self) -> str:
        """The same as one text, with a colon between kind and source; empty without a file."""
        return ":".join(self.media or ())


_REPLY_OPTIONS = _Options(
    {
        field.name: field.type
        for field in attrs.fields(Reply)
        if field.name not in ("text", "buttons", "keyboard")
    },
    [field.default for field in attrs.fields(Reply) if field.name not in ("text", "buttons", "keyboard")],
)


def as_reply(text: str | Reply, **options: Unpack[ReplyOptions]) -> Reply:
    """Return a `Reply` from a text and options, or from a `Reply` whose options may be overridden."""
    if isinstance(text, Reply):
        return attrs.evolve(text, **options) if options else text
    return Reply(text, **options) if options or type(text) is not str else _text_alone(text)


@functools.lru_cache(maxsize=512)
def _text_alone(text: str) -> Reply:
    return Reply(text)  # a bot says most of its texts again and again


_REPLY_FIELDS = tuple(attrs.fields_dict(Reply))


def _no_option(_whose: str, option: str, _known: Sequence[str]) -> TypeError:
    return TypeError(f"a message has no option {option}=. {_instead_of(option)}")


refuse_options(Reply, _REPLY_FIELDS, _no_option)

INSTEAD_OF_OPTIONS = {
    "reply_markup": "Write buttons= for inline buttons, keyboard= for a reply keyboard",
    "inline_keyboard": "Write buttons=",
    "caption": "The text is the caption: write it first",
    "disable_notification": "Write silent=True",
    "reply_to_message_id": "Write reply_to=",
    "reply_parameters": "Write reply_to=",
    "disable_web_page_preview": "Write link_preview=False",
    "link_preview_options": "Write link_preview=",
    "chat_id": "A message goes to the chat of the conversation; ctx.send(key, event) reaches another one",
}
"""What to write instead of options that the Bot API has for a message."""


def _instead_of(option: str) -> str:
    near = difflib.get_close_matches(option, _REPLY_FIELDS, n=1)
    default = (
        f"Did you mean {near[0]}=?" if near else f'Write extra={{"{option}": ...}} if the Bot API has it'
    )
    return INSTEAD_OF_OPTIONS.get(option, default)


def named_screen(flow: str, screen: str) -> str:
    """Return what a screen is known by: one with a name belongs to the flow that names it."""
    return f"{flow}/{screen}" if screen else ""


def as_screen(reply: Reply) -> Reply:
    """Return the same; raise TypeError for what no edit can bring."""
    if reply.keyboard or reply.remove_keyboard:
        raise TypeError(f"a screen ({reply.text!r}) has no reply keyboard: send that with ctx.reply")
    return reply


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


class Answer(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True):
    """Answer the press of a button: out of band, at once or not at all, never stored."""

    text: str = ""
    alert: bool = False


class Verdict(Answer, frozen=True, tag="verdict"):
    """Answer what Telegram asks before a payment; as out of band as the answer to a press.

    Attributes:
        approved: Whether the payment, or the shipping, may go ahead; else `text` says why not.
        shipping: Ways to ship: `(id, title, [(label, amount), ...])`, or PTB's `ShippingOption`.
    """

    approved: bool = False
    shipping: tuple[Any, ...] = ()
