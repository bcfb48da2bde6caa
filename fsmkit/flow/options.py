"""Misspelt options of what a user declares with: refused where they stand, with the one that was meant."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fsmkit.errors import DefinitionError, nearest_option, options_of, refuse_options
from fsmkit.flow.locations import calling_location
from fsmkit.flow.states import StateOptions

C = TypeVar("C", bound=Callable[..., Any])


def options_checked(target: C) -> C:
    """Make a function, or a class, raise DefinitionError for an option that it does not take.

    An argument `**state` stands for the options of `flow.state`.
    """
    return options_checked_with()(target)


def options_checked_with(*others: Callable[..., Any]) -> Callable[[C], C]:
    """Return a decorator like `options_checked`, for what passes further options on.

    Args:
        others: What takes them.
    """

    def decorate(target: C) -> C:
        known = [*options_of(target), *(name for other in others for name in options_of(other))]
        state = inspect.signature(target).parameters.get("state")
        if state is not None and state.kind is state.VAR_KEYWORD:
            known += StateOptions.__annotations__
        return refuse_options(target, known, _refused)

    return decorate


def check_options(whose: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raise DefinitionError for a misspelt option, with the one that was probably meant.

    Args:
        whose: Who has no such option.
        options: The names that were given.
        known: The names that there are.
    """
    names = list(known)
    for option in options:
        if option not in names:
            raise _refused(whose, option, names)


def _refused(whose: str, option: str, known: Iterable[str]) -> DefinitionError:
    return DefinitionError(
        f"{whose} has no option {option}=",
        place=calling_location(),
        remedy=nearest_option(option, known),
    )
