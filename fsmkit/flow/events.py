"""What comes in, as far as it does not come from Telegram itself.

Any attrs class may be an event; `Event` is only the base of those that fsmkit makes. `ChatEvent` is the
part of a Telegram event that the interpreter looks at; the whole is in `fsmkit.telegram`.
"""

from typing import Any, Literal

import attrs
from msgspec import Struct

from fsmkit.flow.messages import Address

MESSAGE_KINDS = frozenset(
    {
        "text",
        "photo",
        "document",
        "location",
        "contact",
        "voice",
        "video",
        "audio",
        "sticker",
        "animation",
        "video_note",
        "venue",
        "poll",
        "dice",
        "web_app_data",
        "users_shared",
        "chat_shared",
        "other",
    }
)
"""Kinds of a new message with content that is not a command."""


class Event:
    """The base of fsmkit's own events."""

    __slots__ = ()


class Pressed(Struct, frozen=True):
    """The place in a conversation that a pressed button was bound to.

    Attributes:
        flow: Name of the conversation, or for a menu button of the flow that it starts.
        run: Its run, `0` for a button that was shown while none ran.
        entry: The entry of the state.
        menu: Whether it is a menu button, which outlives conversations.
        value: Its value as text; `None` if it is stored with the conversation.
        position: Its position there.
        packed: Whether the text is the JSON of a value that is no text.
    """

    flow: str
    run: int
    entry: int
    menu: bool = False
    value: str | None = None
    position: int = 0
    packed: bool = False


class ChatEvent(Event):
    """Something that a person did in a chat.

    Attributes:
        kind: One of `MESSAGE_KINDS`, or `command`, `button`, `raw_button`, `edited`, `inline`, …
        text: The text of a message (`None` without one).
        value: The value of a pressed button.
        address: Where answers go.
        message_id: Id of the message, for a press of the one that shows the button.
        pressed: For a press of one of fsmkit's buttons, what that was bound to.
        group: Id of the media group that a message belongs to, if it is to be gathered to an album.
        knows: How much of `address` the update has said: the whole `place`; the `chat`, but neither topic nor
            connection; or only the `person`, whose private chat then stands in `address`.
        update: The `telegram.Update` itself.
    """

    __slots__ = ()

    kind: str
    text: str | None
    value: Any
    address: Address
    message_id: int | None
    pressed: Pressed | None
    group: str | None = None
    knows: Literal["place", "chat", "person"] = "place"
    update: Any

    @property
    def date(self) -> float | None:
        """When it was done, in seconds since 1970, UTC; `None` where Telegram does not say."""
        return None

    @property
    def id(self) -> tuple[str, Any] | None:
        """What it is recognised by when it comes again, for an update `("tg", update_id)`."""
        return None

    @property
    def is_new_message(self) -> bool:
        """Whether it is a new message (never an edited one) that is not a command."""
        return self.kind in MESSAGE_KINDS

    @property
    def message_ids(self) -> tuple[int, ...]:
        """Ids of all its messages."""
        return () if self.message_id is None else (self.message_id,)

    def stored(self, *, alone: bool) -> bytes:
        """Return a message of an album as JSON, from which the album is made later.

        Args:
            alone: Whether it is the first of its album, which keeps what all of them have in common.
        """
        raise NotImplementedError


class Internal(Event):
    """The base of events that fsmkit raises itself; a bare predicate never sees them.

    Attributes:
        message_id: No message; of `Timeout` and `Reminder` the person's message that the conversation last
            replied to, so that a prompt with `reply_to=ctx.event.message_id` can be said once more.
    """

    __slots__ = ()

    message_id: int | None = None


@attrs.frozen
class Timeout(Internal):
    """The conversation was idle for too long, or has lasted too long.

    Attributes:
        deadline: When it was due, in seconds since 1970, UTC.
        kind: `"idle"` for a `ttl`, `"age"` for a `max_age`.
        state: For the `max_age` of a state, its name; `None` for that of a flow, and for a `ttl`.
    """

    deadline: float
    kind: Literal["idle", "age"] = "idle"
    state: str | None = None
    message_id: int | None = attrs.field(default=None, kw_only=True, repr=False)


@attrs.frozen
class Reminder(Internal):
    """The person has been silent for a while; the conversation has not timed out yet.

    Attributes:
        due: When it was due, in seconds since 1970, UTC.
    """

    due: float
    message_id: int | None = attrs.field(default=None, kw_only=True, repr=False)


@attrs.frozen
class Done(Internal):
    """The job of the state has returned.

    Attributes:
        value: What it returned.
    """

    value: Any = None


@attrs.frozen
class Failed(Internal):
    """The job of the state has raised.

    Attributes:
        error: What it raised.
    """

    error: BaseException


@attrs.frozen
class Crashed(Internal):
    """A handler raised, or returned `("error", reason)`.

    Attributes:
        error: The exception; `HandlerRefused`, with its `reason`, for an error result.
        event: What the handler was handling.
    """

    error: BaseException
    event: Any = None


@attrs.frozen
class DeliveryFailed(Internal):
    """A message could not be sent, edited or deleted, and trying again would not help.

    Attributes:
        effect: What should have been sent, edited or deleted.
        error: Telegram's error.
    """

    effect: Any
    error: str = ""


@attrs.frozen
class StateEntered(Internal):
    """A state that is a call was entered: the state's own call takes it, before any handler.

    Attributes:
        event: What the step was about that entered it.
    """

    event: Any


@attrs.frozen
class Returned(Internal):
    """A sub-flow has ended.

    Attributes:
        flow: Name of the sub-flow.
        result: The result in `("end", result)`, or `None`.
    """

    flow: str
    result: Any = None
