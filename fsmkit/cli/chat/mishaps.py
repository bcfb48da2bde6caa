"""What goes wrong inside of the bot, in a line or two that name the user's own code."""

import logging
import re
from collections.abc import Callable

from fsmkit.cli.blame import place_in_user_code
from fsmkit.errors import FsmkitError

MAX_LENGTH = 300
MAX_VALUE = 100


def describe(error: BaseException) -> list[str]:
    """An exception of a handler: what and where, then flow, state and handler.

    Args:
        error: The exception, with the notes that the engine has put onto it.
    """
    said = str(error)
    place = place_in_user_code(error)
    if place is not None or not isinstance(error, FsmkitError):  # the texts of most of ours name the place
        said = f"{type(error).__name__}: {said}".removesuffix(": ")
    lines = [f"! {one_line(f'{place}: {said}' if place else said)}"]
    for note in getattr(error, "__notes__", ()):
        if note.startswith("fsmkit: "):
            where = re.sub(r", key [^,]*", "", note.removeprefix("fsmkit: "))
            lines.append(f"  in {one_line(where)}; nothing was changed")
    return lines


class Warnings(logging.Handler):
    """Shows what fsmkit warns of, among the lines of the chat.

    Args:
        show: Prints a line.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record as one line; long values in it are cut, so that its end, the reason, is seen."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _Brief(arg) if not isinstance(arg, int | float) else arg for arg in record.args
            )
        self._show(f"! {one_line(record.getMessage())}")


class _Brief:
    """A value that is written in few letters, by `%s` and by `%r`."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __str__(self) -> str:
        text = str(self._value)
        return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"

    __repr__ = __str__


def one_line(text: str) -> str:
    """A text without line breaks, and not longer than can be read."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LENGTH else f"{line[: MAX_LENGTH - 1]}…"
