"""A real bot on SQLite, killed at some operations of a step, or in trouble: no update is lost, and none counts twice.

All operations, and all stores, are what `python -m tests.faults` is for.
"""

import pytest
from faults.crowd import kill_at_random
from faults.kills import QUICK, SITUATIONS, Found, kill_at_each
from faults.troubles import LockedFile, be_away, fail_at_each, fill_disk, flood, stand_still


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


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["500", "silence", "400"])
async def test_a_request_that_fails_costs_at_most_the_reply_that_was_refused_for_good(tmp_path, how):
    found = await fail_at_each(tmp_path, how, most=3)
    assert found.kills == 3
    assert found.is_well, found
    assert found.doubled <= (found.kills if how == "silence" else 0)


@pytest.mark.thorough
@pytest.mark.parametrize("what", ["locked", "full"])
async def test_a_file_that_cannot_be_written_for_a_while_loses_nothing(tmp_path, what):
    if what == "full":
        found = await fill_disk(tmp_path)
    else:
        file = LockedFile(tmp_path / "bot.db")
        found = await be_away(tmp_path, "sqlite bot.db", file.lock, file.unlock)
    assert (found.steps, found.doubled) == (8, 0)
    assert found.is_well, found


@pytest.mark.thorough
async def test_a_process_that_stood_still_longer_than_its_lease_does_nothing_twice(tmp_path):
    found = await stand_still(tmp_path, "sqlite bot.db")
    assert found.steps == 11
    assert found.is_well, found


@pytest.mark.thorough
async def test_a_flood_of_one_chat_holds_up_nobody_and_is_not_dropped(tmp_path):
    handled, usual, _, grown = await flood(tmp_path, messages=1_000, others=20)
    assert handled == 1_000
    assert usual <= 2.0  # 0.5 on a machine that does nothing else
    assert grown < 32
