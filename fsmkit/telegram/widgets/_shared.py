"""What the widgets have in common: what is said to somebody who writes, and the buttons that turn pages."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from fsmkit.flow.flow import in_language
from fsmkit.flow.messages import Button
from fsmkit.flow.states import Prompt

Words = Prompt | Mapping[str, str] | None
"""A prompt, or a mapping of languages to texts."""

NUMERIC = {
    "{d:02}.{m:02}.{y}": "az be bg cs da de et fi hr hy is ka kk lv mk nb nn no pl ro ru sk sl sr tr uk",
    "{d:02}/{m:02}/{y}": "ar ca el es fr gl hi id it ms pt th vi en-au en-gb en-ie en-in en-nz",
    "{d:02}-{m:02}-{y}": "nl",
    "{m:02}/{d:02}/{y}": "en-us",
    "{y}/{m:02}/{d:02}": "fa",
    "{y}. {m:02}. {d:02}.": "hu ko",
    "{y}年{m}月{d}日": "ja zh",
}
"""How dates are written, as the Unicode CLDR has it (https://cldr.unicode.org), by language code. Others, as
`en` and `sv`, have 2024-03-31, which nobody misreads."""

_FORMATS = {language: form for form, languages in NUMERIC.items() for language in languages.split()}


def written_date(day: date, lang: str | None) -> str:
    """Return a day as people of a language write it.

    Example:
        >>> written_date(date(2024, 3, 31), "de-AT"), written_date(date(2024, 3, 31), "en")
        ('31.03.2024', '2024-03-31')
    """
    code = (lang or "").lower().replace("_", "-")
    form = _FORMATS.get(code) or _FORMATS.get(code.split("-")[0])
    return day.isoformat() if form is None else form.format(d=day.day, m=day.month, y=day.year)


PRESS = "Please press one of the buttons."


PAGE = re.compile(r"page (\d+)")
"""The value of a button that turns to a page, counted from 0."""


def spoken(words: Words) -> Prompt | None:
    """Return words as a prompt."""
    if not isinstance(words, Mapping):
        return words

    def said(ctx: Any) -> str | None:
        return in_language(words, ctx.lang)

    return said


def pages(items: Sequence[object], per_page: int) -> int:
    """Return how many pages there are; an empty list has one."""
    return max(1, -(-len(items) // per_page))


def turner(page: int, count: int) -> list[list[Button]]:
    """Return a row that turns pages; none where there is only one page."""
    if count == 1:
        return []
    before, after = (page - 1) % count, (page + 1) % count
    shown = Button(f"{page + 1}/{count}", f"page {page}")
    return [[Button("←", f"page {before}"), shown, Button("→", f"page {after}")]]
