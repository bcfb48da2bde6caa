"""The ways of the tours once more, as other people, at other times, and with odd texts in the data.

The tours know by which action each edge was first taken. From a place that is like a known one, but for who
talks, when, or what was written, the same actions are done again: what is different there shows in a problem,
and not in an edge. This costs as many actions as there are edges, for each variant.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeAlias

from fsmkit.testing.explore.search_state import SearchState
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.observation import Place

Where: TypeAlias = tuple[Place, ...]

Try = Callable[[SearchState, Action], Awaitable[SearchState | None]]


class Firsts:
    """By which actions edges were first taken, by the place that they leave."""

    def __init__(self) -> None:
        self._actions: dict[Where, dict[Action, Where]] = {}

    def add(self, place: Where, action: Action, goal: Where) -> None:
        """Note an action that took an edge that was not taken before, and where it led."""
        self._actions.setdefault(place, {}).setdefault(action, goal)

    def edges(self) -> Iterator[tuple[Where, Action, Where]]:
        """Yield all of them: from where, by what, where to."""
        for place, actions in self._actions.items():
            yield from ((place, action, goal) for action, goal in actions.items())

    def at(self, place: Where) -> list[Action]:
        """Return the actions that took edges from a place."""
        return list(self._actions.get(place, ()))

    def copy(self) -> "Firsts":
        """Return the same, to walk by while new ones are noted."""
        other = Firsts()
        other._actions = {place: dict(actions) for place, actions in self._actions.items()}
        return other


async def walk(begin: SearchState, firsts: Firsts, attempt: Try, most: int) -> int:
    """Do what is known to lead on, from a place and from each place that this leads to, once.

    Args:
        begin: The place.
        firsts: What leads on.
        attempt: Does an action at a place; returns what comes of it.
        most: How many actions may be done.

    Returns:
        How many were.
    """
    todo, met, done = [begin], {begin.place}, 0
    while todo:
        spot = todo.pop(0)
        for action in firsts.at(spot.place):
            if done >= most:
                return done
            done += 1
            child = await attempt(spot, action)
            if child is not None and child.place not in met:
                met.add(child.place)
                todo.append(child)
    return done


def in_turn(lists: Iterable[list[SearchState]]) -> list[SearchState]:
    """Return what stands in several lists, one of each in turn."""
    given = list(lists)
    longest = max(map(len, given), default=0)
    return [each[place] for place in range(longest) for each in given if place < len(each)]
