"""Makes the conversation that shows a problem as short as it gets, and sure that it comes again."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import attrs

from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import (
    Action,
    Content,
    Killed,
    Meanwhile,
    Persona,
    Refused,
    Say,
    Swap,
    Together,
)
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.screen import NotThereError

TRIES = 400
"""Conversations that may be had to shorten one."""

MOST_PAIRS = 16
"""Actions of a conversation that is tried without each two of them."""


PLAIN = ("Ann", "1")
"""Texts that are read more easily than others."""

SIMPLE = ((), (1,), (0, 1), (1, 1), (0, 0, 1))
"""Schedules that are tried before others are made simpler step by step."""

Begin = Callable[[], Conversation]

Shown = tuple[tuple[Observation, ...], Problem]
"""A conversation, and the problem in its words."""


async def shortest(begin: Begin, actions: Sequence[Action], problem: Problem) -> Shown | None:
    """Return the shortest conversation found that shows a problem; `None` if it does not come again at all.

    Args:
        begin: Begins a conversation, in a fresh bot.
        actions: One that showed it.
        problem: What has to show again, by its code and place.
    """
    best = await again(begin, actions, problem)
    tries = TRIES
    while best is not None:
        for candidate in simpler([observation.action for observation in best[0]]):
            tries -= 1
            if tries < 0:
                return best
            found = await again(begin, candidate, problem)
            if found is not None:
                best = found
                break
        else:
            return best
    return best


async def again(begin: Begin, actions: Sequence[Action], problem: Problem) -> Shown | None:
    """Return a conversation up to where a problem shows, `None` if it does not; skip what cannot be done."""
    conversation = begin()
    for action in actions:
        try:
            problems = await conversation.do(action)
        except NotThereError:
            continue
        for found in problems:
            if (found.code, found.where) == (problem.code, problem.where):
                return tuple(conversation.observations), found
    return None


def simpler(actions: list[Action]) -> Iterator[list[Action]]:
    """Yield the same with actions left out, many at once first; then with plainer ones."""
    size = len(actions) // 2
    while size:
        for start in range(0, len(actions) - size + 1, size):
            yield actions[:start] + actions[start + size :]
        size //= 2
    if len(actions) <= MOST_PAIRS:
        for one, other in itertools.combinations(range(len(actions)), 2):
            yield [action for number, action in enumerate(actions) if number not in (one, other)]
    for number, action in enumerate(actions):
        for simple in plainer(action):
            yield [*actions[:number], *simple, *actions[number + 1 :]]


def plainer(action: Action) -> Iterator[Sequence[Action]]:
    """Yield an action without what went wrong with it, a text that is shorter."""
    if isinstance(action, Say):
        command, _, words = action.text.partition(" ")
        if action.text[:1] == "/" and words:
            yield [attrs.evolve(action, text=command)]
        elif action.text[:1] != "/" and action.text not in PLAIN:
            shorter = (action.text[: len(action.text) // 2], action.text[:-1])
            yield from ([attrs.evolve(action, text=text)] for text in (*PLAIN, *shorter) if text.strip())
    elif isinstance(action, Content) and action.caption:
        yield [attrs.evolve(action, caption=None)]
    elif isinstance(action, Meanwhile):
        yield [action.action]
        yield from ([action.action, other] for other in [action.other] if other is not None)
        yield from ([attrs.evolve(action, other=None)] for other in [action.other] if other is not None)
    elif isinstance(action, Persona):
        plain = (attrs.evolve(action, name="Ann"), attrs.evolve(action, username=None))
        yield from ([each] for each in (*plain, attrs.evolve(action, lang="en")) if each != action)
    elif isinstance(action, Killed | Refused):
        yield [action.action]
        yield from ([attrs.evolve(action, action=inner)] for [inner] in plainer(action.action))
    elif isinstance(action, Together):
        yield from _less_at_once(action)
    elif isinstance(action, Swap):
        yield [action.first]
        yield [action.second]
        yield [action.first, action.second]
        yield [action.second, action.first]


def _less_at_once(action: Together) -> Iterator[Sequence[Action]]:
    """Fewer actions, a schedule that is nearer to first come, first served, plainer actions."""
    if len(action.actions) == 1:  # nothing is at once with it
        yield [attrs.evolve(action.actions[0], user=1)]
        yield action.actions
    for number in range(len(action.actions)):
        rest = action.actions[:number] + action.actions[number + 1 :]
        # With one action less the choices have other numbers: some simple ones are tried, too.
        schedules = dict.fromkeys((*SIMPLE, action.schedule)) if rest else ()
        yield from ([attrs.evolve(action, actions=rest, schedule=schedule)] for schedule in schedules)
    for schedule in SIMPLE:
        if (len(schedule), sum(schedule)) < (len(action.schedule), sum(action.schedule)):
            yield [attrs.evolve(action, schedule=schedule)]
    for number, choice in enumerate(action.schedule):
        for less in range(choice):
            yield [
                attrs.evolve(
                    action, schedule=(*action.schedule[:number], less, *action.schedule[number + 1 :])
                )
            ]
    for number, each in enumerate(action.actions):
        for [plain] in plainer(each):
            yield [
                attrs.evolve(action, actions=(*action.actions[:number], plain, *action.actions[number + 1 :]))
            ]
