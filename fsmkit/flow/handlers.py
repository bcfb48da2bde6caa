"""What a flow keeps of each function that was registered with it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import attrs
from msgspec import UNSET

from fsmkit.errors import DefinitionError, add_note
from fsmkit.flow.events import StateEntered
from fsmkit.flow.locations import calling_location, location_for, location_of
from fsmkit.flow.matchers import AnyOf, Matcher, NewText, as_matcher
from fsmkit.flow.states import ANY, State, StatesGroup, Symbol, seconds_of

Selector: TypeAlias = "str | State | type[StatesGroup] | Symbol | None"
"""What may stand for states in `defstate`, `on_enter`, `on_exit` and `invariant`."""

NEW_TEXT = NewText()


@attrs.frozen(eq=False)
class Handler:
    """A function that handles events in some states.

    Attributes:
        function: The user's function of `(event, ctx)`; a guard's of `(ctx)`.
        selectors: The states it was registered for.
        matcher: Which events it wants.
        when: A predicate of the event that narrows them.
        targets: What stood in `to=`, or `None`.
        place: `file:line` of the function.
        default: Whether no `on=` was given.
        examples: Texts and events that it wants, for generated tests.
        included: Whether the flow has it from `Handlers` that several have; its own are asked first.
    """

    function: Callable[..., Any]
    selectors: tuple[Selector, ...]
    matcher: Matcher
    when: Callable[[Any], Any] | None
    targets: tuple[Any, ...] | None
    place: str
    default: bool
    examples: tuple[Any, ...] = ()
    included: bool = False

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__qualname__", repr(self.function))

    def wants(self, event: Any) -> Any:
        """Return what was matched, or `None`; `Raised` if asking failed, which is then a step's error."""
        try:
            found = self.matcher.match(event)
            if found is None or self.when is None or self.when(event):
                return found
        except Exception as error:
            add_note(error, f"fsmkit: asking whether {self.name} ({self.place}) wants the event")
            return Raised(error)
        return None

    def why_not(self, event: Any) -> str:
        """Return why `wants` refused an event, in a few words."""
        return self.matcher.why_not(event) or "its when= said no"


@attrs.frozen(eq=False)
class Raised:
    """Stands for a match where a matcher or a predicate has raised.

    Attributes:
        error: What it raised.
    """

    error: Exception


@attrs.frozen(eq=False)
class Hook:
    """A function of `ctx` that runs when states are entered or left, or checks an invariant.

    Attributes:
        function: The user's function.
        selectors: The states it was registered for.
        place: `file:line` of the function.
    """

    function: Callable[[Any], Any]
    selectors: tuple[Selector, ...]
    place: str


def make_handler(
    function: Any,
    selectors: tuple[Any, ...],
    *,
    on: Any,
    when: Any,
    to: Any,
    examples: Iterable[Any] = (),
    declared_at: str | None,
) -> Handler:
    """Return a checked handler; see `Flow.defstate` for the arguments.

    Raises:
        DefinitionError: If the function cannot be called with `(event, ctx)` or can never match.
    """
    place = location_for(function, declared_at) if callable(function) else declared_at
    check_selectors(selectors, place)
    if not selectors:
        raise DefinitionError(
            "defstate() names no state",
            place=place,
            remedy="Name one, or None (no conversation) or ANY (every state of the flow)",
        )
    check_callable(function, 2, place, "a handler is a function of (event, ctx)")
    if when is not None:
        check_callable(when, 1, place, "when= takes a function of the event")
    matcher = _matcher(on, place)
    if reason := matcher.impossible():
        raise DefinitionError(f"on={matcher!r} can never match: {reason}", place=place, remedy="Change on=")
    if isinstance(examples, str | bytes) or not isinstance(examples, Iterable):
        raise DefinitionError(f"examples={examples!r}", place=place, remedy="Write a list: examples=[...]")
    targets = _targets(to, place)
    return Handler(function, selectors, matcher, when, targets, place or "?", on is None, tuple(examples))


class EnterState(Matcher):
    """What calls a guard: a state is about to be entered. No event matches it."""

    def match(self, event: Any) -> None:  # noqa: ARG002  # the protocol's
        """Match nothing."""
        return

    def __repr__(self) -> str:
        return "guard"


