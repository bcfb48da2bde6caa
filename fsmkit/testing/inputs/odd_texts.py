"""Texts that naive code breaks on, chosen by what the code does with its input.

People do send them: digits of their own script, a name that is one emoji, a text as long as Telegram allows,
a number that is none. Which of them matter is read from the code (`fsmkit.testing.inputs.reading`): what is
neither split nor parsed breaks on none of them, and would cost time only.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Final

from fsmkit.flow.messages import MAX_TEXT
from fsmkit.testing.inputs.reading import Clues

MOST = 40
"""Odd texts for one handler."""

DIGITS: Final = ("٣", "２", "²", "①", "½", "Ⅷ", "೨5")
"""Where `isdigit`, `isdecimal`, `isnumeric` and `int` disagree."""

INTEGERS: Final = ("0", "-1", "-0", "007", "+5", "1_000", "1.5", "1e5", "1,000")

HUGE: Final = ("9223372036854775808", "-9223372036854775809", "9" * 30)
"""Beyond 64 bits, which is what JSON's numbers have here; no memory and no loop is as long."""

FLOATS: Final = ("nan", "inf", "-inf", "1e309", "-0.0", "0.29", "1_0.5", "1,5", "0", "-1.5", ".5")

DECIMALS: Final = ("NaN", "sNaN", "Infinity", "1E+30", "-0", "0.005", "1,5", "0", "-1")

DATES: Final = ("2028-02-29", "2027-02-29", "2026-12-31", "0001-01-01", "9999-12-31", "2030-13-01")

DAYS: Final = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2028-02-29T12:30:00",
        "2026-12-31T23:59:59",
        "9999-12-31T23:59:59",
        "0001-01-01T00:00:00",
        "1900-02-28T00:00:00",
        "2030-06-15T10:30:00",
    )
)
"""Edges of the calendar, a time in the past, and one to come; without a zone, as `strptime` reads them."""

MARKUP: Final = ("a<b", "<b>", "Tom & Jerry", "&lt;", "a_b", "*", "[x](y", "`", "5 > 3 (really!)", "a.b-c")

MARKS: Final = ("!", "...", "—", "\u0301", "\u200b", "\u2800")
"""What has no letter, no digit, or nothing that can be seen."""

SCRIPTS: Final = ("İ", "ß", "ŉ", "Σς", "👩‍👩‍👧", "مرحبا", "\u202eabc")
"""Letters whose number changes with `lower` and `upper`, joined emoji, right to left."""

SEPARATORS: Final = (" ", ",", ";", "-", ":", "/", "x", "@", "=", ".", "|", "\n", ", ", "_")

WORDS: Mapping[str, tuple[str, ...]] = {
    "int": (*DIGITS, *INTEGERS),
    "isdigit": DIGITS,
    "isnumeric": DIGITS,
    "isdecimal": ("٣", "２"),
    "isalnum": (*DIGITS, "é"),
    "isalpha": ("é", "ж", "ª"),
    "float": (*FLOATS, "٣"),
    "Decimal": DECIMALS,
    "Fraction": ("1/0", "1/3", "nan"),
    "fromisoformat": (*DATES, "2030-06-15T10:30", "2030-06-15T10:30+02:00", "23:59", "10:30", "20300615"),
    "split": ("Ann", "Ann Lee", "Ann Lee Kim"),
    "partition": ("Ann",),
    "splitlines": ("a\nb", "a"),
    "lower": SCRIPTS[:4],
    "upper": SCRIPTS[:4],
    "title": SCRIPTS[:4],
    "capitalize": SCRIPTS[:4],
    "casefold": SCRIPTS[:4],
    "strip": MARKS,
    "match": MARKS,
    "fullmatch": MARKS,
    "search": MARKS,
    "findall": MARKS,
    "finditer": MARKS,
    "sub": MARKS,
    "encode": ("é", "ж😀", "漢"),
    "ord": ("👩‍👩‍👧", "ab"),
    "loads": ("{", "[]", "1", "null", '"a"', "NaN", "{}"),
    "b64decode": ("a", "é"),
    "fromhex": ("a", "zz"),
    "eval": ("1/0", "("),
    "literal_eval": ("(", "a"),
    "format": ("{", "{0}", "{x}"),
    "format_map": ("{", "{0}", "{x}"),
    "parse_mode": MARKUP,
    "open": ("a\0b", "../x", "x" * 300),
    "Path": ("a\0b", "..", "x" * 300),
    "ZoneInfo": ("Europe/Berlin", "Europe/berlin", "../x", "Nowhere"),
    "timezone": ("Europe/Berlin", "UTC+2"),
    "email": ("a@b", "a@b.", "@b.c", "a b@c.d", "é@b.c"),
    "phone": ("+", "+43 1", "00431234567", "(1) 2-3"),
    "url": ("http://", "http://[", "//x", "x.y"),
    "urlparse": ("http://[", "http://a:b/", "x"),
    "ip_address": ("256.1.1.1", "::1", "1"),
}
"""What breaks a function, a method or what goes by a keyword, by its name."""


