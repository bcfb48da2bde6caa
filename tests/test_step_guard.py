"""The guard of the step's calls notices what is added, and says what to do."""

import asyncio
import json

import pytest

from fsmkit.telegram import FlowHandler
from tests.benchmarks import guard

LITTLE = {"WARM": 20, "COUNTED": 10, "TRACED": 2, "STEPS": {"text": guard.text}}


@pytest.fixture(scope="module")
def counts(tmp_path_factory):
    """The counts of a text step as it is, from a short run, as the file keeps them."""
    file = tmp_path_factory.mktemp("guard") / "guard.json"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in LITTLE.items():
            patch.setattr(guard, name, value)
        assert guard.main("--accept", file=file) == 0
    return file.read_text()


@pytest.fixture
def kept(counts, monkeypatch, tmp_path):
    """A file with these counts; a short run counts anew."""
    for name, value in LITTLE.items():
        monkeypatch.setattr(guard, name, value)
    file = tmp_path / "guard.json"
    file.write_text(counts)
    return file


@pytest.fixture
def counted(kept, monkeypatch):
    """Nothing is counted anew: what is compared with the file is what it held at first."""
    content = json.loads(kept.read_text())
    monkeypatch.setattr(guard, "counted", lambda: content["counts"])
    return kept


def planted(monkeypatch, work):
    """Let each step do some work besides."""
    check = FlowHandler.check_update

    def check_update(self, update):
        work()
        return check(self, update)

    monkeypatch.setattr(FlowHandler, "check_update", check_update)


def test_the_same_step_passes_again(kept, capsys):
    assert guard.main(file=kept) == 0
    assert "MORE" not in capsys.readouterr().out


def test_calls_that_are_added_to_the_step_fail_with_what_to_do(kept, monkeypatch, capsys):
    planted(monkeypatch, lambda: [each() for each in [lambda: None] * 12])
    assert guard.main(file=kept) == 1
    out = capsys.readouterr().out
    assert "MORE: text: " in out
    assert " calls a step, +" in out
    assert "python -m tests.benchmarks.guard --accept" in out


def test_memory_that_is_taken_and_freed_again_is_noticed(kept, monkeypatch, capsys):
    before = json.loads(kept.read_text())["counts"]["text"]

    def blocks():
        one = b"%d" % 1000
        two = b"%d" % 2000
        three = b"%d" % 3000
        four = b"%d" % 4000
        five = b"%d" % 5000
        return one, two, three, four, five

    planted(monkeypatch, blocks)
    assert guard.main(file=kept) in (0, 1)
    after = float(capsys.readouterr().out.partition(" blocks")[0].rpartition(", ")[2])
    assert after >= before["blocks"] + 5


def test_coroutines_are_counted_once_however_often_they_go_on():
    async def waits():
        for _ in range(3):
            await asyncio.sleep(0)

    counts = asyncio.run(guard.calls_of(lambda update: waits(), [1, 2]))
    assert counts["coroutines"] == 4  # `waits` and, three times, `sleep`


def test_a_step_with_fewer_calls_passes_and_the_file_may_be_lowered(counted, capsys):
    content = json.loads(counted.read_text())
    content["counts"]["text"]["calls"] *= 2
    counted.write_text(json.dumps(content))
    assert guard.main(file=counted) == 0
    assert "may be lowered: python -m tests.benchmarks.guard --accept" in capsys.readouterr().out


def test_another_python_is_named_and_not_compared(counted, capsys):
    content = json.loads(counted.read_text())
    content["versions"]["Python"] = "3.99.0"
    content["counts"]["text"]["calls"] = 1.0
    counted.write_text(json.dumps(content))
    assert guard.main(file=counted) == 0
    out = capsys.readouterr().out
    assert "(was 3.99.0)" in out
    assert "not compared" in out


def test_another_version_of_ptb_is_named_and_compared(counted, capsys):
    content = json.loads(counted.read_text())
    content["versions"]["python-telegram-bot"] = "21.0"
    content["counts"]["text"]["calls"] = 1.0
    counted.write_text(json.dumps(content))
    assert guard.main(file=counted) == 1
    assert "(was 21.0)" in capsys.readouterr().out
