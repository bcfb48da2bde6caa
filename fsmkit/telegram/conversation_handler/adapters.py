"""One PTB handler in one place of a moved conversation: what it is asked, and what its callback is given."""

import ast
import json
import logging
import typing
from collections.abc import Iterable, MutableMapping
from contextvars import ContextVar
from types import FunctionType
from typing import Any

import attrs
import msgspec
from telegram import Bot, Update
from telegram.ext import ApplicationHandlerStop, ConversationHandler

from fsmkit.errors import FsmkitError, UnknownState
from fsmkit.flow.context import evolve
from fsmkit.flow.events import ChatEvent
from fsmkit.flow.locations import location_of
from fsmkit.flow.matchers import Matcher, examples_of_checker
from fsmkit.flow.results import Result
from fsmkit.graph.names import UNKNOWN, Scope, UnreadableSourceError, names_in, own_nodes
from fsmkit.graph.source import Return, goes_on
from fsmkit.interpreter.codec import needs_nothing
from fsmkit.interpreter.roundtrip import same
from fsmkit.telegram.conversation_handler.chart import (
    AnyHandler,
    Chain,
    Chart,
    Conversation,
    Offer,
    UnknownReturnError,
    all_returns,
    idle_seconds,
    leads_to,
    targets_of,
    unmovable,
)

_log = logging.getLogger("fsmkit")

LAST_UPDATE = "last_update"
"""The field in which the last update is kept, for the handlers of TIMEOUT."""

stops: ContextVar[list[ApplicationHandlerStop] | None] = ContextVar("fsmkit_stops", default=None)
"""Where it is noted that a callback has stopped the application's other groups, for whoever stands in one."""


@attrs.frozen(eq=False)
class Carrier:
    """Takes values to and fro between `user_data` and the flow's data.

    Attributes:
        data: The type of the flow's data.
        names: The keys that are carried.
        source: Where old callbacks have them: `user_data`, for a conversation of a whole chat `chat_data`.
        remembers: Whether the last update is kept.
    """

    data: Any
    names: tuple[str, ...]
    source: str
    remembers: bool

    def bring(self, data: Any, context: Any) -> None:
        """Write what the store has into `user_data`, before a callback of a conversation that runs."""
        if not self.names:
            return
        there, blank = self._there(context), self.data()
        for name in self.names:
            value = _get(data, name)
            if value is not _NOTHING and (name in there or value != _get(blank, name)):
                there[name] = value

    def take(self, data: Any, context: Any, update: Update | None) -> Any:
        """Return the flow's data after a callback; of a type that needs nothing, so there always are some."""
        changes: dict[str, Any] = {}
        blank = self.data()
        if self.names:
            there = self._there(context)
            changes = {name: there.get(name, _get(blank, name)) for name in self.names}
        if self.remembers and update is not None:
            changes[LAST_UPDATE] = json.loads(update.to_json())
        taken = evolve(data, {name: value for name, value in changes.items() if value is not _NOTHING})
        if isinstance(taken, dict):
            for name in (name for name, value in changes.items() if value is _NOTHING):
                taken.pop(name, None)
        return taken

    def last_update(self, data: Any, bot: Bot) -> Update | None:
        """Return the update that the conversation took last, `None` if none is known."""
        kept = _get(data, LAST_UPDATE)
        return Update.de_json(kept, bot) if isinstance(kept, dict) else None

    def of(self, stored: Any) -> dict[str, Any]:
        """Return the carried keys of some other `user_data`, such as that of a persistence file."""
        return {name: stored[name] for name in self.names if isinstance(stored, dict) and name in stored}

    def _there(self, context: Any) -> MutableMapping[str, Any]:
        there = getattr(context, self.source)
        if not isinstance(there, MutableMapping):
            raise TypeError(
                f"data= carries keys of context.{self.source}, which is {there!r}: a mapping is needed"
            )
        return there


CARRIED = 32_768
"""Bytes of JSON of one `user_data` that are stored with a conversation at most."""


