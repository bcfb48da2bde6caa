"""Carries out actions of several people at once, or one after the other in a given order.

What is prepared, and left to settle afterwards, is the same in both: the two can be compared.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import attrs

from fsmkit.testing.harness.actions import Action, Together
from fsmkit.testing.harness.background import JOB_PATIENCE, JOBS
from fsmkit.testing.harness.loop import ACT, DrawnLoop

Prepare = Callable[[Action], Any]
"""Makes the update of an action."""

Arrive = Callable[[Any], Awaitable[None]]
"""Gives an update to the bot."""

Begin = Callable[["Overlap", list[str]], None]
"""Is told of an overlap before anything happens in it."""

_lane: ContextVar[int | None] = ContextVar("fsmkit lane", default=None)
"""In whose doing the code runs; tasks that it begins inherit it."""


@attrs.define(eq=False)
class Overlap:
    """What happened, in its order.

    Attributes:
        people: Who did something, lane by lane.
        events: The number of the lane, `None` where it is not known, and what was done or seen.
        schedule: The choices that there were.
        left: Whether something went on by itself: a job, a task.
    """

    people: tuple[int, ...]
    events: list[tuple[int | None, str]] = attrs.field(factory=list[tuple[int | None, str]])
    schedule: tuple[int, ...] = ()
    left: bool = False

    def drawn(self) -> Iterator[str]:
        """Return a column for each lane, time going down."""
        cells = [(lane, line) for lane, text in self.events for line in text.splitlines()]
        heads = [f"user {person}" for person in self.people]
        widths = [
            max([len(head), *(len(line) for lane, line in cells if lane == number)])
            for number, head in enumerate(heads)
        ]
        for lane, line in cells:
            if lane is None:
                yield line
                continue
            row = [line if number == lane else "" for number in range(len(heads))]
            yield " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    def note(self, line: str) -> None:
        """Note what somebody sees, in the lane whose doing it is."""
        self.events.append((_lane.get(), line))


class _Noted(list[str]):
    """Lines that are noted when they come."""

    def __init__(self, overlap: Overlap) -> None:
        super().__init__()
        self._overlap = overlap

    def append(self, line: str, /) -> None:
        self._overlap.note(line)
        super().append(line)

    def __iadd__(self, lines: Any, /) -> "_Noted":  # type: ignore[misc, override]
        for line in lines:
            self.append(line)
        return self


async def together(action: Together, prepare: Prepare, arrive: Arrive, begin: Begin) -> None:
    """All lanes at once.

    Args:
        action: The action.
        prepare: Makes an update; all are made before any arrives, as if sent in quick succession.
        arrive: Gives it to the bot.
        begin: Is given the overlap, and the list to which lines are added that people see.

    Raises:
        NotThereError: If something cannot be done; nothing was done.
    """
    overlap, updates = _prepared(action, prepare, begin)
    await _all_have_had_a_turn()
    loop, before = _loop(), asyncio.all_tasks()
    with loop.drawn(action.schedule) as schedule:
        begun = loop.begun
        walks = [_walk(overlap, number, lane, arrive) for number, lane in enumerate(updates)]
        await asyncio.gather(
            *(loop.create_task(walk, name=f"{ACT}{number}") for number, walk in enumerate(walks))
        )
        await _settled(before)
        overlap.left = loop.begun - begun > len(walks)
    overlap.schedule = schedule.made


async def in_order(
    action: Together,
    order: Sequence[int],
    rests: Sequence[bool],
    prepare: Prepare,
    arrive: Arrive,
    begin: Begin,
) -> None:
    """One after the other.

    Args:
        action: The action.
        order: Whose turn it is, by the numbers of the lanes; each as often as the lane has actions.
        rests: After which of them what is left behind (a job, a task) is done before the next one comes.
        prepare: As for `together`.
        arrive: As for `together`.
        begin: As for `together`.

    Raises:
        NotThereError: If something cannot be done; nothing was done.
    """
    overlap, updates = _prepared(action, prepare, begin)
    await _all_have_had_a_turn()
    lanes, before = [iter(lane) for lane in updates], asyncio.all_tasks()
    with _loop().drawn((), behind=JOBS):
        for number, rest in zip(order, rests, strict=True):
            await _walk(overlap, number, [next(lanes[number])], arrive)
            if rest:
                await _settled(before)
        await _settled(before)
    _lane.set(None)


def _prepared(
    action: Together, prepare: Prepare, begin: Begin
) -> tuple[Overlap, list[list[tuple[str, Any]]]]:
    updates = [[(inner.line(), prepare(inner)) for inner in lane] for lane in action.lanes]
    overlap = Overlap(tuple(lane[0].user for lane in action.lanes))
    begin(overlap, _Noted(overlap))
    return overlap, updates


async def _walk(overlap: Overlap, number: int, lane: Sequence[tuple[str, Any]], arrive: Arrive) -> None:
    _lane.set(number)
    for line, update in lane:
        overlap.note(f"> {line}")
        await arrive(update)


async def _settled(before: set[asyncio.Task[Any]]) -> None:
    """Wait for tasks that were left behind, not for ever."""
    left = asyncio.all_tasks() - before
    if left:
        await asyncio.wait(left, timeout=JOB_PATIENCE)


async def _all_have_had_a_turn() -> None:
    """Let tasks of what was done before go on first: a schedule draws among those of what is done now."""
    await asyncio.sleep(0)


def _loop() -> DrawnLoop:
    loop = asyncio.get_running_loop()
    if not isinstance(loop, DrawnLoop):
        raise RuntimeError("what happens at once needs the event loop DrawnLoop")
    return loop
