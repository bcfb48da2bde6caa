"""Acts: what people and the world do to a bot, as data; a conversation is a list of them.

What a hand-written test does, what is generated, what is shrunk, stored and replayed are all actions, and a
`fsmkit.testing.harness.Stage` carries each of them out. Each knows its line in a transcript and in a test.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import attrs
import msgspec

from fsmkit.flow.flow import Flow
from fsmkit.flow.matchers import classes_in
from fsmkit.interpreter.codec import EventCodec, class_name
from fsmkit.testing.harness import actions as actions


@attrs.frozen
class Action:
    """Something that is done.

    Attributes:
        user: Who does it.
    """

    user: int = attrs.field(default=1, kw_only=True)

    def line(self) -> str:
        """Return what stands in a transcript."""
        raise NotImplementedError

    def code(self) -> str:
        """Return the call on a `Chat` that does the same."""
        return f"do({self!r})"

    def by(self) -> str:
        """Who does it, where it is not the person that everything is about."""
        return "" if self.user == 1 else f"user {self.user}: "


@attrs.frozen
class Say(Action):
    """A text is written; a command is a text too."""

    text: str

    def line(self) -> str:
        """Return the text; a very long one by its length."""
        return shortened(self.text)

    def code(self) -> str:
        """`say(...)`, or `command(...)` for a plain command."""
        return f"say({_text_code(self.text)})"


@attrs.frozen
class Press(Action):
    """An inline button is pressed.

    Attributes:
        button: What is written on it.
        stale: Whether an old one is meant: not under the bot's last message, may it be on the screen or gone.
        nth: Which of those, the newest being 0.
    """

    button: str
    stale: bool = False
    nth: int = 0

    def line(self) -> str:
        """Return the button in brackets."""
        return f"[{self.button}]" + (" (an old one)" if self.stale else "")

    def code(self) -> str:
        """`press(...)`."""
        options = ", stale=True" * self.stale + (f", nth={self.nth}" if self.nth else "")
        return f"press({self.button!r}{options})"


@attrs.frozen
class PressData(Action):
    """A button that the bot made itself is pressed, or one that somebody made up.

    Attributes:
        data: Its callback data.
    """

    data: str

    def line(self) -> str:
        """Return the data in brackets."""
        return f"[data {self.data!r}]"


@attrs.frozen
class Content(Action):
    """Something is sent that is no text: a photo, a location, ….

    Attributes:
        kind: The field of the message.
        caption: The text under it.
        fields: Fields of the object, over sensible defaults.
    """

    kind: str
    caption: str | None = None
    fields: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)

    def line(self) -> str:
        """Return the kind in brackets."""
        return f"({self.kind})" + (f" {self.caption}" if self.caption else "")

    def code(self) -> str:
        """`content("photo", ...)`."""
        given = {**({"caption": self.caption} if self.caption else {}), **self.fields}
        return f"content({', '.join([repr(self.kind), *(f'{n}={v!r}' for n, v in given.items())])})"


@attrs.frozen
class Album(Action):
    """Several files are sent at once, as an album.

    Attributes:
        kinds: The field of each message: `photo`, `video`, ….
        caption: The text under the first.
    """

    kinds: tuple[str, ...] = attrs.field(default=("photo", "photo"), converter=tuple[str, ...])
    caption: str | None = None

    def line(self) -> str:
        """Return the kinds in brackets."""
        return f"(album: {', '.join(self.kinds)})" + (f" {self.caption}" if self.caption else "")

    def code(self) -> str:
        """`album(...)`."""
        caption = f", caption={self.caption!r}" if self.caption else ""
        return f"album({', '.join(map(repr, self.kinds))}{caption})"


GESTURES: Mapping[str, str] = {
    "inline": "types after the bot's name",
    "chosen_inline_result": "sends the inline result",
    "poll_answer": "votes for",
    "message_reaction": "reacts with",
    "pre_checkout_query": "pays",
    "shipping_query": "wants shipped",
    "purchased_paid_media": "buys",
    "chat_join_request": "asks to join",
}
"""What people do that makes no message, by the kind of the event, and what a transcript says of it."""


@attrs.frozen
class Gesture(Action):
    """Something is done that makes no message: a vote, a reaction, a payment, a request to join, ….

    Attributes:
        kind: The kind of the event, of `GESTURES`.
        what: What it is about: what was typed, the payload, the emoji, the number of the poll's option.
        fields: Fields of Telegram's object, over sensible defaults.
    """

    kind: str = attrs.field(validator=attrs.validators.in_(GESTURES))
    what: str = ""
    fields: Mapping[str, Any] = attrs.field(factory=dict[str, Any], hash=False)

    def line(self) -> str:
        """Return what is done, in brackets."""
        return f"({GESTURES[self.kind]}{f' {shortened(self.what)}' if self.what else ''})"

    def code(self) -> str:
        """`gesture("message_reaction", ...)`."""
        given = [repr(self.kind), *([repr(self.what)] if self.what else [])]
        return f"gesture({', '.join([*given, *(f'{n}={v!r}' for n, v in self.fields.items())])})"


@attrs.frozen
class EditLast(Action):
    """The person's last message is edited."""

    text: str

    def line(self) -> str:
        """Return the new text."""
        return f"(edits the last message) {shortened(self.text)}"

    def code(self) -> str:
        """`edit(...)`."""
        return f"edit({_text_code(self.text)})"


