"""Printing: what a person has typed, or a store holds, does nothing to the terminal that shows it."""

from typing import IO, Any

import click

_CONTROLS = {
    code: f"\\u{code:04x}"
    for code in (
        *(code for code in range(0x20) if chr(code) not in "\n\t"),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),  # these and the next change the direction of what follows
        *range(0x2066, 0x206A),
    )
}


def printable(text: str) -> str:
    """Return a text with its control characters written out; line feeds and tabs stay.

    Example:
        >>> print(printable("Ann \\x1b[2J"))
        Ann \\u001b[2J
    """
    return text.translate(_CONTROLS)


def echo(text: str = "", *, nl: bool = True, err: bool = False, file: IO[Any] | None = None) -> None:
    """Print a text as `printable` returns it.

    Args:
        text: The text; in JSON the control characters within strings stay what they are.
        nl: Whether a line feed follows.
        err: Whether it goes to standard error.
        file: Where it goes instead.
    """
    click.echo(printable(text), nl=nl, err=err, file=file)
