"""Matchers for what comes from Telegram: what stands in `on=`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from fsmkit.flow.events import MESSAGE_KINDS, ChatEvent
from fsmkit.flow.flow import Text as FlowText
from fsmkit.flow.matchers import Example, Matcher
from fsmkit.flow.messages import MAX_TEXT
from fsmkit.flow.options import options_checked
from fsmkit.interpreter.roundtrip import same
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.typed_events import CommandEvent, PressEvent, TextEvent

V = TypeVar("V")

_NAME = re.compile(r"[a-z0-9_]{1,32}")

_LANGUAGE = re.compile(r"([a-z]{2})?")
"""A language of a command menu, in ISO 639-1; empty for all others."""

MAX_DESCRIPTION = 256
"""Characters, https://core.telegram.org/bots/api#botcommand."""


class OfKind(Matcher):
    """Events of some kinds; the match is what was sent: the text, the file id, the content."""

    def __init__(self, name: str, kinds: frozenset[str]) -> None:
        self.name = name
        self.kinds = kinds

    def match(self, event: Any) -> Any:
        """Return what was sent."""
        if not isinstance(event, ChatEvent) or self.kinds is None or event.kind not in self.kinds:
            return None
        for name in ("text", "value", "file_id", "content"):
            found = getattr(event, name, None)
            if found is not None:
                return found
        return event

    def label(self) -> str:
        """Return the name of the kinds."""
        return self.name

    def examples(self) -> Iterable[Any]:
        """Return one of each kind."""
        return [Example("message")] if self.kinds == MESSAGE_KINDS else super().examples()

    def __repr__(self) -> str:
        return f"{self.name}()"


class Text(Matcher):
    """New text messages that are no command and match a pattern as a whole; the match is a `re.Match`."""

    kinds = frozenset({"text"})

    def __init__(self, pattern: str | re.Pattern[str]) -> None:
        self.pattern = compiled(pattern, "text")

    def match(self, event: Any) -> Any:
        """Return the `re.Match`."""
        if isinstance(event, ChatEvent) and event.kind == "text":
            return matched(self.pattern, event.text)
        return None

    def impossible(self) -> str | None:
        """Refuse a pattern that wants a command, which would never see one."""
        if re.match(r"\^?/\w", self.pattern.pattern):
            return "text() never sees commands; use command(...)"
        return super().impossible()

    def labels(self) -> Sequence[str]:
        """Return the pattern, between slashes."""
        return (f"text /{self.pattern.pattern}/",)

    def examples(self) -> Iterable[Any]:
        """Return a text of the pattern."""
        return [Example("text", self.pattern)]

    def __repr__(self) -> str:
        return f"text({self.pattern.pattern!r})"


