"""What is drawn of a graph: one `Drawing` for Mermaid, Graphviz, the SVG and every page that shows one.

A graph has an edge for each handler in each state; drawn like that, a bot with `/cancel` everywhere is a
ball of wool. So:

- What happens alike in most states (or was declared for `ANY`, or for a group) is a *chip* above its flow,
  with the states named where it does not happen.
- Ends are a small sign at each state that ends, never one that all arrows run to. Where a handler goes back,
  the state has a *badge*. What stays, passes or refuses is not drawn.
- Steps between the same two states for the same cause are one arrow with several labels.
- A call is an arrow to the state in which the called flow begins; a flow without states is not drawn.

Ids are stable: they are made of the names, so that steps, coverage and counts can name what is drawn.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import attrs

from fsmkit.flow.flow import Flow
from fsmkit.flow.states import ANY
from fsmkit.graph.graph import Cause, Edge, Graph, Node

MAX_PATTERN = 14
"""Characters of a pattern that are shown; the whole stands in the tooltip."""

MAX_LABELS = 3
"""Lines of a label."""

MAX_EXCEPTIONS = 3
"""States that a chip names as exceptions."""

HOISTED_STATES = 3
"""From so many states on, if they are at least half of the flow, what they have alike is a chip."""


@attrs.frozen
class Spot:
    """Something that arrows start from or lead to.

    Attributes:
        id: Unique in the drawing.
        kind: `start`: where conversations begin. `end`: that the state before is the last.
        flow: Name of its flow.
        state: Name of the state; of an end, that it belongs to.
        badges: What goes back from here.
    """

    id: str
    kind: Literal["start", "state", "end"]
    flow: str
    state: str | None
    badges: tuple[str, ...] = ()

    @property
    def node(self) -> Node:
        """The state as the graph names it."""
        return (self.flow, self.state)


@attrs.frozen(eq=False)
class Arrow:
    """Steps from one spot to another.

    Attributes:
        id: Unique in the drawing.
        source: Id of the spot where it starts.
        goal: Id of the spot where it leads.
        kind: Whether it moves on or calls a flow.
        cause: Who or what takes it.
        labels: What brings it about, as many as there are.
        edges: The edges behind it.
        backward: Whether it leads to a state that was declared earlier.
    """

    id: str
    source: str
    goal: str
    kind: Literal["transition", "call", "end"]
    cause: Cause
    labels: tuple[str, ...]
    edges: tuple[Edge, ...]
    backward: bool


@attrs.frozen(eq=False)
class Chip:
    """A step that a whole flow, or a group of it, has alike.

    Attributes:
        id: Unique in the drawing.
        flow: Name of the flow.
        group: Name of the group of states that it is of; `None`: of the flow.
        cause: Who or what takes it.
        labels: What brings it about.
        goal: Where it leads, in words: a state, `●` for the end, `↩` for the state before.
        exceptions: States where it does not happen.
        edges: The edges behind it.
    """

    id: str
    flow: str
    group: str | None
    cause: Cause
    labels: tuple[str, ...]
    goal: str
    exceptions: tuple[str, ...]
    edges: tuple[Edge, ...]

    @property
    def text(self) -> str:
        """The whole in words."""
        among = "" if self.group is None else f"in {self.group}: "
        said = f"{among}{label_of(self.labels, self.cause, 2, ' ')} → {self.goal}"
        if not self.exceptions:
            return said
        few = self.exceptions[:MAX_EXCEPTIONS]
        more = len(self.exceptions) - len(few)
        return f"{said} (not {', '.join(few)}{f' and {more} more' if more else ''})"


@attrs.frozen
class Seen:
    """What is known of a graph from its use; with it a drawing is coloured.

    Attributes:
        edges: The edges that were taken; `None` where nobody has looked.
        states: The states that were entered; `None` where nobody has looked.
        counts: How many conversations stand in each state, where that is known.
    """

    edges: frozenset[Edge] | None = None
    states: frozenset[Node] | None = None
    counts: Mapping[Node, int] = attrs.field(factory=dict)


Mood: TypeAlias = Literal["met", "partly", "unmet", ""]
"""Whether all that a thing stands for was met, some of it, nothing of it; empty where nobody has looked."""


@attrs.frozen(eq=False, slots=False)
class Drawing:
    """What is drawn of some flows.

    Attributes:
        flows: Names of the flows, in order.
        spots: What arrows run between, flow by flow, states in the order of their declaration.
        arrows: The arrows.
        chips: What stands above the flows.
    """

    flows: tuple[str, ...]
    spots: tuple[Spot, ...]
    arrows: tuple[Arrow, ...]
    chips: tuple[Chip, ...]

    @cached_property
    def by_edge(self) -> Mapping[Edge, str]:
        """The id of the arrow or chip that an edge is part of; none of what is not drawn."""
        shown: list[Arrow | Chip] = [*self.arrows, *self.chips]
        return {edge: each.id for each in shown for edge in each.edges}

    def spots_of(self, flow: str) -> list[Spot]:
        """Return the spots of a flow."""
        return [spot for spot in self.spots if spot.flow == flow]

    def chips_of(self, flow: str) -> list[Chip]:
        """Return the chips of a flow."""
        return [chip for chip in self.chips if chip.flow == flow]


def drawing_of(graph: Graph) -> Drawing:
    """Return what is drawn of a graph.

    Args:
        graph: The graph.

    Example:
        >>> from fsmkit.flow import ANY, END, Flow
        >>> from fsmkit.graph import graph_of
        >>> from fsmkit.telegram import command
        >>> flow = Flow("ask")
        >>> @flow.defstate("name", to="age")
        ... def got_name(event, ctx): ...
        >>> @flow.defstate("age", ANY, on=command("cancel"), to=END)
        ... def cancel(event, ctx): ...
        >>> drawn = drawing_of(graph_of(flow))
        >>> drawn.arrows[0].id, drawn.chips[0].text
        ('ask/name>ask/age', '/cancel → ●')
    """
    flows = [flow for flow in graph.flows if flow.states]
    named = {flow.name for flow in flows}
    drawn = [edge for edge in graph.edges if edge.flow in named and _is_drawn(edge, graph)]
    chips = [chip for flow in flows for chip in _chips(flow, [e for e in drawn if e.flow == flow.name])]
    hoisted = {edge for chip in chips for edge in chip.edges}
    rest = [edge for edge in drawn if edge not in hoisted]
    arrows = _arrows(graph, [edge for edge in rest if edge.kind != "back"])
    ends = {arrow.goal for arrow in arrows}
    spots = [spot for flow in flows for spot in _spots(flow, rest, ends)]
    return Drawing(tuple(flow.name for flow in flows), tuple(spots), tuple(arrows), tuple(chips))


def mood_of(shown: Arrow | Chip, seen: Seen | None) -> Mood:
    """Return whether what an arrow or a chip stands for was met."""
    if seen is None or seen.edges is None:
        return ""
    taken = {edge in seen.edges for edge in shown.edges}
    return "partly" if len(taken) > 1 else "met" if taken == {True} else "unmet"


def mood_of_state(spot: Spot, seen: Seen | None) -> Mood:
    """Return whether a state was entered."""
    if seen is None or seen.states is None:
        return ""
    return "met" if spot.node in seen.states else "unmet"


def label_of(labels: Sequence[str], cause: Cause, most: int = MAX_LABELS, between: str = "\n") -> str:
    """Return the label of an arrow: as many as there is room for, with a sign for the cause.

    Args:
        labels: What brings it about.
        cause: Who or what takes it.
        most: How many at most; of more the last is `+n`.
        between: What stands between two.
    """
    if cause in ("returned", "entry", "guard"):
        return {"returned": "↩ returned", "entry": "", "guard": "guard"}[cause]
    if len(labels) > most:
        labels = [*labels[: most - 1], f"+{len(labels) - most + 1}"]
    if cause == "timeout":
        labels = [label.replace("Timeout", "timeout").replace("Reminder", "reminder") for label in labels]
    sign = {"timeout": "◷ ", "job": "⚙ "}.get(cause, "")
    return sign + between.join(short(label) for label in labels)


def short(label: str) -> str:
    """Return a label whose pattern, or else itself, is no longer than there is room for."""
    head, slash, pattern = label.partition(" /")
    if slash and pattern.endswith("/"):
        pattern = pattern[:-1]
        if len(pattern) <= MAX_PATTERN:
            return f"{head} /{pattern}/"
        return f"{head} /{pattern[:MAX_PATTERN]}…" if "\\u" not in pattern[:MAX_PATTERN] else f"{head} /…/"
    return label if len(label) <= 2 * MAX_PATTERN else f"{label[: 2 * MAX_PATTERN - 1]}…"


# -- what is drawn, and how ------------------------------------------------------------------------


def _is_drawn(edge: Edge, graph: Graph) -> bool:
    """Return whether an edge moves a conversation, to somewhere that is drawn."""
    if edge.kind in ("back", "end"):
        return edge.source is not None or edge.kind == "end"
    return edge.kind in ("transition", "call") and graph.goal(edge) is not None


def _chips(flow: Flow[object], edges: Iterable[Edge]) -> Iterable[Chip]:
    """Yield a chip for each step that a flow has alike in many states."""
    alike: dict[tuple[object, ...], list[Edge]] = {}
    for edge in edges:
        if edge.source is not None and edge.cause != "entry":
            wide = edge.selector if edge.selector is ANY or isinstance(edge.selector, type) else None
            alike.setdefault((edge.labels, edge.cause, edge.kind, edge.target, wide), []).append(edge)
    for (labels, cause, kind, _, wide), same in _joined(alike):
        where = {edge.source for edge in same}
        if wide is None and (len(where) < HOISTED_STATES or 2 * len(where) < len(flow.states)):
            continue
        if len(flow.states) == 1 or (wide is not ANY and wide is not None and len(where) == 1):
            continue  # an arrow says it as well
        group = wide if isinstance(wide, type) else None
        among = [state.name for state in group.states()] if group is not None else [*flow.states]
        named = None if group is None else group.full_name()
        goal = _in_words(flow.name, same[0])
        yield Chip(
            ">".join((f"{flow.name}/{named or '*'}", kind, goal, cause, *labels)),
            flow.name,
            named,
            cause,
            _once(labels),
            goal,
            tuple(name for name in among if name not in where),
            tuple(same),
        )


def _joined(alike: dict[tuple[object, ...], list[Edge]]) -> Iterable[tuple[Any, list[Edge]]]:
    """Yield what is alike; what was declared for `ANY` with what single states have just so."""
    for key, same in alike.items():
        if key[-1] is None and (*key[:-1], ANY) in alike:
            continue
        yield key, same + (alike.get((*key[:-1], None), []) if key[-1] is ANY else [])


def _in_words(flow: str, edge: Edge) -> str:
    if edge.kind == "back":
        return "↩"
    if edge.kind == "end" or edge.target is None:
        return "●"
    if edge.kind == "call":
        return f"call {edge.target.flow}"
    return edge.target.state or "" if edge.target.flow == flow else f"{edge.target.flow}/{edge.target.state}"


def _spots(flow: Flow[object], edges: Iterable[Edge], ends: set[str]) -> Iterable[Spot]:
    """Yield a flow's start, its states and their ends."""
    mine = [edge for edge in edges if edge.flow == flow.name]
    if any(edge.source is None for edge in mine):
        yield Spot(_id((flow.name, None)), "start", flow.name, None)
    for state in flow.states:
        back = [label for e in mine if e.kind == "back" and e.source == state for label in e.labels]
        yield Spot(_id((flow.name, state)), "state", flow.name, state, _once(back))
        end = _end_of((flow.name, state))
        if end in ends:
            yield Spot(end, "end", flow.name, state)
    if _end_of((flow.name, None)) in ends:
        yield Spot(_end_of((flow.name, None)), "end", flow.name, None)


