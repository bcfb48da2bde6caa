"""Coverage of flows: which states, edges, pairs of edges, guards and kinds of input were met by some phase.

One object for all phases; what there is to cover comes from the graph that also draws and checks the flow.
How it is told is `fsmkit.testing.report`'s matter.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeAlias

from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.states import State
from fsmkit.graph.graph import Edge, Graph, Node
from fsmkit.testing.harness.actions import Action, Killed, Refused
from fsmkit.testing.harness.instrument import HandlerCall
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.lint import Subject, buttons, taker

Asked: TypeAlias = tuple[str, str | None, str]
"""A handler that is asked in a state: flow, state, place."""


def never_called(graph: Graph) -> dict[Asked, str]:
    """Handlers that are never called in a state, with the reason.

    Args:
        graph: The graph of the flows.
    """
    subject = Subject(*graph.flows, graph=graph)
    unshown = {
        (finding.flow, finding.where): finding.message
        for finding in buttons(subject)
        if finding.code == "unshown-button"
    }
    found: dict[Asked, list[str | None]] = {}
    for flow in subject.flows:
        for state in flow.states.values():
            for handler in subject.asked(flow, state):
                why = unshown.get((flow.name, handler.place)) or _shadowed(subject, flow, state, handler)
                found.setdefault((flow.name, state.name, handler.place), []).append(why)
    # Handlers made in a loop share their place: only where none of them is called, nothing is.
    return {asked: why[0] for asked, why in found.items() if all(why) and why[0] is not None}


def impossible(graph: Graph, never: Mapping[Asked, str], edge: Edge) -> str | None:
    """Why no input can take an edge; `None`: as far as is known, one can.

    Args:
        graph: The graph.
        never: What `never_called` says of it.
        edge: An edge of it.
    """
    if edge.source is not None and edge.node not in graph.reachable:
        return f"no edge leads to state {edge.source!r}"
    return never.get((edge.flow, edge.source, edge.place))


def _shadowed(subject: Subject, flow: Flow[object], state: State, handler: Handler) -> str | None:
    earlier = taker(subject, handler, subject.asked(flow, state))
    if earlier is None:
        return None
    return f"{earlier.name}, which is tried before, takes all events of {handler.name}"


Crossing: TypeAlias = tuple[str, str | None, str, str, str]
"""An edge: flow, state, place of the handler, kind of the result, target."""


Pair: TypeAlias = tuple[Crossing, Crossing]


Guard: TypeAlias = tuple[str, str, str, bool]
"""What a handler's `when=` has said, or whether it has passed: flow, place, `when` or `pass`, answer."""


Input: TypeAlias = tuple[str, str, str]
"""A kind of input that a handler has taken: flow, place, kind."""

COUNTED = frozenset({"transition", "call", "end", "stay", "back"})
"""Kinds of edges that a conversation follows; a pass and an error go nowhere."""


MEASURES = ("states", "edges", "pairs", "guards", "inputs")


