"""What a typed line means: something said, a button pressed, or a command of the terminal's own."""

import re
from typing import Literal

import attrs

_PRESS = re.compile(r"[:#](\d{1,3})", re.ASCII)
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_VERB = re.compile(r":([A-Za-z]{2,})(?:\s+(.*))?", re.DOTALL)


@attrs.frozen
class Line:
    """A line, read.

    Attributes:
        kind: `say`, `press` or `verb`.
        text: What is said, the number of the button, or the name of the command.
        rest: What stands after the command.
    """

    kind: Literal["say", "press", "verb"]
    text: str
    rest: str = ""


def read(typed: str, buttons: int) -> Line:
    """Reads a line.

    A bare number presses a button only where the bot's latest message has one of that number: an age, a
    quantity or a year must stay a text everywhere else. `:)` and `:D` are texts, no commands.

    Args:
        typed: The line, not empty.
        buttons: How many buttons the bot's latest message has.

    Example:
        >>> read("1", buttons=2).kind, read("1", buttons=0).kind, read(":1", buttons=0).kind
        ('press', 'say', 'press')
    """
    if found := _PRESS.fullmatch(typed):
        return Line("press", found[1])
    if _NUMBER.fullmatch(typed) and 1 <= int(typed) <= buttons:
        return Line("press", typed)
    if found := _VERB.fullmatch(typed):
        return Line("verb", found[1].lower(), (found[2] or "").strip())
    return Line("say", typed)
