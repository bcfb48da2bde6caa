"""A real bot on SQLite, killed at the operations of a step: no update is lost, and none counts twice."""

import pytest
from faults.crowd import kill_at_random
from faults.kills import SITUATIONS, kill_at_each


async def test_a_kill_loses_nothing_and_does_nothing_twice(tmp_path):
    found = await kill_at_each(tmp_path, "text", every=8)
    assert found.kills >= 2
    assert found.doubled <= found.kills


@pytest.mark.thorough
@pytest.mark.parametrize("situation", SITUATIONS)
async def test_a_kill_at_any_operation_loses_nothing_and_does_nothing_twice(tmp_path, situation):
    found = await kill_at_each(tmp_path, situation, every=9)
    assert found.kills
    assert found.doubled <= found.kills


@pytest.mark.thorough
async def test_kills_at_random_moments_lose_nothing(tmp_path):
    found = await kill_at_random(tmp_path, kills=4, people=20)
    assert found.kills == 4
