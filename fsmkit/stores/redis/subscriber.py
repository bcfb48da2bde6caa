"""Listens for wake-ups on the channel of this process, and comes back by itself when it was cut off."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from fsmkit.clock import backoff

_log = logging.getLogger("fsmkit")

FIRST_PAUSE = 0.01

LONGEST_PAUSE = 1.0
"""Seconds before a new try; the first one begins at once."""


class Subscriber:
    """A subscription that lasts.

    Args:
        make: Makes a connection.
        channel: What to listen to.
        heard: Called with each wake-up.
        missed: Called when the subscription was lost and when it stands again: wake-ups may have been missed.
        timeout: Seconds that the server may take to answer.
    """

    def __init__(
        self,
        make: Callable[[], AbstractConnection],
        channel: str,
        heard: Callable[[bytes], None],
        missed: Callable[[], None],
        timeout: float,
    ) -> None:
        self._make = make
        self._channel = channel
        self._heard = heard
        self._missed = missed
        self._timeout = timeout
        self._listens = asyncio.Event()
        self._link: AbstractConnection | None = None
        self._task: asyncio.Task[None] | None = None
        self._pinged = 0.0

    @property
    def listens(self) -> bool:
        """Whether the subscription stands."""
        return self._listens.is_set()

    async def open(self) -> None:
        """Wait until the subscription stands: before that nobody may wait for a wake-up."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="fsmkit redis wake-ups")
        await self._listens.wait()

    async def check(self, now: float) -> None:
        """Ask the server for a sign of life; drop the connection if the last question is still open.

        Args:
            now: The loop's time.
        """
        link = self._link
        if link is None or not link.is_connected or not self._listens.is_set():
            return
        if self._pinged and now - self._pinged > self._timeout:
            self._pinged = 0.0
            await link.disconnect(nowait=True)
        elif not self._pinged:
            self._pinged = now
            with suppress(RedisError, OSError):
                await link.send_command("PING", check_health=False)

    async def close(self) -> None:
        """End the subscription."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        tries, again = 0, False
        while True:
            await asyncio.sleep(backoff(tries, FIRST_PAUSE, factor=4.0, most=LONGEST_PAUSE) if tries else 0.0)
            tries += 1
            link = self._link = self._make()
            try:
                async with asyncio.timeout(self._timeout):
                    await link.connect()  # type: ignore[no-untyped-call]
                    await link.send_command("SUBSCRIBE", self._channel, check_health=False)
                    await link.read_response()
                tries = 0
                self._listens.set()
                if again:
                    self._missed()
                again = True
                await self._listen(link)
            except (RedisError, OSError) as error:
                _log.debug("the subscription to %s was lost: %s", self._channel, error)
                if self._listens.is_set():
                    self._missed()  # if the server is away, those who wait have to hear of it
            finally:
                self._listens.clear()
                self._pinged = 0.0
                await link.disconnect(nowait=True)

    async def _listen(self, link: AbstractConnection) -> None:
        while True:
            message = await link.read_response()
            self._pinged = 0.0
            if isinstance(message, list) and message[0] == b"message":
                self._heard(message[2])
