"""`ctx`: what a handler, a hook or a prompt sees of the conversation, and where it leaves its requests.

Wishes are only recorded here; the engine makes effects of them when the step is applied, or drops them.
"""

import difflib
import functools
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack

import attrs
import msgspec

from fsmkit.errors import LeaseOver
from fsmkit.flow.messages import (
    Answer,
    Reply,
    ReplyOptions,
    ScreenOptions,
    Verdict,
    as_reply,
    as_screen,
    named_screen,
)
from fsmkit.keys import Key

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    D = TypeVarWithDefault("D", default=Any)
else:
    D = TypeVar("D")

PAYMENT_KINDS = ("pre_checkout_query", "shipping_query")
"""Kinds of events in which Telegram asks whether a payment may go ahead."""


class SendMessage(msgspec.Struct, frozen=True):
    """A message to send (`show=False`), or one of the conversation's screens to bring up to date.

    Attributes:
        reply: The message.
        show: Whether it is a screen.
        ephemeral: Whether it is deleted when the state is left.
        screen: Which screen, as `named_screen` has it; empty for the conversation's unnamed one.
    """

    reply: Reply
    show: bool = False
    ephemeral: bool = False
    screen: str = ""


class DeleteOnExit(msgspec.Struct, frozen=True):
    """A message to delete when the state is left."""

    message: int


class CountRetry(msgspec.Struct, frozen=True):
    """An answer that will not do, to be counted while its state lasts."""

    flow: str
    state: str | None


class SendEvent(msgspec.Struct, frozen=True):
    """An event for a conversation, `after` so many seconds."""

    key: Key
    event: Any
    after: float


Request = SendMessage | DeleteOnExit | CountRetry | SendEvent | Answer
"""All that a handler can ask for."""


class LateContext:  # no abstract class: each step would ask `isinstance` of one
    """What stands for PTB's context of an event until a handler asks for it."""

    __slots__ = ()

    @property
    def context(self) -> Any:
        """The context, the same one each time."""
        raise NotImplementedError


class Situation(Protocol):
    """What a context asks of the turn that it belongs to."""

    key: Key
    now: float
    telegram: Any

    @property
    def lang(self) -> str | None:
        """The person's language code."""
        ...

    @property
    def resources(self) -> Any:
        """What `attach(..., resources=...)` was given."""
        ...

    def handle(self, flow: Any, ctx: "Context[Any]") -> Any:
        """Return another flow of the same key."""
        ...


INSTEAD_OF_CONTEXT = {
    **dict.fromkeys(
        ("user_data", "chat_data", "get_data"),
        'Read ctx.data, and return ("stay", ctx.evolve(name=...)) to change what is stored',
    ),
    **dict.fromkeys(
        ("set_data", "update_data"),
        'Return ("stay", ctx.evolve(name=...)), or ("transition", "state", ctx.evolve(name=...))',
    ),
    **dict.fromkeys(("bot_data", "application"), "What all conversations share is ctx.resources"),
    **dict.fromkeys(
        ("set_state", "transition", "next", "goto", "enter"),
        'Return ("transition", "state") from the handler',
    ),
    **dict.fromkeys(("end", "finish", "clear", "leave", "stop"), 'Return ("end",) from the handler'),
    "get_state": "Read ctx.state",
    "back": 'Return ("back",) from the handler',
    "stay": 'Return ("stay",) from the handler',
    "call": 'Return ("call", flow) from the handler',
    "job_queue": "Write ctx.send(ctx.key, event, after=seconds), or ttl= and Timeout",
    "args": "Read ctx.event.args",
    "message": "Read ctx.event.message",
    "update": "Read ctx.event.update",
    "error": "Read event.error in a handler with on=Crashed",
    **dict.fromkeys(
        ("send_message", "reply_text", "say", "reply_photo"), "Write ctx.reply(text), without await"
    ),
    **dict.fromkeys(("edit", "edit_message_text", "edit_text"), "Write ctx.show(text), without await"),
}
"""What to write instead of what `ctx` has elsewhere."""


