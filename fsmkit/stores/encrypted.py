"""Data at rest that only the holder of a key can read: a wrapper around any store.

Encrypted are rows, outbox, receipts, and updates in the inbox. In clear stay what a store looks them up by:
the key (ids of chat and user), flow, state and deadline.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

from msgspec import structs

from fsmkit.clock import SystemClock
from fsmkit.errors import StoreCorrupt, requires_extra
from fsmkit.keys import Key
from fsmkit.stores.inbox import DeadLetter, HasInbox, Inbox, StoredUpdate, inbox_of
from fsmkit.stores.protocol import Change, Lease, Store, StoredRow

with requires_extra("crypto"):
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class Encrypted:
    """A store whose rows are encrypted with Fernet (AES-128-CBC and HMAC-SHA256).

    Args:
        store: Where the rows are.
        keys: Fernet keys, as `cryptography.fernet.Fernet.generate_key()` makes them. The first encrypts, all
            decrypt: to rotate, put the new key first and remove the old one when every row has been written
            since (at the latest when the longest ttl has passed).

    Raises:
        ValueError: If there is no key, or one is none.

    Example:
        >>> from cryptography.fernet import Fernet
        >>> from fsmkit.stores.memory import MemoryStore
        >>> store = Encrypted(MemoryStore(), [Fernet.generate_key()])
    """

    def __init__(self, store: Store, keys: Iterable[bytes | str]) -> None:
        made = [Fernet(key) for key in keys]
        if not made:
            raise ValueError("Encrypted(store, keys=[]) needs a key: Fernet.generate_key() makes one")
        self._store = store
        self._fernet = MultiFernet(made)
        self._sealed: dict[tuple[Key, bytes], bytes] = {}
        """How the entries that are being delivered here stand in the store: no two encryptions are equal."""
        self.durable = store.durable

    @asynccontextmanager
    async def lease(self, key: Key, *, wanted: bool = True) -> AsyncGenerator[Lease]:
        """Wait for the turn with one row, in clear."""
        async with self._store.lease(key, wanted=wanted) as lease:
            yield _EncryptedLease(self, lease)

    async def snapshot(self, key: Key) -> Lease:
        """Read the row in clear; of several who commit, the first wins."""
        return _EncryptedLease(self, await self._store.snapshot(key))

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed, in clear."""
        return self.open(key, await self._store.peek(key))

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in clear."""
        return [self.open(key, entry) or b"" for entry in await self._store.outbox(key)]

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys in a chat for which anything is stored."""
        return await self._store.keys(chat, bot=bot)

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys of a person in whatever chat."""
        return await self._store.keys_of(user, bot=bot)

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Acknowledge the first entry of the outbox; return the next one in clear."""
        sealed = self._sealed.pop((key, entry), entry)
        return self.entry(key, await self._store.acknowledge(key, sealed, self.seal(receipt)))

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Extend the claim on an outbox."""
        await self._store.extend_claim(key, seconds)

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys whose time has come."""
        return await self._store.due(bot, flows, now, limit)

    async def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield rows in clear."""
        async for stored in self._store.scan(bot=bot, flow=flow, state=state):
            yield structs.replace(stored, row=self.open(stored.key, stored.row) or b"")

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person."""
        return await self._store.forget(who, bot=bot)

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the updates of a bot, in clear; ids of chat and user stay in clear in the store too."""
        return _EncryptedInbox(self, inbox_of(self._store, bot, SystemClock().now))

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        return await self._store.inbox_bots() if isinstance(self._store, HasInbox) else []

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    def seal(self, clear: bytes | None) -> bytes | None:
        """Encrypt bytes for the store."""
        return None if clear is None else self._fernet.encrypt(clear)

    def open(self, key: Key | str, sealed: bytes | None) -> bytes | None:
        """Decrypt bytes of the store.

        Raises:
            StoreCorrupt: If none of the keys fits.
        """
        if sealed is None:
            return None
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            what = f"the row of {key}" if isinstance(key, Key) else key
            raise StoreCorrupt(
                f"{what} cannot be decrypted: it was written with another key, or without one"
            ) from error

    def entry(self, key: Key, sealed: bytes | None) -> bytes | None:
        """Decrypt an entry of the outbox."""
        if sealed is None:
            return None
        entry = self.open(key, sealed) or b""
        self._sealed[key, entry] = sealed
        return entry


class _EncryptedLease:
    """A lease in clear, on one whose bytes are encrypted; see `fsmkit.stores.Lease`."""

    def __init__(self, outer: Encrypted, lease: Lease) -> None:
        self._outer = outer
        self._lease = lease
        self.key = lease.key
        self.idle = lease.idle
        self.row = outer.open(lease.key, lease.row)
        self.receipts: Sequence[bytes] = tuple(
            outer.open(lease.key, receipt) or b"" for receipt in lease.receipts
        )

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row encrypted."""
        outer = self._outer
        outbox = tuple(outer.seal(entry) or b"" for entry in change.outbox)
        sealed = structs.replace(change, row=outer.seal(change.row), outbox=outbox)
        entry = await self._lease.commit(sealed, hold=hold)
        self.receipts = self.receipts[change.folded :]
        return outer.entry(self.key, entry)


class _EncryptedInbox:
    """An inbox in clear, on one whose updates are encrypted; see `fsmkit.stores.inbox.Inbox`."""

    def __init__(self, outer: Encrypted, inbox: Inbox) -> None:
        self._outer = outer
        self._inbox = inbox
        self.durable = inbox.durable

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        clear = {
            update.id: update.body for update in reversed(updates)
        }  # of two with one id the first counts
        sealed = [structs.replace(update, body=self._outer.seal(update.body) or b"") for update in updates]
        found = await self._inbox.append(sealed)
        return [structs.replace(update, body=clear[update.id]) for update in found]

    async def waiting(
        self, after: int = 0, limit: int = 100, *, line: int | None = None
    ) -> list[StoredUpdate]:
        found = await self._inbox.waiting(after, limit, line=line)
        return [structs.replace(update, body=self._open(update.id, update.body)) for update in found]

    async def strike(self, ids: Sequence[int]) -> None:
        await self._inbox.strike(ids)

    async def note_attempts(self, ids: Sequence[int], attempts: int) -> None:
        await self._inbox.note_attempts(ids, attempts)

    async def set_aside(self, letter: DeadLetter) -> None:
        await self._inbox.set_aside(structs.replace(letter, body=self._outer.seal(letter.body) or b""))

    async def dead(self) -> list[DeadLetter]:
        found = await self._inbox.dead()
        return [structs.replace(letter, body=self._open(letter.name, letter.body)) for letter in found]

    async def requeue(self, name: str) -> bool:
        return await self._inbox.requeue(name)

    async def drop(self, name: str) -> bool:
        return await self._inbox.drop(name)

    def _open(self, name: int | str, sealed: bytes) -> bytes:
        return self._outer.open(f"the update {name}", sealed) or b""
