"""Patterns for which some text takes seconds: whoever sends it stops the bot for everybody.

Python's `re` tries one way through a pattern after the other. Where two parts of it may take the same
characters, as in `(a+)+b`, the number of ways can double with each character. Nothing is proved here: texts
that nearly match are made from texts that do, with a part of them repeated, and the time for each is taken.
"""

import functools
import itertools
import math
import re
import time
from collections.abc import Iterator
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from fsmkit.flow.messages import MAX_TEXT
from fsmkit.testing.inputs.values import matching

TOO_LONG = 1.0
"""Seconds for a text of `MAX_TEXT` characters, of processor time."""

ENOUGH = 0.02
"""Seconds from which on a time tells how it grows."""

LEAST = 1e-7
"""Seconds below which a time is taken for none."""

ATTEMPTS = 40
"""Texts that are tried for a pattern, each at all its lengths."""

TAIL = "\0\n"
"""What makes a text not match, whatever came before."""

_LOOPS = (ops.MAX_REPEAT, ops.MIN_REPEAT)


@functools.lru_cache(1024)
def slow_text(pattern: re.Pattern[str]) -> str | None:
    """Return a text that shows how long a pattern can take, `None` if none was found.

    Matching it takes some hundredths of a second; the longest text that Telegram sends, made in the same way,
    takes more than `TOO_LONG` seconds.

    Example:
        >>> slow_text(re.compile(r"[0-9]{1,3}")) is None
        True
        >>> slow_text(re.compile(r"(\\w+\\s?)+[.]")) is None
        False
    """
    if not _has_choices(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)):
        return None
    attempts = itertools.islice(dict.fromkeys(_attempts(matching(pattern))), ATTEMPTS)
    return next(filter(None, (_slow(pattern, prefix, pump) for prefix, pump in attempts)), None)


def _has_choices(parsed: Any, *, looping: bool = False) -> bool:
    """Return whether a text may be taken in many ways: loops or branches in a loop, loops side by side."""
    beside = 0
    for op, argument in parsed:
        if op in _LOOPS:
            if looping or _has_choices(argument[2], looping=True):
                return True
            beside += argument[1] == ops.MAXREPEAT
        elif op is ops.BRANCH:
            if looping or any(_has_choices(branch) for branch in argument[1]):
                return True
        elif op is ops.SUBPATTERN and _has_choices(argument[-1], looping=looping):
            return True
    return beside > 2  # two make the time grow with the square: 4,096 characters are no matter


def _attempts(texts: list[str]) -> Iterator[tuple[str, str]]:
    """Yield parts to be repeated, with what comes before them; the shortest first."""
    for width in (1, 2, 3):
        for text in texts:
            for start in range(min(len(text) - width + 1, 12)):
                yield text[:start], text[start : start + width]


def _slow(pattern: re.Pattern[str], prefix: str, pump: str) -> str | None:
    count = 4
    while len(text := prefix + pump * count + TAIL) <= MAX_TEXT:
        spent = _seconds(pattern, text)
        if spent > ENOUGH:
            half = max(_seconds(pattern, prefix + pump * (count // 2) + TAIL), LEAST)
            growth = math.log2(spent / half)  # 2 where the time grows with the square
            # A logarithm: what doubles with each character goes beyond what a float holds.
            expected = math.log(spent) + growth * math.log(MAX_TEXT / len(text))
            return text if expected > math.log(TOO_LONG) else None
        count += max(1, count // 5) if count > 32 else 1
    return None


def _seconds(pattern: re.Pattern[str], text: str) -> float:
    """Return the processor time that matching takes: the least of three times, where it is long."""
    spent = math.inf
    for _ in range(3):
        start = time.thread_time()
        pattern.fullmatch(text)
        spent = min(spent, time.thread_time() - start)
        if spent < ENOUGH:
            break
    return spent
