"""What the widgets have in common: what is said to somebody who writes, and the buttons that turn pages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fsmkit.flow.flow import in_language
from fsmkit.flow.messages import Button
from fsmkit.flow.states import Prompt

Words = Prompt | Mapping[str, str] | None
"""A prompt, or a mapping of languages to texts."""

PRESS = "Please press one of the buttons."


PAGE = re.compile(r"page (\d+)")
"""The value of a button that turns to a page, counted from 0."""


def spoken(words: Words) -> Prompt | None:
    """Words as a prompt."""
    if not isinstance(words, Mapping):
        return words

    def said(ctx: Any) -> str | None:
        return in_language(words, ctx.lang)

    return said


def pages(items: Sequence[object], per_page: int) -> int:
    """How many pages there are; an empty list has one."""
    return max(1, -(-len(items) // per_page))


def turner(page: int, count: int) -> list[list[Button]]:
    """A row that turns pages; none where there is only one page."""
    if count == 1:
        return []
    before, after = (page - 1) % count, (page + 1) % count
    shown = Button(f"{page + 1}/{count}", f"page {page}")
    return [[Button("←", f"page {before}"), shown, Button("→", f"page {after}")]]