class Coverage:
    """What was met, of what there is.

    Args:
        graph: The graph of the flows.
        never: Handlers that are never called in a state, with the reason; by default worked out.

    Attributes:
        edges: How often each edge was taken.
        pairs: How often one edge was taken after another.
        states: How often each state was entered.
        kinds: How often each kind of input was given.
        guards: What each handler that may pass, or has a `when=`, has said.
        inputs: Which kinds of input each handler has taken.
        passed: Which handlers have passed, by flow, state and place.
    """

    def __init__(self, graph: Graph, never: Mapping[Asked, str] | None = None) -> None:
        self.graph = graph
        self.edges: Counter[Crossing] = Counter()
        self.pairs: Counter[Pair] = Counter()
        self.states: Counter[Node] = Counter()
        self.kinds: Counter[str] = Counter()
        self.guards: set[Guard] = set()
        self.inputs: set[Input] = set()
        self.passed: set[Asked] = set()
        self.declared: dict[Crossing, Edge] = {
            crossing(edge): edge for edge in graph.edges if edge.kind in COUNTED
        }
        self.feasible_states = frozenset(graph.reachable)
        self._never = never

    @cached_property
    def never(self) -> Mapping[Asked, str]:
        """Handlers that are never called in a state, with the reason."""
        return never_called(self.graph) if self._never is None else self._never

    def observe(self, observation: Observation, previous: Crossing | None) -> Crossing | None:
        """Count an observation.

        Args:
            observation: The observation.
            previous: The edge taken last in this conversation.

        Returns:
            The edge taken last now.
        """
        self.kinds[kind_of_act(observation.action)] += 1
        for place in observation.place:
            self.states[place] += 1
        for taken in observation.taken:
            if taken.state is not None:  # also one that a job has led through meanwhile
                self.states[(taken.flow, taken.state)] += 1
            if taken.kind in COUNTED:
                edge = taken.edge
                self.edges[edge] += 1
                if previous is not None:
                    self.pairs[(previous, edge)] += 1
                previous = edge
                self.guards.add((taken.flow, taken.handler.place, "pass", False))
                self._took(observation.action, taken)
            elif taken.kind == "pass":
                self.guards.add((taken.flow, taken.handler.place, "pass", True))
                self.passed.add((taken.flow, taken.state, taken.handler.place))
        return previous

    def _took(self, action: Action, taken: HandlerCall) -> None:
        kind = kind_of_input(action)
        if kind is not None:
            self.inputs.add((taken.flow, taken.handler.place, kind))

    # -- what there is -----------------------------------------------------------------------------

    @cached_property
    def _impossible(self) -> Mapping[Crossing, str]:
        found = {key: impossible(self.graph, self.never, edge) for key, edge in self.declared.items()}
        return {key: why for key, why in found.items() if why is not None}

    def impossible_edges(self) -> dict[Edge, str]:
        """Return the edges that no input can take, each with the reason."""
        return {
            self.declared[key]: why for key, why in self._impossible.items() if key not in self.edges
        }  # one that was taken shows that the reason is none

    def expected_edges(self, flow: str | None = None) -> list[Crossing]:
        """Return the edges that can be taken as far as is known; those of one flow, if it is named."""
        return [
            key
            for key in self.declared
            if (key in self.edges or key not in self._impossible) and flow in (None, key[0])
        ]

    def expected_pairs(self, flow: str | None = None) -> Iterator[Pair]:
        """Pairs of edges of which the second can begin where the first certainly leads."""
        outgoing: dict[Node, list[Crossing]] = {}
        for key in self.expected_edges():
            outgoing.setdefault(self.declared[key].node, []).append(key)
        for first in self.expected_edges(flow):
            for node in self._goals(self.declared[first]):
                yield from ((first, second) for second in outgoing.get(node, ()))

    def expected_guards(self, flow: str | None = None) -> Iterator[Guard]:
        """Both answers of each `when=`, and of each handler that may pass."""
        dead = self._dead()
        for named in self.graph.flows:
            for handler in named.handlers if flow in (None, named.name) else ():
                if (named.name, handler.place) in dead:
                    continue
                if handler.when is not None:
                    yield from ((named.name, handler.place, "when", answer) for answer in (True, False))
                if self.graph.handlers[handler].passes:
                    yield from ((named.name, handler.place, "pass", answer) for answer in (True, False))

    @cached_property
    def _wanted(self) -> tuple[Input, ...]:
        from fsmkit.testing.inputs.handlers import inputs_of

        wanted: dict[Input, None] = {}
        for flow in self.graph.flows:
            for handler in flow.handlers:
                inputs = inputs_of(handler)
                kinds = {kind_of_input(action) for action in inputs.accepted}
                kinds |= {"button"} if inputs.presses else set()
                kinds |= {"deadline"} if inputs.waits else set()
                wanted |= {(flow.name, handler.place, kind): None for kind in sorted(filter(None, kinds))}
        return tuple(wanted)

    def expected_inputs(self, flow: str | None = None) -> list[Input]:
        """Each kind of input that each handler wants."""
        dead = self._dead()
        return [want for want in self._wanted if flow in (None, want[0]) and want[:2] not in dead]

    def _dead(self) -> set[tuple[str, str]]:
        """Handlers, by flow and place, of which no edge can be taken."""
        alive = {(key[0], key[2]) for key in self.expected_edges()}
        return {(key[0], key[2]) for key in self.declared} - alive

    # -- what is left ------------------------------------------------------------------------------

    def missing_edges(self) -> list[Edge]:
        """Return the edges that were never taken, and could be as far as is known."""
        return [
            edge
            for key, edge in self.declared.items()
            if key not in self.edges and key not in self._impossible
        ]

    def did(self, edge: Edge) -> list[str]:
        """Return what the handler of an edge did instead, in the state that the edge leaves."""
        asked = (edge.flow, edge.source, edge.place)
        did = [
            f"{kind} -> {target}" if target else kind for *at, kind, target in self.edges if (*at,) == asked
        ]
        return [*dict.fromkeys(did), *(["pass"] if asked in self.passed else [])]

    def numbers(self, flow: str | None = None) -> dict[str, tuple[int, int]]:
        """For each measure how much was met, of how much; of one flow, if it is named."""
        states = {node for node in self.feasible_states if flow in (None, node[0])}
        edges = self.expected_edges(flow)
        pairs, guards = set(self.expected_pairs(flow)), set(self.expected_guards(flow))
        inputs = set(self.expected_inputs(flow))
        return {
            "states": (len(states & self.states.keys()), len(states)),
            "edges": (sum(key in self.edges for key in edges), len(edges)),
            "pairs": (len(pairs & self.pairs.keys()), len(pairs)),
            "guards": (len(guards & self.guards), len(guards)),
            "inputs": (len(inputs & self.inputs), len(inputs)),
        }

    def percent(self, measure: str) -> float:
        """How much of a measure was met, 100 where there is nothing to meet."""
        met, of = self.numbers()[measure]
        return 100.0 if not of else 100.0 * met / of

    def _goals(self, edge: Edge) -> Iterable[Node]:
        """Where an edge leads for certain; after `back`, an end and a return it depends on the way here."""
        if edge.kind == "stay":
            return [edge.node]
        if edge.target is None or edge.kind == "end":
            return []
        if edge.kind == "call":
            initial = self.graph.initial.get(edge.target.flow)
            return [] if initial is None else [initial]
        return [(edge.target.flow, edge.target.state)]


def crossing(edge: Edge) -> Crossing:
    """Return what an edge of the graph is counted as."""
    return (edge.flow, edge.source, edge.place, edge.kind, str(edge.target or ""))


def kind_of_act(action: Action) -> str:
    """Return the kind of input that an action is."""
    name = type(action).__name__.lower()
    if name == "say":
        return "command" if getattr(action, "text", "")[:1] == "/" else "text"
    if name == "press":
        return "old button" if getattr(action, "stale", False) else "button"
    return getattr(action, "kind", name) if name == "content" else {"outside": "event"}.get(name, name)


def kind_of_input(action: Action) -> str | None:
    """Return the kind of input that a handler has taken with an action, `None` for none of its own."""
    if isinstance(action, Killed | Refused):
        return kind_of_input(action.action)
    kind = kind_of_act(action)
    if kind in ("duplicate", "swap", "together", "restart"):
        return None
    return {"old button": "button", "pressdata": "button", "wait": "deadline"}.get(kind, kind)
