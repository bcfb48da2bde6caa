"""Texts that match a pattern as a whole, from the pattern itself: short ones, long ones, ends of ranges.

Python's own parser reads the pattern (`re._parser`, which `re.compile` uses too); what it gives is asked back
with `fullmatch`, so what is not understood here (look-around, flags) costs examples and is never wrong.
"""

import re
import sys
from collections.abc import Iterator
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST = 24
"""Examples of one pattern."""
LONGEST = 3
"""Repetitions beyond the least that are tried."""
CATEGORIES = {
    ops.CATEGORY_DIGIT: "1590",
    ops.CATEGORY_WORD: "aZ5_",
    ops.CATEGORY_SPACE: " \t",
    ops.CATEGORY_NOT_DIGIT: "aZ-",
    ops.CATEGORY_NOT_WORD: "- !",
    ops.CATEGORY_NOT_SPACE: "aZ5-",
}
ORDINARY = "aZ5 -é"
"""Where any letter will do."""


def matching(pattern: re.Pattern[str]) -> list[str]:
    """Texts that match, the plainest first; none if the pattern is beyond this.

    Example:
        >>> matching(re.compile(r"[0-9]{1,3}"))[:5]
        ['1', '5', '9', '0', '11']
        >>> matching(re.compile("yes|no"))
        ['no', 'yes']
    """
    try:
        parsed = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    except (re.error, RecursionError):
        return []
    found: dict[str, None] = {}
    for letter in range(4):  # the same place in every class of letters, so that numbers look like numbers
        for extra in (0, 1, LONGEST, sys.maxsize):
            for text in _texts(parsed, letter, extra):
                if text.strip() and len(text) <= 4096 and pattern.fullmatch(text):
                    found[text] = None
    return sorted(found, key=len)[:MOST] if len(found) > MOST else list(dict.fromkeys(sorted(found, key=len)))


def near(texts: list[str]) -> Iterator[str]:
    """Texts that are nearly these: a line break at the end, other digits, a letter more or less."""
    for text in texts[:6]:
        yield f"{text}\n"
        yield text + text[-1]
        yield text[:-1]
        yield text.translate(OTHER_DIGITS)
        yield text.swapcase()
        yield f"{text} and more"


OTHER_DIGITS = {ord(digit): chr(0x0660 + int(digit)) for digit in "0123456789"}
"""Arabic-Indic ones, which `\\d` and `int` take and `[0-9]` does not."""


def _texts(parsed: Any, letter: int, extra: int) -> list[str]:
    """A few texts for a parsed pattern: one for each branch, all else decided by the arguments."""
    texts = [""]
    for op, argument in parsed:
        parts = _parts(op, argument, letter, extra)
        texts = [text + part for text in texts for part in parts][:MOST]
    return texts


def _parts(op: Any, argument: Any, letter: int, extra: int) -> list[str]:
    if op is ops.LITERAL:
        return [chr(argument)]
    if op is ops.NOT_LITERAL:
        return [_pick([c for c in ORDINARY if c != chr(argument)], letter)]
    if op is ops.ANY:
        return [_pick(ORDINARY[:3], letter)]
    if op is ops.IN:
        return [_pick(_letters(argument), letter)]
    if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
        least, most, inner = argument
        count = min(
            int(most), least + LONGEST if extra == sys.maxsize and most == ops.MAXREPEAT else least + extra
        )
        return [text * min(count, 4096) for text in _texts(inner, letter, extra)]
    if op is ops.SUBPATTERN:
        return _texts(argument[-1], letter, extra)
    if op is ops.ATOMIC_GROUP:
        return _texts(argument, letter, extra)
    if op is ops.BRANCH:
        return [text for branch in argument[1] for text in _texts(branch, letter, extra)]
    return [""]  # anchors and look-around; a reference to a group is out of reach


def _letters(items: list[tuple[Any, Any]]) -> list[str]:
    found: list[str] = []
    negated = items[0][0] is ops.NEGATE
    for op, argument in items:
        if op is ops.LITERAL:
            found.append(chr(argument))
        elif op is ops.RANGE:
            low, high = argument
            found += [chr(min(low + 1, high)), chr((low + high + 1) // 2), chr(high), chr(low)]
        elif op is ops.CATEGORY:
            found += CATEGORIES.get(argument, "a")
    return [letter for letter in ORDINARY if letter not in found] if negated else found


def _pick(letters: Any, number: int) -> str:
    return letters[number % len(letters)] if letters else ""
