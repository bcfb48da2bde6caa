"""A real bot on SQLite, killed at the operations of a step: no update is lost, and none counts twice."""

import pytest
from faults.kills import kill_at_each

BOUNDED = 5
"""In the default suite every fifth operation; all of them where it may take longer."""


@pytest.mark.parametrize("press", [False, True], ids=["text", "press"])
@pytest.mark.parametrize("every", [BOUNDED, pytest.param(1, marks=pytest.mark.thorough)], ids=["some", "all"])
async def test_a_kill_loses_nothing_and_does_nothing_twice(tmp_path, press, every, record_property):
    found = await kill_at_each(tmp_path, press, every)
    record_property("kills", found.kills)
    record_property("doubled", found.doubled)
    assert found.kills >= 12 // every
    assert found.doubled <= found.kills
