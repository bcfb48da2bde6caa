"""The loop of `fsmkit chat`: a line is read, carried out to its end, then the next one is read.

Reading blocks, and nothing runs meanwhile: what is shown never depends on how fast somebody types.
"""

import asyncio
import contextlib
import importlib
import io
import logging
import sys
from collections.abc import Generator, Iterator

import click

from fsmkit.cli.chat.lines import read
from fsmkit.cli.chat.mishaps import Warnings
from fsmkit.cli.chat.session import Session
from fsmkit.cli.chat.verbs import Misused, carry_out, press, say
from fsmkit.cli.loading import load
from fsmkit.cli.refusal import definition_errors
from fsmkit.cli.storing import open_named

PROMPT = "> "
LEAVING = frozenset({":quit", ":exit", ":q"})


def talk(target: str, *, lang: str, url: str) -> None:
    """Talks until `:quit` or the end of the input.

    Args:
        target: `FILE[:FLOW]`.
        lang: The person's language code.
        url: Where conversations are kept.

    Raises:
        Refusal: If the flows cannot be loaded or do not fit together, or the store cannot be used.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a stray byte must not end the chat
    with definition_errors():
        session = Session(lambda: load(target).flows, open_named(url), lang=lang, show=click.echo)
    names = ", ".join(flow.name for flow in session.flows)
    hint = f"Talking to {names}. Type text or /commands, 1 or :1 for button [1]; :help lists more."
    with _warnings_shown(session), asyncio.Runner() as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(session.begin(hint))
        try:
            for line in _lines():
                runner.run(_carry_out(session, line))
        finally:
            runner.run(session.end())


def _lines() -> Iterator[str]:
    """What is typed, line by line; what is piped in is echoed, so that the output reads as a transcript."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal:
        with contextlib.suppress(ImportError):  # not on Windows
            importlib.import_module("readline")  # gives `input` its history and editing
    while True:
        try:
            line = (input(PROMPT) if terminal else _piped()).strip()
        except EOFError:
            click.echo(nl=terminal)
            return
        if line and not terminal:
            click.echo(f"{PROMPT}{line}")
        if line in LEAVING:
            return
        if line:
            yield line


def _piped() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


async def _carry_out(session: Session, typed: str) -> None:
    latest = session.screen.latest
    line = read(typed, len(session.screen.buttons(latest)) if latest is not None else 0)
    try:
        if line.kind == "say":
            await say(session, line.text)
        elif line.kind == "press":
            await press(session, line.text)
        else:
            await carry_out(session, line.text, line.rest)
    except Misused as error:
        session.out(f"? {error}")


@contextlib.contextmanager
def _warnings_shown(session: Session) -> Generator[None]:
    """Shows fsmkit's own warnings in the chat, where they belong, and not on standard error too."""
    log, shown = logging.getLogger("fsmkit"), Warnings(session.out)
    log.addHandler(shown)
    before, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(shown)
        log.propagate = before
