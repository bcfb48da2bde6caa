"""MemoryStore passes the store contract."""

from collections.abc import AsyncIterator

import pytest

from fsmkit.stores import Store
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock, StoreContract


class TestMemoryStore(StoreContract):
    """The reference. It lives in one process: its leases end with who holds them."""

    @pytest.fixture(autouse=True)
    def time(self, clock: ManualClock) -> None:
        self.clock = clock

    @pytest.fixture
    async def store(self, clock: ManualClock) -> AsyncIterator[Store]:
        store = MemoryStore(clock)
        yield store
        await store.close()

    async def pass_time(self, store: Store, seconds: float) -> None:
        self.clock.advance(seconds)
