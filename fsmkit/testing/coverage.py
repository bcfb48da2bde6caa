"""Coverage of flows: which states, edges, pairs of edges, guards and kinds of input were met by some phase.

One object for all phases; what there is to cover comes from the graph that also draws and checks the flow.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from fsmkit.graph import Edge, Graph, Node
from fsmkit.testing.acts import Act
from fsmkit.testing.moments import Moment

Crossing: TypeAlias = tuple[str, str | None, str, str, str]
"""An edge: flow, state, place of the handler, kind of the result, target."""
Pair: TypeAlias = tuple[Crossing, Crossing]

COUNTED = frozenset({"transition", "call", "end", "stay", "back"})
"""Kinds of edges that a conversation follows; a pass and an error go nowhere."""
MEASURES = ("states", "edges", "pairs", "guards")


class Coverage:
    """What was met, of what there is.

    Args:
        graph: The graph of the flows.

    Attributes:
        edges: How often each edge was taken.
        pairs: How often one edge was taken after another.
        states: How often each state was entered.
        kinds: How often each kind of input was given.
        guards: What each handler that may pass, or has a `when=`, has said.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.edges: Counter[Crossing] = Counter()
        self.pairs: Counter[Pair] = Counter()
        self.states: Counter[Node] = Counter()
        self.kinds: Counter[str] = Counter()
        self.guards: set[tuple[str, str, bool]] = set()
        self.declared: dict[Crossing, Edge] = {
            crossing(edge): edge for edge in graph.edges if edge.kind in COUNTED
        }
        self.feasible_states = frozenset(graph.reachable)
        self._outgoing: dict[Node, list[Crossing]] = {}
        for key, edge in self.declared.items():
            self._outgoing.setdefault(edge.node, []).append(key)

    def observe(self, moment: Moment, previous: Crossing | None) -> Crossing | None:
        """Counts a moment.

        Args:
            moment: The moment.
            previous: The edge taken last in this conversation.

        Returns:
            The edge taken last now.
        """
        self.kinds[kind_of(moment)] += 1
        for place in moment.place:
            self.states[place] += 1
        for taken in moment.taken:
            if taken.state is not None:  # also one that a job has led through meanwhile
                self.states[(taken.flow, taken.state)] += 1
            if taken.kind in COUNTED:
                edge = taken.edge
                self.edges[edge] += 1
                if previous is not None:
                    self.pairs[(previous, edge)] += 1
                previous = edge
                self.guards.add((taken.flow, taken.handler.place, True))
            elif taken.kind == "pass":
                self.guards.add((taken.flow, taken.handler.place, False))
        return previous

    # -- what there is, and what is left -----------------------------------------------------------

    @property
    def expected_pairs(self) -> Iterator[Pair]:
        """Pairs of edges of which the second can begin where the first leads."""
        for first, edge in self.declared.items():
            for node in self._goals(edge):
                yield from ((first, second) for second in self._outgoing.get(node, ()))

    @property
    def expected_guards(self) -> Iterator[tuple[str, str, bool]]:
        """Both answers of each handler that may pass or has a `when=`."""
        for flow in self.graph.flows:
            for handler in flow.handlers:
                if handler.when is not None or self.graph.handlers[handler].passes:
                    yield (flow.name, handler.place, True)
                    yield (flow.name, handler.place, False)

    def missing_edges(self) -> list[Edge]:
        """The edges that were never taken, and could be as far as the graph tells."""
        return [
            edge for key, edge in self.declared.items() if key not in self.edges and self._reachable(edge)
        ]

    def impossible_edges(self) -> list[Edge]:
        """The edges of states that no conversation comes to."""
        return [edge for edge in self.declared.values() if not self._reachable(edge)]

    def numbers(self) -> dict[str, tuple[int, int]]:
        """For each measure how much was met, of how much."""
        edges = [key for key, edge in self.declared.items() if self._reachable(edge)]
        pairs, guards = set(self.expected_pairs), set(self.expected_guards)
        return {
            "states": (len(self.feasible_states & self.states.keys()), len(self.feasible_states)),
            "edges": (sum(key in self.edges for key in edges), len(edges)),
            "pairs": (len(pairs & self.pairs.keys()), len(pairs)),
            "guards": (len(guards & self.guards), len(guards)),
        }

    def percent(self, measure: str) -> float:
        """How much of a measure was met, 100 where there is nothing to meet."""
        met, of = self.numbers()[measure]
        return 100.0 if not of else 100.0 * met / of

    def lines(self) -> list[str]:
        """The coverage for a terminal."""
        shown = [f"{met}/{of} {name}" for name, (met, of) in self.numbers().items() if of]
        lines = ["coverage: " + ", ".join(shown)]
        lines += [f"  not taken: {told(edge)}" for edge in self.missing_edges()]
        lines += [f"  cannot be taken: {told(edge)}" for edge in self.impossible_edges()]
        return lines

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        return {
            **{name: {"met": met, "of": of} for name, (met, of) in self.numbers().items()},
            "inputs": dict(sorted(self.kinds.items())),
            "not taken": [edge_json(edge) for edge in self.missing_edges()],
            "cannot be taken": [edge_json(edge) for edge in self.impossible_edges()],
        }

    def _reachable(self, edge: Edge) -> bool:
        return edge.source is None or edge.node in self.feasible_states

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
    """What an edge of the graph is counted as."""
    return (edge.flow, edge.source, edge.place, edge.kind, str(edge.target or ""))


def kind_of(moment: Moment) -> str:
    """The kind of input that a moment's act is."""
    return kind_of_act(moment.act)


def kind_of_act(act: Act) -> str:
    """The kind of input that an act is."""
    name = type(act).__name__.lower()
    if name == "say":
        return "command" if getattr(act, "text", "")[:1] == "/" else "text"
    if name == "press":
        return "old button" if getattr(act, "stale", False) else "button"
    return getattr(act, "kind", name) if name == "content" else {"outside": "event"}.get(name, name)


def told(edge: Edge) -> str:
    """An edge in a line."""
    from fsmkit.testing.findings import seen_from_here

    goal = f" -> {edge.target}" if edge.target is not None else ""
    return f'"{edge.source or "(none)"}": {edge.handler} {edge.kind}{goal} ({seen_from_here(edge.place)})'


def edge_json(edge: Edge) -> dict[str, Any]:
    """An edge as JSON."""
    return {
        "flow": edge.flow,
        "state": edge.source,
        "handler": edge.handler,
        "where": edge.place,
        "kind": edge.kind,
        "target": str(edge.target) if edge.target is not None else None,
    }
