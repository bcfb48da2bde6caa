"""Why an edge was not taken: the conversation that came nearest to it, and what stood in the way there.

Asked of the tours when they are over: the place is gone back to, and all that the handler is known to want
is tried once more, to see who takes it.
"""

from collections.abc import Sequence

import attrs

from fsmkit.flow.handlers import Handler
from fsmkit.graph.graph import Edge
from fsmkit.testing.explore.tours import Spot, Tours
from fsmkit.testing.harness.actions import Act, Press
from fsmkit.testing.harness.engine_driver import DirectStage
from fsmkit.testing.harness.observation import Moment
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Menus, presses, waits
from fsmkit.testing.lint import takes

MOST = 40
"""Edges that are explained; more of them have the same few reasons."""

FEW = 3
"""Things that a handler did which are named each."""


@attrs.frozen
class Nearest:
    """How near conversations came to an edge.

    Attributes:
        acts: The conversation that came nearest.
        why: What stood in the way, a sentence.
    """

    acts: tuple[Act, ...]
    why: str

    def __str__(self) -> str:
        way = ", ".join(act.by() + act.line() for act in self.acts)
        return f"nearest: {way or '(the beginning)'}; {self.why}"


async def nearest(tours: Tours, stage: DirectStage, edges: Sequence[Edge]) -> dict[Edge, Nearest]:
    """What stood in the way of edges that were not taken.

    Args:
        tours: The tours, which are over.
        stage: Where they took place.
        edges: The edges.
    """
    menus = Menus()
    return {edge: await _explained(tours, stage, menus, edge) for edge in edges[:MOST]}


async def _explained(tours: Tours, stage: DirectStage, menus: Menus, edge: Edge) -> Nearest:
    spot = tours.nearest(edge.node)
    acts = tuple(moment.act for moment in spot.moments)
    if edge.source is not None and edge.node not in spot.place:
        near = f", only to {spot.place[-1][1]!r}" if spot.place else " or near it"
        return Nearest(acts, f"no conversation came to {edge.source!r}{near}")
    return Nearest(acts, await _hindrance(tours, stage, menus, edge, spot))


async def _hindrance(tours: Tours, stage: DirectStage, menus: Menus, edge: Edge, spot: Spot) -> str:
    """What stands in the way in the very state that the edge leaves."""
    did = tours.coverage.did(edge)
    if did:
        more = f" or {len(did) - FEW} other things" if len(did) > FEW + 1 else ""
        shown = did[:FEW] if more else did
        return f"{edge.handler} ran there and did {' or '.join(shown)}{more}"
    handlers = _handlers(stage, edge)
    tried, takers = await _tried(stage, menus, handlers, spot)
    if takers:
        return f"of {tried} inputs that it may want {' and '.join(takers)} took all"
    if tried:
        return f"{tried} inputs that it may want were tried there, and nobody took one"
    if any(menus.inputs(handler).presses for handler in handlers):
        return "no button that it wants was on the screen"
    if any(menus.inputs(handler).waits for handler in handlers):
        return "no timeout is due there"
    guarded = any(handler.when is not None for handler in handlers)
    return f"no input is known that {'its when=' if guarded else 'it'} accepts: give examples=[...]"


def _handlers(stage: DirectStage, edge: Edge) -> list[Handler]:
    table = stage.running.flows.tables[edge.flow]
    return [handler for handler in table.by_state.get(edge.source, ()) if handler.place == edge.place]


async def _tried(
    stage: DirectStage, menus: Menus, handlers: Sequence[Handler], spot: Spot
) -> tuple[int, list[str]]:
    """How many inputs of handlers were tried, and which other handlers took them."""
    stage.restore(spot.saved)
    wanted = [act for handler in handlers for act in menus.inputs(handler).accepted]
    if any(menus.inputs(handler).presses for handler in handlers):
        wanted += presses(stage)
    if any(menus.inputs(handler).waits for handler in handlers):
        wanted += waits(spot.row)
    takers: dict[str, None] = {}
    tried = 0
    for act in wanted:
        stage.restore(spot.saved)
        try:
            moment = await stage.do(act)
        except NotThereError:
            continue
        if isinstance(act, Press) and not _may_want(handlers, moment):
            continue
        tried += 1
        takers |= {taken.handler.name: None for taken in moment.taken if taken.kind != "pass"}
    return tried, list(takers)


def _may_want(handlers: Sequence[Handler], moment: Moment) -> bool:
    """Whether one of the handlers wants the button that somebody else took the press of."""
    values = [taken.event.value for taken in moment.taken if hasattr(taken.event, "value")]
    return any(takes(handler, value) for handler in handlers for value in values)