@attrs.frozen(eq=False)
class WholeCarrier(Carrier):
    """Takes all of `user_data` that JSON has to the store after each callback, and back after a restart.

    While the process runs, `user_data` is what callbacks and other handlers have made of it; only what is not
    there is put back, and only once.
    """

    _known: dict[int, Any] = attrs.field(factory=dict[int, Any], init=False)
    """The `user_data` that are as callbacks left them, by identity."""
    _told: set[str] = attrs.field(factory=set[str], init=False)
    """What was logged."""

    def bring(self, data: Any, context: Any) -> None:
        """Put back what is stored, if nothing was since the process has begun."""
        there = getattr(context, self.source)
        if not isinstance(there, MutableMapping) or id(there) in self._known:
            return
        self._known[id(there)] = there
        for name, value in data.items():
            if name != LAST_UPDATE or not self.remembers:
                there.setdefault(name, value)

    def take(self, data: Any, context: Any, update: Update | None) -> Any:
        """Return the flow's data after a callback: what JSON has of `user_data`, up to a size."""
        taken: dict[str, Any] = {}
        there = getattr(context, self.source)
        if isinstance(there, MutableMapping):
            self._known[id(there)] = there
            left = CARRIED
            for name, value in there.items():
                size = self._size(name, value)
                if size is not None and size <= left:
                    taken[name] = value
                    left -= size
                elif size is not None:
                    self._tell(name, f"larger than {CARRIED} bytes with all the others")
        elif there is not None:
            self._tell("", f"a {type(there).__name__}, no mapping")
        if self.remembers:
            taken.pop(LAST_UPDATE, None)
            kept = data.get(LAST_UPDATE) if update is None else json.loads(update.to_json())
            taken |= {} if kept is None else {LAST_UPDATE: kept}
        return taken

    def of(self, stored: Any) -> dict[str, Any]:
        """Return what is carried of some other `user_data`."""
        return (
            {name: value for name, value in stored.items() if self._size(name, value) is not None}
            if isinstance(stored, dict)
            else {}
        )

    def _size(self, name: Any, value: Any) -> int | None:
        """Return the bytes that a value takes, `None` if JSON does not have it."""
        try:
            body = msgspec.json.encode({name: value})
            if same({name: value}, msgspec.json.decode(body)):
                return len(body)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            pass
        self._tell(name, f"a {type(value).__name__} that JSON does not have as it is")
        return None

    def _tell(self, name: Any, why: str) -> None:
        what = f"{self.source}[{name!r}]" if name != "" else self.source
        if what not in self._told:
            self._told.add(what)
            _log.warning(
                "%s is %s: it is not stored with the conversation and gone after a restart", what, why
            )


def carrier(data: Any, *, shared: bool, remembers: bool) -> Carrier:
    """Return the carrier for the type that was given as `data=`, `None`: nothing is carried.

    Args:
        data: The type; `dict`: all is carried that JSON has.
        shared: Whether the conversation is that of a whole chat.
        remembers: Whether the last update has to be kept.

    Raises:
        DefinitionError: If the type will not do.
    """
    source = "chat_data" if shared else "user_data"
    if data is dict:
        return WholeCarrier(dict, (), source, remembers)
    if data is None:
        return Carrier(dict, (), source, remembers)
    shown = getattr(data, "__name__", repr(data))
    if not needs_nothing(data):
        raise unmovable(f"data={shown} cannot be made without arguments", "Give all its fields defaults")
    fields = [name for name, hint in typing.get_type_hints(data).items() if not _is_class_variable(hint)]
    if remembers and LAST_UPDATE not in fields:
        raise unmovable(
            f"the handlers of TIMEOUT are given the last update, and data={shown} has no field to keep it in",
            f"Add `{LAST_UPDATE}: dict[str, Any] | None = None`",
        )
    return Carrier(data, tuple(name for name in fields if name != LAST_UPDATE), source, remembers)


_NOTHING: Any = object()


def _get(data: Any, name: str) -> Any:
    return data.get(name, _NOTHING) if isinstance(data, dict) else getattr(data, name, _NOTHING)


def _is_class_variable(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.ClassVar or hint is typing.ClassVar


def returned_by(callback: Any, *, calls: int = 1) -> list[Any] | None:
    """All that a callback may return, or give to `ApplicationHandlerStop`; `None` if it cannot be told.

    Args:
        callback: A function of `(update, context)`.
        calls: How deep `return await menu(update, context)` is followed into the function that it calls.

    Example:
        >>> AGE = 1
        >>> async def got_name(update, context):
        ...     return AGE
        >>> returned_by(got_name) is None  # typed in here, it has no file
        True
    """
    try:
        node, scope = names_in(callback)
    except UnreadableSourceError:
        return None
    if isinstance(node, ast.Lambda):
        found = _values(node.body, scope, calls)
    else:
        nodes = list(own_nodes(node))
        if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in nodes):
            return None
        found = [value for inner in nodes for value in _given(inner, scope, calls)]
        if goes_on(node.body, scope):
            found.append(None)
    return None if any(value is UNKNOWN for value in found) else found