class Entry(Matcher):
    """What calls the flow of a state that is a call: the state was entered."""

    kinds = frozenset({StateEntered.__name__})

    def match(self, event: Any) -> Any:
        """Return the event."""
        return event if isinstance(event, StateEntered) else None

    def __repr__(self) -> str:
        return "entry"


def make_call(state: State, place: str | None) -> Handler:
    """Return what a state with `call=` does when it is entered, as a handler like any other.

    Graph, checks and tests thus know the call without knowing of `call=`.

    Args:
        state: The state.
        place: `file:line` of its declaration.
    """
    called, data = state.call, state.call_data

    async def enter(event: StateEntered, ctx: Any) -> Any:
        if data is UNSET:
            return ("call", called)
        ctx.event = event.event  # as prompts and hooks see it
        given = data(ctx) if callable(data) else data
        return ("call", called, await given if inspect.isawaitable(given) else given)

    enter.__qualname__ = f"{state.name}(call={getattr(called, 'name', called)})"
    return Handler(enter, (state,), Entry(), None, (called,), place or "?", default=False)


def make_guard(function: Any, selectors: tuple[Any, ...], to: Any) -> Handler:
    """Return a checked guard: a handler that is asked before a state is entered, a function of `ctx`.

    Raises:
        DefinitionError: If the function cannot be called with `(ctx)`.
    """
    place = location_for(function, calling_location()) if callable(function) else None
    check_selectors(selectors, place)
    if None in selectors:
        raise DefinitionError(
            "a guard of None: no conversation is never entered", place=place, remedy="Name states"
        )
    check_callable(function, 1, place, "a guard is a function of (ctx)")
    return Handler(
        function, selectors or (ANY,), EnterState(), None, _targets(to, place), place or "?", default=False
    )


def make_hook(function: Any, selectors: tuple[Any, ...], what: str) -> Hook:
    """Return a checked hook or invariant.

    Raises:
        DefinitionError: If the function cannot be called with `(ctx)`.
    """
    place = location_for(function, calling_location()) if callable(function) else None
    check_selectors(selectors, place)
    check_callable(function, 1, place, f"{what} is a function of (ctx)")
    return Hook(function, selectors or (ANY,), place or "?")


def refuse_bare(states: tuple[Any, ...], what: str, written: str) -> None:
    """Refuse a decorator that is written without its parentheses."""
    if len(states) == 1 and callable(states[0]) and not isinstance(states[0], type):
        raise DefinitionError(
            f"{what} is registered without parentheses",
            place=location_of(states[0]),
            remedy=f"Write @flow.{written}",
        )


def check_selectors(selectors: tuple[Any, ...], place: str | None) -> None:
    """Raise DefinitionError unless each stands for states."""
    for selector in selectors:
        if (
            selector is None
            or selector is ANY
            or isinstance(selector, State)
            or (isinstance(selector, str) and selector)
        ):
            continue
        if isinstance(selector, type) and issubclass(selector, StatesGroup):
            continue
        remedy = "Write a name, a State, a StatesGroup, ANY or None"
        if callable(selector):
            remedy = 'Write the decorator with its states: @flow.defstate("name")'
        raise DefinitionError(f"{selector!r} does not name a state", place=place, remedy=remedy)


def check_callable(function: Any, arguments: int, place: str | None, rule: str) -> None:
    """Raise DefinitionError unless a function can be called with so many arguments."""
    if not callable(function):
        raise DefinitionError(f"{rule}, got {function!r}", place=place, remedy="Pass the function itself")
    try:
        # What is called is the wrapper, whatever it says that it wraps.
        inspect.signature(function, follow_wrapped=False).bind(*range(arguments))
    except TypeError:
        got = f"{getattr(function, '__name__', function)}{inspect.signature(function, follow_wrapped=False)}"
        raise DefinitionError(f"{rule}, got {got}", place=place, remedy="Change its parameters") from None
    except ValueError:  # a built-in without a signature: it shows when it is called
        return


def check_prompt(prompt: Any, option: str, whose: str, place: str | None) -> None:
    """Raise DefinitionError where a prompt is a function that cannot be called with `ctx`."""
    if not callable(prompt):
        return
    try:
        inspect.signature(prompt, follow_wrapped=False).bind(None)
    except TypeError:
        raise DefinitionError(
            f"{whose} has a {option}= that is not a function of (ctx)",
            place=location_of(prompt) or place,
            remedy=f"Write {option}=lambda ctx: ...",
        ) from None
    except ValueError:  # a built-in without a signature
        return


