"""`fsmkit run`: a file's flows on Telegram; all that is secret or local comes from the environment."""

import contextlib
import logging
import os

from fsmkit.cli.loading import load
from fsmkit.cli.refusal import Refusal, definition_errors
from fsmkit.stores import Store
from fsmkit.telegram.polling import TokenRefusedError, UnreachedError, poll

TOKEN = "BOT_TOKEN"
BASE_URL = "BOT_API_BASE_URL"
BASE_FILE_URL = "BOT_API_BASE_FILE_URL"


def run(target: str) -> None:
    """Polls for updates until SIGINT or SIGTERM.

    Args:
        target: `FILE[:FLOW]`.

    Raises:
        Refusal: If the flows cannot be loaded, there is no token, or Telegram does not take it.
    """
    flows = load(target).flows
    token = _token(target)
    _log_to_stderr()
    try:
        with definition_errors(), contextlib.suppress(KeyboardInterrupt):
            poll(
                *flows,
                token=token,
                base_url=_setting(BASE_URL),
                base_file_url=_setting(BASE_FILE_URL),
                store=_store(),
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


def _store() -> Store | None:
    """Where conversations are kept; `None`: in memory, which the engine then says in its log."""
    return None


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
