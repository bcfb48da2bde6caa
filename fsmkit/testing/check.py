"""`check`: what can be found out about flows without test code, in one report.

Theory of operation
===================

A check is a chain of phases over one report. Each phase may add findings and coverage, and none needs what a
later one does, so that any of them may be left out:

1. `lint` reads the declarations; nothing runs but matchers. It comes first since it costs nothing, and since
   a flow whose graph is wrong is searched in vain.
2. The `replays` that were given: conversations of an earlier report, or those that failed in pytest's last
   run. They come before all searches, so that a known failure shows at once.
3. `tours` searches breadth-first for the shortest conversation to each edge of the graph, then each pair of
   edges that can follow one another. The driver is put back to an earlier place instead of talking the way
   again. Once the edges are known the bot is killed at each: before it handles the update if its modules may
   remember something, and at the store if conversations have resources of their own.
4. `random` lets Hypothesis draw conversations, faults included: restarts, kills, refused messages, updates
   that come again or in the wrong order, old buttons. It is repeated past what it finds, at most `ROUNDS`
   times: one failure may hide another.
5. `parallel` lets several people do something at once under drawn schedules, from the ways that the tours
   have found. What comes of it must be what some order one after the other gives.
6. `deploys` talks with the flows up to each place of the tours, deploys a later version there, and offers
   its handlers their inputs there.
7. `mutants` (only where named) breaks the flows on purpose and counts what nothing notices: it judges the
   test, not the flow, and adds no finding.
8. `stores`: the conversation to each edge once more in real stores, against the same in memory.

Budget. A `Profile` limits each phase twice, by work (`steps`, `examples`, `overlaps`) and by `seconds`. The
work is what ends a phase on an ordinary machine, so that two runs do the same; the time is for flows whose
handlers are slow.

Seeds. One number drives all that is drawn: Hypothesis gets it, plus the number of the round. Everything that
a handler could see otherwise is fixed by the driver: the clock, ids, and chance (`harness/repeatable`). So a
report's seed repeats the run, as far as its time was not up.

What is judged. After each action the oracles (`oracles`) look at the observations so far: exceptions, edges
that the graph does not have, silence, duplicates, data of others, and the properties that were given. Some
things show only in comparison: `Conversation` has an action that is killed or refused carried out twice, once
undisturbed, and compares. What shows only in many conversations together (no way out of a place) is the
tours' own.

Confirmation. Nothing is reported as it was found: a search shares one bot, whose modules may remember what
earlier conversations did. `_Work.confirm` has the actions again in a fresh bot. If the problem, known by its
code and place, shows again, the conversation is shortened and reported; if it does not, the finding is
`flaky`: something is remembered outside of the store. A race that does not come again was chance and is
dropped, since other orders have been tried many times.

Shrinking (`explore/shrinking`). Actions are left out, many at once first, then each two of them; what is left
is made plainer: shorter texts, no kill around it, a simpler schedule. Each try is a conversation in a fresh
bot, and counts only if the same problem shows.

A problem is known by its code and place in the user's code, and reported once. Replays, tours and
the random phase count coverage into the same object, so that `--fail-under` speaks of the whole run.
"""

import asyncio
import importlib
import itertools
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.errors import requires_extra
from fsmkit.flow.flow import Flow
from fsmkit.graph.graph import graph_of
from fsmkit.stores.protocol import Store
from fsmkit.testing.budget import Budget
from fsmkit.testing.coverage import Coverage, Crossing
from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.explore.probing import offer
from fsmkit.testing.explore.shrinking import shortest
from fsmkit.testing.explore.tours import Tours
from fsmkit.testing.explore.unreached import nearest
from fsmkit.testing.findings import Finding, Phase, Problem
from fsmkit.testing.harness.actions import Action, Deadline, Deploy, Killed, Wait
from fsmkit.testing.harness.engine_driver import START, EngineDriver
from fsmkit.testing.harness.instrument import quiet
from fsmkit.testing.harness.loop import DrawnLoop
from fsmkit.testing.harness.observation import Observation, signature_of
from fsmkit.testing.harness.repeatable import repeatable
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Candidates
from fsmkit.testing.lint import lint
from fsmkit.testing.loading import refuse_at_top_level, reloader, remembers, waiting
from fsmkit.testing.mutation.running import Hunt
from fsmkit.testing.oracles import ORACLES, Oracle, deploys_keep, version_loader
from fsmkit.testing.progress import CheckProgress
from fsmkit.testing.properties import Property, oracle_of
from fsmkit.testing.replay.store_parity import differences, opened
from fsmkit.testing.report import PROFILES, Profile, Report