def _arrows(graph: Graph, edges: Iterable[Edge]) -> list[Arrow]:
    """Return the arrows: one for what leads from one spot to another for one cause."""
    found: dict[tuple[str, str, str, Cause], list[Edge]] = {}
    for edge in edges:
        goal = graph.goal(edge)
        leads = _end_of(edge.node) if edge.kind == "end" or goal is None else _id(goal)
        found.setdefault((_id(edge.node), leads, edge.kind, edge.cause), []).append(edge)
    order = {_id(node): number for number, node in enumerate(graph.states)}
    return [
        Arrow(
            f"{source}>{goal}" + ("" if cause == "person" and kind != "call" else f">{kind}>{cause}"),
            source,
            goal,
            "call" if kind == "call" else "end" if kind == "end" else "transition",
            cause,
            _once(label for edge in same for label in edge.labels),
            tuple(same),
            source in order and goal in order and order[goal] < order[source] and _flow(same) is not None,
        )
        for (source, goal, kind, cause), same in found.items()
    ]


def _flow(edges: Sequence[Edge]) -> str | None:
    """Return the flow within which an arrow runs, `None` if it leads to another one."""
    edge = edges[0]
    return edge.flow if edge.target is not None and edge.target.flow == edge.flow else None


def _once(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels without repetitions; a button that says a command too is the command."""
    found = dict.fromkeys(labels)
    return tuple(label for label in found if not (label[:1] == "[" and label[1:-1] in found))


def _id(node: Node) -> str:
    flow, state = node
    return f"{flow}/" if state is None else f"{flow}/{state}"


def _end_of(node: Node) -> str:
    return f"{_id(node)}●"
