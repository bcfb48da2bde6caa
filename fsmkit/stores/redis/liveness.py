"""Which of the processes that others wait for have died, found out from who listens on the server.

Each process listens on a channel of its own for as long as it lives (`subscriber`), and the operating system
ends its connections with it. So a process of whose channel the server knows no listener may be dead, or may
just have lost that connection. The second kind says so: it gives a sign of life until it listens again. A
process that was not heard of in either way for `SILENT_SECONDS` is dead. One that stands still, or whose
machine has lost its power, still seems to listen: what it holds is free when its time has run out.

All processes stand in one list, and each looks for all the others, so that the silence of a dead one counts
from its death, not from when somebody needs what it has. Who finds it dead frees what it had, and marks it in
the list for all the others. Whoever is taken for dead by mistake loses a lease (`LeaseLost`), never writes
on what others have written, and takes its mark away.
"""

import asyncio
import logging
from collections.abc import Iterable

from redis.exceptions import RedisError, ResponseError

from fsmkit.errors import StoreError
from fsmkit.stores.redis.cluster import Nodes
from fsmkit.stores.sessions import WarnOnce

LOOK_SECONDS = 0.25
"""Seconds between two looks."""

CLOSE_LOOK_SECONDS = 0.1
"""Seconds between two looks while nothing is heard of some process."""

SILENT_SECONDS = 1.5
"""How long nothing is heard of a process before it is taken for dead; a lost connection is back before."""

BEAT_MS = 2000
"""For how long a sign of life counts."""

MARK_MS = 60_000
"""How long a dead process stands in the list; whatever it had has ended by then."""

WORKERS = "workers"
"""The list of processes, in the first shard: with a score of 0, or the time at which it was found dead."""

_log = logging.getLogger("fsmkit")


class Liveness:
    """The processes that one session wants to know about.

    Args:
        nodes: The servers.
        prefix: What all names begin with.
        process: The id of this one.
        warn: Told once if the server does not tell who listens.
    """

    def __init__(self, nodes: Nodes, prefix: str, process: str, warn: WarnOnce) -> None:
        self._nodes = nodes
        self._prefix = prefix
        self._process = process
        self._warn = warn
        self._missing: dict[str, float] = {}

    @property
    def channel(self) -> str:
        """The channel that this process listens on."""
        return self._channel_of(self._process)

    async def beat(self) -> None:
        """Give a sign of life: this process does not listen just now."""
        await self._nodes.command(0, "SET", f"beat:{self._process}", "1", "PX", BEAT_MS)

    async def leave(self) -> None:
        """Take this process out of the list: it ends, and has nothing any more."""
        await self._nodes.command(0, "ZREM", WORKERS, self._process)

    @property
    def interval(self) -> float:
        """Seconds until the next look."""
        return CLOSE_LOOK_SECONDS if self._missing else LOOK_SECONDS

    async def join(self) -> None:
        """Put this process into the list."""
        await self._nodes.command(0, "ZADD", WORKERS, 0, self._process)

    async def find_dead(self, others: Iterable[str] = ()) -> set[str]:
        """Return the processes that are known to have died; called every `interval`, each look counts.

        Args:
            others: Processes that may not stand in the list, of an older version.
        """
        found = await self._nodes.command(0, "ZRANGE", WORKERS, 0, -1, "WITHSCORES")
        listed = {name.decode(): float(score) for name, score in zip(found[::2], found[1::2], strict=True)}
        if listed.pop(self._process, 1.0):
            await self.join()  # the server has forgotten it, or somebody was wrong
        marked = {process for process, score in listed.items() if score}
        asked = sorted({*listed, *others} - {self._process} - marked)
        silent = await self._silent(asked) if asked else set()
        now = asyncio.get_running_loop().time()
        self._missing = {process: self._missing.get(process, now) for process in silent}
        return marked | {process for process, since in self._missing.items() if now - since >= SILENT_SECONDS}

    async def mark(self, dead: Iterable[str]) -> None:
        """Tell all others of dead processes, once what they had is free; forget old ones."""
        seconds, micros = await self._nodes.time()
        now = seconds * 1000 + micros // 1000
        for process in dead:
            await self._nodes.command(0, "ZADD", WORKERS, now, process)
        await self._nodes.command(0, "ZREMRANGEBYSCORE", WORKERS, "(0", now - MARK_MS)

    async def _silent(self, processes: list[str]) -> set[str]:
        """Return those that nobody has heard of just now; none if a server does not tell."""
        try:
            counts = await self._nodes.listeners([self._channel_of(process) for process in processes])
            suspects = [process for process, count in zip(processes, counts, strict=True) if not count]
            beats = [await self._nodes.command(0, "EXISTS", f"beat:{process}") for process in suspects]
        except ResponseError as error:
            self._warn(
                f"the store's server does not tell who listens ({error}): what a killed process held is free "
                f"when its time has run out"
            )
            return set()
        except (RedisError, OSError, StoreError) as error:
            _log.debug("nobody knows now which processes live: %s", error)
            return set()
        return {process for process, beat in zip(suspects, beats, strict=True) if not beat}

    def _channel_of(self, process: str) -> str:
        return f"{self._prefix}:wake:{process}"
