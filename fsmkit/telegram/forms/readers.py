"""How the text of an answer becomes a value: one reader for each thing that may stand in `parse=`.

A reader raises `ValueError` with a sentence for the person. What it accepts can always be stored: a person
must not be able to write a number that breaks the commit.
"""

import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import attrs

MAX_INT = 2**63 - 1
"""JSON's numbers are 64 bits wide in msgspec; longer ones cannot be read back."""


@attrs.frozen(eq=False)
class Reader:
    """Reads one kind of answer.

    Attributes:
        read: The value of a text; raises `ValueError`.
        pattern: What every text that can be read looks like, `None` for any.
    """

    read: Callable[[str], Any]
    pattern: str | re.Pattern[str] | None = None


def reader_of(parse: Any) -> Reader:
    """The reader for what stands in `parse=`.

    Args:
        parse: `str`, `int`, `float`, `Decimal`, `date`, a pattern that the whole text must match, or a
            function of the text that raises `ValueError`.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(parse, type) and parse in READERS:
        return READERS[parse]
    if isinstance(parse, re.Pattern):
        return Reader(_matching(parse), parse)
    if callable(parse):
        return Reader(parse)
    raise TypeError(f"parse={parse!r}: a type, a compiled pattern or a function of a text is needed")


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("Some text, please.")
    return text.strip()


def _int(text: str) -> int:
    try:
        number = int(text) if re.fullmatch(_INT, text) else None
    except ValueError:  # thousands of digits
        number = None
    if number is None or abs(number) > MAX_INT:
        raise ValueError("A whole number, please.")
    return number


def _float(text: str) -> float:
    number = float(text) if re.fullmatch(_NUMBER, text) else math.nan
    if not math.isfinite(number):
        raise ValueError("A number, please.")
    return number


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(_NUMBER, text):
        raise ValueError("A number, please.")
    return Decimal(text)


def _date(text: str) -> date:
    try:
        if not re.fullmatch(_DATE, text):
            raise ValueError(text)
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("A date like 2024-03-31, please.") from None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError("This does not look right. Please try again.")
        return text

    return read


_INT = r"[+-]?[0-9]+"
_NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

READERS: dict[type, Reader] = {
    str: Reader(_text),
    int: Reader(_int, _INT),
    float: Reader(_float, _NUMBER),
    Decimal: Reader(_decimal, _NUMBER),
    date: Reader(_date, _DATE),
}