@attrs.frozen
class Outside(Action):
    """An event comes from outside of Telegram, for the person's conversation."""

    event: Any = attrs.field(hash=False)

    def line(self) -> str:
        """Return the event."""
        return f"(event) {self.event!r}"

    def code(self) -> str:
        """`send(...)`."""
        return f"send({self.event!r})"


@attrs.frozen
class Wait(Action):
    """Time passes.

    Attributes:
        seconds: How long.
    """

    seconds: float

    def line(self) -> str:
        """How long."""
        return f"({self.seconds:g} s later)"

    def code(self) -> str:
        """`advance(...)`."""
        return f"advance({self.seconds!r})"


@attrs.frozen
class Deadline(Action):
    """Time passes until the next deadline, or nearly, or a little more.

    Attributes:
        offset: Seconds after it; negative: before.
    """

    offset: float = 0.0

    def line(self) -> str:
        """Where on the way."""
        where = "at" if not self.offset else "just before" if self.offset < 0 else "just after"
        return f"({where} the next deadline)"

    def code(self) -> str:
        """`until_deadline(...)`."""
        return f"until_deadline({self.offset!r})" if self.offset else "until_deadline()"


@attrs.frozen
class Begins(Action):
    """A conversation begins at some time, later than now.

    Attributes:
        at: The time, in seconds since 1970, UTC.
    """

    at: float

    def line(self) -> str:
        """Return the time."""
        return datetime.fromtimestamp(self.at, UTC).strftime("(it is %A, %Y-%m-%d %H:%M UTC)")


@attrs.frozen
class Persona(Action):
    """The person is of a certain kind from now on; any of it may be changed in Telegram at any time.

    Attributes:
        name: First name.
        username: The public name, without `@`; `None`: none.
        lang: Language code of the app.
        id: The person's id, which can be given before anything was done only; `None`: it stays.
    """

    name: str = "Ann"
    username: str | None = None
    lang: str = "en"
    id: int | None = None

    def line(self) -> str:
        """Return who it is."""
        public = f", @{self.username}" if self.username else ", no username"
        which = f", id {self.id}" if self.id is not None else ""
        return f"(the person: {self.name!r}{public}, language {self.lang!r}{which})"


@attrs.frozen
class Restart(Action):
    """The bot is stopped and started on the same store; what stood in its memory is gone."""

    def line(self) -> str:
        """Return that it is so."""
        return "(the bot restarts)"

    def code(self) -> str:
        """`restart()`."""
        return "restart()"


@attrs.frozen
class Deploy(Action):
    """The bot is stopped, and another version of its flows is started on the same store.

    Attributes:
        version: Which of the versions that the driver was given, from 0.
    """

    version: int = 0

    def line(self) -> str:
        """Return that it is so."""
        return (
            "(the new version is deployed)" if self.version == 0 else f"(version {self.version} is deployed)"
        )

    def code(self) -> str:
        """`deploy(...)`, with a name to be filled in."""
        return "deploy(new_version)"


