"""`Flow`: the declaration of one conversation. Nothing here moves: where a chat stands is in the store.

What is declared is checked as far as one declaration can be; what needs the whole flow, or several, is
checked when the flows are put together (`fsmkit.interpreter.compiled`).
"""

import difflib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from importlib import import_module
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Never,
    NoReturn,
    Protocol,
    TypeVar,
    Unpack,
    cast,
    overload,
)
from weakref import WeakSet

import attrs
from msgspec import UNSET

from fsmkit.errors import DefinitionError
from fsmkit.flow.context import Context
from fsmkit.flow.handlers import (
    Handler,
    Hook,
    Selector,
    check_callable,
    check_texts,
    job_spec,
    make_call,
    make_guard,
    make_handler,
    make_hook,
    refuse_bare,
)
from fsmkit.flow.locations import calling_location, location_of
from fsmkit.flow.matchers import Matcher
from fsmkit.flow.messages import MAX_VALUE, Button, Reply, as_screen, rows_of_buttons
from fsmkit.flow.options import check_options, options_checked
from fsmkit.flow.results import Result
from fsmkit.flow.shared import Handlers
from fsmkit.flow.states import (
    ANY,
    INHERIT,
    RENAMED_OPTIONS,
    Prompt,
    State,
    StateOptions,
    StatesGroup,
    Symbol,
    Ttl,
    times_of,
    unknown_option,
)
from fsmkit.keys import KeyBy

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    D = TypeVarWithDefault("D", default=dict[str, Any])
else:
    D = TypeVar("D")

E = TypeVar("E")

F = TypeVar("F", bound=Callable[..., Any])

R = TypeVar("R", bound=Result | Awaitable[Result])


EventT = TypeVar("EventT", covariant=True)

DataT = TypeVar("DataT")


class Registers(Protocol[EventT, DataT]):
    """What `defstate` returns: it takes a function of the events that `on` matches, and returns it.

    What is returned takes any event, so that another `defstate` with other events can stand above.
    """

    def __call__(
        self, function: Callable[[EventT, Context[DataT]], R], /
    ) -> Callable[[Any, Context[DataT]], R]:
        """Register a handler."""
        ...


GuardF = TypeVar("GuardF", bound=Callable[[Any], object])


HookF = TypeVar("HookF", bound=Callable[[Any], object])

Text = str | None | Mapping[str, str]

DEFAULT_TEXTS: dict[str, Text] = {
    "stale": "This button is no longer in use.",
    "not_yours": "This button is for somebody else.",
    "in_channel": "Please write to me in private.",
    "lost": "Sorry, I have lost track of our conversation. Please start again.",
    "crash": None,
    "expired": None,
    "declined": "Sorry, this payment cannot be made now. Please try again.",
}


