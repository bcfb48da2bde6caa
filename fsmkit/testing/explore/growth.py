"""Growth: what a conversation becomes when somebody does the same again and again.

A list that nothing bounds fits the row no more, a counter runs past the end of a table, a screen gets too
long. An edge that stays, or a short round that comes back to its place, is repeated until nothing changes any
more, with the longest input that its handler takes.
"""

from collections.abc import Iterator, Sequence

import attrs

from fsmkit.interpreter.compiled import FlowSet
from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.explore.variants import Firsts, Try, Where
from fsmkit.testing.harness.actions import Action, Deadline, Say, Wait
from fsmkit.testing.harness.observation import Signature
from fsmkit.testing.inputs.candidates import Candidates

ROUNDS = 40
"""Times that a round is gone."""

MOST_ACTIONS = 4
"""Actions of one round."""


def cycles(firsts: Firsts) -> Iterator[tuple[Where, tuple[Action, ...]]]:
    """Yield short rounds from a place back to it, the shortest way back from each edge.

    Args:
        firsts: By which actions edges are taken.
    """
    edges = [(place, action, goal) for place, action, goal in firsts.edges() if _is_by_hand(action)]
    leading: dict[Where, list[tuple[Action, Where]]] = {}
    for place, action, goal in edges:
        leading.setdefault(place, []).append((action, goal))
    for place, action, goal in edges:
        back = _shortest(leading, goal, place) if place and goal else None
        if back is not None:
            yield place, (action, *back)


def _is_by_hand(action: Action) -> bool:
    return not isinstance(action, Deadline | Wait)


def _shortest(
    leading: dict[Where, list[tuple[Action, Where]]], begin: Where, end: Where
) -> tuple[Action, ...] | None:
    known: dict[Where, tuple[Action, ...]] = {begin: ()}
    todo = [begin]
    while todo:
        place = todo.pop(0)
        if place == end:
            return known[place]
        for action, goal in leading.get(place, ()) if len(known[place]) < MOST_ACTIONS - 1 else ():
            if goal and goal not in known:
                known[goal] = (*known[place], action)
                todo.append(goal)
    return None


def longest(action: Action, place: Where, menus: Candidates, flows: FlowSet) -> Action:
    """Return an action with the longest text that a handler takes which takes this one.

    Args:
        action: The action.
        place: Where it is done.
        menus: What handlers want.
        flows: The bot's flows.
    """
    if not isinstance(action, Say) or action.text[:1] == "/" or not place:
        return action
    flow, state = place[-1]
    for handler in flows.tables[flow].by_state.get(state, ()):
        inputs = menus.inputs(handler)
        if action in inputs.accepted or action in inputs.odd:
            said = [each for each in (*inputs.accepted, *inputs.odd) if isinstance(each, Say)]
            text = max((each.text for each in said), key=lambda text: len(text.encode()))
            return attrs.evolve(action, text=text)
    return action


async def grown(begin: SearchState, cycle: Sequence[Action], attempt: Try) -> None:
    """Go a round again and again, until nothing changes any more.

    Args:
        begin: Where.
        cycle: The round.
        attempt: Does an action; returns what comes of it.
    """
    spot, met = begin, set[Signature]()
    for _ in range(ROUNDS):
        for action in cycle:
            child = await attempt(spot, action)
            if child is None:
                return
            spot = child
        if spot.place != begin.place or spot.signature in met:
            return
        met.add(spot.signature)
