"""The parallel phase: several people at once, under drawn schedules, held against all sequential orders.

What comes of things that are done at the same time must be what comes of them in some order, one after the
other (linearizability). The beginning is had again in a fresh bot for each order, so that what handlers share
beside the store is compared too.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import hypothesis
from hypothesis import Phase, Verbosity, given
from hypothesis import strategies as st

from fsmkit.testing.acts import Act, Together
from fsmkit.testing.conversation import Conversation
from fsmkit.testing.findings import Problem
from fsmkit.testing.machine import HEALTH, PICK
from fsmkit.testing.menus import Menus, presses
from fsmkit.testing.moments import signature_of
from fsmkit.testing.shortening import plainer
from fsmkit.testing.stages.direct import DirectStage
from fsmkit.testing.stages.sights import NotThereError

PEOPLE = (1, 2, 3)
Begin = Callable[[], Conversation]
HOW = st.sampled_from([0, 0, 0, 1, 2])
"""Mostly the plainest input."""


async def race(begin: Begin, beginning: Sequence[Act], act: Together) -> Problem | None:
    """Whether what comes of several things at once comes of them in no order.

    Args:
        begin: Begins a conversation in a fresh bot.
        beginning: What was done before.
        act: What is done at once.

    Raises:
        NotThereError: If that cannot be done.
    """
    talk = await _begun(begin, beginning)
    await talk.stage.do(act)
    real = await _outcome(talk.stage)
    if talk.stage.errors:
        return None  # a problem of its own, found by whoever does it alone
    for order in itertools.permutations(act.acts):
        for resting in (False, True):  # the outcome of a job may come before the next act, or after it
            other = await _begun(begin, beginning, talk.stage)
            if real == await _in_order(other.stage, order, resting=resting):
                return None
    shown = "; ".join(real[1]) or "nothing"
    return Problem("race", f"{act.line()} ends as in no order of these (shown: {shown})", None)


async def shorter(begin: Begin, beginning: Sequence[Act], act: Together) -> tuple[tuple[Act, ...], Together]:
    """The same race with less before it, and by a plainer schedule."""
    best = (tuple(beginning), act)
    improved = True
    while improved:
        improved = False
        for candidate in _candidates(*best):
            try:
                if await race(begin, *candidate) is not None:
                    best, improved = candidate, True
                    break
            except NotThereError:
                continue
    return best


def search(
    runner: asyncio.Runner, begin: Begin, *, seed: int, examples: int, end: float
) -> tuple[list[tuple[tuple[Act, ...], Together]], int]:
    """Draws beginnings, acts and schedules until a race is found; races, and how many were had.

    Args:
        runner: Its loop is a `DrawnLoop`.
        begin: Begins a conversation in a fresh bot.
        seed: Makes it repeatable.
        examples: How many are drawn.
        end: When to give up, on the monotonic clock.
    """
    menus, count = Menus(), 0
    found: list[tuple[tuple[Act, ...], Together]] = []

    async def had(before: list[tuple[int, int]], picks: list[int], schedule: list[int]) -> None:
        talk = begin()
        beginning: list[Act] = []
        for (which, how), user in itertools.product(before, PEOPLE[:2]):  # they come to the same place
            await _do(talk, await _chosen(talk.stage, menus, user, which, how), beginning)
        people = zip(PEOPLE, picks, strict=False)
        drawn = [await _chosen(talk.stage, menus, user, which, 0) for user, which in people]
        acts = [act for act in drawn if act is not None]
        if len(acts) > 1:
            together = Together(acts, schedule)
            if await race(begin, beginning, together) is not None:
                found.append(await shorter(begin, beginning, together))

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        verbosity=Verbosity.quiet,
        phases=[Phase.generate],
        suppress_health_check=HEALTH,
    )
    @given(
        st.lists(st.tuples(PICK, HOW), max_size=6),
        st.one_of(PICK.map(lambda which: [which] * 2), st.lists(PICK, min_size=2, max_size=3)),
        st.lists(st.integers(0, 2), max_size=16),
    )
    def draw(before: list[tuple[int, int]], picks: list[int], schedule: list[int]) -> None:
        nonlocal count
        if not found and time.monotonic() < end:
            count += 1
            try:
                runner.run(had(before, picks, schedule))
            except NotThereError:
                return

    draw()
    return found, count


async def _in_order(stage: DirectStage, acts: Sequence[Act], *, resting: bool) -> tuple[Any, Any]:
    """What comes of acts one after the other."""
    if not resting:
        await stage.do_each(acts)
        return await _outcome(stage)
    lines: list[str] = []
    for act in acts:
        lines += (await stage.do(act)).shown
    return (await _outcome(stage))[0], Counter(lines)


async def _begun(begin: Begin, beginning: Sequence[Act], beside: DirectStage | None = None) -> Conversation:
    talk = begin()
    if beside is not None:
        talk.stage.beside(beside)
    for act in beginning:
        await talk.stage.do(act)
    return talk


async def _outcome(stage: DirectStage) -> tuple[Any, Any]:
    """Where everybody stands, and what was seen by the last act."""
    rows = [signature_of(await stage.row(user)) for user in PEOPLE]
    return rows, Counter(stage.lines)


async def _do(talk: Conversation, act: Act | None, done: list[Act]) -> None:
    if act is None:
        return
    try:
        await talk.stage.do(act)
    except NotThereError:
        return
    done.append(act)


async def _chosen(stage: DirectStage, menus: Menus, user: int, which: int, how: int) -> Act | None:
    """Something that some handler wants of a person."""
    row = await stage.row(user)
    dishes = menus.dishes(stage.running.flows, row, "")
    lists: list[Sequence[Act]] = [dish.acts for dish in dishes if dish.acts]
    if shown := presses(stage, user):
        lists.insert(0, shown)
    if not lists:
        return None
    acts = lists[which % len(lists)]
    return attrs.evolve(acts[how % len(acts)], user=user)


def _candidates(beginning: tuple[Act, ...], act: Together) -> list[tuple[tuple[Act, ...], Together]]:
    """Shorter ones first: without an act of the beginning, with a person less, with a plainer schedule."""
    found = [(beginning[:n] + beginning[n + 1 :], act) for n in range(len(beginning))]
    found += [
        ((*beginning[:n], *plain, *beginning[n + 1 :]), act)
        for n, done in enumerate(beginning)
        for plain in plainer(done)
    ]
    if len(act.acts) > 2:
        parts = [act.acts[:n] + act.acts[n + 1 :] for n in range(len(act.acts))]
        found += [(beginning, attrs.evolve(act, acts=part)) for part in parts]
    schedule = act.schedule
    turns = [
        schedule[:-1],
        *((*schedule[:n], 0, *schedule[n + 1 :]) for n, turn in enumerate(schedule) if turn),
    ]
    return found + [(beginning, attrs.evolve(act, schedule=order)) for order in turns if schedule]
