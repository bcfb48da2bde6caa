"""An ASGI application behind a port, in this event loop and this process, for as long as a block runs.

Who opens a connection and sends nothing, or a request byte by byte, keeps neither: its head has
`HEADER_SECONDS` (uvicorn has no limit of its own there), its body what `BodyReader` allows.

Needs `starlette` and `uvicorn` (the extras `webhook` and `test`); nothing imports this module at its top but
what needs it.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 5.0
"""How long the head of a request may take to arrive."""


class _Config(uvicorn.Config):
    header_seconds = HEADER_SECONDS
    closing = False


class _TimedProtocol(H11Protocol):
    """A connection that is closed if the head of its next request does not arrive in time.

    The time runs from the connection, and later from the first byte after an answer; that may belong to a
    body which was refused, too. A connection on which nothing at all follows an answer is closed by uvicorn.
    """

    _head: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if cast(_Config, self.config).closing:
            self.shutdown()
        self._limit_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._limit_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_limit()

    def _limit_head(self) -> None:
        # uvicorn sets `cycle` with the first request; its annotation does not say that it may be `None`.
        cycle = cast("Any | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            self._end_limit()
        elif self._head is None and not self.transport.is_closing():
            seconds = cast(_Config, self.config).header_seconds
            self._head = self.loop.call_later(seconds, self.transport.close)

    def _end_limit(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone: they belong to whoever runs the bot or the tests.

    At its end it also closes a connection that it had accepted but not yet greeted, which uvicorn would
    serve for as long as the client keeps it.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cast(_Config, self.config).closing = True
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_asgi(
    app: Any, host: str, port: int, *, header_seconds: float = HEADER_SECONDS
) -> AsyncGenerator[tuple[uvicorn.Server, int]]:
    """Serve an application until the block ends; what is being answered then is answered.

    Args:
        app: The ASGI application.
        host: The address to listen on.
        port: The port; 0 for any free one.
        header_seconds: How long the head of a request may take to arrive.

    Yields:
        The server, and the port.

    Raises:
        OSError: If the port cannot be had.
    """
    config = _Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http=_TimedProtocol,
        proxy_headers=False,
    )
    config.header_seconds = header_seconds
    server = _Server(config)
    # Bound and listening before the server's task begins, so that nobody has to wait for its start.
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = True
        try:
            await task
        finally:  # whoever waits for the end may have waited long enough
            for connection in server.server_state.connections:
                connection.transport.abort()


class BodyReader:
    """Reads bodies of requests, no further and no longer than allowed, whatever their headers say.

    Args:
        most: Bytes that a body may have.
        seconds: How long it may take to arrive.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._arriving: set[asyncio.Timeout] = set()

    @property
    def arriving(self) -> int:
        """How many bodies are on their way."""
        return len(self._arriving)

    async def read(self, request: Request) -> bytes:
        """Return the body of a request.

        Raises:
            HTTPException: What to answer if there is none: 413, 408, or 400 where the client went away.
        """
        body, limit = bytearray(), asyncio.timeout(self._seconds)
        try:
            async with limit:
                self._arriving.add(limit)
                async for part in request.stream():
                    body += part
                    if len(body) > self._most:
                        raise HTTPException(413, f"more than {self._most} bytes")
        except TimeoutError:
            raise HTTPException(408, "the request did not arrive in time") from None
        except ClientDisconnect:
            raise HTTPException(400, "the request is not whole") from None
        finally:
            self._arriving.discard(limit)
        return bytes(body)

    def give_up(self) -> None:
        """Wait no longer for bodies that are on their way."""
        for limit in self._arriving:
            limit.reschedule(0.0)
