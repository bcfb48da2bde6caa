"""Texts that match a pattern as a whole, from the pattern itself: short ones, long ones, ends of ranges.

Python's own parser reads the pattern (`re._parser`, which `re.compile` uses too); what it gives is asked back
with `fullmatch`, so what is not understood here (look-around, flags) costs examples and is never wrong.
"""

import enum
import itertools
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Literal, get_args, get_origin
from uuid import UUID

import attrs

MOST = 32
"""Examples of one pattern."""


LONGEST = 3
"""Repetitions beyond the least that are tried."""


CATEGORIES = {
    ops.CATEGORY_DIGIT: "1590٣",
    ops.CATEGORY_WORD: "aZ5_é²",
    ops.CATEGORY_SPACE: " \t\n\xa0",
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
    for letter in range(LETTERS):  # the same place in every class, so that numbers look like numbers
        for extra in (0, 1, LONGEST, sys.maxsize):
            found |= dict.fromkeys(_texts(parsed, letter, extra))
    for count in range(min(_repetitions(parsed), MOST)):  # each alone one more, and at its greatest
        for extra in (1, sys.maxsize):
            found |= dict.fromkeys(_texts(_with_one_longer(parsed, count, extra), 0, 0))
    matched = [text for text in found if text.strip() and len(text) <= 4096 and pattern.fullmatch(text)]
    ordered = sorted(matched, key=len)
    longest = MOST // 4  # what is long counts too, where there is more than is tried
    return ordered if len(ordered) <= MOST else [*ordered[: MOST - longest], *ordered[-longest:]]


LETTERS = 12
"""Places in a class of letters that are tried: the ends of its ranges."""


def _repetitions(parsed: Any) -> int:
    """Return how many repetitions a parsed pattern has, those in its parts too."""
    return sum(
        (op in _REPEATS) + sum(_repetitions(part) for part in _inner(op, argument)) for op, argument in parsed
    )


def _with_one_longer(parsed: Any, number: int, extra: int) -> list[tuple[Any, Any]]:
    """Return a parsed pattern whose repetition of a number may be longer, all others as short as can be."""
    made: list[tuple[Any, Any]] = []
    for op, argument in parsed:
        inside = sum(_repetitions(part) for part in _inner(op, argument))
        if op in _REPEATS:
            least, most, inner = argument
            wanted = least if number else least + LONGEST if most == ops.MAXREPEAT else most
            count = min(wanted, least + extra)
            made.append((op, (count, count, _with_one_longer(inner, number - 1, extra))))
            number -= 1 + inside
        elif op is ops.SUBPATTERN:
            made.append((op, (*argument[:-1], _with_one_longer(argument[-1], number, extra))))
            number -= inside
        elif op is ops.BRANCH:
            branches: list[Any] = []
            for branch in argument[1]:
                branches.append(_with_one_longer(branch, number, extra))
                number -= _repetitions(branch)
            made.append((op, (argument[0], branches)))
        else:
            made.append((op, argument))
            number -= inside
    return made


def _inner(op: Any, argument: Any) -> list[Any]:
    """Return the patterns in a part of a pattern."""
    if op in _REPEATS:
        return [argument[2]]
    if op is ops.SUBPATTERN:
        return [argument[-1]]
    return list(argument[1]) if op is ops.BRANCH else []


_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)


def near(texts: list[str]) -> Iterator[str]:
    """Texts that are nearly these: a line break at the end, other digits, a letter more or less."""
    for text in texts[:6]:
        yield f"{text}\n"
        yield text + text[-1]
        yield text[:-1]
        yield text.translate(OTHER_DIGITS)
        yield text.swapcase()
        yield text.translate(FOLDED)
        yield f"{text} and more"


FOLDED = str.maketrans("sSkK", "ſſ\u212a\u212a")
"""Letters that a pattern takes for these where case is ignored, and that `lower` leaves what they are."""


OTHER_DIGITS = {ord(digit): chr(0x0660 + int(digit)) for digit in "0123456789"}
"""Arabic-Indic ones, which `\\d` and `int` take and `[0-9]` does not."""


def _texts(parsed: Any, letter: int, extra: int) -> list[str]:
    """Return a few texts for a parsed pattern: one for each branch, all else decided by the arguments."""
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
    if op in _REPEATS:
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


MOST_OBJECTS = 24
"""Instances of one class."""


DAYS = ((2027, 1, 15), (2028, 2, 29), (1969, 12, 31))


