"""`from_conversation_handler`: a flow made of a PTB ConversationHandler, to be re-written state by state."""

import math
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from telegram.ext import BaseHandler, ConversationHandler

from fsmkit.errors import DefinitionError
from fsmkit.flow.events import Timeout
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Selector
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import Result
from fsmkit.flow.states import State
from fsmkit.keys import KeyBy
from fsmkit.telegram.conversation_handler.adapters import (
    CallbackOf,
    Carrier,
    CheckUpdateOf,
    TimedOut,
    carrier,
    expiring,
    timeout_handlers,
)
from fsmkit.telegram.conversation_handler.chart import (
    Chain,
    Chart,
    Conversation,
    Level,
    idle_seconds,
    nested_in,
    unmovable,
)

HandlerF = TypeVar("HandlerF", bound=Callable[[Any, Any], Result | Awaitable[Result]])

DEFAULT_NAME = "conversation"
"""The name of the flow where the ConversationHandler has none."""


class MovedFlow(Flow[Any]):
    """A flow made of a ConversationHandler; `from_conversation_handler` makes one.

    `flow[AGE]` is the state for the ConversationHandler's own `AGE`, whatever object that is. Handlers that
    are added with `defstate` come before the old ones of the same states.

    Attributes:
        chart: The states of the ConversationHandler and of those nested in it.
        carrier: What is carried between `user_data` and the flow's data.
    """

    def __init__(self, chart: Chart, carrier: Carrier, name: str) -> None:
        top = Level(chart.top, None)
        idle = idle_seconds(top)
        super().__init__(
            name, data=carrier.data, key=_key_rule(chart.top), ttl=idle if math.isfinite(idle) else None
        )
        self.chart = chart
        self.carrier = carrier
        self._added = 0
        self._imply(chart.places, None)
        for state, chain in ((None, ()), *chart.places.items()):
            self._ask(state, chain)
            if chain:
                self._expire(state, chain)
        self._complete = True

    _complete = False

    def __getitem__(self, state: Any) -> State:
        """Return the state of that name, or the one for a ConversationHandler's own state.

        Raises:
            KeyError: If there is none.
        """
        if not isinstance(state, str) or state not in self.states:
            name = self._name_of(state)
            if name in self.states:
                return self.states[name]
        return super().__getitem__(state)

    def defstate(
        self,
        *states: Selector,
        on: Any = None,
        when: Callable[[Any], Any] | None = None,
        to: Any = None,
        examples: Iterable[Any] = (),
    ) -> Callable[[HandlerF], HandlerF]:
        """Register a handler as `Flow.defstate` does; it goes before the old ones of the same states."""
        register: Any = super().defstate(*states, on=on, when=when, to=to, examples=examples)

        def register_first(function: HandlerF) -> HandlerF:
            register(function)
            if self._complete:
                self.handlers.insert(self._added, self.handlers.pop())
                self._added += 1
            return function

        return register_first

    def _name_of(self, state: Hashable) -> str:
        try:
            return self.chart.name_of((Level(self.chart.top, state),)) or ""
        except (TypeError, DefinitionError):
            return ""

    def _ask(self, state: str | None, chain: Chain) -> None:
        """Register the old handlers of a place, in PTB's order."""
        for offer in self.chart.offers(chain):
            matcher = CheckUpdateOf(offer.handler, self.chart.top)
            self.defstate(state, on=matcher)(CallbackOf(self.chart, offer, self.carrier))

    def _expire(self, state: str | None, chain: Chain) -> None:
        """Register what happens when a place times out, where more happens than that all ends."""
        idle = min(map(idle_seconds, chain))
        if state is None or math.isinf(idle):
            return
        over = expiring(chain)
        self.states[state].ttl = idle
        if min(over) > 0 or any(timeout_handlers(chain[depth].conversation) for depth in over):
            self.defstate(state, on=Timeout)(TimedOut(self.chart, chain, self.carrier))


