"""A pooler before PostgreSQL on a free loopback port, as PgBouncer is one: it pools by transaction or by session.

Like PgBouncer it gives its clients numbers of processes that it invents. It keeps to what asyncpg sends: messages
in groups that end with Flush or Sync, and simple queries.
"""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

SSL_REQUEST = 80877103
Message = tuple[bytes, bytes]


class Backend:
    """A connection to the server.

    Attributes:
        prepared: Names of the statements that its process knows by the pooler's doing.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.prepared: set[bytes] = set()

    async def ask(self, messages: bytes) -> list[Message]:
        """Return the answers up to the server's being ready."""
        self.writer.write(messages)
        answers = [await read(self.reader)]
        while answers[-1][0] != b"Z":
            answers.append(await read(self.reader))
        return answers


class Pooler:
    """The pooler.

    Args:
        dsn: The server.
        session: Whether a client keeps its server connection to its end.
        in_turn: Whether the connection that has been free longest is taken, not the last one freed.
        prepares: Whether prepared statements follow their clients, as since PgBouncer 1.21.
    """

    def __init__(
        self, dsn: str, *, session: bool = False, in_turn: bool = False, prepares: bool = False
    ) -> None:
        self._server = urlsplit(dsn)
        self._session = session
        self._in_turn = in_turn
        self._prepares = prepares
        self._free: list[Backend] = []
        self._all: list[Backend] = []
        self._clients: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(900_000)
        self.dsn = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve; yield the URL of the pooler."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield self._server._replace(netloc=f"{self._server.username}@127.0.0.1:{port}").geturl()
        finally:
            server.close()
            for task in self._clients:
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            for backend in self._all:
                backend.writer.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            startup = await read_startup(reader)
            while struct.unpack_from("!i", startup)[0] == SSL_REQUEST:
                writer.write(b"N")
                startup = await read_startup(reader)
            number = next(self._numbers)
            backend, greeting = await self._connect(startup)
            writer.write(b"".join(pack(*m) for m in greeting if m[0] != b"K"))
            writer.write(pack(b"K", struct.pack("!ii", number, 1)) + pack(b"Z", b"I"))
            if self._session:
                await asyncio.gather(pump(reader, backend.writer), pump(backend.reader, writer))
            self._free.append(backend)
            await self._transactions(number, startup, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            writer.close()

    async def _connect(self, startup: bytes) -> tuple[Backend, list[Message]]:
        backend = Backend(*await asyncio.open_connection(self._server.hostname, self._server.port))
        self._all.append(backend)
        *greeting, _ready = await backend.ask(struct.pack("!i", len(startup) + 4) + startup)
        return backend, greeting

    async def _transactions(
        self, number: int, startup: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        parsed: dict[bytes, bytes] = {}
        held: Backend | None = None
        answering: asyncio.Task[None] | None = None

        async def answer(backend: Backend) -> None:
            nonlocal held
            kind = b""
            while kind != b"Z":
                kind, body = await read(backend.reader)
                if (kind, body) == (b"Z", b"I"):
                    held = None
                    self._free.append(backend)
                if kind != b"A":
                    writer.write(pack(kind, body))

        while True:
            messages = [await read(reader)]
            while messages[-1][0] not in b"QSHX":
                messages.append(await read(reader))
            if messages[-1][0] == b"X":
                raise ConnectionError("the client has left")
            if held is None:
                if not self._free:
                    self._free.append((await self._connect(startup))[0])
                held = self._free.pop(0 if self._in_turn else -1)
            backend = held
            if self._prepares:
                messages = [await follow(backend, b"c%d" % number, parsed, m) for m in messages]
            if answering is None or answering.done():
                answering = asyncio.create_task(answer(backend))
            backend.writer.write(b"".join(pack(*m) for m in messages))


async def follow(backend: Backend, client: bytes, parsed: dict[bytes, bytes], message: Message) -> Message:
    """Give a statement a name that no other client has, and prepare it where the process does not know it."""
    kind, body = message
    if kind == b"P":
        name, _, rest = body.partition(b"\0")
        parsed[client + name] = rest
        backend.prepared.add(client + name)
        return kind, client + name + b"\0" + rest
    if kind == b"B":
        portal, name, rest = body.split(b"\0", 2)
        head = portal + b"\0"
    elif kind in b"DC" and body[:1] == b"S":
        head, name, rest = b"S", body[1:-1], b""
    else:
        return message
    name = client + name
    if name not in backend.prepared:
        backend.prepared.add(name)
        await backend.ask(pack(b"P", name + b"\0" + parsed[name]) + pack(b"S", b""))
    return kind, head + name + b"\0" + rest


async def read(reader: asyncio.StreamReader) -> Message:
    """Return one message: its kind and its body."""
    kind = await reader.readexactly(1)
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return kind, await reader.readexactly(length - 4)


async def read_startup(reader: asyncio.StreamReader) -> bytes:
    """Return the body of a message without a kind, with which a client begins."""
    (length,) = struct.unpack("!i", await reader.readexactly(4))
    return await reader.readexactly(length - 4)


def pack(kind: bytes, body: bytes) -> bytes:
    """Return a message as it goes over the wire."""
    return kind + struct.pack("!i", len(body) + 4) + body


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until nothing comes any more."""
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
