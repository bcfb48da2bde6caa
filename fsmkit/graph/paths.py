"""Paths through a graph that together take each edge, or each pair of edges that follow each other."""

from collections import deque
from collections.abc import Iterator
from typing import Literal, TypeAlias

from fsmkit.graph.graph import Edge, Graph, Node

Path: TypeAlias = tuple[Edge, ...]


def paths(graph: Graph, *, cover: Literal["edges", "pairs"] = "edges") -> list[Path]:
    """Return shortest paths from the beginning of a conversation that together cover a graph.

    They are paths of the drawing: whether some input takes each edge, `fsmkit test` finds out. Only edges
    that move are on them: transitions, calls and ends.

    Args:
        graph: The graph, of `graph_of`.
        cover: `edges`: each edge that can be reached is on some path. `pairs`: likewise each two edges that
            can follow each other.

    Returns:
        The paths, shortest first; none is the beginning of another.

    Example:
        >>> from fsmkit.flow import END, Flow
        >>> from fsmkit.graph import graph_of
        >>> flow = Flow("ask")
        >>> @flow.defstate(None, to="name")
        ... def start(event, ctx): ...
        >>> @flow.defstate("name", to=END)
        ... def named(event, ctx): ...
        >>> [[edge.handler for edge in path] for path in paths(graph_of(flow))]
        [['start', 'named']]
    """
    moving = [edge for edge in graph.edges if edge.kind in ("transition", "call", "end")]
    ways = _ways(graph, moving)
    found = [(*ways[edge.node], edge) for edge in moving if edge.node in ways]
    if cover == "pairs":
        found += [(*way, after) for way in [*found] for after in _following(graph, moving, way[-1])]
    begun = {path[:length] for path in found for length in range(1, len(path))}
    return sorted({path: None for path in found if path not in begun}, key=len)


def _ways(graph: Graph, moving: list[Edge]) -> dict[Node, Path]:
    """Return the shortest path to each place, that of no conversation among them."""
    outgoing: dict[Node, list[Edge]] = {}
    for edge in moving:
        outgoing.setdefault(edge.node, []).append(edge)
    ways: dict[Node, Path] = {(flow.name, None): () for flow in graph.flows}
    todo = deque(ways)
    while todo:
        node = todo.popleft()
        for edge in outgoing.get(node, ()):
            goal = graph.goal(edge)
            if goal is not None and goal not in ways:
                ways[goal] = (*ways[node], edge)
                todo.append(goal)
    return ways


def _following(graph: Graph, moving: list[Edge], edge: Edge) -> Iterator[Edge]:
    """Yield the edges that can follow an edge at once."""
    goal = graph.goal(edge)
    return (after for after in moving if goal is not None and after.node == goal)
