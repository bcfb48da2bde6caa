"""The tuples that a handler returns, their constructors and their types.

Only shapes: whether a result is legal where it was returned, the interpreter decides.
"""

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, Union, overload

from fsmkit.flow.states import END, State, Symbol

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    S = TypeVarWithDefault("S", bound=str | State, default=str | State)
    D = TypeVarWithDefault("D", default=Any)

    To = Union[tuple[Literal["transition"], S], tuple[Literal["transition"], S, D]]  # noqa: UP007
    Stay = Union[tuple[Literal["stay"]], tuple[Literal["stay"], D], None]  # noqa: UP007
    Back = Union[tuple[Literal["back"]], tuple[Literal["back"], int], tuple[Literal["back"], int, D]]  # noqa: UP007
    End = Union[tuple[Literal["end"]], tuple[Literal["end"], D], Literal[Symbol.END]]  # noqa: UP007
else:
    # Before Python 3.13 a type variable has no default, so each name builds its union by itself.
    class _Alias:
        """A union of tuples that may be written with fewer parameters than it has."""

        def __init__(self, name, defaults, build):
            self.__name__ = name
            self.__doc__ = build.__doc__
            self._defaults = defaults
            self._build = build

        def __getitem__(self, params):
            given = params if isinstance(params, tuple) else (params,)
            if len(given) > len(self._defaults):
                raise TypeError(f"{self.__name__} takes at most {len(self._defaults)} parameters")
            return self._build(*given, *self._defaults[len(given) :])

        def __or__(self, other):
            return self._build(*self._defaults) | other

        def __ror__(self, other):
            return other | self._build(*self._defaults)

        def __call__(self):  # `typing` asks this of whatever stands in an annotation
            raise TypeError(f"{self.__name__} is a type, not a constructor")

    def _to(state, data):
        """`To["age"]`, `To[Literal["age"], Form]`: a transition, with or without data."""
        return tuple[Literal["transition"], state] | tuple[Literal["transition"], state, data]

    def _stay(data):
        """`Stay`, `Stay[Form]`: nothing changes, or the data only."""
        return tuple[Literal["stay"]] | tuple[Literal["stay"], data] | None

    def _back(data):
        """`Back`, `Back[Form]`: to a state before this one, with the data kept or replaced."""
        return tuple[Literal["back"]] | tuple[Literal["back"], int] | tuple[Literal["back"], int, data]

    def _end(result):
        """`End`, `End[Order]`: the conversation is over, with or without a result."""
        return tuple[Literal["end"]] | tuple[Literal["end"], result] | Literal[Symbol.END]

    To = _Alias("To", (str | State, Any), _to)
    Stay = _Alias("Stay", (Any,), _stay)
    Back = _Alias("Back", (Any,), _back)
    End = _Alias("End", (Any,), _end)

TransitionTuple = tuple[Literal["transition"], str | State] | tuple[Literal["transition"], str | State, Any]


StayTuple = tuple[Literal["stay"]] | tuple[Literal["stay"], Any]


BackTuple = tuple[Literal["back"]] | tuple[Literal["back"], int] | tuple[Literal["back"], int, Any]


class Callee(Protocol):
    """A flow that is called: what a `Flow` has, and a `State` has not."""

    name: str
    version: int


CallTuple = tuple[Literal["call"], Callee | str] | tuple[Literal["call"], Callee | str, Any]


EndTuple = tuple[Literal["end"]] | tuple[Literal["end"], Any]


Pass = tuple[Literal["pass"]]


ErrorTuple = tuple[Literal["error"], Any]

Ended = Literal[Symbol.END]


Result = TransitionTuple | StayTuple | BackTuple | CallTuple | EndTuple | Pass | ErrorTuple | Ended | None
"""All that a handler may return; `match` over it with `assert_never` is exhaustive."""

LENGTHS = {
    "transition": (2, 3),
    "stay": (1, 2),
    "back": (1, 3),
    "call": (2, 3),
    "end": (1, 2),
    "pass": (1, 1),
    "error": (2, 2),
}
"""How many elements each result has, at least and at most."""


def as_tuple(result: Any) -> Any:
    """Return the tuple that `END` and `None` stand for; whatever else it is, as it is."""
    if result is None:
        return ("stay",)
    return ("end",) if result is END else result


_S = TypeVar("_S", bound=str | State)


_D = TypeVar("_D")


_NOT_GIVEN: Any = object()  # `None` is data like any other


def _tuple(*elements: Any) -> Any:
    return tuple(element for element in elements if element is not _NOT_GIVEN)


@overload
def transition(state: _S) -> tuple[Literal["transition"], _S]: ...


@overload
def transition(state: _S, data: _D) -> tuple[Literal["transition"], _S, _D]: ...


def transition(state: Any, data: Any = _NOT_GIVEN) -> Any:
    """Go to `state`, with the data kept or replaced.

    Example:
        >>> transition("age")
        ('transition', 'age')
    """
    return _tuple("transition", state, data)


@overload
def stay() -> tuple[Literal["stay"]]: ...


@overload
def stay(data: _D) -> tuple[Literal["stay"], _D]: ...


def stay(data: Any = _NOT_GIVEN) -> Any:
    """Stay in the state, with the data kept or replaced; no prompt."""
    return _tuple("stay", data)


@overload
def back() -> tuple[Literal["back"]]: ...


@overload
def back(n: int) -> tuple[Literal["back"], int]: ...


@overload
def back(n: int, data: _D) -> tuple[Literal["back"], int, _D]: ...


def back(n: Any = _NOT_GIVEN, data: Any = _NOT_GIVEN) -> Any:
    """Go to the `n`-th state before this one (by default the last), with the data kept or replaced."""
    if n is _NOT_GIVEN and data is not _NOT_GIVEN:
        n = 1
    return _tuple("back", n, data)


@overload
def call(flow: Callee | str) -> tuple[Literal["call"], Callee | str]: ...


@overload
def call(flow: Callee | str, data: _D) -> tuple[Literal["call"], Callee | str, _D]: ...


def call(flow: Any, data: Any = _NOT_GIVEN) -> Any:
    """Run a sub-flow in this conversation; its end comes back as `Returned`."""
    return _tuple("call", flow, data)


@overload
def end() -> tuple[Literal["end"]]: ...


@overload
def end(result: _D) -> tuple[Literal["end"], _D]: ...


def end(result: Any = _NOT_GIVEN) -> Any:
    """End the conversation, or the sub-flow with a result for its caller."""
    return _tuple("end", result)


def pass_() -> Pass:
    """Leave the event to the next handler that matches, then to the bot's other handlers."""
    return ("pass",)


def error(reason: object) -> ErrorTuple:
    """Change nothing and drop the effects; a `Crashed` handler sees the reason."""
    return ("error", reason)
