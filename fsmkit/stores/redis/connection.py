"""One connection to one server, with many commands on their way at the same time.

Commands leave in the order of the calls and are answered in that order: through a pool, two acquires of one
key could overtake each other. A caller that is cancelled gives up its answer, never the connection.
What to do when a call fails is not decided here but in `fsmkit.stores.redis.cluster`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from pathlib import Path
from typing import Any

import attrs
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import RedisError, ResponseError


class PipelinedConnection:
    """One connection, made when it is needed and made again after it was lost.

    Args:
        make: Makes a connection that is not connected yet.
        greeting: Commands to send first on each connection.
        timeout: Seconds that a server may take to connect, or leave everything unanswered.

    Attributes:
        has_stood: Whether the server has answered at least once.
    """

    def __init__(
        self, make: Callable[[], AbstractConnection], greeting: Sequence[bytes], timeout: float
    ) -> None:
        self._make = make
        self._greeting = greeting
        self._timeout = timeout
        self._link: AbstractConnection | None = None
        self._living: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[AbstractConnection] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._heard = 0.0
        self._closed = False
        self.has_stood = False

    async def call(self, command: bytes) -> Any:
        """Send a packed command and return its answer.

        Raises:
            RedisError: What the server answered, or what happened to the connection.
        """
        link = self._link
        if link is None or not link.is_connected:
            link = await self._connect()
            if not link.is_connected:  # lost again meanwhile; it would connect itself when written to
                raise LostConnection("the connection was lost as soon as it stood")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(answer)
        if len(self._waiting) == 1:
            self._heard = loop.time()
            await self._send(link, command, answer)
        else:
            # Others are on their way: what this turn of the loop adds goes out in one piece after it.
            self._unsent.append(command)
            if self._flushing is None:
                self._flushing = loop.create_task(self._flush(), name="fsmkit redis flush")
        return await answer

    def check(self, now: float) -> None:
        """Drop the connection on which nothing was heard for too long although answers are due."""
        if self._waiting and self._living is not None and now - self._heard > self._timeout:
            self._living.cancel()

    async def close(self) -> None:
        """Close the connection; waiting callers fail."""
        self._closed = True
        tasks = [task for task in (self._living, self._flushing) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _connect(self) -> AbstractConnection:
        """Wait for the connection; make it once for all who ask meanwhile."""
        if self._closed:
            raise LostConnection("the connection was closed")
        ready = self._ready
        if ready is None:
            ready = self._ready = asyncio.get_running_loop().create_future()
            self._living = asyncio.create_task(self._live(ready), name="fsmkit redis connection")
            # A task that is cancelled before it begins tells nobody.
            self._living.add_done_callback(lambda _: self._over(ready, None))
        return await asyncio.shield(ready)

    async def _live(self, ready: "asyncio.Future[AbstractConnection]") -> None:
        """Keep a connection from beginning to end, in one task, so that nothing is left of it in any case."""
        link, error = self._make(), None
        try:
            async with asyncio.timeout(self._timeout):
                await link.connect()  # type: ignore[no-untyped-call]
                for command in self._greeting:
                    await link.send_packed_command(command, check_health=False)
                for _ in self._greeting:
                    await link.read_response()
            self._link, self.has_stood = link, True
            ready.set_result(link)
            await self._hand_out(link)
        except Exception as lost:
            error = lost
        finally:
            self._over(ready, error)
            await link.disconnect(nowait=True)

    def _over(self, ready: "asyncio.Future[AbstractConnection]", error: Exception | None) -> None:
        """Tell all who wait for this connection, or for an answer, that there is none any more."""
        if self._ready is not ready:
            return
        answers: list[asyncio.Future[Any]] = [ready, *self._waiting]
        self._link, self._ready, self._living = None, None, None
        self._unsent, self._waiting = [], deque()
        for answer in answers:
            if not answer.done():
                answer.set_exception(_as_error(error))
                answer.exception()  # looked at: its caller may be cancelled before it does so

    async def _send(self, link: AbstractConnection, command: bytes, answer: "asyncio.Future[Any]") -> None:
        try:
            await link.send_packed_command(command, check_health=False)
        except BaseException:
            answer.cancel()
            raise

    async def _flush(self) -> None:
        self._flushing = None
        command, self._unsent = b"".join(self._unsent), []
        link = self._link
        if link is not None and link.is_connected and command:
            with suppress(LostConnection):  # the reader finds out too, and tells those who wait
                await link.send_packed_command(command, check_health=False)

    async def _hand_out(self, link: AbstractConnection) -> None:
        """Give each answer to the caller that has waited longest, until the connection ends."""
        waiting, loop = self._waiting, asyncio.get_running_loop()
        while True:
            try:
                reply, refusal = await link.read_response(), None
            except ResponseError as refused:
                reply, refusal = None, refused
            self._heard = loop.time()
            answer = waiting.popleft()
            if answer.done():
                continue
            if refusal is None:
                answer.set_result(reply)
            else:
                answer.set_exception(refusal)


def _as_error(lost: Exception | None) -> Exception:
    """Return what a caller is told; each gets an exception of its own, for it will have its own traceback."""
    if isinstance(lost, RedisError):
        return copy(lost)
    return LostConnection(str(lost) if lost else "the server did not answer, or the connection was closed")


@attrs.frozen
class Settings:
    """What a store was told.

    Attributes:
        url: `redis://`, `rediss://` (TLS), `unix://`, with `+cluster` before the colon for a cluster; `valkey://`
            and `valkeys://` mean the same.
        prefix: What all names begin with.
        lease_seconds: How long a lease holds unless it is renewed.
        retry_seconds: For how long a command is tried.
        timeout: Seconds that a server may leave everything unanswered.
        claim_ms: Milliseconds for which an outbox belongs to who delivers it, from the last sign of life.
    """

    url: str
    prefix: str
    lease_seconds: float
    retry_seconds: float
    timeout: float
    claim_ms: int

    @property
    def cluster(self) -> bool:
        """Whether the server is a cluster."""
        return self.url.partition(":")[0].lower().endswith("+cluster")

    @property
    def tls(self) -> bool:
        """Whether the server is spoken to with TLS."""
        return self.url.lower().startswith(("rediss", "valkeys"))

    @property
    def repeat_ms(self) -> int:
        """Milliseconds in which a command may still arrive: sent when patience ends, and held up then."""
        return round((self.retry_seconds + 2 * self.timeout) * 1000) + 1000

    def connection(self) -> tuple[Callable[..., AbstractConnection], dict[str, Any]]:
        """Return what makes a connection, and with which arguments.

        Raises:
            ValueError: If the URL cannot be read, or has an option that there is not.
        """
        scheme, colon, rest = self.url.partition(":")
        scheme = scheme.lower().removesuffix("+cluster").replace("valkey", "redis")
        # The pool is only asked what it makes of the URL: here each server has one connection.
        pool: Any = ConnectionPool.from_url(f"{scheme}{colon}{rest}", protocol=2)
        options = {"socket_connect_timeout": self.timeout, **pool.connection_kwargs}
        # Reads wait for as long as it takes, and repeating is done here: both have other defaults.
        options |= {"protocol": 2, "decode_responses": False}
        options |= {"socket_timeout": None, "retry": Retry(NoBackoff(), 0)}
        try:
            pool.connection_class(**options)
        except TypeError as error:
            raise ValueError(f"an option of the URL is none: {error}") from error
        for option in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"):
            if options.get(option) and not Path(str(options[option])).is_file():
                raise ValueError(f"{option} in the URL names no file: {options[option]}")
        return pool.connection_class, options
