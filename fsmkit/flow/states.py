"""States, groups of states, and the symbols that stand for more or less than one state.

What a state *is*; which handlers it has belongs to its flow.
"""

import copy
import enum
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, Never, TypedDict

import attrs
from msgspec import UNSET

from fsmkit.errors import DefinitionError, nearest_option
from fsmkit.flow.locations import calling_location
from fsmkit.flow.messages import Buttons, Reply, named_screen

Prompt = str | Reply | Callable[[Any], "str | Reply | Awaitable[str | Reply | None] | None"]
"""What is said: a text, a `Reply`, or a function of `ctx`, sync or async, that returns one (or `None`)."""


class Symbol(enum.Enum):
    """Symbols that may be used in place of states."""

    ANY = "ANY"
    """Every state of the flow."""
    END = "END"
    """The end of the conversation: as a result the same as `("end",)`, and as a target in `to=`."""
    INHERIT = "INHERIT"
    """As the flow has it (for a flow: as its caller has it, else one day)."""

    def __repr__(self) -> str:
        return self.name


ANY: Final = Symbol.ANY


END: Final = Symbol.END


INHERIT: Final = Symbol.INHERIT

Ttl = float | timedelta | Literal[Symbol.INHERIT] | None
"""A time to live: seconds, a `timedelta`, `None` (never) or `INHERIT`."""


class StateOptions(TypedDict, total=False):
    """What a state may be declared with, beside its name; `State` says what each is."""

    prompt: Prompt | None
    buttons: Buttons
    otherwise: Prompt | None
    ttl: Ttl
    job: Callable[..., Any] | None
    ephemeral: bool
    show: bool | str
    renamed_from: str | Iterable[str]
    max_age: float | timedelta | None
    remind_after: Ttl
    reminder: Prompt | None
    job_timeout: float | timedelta | None
    job_retries: int
    call: Any
    call_data: Any
    handler_timeout: Ttl


RENAMED_OPTIONS = {"timeout": "job_timeout", "retries": "job_retries", "was": "renamed_from"}
"""What options of a state were called before, with what they are called now."""


def unknown_option(option: str) -> str:
    """Return what is wrong with an option that a state does not have."""
    now = RENAMED_OPTIONS.get(option)
    if now is not None:
        return f"a state has no option {option}=: it is now called {now}="
    return f"a state has no option {option}=. {nearest_option(option, StateOptions.__annotations__)}"


class State:
    """A state of a flow: its name, and what happens in it without a handler.

    A state equals its name and hashes like it. In a `StatesGroup` the name is that of the attribute.

    Args:
        name: The name; may be left out in a `StatesGroup`.
        prompt: Sent whenever the state is entered.
        buttons: Rows of inline buttons under the prompt; a flat list is one row, a string its own value.
        otherwise: Sent when no handler takes a new message. Commands do not get it, except one that starts
            this flow and is sent again while it runs.
        ttl: Idle time after which the conversation times out: seconds or a `timedelta`, or `None` for never.
        max_age: Time after the entry at which it times out, even if the person is active; `None` for never.
        remind_after: Idle time after which the person is reminded; `None` for never. By default the flow's.
        reminder: The reminder's text; by default the flow's reminder, otherwise the prompt is sent again.
        job: Slow work to do while the conversation is in this state, a function of `data` or of
            `(data, job)`; its outcome comes back as `Done` or `Failed`.
        ephemeral: Whether the prompt and the user's answers are deleted when the state is left.
        show: Whether the prompt is the conversation's screen, as by `ctx.show`; a text names the screen.
        renamed_from: Names that this state had in earlier versions.
        job_timeout: How long one attempt of the job may take: seconds or a `timedelta`; `None`: no limit.
        job_retries: How often a job that raised, or took too long, is tried again.
        call: A flow (or its name) that is called when the state is entered; its result comes to the state's
            handler for `Returned`.
        call_data: The initial data of the called flow, or a function of `ctx` that returns them.
        handler_timeout: How long a handler may take in this state: seconds or a `timedelta`; `None`: no
            limit. By default the engine's.
    """

    __slots__ = (
        "_attribute",
        "_group",
        "buttons",
        "call",
        "call_data",
        "ephemeral",
        "flow",
        "handler_timeout",
        "job",
        "job_retries",
        "job_timeout",
        "max_age",
        "otherwise",
        "place",
        "prompt",
        "remind_after",
        "reminder",
        "renamed_from",
        "show",
        "ttl",
    )

    def __init__(
        self,
        name: str | None = None,
        *,
        prompt: Prompt | None = None,
        buttons: Buttons = (),
        otherwise: Prompt | None = None,
        ttl: Ttl = INHERIT,
        job: Callable[..., Any] | None = None,
        ephemeral: bool = False,
        show: bool | str = False,
        renamed_from: str | Iterable[str] = (),
        max_age: float | timedelta | None = None,
        remind_after: Ttl = INHERIT,
        reminder: Prompt | None = None,
        job_timeout: float | timedelta | None = None,
        job_retries: int = 0,
        call: Any = None,
        call_data: Any = UNSET,
        handler_timeout: Ttl = INHERIT,
        **old: Never,
    ) -> None:
        for option in old:
            raise TypeError(unknown_option(option))
        self._attribute = name
        self._group: type[StatesGroup] | None = None
        self.place = calling_location()
        """File and line of its declaration."""
        self.flow: str | None = None
        """Name of the flow that declared it; `None` for a state of a group, which several flows may use."""
        self.prompt = prompt
        self.buttons = buttons
        self.otherwise = otherwise
        self.ttl: Ttl = ttl
        self.job = job
        self.ephemeral = ephemeral
        self.show = show
        self.renamed_from = (renamed_from,) if isinstance(renamed_from, str) else tuple(renamed_from)
        self.max_age = max_age
        self.remind_after: Ttl = remind_after
        self.reminder = reminder
        self.job_timeout = job_timeout
        self.job_retries = job_retries
        self.call = call
        self.call_data = call_data
        self.handler_timeout: Ttl = handler_timeout

    def screen_of(self, flow: str) -> str:
        """Return which screen of a conversation its prompt is in a flow (`SendMessage.screen`)."""
        return named_screen(flow, self.show) if isinstance(self.show, str) else ""

    def __set_name__(self, owner: type, name: str) -> None:
        if self._attribute is None:
            self._attribute = name

    @property
    def name(self) -> str:
        """The full name, as `ctx.state` has it.

        For example `age`, and in groups `Signup:age`, `Signup.Address:street`.
        """
        name = self._attribute or ""
        return f"{self._group.full_name()}:{name}" if self._group else name

    @property
    def group(self) -> "type[StatesGroup] | None":
        """The group that it belongs to."""
        return self._group

    def __eq__(self, other: object) -> bool:
        if isinstance(other, State):
            return self.name == other.name
        return self.name == other if isinstance(other, str) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"State({self.name!r})"


