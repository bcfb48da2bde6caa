"""Which of the processes that others wait for have died, found out from who listens on the server.

Each process listens on a channel of its own for as long as it lives (`subscriber`), and the operating system
ends its connections with it. So a process of whose channel the server knows no listener may be dead, or may
just have lost that connection. The second kind says so: it gives a sign of life until it listens again. A
process that was not heard of in either way for `SILENT_SECONDS` is dead. One that stands still, or whose
machine has lost its power, still seems to listen: what it holds is free when its time has run out.

Only processes that somebody waits for are asked about. Whoever is taken for dead by mistake loses a lease
(`LeaseLost`), and never writes on what others have written.
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

SILENT_SECONDS = 1.5
"""How long nothing is heard of a process before it is taken for dead; a lost connection is back before."""

BEAT_MS = 2000
"""For how long a sign of life counts."""

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

    async def find_dead(self, processes: Iterable[str]) -> set[str]:
        """Return those of these processes that have died; called every `LOOK_SECONDS`, each look counts."""
        asked = sorted({*processes} - {self._process})
        silent = await self._silent(asked) if asked else set()
        now = asyncio.get_running_loop().time()
        self._missing = {process: self._missing.get(process, now) for process in silent}
        return {process for process, since in self._missing.items() if now - since >= SILENT_SECONDS}

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
