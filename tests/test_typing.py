"""The type tests in `tests/typing`: plain files that two type checkers read and nobody runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TYPING = ROOT / "tests" / "typing"
REFUSED = TYPING / "refused.py"


def refused_lines() -> set[int]:
    return {n for n, line in enumerate(REFUSED.read_text().splitlines(), 1) if line.endswith("# refused")}


def mypy_errors(*files: Path) -> set[tuple[str, int]]:
    given = [sys.executable, "-m", "mypy", "--strict", "--python-version", "3.11", *map(str, files)]
    printed = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    found = {
        (Path(file).name, int(line))
        for file, line in re.findall(r"^(.+?):(\d+): error", printed, re.MULTILINE)
    }
    assert found or "Success" in printed, printed
    return found


def pyright_errors(*files: Path) -> set[tuple[str, int]]:
    given = [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error", *map(str, files)]
    printed = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return {
        (Path(found["file"]).name, found["range"]["start"]["line"] + 1)
        for found in json.loads(printed)["generalDiagnostics"]
        if found["severity"] == "error"
    }


@pytest.mark.parametrize("checker", [mypy_errors, pyright_errors])
def test_good_handlers_and_the_examples_pass_and_wrong_ones_are_flagged_where_they_are_wrong(checker):
    examples = sorted((ROOT / "examples").rglob("*.py"))
    found = checker(TYPING / "accepted.py", REFUSED, *examples)
    assert found == {(REFUSED.name, line) for line in refused_lines()}
