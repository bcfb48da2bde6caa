"""Makes the conversation that shows a problem as short as it gets, and sure that it comes again."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import attrs

from fsmkit.testing.explore.conversation import Conversation
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Act, Content, Killed, Refused, Say, Swap, Together
from fsmkit.testing.harness.observation import Moment
from fsmkit.testing.harness.screen import NotThereError

TRIES = 400
"""Conversations that may be had to shorten one."""

MOST_PAIRS = 16
"""Acts of a conversation that is tried without each two of them."""


PLAIN = ("Ann", "1")
"""Texts that are read more easily than others."""

SIMPLE = ((), (1,), (0, 1), (1, 1), (0, 0, 1))
"""Schedules that are tried before others are made simpler step by step."""

Begin = Callable[[], Conversation]

Shown = tuple[tuple[Moment, ...], Problem]
"""A conversation, and the problem in its words."""


async def shortest(begin: Begin, acts: Sequence[Act], problem: Problem) -> Shown | None:
    """The shortest conversation found that shows a problem; `None` if it does not come again at all.

    Args:
        begin: Begins a conversation, in a fresh bot.
        acts: One that showed it.
        problem: What has to show again, by its code and place.
    """
    best = await again(begin, acts, problem)
    tries = TRIES
    while best is not None:
        for candidate in _simpler([moment.act for moment in best[0]]):
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


async def again(begin: Begin, acts: Sequence[Act], problem: Problem) -> Shown | None:
    """A conversation up to where a problem shows, `None` if it does not; what cannot be done is left out."""
    conversation = begin()
    for act in acts:
        try:
            problems = await conversation.do(act)
        except NotThereError:
            continue
        for found in problems:
            if (found.code, found.where) == (problem.code, problem.where):
                return tuple(conversation.moments), found
    return None


def _simpler(acts: list[Act]) -> Iterator[list[Act]]:
    """The same with acts left out, many at once first; then with plainer ones."""
    size = len(acts) // 2
    while size:
        for start in range(0, len(acts) - size + 1, size):
            yield acts[:start] + acts[start + size :]
        size //= 2
    if len(acts) <= MOST_PAIRS:
        for one, other in itertools.combinations(range(len(acts)), 2):
            yield [act for number, act in enumerate(acts) if number not in (one, other)]
    for number, act in enumerate(acts):
        for simple in plainer(act):
            yield [*acts[:number], *simple, *acts[number + 1 :]]


def plainer(act: Act) -> Iterator[Sequence[Act]]:
    """An act without what went wrong with it, a text that is shorter."""
    if isinstance(act, Say):
        command, _, words = act.text.partition(" ")
        if act.text[:1] == "/" and words:
            yield [attrs.evolve(act, text=command)]
        elif act.text[:1] != "/" and act.text not in PLAIN:
            shorter = (act.text[: len(act.text) // 2], act.text[:-1])
            yield from ([attrs.evolve(act, text=text)] for text in (*PLAIN, *shorter) if text.strip())
    elif isinstance(act, Content) and act.caption:
        yield [attrs.evolve(act, caption=None)]
    elif isinstance(act, Killed | Refused):
        yield [act.act]
        yield from ([attrs.evolve(act, act=inner)] for [inner] in plainer(act.act))
    elif isinstance(act, Together):
        yield from _less_at_once(act)
    elif isinstance(act, Swap):
        yield [act.first]
        yield [act.second]


def _less_at_once(act: Together) -> Iterator[Sequence[Act]]:
    """Fewer acts, a schedule that is nearer to first come, first served, plainer acts."""
    if len(act.acts) == 1:  # nothing is at once with it
        yield [attrs.evolve(act.acts[0], user=1)]
        yield act.acts
    for number in range(len(act.acts)):
        rest = act.acts[:number] + act.acts[number + 1 :]
        # With one act less the choices have other numbers: some simple ones are tried, too.
        schedules = dict.fromkeys((*SIMPLE, act.schedule)) if rest else ()
        yield from ([attrs.evolve(act, acts=rest, schedule=schedule)] for schedule in schedules)
    for schedule in SIMPLE:
        if (len(schedule), sum(schedule)) < (len(act.schedule), sum(act.schedule)):
            yield [attrs.evolve(act, schedule=schedule)]
    for number, choice in enumerate(act.schedule):
        for less in range(choice):
            yield [attrs.evolve(act, schedule=(*act.schedule[:number], less, *act.schedule[number + 1 :]))]
    for number, each in enumerate(act.acts):
        for [plain] in plainer(each):
            yield [attrs.evolve(act, acts=(*act.acts[:number], plain, *act.acts[number + 1 :]))]
