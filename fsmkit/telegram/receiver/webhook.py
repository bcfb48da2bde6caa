"""A webhook: Telegram posts updates, and each is answered once it is stored. Needs `fsmkit[webhook]`.

The answer is the confirmation. 200 means that the update will take effect, whatever is killed from then on;
with any other answer Telegram posts it again. So one that cannot be read is answered with 200 too, once it is
a dead letter: posted again it would be no better.

Updates that arrive while others are being written are stored together in the next write, by their ids. So a
thousand at once need few writes, and the order in the inbox is that of a single writer.

TLS, and whoever is to be kept off by his address, are matters of the reverse proxy in front.
"""

import asyncio
import hmac
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

from telegram import Bot
from telegram.error import BadRequest

from fsmkit.clock import Clock, backoff, first_of, monotonic
from fsmkit.errors import DefinitionError, StoreError, requires_extra
from fsmkit.telegram.receiver.scanner import ScannedUpdate, read

with requires_extra("webhook"):
    import uvicorn
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.types import Receive, Scope, Send

    from fsmkit.sources.asgi import HEADER_SECONDS, BodyReader, serve_asgi

_log = logging.getLogger("fsmkit")

PORT = 8443

HOST = "127.0.0.1"

MAX_BODY = 1 << 20
"""Bytes of an update; Telegram's have a few thousand."""

BODY_SECONDS = 5.0
"""How long the body of a request may take to arrive."""

ANSWER_SECONDS = 25.0
"""How long an answer may take; Telegram waits for about a minute, and then posts the update again."""

READY_SECONDS = 2.0
"""How long the store may take to be called ready."""

LAST_WRITE_SECONDS = 1.0
"""How long a stop waits for what is being stored."""

CATCH_UP_SECONDS = 30.0
"""How long timers wait at the start for what Telegram has kept meanwhile."""

LONGEST_WAIT = 30.0
"""Seconds between two tries to set the webhook at most."""

MAX_CONNECTIONS = 40
"""Updates that Telegram posts at the same time at most, https://core.telegram.org/bots/api#setwebhook."""

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"

_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}", re.ASCII)

HEALTH, READY = "/healthz", "/readyz"


def check(url: str, secret: str | None) -> str:
    """Return the path on which a webhook is served, if its URL and its secret can be a webhook's.

    Raises:
        DefinitionError: If they cannot.

    Example:
        >>> check("https://bot.example.org/telegram", secret=None)
        '/telegram'
    """
    if secret is not None and not _SECRET.fullmatch(secret):
        raise DefinitionError(
            "the webhook's secret cannot be sent",
            place=None,
            remedy="It has 1 to 256 letters (A-Z, a-z), digits, _ and -",
        )
    parts = urlsplit(url)
    path = unquote(parts.path) or "/"
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise DefinitionError(
            "the webhook is not a URL", place=None, remedy="Write it as in https://bot.example.org/telegram"
        )
    if path in (HEALTH, READY):
        raise DefinitionError(
            f"the webhook's path is {path}", place=None, remedy="Take another one, this one is for probes"
        )
    return path