Flows = tuple[Flow[Any], ...]


Severity: TypeAlias = Literal["failure", "note", "off"]
"""What a finding is taken for."""

SEVERITIES: tuple[Severity, ...] = ("failure", "note", "off")

ProfileName: TypeAlias = Literal["dev", "ci", "thorough"]


GROUP = -100


ROUNDS = 5
"""Searches of the random phase, as long as each finds something."""


PHASES: tuple[Phase, ...] = ("lint", "tours", "random", "parallel", "deploys")
"""What is done unless something else is asked for; not `mutants`, which finds nothing in the flow itself."""


FEWER = 5
"""The part of the overlaps that is tried where no function waits, as a divisor."""

WAYS = 1_000
"""Actions that are tried to find ways to start from, where there were no tours."""


def check(
    *flows: Flow[Any],
    profile: ProfileName | Profile = "dev",
    seed: int | None = None,
    phases: Iterable[Phase] = PHASES,
    properties: Sequence[Property] = (),
    oracles: Sequence[Oracle] = ORACLES,
    resources: Any = None,
    chat: int | None = None,
    load: Callable[[], Flows] | None = None,
    replays: Iterable[Sequence[Action]] = (),
    deploys: Sequence[Flow[Any] | Flows] = (),
    stores: Iterable[str] = (),
    severity: Mapping[str, Severity] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Test flows without test code.

    Args:
        flows: The flows; those that they call are explored through them.
        profile: How long is searched: `dev` some seconds, `ci` up to a minute, `thorough` up to an hour.
        seed: Repeats the random phase of a report.
        phases: Which phases: `lint`, `tours`, `random`, `parallel`, `deploys`; and `mutants`, only where
            named.
        properties: What must be so of every conversation; see `fsmkit.testing.properties`.
        oracles: What judges each observation.
        resources: What handlers find in `ctx.resources`; a class or a function makes them anew for each
            conversation.
        chat: Id of a group in which it happens; by default a group if several people share a conversation of
            some flow (`KeyBy.CHAT`), else the private chat with the bot.
        load: Makes the flows anew for a restart; by default their module is run again.
        replays: Conversations, lists of actions, that are had before all others.
        deploys: Later versions, each a flow or several: conversations begin with `flows` and go on with
            these, which take the place of flows of the same name.
        stores: URLs of stores in which the conversation to each edge is had once more, and must come out the
            same; `sqlite:` without a file is a temporary one. What is written (by a bot with the id 42) is
            removed again.
        severity: By the code of a finding whether it fails the run (`failure`), is only shown (`note`), or is
            not looked for (`off`).
        progress: Told how far it has come, in a line, when a phase begins, each second, and when something is
            found.

    Returns:
        The report; `report.ok` says whether nothing was found.

    Raises:
        DefinitionError: If the flows do not fit together, a store's URL is none, or it is called at the top
            level of the flows' own module.
        ValueError: If a severity is none.
        StoreError: If a store cannot be used.
        ModuleNotFoundError: If Hypothesis is not installed.

    Example:
        >>> from fsmkit.telegram import command
        >>> flow = Flow("greet")
        >>> @flow.defstate(None, on=command("start"), to=())
        ... def start(event, ctx):
        ...     ctx.reply(f"Hello, {event.args[0]}.")
        >>> [finding.message for finding in check(flow).failures]
        ['IndexError: list index out of range']
    """
    refuse_at_top_level(flows)
    told = _checked(severity or {})
    given = profile if isinstance(profile, Profile) else PROFILES[profile]
    wanted = set(phases)
    if wanted & {"random", "parallel"}:
        _needs_hypothesis("explore.random_walk")  # said before anything is tried
    report = Report(
        flows,
        [*_with_severity(lint(*flows), told)] if "lint" in wanted else [],
        Coverage(graph_of(*flows)),
        random.randrange(2**32) if seed is None else seed,
        profile if isinstance(profile, str) else "own",
        resources=resources,
        properties=tuple(properties),
        oracles=tuple(oracles),
        deploys=tuple((later,) if isinstance(later, Flow) else tuple(later) for later in deploys),
        stores=(stores := tuple(stores)),
    )
    if not wanted - {"lint"} and not replays and not stores:
        return report
    if any(found.code == "slow-pattern" for found in report.failures):
        return report  # a conversation in which it is tried would not end
    if load is None:
        load = reloader(flows)
    if not remembers(flows):
        load = None  # a restart then makes no difference, and takes its time
    elif load is not None:
        load = _same_each_time(load)
    if chat is None and any(flow.key.by_chat for flow in flows):
        chat = GROUP
    every = [*oracles, *map(oracle_of, properties), *([deploys_keep] if deploys else [])]
    versions = [version_loader(flows, later) for later in deploys]
    work = _Work(report, given, every, properties, resources, chat, load, versions, told)
    work.progress = CheckProgress(report, progress, given.seconds)
    with quiet(), asyncio.Runner(loop_factory=DrawnLoop) as runner:
        for actions in replays:
            runner.run(work.replay(actions))
        if "tours" in wanted:
            work.timed("tours", lambda: runner.run(work.tours()))
        if "random" in wanted:
            work.timed("random", lambda: work.random(runner))
        if "parallel" in wanted:
            work.timed("parallel", lambda: work.parallel(runner))
        if "deploys" in wanted and deploys:
            work.timed("deploys", lambda: runner.run(work.deploys()))
        if "mutants" in wanted:
            work.timed("mutants", lambda: work.mutants(runner))
    if stores:
        with quiet():
            work.timed("stores", lambda: asyncio.run(work.stores(stores)))
    if "tours" in wanted:
        work.unreached()
    return report


def _checked(severity: Mapping[str, Severity]) -> Mapping[str, Severity]:
    wrong = next((code for code, given in severity.items() if given not in SEVERITIES), None)
    if wrong is not None:
        raise ValueError(f"severity[{wrong!r}] is {severity[wrong]!r}; it is one of {', '.join(SEVERITIES)}")
    return severity


def _with_severity(findings: Iterable[Finding], severity: Mapping[str, Severity]) -> Iterator[Finding]:
    """Yield findings as what is wanted of their codes; what is off is left out."""
    for finding in findings:
        wanted = severity.get(finding.code)
        if wanted != "off":
            yield finding if wanted is None else attrs.evolve(finding, note=wanted == "note")


@attrs.define(eq=False)
class _Work:
    """The phases of one check."""

    report: Report
    profile: Profile
    oracles: Sequence[Oracle]
    properties: Sequence[Property]
    resources: Any
    chat: int | None
    load: Callable[[], Flows] | None
    versions: Sequence[Callable[[], Flows]]
    severity: Mapping[str, Severity] = attrs.field(factory=dict[str, Severity])
    progress: CheckProgress | None = None
    ways: dict[Crossing, tuple[Action, ...]] = attrs.field(factory=dict[Crossing, tuple[Action, ...]])

    def driver(
        self, change: Callable[[Engine], None] | None = None, store: Store | None = None
    ) -> EngineDriver:
        """Return a bot, by default in a store of its own; altered where something is to be changed."""
        flows = self.report.flows if self.load is None else self.load()
        driver = EngineDriver(
            flows, load=self.load, resources=self.resources, chat=self.chat, store=store, change=change
        )
        driver.versions.extend(self.versions)
        return driver

    def timed(self, phase: Phase, work: Callable[[], int]) -> None:
        """Carries a phase out, and notes how long it took and how many actions."""
        begun = time.monotonic()
        if self.progress is not None:
            self.progress.begin(phase)
        self.report.steps[phase] = work()
        self.report.seconds[phase] = time.monotonic() - begun

    async def replay(self, actions: Sequence[Action], phase: Phase = "replay") -> None:
        """Has a conversation, and reports what is wrong with it."""
        conversation = self.begin(self.driver(), count=True)
        for action in actions:
            try:
                problems = await conversation.do(action)
            except NotThereError:
                continue
            for problem in problems:
                await self.confirm(problem, conversation.observations, phase)

    async def toured(self, driver: EngineDriver, coverage: Coverage) -> Tours:
        """Tours that are done."""
        tours = Tours(
            driver,
            coverage,
            oracles=self.oracles,
            steps=self.profile.steps,
            seconds=self.profile.seconds,
            told=None if self.progress is None else self.progress.step,
        )
        await tours.run()
        return tours

    async def tours(self) -> int:
        """Return the tours; how many actions were tried."""
        driver = self.driver()
        tours = await self.toured(driver, self.report.coverage)
        self.ways = tours.ways
        for finding in tours.findings:
            problem = Problem(finding.code, finding.message, finding.where)
            if finding.code in ("stuck", "dead-buttons"):  # shown by many conversations together
                self.add(problem, finding.observations, "tours", note=finding.note)
            else:
                await self.confirm(problem, finding.observations, "tours")
        self.report.reasons = await nearest(tours, driver, self.report.coverage.missing_edges())
        if self.load is not None:
            await self._again(tours, lambda action: Killed(action, "before"))
        if self.driver().has_own_resources:
            await self._again(tours, lambda action: Killed(action, "store"))
        return tours.steps

    async def _again(self, tours: Tours, killed: Callable[[Action], Killed]) -> None:
        """Kills the bot at each edge: what is remembered, or done twice, comes to light here."""
        end = Budget(self.profile.seconds)
        for observations in tours.shortest.values():
            if end.is_over:
                return
            actions = [observation.action for observation in observations]
            if not isinstance(actions[-1], Wait | Deadline):
                await self.replay([*actions[:-1], killed(actions[-1])], "tours")

    def random(self, runner: asyncio.Runner) -> int:
        """Return the random conversations; how many actions there were."""
        machine = _needs_hypothesis("explore.random_walk")
        driver = self.driver()

        def begin() -> Conversation:
            if self.load is not None:  # what one conversation leaves in memory is not for the next one
                driver.renew()
            return self.begin(driver, count=True)

        known = {(finding.code, finding.where) for finding in self.report.findings}
        end = Budget(self.profile.seconds)
        search = machine.Search(driver, runner, begin, known, end, self.properties)
        for number in range(ROUNDS):  # once more past what was found: it may hide something else
            machine.explore(
                search,
                seed=self.report.seed + number,
                examples=self.profile.examples,
                length=self.profile.length,
            )
            new = [(key, error) for key, error in search.found.items() if key not in known]
            for key, error in new:
                known.add(key)
                runner.run(self.confirm(error.problem, error.observations, "random"))
            if not new or end.is_over:
                break
        broken = {finding.message for finding in self.report.findings}
        self.report.inconclusive = sorted(
            name for name in search.inconclusive if f"{name} does not hold" not in broken
        )
        return int(search.steps)

    def parallel(self, runner: asyncio.Runner) -> int:
        """Several people at once; how many actions there were."""
        overlaps = _needs_hypothesis("explore.concurrent")
        driver = self.driver()

        def begin() -> Conversation:
            driver.renew()
            return self.begin(driver)

        if not self.ways:
            tours = Tours(self.driver(), Coverage(graph_of(*self.report.flows)), oracles=(), steps=WAYS)
            runner.run(tours.run())
            self.ways = tours.ways
        known = {(finding.code, finding.where) for finding in self.report.findings}
        end = Budget(self.profile.seconds)
        search = overlaps.Overlaps(driver, begin, runner.run, list(self.ways.values()), known, end)
        places = waiting(self.report.flows)
        overlaps.sweep(search, [way for (*_, place, _, _), way in self.ways.items() if place in places])
        # Where no function waits, only fsmkit itself can mix anything up: a few are enough.
        examples = max(1, self.profile.overlaps // (1 if places else FEWER))
        overlaps.explore(search, seed=self.report.seed, examples=examples)
        for error in search.found.values():
            runner.run(self.confirm(error.problem, error.observations, "parallel"))
        return int(search.steps)

    def mutants(self, runner: asyncio.Runner) -> int:
        """Return the mutants; how many actions it took to notice them."""
        hunt = Hunt(
            self.driver,
            self.report.coverage.graph,
            runner,
            self.oracles,
            self.profile,
            self.report.seed,
            known={(finding.code, finding.where) for finding in self.report.findings},
            random=_needs_hypothesis("explore.random_walk"),
        )
        self.report.mutants = hunt.run()
        return hunt.steps

    async def stores(self, urls: Iterable[str]) -> int:
        """Return the conversation to each edge in each store; how many actions were tried to find them."""
        tours = Tours(
            self.driver(),
            Coverage(self.report.coverage.graph),
            oracles=(),
            steps=self.profile.steps,
            seconds=self.profile.seconds,
        )
        await tours.run()
        ways = [
            [observation.action for observation in observations] for observations in tours.shortest.values()
        ]
        for url in urls:
            async with opened(url) as store:
                name = type(store).__name__
                async for problem, observations in differences(
                    ways, self.driver(), self.driver(store=store), name
                ):
                    self.add(problem, observations, "stores")
        return tours.steps

    async def deploys(self) -> int:
        """Deploys each later version at each place of the tours, and offers its handlers inputs there."""
        driver, menus = self.driver(), Candidates()
        tours = await self.toured(driver, Coverage(graph_of(*self.report.flows)))
        end = Budget(self.profile.seconds)
        places = {
            signature_of(observations[-1].after): observations for observations in tours.shortest.values()
        }
        ways = [
            tuple(observation.action for observation in observations)
            for observations in places.values()
            if observations[-1].place
        ]
        steps = 0
        for version, actions in itertools.product(range(len(self.versions)), ways):
            if end.is_over:
                break
            conversation = self.begin(driver)
            for action in (*actions, Deploy(version)):
                await conversation.do(action)
            steps += len(actions) + 1
            found: list[tuple[Problem, Sequence[Observation]]] = [
                (problem, conversation.observations) for problem in conversation.problems
            ]
            if not found:
                found += await offer(driver, menus, conversation.observations, self.oracles)
            for problem, observations in found:
                await self.confirm(problem, observations, "deploys")
        return steps

    def begin(self, driver: EngineDriver, *, count: bool = False) -> Conversation:
        """Begins a conversation."""
        coverage = self.report.coverage if count else None
        return Conversation(driver, coverage=coverage, oracles=self.oracles)

    async def confirm(self, problem: Problem, observations: Sequence[Observation], phase: Phase) -> None:
        """Shortens what was found, in a fresh bot, and reports it."""
        if any((f.code, f.where) == (problem.code, problem.where) for f in self.report.findings):
            return
        if self.severity.get(problem.code) == "off":
            return
        shared = None if self.load is not None else self.driver()
        actions = [observation.action for observation in observations]
        found = await shortest(lambda: self.begin(shared or self.driver()), actions, problem)
        if found is not None:
            self.add(found[1], found[0], phase)
            return
        if problem.code == "race":
            return  # other orders have been tried over and again already: it was chance
        message = (
            f"{problem.message}; it did not come again in a fresh bot: something is remembered elsewhere"
        )
        self.add(Problem("flaky", message, problem.where), observations, phase)

    def add(
        self, problem: Problem, observations: Sequence[Observation], phase: Phase, *, note: bool = False
    ) -> None:
        """Report a finding, once."""
        if any((f.code, f.where) == (problem.code, problem.where) for f in self.report.findings):
            return
        flow = _flow_of(observations) or self.report.flows[0].name
        finding = Finding(
            problem.code, problem.message, problem.where, flow, phase, note, tuple(observations), self.chat
        )
        for wanted in _with_severity([finding], self.severity):
            self.report.findings.append(wanted)
            if self.progress is not None:
                self.progress.found(wanted)

    def unreached(self) -> None:
        """Report, before all else, that most of a flow was not reached: then little was tested."""
        coverage = self.report.coverage
        of_states, of_edges = coverage.feasible_states, coverage.expected_edges()
        states, edges = (
            len(of_states & coverage.states.keys()),
            sum(key in coverage.edges for key in of_edges),
        )
        if 2 * states >= len(of_states) and 3 * edges >= len(of_edges):
            return
        stood = list(self.report.reasons.items())
        near = [(edge, why) for edge, why in stood if not why.is_far] or stood
        message = (
            f"{states} of {len(of_states)} states and {edges} of {len(of_edges)} edges were reached: "
            "most of it was not tested"
        )
        if near:
            message += f". In the way: {near[0][0].handler} ({near[0][1].why})"
        message += ". Give its handlers examples=[...], or search for longer with --profile"
        flow = coverage.graph.flows[0]
        where = near[0][0].place if near else flow.place
        finding = Finding("unreached", message, where, near[0][0].flow if near else flow.name, "tours")
        self.report.findings[:0] = _with_severity([finding], self.severity)


def _same_each_time(load: Callable[[], Flows]) -> Callable[[], Flows]:
    """Return a loader whose module finds the same chance and time whenever it runs."""

    def again() -> Flows:
        with repeatable(lambda: START):
            return load()

    return again


def _flow_of(observations: Sequence[Observation]) -> str:
    for observation in reversed(observations):
        if observation.taken:
            return observation.taken[-1].flow
        if observation.flow:
            return observation.flow
    return ""


def _needs_hypothesis(name: str) -> Any:
    """Return the module of a phase that needs Hypothesis."""
    with requires_extra("test"):
        return importlib.import_module(f"fsmkit.testing.{name}")