def no_attribute(of: object, called: str, name: str, instead: Mapping[str, str]) -> AttributeError:
    """Return the error for what a handler's argument does not have, with what to write instead.

    Args:
        of: The object.
        called: What handlers call it.
        name: What it does not have.
        instead: Remedies by name; for others the nearest name that it has.
    """
    remedy = instead.get(name, "")
    if not remedy and not name.startswith("_"):
        near = difflib.get_close_matches(name, [each for each in dir(of) if not each.startswith("_")], n=1)
        remedy = f"Did you mean {called}.{near[0]}?" if near else ""
    said = f"{type(of).__name__!r} object has no attribute {name!r}"
    return AttributeError(f"{said}. {remedy}" if remedy else said, name=name, obj=of)


_AWAITED = re.compile(r"await (\w+\.(?:reply|show|retry|answer|approve|decline|delete_on_exit|send))\(")


_ASSIGNED = re.compile(r"\bdata\.(\w+)\s*(?:[-+*/|&%]|//|\*\*|<<|>>)?=(?!=)")


def remedy_for(error: BaseException) -> str | None:
    """Return what to write instead, where a handler has made a mistake that Python does not explain.

    These are an awaited `ctx.reply(...)` or the like, and data that are changed in place although their class
    is frozen.
    """
    awaited = isinstance(error, TypeError) and "NoneType" in str(error) and "await" in str(error)
    if awaited and (found := _last_line(error, _AWAITED)):
        return f"do not await {found[1]}(...): it returns nothing, and is carried out after the step"
    if _says_frozen(error) and (found := _last_line(error, _ASSIGNED)):
        return f'return ("stay", ctx.evolve({found[1]}=...)), or a transition with it as its data'
    return None


def _last_line(error: BaseException, pattern: re.Pattern[str]) -> re.Match[str] | None:
    """Return what matches in the innermost line of a traceback that has it."""
    lines = (frame.line or "" for frame in reversed(traceback.extract_tb(error.__traceback__)))
    return next((found for line in lines if (found := pattern.search(line))), None)


def _says_frozen(error: BaseException) -> bool:
    """Return whether attrs, dataclasses or msgspec have refused to change an object."""
    return isinstance(error, AttributeError) and (
        type(error).__name__.startswith("Frozen") or str(error).startswith("immutable type")
    )


