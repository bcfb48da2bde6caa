"""The same Bot API behind a loopback port, for bots in other processes and for a real HTTP client.

Needs the extra `test` (starlette, uvicorn, python-multipart); nothing else imports this module at its top.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fsmkit.botapi.api import BotApi
from fsmkit.botapi.errors import ApiError, DroppedError, Json, Upload

LOOPBACK = "127.0.0.1"


@contextlib.asynccontextmanager
async def serve(api: BotApi, port: int = 0) -> AsyncGenerator[str]:
    """Answer on a loopback port while the block runs, in this event loop.

    Args:
        api: The model that answers.
        port: 0 for any free one.

    Yields:
        The address, without a slash at its end.
    """
    endpoints = _Endpoints(api)
    # Listening before the server's task begins, so that nobody has to wait for its start.
    listener = socket.create_server((LOOPBACK, port))
    task = asyncio.create_task(endpoints.server.serve(sockets=[listener]))
    try:
        yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
    finally:
        # A bot that still polls would be back before the port closes, and hold it open for so long.
        endpoints.closing = True
        api.world.queue.interrupt()
        endpoints.server.should_exit = True
        await task


class _LoopbackServer(uvicorn.Server):
    """A server that leaves the process's signals alone: they belong to whoever runs the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class _Endpoints:
    """The two addresses of the Bot API: methods and files."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self.closing = False
        routes = [
            Route("/file/bot{token}/{path:path}", self._file, methods=["GET"]),
            Route("/bot{token}/{method}", self._method, methods=["GET", "POST"]),
        ]
        app = Starlette(routes=routes, exception_handlers={404: _not_found})
        self.server = _LoopbackServer(
            uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", http="h11")
        )

    async def _method(self, request: Request) -> Response:
        if self.closing:
            return _json(502, ApiError(502, "Bad Gateway").body())
        fields, uploads = await _body(request)
        place = request.path_params
        try:
            status, body = await self._api.request(place["token"], place["method"], fields, uploads)
        except DroppedError:
            return await self._hang_up(request)
        return _json(status, body)

    async def _file(self, request: Request) -> Response:
        content = self._api.download(request.path_params["token"], request.path_params["path"])
        return _json(404, ApiError(404, "Not Found").body()) if content is None else Response(content)

    async def _hang_up(self, request: Request) -> Response:
        """Close the socket under the request; the client sees a connection that broke."""
        for connection in list(self.server.server_state.connections):
            if getattr(connection, "client", None) == request.scope["client"]:
                connection.transport.abort()
        # Once the server knows that the client is gone, it throws this answer away.
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response()


async def _body(request: Request) -> tuple[dict[str, object], dict[str, Upload]]:
    """Return parameters as Telegram takes them: in the address, as a form, in parts, or as JSON."""
    fields: dict[str, object] = dict(request.query_params)
    uploads: dict[str, Upload] = {}
    if request.headers.get("content-type", "").startswith("application/json"):
        return fields | dict(await request.json()), uploads
    async with request.form() as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                uploads[name] = Upload(value.filename or "", await value.read())
            else:
                fields[name] = value
    return fields, uploads


async def _not_found(request: Request, error: Exception) -> Response:
    del request, error
    return _json(404, ApiError(404, "Not Found").body())


def _json(status: int, body: Json) -> Response:
    return JSONResponse(body, status_code=status)
