"""A store and a clock that can be put back, and a store that kills the bot at an operation."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable
from typing import Any

from fsmkit.keys import Key
from fsmkit.stores.memory import MemoryLease, MemoryStore
from fsmkit.stores.protocol import Change
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.screen import KilledError


class RewindableClock(ManualClock):
    """A clock that can be put back together with all that stood at that time."""

    def rewind(self, to: float) -> None:
        """Put it to a time."""
        self._now = to
        self._sleepers.clear()


class _YieldingLease(MemoryLease):
    """A lease whose operations take their turn in the event loop."""

    __slots__ = ()

    def take(self) -> Awaitable[None]:
        """As `MemoryLease.take`."""
        return self._later(super().take)

    def put(self, change: Change, *, hold: bool = False) -> Awaitable[Any]:
        """As `MemoryLease.put`."""
        return self._later(partial(super().put, change, hold=hold))

    async def _later(self, operation: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        result = operation()
        return await result if isawaitable(result) else result


class FragileStore(MemoryStore):
    """Rows in memory, and an order to be killed before one of the next operations.

    Attributes:
        killed_before: Which: 1 the next; 0: none.
        was_killed: Whether it has been refused, by whomever it was asked for.
    """

    killed_before = 0
    was_killed = False
    yields = False
    """Whether each operation lets others go on meanwhile, as one over a network does."""

    def lease(self, key: Key, *, wanted: bool = True) -> MemoryLease:
        """As `MemoryStore.lease`."""
        kind = _YieldingLease if self.yields else MemoryLease
        return kind(self, key, wanted)

    def write(self, key: Key, version: int, change: Any) -> tuple[bytes | None, int]:
        """As `MemoryStore.write`."""
        self._operation()
        return super().write(key, version, change)

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """As `MemoryStore.acknowledge`."""
        self._operation()
        if self.yields:
            await asyncio.sleep(0)
        return await super().acknowledge(key, entry, receipt)

    def _operation(self) -> None:
        if self.killed_before:
            self.killed_before -= 1
            if self.killed_before == 0:
                self.was_killed = True
                raise KilledError("before an operation on the store")
