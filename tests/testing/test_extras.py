"""What is imported when: the extra `test` is asked for only by what needs it, and in clear words."""

import subprocess
import sys

import pytest
from wizards import wizard

import fsmkit.testing
from fsmkit.testing import check


def test_importing_the_test_tools_brings_neither_hypothesis_nor_pytest_nor_telegram():
    code = "import sys, fsmkit.testing; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"hypothesis", "pytest", "telegram"} & set(done.stdout.split()) == set()


@pytest.mark.parametrize("phase", ["random", "parallel"])
def test_without_hypothesis_its_phases_say_what_to_install(phase, monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("explore.random_walk", "explore.concurrent"):
        monkeypatch.delitem(sys.modules, f"fsmkit.testing.{name}", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fsmkit\[test\]'"):
        check(wizard(2), phases=[phase])


def test_without_hypothesis_the_other_phases_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert check(wizard(2), phases=["lint", "tours"]).ok


def test_every_listed_name_is_there():
    assert [name for name in fsmkit.testing.__all__ if not hasattr(fsmkit.testing, name)] == []


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Chatt'"):
        fsmkit.testing.Chatt  # noqa: B018
