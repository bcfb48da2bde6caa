"""The shortest conversation that leads to a state."""

import asyncio

from fsmkit.flow.flow import Flow
from fsmkit.graph.graph import Graph, Node
from fsmkit.testing.coverage import Coverage
from fsmkit.testing.explore.tours import Tours
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.instrument import quiet
from fsmkit.testing.harness.loop import new_loop

SECONDS = 5.0
"""How long is searched."""


def way_to(flows: tuple[Flow[object], ...], graph: Graph, node: Node) -> tuple[Action, ...] | None:
    """Return the shortest conversation that was found to lead to a state, from its beginning.

    Args:
        flows: The flows.
        graph: Their graph.
        node: Names of the flow and of the state.

    Returns:
        What user 1 does in the private chat; `None` if no way was found.
    """
    tours = Tours(EngineDriver(flows), Coverage(graph), oracles=(), seconds=SECONDS)
    with quiet(), asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(tours.run())
    found = [
        observations[: number + 1]
        for observations in tours.shortest.values()
        for number, observation in enumerate(observations)
        if observation.place[-1:] == (node,)
    ]
    best = min(found, key=len, default=None)
    return None if best is None else tuple(observation.action for observation in best)
