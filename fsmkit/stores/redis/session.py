"""All that a store has in one event loop: connections, subscription, turns, and the beat that keeps them.

A second loop (`asyncio.run` twice) gets a session of its own; when a loop ends without `close`, its session
ends with the tasks that the loop cancels, and leaves no connection behind.
"""

import asyncio
import logging
from collections.abc import Callable

from fsmkit.errors import StoreCorrupt, StoreError, StoreUnavailable
from fsmkit.stores.redis.cluster import SHARDS, Nodes
from fsmkit.stores.redis.connection import Settings
from fsmkit.stores.redis.leases import RedisWaiters
from fsmkit.stores.redis.liveness import Liveness
from fsmkit.stores.redis.subscriber import Subscriber
from fsmkit.stores.sessions import GOODBYE_SECONDS, WarnOnce

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
        self._liveness = Liveness(self.nodes, settings.prefix, self.turns.process, warn)
        self._warn = warn
        self._subscriber = Subscriber(
            self.nodes.separate,
            self._liveness.channel,
            self.turns.heard,
            self.turns.missed,
            settings.timeout,
        )
        self.claimers: dict[str, set[str]] = {}
        """Who delivers outboxes, by bot, as the sweeper of this process saw them last."""
        self.dead: set[str] = set()
        """The processes that are known to have died, in the last minute."""
        self.deaths = 0
        self.told: list[Callable[[], None]] = []
        """Who wants to know of another one."""
        self._freed: dict[str, set[str]] = {}
        """Of whom everything was freed, by bot."""
        self._claim_ms = settings.claim_ms
        self._beat = settings.lease_seconds / BEATS
        self._patience = settings.retry_seconds
        self._opening: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._leave()
        await self._subscriber.close()
        await self.nodes.close()

    async def _leave(self) -> None:
        """Free what is left, so that nobody has to find out that this process is gone."""
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                for bot in self.claimers:
                    await self.nodes.call_all("orphan", bot, self._claim_ms, self.turns.process)
                await self._liveness.leave()
        except (StoreError, TimeoutError) as error:
            _log.debug("the others have to find out that this process is gone: %s", error)

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
        await self._liveness.join()  # before it has anything
        if not self._tasks:
            self._tasks = [
                self.loop.create_task(self._keep(), name="fsmkit redis beat"),
                self.loop.create_task(self._watch(), name="fsmkit redis watch"),
            ]
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

    async def _watch(self) -> None:
        """Free what processes had that have died, and say that this one lives."""
        while True:
            try:
                if not self._subscriber.listens:
                    await self._liveness.beat()
                self.turns.beat(self.loop.time())
                await self._look()
            except StoreUnavailable as error:
                _log.debug("a look at other processes failed: %s", error)
            except Exception:
                _log.exception("a look at other processes failed; the next one follows")
            await asyncio.sleep(self._liveness.interval)

    async def _look(self) -> None:
        delivering = {process for found in self.claimers.values() for process in found}
        dead = await self._liveness.find_dead(self.turns.awaited() | delivering)
        found, self.dead = dead - self.dead, dead
        self.turns.take_from(dead)
        for bot in self.claimers:
            freed = self._freed.get(bot, set()) & dead
            if gone := dead - freed:
                await self.nodes.call_all("orphan", bot, self._claim_ms, *gone)
            self._freed[bot] = freed | gone
        if found:
            await self._liveness.mark(found)
            self.deaths += len(found)
            for told in self.told:
                told()
