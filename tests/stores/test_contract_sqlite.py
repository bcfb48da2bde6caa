"""SQLiteStore passes the store contract, with commits that wait for the disk and with such that do not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fsmkit.stores import CLAIM_SECONDS, Store
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock, StoreContract

LEASE_SECONDS = 15.0


class TestSQLiteStore(StoreContract):
    """The wall clock of the store stands still too."""

    synchronous: Any = "FULL"

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "bot.db"
        self.wall = ManualClock(5_000.0)

    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        store = self.open()
        yield store
        await store.close()

    def open(self) -> SQLiteStore:
        return SQLiteStore(
            self.path, synchronous=self.synchronous, lease_seconds=LEASE_SECONDS, clock=self.wall
        )

    async def another(self, store: Store) -> Store:
        return self.open()

    async def expire_leases(self, store: Store) -> None:
        self.wall.advance(LEASE_SECONDS)

    async def expire_claims(self, store: Store) -> None:
        self.wall.advance(CLAIM_SECONDS)

    async def pass_time(self, store: Store, seconds: float) -> None:
        self.wall.advance(seconds)


class TestSQLiteStoreNormal(TestSQLiteStore):
    """The same without waiting for the disk."""

    synchronous = "NORMAL"
