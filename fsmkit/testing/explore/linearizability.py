"""The worlds that a conversation may be in after several people did something at once.

There is one for each order in which they could have done it one after the other. Where none of them goes on
as the bot does, the bot has mixed them up.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from math import factorial, prod
from typing import Any

import attrs

from fsmkit.testing.harness.actions import Act, Together
from fsmkit.testing.harness.engine_driver import DirectStage, Saved
from fsmkit.testing.harness.observation import signature_of
from fsmkit.testing.harness.screen import NotThereError

MOST_ORDERS = 12
"""With more of them nothing is said: a bot that has not been held against all of them may be right."""


REPEATS = 6
"""How often the same is done again before a bot is taken to be predictable."""

Sight = tuple[object, ...]
"""All that is seen of a bot."""


Trace = list[Sight]


Order = tuple[int, ...]
"""Whose turn it is, by the numbers of lanes."""


Rests = tuple[bool, ...]
"""After which turns what was left behind is done before the next one."""


@attrs.frozen
class Past:
    """What was done so far.

    Attributes:
        before: Acts before the overlap.
        act: The overlap.
        after: Acts after it.
    """

    before: tuple[Act, ...]
    act: Together
    after: tuple[Act, ...] = ()

    @property
    def people(self) -> list[int]:
        """Who does something before or in the overlap."""
        return sorted({act.user for act in itertools.chain(self.before, *self.act.lanes)})


def orders(act: Together) -> Iterator[Order]:
    """The orders in which the acts of an overlap can come one after the other.

    Example:
        >>> from fsmkit.testing.harness.actions import Say
        >>> list(orders(Together([Say("a"), Say("b"), Say("c", user=2)])))
        [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    """
    numbers = [number for number, lane in enumerate(act.lanes) for _ in lane]
    yield from dict.fromkeys(itertools.permutations(numbers))


def _rests(act: Together, *, left: bool) -> Iterator[Rests]:
    """What is left behind may be done before any later act: each time at once is tried first."""
    every = itertools.product((True, False), repeat=len(act.acts) - 1)
    yield from ((*rests, True) for rests in itertools.islice(every, None if left else 1))


def count_of(act: Together) -> int:
    """How many orders there are."""
    lanes = [len(lane) for lane in act.lanes]
    return factorial(sum(lanes)) // prod(map(factorial, lanes))


class Worlds:
    """What a bot may do now that several people did something at once.

    Args:
        stage: The bot, to which it has just happened.
        past: What was done.
        start: The moment before it was done at once, if all that matters stands in it.

    Attributes:
        predictable: Whether the bot does the same again if the same is done; if not, nothing can be said.
        expected: What was last to be seen in the first order.
    """

    def __init__(self, stage: DirectStage, past: Past, start: Saved | None = None) -> None:
        self._stage = stage
        self._start = start
        self.past = past
        self.predictable = True
        self.expected: Sight = ()
        self._trace: Trace = []
        self._worlds: dict[tuple[Order, Rests], DirectStage] = {}

    async def begin(self) -> bool:
        """Whether the bot has done as in one of the orders."""
        if count_of(self.past.act) > MOST_ORDERS:
            self.predictable = False
            return True
        self._trace.append(await sight(self._stage, self.past.people))
        overlap = self._stage.overlap
        for rests in _rests(self.past.act, left=overlap is not None and overlap.left):
            for order in orders(self.past.act):
                stage, trace = await self._run(order, rests)
                self.expected = self.expected or trace[-1]
                if trace == self._trace:
                    self._worlds[(order, rests)] = stage
            if self._worlds:
                break
        return bool(self._worlds) or not await self._comes_again()

    async def go_on(self, act: Act) -> bool:
        """Whether the bot, which has done one more act, still does as in one of the orders."""
        self.past = attrs.evolve(self.past, after=(*self.past.after, act))
        self._trace.append(await sight(self._stage, self.past.people))
        for world, stage in [*self._worlds.items()]:
            self.expected = await _do(stage, act, self.past.people)
            if self.expected != self._trace[-1]:
                del self._worlds[world]
        return bool(self._worlds) or not await self._comes_again()

    def told(self) -> str:
        """What is wrong where no order is left."""
        acts = self.past.act.line().removeprefix("(at once) ")
        seen, expected = self._trace[-1], self.expected
        missing = [*(Counter(_lines(expected)) - Counter(_lines(seen)))]
        if missing:
            what = f"{missing[0]!r} is not shown, as in order it would be"
        elif seen[:1] == expected[:1]:
            what = "the messages come in an order in which they never come otherwise"
        else:
            what = "other data are stored"
        return f"at once {acts} ends as in no order one after the other: {what}"

    async def _comes_again(self) -> bool:
        """Whether the bot does the same each time that the same is done."""
        order = next(orders(self.past.act))
        first = (await self._run(order))[1]
        for _ in range(REPEATS):
            if (await self._run(order))[1] != first or (await self._run(None))[1] != self._trace:
                self.predictable = False
                break
        return self.predictable

    async def _run(self, order: Order | None, rests: Rests = ()) -> tuple[DirectStage, Trace]:
        """All of the past in another bot; in an order, or at once as it was."""
        stage, past = self._stage.twin(), self.past
        if self._start is not None:
            stage.restore(self._start)
        else:
            for act in past.before:
                await _do(stage, act, past.people)
        if order is None:
            await stage.do(past.act)
        else:
            await stage.do_in_order(past.act, order, rests or (True,) * len(order))
        trace = [await sight(stage, past.people)]
        trace += [await _do(stage, act, past.people) for act in past.after]
        return stage, trace


async def _do(stage: DirectStage, act: Act, people: Sequence[int]) -> Sight:
    try:
        await stage.do(act)
    except NotThereError:
        return ("not there",)
    return await sight(stage, people)


async def sight(stage: DirectStage, people: Sequence[int]) -> Sight:
    """All that can be seen of a bot: rows, screens, what the last act brought, and its resources.

    In a group nobody knows whose message comes first; there the order of messages does not count.
    """
    bubbles = [[(bubble.text, _texts(bubble.buttons)) for bubble in stage.bubbles(who)] for who in people]
    said = [stage.said(who) for who in people]
    if stage.chat is not None:
        bubbles, said = [sorted(shown) for shown in bubbles], [sorted(lines) for lines in said]
    rows = [signature_of(await stage.row(who)) for who in people]
    errors = sorted(f"{type(error).__name__}: {error}" for error in stage.errors)
    return (rows, bubbles, said, sorted(stage.lines), errors, stage.resources_as_value())


def _lines(sight: Sight) -> list[str]:
    lines = sight[3] if len(sight) > 3 else []
    return lines if isinstance(lines, list) else []


def _texts(rows: Any) -> list[list[str]]:
    return [[shown.text for shown in row] for row in rows]
