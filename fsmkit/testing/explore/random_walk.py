"""The random phase: a Hypothesis state machine made from the flow, faults included.

Its rules draw what to do from the menu of the observation: what is asked for, what is nearly that, what other
states want, old buttons, updates that come again or in the wrong order, kills, refusals, and time.
"""

import itertools
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import attrs
import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from fsmkit.interpreter.row import Row
from fsmkit.testing.budget import Budget
from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Action, Deadline, Deploy, Duplicate, Killed, Refused, Swap
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import WRONG, Candidate, Candidates, old_presses, presses, stored, waits
from fsmkit.testing.inputs.handlers import ANYTHING
from fsmkit.testing.properties import Property, is_open

EMPTY = Row()


HEALTH = (
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
    HealthCheck.too_slow,
    HealthCheck.large_base_example,
)
"""What Hypothesis would complain of: flows of users are what they are."""


PICK = st.integers(0, 255)
"""Chooses from a list, by the remainder: what shrinks to 0 chooses the plainest."""

T = TypeVar("T")

Known = set[tuple[str, str | None]]


class Runner(Protocol):
    """What runs a coroutine to its end, as `asyncio.Runner` does."""

    def run(self, work: Coroutine[Any, Any, T], /) -> T:
        """Run it."""
        ...


class FoundError(Exception):
    """A conversation in which something is wrong; for each problem there is a class of its own."""

    def __init__(self, problem: Problem, observations: Sequence[Observation]) -> None:
        self.problem = problem
        self.observations = tuple(observations)
        super().__init__(problem.message)


@attrs.define(eq=False)
class Search:
    """What the conversations of one search share.

    Attributes:
        driver: Where they take place.
        runner: The event loop.
        begin: Begins one.
        known: Problems that were found before, and are not looked for again.
        end: When to give up.
        properties: What may be inconclusive.
        steps: How many actions were carried out.
        inconclusive: Properties that some conversation was too short for.
    """

    driver: EngineDriver
    runner: Runner
    begin: Callable[[], Conversation]
    known: Known
    end: Budget
    properties: Sequence[Property] = ()
    menus: Candidates = attrs.field(
        default=attrs.Factory(lambda self: Candidates(self.driver.resources), takes_self=True)
    )
    classes: dict[tuple[str, str | None], type[FoundError]] = attrs.field(factory=dict[Any, Any])
    found: dict[tuple[str, str | None], FoundError] = attrs.field(factory=dict[Any, Any])
    steps: int = 0
    inconclusive: set[str] = attrs.field(factory=set[str])

    def error(self, problem: Problem, observations: Sequence[Observation]) -> FoundError:
        """Return the exception of a problem; of one class for each, so that Hypothesis tells them apart."""
        key = (problem.code, problem.where)
        kind = self.classes.setdefault(key, type(f"Found_{problem.code}", (FoundError,), {}))
        error = kind(problem, observations)
        known = self.found.get(key)
        if known is None or len(observations) <= len(known.observations):
            self.found[key] = error
        return error