class Flow(Generic[D]):
    """One conversation: its states, handlers, data type, key rule, time to live and version.

    A flow equals its name and hashes like it.

    Args:
        name: The name, unique among the flows of a bot; it is stored.
        states: A `StatesGroup` (or several) whose states the flow has.
        data: The type of the data: a dict, an attrs class, a dataclass or a msgspec Struct.
        key: The rule that says to which conversation an event belongs.
        ttl: Idle time after which the conversation times out: seconds or a `timedelta`, or `None` for never.
            By default a day; a called flow uses that of its caller.
        max_age: Time after the entry or call at which the flow times out, even if the person is active;
            `None` for never.
        remind_after: Idle time after which the person is reminded; `None` for never. By default never; a
            called flow uses that of its caller.
        reminder: The reminder's text; by default the prompt of the state is sent again.
        version: Increase it when stored conversations have to be migrated.
        initial: The state in which a call begins; by default the first one declared.
        exclusive: Whether entering the flow ends the key's other conversations.
        buttons: Who may press: `"owned"`, only the person whom a message was for; `"shared"`, everybody in
            the chat. `"shared"` is possible, and the default, only if the key is the chat.
        back: What `("back",)` without data does: `"keep"` the present data, or restore the `"data"` with
            which the earlier state was left.
        on_orphan: What to do with a stored conversation that no longer fits: `"end"` it and send
            `texts(lost=...)`, or `"raise"` `OrphanedConversation`.

    Raises:
        DefinitionError: If an argument is not as described.

    Example:
        >>> greet = Flow("greet", ttl=3600)
        >>> name = greet.state("name", prompt="What's your name?")
        >>> @greet.defstate("name")
        ... def got_name(event, ctx):
        ...     ctx.reply(f"Hello, {event.text}.")
        ...     return ("end",)
    """

    def __init__(
        self,
        name: str,
        *,
        states: type[StatesGroup] | Iterable[type[StatesGroup]] | None = None,
        data: type[D] = cast(Any, dict),  # noqa: B008  # the type itself, not an instance
        key: KeyBy = KeyBy.USER_IN_CHAT,
        ttl: Ttl = INHERIT,
        max_age: float | timedelta | None = None,
        remind_after: Ttl = INHERIT,
        reminder: Prompt | None = None,
        version: int = 1,
        initial: str | State | None = None,
        exclusive: bool = False,
        buttons: Literal["owned", "shared"] | None = None,
        back: Literal["keep", "data"] = "keep",
        on_orphan: Literal["end", "raise"] = "end",
        **unknown: Never,
    ) -> None:
        self.place = calling_location()
        for option in unknown:
            raise _unknown_flow_option(name, option, self.place)
        self.name = name
        self.data = data
        self.key = key
        self.ttl: Ttl = ttl
        self.max_age = max_age
        self.remind_after: Ttl = remind_after
        self.reminder = reminder
        self.version = version
        self.exclusive = exclusive
        self.back = back
        self.on_orphan = on_orphan
        self.initial = initial
        self.states: dict[str, State] = {}
        self.handlers: list[Handler] = []
        self.enter_hooks: list[Hook] = []
        self.exit_hooks: list[Hook] = []
        self.invariants: list[Hook] = []
        self.guards: list[Handler] = []
        self.migrations: dict[int, Callable[[Any, Any], Any]] = {}
        self.migration_examples: dict[int, tuple[tuple[str, Any], ...]] = {}
        self.messages: dict[str, Text] = dict(DEFAULT_TEXTS)
        self.in_use = False
        self._included: list[Handlers] = []
        self.filtered = False
        """Whether `in_state` asks for its conversations."""
        self.flow_sets: WeakSet[Any] = WeakSet()
        """The sets of flows that it is in, which note that by its name."""
        self._implied: dict[str, str | None] = {}
        """States that only a handler or a hook has named so far, with its place; `None` for other reasons."""
        self._declares = False
        """Whether states are declared by themselves, so that each has to be."""
        self._check_arguments(buttons)
        self.shared = key.by_chat if buttons is None else buttons == "shared"
        several = isinstance(states, Iterable) and not isinstance(states, str)
        groups: Any = () if states is None else tuple(cast(Any, states)) if several else (states,)
        self._declares = bool(groups)
        for group in groups:
            self._take_group(group)

    # -- declaring ---------------------------------------------------------------------------------

    def state(self, name: str, **options: Unpack[StateOptions]) -> State:
        """Declare a state and return it; the arguments are those of `State`.

        Raises:
            DefinitionError: If the flow is in use, or the name is taken or empty.
        """
        place = calling_location()
        self._check_open(place)
        if not isinstance(name, str) or not name:
            raise DefinitionError(f"a state is named {name!r}", place=place, remedy="Give it a name, a text")
        if name in self.states and name not in self._implied:
            raise DefinitionError(
                f"state {name!r} of flow {self.name!r} is declared twice", place=place, remedy="Remove one"
            )
        for option in options.keys() - StateOptions.__annotations__.keys():
            _refuse_option(option)
        state = State(name, **cast(Any, options))
        state.flow = self.name
        self._check_state(state, place)
        self._implied.pop(name, None)
        self._declares = True
        self._adopt(state)
        return state

    def __getitem__(self, name: str) -> State:
        """Return the state of that name.

        Raises:
            KeyError: If the flow has none, with the names that it has.
        """
        try:
            return self.states[name]
        except KeyError:
            known = ", ".join(self.states) or "none"
            raise KeyError(f"flow {self.name!r} has no state {name!r}; it has {known}") from None

    @overload
    def defstate(
        self,
        *states: Selector,
        on: Matcher[E] | type[E],
        when: Callable[[E], Any] | None = None,
        to: Any = None,
        examples: Iterable[Any] = (),
    ) -> Registers[E, D]: ...

    @overload
    def defstate(
        self,
        *states: Selector,
        on: Any = None,
        when: Callable[[Any], Any] | None = None,
        to: Any = None,
        examples: Iterable[Any] = (),
    ) -> Registers[E, D]: ...

    @options_checked
    def defstate(
        self,
        *states: Selector,
        on: Any = None,
        when: Callable[[Any], Any] | None = None,
        to: Any = None,
        examples: Iterable[Any] = (),
    ) -> Callable[[F], F]:
        """Register a handler, a function of `(event, ctx)`, for states.

        Args:
            states: Names, `State`s, groups, `ANY` (every state of the flow), `None` (no conversation).
            on: Which events it handles: a matcher, an event class, a PTB filter or handler, a predicate, or
                several (any of them); by default any new text message that is not a command.
            when: A predicate of the event that narrows `on`.
            to: The only targets that it may return: states, called flows and `END`.
            examples: Texts and events that it handles, for the generated tests, if they cannot be guessed
                from `on` and `when`.

        Returns:
            A decorator that returns the function unchanged.

        Raises:
            DefinitionError: If the flow is in use, or the handler could never match.
        """
        refuse_bare(states, "a handler", 'defstate("name")')
        declared_at = calling_location()

        def register(function: F) -> F:
            self._check_open(location_of(function) if callable(function) else declared_at)
            handler = make_handler(
                function, states, on=on, when=when, to=to, examples=examples, declared_at=declared_at
            )
            self.handlers.append(handler)
            self._imply(handler.selectors, handler.place)
            return function

        return register

    def include(self, *shared: Handlers) -> None:
        """Add handlers that several flows share; they are asked after the flow's own.

        Args:
            shared: The handlers, in the order in which they are asked.

        Raises:
            DefinitionError: If the flow is in use, or has included them already.
        """
        place = calling_location()
        self._check_open(place)
        for each in shared:
            if not isinstance(each, Handlers):
                raise self.error(
                    f"it includes {each!r}", "Put what is shared into Handlers(), and include that", place
                )
            if each in self._included:
                raise self.error(f"it includes {each!r} twice", "Remove one include(...)", place)
            self._included.append(each)
            each.included_by = each.included_by or self.name
            # Of its own, as what a handler names means another state in each flow.
            self.handlers += [attrs.evolve(handler, included=True) for handler in each.handlers]

    def on_enter(self, *states: Selector) -> Callable[[HookF], HookF]:
        """Register a function of `ctx` that runs when one of the states is entered (none named: any)."""
        return self._hook(self.enter_hooks, states, "on_enter", "an on_enter hook")

    def on_exit(self, *states: Selector) -> Callable[[HookF], HookF]:
        """Register a function of `ctx` that runs when one of the states is left (none named: any)."""
        return self._hook(self.exit_hooks, states, "on_exit", "an on_exit hook")

    @options_checked
    def guard(self, *states: Selector, to: Any = None) -> Callable[[GuardF], GuardF]:
        """Register a function of `ctx` that is called before one of the states is entered (none named: any).

        `ctx` shows the conversation as it would be. `None` lets the person in. `("transition", ...)` leads
        elsewhere, with the same data unless given. `("stay",)` refuses: the step is undone, and only the
        guard's messages are sent. `set_state` is not guarded.

        Args:
            states: Which states.
            to: The only targets that it may return.

        Raises:
            DefinitionError: If the flow is in use, or it is no function of `ctx`.
        """
        refuse_bare(states, "a guard", "guard()")

        def register(function: GuardF) -> GuardF:
            guard = make_guard(function, states, to)
            self._check_open(guard.place)
            self.guards.append(guard)
            self._imply(guard.selectors, guard.place)
            return function

        return register

    @options_checked
    def invariant(self, function: Callable[..., Any] | None = None, /, *, states: Any = ANY) -> Any:
        """Register a function of `ctx` that asserts, or returns `False`, when the stored data are wrong.

        Args:
            function: The function, if the decorator is written without parentheses.
            states: In which states it must hold.
        """
        selectors = states if isinstance(states, (tuple, list)) else (states,)
        register: Callable[..., Any] = self._hook(
            self.invariants, tuple(selectors), "invariant", "an invariant"
        )
        return register if function is None else register(function)

    @options_checked
    def migrate(self, version: int, *, examples: Iterable[tuple[str, Any]] = ()) -> Callable[[F], F]:
        """Register the function of `(state, data)` that converts what `version` stored to the next version.

        Args:
            version: The version that it reads; it returns `(state, data)` for `version + 1`. The data are
                a dict of JSON values, not yet the data class.
            examples: Conversations that this version stored, each `(state, data)`, for the generated tests.
        """
        place = calling_location()
        self._check_open(place)
        if type(version) is not int or not 1 <= version < self.version:
            raise DefinitionError(
                f"migrate({version!r}) in version {self.version} of flow {self.name!r}",
                place=place,
                remedy=f"Name an older version, 1 to {self.version - 1}; raise Flow(version=...) first",
            )
        if version in self.migrations:
            raise DefinitionError(
                f"two functions migrate version {version}", place=place, remedy="Remove one"
            )

        found = tuple(examples)
        if not all(isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str) for one in found):
            raise DefinitionError(
                f"examples={examples!r}",
                place=place,
                remedy='Write (state, data) for each: examples=[("age", {"name": "Ann"})]',
            )

        def register(function: F) -> F:
            check_callable(function, 2, place, "a migration is a function of (state, data)")
            self.migrations[version] = function
            self.migration_examples[version] = found
            return function

        return register

    def texts(self, **texts: Text) -> None:
        """Set fsmkit's own texts: each a text, `None` for no text, or a mapping of languages to texts.

        Args:
            texts: `stale` (a button of an earlier state or run), `not_yours` (somebody else's button),
                `in_channel` (a button under a channel's post; a link `https://t.me/...` is opened),
                `lost` (a conversation that no longer fits), `crash` (a handler raised), `expired` (the
                conversation timed out), `declined` (a payment that no handler approved).
        """
        place = calling_location()
        self._check_open(place)
        check_texts(texts, DEFAULT_TEXTS, place)
        self.messages.update(texts)

    def text_for(self, name: str, lang: str | None) -> str | None:
        """Return one of `texts` in a language; English, then the first, where the language is missing."""
        return in_language(self.messages[name], lang)

    @options_checked
    def button(
        self, text: str, value: Any = UNSET, *, style: str | None = None, icon: str | None = None
    ) -> Button:
        """Return a menu button that starts this flow (`on=button(value)` of `None`); it is never stale.

        Args:
            text: The text on the button.
            value: The `event.value` of its presses, 39 bytes at most; by default the text.
            style: As in `Button`.
            icon: As in `Button`.

        Raises:
            DefinitionError: If the value is too long (a value that is not a text is checked when it is sent).
        """
        button = Button(text, value, flow=self.name, style=style, icon=icon)
        size = len(button.value.encode()) if isinstance(button.value, str) else 0
        if size > MAX_VALUE:
            raise DefinitionError(
                f"the value of menu button {text!r} takes {size} bytes",
                place=calling_location(),
                remedy=f"Telegram leaves {MAX_VALUE} bytes for it: give a shorter value",
            )
        return button

    # -- itself ------------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        return self.name == other if isinstance(other, str) else self is other

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<Flow {self.name!r}: {len(self.states)} states, {len(self.handlers)} handlers>"

    def _repr_svg_(self) -> str:
        """Return the drawing that a notebook shows; it needs the extra `diagrams`."""
        drawing = import_module("fsmkit.graph.drawing")  # what draws stands above what is drawn
        graph = import_module("fsmkit.graph.graph")
        drawn: str = import_module("fsmkit.graph.svg").svg(drawing.drawing_of(graph.graph_of(self)))
        return drawn

    def error(self, problem: str, remedy: str, place: str | None = None) -> DefinitionError:
        """Return a DefinitionError about this flow, at its own place by default."""
        return DefinitionError(f"flow {self.name!r}: {problem}", place=place or self.place, remedy=remedy)

    def _hook(
        self, hooks: list[Hook], states: tuple[Any, ...], decorator: str, what: str
    ) -> Callable[[HookF], HookF]:
        refuse_bare(states, what, f"{decorator}()")

        def register(function: HookF) -> HookF:
            hook = make_hook(function, states, what)
            self._check_open(hook.place)
            hooks.append(hook)
            self._imply(hook.selectors, hook.place)
            return function

        return register

    def check_declared(self) -> None:
        """Refuse a state that only a handler or a hook names, in a flow that declares its states.

        Called when the flow is put to use: `flow.state(...)` may stand below the handler.

        Raises:
            DefinitionError: If there is one, with the nearest name.
        """
        self.check_included()
        if not self._declares:
            return
        for name, place in self._implied.items():
            if place is None:
                continue
            near = difflib.get_close_matches(name, [known for known in self.states if known != name], n=1)
            meant = f"Did you mean {near[0]!r}? If it is a state of its own, write" if near else "Write"
            raise self.error(
                f"state {name!r} is not declared, as its other states are",
                f'{meant} flow.state("{name}")',
                place,
            )

    def check_included(self) -> None:
        """Refuse an included handler for a state that the flow does not have.

        Raises:
            DefinitionError: If there is one, with the nearest name.
        """
        named = [
            (handler, each) for handler in self.handlers if handler.included for each in handler.selectors
        ]
        for handler, selector in named:
            if isinstance(selector, Symbol) or selector is None:
                continue
            if isinstance(selector, type):
                names, what = [state.name for state in selector.states()], selector.__name__
            else:
                names, what = [str(selector)], f"state {str(selector)!r}"
            if not any(name in self.states for name in names):
                near = difflib.get_close_matches(names[0], self.states, n=1) if names else []
                raise self.error(
                    f"it includes {handler.name} for {what}, which it does not have; it has "
                    f"{', '.join(map(repr, self.states)) or 'no states'}",
                    f"Did you mean {near[0]!r}?" if near else "Register it for ANY, or with the other flows",
                    handler.place,
                )

    def mark_filtered(self) -> None:
        """Note that `in_state` asks for its conversations."""
        self.filtered = True
        for flows in self.flow_sets:
            flows.filtered.add(self.name)

    def _check_open(self, place: str | None) -> None:
        if self.in_use:
            raise self.error(
                "it is already in use", "Declare all of it before attach(...) or Engine(...)", place
            )

    def _imply(self, selectors: Iterable[Any], place: str | None) -> None:
        """Declare the states that are named only in a handler or a hook."""
        for selector in selectors:
            if isinstance(selector, str):
                if selector not in self.states:
                    state = self.states[selector] = State(selector)
                    state.flow = self.name
                    self._implied[selector] = place
            elif isinstance(selector, State):
                self._take_state(selector, place)
            elif isinstance(selector, type):
                self._take_group(selector, place)

    def _take_group(self, group: Any, place: str | None = None) -> None:
        if not (isinstance(group, type) and issubclass(group, StatesGroup)):
            raise self.error(f"states={group!r} is not a group", "Write the StatesGroup itself", place)
        for state in group.states():
            self._take_state(state, place)

    def _take_state(self, state: State, place: str | None) -> None:
        known = self.states.get(state.name)
        if state.flow is not None and state.flow != self.name:
            raise self.error(
                f"state {state.name!r} belongs to flow {state.flow!r}",
                "Register the handler with that flow",
                place,
            )
        if known is None:
            self._check_state(state, place)
            self._adopt(state)
        elif known is not state and known.name not in self._implied:
            raise self.error(f"two states are named {state.name!r}", "Rename one", place)
        else:
            self._implied.pop(state.name, None)
            if known is not state:
                self._check_state(state, place)
                self._adopt(state)

    def _adopt(self, state: State) -> None:
        """Take a declared state, and what it does by itself."""
        self.states[state.name] = state
        if state.call is not None:
            self.handlers.insert(0, make_call(state, state.place))  # asked before all others

    def _check_state(self, state: State, place: str | None) -> None:
        times_of(state, f"state {state.name!r}", place)
        job_spec(state, f"state {state.name!r}", place)
        try:
            rows_of_buttons(state.buttons)
        except TypeError as error:
            raise self.error(f"state {state.name!r}: {error}", "Change buttons=", place) from None
        if state.buttons and state.prompt is None:
            raise self.error(f"state {state.name!r} has buttons but no prompt", "Add prompt=", place)
        if not isinstance(state.show, bool | str) or state.show == "":
            raise self.error(
                f"state {state.name!r} has show={state.show!r}",
                'Write True for the conversation\'s screen, or the name of one: show="menu"',
                place,
            )
        if state.show:
            self._check_screen(state, place)
        self._check_call(state, place)

    def _check_call(self, state: State, place: str | None) -> None:
        """Refuse what a state that is a call cannot have; what it needs, `fsmkit.graph.calls` checks."""
        if state.call is None:
            if state.call_data is not UNSET:
                raise self.error(f"state {state.name!r} has call_data= and calls nothing", "Add call=", place)
            return
        if not isinstance(state.call, Flow) and (not isinstance(state.call, str) or not state.call):
            raise self.error(
                f"state {state.name!r} has call={state.call!r}, which is not a flow",
                "Write the flow itself, or its name",
                place,
            )
        for option, remedy in OPTIONS_WITHOUT_CALL.items():
            if getattr(state, option) not in (None, (), False, 0):
                raise self.error(
                    f"state {state.name!r} has call= and {option}=, but the called flow replaces it",
                    f"Remove {option}=; {remedy}",
                    place,
                )
        if callable(state.call_data):
            check_callable(state.call_data, 1, place, "call_data= takes a function of (ctx)")

    def _check_screen(self, state: State, place: str | None) -> None:
        if state.prompt is None:
            raise self.error(f"state {state.name!r} has show=True but no prompt", "Add prompt=", place)
        if state.ephemeral:
            raise self.error(
                f"state {state.name!r} has show=True and ephemeral=True, but a screen stays",
                "Choose one",
                place,
            )
        try:
            as_screen(state.prompt if isinstance(state.prompt, Reply) else Reply("?"))
        except TypeError as error:
            raise self.error(f"state {state.name!r}: {error}", "Remove show=True", place) from None

    def _check_arguments(self, buttons: object) -> None:
        if not isinstance(self.name, str) or not self.name or "/" in self.name:
            raise DefinitionError(
                f"a flow is named {self.name!r}", place=self.place, remedy="Give a text without a slash"
            )
        data: Any = self.data
        if not isinstance(data, type) and not hasattr(data, "__origin__"):
            raise self.error(f"data={self.data!r} is not a type", "Write the class itself, data=Form")
        if not isinstance(self.key, KeyBy):
            raise self.error(
                f"key={self.key!r} is not a key rule", "Write one of KeyBy, for example KeyBy.CHAT"
            )
        if type(self.version) is not int or self.version < 1:
            raise self.error(f"version={self.version!r}", "Write a whole number from 1")
        if buttons not in (None, "owned", "shared"):
            raise self.error(f"buttons={buttons!r}", 'Write "owned" or "shared"')
        if buttons == "shared" and not self.key.by_chat:
            raise self.error(
                f'buttons="shared" with {self.key}: another person presses in a conversation of their own',
                "Write key=KeyBy.CHAT, or make the button with flow.button(...)",
            )
        if self.back not in ("keep", "data"):
            raise self.error(f"back={self.back!r}", 'Write "keep" or "data"')
        if self.on_orphan not in ("end", "raise"):
            raise self.error(f"on_orphan={self.on_orphan!r}", 'Write "end" or "raise"')
        times_of(self, f"flow {self.name!r}", self.place)


