"""Handlers that several flows have in common, declared once."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from fsmkit.errors import DefinitionError
from fsmkit.flow.handlers import Handler, Selector, make_handler, refuse_bare
from fsmkit.flow.locations import calling_location, location_of
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import Result

HandlerF = TypeVar("HandlerF", bound=Callable[[Any, Any], Result | Awaitable[Result]])


class Handlers:
    """Handlers that several flows add with `flow.include(...)`: `/cancel`, `/help`, `/back`.

    Example:
        >>> from fsmkit import ANY, Flow
        >>> from fsmkit.telegram import command
        >>> common = Handlers()
        >>> @common.defstate(ANY, on=command("cancel"))
        ... def cancel(event, ctx):
        ...     return ("end",)
        >>> order = Flow("order")
        >>> order.include(common)
    """

    def __init__(self) -> None:
        self.place = calling_location()
        self.handlers: list[Handler] = []
        self.included_by = ""
        """Name of the first flow that has included them; then they take no further handlers."""

    @options_checked
    def defstate(
        self,
        *states: Selector,
        on: Any = None,
        when: Callable[[Any], Any] | None = None,
        to: Any = None,
        examples: Iterable[Any] = (),
    ) -> Callable[[HandlerF], HandlerF]:
        """Register a handler; the arguments are those of `Flow.defstate`.

        States, and targets in `to=`, are those of each flow that includes it.

        Raises:
            DefinitionError: If a flow has included these handlers, or the handler could never match.
        """
        refuse_bare(states, "a handler", "defstate(ANY)")
        declared_at = calling_location()

        def register(function: HandlerF) -> HandlerF:
            handler = make_handler(
                function, states, on=on, when=when, to=to, examples=examples, declared_at=declared_at
            )
            if self.included_by:
                raise DefinitionError(
                    f"{handler.name} comes too late: flow {self.included_by!r} has included these handlers",
                    place=location_of(function),
                    remedy="Declare all of them before flow.include(...)",
                )
            self.handlers.append(handler)
            return function

        return register

    def __repr__(self) -> str:
        return f"<Handlers of {self.place}: {', '.join(handler.name for handler in self.handlers) or 'none'}>"
