"""An application's handlers in their places, global ones and those of ConversationHandlers, in PTB's order.

Each run of the program makes new handlers; what is known of one is kept by its place.
"""

import contextlib
import enum
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import attrs
from telegram.ext import ApplicationHandlerStop, BaseHandler, ConversationHandler

from fsmkit.botapi.request import AnyApplication
from fsmkit.flow.locations import location_of
from fsmkit.telegram.conversation_handler.chart import UnnameableError, nested_in, text_of
from fsmkit.telegram.conversation_handler.move import MovedHandler

AnyHandler: TypeAlias = BaseHandler[Any, Any, Any]
AnyConversation: TypeAlias = ConversationHandler[Any]
Role: TypeAlias = Literal["global", "entry", "state", "fallback"]

SYMBOLS = (ConversationHandler.TIMEOUT, ConversationHandler.WAITING)
"""Keys of `states` in which nobody can stand."""


@attrs.frozen(eq=False)
class Slot:
    """A handler in a place where PTB asks it.

    Attributes:
        handler: The handler.
        around: The ConversationHandlers around it, the outermost first.
        role: As what it stands in the innermost of them.
        state: The state of which it is, for the role `state`.
        group: The application's group.
        key: What is the same in each run of the program.
    """

    handler: AnyHandler
    around: tuple[AnyConversation, ...]
    role: Role
    state: Any
    group: int
    key: tuple[Any, ...]

    @property
    def place(self) -> str:
        """`file:line` of its callback."""
        return location_of(self.handler.callback)

    @property
    def name(self) -> str:
        """Name of its callback."""
        return name_of(self.handler.callback)


@attrs.frozen(eq=False)
class CallbackRun:
    """A callback that ran.

    Attributes:
        slots: The places of its handler.
        returned: What it returned, or gave to `ApplicationHandlerStop`.
        raised: What it raised instead.
        calls: The numbers of the bot's requests before and after it.
    """

    slots: tuple[Slot, ...]
    returned: Any = None
    raised: BaseException | None = None
    calls: tuple[int, int] = (0, 0)

    @property
    def place(self) -> str:
        """`file:line` of the callback."""
        return self.slots[0].place

    @property
    def conversation(self) -> AnyConversation | None:
        """The ConversationHandler in which it ran, if it can only be one."""
        around = {id(slot.around[-1]): slot.around[-1] for slot in self.slots if slot.around}
        free = any(not slot.around for slot in self.slots)
        return next(iter(around.values())) if len(around) == 1 and not free else None

    def __str__(self) -> str:
        name = self.slots[0].name
        if self.raised is not None:
            return f"{name}: raised"
        conversation = self.conversation
        if conversation is None or self.returned is None:
            return name
        return f"{name} -> {state_name(conversation, self.returned)}"


def slots_of(app: AnyApplication) -> list[Slot]:
    """Return all handlers that have a callback, in the order in which PTB asks them."""
    return [
        slot
        for group in sorted(app.handlers)
        for number, handler in enumerate(app.handlers[group])
        for slot in _slots(_before_move(handler), (), "global", None, group, (group, number))
    ]


def _before_move(handler: AnyHandler) -> AnyHandler:
    return handler.flow.chart.top if isinstance(handler, MovedHandler) else handler


def _slots(
    handler: AnyHandler, around: tuple[AnyConversation, ...], role: Role, state: Any, group: int, key: Any
) -> Iterator[Slot]:
    if not isinstance(handler, ConversationHandler):
        if callable(getattr(handler, "callback", None)):
            yield Slot(handler, around, role, state, group, key)
        return
    if any(each is handler for each in around):
        return
    inside = (*around, handler)
    for number, each in enumerate(handler.entry_points):
        yield from _slots(each, inside, "entry", None, group, (*key, "entry", number))
    for which, (name, handlers) in enumerate(handler.states.items()):
        for number, each in enumerate(handlers):
            yield from _slots(each, inside, "state", name, group, (*key, which, number))
    for number, each in enumerate(handler.fallbacks):
        yield from _slots(each, inside, "fallback", None, group, (*key, "fallback", number))


def conversations_of(app: AnyApplication) -> list[AnyConversation]:
    """Return an application's ConversationHandlers, each before those that are nested in it."""
    tops = [h for group in sorted(app.handlers) for h in app.handlers[group]]
    found = [each for top in tops if isinstance(top, ConversationHandler) for each in (top, *nested_in(top))]
    return list(dict.fromkeys(found))


def watch_callbacks(
    slots: list[Slot],
    count: Callable[[], int],
    begin: Callable[[], None],
    note: Callable[[CallbackRun], None],
) -> None:
    """Have each callback noted when it has returned.

    Args:
        slots: The handlers.
        count: Says how many requests the bot has made.
        begin: Called before each callback.
        note: Told of each callback that ran.
    """
    places: dict[int, list[Slot]] = {}
    for slot in slots:
        places.setdefault(id(slot.handler), []).append(slot)
    for same in places.values():
        handler = same[0].handler
        with contextlib.suppress(AttributeError):  # a handler of a class of its own, that computes it
            handler.callback = _watched(handler.callback, tuple(same), count, begin, note)


def _watched(
    callback: Any,
    slots: tuple[Slot, ...],
    count: Callable[[], int],
    begin: Callable[[], None],
    note: Callable[[CallbackRun], None],
) -> Any:
    async def called(*given: Any, **options: Any) -> Any:
        before = count()
        begin()
        try:
            returned = callback(*given, **options)
            if inspect.isawaitable(returned):
                returned = await returned
        except ApplicationHandlerStop as stop:
            note(CallbackRun(slots, stop.state, None, (before, count())))
            raise
        except BaseException as error:
            note(CallbackRun(slots, None, error, (before, count())))
            raise
        note(CallbackRun(slots, returned, None, (before, count())))
        return returned

    with contextlib.suppress(AttributeError, TypeError):
        functools.update_wrapper(called, callback)
    called.__wrapped__ = callback  # type: ignore[attr-defined]
    return called


def name_of(function: Any) -> str:
    """Return what a callback is called in its own source."""
    function = inspect.unwrap(function)
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__name__)).rpartition("<locals>.")[2]


def state_name(conversation: AnyConversation, state: Any) -> str:
    """Return what a state is called in the source of the callbacks, if that is one name; else what it is."""
    if state == ConversationHandler.END and state not in conversation.states:
        return "END"
    if state == ConversationHandler.TIMEOUT:
        return "TIMEOUT"
    names: set[str] = set()
    if isinstance(state, int | str) and not isinstance(state, enum.Enum | bool) and not _is_name(state):
        for slot in _slots(conversation, (), "global", None, 0, ()):
            names |= _constants_named(slot.handler.callback, state)
    if len(names) == 1:
        return names.pop()
    try:
        return text_of(state, {}).removeprefix("~")
    except UnnameableError:
        return repr(state)


def _is_name(state: int | str) -> bool:
    return isinstance(state, str) and state.isprintable() and bool(state.strip())


def _constants_named(callback: Any, value: int | str) -> set[str]:
    function = inspect.unwrap(callback)
    function = getattr(function, "__func__", function)
    code, scope = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    if code is None:
        return set()
    return {
        name
        for name in code.co_names
        if name.isupper() and type(scope.get(name)) is type(value) and scope[name] == value
    }
