"""Texts and numbers that a handler compares with: the constants in its code, tried as inputs.

Without them a secret word, or the one amount that is handled differently, would never be guessed.
"""

from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from fsmkit.results import LENGTHS

LONGEST = 64
RESULTS = frozenset(LENGTHS)
"""What begins a result is no input."""


def constants_of(*functions: Callable[..., Any] | None) -> tuple[list[str], list[int | float]]:
    """Texts and numbers in the code of functions, those of nested ones too.

    Example:
        >>> constants_of(lambda event: event.text == "sesame" or event.n > 7)
        (['sesame'], [7])
    """
    texts: dict[str, None] = {}
    numbers: dict[int | float, None] = {}
    for function in functions:
        for value in _constants(function):
            if isinstance(value, str) and 0 < len(value) <= LONGEST and value not in RESULTS:
                texts[value] = None
            elif isinstance(value, int | float) and not isinstance(value, bool):
                numbers[value] = None
    return list(texts), list(numbers)


def _constants(function: Any) -> Iterator[Any]:
    while callable(wrapped := getattr(function, "__wrapped__", None)):
        function = wrapped
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if isinstance(code, CodeType):
        yield from _in_code(code, skip_first=function.__doc__)


def _in_code(code: CodeType, skip_first: str | None = None) -> Iterator[Any]:
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _in_code(value)
        elif isinstance(value, tuple | frozenset):
            yield from value
        elif value is not None and value != skip_first:
            yield value