def odd_texts(clues: Clues) -> list[str]:
    """Return the texts that code may break on, those that break most code first.

    Args:
        clues: What the code says of its inputs.

    Example:
        >>> from fsmkit.testing.inputs.reading import clues_of
        >>> "²" in odd_texts(clues_of(lambda event: int(event.text) if event.text.isdigit() else 0))
        True
        >>> "²" in odd_texts(clues_of(lambda event: event.text))
        False
    """
    found = dict.fromkeys(text for text in _by_name(clues) if text.strip() and len(text) <= MAX_TEXT)
    return list(found)[:MOST]


def _by_name(clues: Clues) -> Iterator[str]:
    names = clues.names | {kind for kind in ("email", "phone", "url") if _mentions(clues, kind)}
    yield from _dates(clues)
    lists = [WORDS[name] for name in sorted(names & WORDS.keys())]
    if "int" in names and "range" not in names:
        lists.append(HUGE if not clues.multiplies else HUGE[2:])
    if names & {"split", "rsplit", "partition", "rpartition"}:
        lists.append(tuple(_separated(clues)))
    if names & {"startswith", "removeprefix", "endswith", "removesuffix", "strip", "lstrip", "rstrip"}:
        lists.append(tuple(_affixed(clues)))
    if "len" in names or "wrap" in names:
        lists.append(tuple(_long(clues)))
    for place in range(max(map(len, lists), default=0)):  # in turn: a cut takes something of each
        yield from (each[place] for each in lists if place < len(each))
    yield from ("\u200b", "👩‍👩‍👧", "<", "x" * MAX_TEXT, "漢" * MAX_TEXT)


def _mentions(clues: Clues, what: str) -> bool:
    return any(what in name.lower() for name in clues.names)


def _dates(clues: Clues) -> Iterator[str]:
    """Yield edges of the calendar as the formats have it that the code names."""
    for text in clues.texts:
        if "%" in text and re.search(r"%[dmyYHMSjBbAp]", text):
            yield from (written(day, text) for day in DAYS)
            yield written(DAYS[0], text).replace("29", "31", 1)


def written(day: datetime | date, form: str) -> str:
    """Return a day in a format, its year in four digits on every platform.

    Example:
        >>> written(date(1, 2, 3), "%d.%m.%Y")
        '03.02.0001'
    """
    return day.strftime(form.replace("%Y", f"{day.year:04}"))


def _separated(clues: Clues) -> Iterator[str]:
    """Yield too few parts, and too many, and empty ones."""
    for separator in [text for text in clues.texts if text in SEPARATORS or len(text) == 1][:6]:
        yield f"1{separator}2"
        yield f"a{separator}b"
        yield separator
        yield f"a{separator}"
        yield f"{separator}b"
        yield f"a{separator}b{separator}c"


def _affixed(clues: Clues) -> Iterator[str]:
    """Yield what begins or ends with something, and that alone."""
    for text in [text for text in clues.texts if len(text) <= 12][:8]:
        yield text
        yield f"{text}1"
        yield f"{text}a"
        yield f"a{text}"
        yield text * 2


def _long(clues: Clues) -> Iterator[str]:
    """Yield texts whose length is about a number that the code names."""
    for number in clues.numbers:
        if isinstance(number, int) and 0 < number <= MAX_TEXT:
            yield from ("x" * length for length in (number, number - 1, number + 1) if 0 < length <= MAX_TEXT)
