"""Two dozen planted bugs are found without test code, by short conversations; nothing is said of the bots without them.

By default one phase after the other until it is found; `pytest -m thorough` runs all as `ci` does, beside the bots
without a bug, and FSMKIT_PLANTED_SEEDS=10 with more seeds. `python -m tests.planted --seeds 10` prints figures.
"""

import os

import fresh_process
import pytest
from property.planted_bugs import PLANTED, WITHIN, run, with_bug

from fsmkit.testing import Profile

SEEDS = range(1, 1 + int(os.environ.get("FSMKIT_PLANTED_SEEDS", "1")))
QUICK = Profile(steps=4_000, examples=2, length=8, seconds=60.0, overlaps=10)
IDS = [path.stem for path in PLANTED]


def planted(name):
    """The file of a bot."""
    return next(path for path in PLANTED if path.stem == name)


@pytest.mark.parametrize("path", PLANTED, ids=IDS)
def test_a_planted_bug_is_found_in_seconds(path, tmp_path):
    wrong = with_bug(path, tmp_path)
    for phase in ("lint", "tours", "parallel"):
        found = run(wrong, seed=1, profile=QUICK, phases=[phase])
        if found.bug is not None:
            break
    assert found.bug is not None, f"{found.report}\nseed 1"
    assert found.length <= found.shortest + 1, str(found.bug)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("path", PLANTED, ids=IDS)
def test_a_planted_bug_is_found_by_a_short_conversation(path, seed, tmp_path):
    found = run(with_bug(path, tmp_path), seed)
    assert found.bug is not None, f"{found.report}\nseed {seed}"
    assert found.length <= found.shortest + 1, str(found.bug)
    assert found.seconds < WITHIN


def test_nothing_is_said_of_a_bot_without_a_bug_in_seconds():
    report = run(planted("charged_twice"), seed=1, profile=QUICK).report
    assert report.failures == [], f"{report}\nseed 1"


@pytest.mark.thorough
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("path", PLANTED, ids=IDS)
def test_nothing_is_said_of_the_bot_without_the_bug(path, seed):
    report = run(path, seed).report
    assert report.failures == [], f"{report}\nseed {seed}"


def test_there_are_two_dozen_bugs():
    assert len(PLANTED) >= 24


@pytest.mark.thorough
def test_a_bug_is_found_on_the_command_line(tmp_path):
    path = with_bug(planted("lost_update"), tmp_path)
    done = fresh_process.run("fsmkit", "test", str(path), "--resources", "Seats", "--seed", "1", cwd=tmp_path)
    assert done.returncode == 1
    assert "race: at once user 1: [Saturday] || user 2: [Saturday]" in done.stdout


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["second_photo", "charged_twice"])
def test_the_pasted_test_fails_as_it_stands_while_the_bug_is_there(name, tmp_path):
    right = planted(name)
    wrong = with_bug(right, tmp_path)
    found = run(wrong, seed=1, profile=QUICK, phases=["tours"])
    (tmp_path / "test_pasted.py").write_text(found.report.test(found.bug))
    pytest_of = ("pytest", "-q", "-p", "no:cacheprovider", "test_pasted.py")
    done = fresh_process.run(*pytest_of, cwd=tmp_path)
    assert (done.returncode, "1 failed" in done.stdout) == (1, True), done.stdout
    wrong.write_text(right.read_text())
    done = fresh_process.run(*pytest_of, cwd=tmp_path)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout
