"""What the graph shows: targets, entries, ways to each state and from it."""

from collections.abc import Iterator

from fsmkit.handlers import Handler
from fsmkit.testing.findings import Finding
from fsmkit.testing.linting.subject import Subject, finding, place_of


def targets(subject: Subject) -> Iterator[Finding]:
    """Targets that are unknown, unreadable, or not what `to=` says."""
    for flow in subject.flows:
        for handler in flow.handlers:
            for problem in subject.graph.handlers[handler].problems:
                yield finding(problem.code, problem.message, problem.place, flow)


def entries(subject: Subject) -> Iterator[Finding]:
    """Flows that no conversation comes to: nobody begins them, calls them or goes to them."""
    entered = {node[0] for node in subject.graph.reachable}
    for flow in subject.given:
        begins = [handler for handler in flow.handlers if None in handler.selectors]
        if flow.name in entered or not flow.states or not _all_read(subject, begins):
            continue
        place = begins[0].place if begins else flow.place
        if begins:
            names = ", ".join(handler.name for handler in begins)
            problem = f'{names} for the state None returns no ("transition", state)'
        elif any(edge.target and edge.target.flow == flow.name != edge.flow for edge in subject.graph.edges):
            problem = "no conversation comes to what leads to it"
        else:
            problem = "no handler has the state None, and nobody calls it"
        yield finding("no-entry", f"flow {flow.name!r} is never entered: {problem}", place, flow)


def _all_read(subject: Subject, handlers: list[Handler]) -> bool:
    """Whether it is known where they lead; what could not be read is a finding of its own."""
    return all(subject.graph.handlers[handler].complete for handler in handlers)


def unreachable(subject: Subject) -> Iterator[Finding]:
    """States that no conversation comes to."""
    entered = {node[0] for node in subject.graph.reachable}
    for flow in subject.flows:
        for state in flow.states.values():
            if flow.name in entered and (flow.name, state.name) not in subject.graph.reachable:
                message = f"no edge leads to state {state.name!r}"
                yield finding("unreachable", message, place_of(flow, state), flow)


def ways_out(subject: Subject) -> Iterator[Finding]:
    """States without handlers, that only lead to themselves, or from which no end can be reached."""
    graph = subject.graph
    for flow in subject.flows:
        for state in flow.states.values():
            node = (flow.name, state.name)
            edges = [edge for edge in graph.outgoing(node) if edge.kind not in ("pass", "error")]
            moving = [
                e for e in edges if e.kind != "stay" and (e.target is None or e.target.state != state.name)
            ]
            place = place_of(flow, state)
            if not edges:
                yield finding("dead-end", f"no handler leads on from state {state.name!r}", place, flow)
            elif not moving and node not in graph.ending:
                yield finding("self-loop", f"state {state.name!r} leads only to itself", place, flow)
            elif node not in graph.ending:
                message = f"no way leads from state {state.name!r} to an end of the conversation"
                yield finding("no-end", message, place, flow)
