"""What a state declares of its job: checked, in seconds, and in which form its function is called.

Declared only; what stands in a row of a job that is under way is in `fsmkit.work`.
"""

import inspect
from collections.abc import Callable
from typing import Any

import attrs

from fsmkit.errors import DefinitionError
from fsmkit.handlers import check_callable
from fsmkit.places import place_of
from fsmkit.states import State
from fsmkit.times import seconds_of


@attrs.frozen(eq=False)
class JobRule:
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


def job_rule(state: State, whose: str, place: str | None) -> JobRule | None:
    """The job that a state declares, `None` if it has none.

    Args:
        state: The declaration.
        whose: What the state is called in errors.
        place: `file:line` for errors.

    Raises:
        DefinitionError: If the function cannot be called as jobs are, or a time or a number is none.
    """
    if state.job is None:
        if state.timeout is not None or state.retries:
            raise DefinitionError(
                f"{whose} has timeout= or retries=, and no job that they could be for",
                place=place,
                remedy="Add job=; the time after which the state times out is ttl= or max_age=",
            )
        return None
    at = place_of(state.job) if callable(state.job) else place
    wants_job = callable(state.job) and _required(state.job) == 2
    check_callable(state.job, 2 if wants_job else 1, at, "a job is a function of (data) or of (data, job)")
    timeout = seconds_of(state.timeout, whose, place, "timeout")
    if isinstance(timeout, str):
        raise DefinitionError(
            f"{whose} has timeout=INHERIT", place=place, remedy="Write seconds, a timedelta, or None (never)"
        )
    retries: Any = state.retries
    if type(retries) is not int or retries < 0:
        raise DefinitionError(
            f"{whose} has retries={retries!r}", place=place, remedy="Write a whole number from 0"
        )
    return JobRule(state.job, wants_job, _is_async(state.job), timeout, retries, at or "?")


def _required(function: Callable[..., Any]) -> int:
    """How many arguments a call has to give by position."""
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    except ValueError:  # a built-in without a signature
        return 1
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in by_position and each.default is each.empty for each in parameters)


def _is_async(function: Callable[..., Any]) -> bool:
    call = getattr(function, "__call__", None)  # noqa: B004  # of an object whose class has an async one
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
