"""How the command says that it cannot do what it was asked: a line on standard error, exit status 2 or 1."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, Any

import click

from fsmkit.errors import DefinitionError


class CommandError(click.ClickException):
    """Bad input; nothing was done.

    Args:
        problem: What is wrong, where, and what to do: one sentence or two.
    """

    exit_code = 2

    def __init__(self, problem: str) -> None:
        super().__init__(" ".join(problem.split()))

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the line."""
        click.echo(f"fsmkit: {self.message}", file=file, err=True)


class NothingThere(CommandError):
    """What was asked for is not there; exit status 1, so that a script can tell it from bad input."""

    exit_code = 1


@contextmanager
def definition_errors() -> Generator[None]:
    """Makes a refusal of what is wrong with flows as they are put together."""
    try:
        yield
    except DefinitionError as error:
        raise CommandError(str(error)) from error
