"""`fsmkit run`: a file's flows on Telegram; all that is secret or local comes from the environment."""

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from fsmkit.cli.loading import load, split_target
from fsmkit.cli.refusal import Refusal, definition_errors
from fsmkit.cli.storing import open_named, tried
from fsmkit.telegram.polling import TokenRefusedError, UnreachedError, poll

_log = logging.getLogger("fsmkit")

TOKEN = "BOT_TOKEN"
BASE_URL = "BOT_API_BASE_URL"
BASE_FILE_URL = "BOT_API_BASE_FILE_URL"


def run(target: str, url: str | None = None) -> None:
    """Polls for updates until SIGINT or SIGTERM.

    Args:
        target: `FILE[:FLOW]`.
        url: Where conversations are kept; by default in a SQLite file in the working directory.

    Raises:
        Refusal: If the flows cannot be loaded, there is no token, Telegram does not take it, or the store
            cannot be used.
    """
    flows = load(target).flows
    token = _token(target)
    _log_to_stderr()
    if url is None:
        url = default_store(target)
        _log.info("conversations are kept in %s (--store URL: elsewhere)", url.removeprefix("sqlite:"))
    store = open_named(url)
    try:
        with definition_errors(), contextlib.suppress(KeyboardInterrupt):
            asyncio.run(tried(store))  # before Telegram hears of the bot
            poll(
                *flows,
                token=token,
                base_url=_setting(BASE_URL),
                base_file_url=_setting(BASE_FILE_URL),
                store=store,
            )
    except TokenRefusedError as error:
        raise Refusal(f"{_server()} does not know the token in {TOKEN}. {_remedy()}") from error
    except UnreachedError as error:
        raise Refusal(f"{_server()} does not answer: {error}") from error


def _token(target: str) -> str:
    token = _setting(TOKEN)
    if token is None:
        raise Refusal(
            f"{TOKEN} is not set: get a token from https://t.me/BotFather and put it into the environment, "
            f"or try `fsmkit chat {target}`, which needs none"
        )
    return token


def default_store(target: str) -> str:
    """The URL of the SQLite file of a bot: named after its file, in the working directory.

    Example:
        >>> default_store("bots/signup.py:signup"), default_store("package.module")
        ('sqlite:signup.db', 'sqlite:module.db')
    """
    name, _ = split_target(target)
    path = Path(name)
    stem = path.stem if path.suffix == ".py" or path.exists() else name.rpartition(".")[2]
    return f"sqlite:{stem}.db"


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
    """Logs to standard error, unless the file has set up its own."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    httpx = logging.getLogger("httpx")
    if httpx.level == logging.NOTSET:
        httpx.setLevel(logging.WARNING)  # its INFO lines have the token in them
