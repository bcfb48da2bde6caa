"""Memory over time: nothing is left of conversations that have ended, however many there were."""

import runpy
import tracemalloc
from pathlib import Path

import pytest

soak = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "soak.py"))["soak"]


async def waves(conversations, wave):
    tracemalloc.start()
    try:
        return [left async for left in soak(conversations, wave)]
    finally:
        tracemalloc.stop()


def assert_flat(left):
    assert {(each.rows, each.turns, each.tasks) for each in left} == {(0, 0, 0)}
    first, last = (
        left[1],
        left[-1],
    )  # the first two waves fill what is bounded by count: 1,024 rows, their data
    # A pointer would be eight bytes; what this test notes of each wave is less than one a conversation.
    assert (last.traced - first.traced) / (last.conversations - first.conversations) < 8


async def test_nothing_is_left_of_four_thousand_conversations():
    assert_flat(await waves(4_000, 1_000))


@pytest.mark.thorough
async def test_nothing_is_left_of_a_forty_thousand_conversations():
    assert_flat(await waves(40_000, 5_000))
