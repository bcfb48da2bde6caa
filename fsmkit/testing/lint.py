"""What is linted: flows, their graph, and what is worked out of them once."""

from typing import Any

from fsmkit.flow import Flow
from fsmkit.graph import Graph, graph_of
from fsmkit.handlers import Handler
from fsmkit.states import ANY, State, StatesGroup
from fsmkit.testing.findings import Finding
from fsmkit.testing.inputs.handlers import Inputs, inputs_of


class Subject:
    """Flows that are checked, and what is worked out of them once.

    Args:
        flows: The flows.
        graph: Their graph, where it is another than they declare.
    """

    def __init__(self, *flows: Flow[Any], graph: Graph | None = None) -> None:
        self.graph: Graph = graph or graph_of(*flows)
        self.given = flows
        self._inputs: dict[Handler, Inputs] = {}

    @property
    def flows(self) -> tuple[Flow[Any], ...]:
        """The flows, called ones too."""
        return self.graph.flows

    def inputs(self, handler: Handler) -> Inputs:
        """The inputs of a handler."""
        if handler not in self._inputs:
            self._inputs[handler] = inputs_of(handler)
        return self._inputs[handler]

    def flow(self, name: str) -> Flow[Any]:
        """The flow of a name."""
        return next(flow for flow in self.flows if flow.name == name)

    def asked(self, flow: Flow[Any], state: State) -> list[Handler]:
        """The handlers of a state, in the order in which they are tried."""
        exact = [h for h in flow.handlers if any(is_state(selector, state) for selector in h.selectors)]
        group = [h for h in flow.handlers if any(covers(selector, state) for selector in h.selectors)]
        wide = [h for h in flow.handlers if ANY in h.selectors]
        return list(dict.fromkeys([*exact, *group, *wide]))

    def asked_after(self, flow: Flow[Any]) -> list[Handler]:
        """The handlers of flows that may wait for this one: what it does not take is offered to them."""
        waiting = self.graph.waiting(flow.name)
        return [
            h for other in self.flows if other.name in waiting for h in other.handlers if ANY in h.selectors
        ]


def finding(code: str, message: str, where: str | None, flow: Flow[Any], *, note: bool = False) -> Finding:
    return Finding(code, message, where, flow.name, "lint", note)


def place_of(flow: Flow[Any], state: State) -> str:
    """The first handler of a state, else where the flow is declared."""
    for handler in flow.handlers:
        if any(is_state(selector, state) for selector in handler.selectors):
            return handler.place
    return flow.place or "?"


def is_state(selector: Any, state: State) -> bool:
    """Whether a selector is this very state."""
    return (
        selector is not ANY and not isinstance(selector, type) and selector is not None and state == selector
    )


def covers(selector: Any, state: State) -> bool:
    """Whether a selector is a group of this state."""
    group = isinstance(selector, type) and issubclass(selector, StatesGroup)
    return group and any(member == state for member in selector.states())
