"""How the command says that it cannot do what it was asked: a line on standard error, exit status 2 or 1."""

import re
from typing import IO, Any

import click

from fsmkit.cli.echo import echo
from fsmkit.errors import FsmkitError, MissingExtra

_TOKEN = re.compile(r"--?(bot[-_])?token(=.*)?|(-[^=]*=)?[\"']?\d{5,}:[\w-]{20,}[\"']?", re.ASCII | re.DOTALL)
"""An option for a token, or what looks like one."""


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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command line; raise CommandError for a token in it, which is never repeated."""
        if any(_TOKEN.fullmatch(arg) for arg in args):
            raise CommandError(
                "a token does not belong on the command line, where others on this machine see it and the "
                "shell keeps it. Put it into the environment: BOT_TOKEN=... fsmkit run FILE"
            )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; raise CommandError for what fsmkit refuses."""
        try:
            return super().invoke(ctx)
        except (FsmkitError, MissingExtra) as error:
            raise CommandError(str(error)) from error