@attrs.frozen
class Stored(Action):
    """What an older version of a flow has stored for the person, found by the one that runs now.

    Attributes:
        flow: Name of the flow.
        version: The version that stored it.
        state: The state in which the conversation stands.
        data: Its data, as JSON holds them.
    """

    flow: str
    version: int
    state: str
    data: Any = attrs.field(hash=False)

    def line(self) -> str:
        """Return what was stored."""
        return f"(version {self.version} has stored {self.state!r} with {self.data!r})"


@attrs.frozen
class SetData(Action):
    """The data of a flow that runs are replaced by hand.

    Attributes:
        flow: Name of the flow.
        data: The data, as JSON holds them.
    """

    flow: str
    data: Any = attrs.field(hash=False)

    def line(self) -> str:
        """Return what they are now."""
        return f"(data set by hand) {shortened(repr(self.data))}"


@attrs.frozen
class Duplicate(Action):
    """The last update comes once more."""

    def line(self) -> str:
        """Return that it is so."""
        return "(the same update again)"

    def code(self) -> str:
        """`duplicate()`."""
        return "duplicate()"


@attrs.frozen
class Swap(Action):
    """Two things are done in quick succession, and come to the bot in the wrong order."""

    first: Action
    second: Action

    def line(self) -> str:
        """Both."""
        return f"{self.first.line()} / {self.second.line()} (the second comes first)"


@attrs.frozen
class Together(Action):
    """Several things are done at once, and handled at the same time; one person's in their order.

    Attributes:
        actions: What is done.
        schedule: Who goes on where several can: 0 who has waited longest, 1 the next, …; 0 after its end.
    """

    actions: tuple[Action, ...] = attrs.field(converter=tuple[Action, ...])
    schedule: tuple[int, ...] = attrs.field(default=(), converter=tuple[int, ...])

    @property
    def lanes(self) -> tuple[tuple[Action, ...], ...]:
        """What each person does, one thing after the other."""
        lanes: dict[int, list[Action]] = {}
        for action in self.actions:
            lanes.setdefault(action.user, []).append(action)
        return tuple(tuple(lane) for lane in lanes.values())

    def line(self) -> str:
        """All of them, and the schedule."""
        done = " || ".join(f"user {action.user}: {action.line()}" for action in self.actions)
        order = f" (schedule {' '.join(map(str, self.schedule))})" if any(self.schedule) else ""
        return done + order


@attrs.frozen
class Meanwhile(Action):
    """Something is done while the job of a state is under way that an action has begun; then the job ends.

    Attributes:
        action: What begins the job.
        other: What is done meanwhile; `None`: nothing.
        fails: Whether the job fails, each time that it is tried, instead of what it would return.
    """

    action: Action
    other: Action | None = None
    fails: bool = False

    def line(self) -> str:
        """Return what begins it, and what is done meanwhile."""
        meanwhile = "" if self.other is None else f", and while its job runs: {self.other.line()}"
        return self.action.line() + meanwhile + (", then the job fails" if self.fails else "")


@attrs.frozen
class Killed(Action):
    """The bot is killed, and started again: while it handles something, or just before.

    Attributes:
        action: What it handles.
        at: Before which of its operations: on the `store`, or of sending a `reply`; or `before` all that.
        nth: The number of that operation, from 1; with fewer of them nothing goes wrong.
        again: Whether the update comes once more after the start.
    """

    action: Action
    at: Literal["store", "reply", "before"] = "store"
    nth: int = 1
    again: bool = True

    def line(self) -> str:
        """When it was killed."""
        if self.at == "before":
            return f"{self.action.line()} (after a restart)"
        what = "store operation" if self.at == "store" else "reply"
        again = ", then the update again" if self.again else ""
        return f"{self.action.line()} (killed before {what} {self.nth}, restarted{again})"

    def code(self) -> str:
        """`restart()` and what follows it, or `do(...)`."""
        return f"restart().{self.action.code()}" if self.at == "before" else f"do({self!r})"


@attrs.frozen
class Refused(Action):
    """Telegram refuses what the bot sends.

    Attributes:
        action: What the bot answers to.
        nth: Which message, from 1.
        wait: Seconds that Telegram asks to wait (429); `None`: it refuses for good (400).
    """

    action: Action
    nth: int = 1
    wait: float | None = None

    def line(self) -> str:
        """How it was refused."""
        how = "refused" if self.wait is None else f"put off for {self.wait:g} s"
        return f"{self.action.line()} (reply {self.nth} is {how})"


