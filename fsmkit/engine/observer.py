"""What can be watched of an engine, and how its observers are told.

An observer sees, it does not take part: it changes nothing, and what it raises is logged. Where there is
none, an engine makes nothing of what is described here.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec

import attrs

from fsmkit.engine.envelope import Outcome
from fsmkit.flow.events import Reminder, Timeout
from fsmkit.flow.handlers import Handler
from fsmkit.interpreter.row import Effect, Row
from fsmkit.keys import Key

_log = logging.getLogger("fsmkit")

P = ParamSpec("P")


@attrs.frozen(eq=False)
class Offered:
    """An event that is offered to a handler.

    Attributes:
        flow: Name of the handler's flow.
        state: The state in which it is asked; `None`: no conversation runs.
        handler: The handler, as the flow declares it.
        event: The event; a `Returned`, say, in the middle of a step.
    """

    flow: str
    state: str | None
    handler: Handler
    event: Any


class Observer:
    """Watches an engine; a subclass overrides what it wants to see.

    The methods are called in the order in which things happen, in the engine's own loop, between its steps:
    they should be quick, and cannot be async. One that raises is logged, and nothing else comes of it.

    Example:
        >>> import asyncio
        >>> from fsmkit import Engine, Flow, Key
        >>> from fsmkit.engine import Observer
        >>> class Printer(Observer):
        ...     def asked(self, key, offered, why):
        ...         print(offered.handler.name, "wants it" if why is None else why)
        >>> flow = Flow("greet")
        >>> @flow.defstate(None, on=int)
        ... def number(event, ctx): ...
        >>> @flow.defstate(None, on=str)
        ... def text(event, ctx): ...
        >>> outcome = asyncio.run(Engine(flow, observers=[Printer()]).send(Key(chat=1, user=1), "Ann"))
        number not int
        text wants it
    """

    def arrived(self, key: Key, event: Any) -> None:
        """Note that an event has come for a key; its turn may be a while off."""

    def asked(self, key: Key, offered: Offered, why: str | None) -> None:
        """Note that a handler was asked, and why it does not want the event; `None`: it is called next."""

    def called(self, key: Key, offered: Offered) -> None:
        """Note that a handler is called."""

    def result(self, key: Key, offered: Offered, result: Any) -> None:
        """Note what a handler returned, which may not be a result that it may return."""

    def committed(self, key: Key, before: Row, after: Row, outcome: Outcome) -> None:
        """Note that a step was written, and the row before and after it.

        What was refused, and an event that nobody wants, writes nothing.
        """

    def delivered(self, key: Key, effect: Effect, receipt: Any) -> None:
        """Note that an effect was carried out, and what `deliver` returned, as the id of a sent message."""

    def refused(self, key: Key, effect: Effect, error: Exception) -> None:
        """Note that an effect could not be carried out."""

    def fired(self, key: Key, event: Timeout | Reminder) -> None:
        """Note that a time has come; what becomes of it follows."""

    def failed(self, key: Key, offered: Offered | None, error: Exception) -> None:
        """Note what was raised: by a handler, by a hook or prompt of its step, or by its commit.

        Args:
            key: Whose conversation.
            offered: The step; `None` where no handler was called.
            error: What was raised. A `Crashed` handler may still take it.
        """


class Watchers:
    """The observers of an engine, told one after the other."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self.observers = tuple(observers)

    def tell(
        self, what: Callable[Concatenate[Observer, Key, P], None], key: Key, *args: P.args, **more: P.kwargs
    ) -> None:
        """Call a method of each observer; one that raises keeps nobody from anything."""
        for observer in self.observers:
            try:
                getattr(observer, what.__name__)(key, *args, **more)
            except Exception:
                _log.exception("an observer failed: %r, told of %s for %s", observer, what.__name__, key)