class Context(msgspec.Struct, Generic[D], eq=False):
    """The second argument of a handler: the conversation, and ways to reply.

    Attributes:
        data: A copy of the flow's data: the stored data change only by what the handler returns.
        state: Name of the state, `None` outside of a conversation.
        previous: Name of the state before this one, `None` at the start.
        flow: Name of the flow.
        match: What the handler's matcher matched.
        event: The event.
        retries: How often `ctx.retry` has refused an answer since the state was entered.
        requests: The messages and other effects of this step so far.
        over: Whether the step has ended; then its methods raise `LeaseOver`, for example in a task that the
            handler has started.
    """

    data: D
    state: str | None
    previous: str | None
    match: Any
    flow: str
    event: Any
    _turn: Situation
    retries: int = 0
    requests: list[Request] = msgspec.field(default_factory=list)
    over: bool = False

    @property
    def key(self) -> Key:
        """The key of the conversation."""
        return self._turn.key

    @property
    def now(self) -> float:
        """The time of this step, in seconds since 1970, UTC."""
        return self._turn.now

    @property
    def lang(self) -> str | None:
        """The person's language code, as Telegram gives it."""
        return self._turn.lang

    @property
    def resources(self) -> Any:
        """The object given to `attach(..., resources=...)`."""
        return self._turn.resources

    @property
    def telegram(self) -> Any:
        """PTB's `CallbackContext`, in timeouts too; `None` without Telegram."""
        telegram = self._turn.telegram
        return telegram.context if isinstance(telegram, LateContext) else telegram

    @property
    def bot(self) -> Any:
        """PTB's `Bot`: its calls happen at once, before the step is stored."""
        telegram = self.telegram
        return telegram.bot if telegram is not None else None

    def evolve(self, **changes: Any) -> D:
        """Return a copy of the data with some values changed; the data itself stays as it is.

        Raises:
            TypeError: If there are no data yet, or the data have no such field.
        """
        evolved: D = evolve(self.data, changes)
        return evolved

    def reply(
        self, text: str | Reply = "", *, ephemeral: bool = False, **options: Unpack[ReplyOptions]
    ) -> None:
        """Send a message after the step was stored.

        Args:
            text: The text, or a whole `Reply`.
            ephemeral: Whether the message is deleted when the state is left.
            options: The other arguments of `Reply`: `buttons=`, `keyboard=`, `photo=`, `parse_mode=`, …

        Raises:
            LeaseOver: If the step has ended.
        """
        self._wish(SendMessage(as_reply(text, **options), ephemeral=ephemeral))

    def show(self, text: str | Reply = "", *, screen: str = "", **options: Unpack[ScreenOptions]) -> None:
        """Update a screen of the conversation after the step was stored.

        After a press of a button on one of its screens the message is edited. Otherwise it is sent as a new
        message, and the old one loses its buttons.

        Args:
            text: The text, or a whole `Reply`.
            screen: Which screen, for example `"menu"`: each name is a message of its own, and belongs to this
                flow. By default the conversation's unnamed one, which flows that call each other share.
            options: The other arguments of `Reply`, except a reply keyboard: an edit cannot add one.

        Raises:
            LeaseOver: If the step has ended.
            TypeError: If the `Reply` has a reply keyboard, or the conversation can have no second screen.
        """
        if not isinstance(screen, str):
            raise TypeError(f"ctx.show(screen={screen!r}): the name of a screen is a text")
        if screen and (self.key.message is not None or self.key.inline is not None):
            raise TypeError(
                f"ctx.show(screen={screen!r}): a conversation that belongs to a message has that one screen. "
                f"Leave screen= out, or give the flow another key"
            )
        shown = as_screen(as_reply(text, **options))
        self._wish(SendMessage(shown, show=True, screen=named_screen(self.flow, screen)))

    def retry(self, text: str | Reply, *, ephemeral: bool = False) -> None:
        """Send why an answer is not valid, and count it; return `("stay",)` then.

        The count is `ctx.retries`; it is stored with the conversation and starts again whenever the state is
        entered.

        Args:
            text: What is wrong, or how to do better.
            ephemeral: Whether the message is deleted when the state is left.
        """
        self._wish(SendMessage(as_reply(text), ephemeral=ephemeral))
        self._wish(CountRetry(self.flow, self.state))

    def answer(self, text: str = "", *, alert: bool = False) -> None:
        """Answer the press of a button with a short notice, or with an alert that the person confirms.

        Without this, a press is answered silently after the step, or after two seconds.
        """
        self._wish(Answer(text, alert))

    def approve(self, *, shipping: Iterable[Any] = ()) -> None:
        """Approve a payment (`pre_checkout_query()`, `shipping_query()`), right after the step was stored.

        Without this, the payment is declined after the step; also if the handler raises, or takes more than
        eight of the ten seconds that Telegram waits.

        Args:
            shipping: For a shipping query, the ways to ship, each `(id, title, [(label, amount), ...])` with
                amounts in the smallest unit of the currency, or PTB's `ShippingOption`.

        Raises:
            TypeError: If the event is not a question before a payment.
        """
        self._verdict("approve", Verdict(approved=True, shipping=tuple(shipping)))

    def decline(self, text: str = "") -> None:
        """Decline a payment, right after the step was stored.

        Args:
            text: The reason, for the person; by default the flow's text `declined`.

        Raises:
            TypeError: If the event is not a question before a payment.
        """
        self._verdict("decline", Verdict(text))

    def _verdict(self, name: str, verdict: Verdict) -> None:
        kind = getattr(self.event, "kind", None)
        if kind not in PAYMENT_KINDS:
            raise TypeError(
                f"ctx.{name}() answers pre_checkout_query() and shipping_query(), got {self.event!r}"
            )
        self._wish(verdict)

    def delete_on_exit(self, message: Any) -> None:
        """Delete a message when the state is left.

        Args:
            message: Its id, or anything with a `message_id` (a `telegram.Message`, the event).
        """
        number = message if type(message) is int else getattr(message, "message_id", None)
        if type(number) is not int:  # `True` is an int, and could not be read back
            raise TypeError(f"ctx.delete_on_exit takes a message or a message id, got {message!r}")
        self._wish(DeleteOnExit(number))

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            if name == "track":
                raise TypeError("ctx.track(message) is now called ctx.delete_on_exit(message)")
            raise no_attribute(self, "ctx", name, INSTEAD_OF_CONTEXT)

    def send(self, key: Key, event: Any, after: float | timedelta | None = None) -> None:
        """Send an event to another conversation, or to this one later; it is stored with the step.

        Args:
            key: The conversation.
            event: An instance of a class that some handler names in `on=`.
            after: The delay: seconds or a `timedelta`.
        """
        if not isinstance(key, Key):
            raise TypeError(f"ctx.send takes a Key first, got {key!r}")
        seconds = after.total_seconds() if isinstance(after, timedelta) else float(after or 0.0)
        self._wish(SendEvent(key, event, seconds))

    def at(self, flow: Any) -> Any:
        """Return a handle on another flow of the same key; its methods are sync, and their changes are stored
        with this step."""
        self._check()
        return self._turn.handle(flow, self)

    def _wish(self, wish: Request) -> None:
        self._check()
        self.requests.append(wish)

    def _check(self) -> None:
        if self.over:
            raise LeaseOver(
                f"the step in state {self.state!r} of flow {self.flow!r} has ended: a task that a handler "
                f"leaves behind reports back with `await engine.send(key, event)`"
            )

    def __repr__(self) -> str:
        return f"<Context of {self.flow!r} in state {self.state!r} for {self.key}>"


