"""A row that was read without a lease, and the commit that holds only if nobody has written it since."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change

Version = TypeVar("Version")


class RowSnapshot(Generic[Version]):
    """What `Store.snapshot` returns, for a store that can write by version.

    Args:
        key: Whose row.
        version: Which one was read, as the store knows it.
        row: Its bytes.
        receipts: What came of messages sent since it was written.
        write: Writes a change if the version is still this one; gives the first entry of the outbox to
            deliver, if any, and the new version. Raises LeaseLost if it is another.
    """

    __slots__ = ("_over", "_version", "_write", "idle", "key", "receipts", "row")

    def __init__(
        self,
        key: Key,
        version: Version,
        row: bytes | None,
        receipts: Sequence[bytes],
        write: Callable[[Version, Change], Awaitable[tuple[bytes | None, Version]]],
    ) -> None:
        self.key = key
        self.row = row
        self.receipts = receipts
        self.idle = False
        self._version = version
        self._write = write
        self._over = False

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row if nobody has written it since; see `fsmkit.stores.Lease`."""
        if self._over:
            raise LeaseLost(f"the snapshot of {self.key} has been committed; nothing was written")
        entry, self._version = await self._write(self._version, change)
        self.receipts = self.receipts[change.folded :]
        self._over = not hold
        return entry