class Command(Matcher):
    """Commands of some names (none given: any); with `args` the match is the `re.Match` of the arguments."""

    kinds = frozenset({"command"})

    def __init__(
        self, *names: str, args: str | re.Pattern[str] | None = None, description: FlowText = None
    ) -> None:
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"command({names!r}): names are texts")
        self.names = tuple(name.lower() for name in names)
        self.args = None if args is None else compiled(args, "command(args=...)")
        self.description = description

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in which it is described by itself."""
        given = self.description
        return tuple(lang for lang in given if lang) if isinstance(given, Mapping) else ()

    def match(self, event: Any) -> Any:
        """Return the name, or the `re.Match` of the arguments."""
        if not isinstance(event, ChatEvent) or event.kind != "command":
            return None
        name = getattr(event, "command", None)
        if self.names and name not in self.names:
            return None
        return name if self.args is None else matched(self.args, " ".join(getattr(event, "args", ())))

    def impossible(self) -> str | None:
        """Refuse a name that Telegram does not take for a command."""
        wrong = [name for name in self.names if not _NAME.fullmatch(name)]
        if wrong:
            return f"{wrong[0]!r} is not a command: letters, digits and _, 32 at most, without the slash"
        if self.description is not None and (wrong_text := _wrong_description(self)):
            return wrong_text
        return super().impossible()

    def label(self) -> str:
        """Return the command as it is typed."""
        if len(self.names) > 1 or self.args:
            return repr(self)
        return f"/{self.names[0]}" if self.names else "command"

    def labels(self) -> Sequence[str]:
        """Return the commands as they are typed, with the pattern of what follows."""
        args = f" /{self.args.pattern}/" if self.args else ""
        return [f"/{name}{args}" for name in self.names] or (f"command{args}",)

    def examples(self) -> Iterable[Any]:
        """Return each command."""
        return [Example("command", name, self.args) for name in self.names or (None,)]

    def __repr__(self) -> str:
        shown = [*map(repr, self.names), *([f"args={self.args.pattern!r}"] if self.args else [])]
        return f"command({', '.join(shown)})"


def _wrong_description(command: Command) -> str | None:
    """Return why Telegram would not take the description of a command."""
    given: Any = command.description
    texts: dict[Any, Any] = dict(given) if isinstance(given, Mapping) else {"": given}
    named = f"command({', '.join(map(repr, command.names))})"
    if not command.names:
        return "a description needs a name: write command(name, description=...)"
    if not texts:
        return f"the description of {named} has no language"
    for lang, text in texts.items():
        if not isinstance(lang, str) or not _LANGUAGE.fullmatch(lang):
            return (
                f'the description of {named} is for {lang!r}: Telegram has menus for languages such as "de"'
            )
        if not isinstance(text, str) or not 1 <= len(text.strip()) <= MAX_DESCRIPTION:
            length = f"{len(text.strip())} characters" if isinstance(text, str) else repr(text)
            return f"the description of {named} is {length}: Telegram takes 1 to {MAX_DESCRIPTION} characters"
    return None


class PressOf(Matcher):
    """Presses of inline buttons with some values (none given: any).

    A class stands for its objects, a compiled pattern for texts that match it as a whole, anything else for
    itself. The match is the value, or the `re.Match`; for the value `None` it is the event.
    """

    def __init__(self, kind: str, values: tuple[Any, ...]) -> None:
        self.kind = kind
        self.kinds = frozenset({kind})
        self.values = values
        self.value_classes = tuple(_classes_of(values))

    def match(self, event: Any) -> Any:
        """Return the value, or the `re.Match` of it."""
        if not isinstance(event, ChatEvent) or event.kind != self.kind:
            return None
        value = event.value
        for wanted in self.values:
            if isinstance(wanted, re.Pattern):
                found = wanted.fullmatch(value) if isinstance(value, str) else None
                if found is not None:
                    return found
            elif _is_value(wanted, value):
                break
        else:
            if self.values:
                return None
        return event if value is None else value

    def impossible(self) -> str | None:
        """Refuse an empty text, which no button has for its value."""
        empty = any(isinstance(value, str) and not value for value in self.values)
        return "a button has no empty value" if empty else super().impossible()

    def label(self) -> str:
        """Return the text of the one button, in quotation marks."""
        if not self.values:
            return self.kind
        named = self.kind == "button" and len(self.values) == 1 and isinstance(self.values[0], str)
        return f'"{self.values[0]}"' if named else repr(self)

    def labels(self) -> Sequence[str]:
        """Return the values in brackets, as buttons look; of a raw button with its kind."""
        if not self.values:
            return (self.kind,)
        raw = "" if self.kind == "button" else f"{self.kind} "
        return [f"{raw}[{_on_button(value)}]" for value in self.values]

    def examples(self) -> Iterable[Any]:
        """Return a press of each value."""
        return [Example(self.kind, value) for value in self.values or (None,)]

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(map(_shown, self.values))})"


def _on_button(value: Any) -> str:
    """Return a value as a text on a button would say it."""
    if isinstance(value, re.Pattern):
        return f"/{value.pattern}/"
    return value.__name__ if isinstance(value, type) else str(value)


def _is_value(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, type):
        return isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))
    if type(wanted) is not type(value):
        return False
    if isinstance(value, str):
        return bool(value == wanted)
    return bool(value == wanted) and same(value, wanted) and same(wanted, value)


def _classes_of(values: Iterable[Any]) -> Iterator[type]:
    """Return the classes whose objects occur in values."""
    for value in values:
        if isinstance(value, type):
            yield value
        elif isinstance(value, dict):
            yield from _classes_of([*value, *value.values()])
        elif isinstance(value, list | tuple | set | frozenset):
            yield from _classes_of(value)
        elif type(value).__module__ != "builtins" and not isinstance(value, re.Pattern):
            yield type(value)


def _shown(value: Any) -> str:
    if isinstance(value, type):
        return value.__name__
    return repr(value.pattern if isinstance(value, re.Pattern) else value)


class AlbumOf(Matcher):
    """Albums; the match is the tuple of file ids."""

    kinds = frozenset({"album"})

    def match(self, event: Any) -> Any:
        """Return the file ids, in order."""
        return event.file_ids if getattr(event, "kind", None) == "album" else None

    def label(self) -> str:
        """Return `album`."""
        return "album"

    def __repr__(self) -> str:
        return "album()"


def message() -> Matcher[TelegramEvent]:
    """Any new message that is not a command, whatever its content."""
    return OfKind("message", MESSAGE_KINDS)


@options_checked
def text(pattern: str | re.Pattern[str] | None = None) -> Matcher[TextEvent]:
    """Match a new text message that is not a command.

    Args:
        pattern: A pattern that the whole text must match; `ctx.match` is then a `re.Match`.

    Example:
        >>> text(r"[0-9]{1,3}")
        text('[0-9]{1,3}')
    """
    return OfKind("text", frozenset({"text"})) if pattern is None else Text(pattern)


@options_checked
def command(
    *names: str, args: str | re.Pattern[str] | None = None, description: FlowText = None
) -> Matcher[CommandEvent]:
    """Match a command: `/start`, `/start@this_bot`, in upper or lower case, but not another bot's.

    Args:
        names: Without the slash; none: any command.
        args: A pattern that the words after it, joined by single spaces, must match as a whole.
        description: The text beside the first name in Telegram's menu (`attach(..., command_menu=True)`):
            a text of 256 characters at most, or texts by language, as `{"en": "Begin", "de": "Beginnen"}`.
    """
    return Command(*names, args=args, description=description)


@overload
def button() -> Matcher[PressEvent[Any]]: ...


@overload
def button(*values: type[V]) -> Matcher[PressEvent[V]]: ...


@overload
def button(*values: re.Pattern[str]) -> Matcher[PressEvent[str]]: ...


@overload
def button(*values: V) -> Matcher[PressEvent[V]]: ...


def button(*values: Any) -> Matcher[PressEvent[Any]]:
    """Match a press of one of fsmkit's own buttons.

    Args:
        values: Values (of the same type: `1` is neither `"1"` nor `True`), compiled patterns that a text must
            match as a whole, or classes, for all their objects; none: any button.

    Example:
        >>> button("yes", 1)
        button('yes', 1)
    """
    return PressOf("button", values)


def raw_button(*data: str | re.Pattern[str]) -> Matcher[TelegramEvent]:
    """Match a press of a button that the bot made itself (`InlineKeyboardButton(..., callback_data=...)`).

    It is not authenticated: a modified client can send any data under any message of the bot, also that of
    another person's button or of an earlier state. Check in the handler whatever must be true.

    Args:
        data: Callback data: a text is a pattern that must match as a whole.
    """
    if not all(isinstance(item, str | re.Pattern) for item in data):
        raise TypeError(f"raw_button({data!r}): callback data are texts or compiled patterns")
    patterns = tuple(re.compile(item) if isinstance(item, str) else item for item in data)
    return PressOf("raw_button", patterns)


def photo() -> Matcher[TelegramEvent]:
    """Match a photo; the match is the file id of its largest size."""
    return OfKind("photo", frozenset({"photo"}))


def album() -> Matcher[TelegramEvent]:
    """Match an album: photos, videos, files, music sent together; the match is the tuple of their file ids.

    Its messages are collected into one event; in a state without a handler for albums they come one by one.
    """
    return AlbumOf()


def document() -> Matcher[TelegramEvent]:
    """Match a file; the match is its file id."""
    return OfKind("document", frozenset({"document"}))


def video() -> Matcher[TelegramEvent]:
    """Match a video; the match is its file id."""
    return OfKind("video", frozenset({"video"}))


def voice() -> Matcher[TelegramEvent]:
    """Match a voice message; the match is its file id."""
    return OfKind("voice", frozenset({"voice"}))


def audio() -> Matcher[TelegramEvent]:
    """Match an audio file; the match is its file id."""
    return OfKind("audio", frozenset({"audio"}))


def sticker() -> Matcher[TelegramEvent]:
    """Match a sticker; the match is its file id."""
    return OfKind("sticker", frozenset({"sticker"}))


def location() -> Matcher[TelegramEvent]:
    """Match a location (also that of a venue); the match is PTB's `Location` or `Venue`."""
    return OfKind("location", frozenset({"location", "venue"}))


