"""`fsmkit play`: what is played, the page's server, and the browser that is opened."""

import asyncio
import contextlib
import webbrowser

from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError
from fsmkit.cli.output import prints_to_stderr
from fsmkit.play.bots import PlayedFlows
from fsmkit.play.session import Session
from fsmkit.play.watch import watched


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

    session.begin()
    try:
        with watched(session), contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve(ready))
    finally:
        session.end()


def _replay(session: Session, replay: str) -> None:
    from fsmkit.cli.test import chosen, split_number, stored_conversations

    path, number = split_number(replay)
    had = chosen(stored_conversations(path, session.bot.flows), path, number)
    session.begin_with(had.acts, had.chat, had.about)
