"""`fsmkit play`: what is played, the page's server, and the browser that is opened."""

import asyncio
import contextlib
import importlib
import json
import subprocess
import sys
import webbrowser

from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError
from fsmkit.cli.output import prints_to_stderr
from fsmkit.cli.test_bot import BotOptions, copied_bot
from fsmkit.errors import requires_extra
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


def play_bot(target: str, options: BotOptions, *, port: int, opens: bool) -> None:
    """Play a bot without flows: a copy of it, in a process of its own, behind walls.

    Args:
        target: `FILE[:NAME]` or `package.module[:NAME]`.
        options: What can be said of the bot.
        port: Where the page is served; 0: any port that is free.
        opens: Whether the browser is opened.

    Raises:
        CommandError: If it cannot run.
    """
    with requires_extra("play"):
        importlib.import_module("starlette")  # the process below needs it
    with copied_bot(target, options) as (job, base, made):
        (base / "job.json").write_text(json.dumps({**job, "port": port}), encoding="utf-8")
        command = [sys.executable, "-P", "-m", "fsmkit.play.child", str(base / "job.json")]
        with subprocess.Popen(
            command, env=made, cwd=job["root"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as child:
            url = child.stdout.readline().strip() if child.stdout is not None else ""
            try:
                if not url:
                    raise CommandError(f"{target} cannot be played: its process has ended")
                echo(url)
                if opens:
                    webbrowser.open(url)
                with contextlib.suppress(KeyboardInterrupt):
                    child.wait()
            finally:
                child.terminate()


def _replay(session: Session, replay: str) -> None:
    from fsmkit.cli.test import chosen, split_number, stored_conversations

    path, number = split_number(replay)
    had = chosen(stored_conversations(path, session.bot.flows), path, number)
    session.begin_with(had.acts, had.chat, had.about)