def check_texts(texts: Mapping[str, Any], allowed: Iterable[str], place: str | None) -> None:
    """Raise DefinitionError unless each is a known text, or a mapping of languages to texts."""
    for name, value in texts.items():
        if name not in allowed:
            raise DefinitionError(
                f"texts() knows no {name!r}", place=place, remedy=f"It knows {', '.join(sorted(allowed))}"
            )
        values = value.values() if isinstance(value, Mapping) else (value,)
        if not all(text is None or isinstance(text, str) for text in values):
            raise DefinitionError(
                f"texts({name}={value!r}) is not a text",
                place=place,
                remedy='Write a text, None (say nothing), or {"en": ..., "de": ...}',
            )


def _matcher(on: Any, place: str | None) -> Matcher:
    if on is None:
        return NEW_TEXT
    try:
        if isinstance(on, (tuple, list, set, frozenset)):
            matchers = [as_matcher(item) for item in on]
            if not matchers:
                raise TypeError("on=() names nothing to match")
            return matchers[0] if len(matchers) == 1 else AnyOf(matchers)
        return as_matcher(on)
    except TypeError as error:
        raise DefinitionError(str(error), place=place, remedy="Change on=") from None


def _targets(to: Any, place: str | None) -> tuple[Any, ...] | None:
    if to is None:
        return None
    targets = tuple(to) if isinstance(to, (tuple, list, set, frozenset)) else (to,)
    for target in targets:
        if target is ANY or isinstance(target, bool | int | float):
            raise DefinitionError(
                f"to= lists {target!r}", place=place, remedy="It lists states, called flows and END"
            )
    return targets


@attrs.frozen(eq=False)
class JobSpec:
    """The job of a state.

    Attributes:
        function: The user's function.
        wants_job: Whether it takes `(data, job)` rather than `data`.
        is_async: Whether it is awaited; any other runs in a thread.
        timeout: Seconds that an attempt may take.
        retries: How often it is tried again.
        place: `file:line` of the function.
    """

    function: Callable[..., Any]
    wants_job: bool
    is_async: bool
    timeout: float | None
    retries: int
    place: str


def job_spec(state: State, whose: str, place: str | None) -> JobSpec | None:
    """Return the job that a state declares, `None` if it has none.

    Args:
        state: The declaration.
        whose: What the state is called in errors.
        place: `file:line` for errors.

    Raises:
        DefinitionError: If the function cannot be called as jobs are, or a time or a number is none.
    """
    if state.job is None:
        if state.job_timeout is not None or state.job_retries:
            raise DefinitionError(
                f"{whose} has job_timeout= or job_retries=, and no job that they could be for",
                place=place,
                remedy="Add job=; the time after which the state times out is ttl= or max_age=",
            )
        return None
    at = location_of(state.job) if callable(state.job) else place
    if _is_generator(state.job):
        raise DefinitionError(
            f"the job of {whose} has a yield in it: it would be called, and never run",
            place=at,
            remedy="Return the outcome instead; what comes meanwhile is shown by job.progress(...)",
        )
    wants_job = callable(state.job) and _required(state.job) == 2
    check_callable(state.job, 2 if wants_job else 1, at, "a job is a function of (data) or of (data, job)")
    timeout = seconds_of(state.job_timeout, whose, place, "job_timeout")
    if isinstance(timeout, str):
        raise DefinitionError(
            f"{whose} has job_timeout=INHERIT",
            place=place,
            remedy="Write seconds, a timedelta, or None (never)",
        )
    retries: Any = state.job_retries
    if type(retries) is not int or retries < 0:
        raise DefinitionError(
            f"{whose} has job_retries={retries!r}", place=place, remedy="Write a whole number from 0"
        )
    return JobSpec(state.job, wants_job, _is_async(state.job), timeout, retries, at or "?")


def _required(function: Callable[..., Any]) -> int:
    """Return how many arguments a call has to give by position."""
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    except ValueError:  # a built-in without a signature
        return 1
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in by_position and each.default is each.empty for each in parameters)


def _is_generator(function: Any) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004  # of an object whose class has a generator
    return any(inspect.isgeneratorfunction(f) or inspect.isasyncgenfunction(f) for f in (function, call))


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004  # of an object whose class has an async one
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
