"""The hunt: has the conversations that come to a mutant, and sees whether anything is wrong with them.

First what the graph would show, then tours on from the observations just before the mutant, then random
conversations from there, faults included. What shows without the mutant, too, does not count.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.graph.graph import Graph
from fsmkit.interpreter.compiled import FlowSet
from fsmkit.testing.budget import Budget
from fsmkit.testing.coverage import Asked, Coverage, never_called
from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.explore.shrinking import again
from fsmkit.testing.explore.tours import Tours
from fsmkit.testing.findings import Finding, Problem
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.lint import lint_graph
from fsmkit.testing.mutation.applying import alter, altered
from fsmkit.testing.mutation.mutants import Hunted, Mutant, Score, Site, mutants_at
from fsmkit.testing.mutation.sites import Passage, Survey, sites_of
from fsmkit.testing.oracles import Oracle
from fsmkit.testing.report import Profile

STEPS = 400
"""Actions that tours try on from a mutant."""


SHARE = 5
"""A mutant gets one random conversation for so many of the random phase."""


LENGTH = 15
"""Actions of each."""


SECONDS = 3.0
"""Time for one mutant, at most."""


PATIENCE = 6
"""For all mutants there is so many times as long as for another phase: they were asked for."""


MISTAKEN = 3
"""Problems that show without the mutant, too, after which it is given up."""

Known = set[tuple[str, str | None]]


MakeStage = Callable[[Callable[[Engine], None] | None], EngineDriver]


@attrs.define(eq=False)
class Hunt:
    """The search for what notices mutants.

    Attributes:
        driver: Makes a bot, altered if it is told how.
        graph: The graph of the flows as they are.
        runner: The event loop.
        oracles: What judges each observation, properties included.
        profile: How long is searched.
        seed: Makes it repeatable.
        known: What is wrong without any mutant, by code and place.
        random: `fsmkit.testing.explore.random_walk`, imported by who knows that Hypothesis is installed.
        steps: How many actions were tried.
    """

    driver: MakeStage
    graph: Graph
    runner: asyncio.Runner
    oracles: Sequence[Oracle]
    profile: Profile
    seed: int
    known: Known
    random: Any
    steps: int = 0
    _flows: FlowSet = attrs.field(init=False)
    _never: Mapping[Asked, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._never = never_called(self.graph)
        self._flows = Engine(*self.graph.flows).flows  # unaltered, and watched by nobody

    def run(self) -> Score:
        """Hunts all mutants, in an order that the seed draws, as far as the time goes."""
        plain = self.runner.run(self._survey())
        end = time.monotonic() + PATIENCE * self.profile.seconds
        mutants = list(self._mutants(plain))
        fates: dict[Mutant, Hunted] = {}
        for mutant in Random(self.seed).sample(mutants, len(mutants)):
            over = time.monotonic() > end
            fates[mutant] = Hunted(mutant, "not run") if over else self._hunted(mutant, plain)
        return Score(tuple(fates[mutant] for mutant in mutants))

    async def _survey(self) -> "_Plain":
        survey = Survey()
        driver = self.driver(survey.watch)
        tours = Tours(
            driver,
            Coverage(self.graph, self._never),
            oracles=self.oracles,
            steps=self.profile.steps,
            seconds=self.profile.seconds,
            told=survey.tell,
        )
        await tours.run()
        self.steps += tours.steps
        self.known |= {(finding.code, finding.where) for finding in tours.findings}
        self.known |= {(finding.code, finding.where) for finding in lint_graph(self.graph)}
        passages = {site: list(found.values()) for site, found in survey.passages.items()}
        return _Plain(self.driver(None), driver, passages)

    def _mutants(self, plain: "_Plain") -> Iterator[Mutant]:
        """All mutants, in the order of the code."""
        sites = dict.fromkeys([*sites_of(self._flows), *plain.passages])
        order = list(self._flows.tables)
        for site in sorted(sites, key=lambda site: (order.index(site.flow), _line(site))):
            yield from mutants_at(site, self._flows.tables[site.flow], self.seed)

    # -- one mutant --------------------------------------------------------------------------------

    def _hunted(self, mutant: Mutant, plain: "_Plain") -> Hunted:
        passages = plain.passages.get(mutant.site, [])
        if not passages:
            return Hunted(mutant, "not reached")
        graph = altered(self.graph, self._flows.tables[mutant.site.flow], mutant)
        seen = next(self._lint(graph), None)
        if seen is not None:
            return Hunted(mutant, "noticed", Problem(seen.code, seen.message, seen.where))
        driver = self.driver(lambda engine: alter(engine, mutant))
        driver.beside(plain.surveyed)
        ignored = set(self.known)
        for _ in range(MISTAKEN):
            found = self._search(driver, graph, passages, ignored)
            if found is None:
                break
            problem, actions = found
            if problem.code == "stuck" or self.runner.run(self._comes_of(mutant, plain, problem, actions)):
                return Hunted(mutant, "noticed", problem, actions)
            ignored.add((problem.code, problem.where))
            driver.beside(plain.surveyed)
        spot, action = passages[0]
        return Hunted(
            mutant, "unnoticed", None, (*(observation.action for observation in spot.observations), action)
        )

    def _lint(self, graph: Graph) -> Iterator[Finding]:
        """Yield what the graph shows that it would not show without the mutant."""
        if graph is not self.graph:
            known = {(finding.code, finding.message) for finding in lint_graph(self.graph)}
            yield from (f for f in lint_graph(graph) if (f.code, f.message) not in known)

    def _search(
        self, driver: EngineDriver, graph: Graph, passages: Sequence[Passage], ignored: Known
    ) -> tuple[Problem, tuple[Action, ...]] | None:
        """Something that is wrong, and how one comes there."""
        end = Budget(SECONDS)
        coverage = Coverage(graph, self._never)
        tours = Tours(
            driver, coverage, oracles=self.oracles, steps=STEPS, seconds=SECONDS, ignored=frozenset(ignored)
        )
        self.runner.run(tours.follow(passages))
        self.steps += tours.steps
        for finding in tours.findings:
            if not finding.note:
                return Problem(finding.code, finding.message, finding.where), finding.actions
        return self._at_random(driver, passages, ignored, end)

    def _at_random(
        self, driver: EngineDriver, passages: Sequence[Passage], ignored: Known, end: Budget
    ) -> tuple[Problem, tuple[Action, ...]] | None:
        turns = itertools.cycle(passages)

        def begin() -> Conversation:
            spot, action = next(turns)
            talk = Conversation(driver, oracles=self.oracles, since=spot)
            self.runner.run(_begun(talk, action))
            return talk

        search = self.random.Search(driver, self.runner, begin, ignored, end)
        examples = max(2, self.profile.examples // SHARE)
        self.random.explore(search, seed=self.seed, examples=examples, length=LENGTH)
        self.steps += search.steps
        for error in search.found.values():
            return error.problem, tuple(observation.action for observation in error.observations)
        return None

    async def _comes_of(
        self, mutant: Mutant, plain: "_Plain", problem: Problem, actions: Sequence[Action]
    ) -> bool:
        """Whether a problem shows with the mutant, in a bot that is new, and not without it."""

        def begin(driver: EngineDriver) -> Conversation:
            return Conversation(driver, oracles=self.oracles)

        broken = self.driver(lambda engine: alter(engine, mutant))
        if await again(lambda: begin(broken), actions, problem) is None:
            return False
        plain.driver.renew()
        return await again(lambda: begin(plain.driver), actions, problem) is None


@attrs.frozen(eq=False)
class _Plain:
    """The bot without a mutant.

    Attributes:
        driver: For conversations of its own.
        surveyed: That on which passages took place.
        passages: The observations from which each site is come to.
    """

    driver: EngineDriver
    surveyed: EngineDriver
    passages: dict[Site, list[Passage]]


async def _begun(talk: Conversation, action: Action) -> None:
    try:
        await talk.do(action)
    except NotThereError:  # the mutant shows other buttons
        return


def _line(site: Site) -> tuple[int, str, int, str, int]:
    line = site.place.rpartition(":")[2]
    return (int(line) if line.isdigit() else 0, site.part, site.number, str(site.target or ""), site.nth)
