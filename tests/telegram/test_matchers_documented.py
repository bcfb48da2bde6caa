"""The reference lists every matcher, and only those that there are."""

import inspect
import re
from pathlib import Path
from typing import get_origin

import fsmkit.telegram
from fsmkit.flow.matchers import Matcher

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "matchers.md"


def test_the_reference_lists_all_matchers():
    exported = {name: getattr(fsmkit.telegram, name) for name in fsmkit.telegram.__all__}
    matchers = {
        name
        for name, made in exported.items()
        if inspect.isfunction(made) and get_origin(made.__annotations__["return"]) is Matcher
    }
    table = [
        line.split("|")[1] for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    listed = {name for cell in table for name in re.findall(r"`([a-z]\w*)\(", cell)}
    assert listed == matchers