def _values(expr: ast.expr, scope: Scope, calls: int) -> list[Any]:
    """Return what an expression may be, that of a call as far as the called function's source tells."""
    called = expr.value if isinstance(expr, ast.Await) else expr
    if isinstance(called, ast.Call) and calls:
        functions = scope.values(called.func)
        known = [
            returned_by(function, calls=calls - 1)
            if isinstance(function, FunctionType) and not hasattr(function, "__wrapped__")
            else None
            for function in functions
        ]
        return [value for each in known for value in ([UNKNOWN] if each is None else each)]
    if choices := scope.choices(expr):
        return [value for choice in choices for value in _values(choice, scope, calls)]
    return scope.values(expr)


def _given(node: ast.AST, scope: Scope, calls: int) -> list[Any]:
    """Return what a statement gives back, if it is a `return` or stops the application's other handlers."""
    match node:
        case ast.Return(value=None):
            return [None]
        case ast.Return(value=ast.expr() as value):
            return _values(value, scope, calls)
        case ast.Raise(exc=ast.Call(func=raised, args=args, keywords=keywords)):
            if scope.values(raised) != [ApplicationHandlerStop]:
                return []
            given = args[0] if args else next((k.value for k in keywords if k.arg == "state"), None)
            return [None] if given is None else scope.values(given)
        case ast.Raise(exc=ast.expr() as raised) if scope.values(raised) == [ApplicationHandlerStop]:
            return [None]
        case _:
            return []


class CheckUpdateOf(Matcher):
    """What a handler of a ConversationHandler takes; the match is what its `check_update` returned.

    Args:
        handler: The handler.
        conversation: The ConversationHandler, which refuses some updates whatever its handlers say.
    """

    def __init__(self, handler: AnyHandler, conversation: Conversation) -> None:
        self.handler = handler
        self._conversation = conversation

    def match(self, event: Any) -> Any:
        """Return what `check_update` returned, as long as that is neither `None` nor `False`."""
        if not isinstance(event, ChatEvent) or not _admits(self._conversation, event.update):
            return None
        found = self.handler.check_update(event.update)
        return None if found is False else found

    def examples(self) -> Iterable[Any]:
        """Return what the handler names, then any event."""
        return examples_of_checker(self.handler)

    def __repr__(self) -> str:
        return f"{type(self.handler).__name__}({_name(self.handler)})"


class CallbackOf:
    """The handler function of a flow that stands for a PTB handler in one place.

    Args:
        chart: All places.
        offer: The PTB handler, and where it leads.
        carrier: Takes data to and fro.
    """

    def __init__(self, chart: Chart, offer: Offer, carrier: Carrier) -> None:
        self._chart = chart
        self._offer = offer
        self._carrier = carrier
        self.fsmkit_ways = _ways(chart, offer)
        self.__qualname__ = _name(offer.handler)
        self.__wrapped__: Any = offer.handler.callback  # its place is that of the user's own function

    async def __call__(self, event: Any, ctx: Any) -> Result:
        """Call the callback, and go where it says.

        Raises:
            UnknownState: If it returned what is no state.
        """
        context = _telegram(ctx)
        running = ctx.state is not None
        if running:
            self._carrier.bring(ctx.data, context)
        returned = await self._call(event.update, ctx, context)
        try:
            chain = leads_to(self._offer, returned)
        except UnknownReturnError as error:
            raise self._unknown(error, ctx) from None
        if chain == ():
            return ("end",)
        if chain is None and not running:
            return ("stay",)
        data = self._carrier.take(ctx.data, context, event.update)
        if chain is None:
            return ("stay", data)
        return ("transition", self._chart.name_of(chain) or "", data)

    async def _call(self, update: Update, ctx: Any, context: Any) -> Any:
        """Return what the callback returned, or gave to `ApplicationHandlerStop`."""
        try:
            return await self._offer.handler.handle_update(update, context.application, ctx.match, context)
        except ApplicationHandlerStop as stop:
            if (noted := stops.get()) is not None:
                noted.append(stop)
            return stop.state

    def _unknown(self, error: UnknownReturnError, ctx: Any) -> UnknownState:
        name = error.conversation.name
        return UnknownState(
            f"{self.__qualname__} returned {error.state!r}, which is not a state of the ConversationHandler"
            f"{f' {name!r}' if name else ''}: {error}",
            flow=ctx.flow,
            state=ctx.state,
            place=location_of(self._offer.handler.callback),
        )


