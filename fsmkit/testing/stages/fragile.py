"""A store and a clock that can be put back, and a store that kills the bot at an operation."""

from typing import Any

from fsmkit.keys import Key
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.stages.sights import KilledError


class RewindableClock(ManualClock):
    """A clock that can be put back together with all that stood at that time."""

    def rewind(self, to: float) -> None:
        """Puts it to a time."""
        self._now = to
        self._sleepers.clear()


class FragileStore(MemoryStore):
    """Rows in memory, and an order to be killed before one of the next operations.

    Attributes:
        killed_before: Which: 1 the next; 0: none.
    """

    killed_before = 0

    def write(self, key: Key, version: int, change: Any) -> tuple[bytes | None, int]:
        """As `MemoryStore.write`."""
        self._operation()
        return super().write(key, version, change)

    async def strike(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """As `MemoryStore.strike`."""
        self._operation()
        return await super().strike(key, entry, receipt)

    def _operation(self) -> None:
        if self.killed_before:
            self.killed_before -= 1
            if self.killed_before == 0:
                raise KilledError("before an operation on the store")