def in_language(text: Text, lang: str | None) -> str | None:
    """Return a text in a language; of a mapping English, then the first, where the language is missing."""
    if not isinstance(text, Mapping):
        return text
    return (
        text.get(lang or "")
        or text.get((lang or "").split("-")[0])
        or text.get("en")
        or next(iter(text.values()), None)
    )


_ITS_STATES = "give it to a state of the called flow"


OPTIONS_WITHOUT_CALL = {
    "prompt": "what the called flow does not say, an on_enter hook says with ctx.reply",
    "buttons": _ITS_STATES,
    "otherwise": _ITS_STATES,
    "job": "go to a state with the job from the handler of Returned",
    "ephemeral": _ITS_STATES,
    "show": _ITS_STATES,
}
"""Options that a state with `call=` cannot have, with what to do instead."""


OTHER_FLOW_OPTIONS = {
    "timeout": "ttl",
    "conversation_timeout": "ttl",
    "expires": "ttl",
    "idle": "ttl",
    "state": "states",
    "per_chat": "key",
    "per_user": "key",
    "per_message": "key",
}
"""What options of a flow are called elsewhere."""


def _unknown_flow_option(flow: str, option: str, place: str | None) -> DefinitionError:
    """Return the error for an option that `Flow` does not take, which lists those that it takes."""
    known = [
        name for name, each in inspect.signature(Flow).parameters.items() if each.kind is each.KEYWORD_ONLY
    ]
    near = difflib.get_close_matches(option, known)
    if option in OTHER_FLOW_OPTIONS:
        near.insert(0, OTHER_FLOW_OPTIONS[option])
    names = [f"{name}=" for name in dict.fromkeys((*near, *known))]
    meant = f"Did you mean {names[0]}? " if near else ""
    return DefinitionError(
        f"flow {flow!r} has no option {option}=", place=place, remedy=f"{meant}It takes {', '.join(names)}"
    )


def _refuse_option(option: str) -> NoReturn:
    """Refuse an option that `State` does not take, with a place and a remedy where it is misspelt."""
    if option not in RENAMED_OPTIONS:
        check_options("a state", [option], StateOptions.__annotations__)
    raise TypeError(unknown_option(option))
