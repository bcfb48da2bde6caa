"""`run`: flows as a bot of their own, for `python FILE` and for `fsmkit run FILE`.

All that is secret or local comes from the environment. What keeps a bot from running is one sentence; it is
said before Telegram hears of the bot.
"""

import asyncio
import contextlib
import difflib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Never

import attrs
from telegram import Bot
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application
from telegram.request import HTTPXRequest

from fsmkit.engine.engine import Source
from fsmkit.errors import DefinitionError, FsmkitError, MissingExtra, StoreError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import calling_location
from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import open_store, probe
from fsmkit.telegram.attach import attach
from fsmkit.telegram.lifecycle import AnyApplication
from fsmkit.telegram.receiver.receiver import CannotListenError, Receiver, WebhookOptions
from fsmkit.telegram.update_processor import KeyedProcessor

if TYPE_CHECKING:  # it needs an extra
    from fsmkit.telegram.send_limits import SendLimits

HANDLER_SECONDS = 60.0
"""How long a handler may take by default."""


class TokenRefusedError(FsmkitError):
    """The server does not know the bot's token."""


@attrs.frozen
class WebhookPlace:
    """Where a bot's webhook is.

    Attributes:
        url: Where Telegram posts updates.
        port: The port to listen on.
        host: The address to listen on.
    """

    url: str
    port: int | None = None
    host: str | None = None

    def options(self, secret: str | None) -> WebhookOptions:
        """Return what `Receiver.run_webhook` takes besides the URL."""
        options: WebhookOptions = {"secret": secret}
        if self.port is not None:
            options["port"] = self.port
        if self.host is not None:
            options["host"] = self.host
        return options


class UnreachedError(FsmkitError):
    """The server did not answer at the start; once the bot runs, it is waited for."""


def poll(
    *flows: Flow[Any],
    token: str,
    base_url: str | None = None,
    base_file_url: str | None = None,
    store: Store | None = None,
    sources: Iterable[Source] = (),
    command_menu: bool = False,
    webhook: WebhookPlace | None = None,
    secret: str | None = None,
    handler_timeout: float | timedelta | None = HANDLER_SECONDS,
    sync_handlers: Literal["loop", "thread"] = "loop",
) -> None:
    """Run flows as a bot until SIGINT or SIGTERM, then end it cleanly.

    Args:
        flows: The flows, in order of arbitration.
        token: The bot's token.
        base_url: Another Bot API server, to which the token is appended, for example `http://host/bot`.
        base_file_url: Where that server has its files, for example `http://host/file/bot`.
        store: Where conversations are kept; by default in memory.
        sources: Where events come from besides.
        command_menu: As `attach` has it.
        webhook: Where Telegram posts updates; by default they are fetched.
        secret: What it sends with each.
        handler_timeout: As `Engine` has it.
        sync_handlers: As `Engine` has it.

    Raises:
        CannotListenError: If the webhook's port cannot be had.
        DefinitionError: If the flows do not fit together.
        TokenRefusedError: If the server does not know the token.
        UnreachedError: If the server does not answer.
    """
    app = _application(token, base_url, base_file_url)
    engine = attach(
        app,
        *flows,
        store=store,
        sources=sources,
        command_menu=command_menu,
        handler_timeout=handler_timeout,
        sync_handlers=sync_handlers,
        send_limits=_installed_limits(),
    )
    if not asyncio.run(_unless_stopped(_ask_for_itself(token, app.bot.base_url.removesuffix(token)))):
        return
    receiver = Receiver(app, engine)
    if webhook is None:
        receiver.run_polling()
    else:
        receiver.run_webhook(webhook.url, **webhook.options(secret))


def _application(token: str, base_url: str | None, base_file_url: str | None) -> AnyApplication:
    processor = KeyedProcessor()
    builder = Application.builder().token(token).concurrent_updates(processor).update_queue(processor.queue)
    if base_url is not None:
        builder = builder.base_url(base_url)
    if base_file_url is not None:
        builder = builder.base_file_url(base_file_url)
    return builder.build()


def _installed_limits() -> "SendLimits | None":
    try:
        from fsmkit.telegram.send_limits import SendLimits
    except MissingExtra:
        return None
    return SendLimits()


