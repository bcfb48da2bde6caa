"""The store of `docs/how-to/own-store.md` passes the store contract, as the page says."""

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-store.md"
CODE = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(page: list[str]) -> dict[str, Any]:
    """The names that the page's code defines."""
    names: dict[str, Any] = {"__name__": __name__}
    for code in page:
        exec(compile(code, str(PAGE), "exec"), names)
    return names


TestFileStore = run(CODE)["TestFileStore"]


def test_it_takes_about_a_hundred_lines():
    assert sum(len(code.splitlines()) for code in CODE[:3]) < 180