def contact() -> Matcher[TelegramEvent]:
    """Match a contact; the match is PTB's `Contact`."""
    return OfKind("contact", frozenset({"contact"}))


def edited() -> Matcher[TelegramEvent]:
    """Match an edited message."""
    return OfKind("edited", frozenset({"edited"}))


def inline(pattern: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match an inline query; with a pattern one whose text matches as a whole."""
    if pattern is None:
        return OfKind("inline", frozenset({"inline"}))
    return Payload("inline", pattern, "text")


def poll_answer() -> Matcher[TelegramEvent]:
    """Match a vote in a poll that is not anonymous; the match is PTB's `PollAnswer`."""
    return OfKind("poll_answer", frozenset({"poll_answer"}))


def animation() -> Matcher[TelegramEvent]:
    """Match a GIF or a video without sound; the match is its file id."""
    return OfKind("animation", frozenset({"animation"}))


def video_note() -> Matcher[TelegramEvent]:
    """Match a round video; the match is its file id."""
    return OfKind("video_note", frozenset({"video_note"}))


def dice() -> Matcher[TelegramEvent]:
    """Match a die, a dart, a slot machine; the match is PTB's `Dice`."""
    return OfKind("dice", frozenset({"dice"}))


def poll() -> Matcher[TelegramEvent]:
    """Match a message with a poll; the match is PTB's `Poll`. Votes are `poll_answer()`."""
    return OfKind("poll", frozenset({"poll"}))


def users_shared() -> Matcher[TelegramEvent]:
    """People chosen through a request button; the match is PTB's `UsersShared`."""
    return OfKind("users_shared", frozenset({"users_shared"}))


def chat_shared() -> Matcher[TelegramEvent]:
    """Match a chat chosen through a request button; the match is PTB's `ChatShared`."""
    return OfKind("chat_shared", frozenset({"chat_shared"}))


def kind(*names: str) -> Matcher[TelegramEvent]:
    """Events of some kinds, by `event.kind`: `"service"`, `"business_connection"`, `"managed_bot"`, …"""
    return OfKind(f"kind{names!r}", frozenset(names))


def compiled(pattern: str | re.Pattern[str], where: str) -> re.Pattern[str]:
    """Return a pattern made ready; raises TypeError, with the matcher's name, if it is none."""
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise TypeError(f"{where}: {pattern!r} is not a pattern: {error}") from None


def matched(pattern: re.Pattern[str], text: str | None) -> re.Match[str] | None:
    """Match a text as a whole, unless it is longer than any that Telegram sends: it could take very long."""
    return pattern.fullmatch(text or "") if len(text or "") <= MAX_TEXT else None


class Payload(Matcher):
    """Events of one kind whose payload or text matches a pattern as a whole; the match is a `re.Match`."""

    def __init__(self, kind: str, pattern: str | re.Pattern[str], read: str) -> None:
        self.kinds = frozenset({kind})
        self.kind = kind
        self.read = read
        self.pattern = compiled(pattern, kind)

    def match(self, event: Any) -> Any:
        """Return the `re.Match`."""
        if not isinstance(event, ChatEvent) or event.kind != self.kind:
            return None
        return matched(self.pattern, getattr(event, self.read))

    def examples(self) -> Iterable[Any]:
        """Return a payload of the pattern."""
        return [Example(self.kind, self.pattern)]

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
        """Return the emoji, or the id of the custom emoji."""
        if not isinstance(event, ChatEvent) or event.kind != "message_reaction":
            return None
        added = getattr(event, "reactions", ())
        return next((one for one in added if not self.wanted or one in self.wanted), None)

    def label(self) -> str:
        """Return `reaction`, with the emoji where there are any."""
        return repr(self) if self.wanted else "reaction"

    def labels(self) -> Sequence[str]:
        """Return each emoji."""
        return [f"reaction {one}" for one in self.wanted] or ("reaction",)

    def examples(self) -> Iterable[Any]:
        """Return each emoji."""
        return [Example("message_reaction", emoji) for emoji in self.wanted or ("\N{THUMBS UP SIGN}",)]

    def __repr__(self) -> str:
        return f"reaction({', '.join(map(repr, self.wanted))})"


def web_app_data(pattern: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match data of a web app, opened from a reply keyboard; the match is the data, or its `re.Match`."""
    return _of("web_app_data", pattern)


def pre_checkout_query(payload: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match a person who is about to pay: call `ctx.approve()`, or the payment is declined.

    Args:
        payload: A pattern that the whole payload of the invoice must match; `ctx.match` is then a
            `re.Match`, otherwise the payload.
    """
    return _of("pre_checkout_query", payload)


def shipping_query(payload: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match a person who gives a shipping address; `ctx.approve(shipping=...)`, or it is declined."""
    return _of("shipping_query", payload)


def successful_payment(payload: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match a payment that was made; the match is the payload, `event.content` PTB's `SuccessfulPayment`."""
    return _of("successful_payment", payload)


def refunded_payment(payload: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match a refund; the match is the payload, `event.content` PTB's `RefundedPayment`."""
    return _of("refunded_payment", payload)


def purchased_paid_media(payload: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Somebody has bought paid media; the match is their payload."""
    return _of("purchased_paid_media", payload)


def chosen_inline_result(result_id: str | re.Pattern[str] | None = None) -> Matcher[TelegramEvent]:
    """Match the result of an inline query that was sent; the match is the result's id, or its `re.Match`."""
    return _of("chosen_inline_result", result_id)


def chat_join_request() -> Matcher[TelegramEvent]:
    """Somebody asks to join; a conversation with that person. The match is PTB's `ChatJoinRequest`."""
    return OfKind("chat_join_request", frozenset({"chat_join_request"}))


def my_chat_member() -> Matcher[TelegramEvent]:
    """Match a change of the bot's own role in a chat; the match is PTB's `ChatMemberUpdated`."""
    return OfKind("my_chat_member", frozenset({"my_chat_member"}))


def chat_member() -> Matcher[TelegramEvent]:
    """Somebody's role in a chat has changed; the match is PTB's `ChatMemberUpdated`.

    The event belongs to the person who changed it, often an administrator.
    """
    return OfKind("chat_member", frozenset({"chat_member"}))


def reaction(*emoji: str) -> Matcher[TelegramEvent]:
    """Match a reaction that was added to a message; the match is the emoji, or the id of a custom one.

    Args:
        emoji: Which ones; none: any. Only `kind("message_reaction")` matches a reaction that was removed.

    Example:
        >>> reaction("👍", "👎")
        reaction('👍', '👎')
    """
    return Reaction(*emoji)


def _of(name: str, pattern: str | re.Pattern[str] | None, read: str = "value") -> Matcher[TelegramEvent]:
    """Events of one kind, narrowed by a pattern for one of their texts; the match is then a `re.Match`."""
    return OfKind(name, frozenset({name})) if pattern is None else Payload(name, pattern, read)
