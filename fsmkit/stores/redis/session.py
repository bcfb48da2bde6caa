"""All that a store has in one event loop: connections, subscription, turns, and the beat that keeps them.

A second loop (`asyncio.run` twice) gets a session of its own; when a loop ends without `close`, its session
ends with the tasks that the loop cancels, and leaves no connection behind.
"""

import asyncio
import logging

from fsmkit.errors import StoreCorrupt, StoreUnavailable
from fsmkit.stores.redis.cluster import SHARDS, Nodes
from fsmkit.stores.redis.connection import Settings
from fsmkit.stores.redis.leases import RedisWaiters
from fsmkit.stores.redis.subscriber import Subscriber
from fsmkit.stores.sessions import WarnOnce

_log = logging.getLogger("fsmkit")

FORMAT = f"fsmkit 1 shards {SHARDS}"
"""What stands in the meta key; another schema or another number of shards says something else."""

BEATS = 12
"""Looks at leases and waiters in one lease time."""


class RedisSession:
    """The store in the running loop.

    Args:
        settings: What the store was told.
        warn: Told of settings by which the server may lose what it stored.
    """

    def __init__(self, settings: Settings, warn: WarnOnce) -> None:
        self.loop = asyncio.get_running_loop()
        self.ready = False
        self.nodes = Nodes(settings)
        self.turns = RedisWaiters(self.nodes, settings.lease_seconds, settings.repeat_ms)
        channel = f"{settings.prefix}:wake:{self.turns.process}"
        self._warn = warn
        self._subscriber = Subscriber(
            self.nodes.separate, channel, self.turns.heard, self.turns.missed, settings.timeout
        )
        self._beat = settings.lease_seconds / BEATS
        self._patience = settings.retry_seconds
        self._opening: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, once for all who call meanwhile.

        Raises:
            StoreUnavailable: If the server is away.
            StoreCorrupt: If another version of fsmkit uses the prefix.
        """
        if self._opening is None:
            self._opening = self.loop.create_task(self._open(), name="fsmkit redis open")
            self._opening.add_done_callback(self._opened)
        opening = self._opening
        await asyncio.wait([opening])
        if opening.cancelled():
            raise StoreUnavailable("the store was closed")
        opening.result()

    async def close(self) -> None:
        """End everything; what is on its way to the server gets there first."""
        self.ready = False
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        await self.turns.close()
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._subscriber.close()
        await self.nodes.close()

    async def _open(self) -> None:
        await self._check_format()
        # A script, and all shards: what the server does not allow is refused now, not at the first step.
        await self.nodes.call_all("due", "", "0", 0, b"[]")
        await self._warn_of_losses()
        try:
            async with asyncio.timeout(self._patience):
                await self._subscriber.open()
        except TimeoutError:
            raise StoreUnavailable("the store's server accepts no subscription") from None
        if self._keeping is None:
            self._keeping = self.loop.create_task(self._keep(), name="fsmkit redis beat")
        self.ready = True

    def _opened(self, task: "asyncio.Task[None]") -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # looked at, also if every caller was cancelled meanwhile

    async def _check_format(self) -> None:
        await self.nodes.command(0, "SETNX", "meta", FORMAT)
        found = await self.nodes.command(0, "GET", "meta")
        if found != FORMAT.encode():
            raise StoreCorrupt(f"the store is {found!r}, this version writes {FORMAT!r}; it was not touched")

    async def _warn_of_losses(self) -> None:
        """Warn of servers that may drop conversations when their memory is full or when they stop."""
        for told in await self.nodes.settings("maxmemory", "maxmemory-policy", "appendonly", "save"):
            policy = told.get("maxmemory-policy", "noeviction")
            if told.get("maxmemory", "0") != "0" and policy != "noeviction":
                self._warn(
                    f"the store's server drops conversations when its memory is full (maxmemory-policy "
                    f"{policy}): set maxmemory-policy noeviction"
                )
            if told.get("appendonly") == "no" and told.get("save") == "":
                self._warn(
                    "the store's server keeps nothing on its disk, so that its restart loses all "
                    "conversations: set appendonly yes"
                )

    async def _keep(self) -> None:
        """Look after leases, waiters and connections until the session ends."""
        while True:
            await asyncio.sleep(self._beat)
            now = self.loop.time()
            try:
                self.nodes.check(now)
                await self._subscriber.check(now)
                self.turns.beat(now)
            except Exception:
                _log.exception("a beat of the store failed; the next one follows")
