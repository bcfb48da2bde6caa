"""The page's server: loopback only, behind a token, and only for the page that it has served itself.

A bot that is played runs the user's own code, so another page in the same browser, or another program on a
name that leads here, must not reach it: every address begins with a token that is made anew each time, the
`Host` must be this server's own, and an `Origin` that is sent must be, too. All else is refused with 403.
"""

import asyncio
import concurrent.futures
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any

import msgspec

from fsmkit.errors import requires_extra
from fsmkit.graph.svg import stylesheet
from fsmkit.play.session import NotDone, Session

with requires_extra("play"):
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response, StreamingResponse
    from starlette.routing import Route

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Go with every answer."""

MAX_BODY = 1_000_000
"""Bytes of a command."""

PING_EVERY = 15.0
"""Seconds between two signs that the stream is alive."""

ASSETS = files("fsmkit.play") / "assets"

KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


class PlayServer:
    """Serves a session's page.

    Args:
        session: What is played.
        port: Where; 0: any that is free.

    Attributes:
        url: The page's address, with the token.
    """

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session = session
        self._server: uvicorn.Server | None = None
        self._token = secrets.token_urlsafe(24)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
            self._socket.listen()  # a browser that comes before the server waits for it
        except OSError:
            self._socket.close()
            raise
        self.port = int(self._socket.getsockname()[1])
        self._hosts = {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}
        self.url = f"http://127.0.0.1:{self.port}/{self._token}/"
        self._assets = {
            each.name: (KINDS.get(each.name[each.name.rfind(".") :], "text/plain"), each.read_bytes())
            for each in ASSETS.iterdir()
            if each.is_file()
        }
        self._assets["diagram.css"] = ("text/css", stylesheet().encode())
        routes = [
            Route("/{token}/", self._page),
            Route("/{token}/events", self._events),
            Route("/{token}/do", self._do, methods=["POST"]),
            Route("/{token}/file/{name:path}", self._file),
            Route("/{token}/{name}", self._asset),
        ]
        self.app = Starlette(routes=routes, exception_handlers={404: _refused, 405: _refused})
        self.app.router.redirect_slashes = False  # a redirect would be an answer to who may not ask

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until the process is asked to end.

        Args:
            ready: Called once the page can be opened.
        """
        config = uvicorn.Config(
            self.app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, access_log=False
        )
        self._server = uvicorn.Server(config)
        ready()
        await self._server.serve(sockets=[self._socket])

    def stop(self) -> None:
        """Let `serve` return; may be called from any thread."""
        if self._server is not None:
            self._server.should_exit = True

    # -- who may come in -------------------------------------------------------------------------------

    def _may(self, request: Request) -> bool:
        origin = request.headers.get("origin")
        own = {f"http://{host}" for host in self._hosts}
        return (
            secrets.compare_digest(str(request.path_params.get("token", "")).encode(), self._token.encode())
            and request.headers.get("host") in self._hosts
            and (origin is None or origin in own)
            and request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")
            and (request.method != "POST" or origin is not None)
        )

    async def _guarded(self, request: Request, answer: Callable[[], Awaitable[Response]]) -> Response:
        if not self._may(request):
            return await _refused(request, None)
        response = await answer()
        response.headers.update(HEADERS)
        return response

    # -- what there is ---------------------------------------------------------------------------------

    async def _page(self, request: Request) -> Response:
        return await self._guarded(request, lambda: self._answered("index.html"))

    async def _asset(self, request: Request) -> Response:
        return await self._guarded(request, lambda: self._answered(str(request.path_params["name"])))

    async def _answered(self, name: str) -> Response:
        if name not in self._assets:
            return PlainTextResponse("There is nothing here.", 404)
        kind, content = self._assets[name]
        return Response(content, media_type=kind)

    async def _file(self, request: Request) -> Response:
        async def answer() -> Response:
            try:
                found = await self._asked({"do": "file", "file": request.path_params["name"]})
            except NotDone:
                return PlainTextResponse("There is no such file.", 404)
            return Response(found["content"], media_type=found["kind"])

        return await self._guarded(request, answer)

    async def _do(self, request: Request) -> Response:
        async def answer() -> Response:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > MAX_BODY:
                    return _json({"error": "that is too long"}, 413)
            try:
                wanted = msgspec.json.decode(body)
                if not isinstance(wanted, dict) or wanted.get("do") == "file":
                    return _json({"error": "a command is a JSON object with a field `do`"}, 400)
                if wanted.get("do") == "diagram":  # the bot goes on meanwhile
                    return _json(await asyncio.to_thread(self.session.diagram))
                return _json(await self._asked(wanted))
            except (NotDone, msgspec.DecodeError) as error:
                return _json({"error": str(error)})
            except Exception as error:
                return _json({"error": f"{type(error).__name__}: {error}"}, 500)

        return await self._guarded(request, answer)

    async def _asked(self, wanted: Mapping[str, Any]) -> Any:
        return await asyncio.wrap_future(self.session.submit(wanted))

    async def _events(self, request: Request) -> Response:
        async def answer() -> Response:
            return StreamingResponse(self._stream(), media_type="text/event-stream")

        return await self._guarded(request, answer)

    async def _stream(self) -> AsyncIterator[bytes]:
        loop, queue = asyncio.get_running_loop(), asyncio.Queue[bytes]()

        def heard(shown: Mapping[str, Any]) -> None:
            encoded = msgspec.json.encode(shown)
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(queue.put_nowait, encoded)

        def greeted(hello: "concurrent.futures.Future[Any]") -> None:
            if (error := hello.exception()) is not None:
                heard({"type": "failed", "text": str(error)})

        forget = self.session.listen(heard)
        try:
            hello = self.session.submit({"do": "hello"})
            hello.add_done_callback(greeted)
            while True:
                try:
                    yield b"data: " + await asyncio.wait_for(queue.get(), PING_EVERY) + b"\n\n"
                except TimeoutError:
                    yield b": alive\n\n"
        finally:
            forget()


def _json(shown: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(shown), status, media_type="application/json")


async def _refused(_request: Request, _error: Exception | None) -> Response:
    return PlainTextResponse("Open the address that `fsmkit play` has printed.", 403, headers=HEADERS)
