"""States, groups of states, and the symbols that stand for more or less than one state.

What a state *is*; which handlers it has belongs to its flow.
"""

import copy
import enum
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, ClassVar, Final, Literal, TypedDict

from fsmkit.effects import Reply
from fsmkit.markup import Buttons

Prompt = str | Reply | Callable[[Any], "str | Reply | Awaitable[str | Reply | None] | None"]
"""What is said: a text, a `Reply`, or a function of `ctx`, sync or async, that returns one (or `None`)."""


class Symbol(enum.Enum):
    """Symbols that stand beside states."""

    ANY = "ANY"
    """Every state of the flow."""
    END = "END"
    """The end of the conversation, among the targets in `to=`."""
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
    show: bool
    was: str | Iterable[str]
    max_age: float | timedelta | None
    remind_after: Ttl
    reminder: Prompt | None
    timeout: float | timedelta | None
    retries: int


class State:
    """A state of a flow: a name, and what happens there without a handler.

    A state equals its name and hashes like it. In a `StatesGroup` the name is that of the attribute.

    Args:
        name: The name; may be left out in a `StatesGroup`.
        prompt: Sent whenever the state is entered.
        buttons: Rows of inline buttons under the prompt; a flat list is one row, a string its own value.
        otherwise: Sent when a new message that is not a command finds no handler.
        ttl: Idle time after which the conversation times out: seconds or a `timedelta`, `None`: never.
        max_age: Time from the entry after which it times out although things happen; `None`: never.
        remind_after: Idle time after which the person is reminded; `None`: never. By default the flow's.
        reminder: What is said then; by default the flow's reminder, else the prompt once more.
        job: Slow work to do while the conversation stands here, a function of `data` or of `(data, job)`; its
            outcome comes back as `Done` or `Failed`.
        ephemeral: Whether the prompt and the user's answers are deleted when the state is left.
        show: Whether the prompt is the conversation's one screen, as by `ctx.show`.
        was: Names that this state had in earlier versions.
        timeout: Time that one attempt of the job may take: seconds or a `timedelta`; `None`: any.
        retries: How often a job that raised, or took too long, is tried again.
    """

    __slots__ = (
        "_attribute",
        "_group",
        "buttons",
        "ephemeral",
        "flow",
        "job",
        "max_age",
        "otherwise",
        "prompt",
        "remind_after",
        "reminder",
        "retries",
        "show",
        "timeout",
        "ttl",
        "was",
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
        show: bool = False,
        was: str | Iterable[str] = (),
        max_age: float | timedelta | None = None,
        remind_after: Ttl = INHERIT,
        reminder: Prompt | None = None,
        timeout: float | timedelta | None = None,
        retries: int = 0,
    ) -> None:
        self._attribute = name
        self._group: type[StatesGroup] | None = None
        self.flow: str | None = None
        """Name of the flow that declared it; `None` for a state of a group, which several flows may use."""
        self.prompt = prompt
        self.buttons = buttons
        self.otherwise = otherwise
        self.ttl: Ttl = ttl
        self.job = job
        self.ephemeral = ephemeral
        self.show = show
        self.was = (was,) if isinstance(was, str) else tuple(was)
        self.max_age = max_age
        self.remind_after: Ttl = remind_after
        self.reminder = reminder
        self.timeout = timeout
        self.retries = retries

    def __set_name__(self, owner: type, name: str) -> None:
        if self._attribute is None:
            self._attribute = name

    @property
    def name(self) -> str:
        """The full name, for example `age`, `Signup:age`, `Signup.Address:street`."""
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

    A group stands for "any of its states, nested ones too" wherever states are named. A subclass has
    states of its own under the names that it inherits.

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
                own.append(_adopt(cls, name, member))
            elif name != "_parent" and isinstance(member, type) and issubclass(member, StatesGroup):
                own.append(_adopt_group(cls, name, member))
        cls._own = tuple(own)

    @classmethod
    def full_name(cls) -> str:
        """The group's name with those of the groups around it, joined by dots."""
        return f"{cls._parent.full_name()}.{cls.__name__}" if cls._parent else cls.__name__

    @classmethod
    def states(cls) -> Iterator[State]:
        """All states in the order of definition, those of nested groups too."""
        for member in cls._own:
            if isinstance(member, State):
                yield member
            else:
                yield from member.states()


def _adopt(group: type[StatesGroup], name: str, state: State) -> State:
    if state.group is not None:  # inherited, or written into two groups: each group has its own
        state = copy.copy(state)
        state._attribute = state._attribute or name  # pyright: ignore[reportPrivateUsage]
        state.flow = None
        setattr(group, name, state)
    state._group = group  # pyright: ignore[reportPrivateUsage]
    return state


def _adopt_group(group: type[StatesGroup], name: str, nested: type[StatesGroup]) -> type[StatesGroup]:
    if nested._parent is not None:  # pyright: ignore[reportPrivateUsage]
        nested = type(nested.__name__, (nested,), {})
        setattr(group, name, nested)
    nested._parent = group  # pyright: ignore[reportPrivateUsage]
    return nested