class TimedOut:
    """The handler function for timeouts in one place.

    Args:
        chart: All places.
        chain: The place.
        carrier: Has the last update.
    """

    def __init__(self, chart: Chart, chain: Chain, carrier: Carrier) -> None:
        self._chart = chart
        self._chain = chain
        self._carrier = carrier
        self._rest = chart.name_of(chain[: min(expiring(chain))])
        self.fsmkit_ways = (_way(self._rest),)
        self.__qualname__ = "TIMEOUT"

    async def __call__(self, event: Any, ctx: Any) -> Result:
        """Call the handlers of TIMEOUT that want the last update, innermost first, and end what is over."""
        over = expiring(self._chain)
        context = _telegram(ctx)
        update = self._carrier.last_update(ctx.data, context.bot)
        if update is not None:
            await self._tell(over, update, ctx, context.application)
        return ("end",) if self._rest is None else ("transition", self._rest)

    async def _tell(self, over: list[int], update: Update, ctx: Any, application: Any) -> None:
        context = application.context_types.context.from_update(update, application)
        self._carrier.bring(ctx.data, context)
        for depth in reversed(over):
            for handler in timeout_handlers(self._chain[depth].conversation):
                check = handler.check_update(update)
                if check is not None and check is not False:
                    try:
                        await handler.handle_update(update, application, check, context)
                    except ApplicationHandlerStop:
                        continue  # there is nothing to stop
        _mark(application, update)


def expiring(chain: Chain) -> list[int]:
    """Return the depths of the levels that time out first."""
    seconds = [idle_seconds(level) for level in chain]
    least = min(seconds)
    return [depth for depth, each in enumerate(seconds) if each == least]


def timeout_handlers(conversation: Conversation) -> list[AnyHandler]:
    """Return the handlers of the state TIMEOUT."""
    return list(conversation.states.get(ConversationHandler.TIMEOUT, ()))


def _ways(chart: Chart, offer: Offer) -> tuple[Return, ...]:
    """Where a callback goes, as far as its source says; else wherever it could."""
    returned = returned_by(offer.handler.callback)
    chains = targets_of(offer, all_returns(offer) if returned is None else returned)
    return tuple(dict.fromkeys(Return("stay") if c is None else _way(chart.name_of(c)) for c in chains))


def _way(state: str | None) -> Return:
    return Return("end") if state is None else Return("transition", state)


def _admits(conversation: Conversation, update: Update) -> bool:
    """Return what a ConversationHandler refuses before it asks its handlers."""
    if update.channel_post or update.edited_channel_post:
        return False
    query = update.callback_query
    return not (
        (conversation.per_chat and not update.effective_chat)
        or (conversation.per_user and not update.effective_user)
        or (conversation.per_message and query is None)
        or (conversation.per_chat and query is not None and query.message is None)
    )


def _telegram(ctx: Any) -> Any:
    """PTB's context, without which no callback of PTB's can be called."""
    if ctx.telegram is None:
        raise FsmkitError(
            f"flow {ctx.flow!r} was made of a ConversationHandler, whose callbacks need PTB's context: "
            f"run it with attach(app, flow); an Engine alone has none"
        )
    return ctx.telegram


def _mark(application: Any, update: Update) -> None:
    """`user_data` and `chat_data` of timeouts reach PTB's persistence too."""
    if application.persistence:
        user, chat = update.effective_user, update.effective_chat
        application.mark_data_for_update_persistence(
            chat_ids=chat.id if chat else None, user_ids=user.id if user else None
        )


def _name(handler: AnyHandler) -> str:
    callback: Any = handler.callback
    return getattr(callback, "__qualname__", None) or repr(callback)
