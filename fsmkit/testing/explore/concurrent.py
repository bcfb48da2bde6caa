"""The search of the parallel phase: Hypothesis draws who does what at once, and under which schedule.

Each conversation has a common beginning, then an overlap, then some actions in which it comes to light what
was mixed up.
"""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import hypothesis
from hypothesis import Phase, Verbosity, given
from hypothesis import strategies as st

from fsmkit.testing.budget import Budget
from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.explore.random_walk import HEALTH, PICK, FoundError, Known
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Action, Together
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Candidates, presses

SWEPT: tuple[tuple[int, ...], ...] = ((), (1,), (0, 1, 1))
"""Schedules under which each edge is tried against itself."""


ON = 3.0
"""Seconds for which is searched on when something was found."""

Way = tuple[Action, ...]


@attrs.frozen
class Part:
    """What one person does, as numbers that choose from what there is.

    Attributes:
        way: How the person begins.
        wanted: Whether it is in the overlap that the person goes on where the way leads.
        action: What is done instead.
        second: What is done after it, in the overlap too; `None`: nothing.
    """

    way: int
    wanted: bool
    action: int
    second: int | None


@attrs.frozen
class Plan:
    """A conversation of several people, drawn before it begins.

    Attributes:
        people: What each of them does.
        schedule: The schedule of the overlap.
        after: Who does what after it.
    """

    people: list[Part]
    schedule: tuple[int, ...]
    after: list[tuple[int, int]]


PARTS = st.builds(Part, PICK, st.booleans(), PICK, st.one_of(st.none(), st.none(), st.none(), PICK))


PLANS = st.builds(
    Plan,
    st.lists(PARTS, min_size=2, max_size=3),
    st.lists(st.integers(0, 2), max_size=24).map(tuple),
    st.lists(st.tuples(PICK, PICK), max_size=2),
)


@attrs.define(eq=False)
class Overlaps:
    """What the conversations of one search share.

    Attributes:
        driver: Where they take place.
        begin: Begins one.
        run: Carries a coroutine out.
        ways: Conversations of one person to start from, each to another edge.
        known: Problems that are not looked for again.
        end: When to give up.
        found: What is wrong.
        steps: How many actions were carried out.
    """

    driver: EngineDriver
    begin: Callable[[], Conversation]
    run: Callable[[Any], Any]
    ways: Sequence[Way]
    known: Known
    end: Budget
    menus: Candidates = attrs.field(
        default=attrs.Factory(lambda self: Candidates(self.driver.resources), takes_self=True)
    )
    found: dict[tuple[str, str | None], FoundError] = attrs.field(factory=dict[Any, Any])
    steps: int = 0

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return self.end.is_over

    def conversation(self, actions: Sequence[Action]) -> Conversation:
        """Has a conversation, leaving out what cannot be done."""
        talk = self.begin()
        for action in actions:
            self.do(talk, action)
        return talk

    def do(self, talk: Conversation, action: Action | None) -> bool:
        """Carries an action out, if there is one and it can be done; whether it was."""
        if action is None or self.over:
            return False
        self.steps += len(action.actions) if isinstance(action, Together) else 1
        try:
            problems = self.run(talk.do(action))
        except NotThereError:
            return False
        for problem in problems:
            self._note(problem, talk.observations)
        return True

    def _note(self, problem: Problem, observations: Sequence[Observation]) -> None:
        key = (problem.code, problem.where)
        if key in self.known:
            return
        known = self.found.get(key)
        if known is None:
            self.end = Budget(min(self.end.left, ON))
        if known is None or len(observations) < len(known.observations):
            self.found[key] = FoundError(problem, observations)

    def choices(self, talk: Conversation, user: int) -> list[Action]:
        """Return what a person can do now."""
        mine = next(
            (observation for observation in reversed(talk.observations) if observation.action.user == user),
            None,
        )
        row = self.run(self.driver.row(user))
        seen = "\n".join(mine.shown) if mine is not None else ""
        dishes = self.menus.dishes(self.driver.running.flows, row, seen)
        actions: list[Action] = [*presses(self.driver, user)]
        actions += [attrs.evolve(action, user=user) for dish in dishes for action in dish.actions[:3]]
        return actions


def sweep(search: Overlaps, ways: Sequence[Way]) -> None:
    """Lets one person, and two at once, take the last edge of each way, under a few schedules."""
    for way in ways:
        for schedule in SWEPT:
            if search.over:
                return
            if schedule:
                search.conversation([*way[:-1], Together(way[-1:], schedule)])
            beginning = [*way[:-1], *(attrs.evolve(action, user=2) for action in way[:-1])]
            actions = (way[-1], attrs.evolve(way[-1], user=2))
            search.conversation([*beginning, Together(actions, schedule)])


def explore(search: Overlaps, *, seed: int, examples: int) -> None:
    """Has conversations until the examples or the time is over; what is found stands in `search.found`.

    Args:
        search: What they share.
        seed: Makes a run repeatable.
        examples: How many conversations.
    """

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=False,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate],  # what is found is shortened by `fsmkit.testing.explore.shrinking`
        suppress_health_check=HEALTH,
    )
    @given(plan=PLANS)
    def overlap(plan: Plan) -> None:
        _carry_out(search, plan)

    overlap()


def _carry_out(search: Overlaps, plan: Plan) -> None:
    talk, together = search.begin(), list[Action]()
    for user, part in enumerate(plan.people, 1):
        way = search.ways[part.way % len(search.ways)] if search.ways else ()
        for action in way[:-1]:
            search.do(talk, attrs.evolve(action, user=user))
        choices = search.choices(talk, user)
        wanted = attrs.evolve(way[-1], user=user) if way and part.wanted else _chosen(choices, part.action)
        twice = part.second is not None and len(together) < user  # one person is enough: orders are many
        second = _chosen(choices, part.second or 0) if twice else None
        together += [action for action in (wanted, second) if action is not None]
    if together and search.do(talk, Together(together, plan.schedule)):
        for user, which in plan.after:
            user = user % len(plan.people) + 1
            search.do(talk, _chosen(search.choices(talk, user), which))


def _chosen(actions: Sequence[Action], which: int) -> Action | None:
    return actions[which % len(actions)] if actions else None
