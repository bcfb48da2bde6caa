"""The shortest conversation that leads to a state."""

import asyncio
import contextlib

from fsmkit.flow.flow import Flow
from fsmkit.graph.graph import Graph, Node
from fsmkit.testing.coverage import Coverage, Crossing
from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.explore.tours import Tours
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.instrument import quiet
from fsmkit.testing.harness.loop import new_loop
from fsmkit.testing.harness.observation import Observation

SECONDS = 5.0
"""How long is searched."""


class _ReachedError(Exception):
    """The state is reached; the search need not go on."""


class _Lookout(Coverage):
    """Coverage that ends a search at a state."""

    def __init__(self, graph: Graph, node: Node) -> None:
        super().__init__(graph)
        self._node = node

    def observe(self, observation: Observation, previous: Crossing | None) -> Crossing | None:
        """Count an observation; raise _ReachedError if it stands in the state."""
        if observation.place[-1:] == (self._node,):
            raise _ReachedError
        return super().observe(observation, previous)


def way_to(flows: tuple[Flow[object], ...], graph: Graph, node: Node) -> tuple[Action, ...] | None:
    """Return the shortest conversation that was found to lead to a state, from its beginning.

    Args:
        flows: The flows.
        graph: Their graph.
        node: Names of the flow and of the state.

    Returns:
        What user 1 does in the private chat; `None` if no way was found.
    """
    tried: list[tuple[Action, ...]] = []

    def told(spot: SearchState, action: Action) -> None:
        tried[:] = [(*(each.action for each in spot.observations), action)]

    tours = Tours(EngineDriver(flows), _Lookout(graph, node), oracles=(), seconds=SECONDS, told=told)
    with quiet(), asyncio.Runner(loop_factory=new_loop) as runner, contextlib.suppress(_ReachedError):
        runner.run(tours.run())
        return None
    return tried[0]
