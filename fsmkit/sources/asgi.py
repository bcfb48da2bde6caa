"""An ASGI application behind a port, in this event loop and this process, for as long as a block runs.

Needs `uvicorn` (the extras `webhook` and `test`); nothing imports this module at its top but what needs it.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Generator
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    """A server that leaves the process's signals alone: they belong to whoever runs the bot or the tests."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@contextlib.asynccontextmanager
async def serve_asgi(app: Any, host: str, port: int) -> AsyncGenerator[tuple[uvicorn.Server, int]]:
    """Serve an application until the block ends; what is being answered then is answered.

    Args:
        app: The ASGI application.
        host: The address to listen on.
        port: The port; 0 for any free one.

    Yields:
        The server, and the port.

    Raises:
        OSError: If the port cannot be had.
    """
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", http="h11", proxy_headers=False
    )
    server = _Server(config)
    # Bound and listening before the server's task begins, so that nobody has to wait for its start.
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
