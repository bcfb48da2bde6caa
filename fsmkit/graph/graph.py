"""The graph of one or several flows: which handler goes from which state where.

One reading for diagrams, checks, tests and the playground. What a single handler can do is
`fsmkit.graph.edges`' matter; whether the graph is a good one is a check's.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias, TypeVar, cast

import attrs

from fsmkit.flow.events import ChatEvent, Done, Failed, Reminder, Returned, Timeout
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import EnterState, Entry, Handler, Selector
from fsmkit.flow.matchers import AnyOf, Matcher, OfClass
from fsmkit.flow.states import ANY, State
from fsmkit.graph.calls import calls_on_entry
from fsmkit.graph.edges import EdgeProblem, Edges, Target, collect_flows, edges_of

Node: TypeAlias = tuple[str, str | None]
"""Names of a flow and of a state of it; `None`: no conversation is running."""

Kind: TypeAlias = Literal["transition", "call", "end", "stay", "back", "pass", "error"]

Cause: TypeAlias = Literal["person", "timeout", "job", "outside", "returned", "entry", "guard"]
"""Who or what brings a step about: `outside` is an event that other programs send, `returned` a sub-flow that
is over, `entry` that the state was entered."""


@attrs.frozen
class Edge:
    """What one handler may do in one state.

    Attributes:
        flow: Name of the flow.
        source: Name of the state; `None`: no conversation is running.
        selector: What the handler was registered for: this state, a group of it, or `ANY`.
        handler: Name of the handler.
        place: `file:line` of the handler.
        trigger: What it wants.
        kind: What it does; `back` goes to a state from which this one was entered.
        target: Where it goes, for a transition, a call and an end.
        labels: What it wants, as people call it, one by one.
        cause: Who or what takes it.
    """

    flow: str
    source: str | None
    selector: Selector
    handler: str
    place: str
    trigger: str
    kind: Kind
    target: Target | None = None
    labels: tuple[str, ...] = attrs.field(default=(), eq=False, repr=False)
    cause: Cause = attrs.field(default="person", eq=False, repr=False)

    @property
    def node(self) -> Node:
        """Where it starts."""
        return (self.flow, self.source)


@attrs.frozen(eq=False, slots=False)
class Graph:
    """States and edges of flows that belong together.

    Attributes:
        flows: The flows, those that were called after those that were given.
        edges: The edges, in the order of the handlers; those of a stay, a pass or an error, too.
        handlers: Where each handler may go, in the order of definition.
    """

    flows: tuple[Flow[Any], ...]
    edges: tuple[Edge, ...]
    handlers: Mapping[Handler, Edges]

    @property
    def problems(self) -> tuple[EdgeProblem, ...]:
        """The findings about all handlers."""
        return tuple(problem for edges in self.handlers.values() for problem in edges.problems)

    @cached_property
    def states(self) -> tuple[Node, ...]:
        """All states, in the order of declaration."""
        return tuple((flow.name, state) for flow in self.flows for state in flow.states)

    @cached_property
    def initial(self) -> Mapping[str, Node]:
        """The state in which a call of each flow begins; flows without states have none."""
        found = {flow.name: flow.initial or next(iter(flow.states), None) for flow in self.flows}
        return {flow: (flow, str(state)) for flow, state in found.items() if state is not None}

    @cached_property
    def entries(self) -> frozenset[Node]:
        """The states in which a conversation begins that a handler for `None` starts."""
        started = (self.successors((flow.name, None)) for flow in self.flows)
        return frozenset(node for nodes in started for node in nodes)

    def outgoing(self, node: Node) -> tuple[Edge, ...]:
        """Return the edges that start in a state."""
        return tuple(self._by_source.get(node, ()))

    def incoming(self, node: Node) -> tuple[Edge, ...]:
        """Return the edges that lead to a state: transitions, and calls that begin there."""
        return tuple(self._by_goal.get(node, ()))

    def successors(self, node: Node) -> frozenset[Node]:
        """Return the states entered next: by a transition, by a call, by going back."""
        found = self._onward(node)
        if any(edge.kind == "back" for edge in self.outgoing(node)):
            found |= self._predecessors(node)
        return frozenset(found)

    def _onward(self, node: Node) -> set[Node]:
        return {goal for edge in self.outgoing(node) if (goal := self.goal(edge))}

    @cached_property
    def reachable(self) -> frozenset[Node]:
        """The states that a conversation can come to, from the entries on.

        What follows a call needs no edge of its own: the caller waits in a state that was reached, and its
        handler for `Returned` is one of that state's. Going back leads only to where one has been before.
        """
        return _closure(self.entries, self._onward)

    @cached_property
    def ending(self) -> frozenset[Node]:
        """The states from which an end can be reached, be it by an `ANY` handler of a flow that waits."""
        over = [node for node in self.states if any(edge.kind == "end" for edge in self._exits(node))]
        before: dict[Node, list[Node]] = {}
        for node in self.states:
            for goal in self.successors(node).union(filter(None, map(self.goal, self._exits(node)))):
                before.setdefault(goal, []).append(node)
        return _closure(over, lambda node: before.get(node, ()))

    def distances_to(self, goals: Iterable[Node]) -> dict[Node, int]:
        """Return the number of edges from each state to the nearest of some, where one can be reached."""
        before: dict[Node, set[Node]] = {}
        for node in self.states:
            for goal in self.successors(node):
                before.setdefault(goal, set()).add(node)
        found = dict.fromkeys(goals, 0)
        todo = deque(found)
        while todo:
            node = todo.popleft()
            for earlier in before.get(node, set()) - found.keys():
                found[earlier] = found[node] + 1
                todo.append(earlier)
        return found

    # -- helpers -----------------------------------------------------------------------------------

    @cached_property
    def _by_source(self) -> Mapping[Node, list[Edge]]:
        found: dict[Node, list[Edge]] = {}
        for edge in self.edges:
            found.setdefault(edge.node, []).append(edge)
        return found

    @cached_property
    def _by_goal(self) -> Mapping[Node, list[Edge]]:
        found: dict[Node, list[Edge]] = {}
        for edge in self.edges:
            if (goal := self.goal(edge)) is not None:
                found.setdefault(goal, []).append(edge)
        return found

    def goal(self, edge: Edge) -> Node | None:
        """Return the state that an edge enters; `None` for an end and for what does not move."""
        if edge.target is None or edge.kind == "end":
            return None
        if edge.kind == "call":
            return self.initial.get(edge.target.flow)
        return (edge.target.flow, edge.target.state)

    def waiting(self, flow: str) -> frozenset[str]:
        """Return names of the flows that may wait while one runs: their `ANY` handlers are asked too."""
        return _closure(self._callers[flow], lambda name: self._callers[name])

    def _predecessors(self, node: Node) -> set[Node]:
        """Return where `back` leads: from the beginning of a state's call to what was before that state."""
        found: set[Node] = set()
        todo, met = [node], {node}
        while todo:
            at = todo.pop()
            for edge in self.incoming(at):
                if edge.kind == "transition" and edge.flow == at[0] and edge.source is not None:
                    found.add(edge.node)
                elif edge.kind == "call" and edge.node not in met and self._is_call(edge.node):
                    met.add(edge.node)
                    todo.append(edge.node)
        return found

    def _is_call(self, node: Node) -> bool:
        return any(flow.name == node[0] and calls_on_entry(flow, node[1]) for flow in self.flows)

    def _exits(self, node: Node) -> Iterator[Edge]:
        """Yield the edges of a state, and the `ANY` ones of all flows that may wait while it runs."""
        yield from self.outgoing(node)
        yield from self._waiting_any[node[0]]

    @cached_property
    def _waiting_any(self) -> Mapping[str, tuple[Edge, ...]]:
        """The `ANY` edges of the flows that may wait for each flow, each once for all states."""
        wide = {
            (edge.flow, edge.place, edge.kind, edge.target): edge
            for edge in self.edges
            if edge.selector is ANY
        }
        return {
            flow.name: tuple(edge for edge in wide.values() if edge.flow in self.waiting(flow.name))
            for flow in self.flows
        }

    @cached_property
    def _callers(self) -> Mapping[str, frozenset[str]]:
        calls = [(edge.target.flow, edge.flow) for edge in self.edges if edge.kind == "call" and edge.target]
        return {
            flow.name: frozenset(by for called, by in calls if called == flow.name) for flow in self.flows
        }


