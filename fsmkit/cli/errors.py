"""How the command says that it cannot do what it was asked: a line on standard error, exit status 2 or 1."""

from typing import IO, Any

import click

from fsmkit.cli.echo import echo
from fsmkit.errors import FsmkitError, MissingExtra


class CommandError(click.ClickException):
    """Bad input; nothing was done.

    Args:
        problem: What is wrong, where, and what to do: one sentence or two.
    """

    exit_code = 2

    def __init__(self, problem: str) -> None:
        super().__init__(" ".join(problem.split()))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the line."""
        echo(f"fsmkit: {self.message}", file=file, err=True)


class NothingThere(CommandError):
    """What was asked for is not there; exit status 1, so that a script can tell it from bad input."""

    exit_code = 1


class Commands(click.Group):
    """Commands whose errors of fsmkit (a file, its flows, a store) end them with a line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; raise CommandError for what fsmkit refuses."""
        try:
            return super().invoke(ctx)
        except (FsmkitError, MissingExtra) as error:
            raise CommandError(str(error)) from error
