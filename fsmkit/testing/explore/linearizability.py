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

from fsmkit.testing.harness.actions import Action, Together
from fsmkit.testing.harness.engine_driver import EngineDriver, Saved
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
        action: The overlap.
        after: Acts after it.
    """

    before: tuple[Action, ...]
    action: Together
    after: tuple[Action, ...] = ()

    @property
    def people(self) -> list[int]:
        """Who does something before or in the overlap."""
        return sorted({action.user for action in itertools.chain(self.before, *self.action.lanes)})


def orders(action: Together) -> Iterator[Order]:
    """The orders in which the actions of an overlap can come one after the other.

    Example:
        >>> from fsmkit.testing.harness.actions import Say
        >>> list(orders(Together([Say("a"), Say("b"), Say("c", user=2)])))
        [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
    """
    numbers = [number for number, lane in enumerate(action.lanes) for _ in lane]
    yield from dict.fromkeys(itertools.permutations(numbers))


def _rests(action: Together, *, left: bool) -> Iterator[Rests]:
    """What is left behind may be done before any later action: each time at once is tried first."""
    every = itertools.product((True, False), repeat=len(action.actions) - 1)
    yield from ((*rests, True) for rests in itertools.islice(every, None if left else 1))


def count_of(action: Together) -> int:
    """How many orders there are."""
    lanes = [len(lane) for lane in action.lanes]
    return factorial(sum(lanes)) // prod(map(factorial, lanes))


class Worlds:
    """What a bot may do now that several people did something at once.

    Args:
        driver: The bot, to which it has just happened.
        past: What was done.
        start: The observation before it was done at once, if all that matters stands in it.

    Attributes:
        predictable: Whether the bot does the same again if the same is done; if not, nothing can be said.
        expected: What was last to be seen in the first order.
    """

    def __init__(self, driver: EngineDriver, past: Past, start: Saved | None = None) -> None:
        self._stage = driver
        self._start = start
        self.past = past
        self.predictable = True
        self.expected: Sight = ()
        self._trace: Trace = []
        self._worlds: dict[tuple[Order, Rests], EngineDriver] = {}

    async def begin(self) -> bool:
        """Whether the bot has done as in one of the orders."""
        if count_of(self.past.action) > MOST_ORDERS:
            self.predictable = False
            return True
        self._trace.append(await sight(self._stage, self.past.people))
        overlap = self._stage.overlap
        for rests in _rests(self.past.action, left=overlap is not None and overlap.left):
            for order in orders(self.past.action):
                driver, trace = await self._run(order, rests)
                self.expected = self.expected or trace[-1]
                if trace == self._trace:
                    self._worlds[(order, rests)] = driver
            if self._worlds:
                break
        return bool(self._worlds) or not await self._comes_again()

    async def go_on(self, action: Action) -> bool:
        """Whether the bot, which has done one more action, still does as in one of the orders."""
        self.past = attrs.evolve(self.past, after=(*self.past.after, action))
        self._trace.append(await sight(self._stage, self.past.people))
        for world, driver in [*self._worlds.items()]:
            self.expected = await _do(driver, action, self.past.people)
            if self.expected != self._trace[-1]:
                del self._worlds[world]
        return bool(self._worlds) or not await self._comes_again()

    def told(self) -> str:
        """What is wrong where no order is left."""
        actions = self.past.action.line().removeprefix("(at once) ")
        seen, expected = self._trace[-1], self.expected
        missing = [*(Counter(_lines(expected)) - Counter(_lines(seen)))]
        if missing:
            what = f"{missing[0]!r} is not shown, as in order it would be"
        elif seen[:1] == expected[:1]:
            what = "the messages come in an order in which they never come otherwise"
        else:
            what = "other data are stored"
        return f"at once {actions} ends as in no order one after the other: {what}"

    async def _comes_again(self) -> bool:
        """Whether the bot does the same each time that the same is done."""
        order = next(orders(self.past.action))
        first = (await self._run(order))[1]
        for _ in range(REPEATS):
            if (await self._run(order))[1] != first or (await self._run(None))[1] != self._trace:
                self.predictable = False
                break
        return self.predictable

    async def _run(self, order: Order | None, rests: Rests = ()) -> tuple[EngineDriver, Trace]:
        """All of the past in another bot; in an order, or at once as it was."""
        driver, past = self._stage.twin(), self.past
        if self._start is not None:
            driver.restore(self._start)
        else:
            for action in past.before:
                await _do(driver, action, past.people)
        if order is None:
            await driver.do(past.action)
        else:
            await driver.do_in_order(past.action, order, rests or (True,) * len(order))
        trace = [await sight(driver, past.people)]
        trace += [await _do(driver, action, past.people) for action in past.after]
        return driver, trace


async def _do(driver: EngineDriver, action: Action, people: Sequence[int]) -> Sight:
    try:
        await driver.do(action)
    except NotThereError:
        return ("not there",)
    return await sight(driver, people)


async def sight(driver: EngineDriver, people: Sequence[int]) -> Sight:
    """All that can be seen of a bot: rows, screens, what the last action brought, and its resources.

    In a group nobody knows whose message comes first; there the order of messages does not count.
    """
    bubbles = [[(bubble.text, _texts(bubble.buttons)) for bubble in driver.bubbles(who)] for who in people]
    if driver.chat is not None:
        bubbles = [sorted(shown) for shown in bubbles]
    rows = [signature_of(await driver.row(who)) for who in people]
    errors = sorted(f"{type(error).__name__}: {error}" for error in driver.errors)
    return (rows, bubbles, sorted(driver.lines), errors, driver.resources_as_value())


def _lines(sight: Sight) -> list[str]:
    lines = sight[2] if len(sight) > 2 else []
    return lines if isinstance(lines, list) else []


def _texts(rows: Any) -> list[list[str]]:
    return [[shown.text for shown in row] for row in rows]
