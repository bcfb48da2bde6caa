"""Ports of a test's own, in place of a server that cannot be told to do what is wanted."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

PATIENCE = 5.0
"""Seconds that a connection may take to end once the test is done with it."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a port, and leave none of its connections to the garbage collector, which blames a later test.

    Args:
        serve: What is done with each connection, which is closed after it.
        context: Serves TLS from the first byte.
    """
    begun: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        begun.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        if begun:
            _, late = await asyncio.wait(begun, timeout=PATIENCE)
            for task in late:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
        await server.wait_closed()