class StatesGroup:
    """States that belong together, as attributes of a class; groups may be nested at any depth.

    A group means "any of its states, nested ones too" wherever states are named. A subclass inherits the
    names, and has its own states for them.

    Example:
        >>> class Signup(StatesGroup):
        ...     name = State(prompt="Your name?")
        ...
        ...     class Address(StatesGroup):
        ...         street = State()
        >>> [state.name for state in Signup.states()]
        ['Signup:name', 'Signup.Address:street']
    """

    _parent: "ClassVar[type[StatesGroup] | None]" = None
    _own: "ClassVar[tuple[State | type[StatesGroup], ...]]" = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._parent = None
        members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
        own: list[State | type[StatesGroup]] = []
        for name, member in members.items():
            if isinstance(member, State):
                own.append(_bind_names(cls, name, member))
            elif name != "_parent" and isinstance(member, type) and issubclass(member, StatesGroup):
                own.append(_bind_group(cls, name, member))
        cls._own = tuple(own)

    @classmethod
    def full_name(cls) -> str:
        """Return the group's name with those of the groups around it, joined by dots."""
        return f"{cls._parent.full_name()}.{cls.__name__}" if cls._parent else cls.__name__

    @classmethod
    def states(cls) -> Iterator[State]:
        """Yield all states in the order of definition, those of nested groups too."""
        for member in cls._own:
            if isinstance(member, State):
                yield member
            else:
                yield from member.states()


def _bind_names(group: type[StatesGroup], name: str, state: State) -> State:
    if state.group is not None:  # inherited, or written into two groups: each group has its own
        state = copy.copy(state)
        state._attribute = state._attribute or name  # pyright: ignore[reportPrivateUsage]
        state.flow = None
        setattr(group, name, state)
    state._group = group  # pyright: ignore[reportPrivateUsage]
    return state


def _bind_group(group: type[StatesGroup], name: str, nested: type[StatesGroup]) -> type[StatesGroup]:
    if nested._parent is not None:  # pyright: ignore[reportPrivateUsage]
        nested = type(nested.__name__, (nested,), {})
        setattr(group, name, nested)
    nested._parent = group  # pyright: ignore[reportPrivateUsage]
    return nested


DEFAULT_TTL = timedelta(days=1)

Seconds = float | Literal["inherit"] | None
"""A duration; `None` for never, `"inherit"` for the flow's, or of a flow for its caller's."""


