"""The `fsmkit` command. Only its name; what takes long to import is imported by the command that needs it."""

from fsmkit.cli.commands import main

__all__ = ["main"]