class WebhookServer:
    """Takes updates by HTTP for as long as it is open.

    Args:
        bot: Whose updates.
        clock: For waiting.
        store: Stores updates, and sets those aside that have no id.
        handled: Waits until an update was handled, where that has to come before the answer.
        reach: Asks the store something, to see whether it is there.
        allowed: The kinds of updates that Telegram is to post.
        url: Where Telegram posts them.
        port: The port to listen on; 0 for any free one.
        host: The address to listen on.
        secret: What Telegram sends with each request; made anew by default.
        max_connections: How many updates Telegram posts at the same time at most.
        delete_at_stop: Whether the webhook is deleted at the end. Else Telegram keeps what comes meanwhile
            and posts it later; both ways no update is lost.
        header_seconds: How long the head of a request may take to arrive.
        body_seconds: How long its body may take.

    Attributes:
        caught_up: Whether Telegram has had nothing more once.
        port: The port; once it is open, the one that it was given.

    Raises:
        DefinitionError: If the URL or the secret cannot be a webhook's.
    """

    def __init__(
        self,
        bot: Bot,
        clock: Clock,
        *,
        store: Callable[[Sequence[ScannedUpdate]], Awaitable[object]],
        handled: Callable[[int], Awaitable[None]],
        reach: Callable[[], Awaitable[object]],
        allowed: Sequence[str],
        url: str,
        port: int = PORT,
        host: str = HOST,
        secret: str | None = None,
        max_connections: int = MAX_CONNECTIONS,
        delete_at_stop: bool = False,
        header_seconds: float = HEADER_SECONDS,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._path = check(url, secret)
        self._bot = bot
        self._clock = clock
        self._store = store
        self._handled = handled
        self._reach = reach
        self._allowed = list(allowed)
        self._url = url
        self.port = port
        self._host = host
        self._secret = secret or secrets.token_urlsafe(32)
        self._max_connections = max_connections
        self._delete_at_stop = delete_at_stop
        self._header_seconds = header_seconds
        self._bodies = BodyReader(MAX_BODY, body_seconds)
        self._waiting: list[tuple[ScannedUpdate, asyncio.Future[Exception | None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()
        self._server: uvicorn.Server | None = None
        self._stopping = False
        self._closing = asyncio.Event()
        self._said: set[str] = set()
        self.caught_up = False

    # -- its life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Listen.

        Raises:
            OSError: If the port cannot be had.
        """
        serving = serve_asgi(self, self._host, self.port, header_seconds=self._header_seconds)
        self._server, self.port = await self._stack.enter_async_context(serving)
        _log.info("the webhook listens on %s:%d", self._host, self.port)

    async def run(self) -> None:
        """Have Telegram post updates, until cancelled; then take no more connections."""
        try:
            await self._register()
            await self._catch_up()
            await self._closing.wait()
        finally:
            self._take_no_more()

    async def confirm(self) -> None:
        """Answer what is there, and close the port; raises what a request to Telegram may.

        The webhook is deleted meanwhile: whoever keeps a connection open does not keep that from being done.
        """
        self._take_no_more()
        make = asyncio.get_running_loop().create_task
        work: list[asyncio.Task[Any]] = [make(self._close_port())]
        if self._delete_at_stop:
            work.append(make(self._bot.delete_webhook()))
        try:
            await asyncio.wait(work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in work:
            task.result()

    async def _close_port(self) -> None:
        try:
            if self._writing is not None:
                await asyncio.wait({self._writing}, timeout=LAST_WRITE_SECONDS)
        finally:
            self._closing.set()
            await self._stack.aclose()

    def _take_no_more(self) -> None:
        self._stopping = True
        self._bodies.give_up()
        if self._server is not None:
            self._server.should_exit = True

    async def _register(self) -> None:
        for tries in count(1):
            try:
                await self._bot.set_webhook(
                    self._url,
                    max_connections=self._max_connections,
                    allowed_updates=self._allowed,
                    secret_token=self._secret,
                )
                return
            except Exception as error:  # a mistake of ours must not make the bot deaf without a word
                why = str(error) if isinstance(error, BadRequest) else type(error).__name__
                self._say(f"the webhook cannot be set ({why}); it is tried again")
                await self._clock.sleep(backoff(tries, 0.5, most=LONGEST_WAIT))

    async def _catch_up(self) -> None:
        """Wait until Telegram has posted what it had kept, or that takes too long."""
        end = monotonic(self._clock) + CATCH_UP_SECONDS
        while not self.caught_up:
            try:
                kept = (await self._bot.get_webhook_info()).pending_update_count
            except Exception as error:  # as above
                kept = 1
                self._say(f"Telegram does not tell what it has kept ({type(error).__name__})")
            self.caught_up = not kept or monotonic(self._clock) >= end
            if not self.caught_up:
                await self._clock.sleep(1.0)

    # -- answering ---------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as an ASGI application."""
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        path, method = request.scope["path"], request.method
        if path in (HEALTH, READY):
            return await self._probe(path) if method in ("GET", "HEAD") else _not_allowed("GET, HEAD")
        if path != self._path:
            return PlainTextResponse("there is nothing here", 404)
        if method != "POST":
            return _not_allowed("POST")
        given = request.headers.get(SECRET_HEADER, "").encode("latin-1")
        if not hmac.compare_digest(given, self._secret.encode()):
            self._say("a request with a wrong secret was refused")
            return PlainTextResponse("the secret is wrong", 403)
        try:
            body = await self._bodies.read(request)
        except HTTPException as refused:
            return PlainTextResponse(refused.detail, refused.status_code)
        return _answer(await self._within(ANSWER_SECONDS, self._take(read(body))))

    async def _probe(self, path: str) -> Response:
        return _answer(path == HEALTH or await self._within(READY_SECONDS, self._is_ready()))

    async def _is_ready(self) -> bool:
        try:
            await self._reach()
        except StoreError:
            return False
        return not self._stopping

    async def _within(self, seconds: float, work: Coroutine[Any, Any, bool]) -> bool:
        """Return what work comes to; `False` if it takes too long, or the port closes meanwhile."""
        result = False

        async def note() -> None:
            nonlocal result
            result = await work

        await first_of(note(), self._clock.sleep(seconds), self._closing.wait())
        return result

    # -- storing -----------------------------------------------------------------------------------

    async def _take(self, update: ScannedUpdate) -> bool:
        """Store an update; return whether Telegram may forget it."""
        stored: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((update, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_waiting())
        error = await stored
        if error is not None:
            self._say(f"updates cannot be stored ({type(error).__name__}); Telegram posts them again")
            return False
        if update.id is not None:
            await self._handled(update.id)
        return True

    async def _write_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            await self._write(sorted(batch, key=lambda each: each[0].id or 0))

    async def _write(self, batch: list[tuple[ScannedUpdate, "asyncio.Future[Exception | None]"]]) -> None:
        error: Exception | None = None
        try:
            await self._store([update for update, _ in batch])
        except StoreError as raised:
            error = raised
        except Exception as raised:  # whatever one of them has done, it costs only itself
            if len(batch) > 1:
                for each in batch:
                    await self._write([each])
                return
            _log.exception("an update could not be stored")
            error = raised
        for _, stored in batch:
            if not stored.done():
                stored.set_result(error)

    def _say(self, warning: str) -> None:
        if warning not in self._said:
            self._said.add(warning)
            _log.warning("%s", warning)


def _answer(well: bool) -> Response:
    return PlainTextResponse("ok") if well else PlainTextResponse("not now", 503)


def _not_allowed(methods: str) -> Response:
    return PlainTextResponse(f"{methods} only", 405, headers={"Allow": methods})