async def _unless_stopped(work: Coroutine[Any, Any, None]) -> bool:
    """Whether work came to its end before a signal did; PTB does not listen for signals yet."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    with contextlib.suppress(NotImplementedError):  # on Windows: there SIGINT alone ends it, as an exception
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, task.cancel)
    await asyncio.wait({task})
    if task.cancelled():
        return False
    task.result()
    return True


async def _ask_for_itself(token: str, base_url: str) -> None:
    """Asks the server who the bot is, before PTB does.

    Where the server says no, PTB would write a traceback with the token into the log, and leave its
    connections open.
    """
    try:
        async with HTTPXRequest() as request:
            await Bot(token, base_url, request=request).get_me()
    except InvalidToken as error:
        raise TokenRefusedError("the server does not know the token") from error
    except TelegramError as error:
        raise UnreachedError(str(error)) from error


_log = logging.getLogger("fsmkit")

TOKEN = "BOT_TOKEN"


_TOKEN_SHAPE = re.compile(r"\d+:[\w-]+(/test)?", re.ASCII)

BASE_URL = "BOT_API_BASE_URL"


BASE_FILE_URL = "BOT_API_BASE_FILE_URL"

SECRET = "WEBHOOK_SECRET"

CANNOT_RUN = 2
"""Exit status where a bot cannot be started."""


class CannotRunError(FsmkitError):
    """A bot cannot be started; the text says why, and what to do."""


def run(
    *flows: Flow[Any],
    store: Store | str | None = None,
    sources: Iterable[Source] | Callable[[], Iterable[Source]] = (),
    command_menu: bool = False,
    webhook: str | None = None,
    port: int | None = None,
    host: str | None = None,
    handler_timeout: float | timedelta | None = HANDLER_SECONDS,
    sync_handlers: Literal["loop", "thread"] = "loop",
    **unknown: Never,
) -> None:
    """Run flows as a bot until SIGINT or SIGTERM: the last line of a file that `python FILE` starts.

    The environment variable `BOT_TOKEN` is the bot's token. `BOT_API_BASE_URL` and `BOT_API_BASE_FILE_URL`
    name another Bot API server, for example `http://127.0.0.1:8081/bot` and
    `http://127.0.0.1:8081/file/bot`. A bot that needs more than flows builds its own `Application` and calls
    `attach`.

    Args:
        flows: The flows, in order of arbitration.
        store: Where conversations are stored: a store or its URL; by default the SQLite file `NAME.db` in
            the working directory, where `NAME` is that of the file that was started.
        sources: Other sources of events, or a function that returns them.
        command_menu: Whether Telegram's command menu is set at the start, as in `attach`.
        webhook: The URL to which Telegram sends updates, for a bot behind a reverse proxy that does TLS; by
            default the bot fetches them. The environment variable `WEBHOOK_SECRET` is the secret that
            Telegram sends with each update; by default each start makes a new one.
        port: The port on which the webhook listens, by default 8443.
        host: The address on which it listens, by default `"127.0.0.1"`.
        handler_timeout: How long a handler may take, by default a minute: seconds or a `timedelta`; `None`:
            no limit. A handler that takes longer is cancelled. States may have their own limit.
        sync_handlers: Where plain functions run as handlers: on the `"loop"`, or each in a `"thread"`.

    Raises:
        SystemExit: With status 2 if the bot cannot be started; one line on standard error says why.

    Example:
        The end of a bot's file::

            if __name__ == "__main__":
                run(signup)
    """
    try:
        if not flows:
            raise DefinitionError("run() has no flow", place=calling_location(), remedy="Write run(flow)")
        for option in unknown:
            raise DefinitionError(
                f"run() has no option {option}=", place=calling_location(), remedy=_instead_of(option)
            )
        if webhook is None and (port is not None or host is not None):
            raise DefinitionError(
                "run() has port= or host=, but no webhook=", place=calling_location(), remedy="Write the URL"
            )
        default, elsewhere = f"sqlite:{_started(flows)}.db", "run(..., store=URL)"
        serve(
            *flows,
            store=store,
            sources=sources,
            default=default,
            elsewhere=elsewhere,
            command_menu=command_menu,
            webhook=None if webhook is None else WebhookPlace(webhook, port, host),
            handler_timeout=handler_timeout,
            sync_handlers=sync_handlers,
        )
    except (CannotRunError, DefinitionError, StoreError, MissingExtra) as error:
        sys.stderr.write(f"fsmkit: {' '.join(str(error).split())}\n")
        raise SystemExit(CANNOT_RUN) from None


def serve(
    *flows: Flow[Any],
    store: Store | str | None,
    sources: Iterable[Source] | Callable[[], Iterable[Source]],
    default: str,
    elsewhere: str,
    instead: str = "",
    command_menu: bool = False,
    webhook: WebhookPlace | None = None,
    handler_timeout: float | timedelta | None = HANDLER_SECONDS,
    sync_handlers: Literal["loop", "thread"] = "loop",
) -> None:
    """Run flows as a bot, with the environment's settings, until SIGINT or SIGTERM.

    Args:
        flows: The flows, in order of arbitration.
        store: Where conversations are kept: a store or its URL.
        sources: Where events come from besides, or a function that makes them.
        default: The URL of the SQLite file where they are kept if that is not said.
        elsewhere: How it is said.
        instead: What to do for want of a token, added to that sentence.
        command_menu: As `attach` has it.
        webhook: Where Telegram posts updates; by default they are fetched.
        handler_timeout: As `run` has it.
        sync_handlers: As `run` has it.

    Raises:
        CannotRunError: If there is no token, the server does not take it or does not answer, or a port cannot
            be had.
        MissingExtra: If a webhook is asked for, and what it needs is not installed.
        DefinitionError: If the flows do not fit together, or no store has the URL.
        StoreError: If the store cannot be used.
    """
    token = _token(instead)
    if webhook is not None:
        from fsmkit.telegram.receiver.webhook import check  # needs an extra

        check(webhook.url, _setting(SECRET))
    made = sources() if callable(sources) else sources
    _log_to_stderr()
    if store is None:
        store = default
        _log.info("conversations are kept in %s (%s: elsewhere)", store.removeprefix("sqlite:"), elsewhere)
    opened = open_store(store) if isinstance(store, str) else store
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(probe(opened))  # before Telegram hears of the bot
            poll(
                *flows,
                token=token,
                base_url=_setting(BASE_URL),
                base_file_url=_setting(BASE_FILE_URL),
                store=opened,
                sources=made,
                command_menu=command_menu,
                webhook=webhook,
                secret=_setting(SECRET),
                handler_timeout=handler_timeout,
                sync_handlers=sync_handlers,
            )
    except CannotListenError as error:
        raise CannotRunError(str(error)) from error
    except TokenRefusedError as error:
        raise CannotRunError(f"{_server()} does not know the token in {TOKEN}. {_remedy()}") from error
    except UnreachedError as error:
        raise CannotRunError(f"{_server()} does not answer: {error}") from error


def _instead_of(option: str) -> str:
    if option == "token":
        return f"Put the token into the environment: {TOKEN}=... python FILE"
    known = (
        "store",
        "sources",
        "command_menu",
        "webhook",
        "port",
        "host",
        "handler_timeout",
        "sync_handlers",
    )
    near = difflib.get_close_matches(option, known, n=1)
    return f"Did you mean {near[0]}=?" if near else "For other options write attach(app, flow, ...)"


def _started(flows: tuple[Flow[Any], ...]) -> str:
    """Return the name of the file that Python was started with; the package's for `python -m package`."""
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None:  # in a console
        return flows[0].name if flows else "bot"
    path = Path(file)
    return path.parent.name if path.stem == "__main__" else path.stem


def _token(instead: str) -> str:
    token = _setting(TOKEN)
    if token is None:
        raise CannotRunError(
            f"{TOKEN} is not set: get a token from https://t.me/BotFather and put it into the environment"
            f"{instead}"
        )
    if not _TOKEN_SHAPE.fullmatch(token):
        raise CannotRunError(
            f"{TOKEN} is not a token: write it as @BotFather shows it, digits, a colon and letters, "
            f"as in 123456:ABC-DEF, without quotes or blanks"
        )
    return token


def _setting(name: str) -> str | None:
    return os.environ.get(name, "").strip() or None


def _server() -> str:
    url = _setting(BASE_URL)
    return "Telegram" if url is None else f"the Bot API server at {url} ({BASE_URL})"


def _remedy() -> str:
    if _setting(BASE_URL) is None:
        return "Copy it again from https://t.me/BotFather"
    return f"Check both: {BASE_URL} usually ends in /bot, and the token is appended to it"


def _log_to_stderr() -> None:
    """Log to standard error, unless the file has set up its own."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    httpx = logging.getLogger("httpx")
    if httpx.level == logging.NOTSET:
        httpx.setLevel(logging.WARNING)  # its INFO lines have the token in them
