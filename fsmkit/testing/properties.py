"""Properties of whole conversations: always, never, eventually, after … until.

Each is a declaration; `watcher()` gives what follows one conversation, observation by observation.
"""

import abc
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from fsmkit.flow.states import State
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.observation import Observation

Verdict: TypeAlias = Literal["held", "broken", "open"]
"""`open`: nothing is decided yet; at the end of a conversation it is inconclusive."""


Condition: TypeAlias = str | State | Callable[[Observation], Any]
"""A state (its name), or a function of a `Observation`."""


class Watcher(abc.ABC):
    """Follows one conversation."""

    verdict: Verdict = "open"

    @abc.abstractmethod
    def see(self, observation: Observation) -> Verdict:
        """Take note of an observation; return what can be said now."""


class Property(abc.ABC):
    """Something that must be so in every conversation.

    Attributes:
        name: What it says, for findings.
    """

    name: str

    @abc.abstractmethod
    def watcher(self) -> Watcher:
        """Return what follows one conversation."""

    def __repr__(self) -> str:
        return self.name


@attrs.frozen(eq=False, repr=False)
class Always(Property):
    """A condition holds of every observation."""

    condition: Condition
    name: str

    def watcher(self) -> Watcher:
        """Return what follows one conversation."""
        return _While(_test(self.condition), True)


@attrs.frozen(eq=False, repr=False)
class Never(Property):
    """A condition holds of no observation."""

    condition: Condition
    name: str

    def watcher(self) -> Watcher:
        """Return what follows one conversation."""
        return _While(_test(self.condition), False)


@attrs.frozen(eq=False, repr=False)
class Eventually(Property):
    """A condition holds of one of the first so many observations after a conversation has begun."""

    condition: Condition
    within: int
    name: str

    def watcher(self) -> Watcher:
        """Return what follows one conversation."""
        return _Until(lambda observation: bool(observation.place), _test(self.condition), self.within)


@attrs.frozen(eq=False, repr=False)
class After(Property):
    """After one condition, another holds of every observation until a third does, or within so many
    observations.
    """

    first: Condition
    goal: Condition | None = None
    within: int | None = None
    name: str = "after"

    def until(self, goal: Condition, *, within: int) -> "After":
        """Check that the goal is met within so many observations, whenever the first condition comes to hold.

        Args:
            goal: What must come.
            within: How many observations there may be until then.
        """
        return After(
            self.first, goal, within, f"after({_said(self.first)}).until({_said(goal)}, within={within})"
        )

    def watcher(self) -> Watcher:
        """Return what follows one conversation.

        Raises:
            TypeError: If nothing is to come.
        """
        if self.goal is None or self.within is None:
            raise TypeError("after(a) says nothing by itself: write after(a).until(b, within=3)")
        return _Until(_test(self.first), _test(self.goal), self.within)


def oracle_of(property_: Property) -> Callable[[Sequence[Observation]], Iterator[Problem]]:
    """Return an oracle that reports the observation at which a property is broken."""

    def broken(observations: Sequence[Observation]) -> Iterator[Problem]:
        watcher = property_.watcher()
        verdict: Verdict = "open"
        for observation in observations[:-1]:
            verdict = watcher.see(observation)
        if verdict != "broken" and watcher.see(observations[-1]) == "broken":
            yield Problem("property", f"{property_} does not hold", None)

    return broken


def is_open(property_: Property, observations: Sequence[Observation]) -> bool:
    """Whether a conversation was too short to tell."""
    watcher = property_.watcher()
    verdicts = [watcher.see(observation) for observation in observations]
    return bool(verdicts) and verdicts[-1] == "open"


def always(condition: Condition) -> Always:
    """Return a condition holds of every observation.

    Args:
        condition: A function of a `Observation`, or a state (which is then never left).

    Example:
        >>> always(lambda observation: len(observation.shown) < 10)
        always(<lambda>)
    """
    return Always(condition, f"always({_said(condition)})")


def never(condition: Condition) -> Never:
    """Return a condition holds of no observation; `never("limbo")`: the state is never entered."""
    return Never(condition, f"never({_said(condition)})")


def eventually(condition: Condition, *, within: int) -> Eventually:
    """Return a condition holds of one of the first observations of a conversation.

    Args:
        condition: A function of a `Observation`, or a state.
        within: How many observations there may be; a shorter conversation says nothing.
    """
    return Eventually(condition, within, f"eventually({_said(condition)}, within={within})")


def after(condition: Condition) -> After:
    """Begins `after(a).until(b, within=n)`: whenever `a` holds, `b` does within `n` observations."""
    return After(condition, name=f"after({_said(condition)})")


class _While(Watcher):
    """Broken as soon as a condition does not have the wanted answer."""

    def __init__(self, test: Callable[[Observation], bool], wanted: bool) -> None:
        self._test = test
        self._wanted = wanted
        self.verdict = "held"

    def see(self, observation: Observation) -> Verdict:
        if self._test(observation) is not self._wanted:
            self.verdict = "broken"
        return self.verdict


class _Until(Watcher):
    """Broken if, once it has begun, the goal does not come in time."""

    def __init__(
        self, begins: Callable[[Observation], bool], goal: Callable[[Observation], bool], within: int
    ) -> None:
        self._begins = begins
        self._goal = goal
        self._within = within
        self._left: int | None = None
        self.verdict = "held"

    def see(self, observation: Observation) -> Verdict:
        if self.verdict == "broken":
            return self.verdict
        if self._left is not None and self._goal(observation):
            self._left = None
            self.verdict = "held"
        elif self._left is not None:
            self._left -= 1
            self.verdict = "broken" if self._left <= 0 else "open"
        elif self._begins(observation) and not self._goal(observation):
            self._left = self._within
            self.verdict = "open"
        return self.verdict


def _test(condition: Condition) -> Callable[[Observation], bool]:
    if isinstance(condition, str | State):
        name = str(condition)
        return lambda observation: any(state == name for _, state in observation.place)
    return lambda observation: bool(condition(observation))


def _said(condition: Condition) -> str:
    return repr(str(condition)) if isinstance(condition, str | State) else condition.__name__
