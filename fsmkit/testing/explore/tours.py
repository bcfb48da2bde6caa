"""Tours: the shortest conversation to each edge, then to each pair of edges, really carried out.

A search among observations of the direct driver: each place is visited by the shortest way, everything on its
menu is tried, and the search goes back to the observation before. What is still missing then is searched for
deeper, nearest to the missing edges first.
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from fsmkit.flow.events import Done, Failed
from fsmkit.flow.flow import DEFAULT_TEXTS
from fsmkit.flow.handlers import Handler
from fsmkit.graph.graph import Edge, Node
from fsmkit.interpreter.row import Row
from fsmkit.testing.budget import Budget
from fsmkit.testing.coverage import Coverage, Crossing
from fsmkit.testing.explore.growth import cycles, grown, longest
from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.explore.variants import Firsts, in_turn, walk
from fsmkit.testing.findings import Finding, Problem
from fsmkit.testing.harness.actions import Action, Deadline, Meanwhile, Say, Wait
from fsmkit.testing.harness.engine_driver import EngineDriver, Saved
from fsmkit.testing.harness.observation import (
    Observation,
    Place,
    Shape,
    Signature,
    running_frame,
    shape_of,
    signature_of,
)
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import (
    WRONG,
    Candidate,
    Candidates,
    old_presses,
    presses,
    stored,
    waits,
)
from fsmkit.testing.inputs.people import clues_in, named_people, other_people, other_times
from fsmkit.testing.inputs.reading import looks_at_input
from fsmkit.testing.lint import static_buttons
from fsmkit.testing.oracles import ORACLES, Oracle, judge

DEEPER = 2
"""The part of all actions that may be spent where no edge is missing any more, as a divisor."""


FEW = 2
"""Inputs of a handler that are tried where all of its edges are known already."""

VARIED = 4
"""The part of all actions that may be spent on variants, of each kind, as a divisor."""

WALK = 60
"""Actions after an odd text."""

Judge = Callable[[Sequence[Observation]], list[Problem]]


_FAILURE = Failed(RuntimeError("a job that fails"))
"""What a handler for failed jobs wants."""


class Tours:
    """The search for conversations.

    Args:
        driver: Where they take place.
        coverage: Told of every observation.
        oracles: What judges them.
        steps: How many actions may be tried at all.
        seconds: How long it may take.
        told: Told of each action that was tried, and from where.
        ignored: Problems, by code and place, that are not looked for; the search ends at the first other one.

    Attributes:
        coverage: What was met.
        findings: What was wrong, each by the shortest conversation that shows it.
        steps: How many actions were tried.
    """

    def __init__(
        self,
        driver: EngineDriver,
        coverage: Coverage,
        *,
        oracles: Sequence[Oracle] = ORACLES,
        steps: int = 20_000,
        seconds: float = 30.0,
        told: Callable[[SearchState, Action], object] | None = None,
        ignored: Collection[tuple[str, str | None]] | None = None,
    ) -> None:
        self._stage = driver
        self.coverage = coverage
        self._oracles = oracles
        self._budget = steps
        self._time = Budget(seconds)
        self._menus = Candidates(driver.resources)
        flows = tuple(table.flow for table in driver.running.flows.tables.values())
        self._clues = clues_in(flows, driver.resources)
        self._people = named_people(flows, self._clues)
        self._firsts = Firsts()
        self._slow: dict[Place, tuple[SearchState, Action]] = {}
        """Where, and by what, the job of each state was first begun."""
        self._observed: Observation | None = None
        self._odd: dict[tuple[Place, ...], list[SearchState]] = {}
        """What came of odd texts, by the place where they were written."""
        self._known: dict[Signature, SearchState] = {}
        self._children: dict[Signature, set[Signature]] = {}
        self._ways: set[tuple[Signature, Crossing | None]] = set()
        self._shapes: set[Shape] = set()
        self._ran: set[tuple[str, str | None, str]] = set()
        self._expanded: Counter[object] = Counter()
        self._queue: deque[SearchState] = deque()
        self._rest: list[SearchState] = []
        self._by_handler = _by_handler(coverage)
        self._told = told
        self._ignored = ignored or ()
        self._first = ignored is not None
        self._found: dict[tuple[str, str | None], Finding] = {}
        self.steps = 0
        self.shortest: dict[Crossing, tuple[Observation, ...]] = {}
        """The first conversation that took each edge, which is among the shortest."""

    @property
    def findings(self) -> list[Finding]:
        """What was wrong."""
        return list(self._found.values())

    @property
    def ways(self) -> dict[Crossing, tuple[Action, ...]]:
        """The actions of those conversations, but for edges that are taken when time has passed."""
        ways = {
            edge: tuple(observation.action for observation in observations)
            for edge, observations in self.shortest.items()
        }
        return {e: way for e, way in ways.items() if not any(isinstance(action, Deadline) for action in way)}

    async def run(self) -> None:
        """Visits each place, then searches for what is missing, then looks for places without a way out."""
        self._stage.reset()
        await self._add(self._stage.save(), (), Row(), None)
        await self._visit()
        await self._search()
        await self._while_jobs_run()
        await self._deepen()
        await self._vary()
        await self._grow()
        await self._stuck()

    async def follow(self, passages: Iterable[tuple[SearchState, Action]]) -> None:
        """As `run`, from observations on that are known: does something there, and goes on from what comes of
        it.

        Args:
            passages: The observations, of a driver with people of the same ids, and what is done there.
        """
        for spot, action in passages:
            await self._try(spot, action)
        await self._visit()
        await self._stuck()

    async def _visit(self) -> None:
        """Visits each place once for each edge that leads there."""
        while self._queue and not self._spent():
            spot = self._queue.popleft()
            if self._expanded[(spot.place, spot.last)]:
                self._rest.append(spot)
            else:
                await self._expand(spot)

    def _spent(self) -> bool:
        over = self.steps >= self._budget or self._time.is_over
        return over or self._done()

    def _done(self) -> bool:
        return self._first and bool(self._found)

    # -- one place ---------------------------------------------------------------------------------

    async def _expand(self, spot: SearchState, *, all_inputs: bool = False) -> None:
        """Try everything on the menu of a place."""
        self._shapes.add(shape_of(spot.row, spot.observations))
        new = not self._expanded[spot.place]
        self._expanded[spot.place] += 1
        self._expanded[(spot.place, spot.last)] += 1
        self._children.setdefault(spot.signature, set())
        flows = self._stage.running.flows
        seen = "\n".join(spot.observations[-1].shown) if spot.observations else ""
        for dish in self._menus.dishes(flows, spot.row, seen):
            for number, action in enumerate(dish.actions):
                if number >= FEW and not (new or all_inputs or self._wanted(dish, spot.last)):
                    break
                await self._try(spot, action)
            for action in dish.odd if new or all_inputs else ():
                await self._try_odd(spot, action)
        self._stage.restore(spot.saved)
        first = [*stored(flows), *self._people] if not spot.observations else []
        others = [*WRONG, *old_presses(self._stage)] if new else []
        await self._press_all(spot)
        for action in [*waits(spot.row), *first, *others]:
            await self._try(spot, action)

    def _wanted(self, dish: Candidate, last: Crossing | None) -> bool:
        """Whether some edge of a handler was not taken yet, or not after this one."""
        edges = self._by_handler.get((dish.flow, dish.state, dish.handler.place), ())
        missing = any(edge not in self.coverage.edges for edge in edges)
        return missing or (
            last is not None and any((last, edge) not in self.coverage.pairs for edge in edges)
        )

    async def _try(self, spot: SearchState, action: Action, *, keep: bool = True) -> SearchState | None:
        """Do an action at a place; return what comes of it.

        Args:
            spot: The place.
            action: The action.
            keep: Whether the search goes on from there; from where a new edge was taken it always does.
        """
        if self._done():
            return None
        self.steps += 1
        self._stage.restore(spot.saved)
        try:
            observation = await self._stage.do(action)
        except NotThereError:
            return None
        if self._told is not None:
            self._told(spot, action)
        self._observed = observation
        if not isinstance(action, Meanwhile):
            for taken in observation.taken:
                if isinstance(taken.event, Done | Failed):
                    self._slow.setdefault((taken.flow, taken.state), (spot, action))
        observations = (*spot.observations, observation)
        last = self.coverage.observe(observation, spot.last)
        if last is not None and last != spot.last and last not in self.shortest:
            self.shortest[last] = observations
            self._firsts.add(spot.place, action, observation.place)
            keep = True
        self._ran.update((taken.flow, taken.state, taken.handler.place) for taken in observation.taken)
        for problem in judge(observations, self._oracles):
            self._report(problem, observations)
        self.coverage.guards |= self._stage.guards
        if not keep:
            signature = self._signature(observation.after)
            return SearchState(self._stage.save(), observations, observation.after, last, signature)
        child = await self._add(None, observations, observation.after, last)
        if not isinstance(action, Deadline) and spot.signature in self._children:
            self._children[spot.signature].add(child)
        return None

    async def _press_all(self, spot: SearchState) -> None:
        """Press each button on the screen; say so if it is new, and none does anything."""
        shown = presses(self._stage)
        newest = next((bubble for bubble in reversed(self._stage.bubbles()) if bubble.own), None)
        fresh = (
            {button.text for row in newest.buttons for button in row} if newest is not None else set[str]()
        )
        dead: list[Observation] = []
        for action in shown:
            self._observed = None
            await self._try(spot, action)
            done: Observation | None = self._observed
            quiet = done is not None and not done.taken and done.before == done.after
            if done is not None and quiet and action.button in fresh and not _is_refused(done):
                dead.append(done)
        alive = len([action for action in shown if action.button in fresh]) - len(dead)
        if dead and not alive and _has_shown(spot.observations, fresh):
            if fresh & self._static_buttons(spot.place):
                return  # the declarations show it
            texts = " ".join(f"[{button}]" for button in sorted(fresh))
            where = spot.observations[-1].taken[-1].handler.place
            message = f"no button of the screen does anything: {texts}"
            self._report(Problem("dead-buttons", message, where), (*spot.observations, dead[0]))

    def _static_buttons(self, place: tuple[Place, ...]) -> set[str]:
        """Return what is written on the buttons of a state that its declaration shows."""
        for flow, name in place[-1:]:
            state = self._stage.running.flows.tables[flow].flow.states.get(name or "")
            return set() if state is None else {button.text for button in static_buttons(state)}
        return set()

    async def _try_odd(self, spot: SearchState, action: Action) -> None:
        """Write an odd text; what is stored of it may break something later."""
        child = await self._try(spot, action, keep=False)
        if child is not None and child.place and child.signature != spot.signature:
            self._odd.setdefault(spot.place, []).append(child)

    def _signature(self, row: Row) -> Signature:
        """Return what tells places apart: what is stored, and who it is if that is somebody in particular."""
        return (*signature_of(row), *self._stage.ids.items())

    async def _add(
        self, saved: Saved | None, observations: tuple[Observation, ...], row: Row, last: Crossing | None
    ) -> Signature:
        signature = self._signature(row)
        if (signature, last) not in self._ways:
            self._ways.add((signature, last))
            spot = SearchState(saved or self._stage.save(), observations, row, last, signature)
            self._known.setdefault(signature, spot)
            self._queue.append(spot)
        return signature

    def _report(self, problem: Problem, observations: tuple[Observation, ...], *, note: bool = False) -> None:
        if (problem.code, problem.where) in self._ignored:
            return
        observation = observations[-1]
        flow = observation.flow or (observation.came_from[-1][0] if observation.came_from else "")
        flow = flow or (observation.taken[-1].flow if observation.taken else "")
        finding = Finding(problem.code, problem.message, problem.where, flow, "tours", note, observations)
        known = self._found.setdefault((problem.code, problem.where), finding)
        if len(observations) < len(known.observations):
            self._found[(problem.code, problem.where)] = finding

    # -- what is missing ---------------------------------------------------------------------------

    async def _search(self) -> None:
        """Goes on from the places that are nearest to edges that were not taken."""
        turn = 0
        while self._rest and not self._spent():
            missing = self._missing_nodes()
            if not missing:
                return
            distances = self.coverage.graph.distances_to(missing)
            self._rest.sort(key=lambda spot: _distance(spot, distances))
            nearest = _distance(self._rest[0], distances)
            if nearest == FAR:
                return
            count = sum(1 for spot in self._rest if _distance(spot, distances) == nearest)
            for _ in range(min(count, 16)):  # from both ends: nearer to the beginning, and deeper
                turn += 1
                spot = self._rest.pop(count - 1 if turn % 2 else 0)
                count -= 1
                await self._expand(spot)
                self._rest.extend(self._queue)
                self._queue.clear()
                if self._spent() or self._missing_nodes() != missing:
                    break

    def _missing_nodes(self) -> set[Node]:
        return {
            edge.node
            for edge in self.coverage.missing_edges()
            if edge.source is not None  # a beginning has been tried with all inputs there are
        }

    def nearest(self, node: Node) -> SearchState:
        """Return the place that came nearest to a state, by the shortest way; the beginning for `None`."""
        if node[1] is None:
            return min(
                (spot for spot in self._known.values() if not spot.place),
                key=lambda spot: len(spot.observations),
            )
        distances = self.coverage.graph.distances_to([node])

        def far(spot: SearchState) -> tuple[int, int]:
            return min((distances.get(at, FAR) for at in spot.place), default=FAR), len(spot.observations)

        return min(self._known.values(), key=far)

    # -- other people, times and texts; growth ------------------------------------------------------

    async def _vary(self) -> None:
        """Go the known ways as other people, at other times, and with odd texts in the data."""
        firsts, end = self._firsts.copy(), self.steps + self._budget // VARIED
        begin = next((spot for spot in self._known.values() if not spot.observations), None)
        if begin is None:
            return
        for action in [*other_people(self._clues), *other_times(self._clues)]:
            spot = await self._try(begin, action, keep=False)
            if spot is None or self._spent() or self.steps >= end:
                break
            await walk(spot, firsts, self._in_passing, end - self.steps)
        end = self.steps + self._budget // VARIED
        for spot in in_turn(self._odd.values()):
            if self._spent() or self.steps >= end:
                return
            await walk(spot, firsts, self._in_passing, min(WALK, end - self.steps))

    async def _while_jobs_run(self) -> None:
        """Let each job fail, and do what its state and others want while it runs."""
        for (flow, state), (spot, action) in list(self._slow.items()):
            table = self._stage.running.flows.tables[flow]
            job = table.rules[state or ""].job if state in table.rules else None
            handlers = [*table.by_state.get(state, ()), *table.any]
            others = [each for handler in handlers for each in self._menus.inputs(handler).accepted[:2]]
            late = [Wait(job.timeout + 1)] if job is not None and job.timeout is not None else []
            failed = any(handler.wants(_FAILURE) is not None for handler in handlers)
            attempts = [Meanwhile(action, fails=True)] if failed else []  # else nobody expects that it may
            attempts += [Meanwhile(action, other) for other in dict.fromkeys([*others, *WRONG[:3], *late])]
            for attempt in attempts:
                if self._spent():
                    return
                await self._try(spot, attempt)
        await self._visit()

    async def _in_passing(self, spot: SearchState, action: Action) -> SearchState | None:
        return None if self._spent() else await self._try(spot, action, keep=False)

    async def _grow(self) -> None:
        """Take edges that come back to their state again and again, with the longest input there is."""
        end = self.steps + self._budget // VARIED
        for place, cycle in cycles(self._firsts.copy()):
            spot = next((spot for spot in self._known.values() if spot.place == place), None)
            if spot is None or self._spent() or self.steps >= end:
                continue
            wanted = [longest(action, place, self._menus, self._stage.running.flows) for action in cycle]
            await grown(spot, wanted, self._in_passing)

    async def _deepen(self) -> None:
        """Goes on where the data have another shape: what depends on them need not show in a missing edge."""
        end = min(self._budget, self.steps + self._budget // DEEPER)
        half = Budget(self._time.left / DEEPER)
        while self._rest and self.steps < end and not half.is_over and not self._spent():
            again, self._rest = self._rest, []
            for spot in again:
                shape = shape_of(spot.row, spot.observations)
                if shape in self._shapes:
                    continue
                if self.steps >= end or half.is_over or self._spent():
                    return
                await self._expand(spot)
                self._rest.extend(self._queue)
                self._queue.clear()

    # -- no way out --------------------------------------------------------------------------------

    async def _stuck(self) -> None:
        """Report places from which nothing that was tried leads to an end of the conversation."""
        for spot in self._traps():
            await self._expand(spot, all_inputs=True)
        traps = list(self._traps())
        if not traps or self._spent():
            return
        spot = min(traps, key=lambda trap: len(trap.observations))
        frame = running_frame(spot.row)
        state = frame.state if frame is not None else None
        places = {place for trap in traps for place in trap.place}
        untaken = [
            edge for edge in self.coverage.missing_edges() if edge.node in places and self._may_come(edge)
        ]
        message = f"from {state!r} no input leads to an end of the conversation"
        if untaken:
            message += f" ({len(untaken)} edges from there were not taken: give examples= for their inputs)"
        where = self.coverage.graph.flows[0].place
        for taken in reversed(spot.observations[-1].taken if spot.observations else ()):
            where = taken.handler.place
        self._report(Problem("stuck", message, where), spot.observations, note=bool(untaken))

    def _may_come(self, edge: Edge) -> bool:
        """Whether another input could still take an edge.

        Not where all buttons were pressed, nor where a handler that takes no free text has run and does not
        look at what it is given.
        """
        ran = (edge.flow, edge.source, edge.place) in self._ran
        handlers = (h for flow in self.coverage.graph.flows if flow.name == edge.flow for h in flow.handlers)
        return any(h.place == edge.place and self._has_other_inputs(h, ran) for h in handlers)

    def _has_other_inputs(self, handler: Handler, ran: bool) -> bool:
        accepted = self._menus.inputs(handler).accepted
        free = any(isinstance(action, Say) and action.text[:1] != "/" for action in accepted)
        return bool(accepted) and (free or not ran or looks_at_input(handler))

    def _traps(self) -> Iterator[SearchState]:
        """Places of which all was tried, and from which neither an end nor an open place is reached."""
        free = {
            signature
            for signature, spot in self._known.items()
            if not spot.place or signature not in self._children or _has_job(spot.row)
        }
        parents: dict[Signature, set[Signature]] = {}
        for parent, children in self._children.items():
            for child in children:
                parents.setdefault(child, set()).add(parent)
        todo = list(free)
        while todo:
            for parent in parents.get(todo.pop(), ()):
                if parent not in free:
                    free.add(parent)
                    todo.append(parent)
        yield from [spot for signature, spot in self._known.items() if signature not in free]


FAR = 1_000_000


def _has_job(row: Row) -> bool:
    """Whether a job is still to be tried again: its outcome leads on by itself."""
    return any(frame.job is not None for snapshot in row.snapshots.values() for frame in snapshot.frames)


def _distance(spot: SearchState, distances: dict[Node, int]) -> int:
    return min(
        (distances.get(node, FAR) for node in spot.place), default=min(distances.values(), default=FAR) + 1
    )


def _by_handler(coverage: Coverage) -> dict[tuple[str, str | None, str], list[Crossing]]:
    found: dict[tuple[str, str | None, str], list[Crossing]] = {}
    for edge in coverage.declared:
        found.setdefault((edge[0], edge[1], edge[2]), []).append(edge)
    return found


def _has_shown(observations: tuple[Observation, ...], buttons: set[str]) -> bool:
    """Return whether a handler has shown buttons in the last step; those of steps before may be over."""
    last = observations[-1:]
    return any(
        each.taken and any(f"[{button}]" in line for line in each.shown for button in buttons)
        for each in last
    )


def _is_refused(press: Observation) -> bool:
    """Return whether a press was one of somebody else's button, or of another conversation's."""
    return any(str(DEFAULT_TEXTS[name]) in line for name in ("stale", "not_yours") for line in press.shown)
