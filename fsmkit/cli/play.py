"""`fsmkit play`: the page's server, the watch on the bot's files, and the browser that is opened."""

import asyncio
import contextlib
import threading
import webbrowser
from collections.abc import Iterable
from pathlib import Path

from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError
from fsmkit.cli.output import prints_to_stderr
from fsmkit.cli.test import chosen, split_number, stored_conversations
from fsmkit.play.bots import PlayedFlows
from fsmkit.play.session import Session

WATCH_EVERY = 0.3
"""Seconds between two looks at the files."""


def play(
    target: str, *, port: int, opens: bool, replay: str | None, resources: str | None, lang: str
) -> None:
    """Play a bot in the browser until the process is interrupted.

    Args:
        target: `FILE[:FLOW]`.
        port: Where the page is served; 0: any port that is free.
        opens: Whether the browser is opened.
        replay: `JSON[:N]`: a report of `fsmkit test`, whose N-th conversation is had first.
        resources: The name of what makes `ctx.resources`.
        lang: The people's language code.

    Raises:
        CommandError: If the flows, the report or the port cannot be used.
    """
    from fsmkit.play.server import PlayServer

    with prints_to_stderr():
        bot = PlayedFlows(target, resources=resources, lang=lang)
    session = Session(bot)
    if replay is not None:
        _replay(session, replay)
    try:
        server = PlayServer(session, port)
    except OSError as error:
        raise CommandError(f"port {port}: {error.strerror or error}. Give another one by --port") from error

    def ready() -> None:
        echo(server.url)
        if opens:
            webbrowser.open(server.url)

    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(session, over), name="fsmkit watch", daemon=True)
    session.begin()
    watch.start()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(ready))
    finally:
        over.set()
        session.end()


def _replay(session: Session, replay: str) -> None:
    path, number = split_number(replay)
    had = chosen(stored_conversations(path, session.bot.flows), path, number)
    session.begin_with(had.acts, had.chat, had.about)


def _watch(session: Session, over: threading.Event) -> None:
    """Have the bot reloaded when one of its files has changed."""
    before = _stamps(session.bot.files())
    while not over.wait(WATCH_EVERY):
        now = _stamps(session.bot.files())
        if any(before.get(path, stamp) != stamp for path, stamp in now.items()):
            with contextlib.suppress(Exception):  # the page is told
                session.submit({"do": "reload"}).result()
        before = now


def _stamps(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    found: dict[Path, tuple[int, int]] = {}
    for path in paths:
        with contextlib.suppress(OSError):  # an editor is just putting another file in its place
            stat = path.stat()
            found[path] = (stat.st_mtime_ns, stat.st_size)
    return found