def graph_of(*flows: Flow[Any]) -> Graph:
    """Return the graph of flows, and of those that their handlers name as objects.

    Args:
        flows: The flows.

    Raises:
        DefinitionError: If `to=` names something that does not exist, or two flows have one name.

    Example:
        >>> from fsmkit.flow import Flow
        >>> from fsmkit.flow.states import END
        >>> flow = Flow("ask")
        >>> @flow.defstate("name", to="age")
        ... def got_name(event, ctx): ...
        >>> @flow.defstate("age", to=END)
        ... def got_age(event, ctx): ...
        >>> [str(edge.target) for edge in graph_of(flow).edges if edge.target]
        ['"ask/age"', 'the end']
    """
    known = collect_flows(flows)
    handlers = {
        handler: edges_of(handler, flow, known)
        for flow in known.values()
        for handler in (*flow.handlers, *flow.guards)
    }
    edges = (
        edge
        for flow in known.values()
        for handler in (*flow.handlers, *flow.guards)
        for edge in _expanded(handler, flow, handlers[handler])
    )
    return Graph(tuple(known.values()), tuple(edges), handlers)


def _expanded(handler: Handler, flow: Flow[Any], edges: Edges) -> Iterator[Edge]:
    when = f" when {getattr(handler.when, '__qualname__', repr(handler.when))}" if handler.when else ""
    trigger = repr(handler.matcher) + when
    labels = tuple(label + when for label in handler.matcher.labels())
    cause = _cause(handler.matcher)
    for source, selector in _sources(handler, flow).items():
        for kind, target in _steps(edges):
            yield Edge(
                *(flow.name, source, selector, handler.name, handler.place, trigger),
                kind=kind,
                target=target,
                labels=labels,
                cause=cause,
            )


