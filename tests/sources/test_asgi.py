"""What `serve_asgi` leaves behind: nothing, also where its end is cut short or a client comes at that moment."""

import asyncio

import pytest

from fsmkit.sources.asgi import serve_asgi

HEAD = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def closed(reader):
    """Return once the other side has ended the connection; fails if it does not."""
    try:
        async with asyncio.timeout(4):  # less than the time that a head may take
            assert await reader.read() == b""
    except ConnectionResetError:
        pass


async def test_an_end_that_is_waited_for_no_longer_leaves_no_connection_open():
    asked = asyncio.Event()

    async def silent(scope, receive, send):
        asked.set()
        await asyncio.Event().wait()

    serving = serve_asgi(silent, "127.0.0.1", 0)
    _, port = await serving.__aenter__()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEAD)
    await asked.wait()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await serving.__aexit__(None, None, None)
    await closed(reader)
    writer.close()


async def test_a_connection_that_is_accepted_while_the_port_is_closed_is_closed_too():
    async def app(scope, receive, send):
        raise AssertionError("it was served")

    async with serve_asgi(app, "127.0.0.1", 0) as (server, port):
        server.config.closing = (
            True  # what `shutdown` says first; the port itself is open for some moments more
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD)
        await closed(reader)
        writer.close()