SCALARS: Mapping[Any, Sequence[Any]] = {
    bytes: [b"a", b""],
    Decimal: [Decimal(1), Decimal("0.10"), Decimal(0), Decimal(-1)],
    date: [date(*day) for day in DAYS],
    # None without a zone: what compares it with the time now would rightly raise.
    datetime: [datetime(year, month, day, 23, 59, tzinfo=UTC) for year, month, day in DAYS],
    time: [time(9), time(23, 59, 59, 999_999), time(0)],
    timedelta: [timedelta(hours=1), timedelta(days=30), timedelta(0), timedelta(seconds=-1)],
    UUID: [UUID(int=1), UUID(int=2)],
}
"""Values of the types that the store knows beside JSON's own: an ordinary one, then the corners."""


DEPTH = 4


def instances_of(kind: type, texts: Sequence[str] = (), numbers: Sequence[int | float] = ()) -> list[Any]:
    """Return a few instances of a class: each field at its values, one after the other; then the corners.

    Args:
        kind: An attrs class, a dataclass, a msgspec Struct, or a plain type.
        texts: Texts that are of interest.
        numbers: Numbers that are of interest.

    Example:
        >>> instances_of(bool)
        [True, False]
    """
    return _values(kind, list(texts), [*numbers, *(n + d for n in numbers for d in (1, -1))], DEPTH)[
        :MOST_OBJECTS
    ]


def _values(kind: Any, texts: list[str], numbers: list[int | float], depth: int) -> list[Any]:
    if kind in (int, float):
        return list(dict.fromkeys([kind(n) for n in (1, *numbers, 0, 2, 10, 100, -1)]))
    if kind is str:
        return [*texts, "a", "1", ""]
    if kind is bool:
        return [True, False]
    if kind in (None, type(None)):
        return [None]
    if isinstance(kind, type) and kind in SCALARS:
        return [*SCALARS[kind]]
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(kind)
    origin = get_origin(kind)
    if origin is Literal:
        return list(get_args(kind))
    if origin in (typing.Union, types.UnionType):
        return [value for part in get_args(kind) for value in _values(part, texts, numbers, depth)]
    if depth == 0:
        return []
    if origin is not None:
        return _containers(origin, get_args(kind), texts, numbers, depth - 1)
    if isinstance(kind, type):
        return _objects(kind, texts, numbers, depth - 1)
    return []


def _containers(origin: Any, parts: tuple[Any, ...], texts: list[str], numbers: Any, depth: int) -> list[Any]:
    if not isinstance(origin, type):
        return []
    if issubclass(origin, Mapping):
        keys, values = (_values(part, texts, numbers, depth) for part in parts)
        return [{}, *({key: value} for key in keys[:1] for value in values[:1])]
    if origin is tuple and parts and parts[-1] is not Ellipsis:
        columns = [_values(part, texts, numbers, depth)[:2] for part in parts]
        return [tuple(row) for row in itertools.islice(itertools.product(*columns), 4)]
    if issubclass(origin, Iterable) and parts:
        make: Any = origin if origin in (tuple, set, frozenset) else list
        return [make(), *(make([value]) for value in _values(parts[0], texts, numbers, depth)[:2])]
    return []


def _objects(kind: type, texts: list[str], numbers: Any, depth: int) -> list[Any]:
    """Instances with one field after the other at each of its values, the others at their first."""
    fields = _fields(kind)
    columns = {name: _values(of, texts, numbers, depth) for name, of in fields.items()}
    if any(not values for values in columns.values()):
        return _made(kind, {})
    made: list[Any] = []
    plain = {name: values[0] for name, values in columns.items()}
    made += _made(kind, plain)
    for name, values in columns.items():
        for value in values[: MOST_OBJECTS // 2] if made or len(columns) == 1 else values:
            made += [new for new in _made(kind, {**plain, name: value}) if new not in made]
    if not made:  # validators that look at several fields
        for row in itertools.islice(itertools.product(*columns.values()), 500):
            made += _made(kind, dict(zip(columns, row, strict=True)))
    return made[:MOST_OBJECTS]


def _fields(kind: type) -> dict[str, Any]:
    """Return the arguments of a class and their types."""
    try:
        hints = typing.get_type_hints(kind)
    except Exception:  # names that cannot be looked up from here
        return {}
    if attrs.has(kind):
        return {f.alias or f.name: hints.get(f.name, Any) for f in attrs.fields(kind) if f.init}
    names = getattr(kind, "__struct_fields__", None) or getattr(kind, "__dataclass_fields__", {})
    return {name: hints.get(name, Any) for name in names}


def _made(kind: type, values: dict[str, Any]) -> list[Any]:
    try:
        return [kind(**values)]
    except Exception:  # a validator refuses them
        return []
