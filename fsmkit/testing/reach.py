"""What no input can reach: edges of states that nothing leads to, and handlers that are never called.

Only what is certain by the declarations; what was merely not reached is told by `fsmkit.testing.nearest`.
"""

from collections.abc import Mapping
from typing import TypeAlias

from fsmkit.flow import Flow
from fsmkit.graph import Edge, Graph
from fsmkit.handlers import Handler
from fsmkit.states import State
from fsmkit.testing.linting.buttons import buttons
from fsmkit.testing.linting.handlers import taker
from fsmkit.testing.linting.subject import Subject

Asked: TypeAlias = tuple[str, str | None, str]
"""A handler that is asked in a state: flow, state, place."""


def never_called(graph: Graph) -> dict[Asked, str]:
    """Handlers that are never called in a state, with the reason.

    Args:
        graph: The graph of the flows.
    """
    subject = Subject(*graph.flows, graph=graph)
    unshown = {
        finding.where: finding.message for finding in buttons(subject) if finding.code == "unshown-button"
    }
    found: dict[Asked, list[str | None]] = {}
    for flow in subject.flows:
        for state in flow.states.values():
            for handler in subject.asked(flow, state):
                why = unshown.get(handler.place) or _shadowed(subject, flow, state, handler)
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
    return f"{earlier.name}, which is tried before, takes all that {handler.name} wants"
