"""What the command writes: reports as JSON, files, and nothing of what the user's own code prints.

Standard output is for scripts. What a bot's file prints while it is loaded, and its handlers while they are
tried, goes to standard error, also what is written past `sys.stdout` (a subprocess, `os.write`).
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError


def print_json(shown: Any) -> None:
    """Print JSON that a person can read too."""
    echo(as_json(shown))


def as_json(shown: Any) -> str:
    """Return JSON, indented."""
    return json.dumps(shown, indent=2, ensure_ascii=False)


def write(path: str, content: str | bytes) -> None:
    """Write a file.

    Raises:
        CommandError: If that is not possible.
    """
    try:
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error


@contextlib.contextmanager
def prints_to_stderr() -> Generator[None]:
    """Send to standard error what is printed meanwhile."""
    with _descriptor(1, sys.stdout, 2, sys.stderr), contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _descriptor(number: int, stream: Any, other: int, target: Any) -> Generator[None]:
    """Point a file descriptor at another one, where the streams are really those of the process."""
    try:
        real = stream.fileno() == number and target.fileno() == other
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):  # replaced by a test, or closed
        real = False
    if not real:
        yield
        return
    stream.flush()
    kept = os.dup(number)
    os.dup2(other, number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
