"""What the parts of the store contract share: fixtures and hooks that a store's own test overrides.

The behaviours themselves are in the other modules named `contract_*`.
"""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import pytest

from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Index, Lease, Store
from fsmkit.testing.clock import ManualClock

START = 1_000_000.0
"""Where the engine's clock stands when a test begins, in seconds."""


PATIENCE = 30.0
"""Seconds of real time after which a test that waits for ever is given up."""


KEY = Key(chat=-100, user=7, bot=1)


OTHER = Key(chat=-100, user=8, bot=1)


class ContractBase:
    """Fixtures and hooks; a store's own test overrides `store`, and the hooks that it can serve."""

    @pytest.fixture
    async def store(self) -> Store:
        """Return the store to test, empty; an override yields it and closes it then."""
        raise NotImplementedError("override the fixture `store`: yield an empty store, then close it")

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the engine's clock; it stands still."""
        return ManualClock(START)

    async def another(self, store: Store) -> Store:
        """Return the same data, opened as another process would; the test closes it."""
        pytest.skip(f"{type(store).__name__} lives in one process")

    async def reopen(self, store: Store) -> Store:
        """Return the same data after a restart; it closes the store, the test closes the new one."""
        again = await self.another(store)
        await store.close()
        return again

    async def expire_leases(self, store: Store) -> None:
        """Let the leases that are held run out, as if this process had stood still for too long."""
        pytest.skip(f"leases of {type(store).__name__} do not expire")

    async def expire_claims(self, store: Store) -> None:
        """Let `CLAIM_SECONDS` and a little more pass for claims on outboxes, as if who delivers had died."""
        pytest.skip(f"claims of {type(store).__name__} do not expire")

    async def pass_time(self, store: Store, seconds: float) -> None:
        """Let so much time pass for what the store keeps for a term of its own: struck ids, dead letters."""
        pytest.skip(f"the time of {type(store).__name__} cannot be moved by {seconds} seconds")


async def put(
    store: Store,
    key: Key,
    row: bytes | None,
    *,
    wake: float | None = None,
    index: Iterable[Index | tuple[str, str | None]] = (),
    outbox: tuple[bytes, ...] = (),
) -> bytes | None:
    """Write one row under its lease; return what `commit` returned."""
    entries = tuple(i if isinstance(i, Index) else Index(i[0], i[1], wake) for i in index)
    async with store.lease(key) as lease:
        return await lease.commit(Change(row, wake, entries, outbox))


async def add_one(store: Store, key: Key) -> None:
    """Count in the row of a key, in its turn; what the handler does takes a moment."""
    async with store.lease(key) as lease:
        await _count(lease)


async def add_one_out_of_turn(store: Store, key: Key) -> None:
    """Count in the row of a key without waiting for the turn."""
    await _count(await store.snapshot(key))


async def _count(lease: Lease) -> None:
    count = int(lease.row or b"0")
    await asyncio.sleep(0)
    await lease.commit(Change(b"%d" % (count + 1)))


async def all_keys(store: Store, **wanted: Any) -> list[Key]:
    """Return the keys that `scan` shows, in its order."""
    return [stored.key async for stored in store.scan(**wanted)]


async def patiently(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Await all at once, each in a task of its own; a deadlock fails the test instead of stopping it."""
    async with asyncio.timeout(PATIENCE):
        return list(await asyncio.gather(*work))


async def begun(*tasks: "asyncio.Task[Any]") -> None:
    """Let tasks come as far as they can without anybody's help."""
    for _ in range(20):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
