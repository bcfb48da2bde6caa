"""`poll`: flows as a whole bot, for whoever needs nothing of PTB's `Application` but that it runs."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Iterable
from typing import Any

from telegram import Bot, Update
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application
from telegram.request import HTTPXRequest

from fsmkit.errors import FsmkitError
from fsmkit.flow import Flow
from fsmkit.sources import Source
from fsmkit.stores import Store
from fsmkit.telegram.attaching import attach
from fsmkit.telegram.life import AnyApplication
from fsmkit.telegram.processor import KeyedProcessor


class TokenRefusedError(FsmkitError):
    """The server does not know the bot's token."""


class UnreachedError(FsmkitError):
    """The server did not answer at the start; once the bot runs, it is waited for."""


def poll(
    *flows: Flow[Any],
    token: str,
    base_url: str | None = None,
    base_file_url: str | None = None,
    store: Store | None = None,
    sources: Iterable[Source] = (),
) -> None:
    """Runs flows as a bot until SIGINT or SIGTERM, then ends it cleanly.

    Args:
        flows: The flows, in order of arbitration.
        token: The bot's token.
        base_url: Another Bot API server, to which the token is appended, for example `http://host/bot`.
        base_file_url: Where that server has its files, for example `http://host/file/bot`.
        store: Where conversations are kept; by default in memory.
        sources: Where events come from besides.

    Raises:
        DefinitionError: If the flows do not fit together.
        TokenRefusedError: If the server does not know the token.
        UnreachedError: If the server does not answer.
    """
    app = _application(token, base_url, base_file_url)
    attach(app, *flows, store=store, sources=sources)
    if not asyncio.run(_unless_stopped(_ask_for_itself(token, app.bot.base_url.removesuffix(token)))):
        return
    asyncio.set_event_loop(asyncio.new_event_loop())  # PTB asks for one, and closes it
    app.run_polling(allowed_updates=Update.ALL_TYPES, bootstrap_retries=-1)


def _application(token: str, base_url: str | None, base_file_url: str | None) -> AnyApplication:
    processor = KeyedProcessor()
    builder = Application.builder().token(token).concurrent_updates(processor).update_queue(processor.queue)
    if base_url is not None:
        builder = builder.base_url(base_url)
    if base_file_url is not None:
        builder = builder.base_file_url(base_file_url)
    return builder.build()


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