@options_checked
def from_conversation_handler(
    conversation: "ConversationHandler[Any]",
    *,
    data: type[Any] | None = None,
    name: str | None = None,
    names: Mapping[Any, str] | None = None,
) -> MovedFlow:
    """Return a flow that does what a PTB ConversationHandler does, on fsmkit's store, order and event ids.

    Nested ConversationHandlers become part of it. Do not add the ConversationHandler to the application any
    more. The differences are listed in docs/how-to/move-from-conversationhandler.md.

    Args:
        conversation: The ConversationHandler.
        data: A class whose fields name keys of `context.user_data` (of `context.chat_data` with
            `per_user=False`) that are stored with the state, and are `ctx.data` for handlers written anew;
            all its fields have defaults. `dict`: all keys with values that JSON has. By default none are.
        name: Name of the flow; by default the ConversationHandler's, else `"conversation"`.
        names: Names of states, by the ConversationHandler's own objects. By default a text is its own name,
            a number its digits, an enum member `Class.NAME`, a tuple of such `(1,~text)`.

    Returns:
        The flow, which takes further handlers.

    Raises:
        DefinitionError: If it cannot be moved, with the reason.

    Example:
        >>> from telegram.ext import CommandHandler, MessageHandler, filters
        >>> async def start(update, context):
        ...     return 0
        >>> async def name(update, context):
        ...     return ConversationHandler.END
        >>> old = ConversationHandler(
        ...     [CommandHandler("start", start)], {0: [MessageHandler(filters.TEXT, name)]}, []
        ... )
        >>> flow = from_conversation_handler(old, names={0: "name"})
        >>> flow[0]
        State('name')
    """
    _check(conversation)
    chart = Chart(conversation, names or {})
    remembers = any(timeout_handlers(each) for each in (conversation, *nested_in(conversation)))
    carried = carrier(data, shared=not conversation.per_user, remembers=remembers)
    return MovedFlow(chart, carried, name or conversation.name or DEFAULT_NAME)


def _check(conversation: Any) -> None:
    if not isinstance(conversation, ConversationHandler):
        raise unmovable(
            f"{conversation!r} is not a ConversationHandler", "Pass the ConversationHandler itself"
        )
    for each in (conversation, *nested_in(conversation)):
        _check_handlers(each)
    for nested in nested_in(conversation):
        if _per(nested) != _per(conversation):
            raise unmovable(
                f"the nested ConversationHandler {nested.name or nested!r} has other per_chat, per_user or "
                f"per_message settings than the one around it, and one row is kept for both",
                "Make them the same",
            )
    for each in (conversation, *nested_in(conversation)):
        if any(isinstance(handler, ConversationHandler) for handler in timeout_handlers(each)):
            raise unmovable("a ConversationHandler is among the handlers of TIMEOUT", "Remove it there")


def _check_handlers(conversation: Conversation) -> None:
    """Check what PTB does not, and stumbles over at the first update that comes to it."""
    lists = {"entry_points": conversation.entry_points, "fallbacks": conversation.fallbacks}
    lists |= {f"the state {state!r}": handlers for state, handlers in conversation.states.items()}
    for where, handlers in lists.items():
        for handler in handlers:
            if not isinstance(handler, BaseHandler):
                raise unmovable(
                    f"{where} of a ConversationHandler has {handler!r}, which is not a handler",
                    "Write CommandHandler(...), MessageHandler(...) or another handler of PTB's",
                )


def _per(conversation: Conversation) -> tuple[bool, bool, bool]:
    return conversation.per_chat, conversation.per_user, conversation.per_message


def _key_rule(conversation: Conversation) -> KeyBy:
    if conversation.per_message:
        return KeyBy.USER_IN_MESSAGE if conversation.per_user else KeyBy.MESSAGE
    if conversation.per_chat:
        return KeyBy.USER_IN_CHAT if conversation.per_user else KeyBy.CHAT
    return KeyBy.GLOBAL_USER
