"""A real bot on SQLite, killed at some operations of a step: no update is lost, and none counts twice.

All operations, and all stores, are what `python -m tests.faults` is for.
"""

import pytest
from faults.crowd import kill_at_random
from faults.kills import QUICK, SITUATIONS, Found, kill_at_each


def test_what_must_not_be_is_counted():
    found = Found()
    found.compare(["1: a", "2: b", "3: c"], ["1: a", "1: a", "3: c", "2: b"])
    assert (found.doubled, found.disordered, found.lost, found.twice, found.is_well) == (1, 1, 0, 0, False)
    found = Found()
    found.compare(["1: a", "2: b", "3: c"], ["1: a", "2: a", "3: b"])
    assert (found.lost, found.twice, found.steps, found.is_well) == (2, 2, 3, False)


@pytest.mark.thorough
@pytest.mark.parametrize("situation", sorted(SITUATIONS.keys() - QUICK))
async def test_a_kill_at_any_operation_loses_nothing_and_does_nothing_twice(tmp_path, situation):
    found = await kill_at_each(tmp_path, situation, every=12)
    assert found.kills
    assert found.is_well, found
    assert found.doubled <= found.kills


@pytest.mark.thorough
async def test_kills_at_random_moments_lose_nothing(tmp_path):
    found = await kill_at_random(tmp_path, kills=4, people=20)
    assert found.kills == 4
    assert found.is_well, found
