"""Makes the conversation that shows a problem as short as it gets, and sure that it comes again."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import attrs

from fsmkit.testing.acts import Act, Content, Killed, Refused, Say, Swap
from fsmkit.testing.conversation import Conversation
from fsmkit.testing.findings import Problem
from fsmkit.testing.moments import Moment
from fsmkit.testing.stages.sights import NotThereError

TRIES = 400
"""Conversations that may be had to shorten one."""

MOST_PAIRS = 16
"""Acts of a conversation that is tried without each two of them."""
PLAIN = ("Ann", "1")
"""Texts that are read more easily than others."""

Begin = Callable[[], Conversation]


async def shortest(begin: Begin, acts: Sequence[Act], problem: Problem) -> tuple[Moment, ...] | None:
    """The shortest conversation found that shows a problem; `None` if it does not come again at all.

    Args:
        begin: Begins a conversation, in a fresh bot.
        acts: One that showed it.
        problem: What has to show again, by its code and place.
    """
    best = await again(begin, acts, problem)
    tries = TRIES
    while best is not None:
        for candidate in _simpler([moment.act for moment in best]):
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


async def again(begin: Begin, acts: Sequence[Act], problem: Problem) -> tuple[Moment, ...] | None:
    """A conversation up to where a problem shows, `None` if it does not; what cannot be done is left out."""
    conversation = begin()
    for act in acts:
        try:
            problems = await conversation.do(act)
        except NotThereError:
            continue
        if any((found.code, found.where) == (problem.code, problem.where) for found in problems):
            return tuple(conversation.moments)
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
    elif isinstance(act, Swap):
        yield [act.first]
        yield [act.second]