@functools.lru_cache(maxsize=256)
def _attrs_fields(kind: Any) -> tuple[tuple[str, str], ...]:
    """Return names of an attrs class's fields, as attributes and as arguments."""
    if not isinstance(kind, type) or not attrs.has(kind):
        return ()
    return tuple((field.name, field.alias or field.name) for field in attrs.fields(kind) if field.init)


_SAME: Any = object()
"""Stands for a value that is not to be changed."""


@functools.lru_cache(maxsize=256)
def _evolver(kind: Any) -> Callable[..., Any] | None:
    """Return a function that makes an object of an attrs class again, with some values changed.

    It is `attrs.evolve` for this class, written out: that looks the fields up anew each time.
    """
    fields = _attrs_fields(kind)
    if not fields:
        return None
    taken = ", ".join(f"{argument}=__same" for _, argument in fields)
    given = ", ".join(
        f"{argument}=__data.{name} if {argument} is __same else {argument}" for name, argument in fields
    )
    made: dict[str, Any] = {"__kind": kind, "__same": _SAME}
    exec(f"def evolved(__data, /, *, {taken}):\n return __kind({given})", made)  # only names of fields
    evolved: Callable[..., Any] = made["evolved"]
    return evolved


def evolve(data: Any, changes: dict[str, Any]) -> Any:
    """Return a copy of a dict, an attrs class, a dataclass or a Struct with some values changed."""
    if isinstance(data, dict):
        return {**data, **changes}
    kind: Any = type(data)
    try:
        evolved = _evolver(kind)
        return _replaced(data, changes) if evolved is None else evolved(data, **changes)
    except TypeError:
        for name in changes:
            if (problem := no_field(kind, name)) is not None:
                raise TypeError(problem) from None
        raise


def no_field(kind: Any, name: str) -> str | None:
    """Return what is wrong with a field that `ctx.evolve` is to change; `None` if the data have it.

    Args:
        kind: The class of the data; of one without declared fields nothing can be said.
        name: The name of the field.
    """
    fields = _field_names(kind)
    if not fields or name in fields:
        return None
    near = difflib.get_close_matches(name, fields, n=1)
    remedy = f"Did you mean {near[0]}=?" if near else f"It has {', '.join(fields)}"
    return f"ctx.evolve: {kind.__name__} has no field {name!r}. {remedy}"


def _field_names(kind: Any) -> tuple[str, ...]:
    """Return the fields that `evolve` can change; none where there are no fields."""
    dataclass_fields: dict[str, Any] = getattr(kind, "__dataclass_fields__", {})
    names = tuple(alias for _, alias in _attrs_fields(kind))
    return names or getattr(kind, "__struct_fields__", ()) or tuple(dataclass_fields)


def _replaced(data: Any, changes: dict[str, Any]) -> Any:
    if isinstance(data, msgspec.Struct):
        return msgspec.structs.replace(data, **changes)
    if data is None:
        raise TypeError("there are no data yet: return them whole, ('transition', state, Form(...))")
    from dataclasses import replace  # here: it takes a tenth of `import fsmkit`, and few need it

    return replace(data, **changes)
