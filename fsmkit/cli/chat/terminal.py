"""The loop of `fsmkit chat`: a line is read, carried out to its end, then the next one is read.

Reading blocks, and nothing runs meanwhile: what is shown never depends on how fast somebody types.
"""

import asyncio
import contextlib
import importlib
import io
import logging
import re
import sys
from collections.abc import Generator, Iterator
from typing import Literal

import attrs

from fsmkit.cli.chat.commands import Misused, carry_out, may_be_a_press, press, say
from fsmkit.cli.chat.session import ChatSession, Flows, Warnings
from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError
from fsmkit.cli.test import StoredConversation, chosen, split_number, stored_conversations
from fsmkit.stores.urls import open_store
from fsmkit.testing.harness.actions import Say
from fsmkit.testing.inputs.handlers import inputs_of
from fsmkit.testing.loading import load

_PRESS = re.compile(r"[:#](\d{1,3})", re.ASCII)


_NUMBER = re.compile(r"\d{1,3}", re.ASCII)


_VERB = re.compile(r":([A-Za-z]{2,})(?:\s+(.*))?", re.DOTALL)


@attrs.frozen
class TypedLine:
    """A line, read.

    Attributes:
        kind: `say`, `press` or `verb`.
        text: What is said, the number of the button, or the name of the command.
        rest: What stands after the command.
    """

    kind: Literal["say", "press", "verb"]
    text: str
    rest: str = ""


def read(typed: str, buttons: int) -> TypedLine:
    """Read a line.

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
        return TypedLine("press", found[1])
    if _NUMBER.fullmatch(typed) and 1 <= int(typed) <= buttons:
        return TypedLine("press", typed)
    if found := _VERB.fullmatch(typed):
        return TypedLine("verb", found[1].lower(), (found[2] or "").strip())
    return TypedLine("say", typed)


PROMPT = "> "


LEAVING = frozenset({":quit", ":exit", ":q"})


def talk(target: str, *, lang: str, url: str, replay: str | None = None) -> None:
    """Talks until `:quit` or the end of the input.

    Args:
        target: `FILE[:FLOW]`.
        lang: The person's language code.
        url: Where conversations are kept.
        replay: `JSON[:N]`: a report of `fsmkit test`, whose N-th conversation is had first.

    Raises:
        CommandError: If the flows cannot be loaded or do not fit together, or the store cannot be used,
            or the report cannot be read.
    """
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a stray byte must not end the chat
    session = ChatSession(lambda: load(target).flows, open_store(url), lang=lang, show=echo)
    had = _had(replay, session) if replay is not None else None
    names = ", ".join(flow.name for flow in session.flows)
    commands = ", ".join(_entries(session.flows))
    begin = f"; begin with {commands}" if commands else ""
    hint = f"Talking to {names}{begin}. Type text or /commands, 1 or :1 for button [1]; :help lists more."
    with _warnings_shown(session), asyncio.Runner() as runner, contextlib.suppress(KeyboardInterrupt):
        runner.run(session.begin(hint))
        try:
            if had is not None:
                runner.run(_have(session, had))
            for line in _lines():
                runner.run(_carry_out(session, line))
        finally:
            runner.run(session.end())


def _had(replay: str, session: ChatSession) -> StoredConversation:
    """Return the conversation that is to be had again."""
    path, number = split_number(replay)
    had = chosen(stored_conversations(path, session.flows), path, number)
    if had.chat is not None:
        raise CommandError(
            f"{replay} takes place in a group, and this is a private chat: `fsmkit test --replay` can"
        )
    return had


async def _have(session: ChatSession, had: StoredConversation) -> None:
    """Has a conversation, as if it was typed."""
    session.out(f"({had.about})")
    for act in had.acts:
        session.out(f"{PROMPT}{act.by()}{act.line()}")
        await session.act(act)


def _entries(flows: Flows) -> list[str]:
    """Return the commands that begin a conversation, one for each handler that takes some."""
    entries = [handler for flow in flows for handler in flow.handlers if None in handler.selectors]
    taken = [[act.text for act in inputs_of(entry).accepted if isinstance(act, Say)] for entry in entries]
    commands = [next((text for text in texts if text.startswith("/")), "") for texts in taken]
    return list(dict.fromkeys(filter(None, commands)))


def _lines() -> Iterator[str]:
    """Yield what is typed, line by line; echo what is piped in, so that the output is a transcript."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal:
        with contextlib.suppress(ImportError):  # not on Windows
            importlib.import_module("readline")  # gives `input` its history and editing
    while True:
        try:
            line = (input(PROMPT) if terminal else _piped()).strip()
        except EOFError:
            echo(nl=terminal)
            return
        if line and not terminal:
            echo(f"{PROMPT}{line}")
        if line in LEAVING:
            return
        if line:
            yield line


def _piped() -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line


async def _carry_out(session: ChatSession, typed: str) -> None:
    latest = session.screen.latest
    line = read(typed, len(session.screen.buttons(latest)) if latest is not None else 0)
    try:
        if line.kind == "say":
            if may_be_a_press(session, line.text):
                session.out(f"(says {line.text}; `:{line.text}` presses the button above)")
            await say(session, line.text)
        elif line.kind == "press":
            await press(session, line.text)
        else:
            await carry_out(session, line.text, line.rest)
    except Misused as error:
        session.out(f"? {error}")


@contextlib.contextmanager
def _warnings_shown(session: ChatSession) -> Generator[None]:
    """Show fsmkit's own warnings in the chat, where they belong, and not on standard error too."""
    log, shown = logging.getLogger("fsmkit"), Warnings(session.out)
    log.addHandler(shown)
    before, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(shown)
        log.propagate = before
