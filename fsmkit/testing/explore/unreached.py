"""Why an edge was not taken: the conversation that came nearest to it, and what stood in the way there.

Asked of the tours when they are over: the place is gone back to, and all that the handler is known to want
is tried once more, to see who takes it.
"""

from collections.abc import Sequence

import attrs

from fsmkit.flow.handlers import Handler
from fsmkit.graph.graph import Edge
from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.explore.tours import Tours
from fsmkit.testing.harness.actions import Action, Press
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Candidates, presses, waits
from fsmkit.testing.lint import takes

MOST = 40
"""Edges that are explained; more of them have the same few reasons."""

FEW = 3
"""Things that a handler did which are named each."""


@attrs.frozen
class Nearest:
    """How near conversations came to an edge.

    Attributes:
        actions: The conversation that came nearest.
        why: What stood in the way, a sentence.
        is_far: Whether no conversation came to the state that the edge leaves.
    """

    actions: tuple[Action, ...]
    why: str
    is_far: bool = False

    def __str__(self) -> str:
        way = ", ".join(action.by() + action.line() for action in self.actions)
        return f"nearest: {way or '(the beginning)'}; {self.why}"


async def nearest(tours: Tours, driver: EngineDriver, edges: Sequence[Edge]) -> dict[Edge, Nearest]:
    """Return what stood in the way of edges that were not taken.

    Args:
        tours: The tours, which are over.
        driver: Where they took place.
        edges: The edges.
    """
    menus = Candidates(driver.resources)
    return {edge: await _explained(tours, driver, menus, edge) for edge in edges[:MOST]}


async def _explained(tours: Tours, driver: EngineDriver, menus: Candidates, edge: Edge) -> Nearest:
    spot = tours.nearest(edge.node)
    actions = tuple(observation.action for observation in spot.observations)
    if edge.source is not None and edge.node not in spot.place:
        near = f", only to {spot.place[-1][1]!r}" if spot.place else " or near it"
        return Nearest(actions, f"no conversation came to {edge.source!r}{near}", is_far=True)
    return Nearest(actions, await _hindrance(tours, driver, menus, edge, spot))


async def _hindrance(
    tours: Tours, driver: EngineDriver, menus: Candidates, edge: Edge, spot: SearchState
) -> str:
    """Return what stands in the way in the very state that the edge leaves."""
    did = tours.coverage.did(edge)
    if did:
        more = f" or {len(did) - FEW} other things" if len(did) > FEW + 1 else ""
        shown = did[:FEW] if more else did
        return f"{edge.handler} ran there and did {' or '.join(shown)}{more}"
    handlers = _handlers(driver, edge)
    tried, takers = await _tried(driver, menus, handlers, spot)
    if takers:
        return f"of {tried} inputs that it may want {' and '.join(takers)} took all"
    if tried:
        return f"{tried} inputs that it may want were tried there, and nobody took one"
    if any(menus.inputs(handler).presses for handler in handlers):
        return "none of its buttons was on the screen"
    if any(menus.inputs(handler).waits for handler in handlers):
        return "no timeout is due there"
    guarded = any(handler.when is not None for handler in handlers)
    return f"no input is known that {'its when=' if guarded else 'it'} accepts: give examples=[...]"


def _handlers(driver: EngineDriver, edge: Edge) -> list[Handler]:
    table = driver.running.flows.tables[edge.flow]
    return [handler for handler in table.by_state.get(edge.source, ()) if handler.place == edge.place]


async def _tried(
    driver: EngineDriver, menus: Candidates, handlers: Sequence[Handler], spot: SearchState
) -> tuple[int, list[str]]:
    """How many inputs of handlers were tried, and which other handlers took them."""
    driver.restore(spot.saved)
    wanted = [action for handler in handlers for action in menus.inputs(handler).accepted]
    if any(menus.inputs(handler).presses for handler in handlers):
        wanted += presses(driver)
    if any(menus.inputs(handler).waits for handler in handlers):
        wanted += waits(spot.row)
    takers: dict[str, None] = {}
    tried = 0
    for action in wanted:
        driver.restore(spot.saved)
        try:
            observation = await driver.do(action)
        except NotThereError:
            continue
        if isinstance(action, Press) and not _may_want(handlers, observation):
            continue
        tried += 1
        takers |= {taken.handler.name: None for taken in observation.taken if taken.kind != "pass"}
    return tried, list(takers)


def _may_want(handlers: Sequence[Handler], observation: Observation) -> bool:
    """Whether one of the handlers wants the button that somebody else took the press of."""
    values = [taken.event.value for taken in observation.taken if hasattr(taken.event, "value")]
    return any(takes(handler, value) for handler in handlers for value in values)