_CAUSES: tuple[tuple[tuple[type, ...], Cause], ...] = (
    ((Timeout, Reminder), "timeout"),
    ((Done, Failed), "job"),
    ((Returned,), "returned"),
)


def _cause(matcher: Matcher) -> Cause:
    """Return who or what a matcher waits for; where it waits for several, a person counts most."""
    if isinstance(matcher, AnyOf):
        causes: list[Cause] = [_cause(each) for each in matcher.matchers]
        return min(causes, key=lambda cause: cause != "person")
    if isinstance(matcher, Entry):
        return "entry"
    if isinstance(matcher, EnterState):
        return "guard"
    wanted = matcher.wanted if isinstance(matcher, OfClass) else None
    if wanted is None or issubclass(wanted, ChatEvent):
        return "person"
    for classes, cause in _CAUSES:
        if issubclass(wanted, classes):
            return cause
    return "outside"


def _sources(handler: Handler, flow: Flow[Any]) -> dict[str | None, Selector]:
    """Return the states of a handler, each with the widest selector that stands for it."""
    found: dict[str | None, Selector] = {}
    for selector in sorted(handler.selectors, key=_narrowness):
        for state in _states_of(selector, flow):
            found.setdefault(state, selector)
    return found


def _narrowness(selector: Selector) -> int:
    return 0 if selector is ANY else 1 if isinstance(selector, type) else 2


def _states_of(selector: Selector, flow: Flow[Any]) -> list[str | None]:
    if selector is ANY:
        return list(flow.states)
    if isinstance(selector, type):
        return [state.name for state in selector.states()]
    return [selector.name if isinstance(selector, State) else cast("str | None", selector)]


def _steps(edges: Edges) -> Iterator[tuple[Kind, Target | None]]:
    for target in sorted(edges.targets):
        yield target.kind, target
    if edges.stays:
        yield "stay", None
    if edges.backs:
        yield "back", None
    if edges.passes:
        yield "pass", None
    if edges.errors:
        yield "error", None


N = TypeVar("N")


def _closure(start: Iterable[N], following: Callable[[N], Iterable[N]]) -> frozenset[N]:
    found = set(start)
    todo = list(found)
    while todo:
        new = set(following(todo.pop())) - found
        found |= new
        todo += new
    return frozenset(found)
