"""Where an exception came from: kept on the exception itself, for whoever gets it (PTB's error handlers)."""

import contextlib
from typing import Any

import attrs

from fsmkit.keys import Key

_NAME = "fsmkit_origin"


@attrs.frozen
class Origin:
    """Where an exception came from.

    Attributes:
        key: Whose conversation.
        event: The event that was handled.
        flow: Name of the flow whose handler raised; `None` if none did (the store was away, for example).
        state: The state in which the step began, `None` also where no conversation was running.
        handler: Name of the handler.
        place: `file:line` of the handler.
    """

    key: Key
    event: Any
    flow: str | None = None
    state: str | None = None
    handler: str | None = None
    place: str | None = None


def origin_of(error: BaseException | None) -> Origin | None:
    """Where an exception came from; `None` if it is not one that came out of a conversation.

    Args:
        error: What an error handler was given (`context.error`), or what `engine.send` raised.

    Example:
        >>> origin_of(ValueError("of nobody's conversation")) is None
        True
    """
    return getattr(error, _NAME, None)


def mark(error: BaseException, origin: Origin) -> None:
    """Keeps the origin on an exception, unless it has one for the same event already.

    One that was raised before, for another event, is told apart: a bot may raise the same object again.
    """
    known = origin_of(error)
    if known is None or known.event is not origin.event:
        leave_with(error, _NAME, origin)


def leave_with(error: BaseException, name: str, value: object) -> None:
    """Sets an attribute of an exception, also of a frozen one (whose own `__setattr__` would raise)."""
    with contextlib.suppress(Exception):
        object.__setattr__(error, name, value)


def take_from(error: BaseException, name: str) -> Any:
    """What `leave_with` has left, once."""
    return getattr(error, "__dict__", {}).pop(name, None)


def add_note(error: BaseException, note: str) -> None:
    """Adds a note once; an exception that takes none keeps what is the matter with it."""
    with contextlib.suppress(Exception):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