class ConversationMachine(RuleBasedStateMachine):
    """One conversation after the other; `machine_for` binds it to a search."""

    search: ClassVar[Search]

    def __init__(self) -> None:
        super().__init__()
        self.talk = self.search.begin()

    # -- what a person should do, more often than the rest -----------------------------------------

    @rule(which=PICK, how=PICK)
    def answer(self, which: int, how: int) -> None:
        """Do what some handler wants, or go on from what an older version has stored."""
        self._do(_chosen_from([*self._wanted(), *self._begun_before()], which, how))

    @rule(which=PICK, how=PICK)
    def answer_again(self, which: int, how: int) -> None:
        """As `answer`: a rule is drawn as often as it is there."""
        self._do(_chosen_from(self._wanted(), which, how))

    @rule(which=PICK)
    def answer_plainly(self, which: int) -> None:
        """Do the plainest thing that some handler wants."""
        self._do(_chosen_from(self._wanted(), which, 0))

    @rule(which=PICK)
    def press(self, which: int) -> None:
        """Presses a button."""
        self._do(_chosen(presses(self.search.driver), which))

    # -- what a person does, too -------------------------------------------------------------------

    @rule(which=PICK, how=PICK)
    def nearly(self, which: int, how: int) -> None:
        """Do what some handler nearly wants."""
        refused = [self.search.menus.inputs(dish.handler).refused for dish in self._dishes()]
        self._do(_chosen_from([actions for actions in refused if actions], which, how))

    @rule(which=PICK)
    def anything(self, which: int) -> None:
        """Do what nobody asked for, or what is asked for and may break who takes it."""
        odd = [action for dish in self._dishes() for action in dish.odd]
        self._do(_chosen([*WRONG, *ANYTHING, *odd], which))

    @rule(which=PICK, how=PICK)
    def elsewhere(self, which: int, how: int) -> None:
        """Do what another state wants."""
        flows = self.search.driver.running.flows.tables.values()
        handlers = [handler for table in flows for handler in table.edges]
        wanted = [self.search.menus.inputs(handler).accepted for handler in handlers]
        self._do(_chosen_from([actions for actions in wanted if actions], which, how))

    @rule(which=PICK)
    def press_an_old_one(self, which: int) -> None:
        """Presses a button of earlier."""
        self._do(_chosen(old_presses(self.search.driver), which))

    @rule(which=PICK, how=PICK)
    def stranger(self, which: int, how: int) -> None:
        """In a group somebody else presses, or does what this person was asked for."""
        if self.search.driver.chat is not None:
            action = self._some(which, how)
            self._do(attrs.evolve(action, user=2) if action is not None else None)

    # -- what goes wrong ---------------------------------------------------------------------------

    @rule()
    def again(self) -> None:
        """Let the last update come once more."""
        self._do(Duplicate() if self.talk.observations else None)

    @rule(which=PICK, how=PICK, at=st.sampled_from(["before", "store", "reply"]), nth=st.integers(1, 4))
    def killed(self, which: int, how: int, at: Any, nth: int) -> None:
        """Kill the bot meanwhile, or just before."""
        action = self._some(which, how)
        self._do(Killed(action, at, 1 if at == "before" else nth) if action is not None else None)

    @rule(which=PICK, nth=st.integers(1, 2), wait=st.sampled_from([None, 3.0]))
    def refused(self, which: int, nth: int, wait: float | None) -> None:
        """Telegram refuses what the bot sends."""
        action = self._some(which, 0)
        self._do(Refused(action, nth, wait) if action is not None else None)

    @rule(which=PICK, other=PICK)
    def swapped(self, which: int, other: int) -> None:
        """Two things come in the wrong order."""
        first, second = self._some(which, 0), self._some(other, 0)
        self._do(Swap(first, second) if first is not None and second is not None else None)

    @rule(offset=st.sampled_from([0.0, -1.0, 1.0]))
    def wait(self, offset: float) -> None:
        """Time passes until a deadline, or nearly."""
        self._do(Deadline(offset) if waits(self._row()) else None)

    # -- helpers -----------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Note what the conversation was too short for."""
        for property_ in self.search.properties:
            if is_open(property_, self.talk.observations):
                self.search.inconclusive.add(property_.name)

    def _do(self, action: Action | None) -> None:
        search = self.search
        if action is None or search.end.is_over:
            return
        search.steps += 1
        try:
            problems = search.runner.run(self.talk.do(action))
        except NotThereError:
            return
        for problem in problems:
            if (problem.code, problem.where) not in search.known:
                raise search.error(problem, self.talk.observations)

    def _row(self) -> Any:
        return next((observation.after for observation in self._mine()), EMPTY)

    def _mine(self) -> Iterator[Observation]:
        """Return what the person did that everything is about, the last first."""
        return (
            observation for observation in reversed(self.talk.observations) if observation.action.user == 1
        )

    def _dishes(self) -> list[Candidate]:
        seen = "\n".join(
            line for observation in itertools.islice(self._mine(), 1) for line in observation.shown
        )
        return self.search.menus.dishes(self.search.driver.running.flows, self._row(), seen)

    def _wanted(self) -> list[Sequence[Action]]:
        wanted: list[Sequence[Action]] = [dish.actions for dish in self._dishes() if dish.actions]
        shown = presses(self.search.driver)
        return [*([shown] if shown else []), *wanted]

    def _begun_before(self) -> list[Sequence[Action]]:
        """Return what older versions have stored, at a beginning; it is no update that could be lost."""
        older = [] if self.talk.observations else stored(self.search.driver.running.flows)
        return [older] if older else []

    def _some(self, which: int, how: int) -> Action | None:
        return _chosen_from(self._wanted(), which, how)


class DeployingMachine(ConversationMachine):
    """Conversations in which a later version may be deployed."""

    @rule(which=PICK)
    def deployed(self, which: int) -> None:
        """Another version is deployed, and the conversation goes on."""
        self._do(_chosen([Deploy(version) for version in range(len(self.search.driver.versions))], which))


def explore(search: Search, *, seed: int | None, examples: int, length: int) -> None:
    """Has conversations until the examples or the time is over; what is found stands in `search.found`.

    Args:
        search: What they share.
        seed: Makes a run repeatable.
        examples: How many conversations.
        length: How many actions each may have.
    """
    base = DeployingMachine if search.driver.versions else ConversationMachine
    machine: Any = type("Conversations", (base,), {"search": search})
    if seed is not None:
        hypothesis.seed(seed)(machine)
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=length,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=True,
        verbosity=Verbosity.quiet,
        # `fsmkit.testing.explore.shrinking` leaves whole actions out: it is faster, and ends shorter.
        phases=[Phase.generate],
        suppress_health_check=HEALTH,
    )
    try:
        run_state_machine_as_test(machine, settings=settings)
    except FoundError:
        return  # it stands in `search.found`
    except Flaky:
        return  # likewise; what does not come again is told apart when it is shortened
    except BaseExceptionGroup as group:
        if group.split((FoundError, Flaky))[1] is not None:
            raise


def _chosen(actions: Sequence[Action], which: int) -> Action | None:
    return actions[which % len(actions)] if actions else None


def _chosen_from(lists: Sequence[Sequence[Action]], which: int, how: int) -> Action | None:
    return _chosen(lists[which % len(lists)], how) if lists else None