def shortened(text: str, most: int = 60) -> str:
    """Return a text in one line; of a very long one its beginning and its length."""
    shown = text if text.isprintable() else repr(text)[1:-1]
    return shown if len(shown) <= most else f"{shown[: most - 20]}… ({len(text)} characters)"


def _text_code(text: str) -> str:
    if len(text) > 200 and len(set(text)) == 1:
        return f"{text[0]!r} * {len(text)}"
    return repr(text)


KINDS: dict[str, type[Action]] = {
    "say": actions.Say,
    "press": actions.Press,
    "press-data": actions.PressData,
    "content": actions.Content,
    "album": actions.Album,
    "gesture": actions.Gesture,
    "edit": actions.EditLast,
    "event": actions.Outside,
    "begins": actions.Begins,
    "persona": actions.Persona,
    "wait": actions.Wait,
    "deadline": actions.Deadline,
    "restart": actions.Restart,
    "deploy": actions.Deploy,
    "stored": actions.Stored,
    "set-data": actions.SetData,
    "duplicate": actions.Duplicate,
    "swap": actions.Swap,
    "together": actions.Together,
    "meanwhile": actions.Meanwhile,
    "killed": actions.Killed,
    "refused": actions.Refused,
}
"""The field `do` of an action, and its class; the other fields have the names of the class's attributes."""

_NAMES = {kind: name for name, kind in KINDS.items()}


_FORMER = {"act": "action", "acts": "actions"}
"""Names of fields in recordings of version 0.1, which are still read."""


class NotReadableError(ValueError):
    """JSON that is no action."""


def action_to_json(action: Action) -> dict[str, Any]:
    """Return an action as a JSON object; fields at their defaults are left out.

    Example:
        >>> action_to_json(actions.Say("Ann"))
        {'do': 'say', 'text': 'Ann'}
    """
    shown: dict[str, Any] = {"do": _NAMES[type(action)]}
    for field in attrs.fields(type(action)):
        value = getattr(action, field.name)
        if field.default is not attrs.NOTHING and (value == field.default or value in ({}, None)):
            continue
        if isinstance(value, Action):
            value = action_to_json(value)
        elif field.name == "actions":
            value = [action_to_json(part) for part in value]
        elif field.name == "event":
            value = _event_to_json(value)
        shown[field.name] = value
    return shown


def action_from_json(shown: Any, flows: Iterable[Flow[Any]]) -> Action:
    """Return the action of a JSON object.

    Args:
        shown: The object.
        flows: The flows, for the classes of events from outside.

    Raises:
        NotReadableError: If it is none.
    """
    if not isinstance(shown, dict) or shown.get("do") not in KINDS:
        raise NotReadableError(f"{shown!r} is not an action: its field `do` is one of {', '.join(KINDS)}")
    fields: dict[str, Any] = {
        _FORMER.get(str(name), str(name)): value for name, value in shown.items() if name != "do"
    }
    for name, value in fields.items():
        if isinstance(value, dict) and "do" in value and name != "data":
            fields[name] = action_from_json(value, flows)
        elif name == "actions" and isinstance(value, list):
            fields[name] = tuple(action_from_json(part, flows) for part in value)
        elif name == "event":
            fields[name] = _event_from_json(value, flows)
    try:
        return KINDS[shown["do"]](**fields)
    except (TypeError, ValueError) as error:
        raise NotReadableError(f"{shown!r} is not an action: {error}") from error


def _event_to_json(event: Any) -> dict[str, Any]:
    name, raw = EventCodec([type(event)]).encode(event)
    return {"class": name, "data": msgspec.json.decode(raw)}


def _event_from_json(shown: Any, flows: Iterable[Flow[Any]]) -> Any:
    classes = classes_in(handler.matcher for flow in flows for handler in flow.handlers)
    try:
        name = str(shown["class"])
        if name not in map(class_name, classes):  # another version may stand in a module of another name
            short = name.rpartition(".")[2]
            name = next((class_name(kind) for kind in classes if kind.__name__ == short), name)
        return EventCodec(classes).decode(name, msgspec.Raw(msgspec.json.encode(shown["data"])))
    except (KeyError, TypeError, ValueError) as error:
        raise NotReadableError(f"{shown!r} is not an event of these flows: {error}") from error