@attrs.frozen(eq=False)
class Times:
    """What a state declares, with its flow's where it declares nothing; or what a flow declares.

    Attributes:
        ttl: Idle seconds until the timeout; `"inherit"` where neither has them: the caller's, else a day.
        max_age: Seconds after which a state (a flow) has to be left, whatever is done in it.
        remind_after: Idle seconds until the reminder; `"inherit"`: the caller's, else never.
        reminder: What the reminder says; `None`: nothing but what a handler of it does.
    """

    ttl: Seconds
    max_age: float | None
    remind_after: Seconds
    reminder: Prompt | None

    @property
    def idle_alone(self) -> float | None:
        """Idle seconds until the timeout where nobody called the flow."""
        return idle_seconds((self,))

    @property
    def remind_alone(self) -> float | None:
        """Idle seconds until the reminder where nobody called the flow."""
        return None if isinstance(self.remind_after, str) else self.remind_after


def times_of(declared: Any, whose: str, place: str | None) -> Times:
    """Return what a flow or a state declares, by itself.

    Args:
        declared: The `Flow` or the `State`.
        whose: What it is called in errors.
        place: `file:line` for errors.

    Raises:
        DefinitionError: If something is no time, or a reminder could never come.
    """
    max_age = seconds_of(declared.max_age, whose, place, "max_age")
    if isinstance(max_age, str):
        raise DefinitionError(
            f"{whose} has max_age=INHERIT", place=place, remedy="Write seconds, a timedelta, or None (never)"
        )
    times = Times(
        seconds_of(declared.ttl, whose, place),
        max_age,
        seconds_of(declared.remind_after, whose, place, "remind_after"),
        declared.reminder,
    )
    _check_reminder(times, whose, place)
    return times


def combined(
    state: Times, flow: Times, prompt: Prompt | None, handled: bool, whose: str, place: str | None
) -> Times:
    """Return what counts in a state of a flow.

    Args:
        state: What the state declares.
        flow: What its flow declares.
        prompt: The state's prompt: what a reminder says where neither has one.
        handled: Whether some handler of the flow wants reminders.
        whose: What the state is called in errors.
        place: `file:line` for errors.

    Raises:
        DefinitionError: If a reminder of the state has nothing to say, or could never come.
    """
    own = state.remind_after != "inherit"
    remind_after = state.remind_after if own else flow.remind_after
    reminder = state.reminder if state.reminder is not None else flow.reminder
    said = reminder if reminder is not None else prompt
    if state.reminder is not None and not isinstance(remind_after, float):
        raise DefinitionError(
            f"{whose} has a reminder, and no time for it", place=place, remedy="Add remind_after="
        )
    if isinstance(remind_after, float) and said is None and not handled:
        if own:
            raise DefinitionError(
                f"{whose} has remind_after=, and nothing to say then",
                place=place,
                remedy="Add reminder= or a prompt, or handle Reminder",
            )
        remind_after = None  # the flow's, which has something to say in other states
    ttl = state.ttl if state.ttl != "inherit" else flow.ttl
    times = Times(ttl, state.max_age, remind_after, reminder)
    if own:
        _check_reminder(attrs.evolve(times, max_age=flow.max_age), whose, place)
        _check_reminder(times, whose, place)
    return times


def idle_seconds(times: Iterable[Times]) -> float | None:
    """Return idle seconds of a conversation, `None` for never.

    Args:
        times: Of each of its frames, the running one first.
    """
    for each in times:
        if not isinstance(each.ttl, str):
            return each.ttl
    return DEFAULT_TTL.total_seconds()


def remind_seconds(times: Iterable[Times]) -> float | None:
    """Return idle seconds until the reminder, `None` for never; the argument is as for `idle_seconds`."""
    for each in times:
        if not isinstance(each.remind_after, str):
            return each.remind_after
    return None


def seconds_of(time: Ttl, whose: str, place: str | None, what: str = "ttl") -> Seconds:
    """Return a declared time in seconds, `None` for never, `"inherit"` for INHERIT.

    Raises:
        DefinitionError: If it is no time, or not a positive one.
    """
    if time is None:
        return None
    if time is INHERIT:
        return "inherit"
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise DefinitionError(
            f"{whose} has {what}={time!r}", place=place, remedy="Write seconds, a timedelta, or None (never)"
        )
    return float(seconds)


def _check_reminder(times: Times, whose: str, place: str | None) -> None:
    """Refuse a reminder that a timeout always precedes."""
    for what, seconds in (("ttl", times.ttl), ("max_age", times.max_age)):
        after = times.remind_after
        if isinstance(after, float) and isinstance(seconds, float) and after >= seconds:
            raise DefinitionError(
                f"{whose} has remind_after={after:g}, which is not before its {what}={seconds:g}",
                place=place,
                remedy="Remind earlier",
            )
