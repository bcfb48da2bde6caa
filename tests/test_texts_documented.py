"""The texts that fsmkit says by itself stand in one table of the docs, with what they are by default."""

import re
from pathlib import Path

from fsmkit.flow.flow import DEFAULT_TEXTS

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "texts.md"


def test_the_table_of_texts_has_each_one_and_its_default():
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: None if default == "nothing" else default.strip('"') for name, default in rows}
    assert told == DEFAULT_TEXTS
