"""Data at rest that only the holder of a key can read: a wrapper around any store.

Encrypted are rows, outbox, receipts, and updates in the inbox. In clear stay what a store looks them up by:
the key (ids of chat and user), flow, state and deadline.

Whose the bytes are stands within what is encrypted, so that nobody who can write to the database gives a
person's row to another. What earlier versions encrypted does not say so; it is read all the same, and written
in the new form by the next step.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from msgspec import structs

from fsmkit.clock import SystemClock
from fsmkit.errors import StoreCorrupt, requires_extra
from fsmkit.keys import Key
from fsmkit.stores.inbox import DeadLetter, HasInbox, Inbox, StoredUpdate, inbox_of
from fsmkit.stores.protocol import Change, KnowsWorkers, Lease, NoticesDeaths, Store, StoredRow

with requires_extra("crypto"):
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet


FORM = b"\x01"
"""Begins what names its owner: the length of the name in two bytes and the name follow, then the data. What
earlier versions encrypted is JSON, which never begins so."""


class Encrypted:
    """A store that encrypts what is stored, with Fernet (AES-128-CBC and HMAC-SHA256).

    Args:
        store: The store that keeps the encrypted data.
        keys: Fernet keys, as `cryptography.fernet.Fernet.generate_key()` makes them. The first one encrypts,
            all of them decrypt. To rotate, put the new key first, and remove the old one when everything has
            been written since (at the latest when the longest ttl has passed).

    Raises:
        ValueError: If there is no key, or one is not valid.

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
        return self.open(str(key), await self._store.peek(key))

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in clear."""
        return [self.open(str(key), entry) or b"" for entry in await self._store.outbox(key)]

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys in a chat for which anything is stored."""
        return await self._store.keys(chat, bot=bot)

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys of a person in whatever chat."""
        return await self._store.keys_of(user, bot=bot)

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Acknowledge the first entry of the outbox; return the next one in clear."""
        sealed = self._sealed.pop((key, entry), entry)
        return self.entry(key, await self._store.acknowledge(key, sealed, self.seal(str(key), receipt)))

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
            yield structs.replace(stored, row=self.open(str(stored.key), stored.row) or b"")

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person."""
        return await self._store.forget(who, bot=bot)

    @property
    def worker(self) -> str:
        """What this process is known by; empty where its death could not be told."""
        return self._store.worker if isinstance(self._store, KnowsWorkers) else ""

    @property
    def deaths(self) -> int:
        """How many other processes this one has found dead."""
        return self._store.deaths if isinstance(self._store, KnowsWorkers) else 0

    def is_gone(self, worker: str) -> bool:
        """Return whether a process that used the store is no more."""
        return isinstance(self._store, KnowsWorkers) and self._store.is_gone(worker)

    def on_death(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have something called when another process was found dead, if the store notices that."""
        return self._store.on_death(told) if isinstance(self._store, NoticesDeaths) else lambda: None

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the updates of a bot, in clear; ids of chat and user stay in clear in the store too."""
        return _EncryptedInbox(self, inbox_of(self._store, bot, SystemClock().now), _bot_text(bot))

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        return await self._store.inbox_bots() if isinstance(self._store, HasInbox) else []

    async def close(self) -> None:
        """Close the store."""
        await self._store.close()

    def seal(self, owner: str, clear: bytes | None) -> bytes | None:
        """Encrypt bytes for the store.

        Args:
            owner: Whose they are: the key's text, or an update's name.
            clear: The bytes.
        """
        if clear is None:
            return None
        name = owner.encode()
        return self._fernet.encrypt(FORM + len(name).to_bytes(2, "big") + name + clear)

    def open(self, owner: str, sealed: bytes | None) -> bytes | None:
        """Decrypt bytes of the store.

        Raises:
            StoreCorrupt: If none of the keys fits, or they are somebody else's.
        """
        if sealed is None:
            return None
        try:
            clear = self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise StoreCorrupt(
                f"what is stored for {owner} cannot be decrypted: it was written with another key or none"
            ) from error
        if not clear.startswith(FORM):
            return clear
        end = 3 + int.from_bytes(clear[1:3], "big")
        if clear[3:end] != owner.encode():
            raise StoreCorrupt(
                f"what is stored for {owner} was written for another key: somebody has moved it"
            )
        return clear[end:]

    def entry(self, key: Key, sealed: bytes | None) -> bytes | None:
        """Decrypt an entry of the outbox."""
        if sealed is None:
            return None
        entry = self.open(str(key), sealed) or b""
        self._sealed[key, entry] = sealed
        return entry


class _EncryptedLease:
    """A lease in clear, on one whose bytes are encrypted; see `fsmkit.stores.Lease`."""

    def __init__(self, outer: Encrypted, lease: Lease) -> None:
        self._outer = outer
        self._lease = lease
        self.key = lease.key
        self.idle = lease.idle
        self._owner = str(lease.key)
        self.row = outer.open(self._owner, lease.row)
        self.receipts: Sequence[bytes] = tuple(
            outer.open(self._owner, receipt) or b"" for receipt in lease.receipts
        )

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row encrypted."""
        outer, owner = self._outer, self._owner
        outbox = tuple(outer.seal(owner, entry) or b"" for entry in change.outbox)
        sealed = structs.replace(change, row=outer.seal(owner, change.row), outbox=outbox)
        entry = await self._lease.commit(sealed, hold=hold)
        self.receipts = self.receipts[change.folded :]
        return outer.entry(self.key, entry)


class _EncryptedInbox:
    """An inbox in clear, on one whose updates are encrypted; see `fsmkit.stores.inbox.Inbox`."""

    def __init__(self, outer: Encrypted, inbox: Inbox, bot: str) -> None:
        self._outer = outer
        self._inbox = inbox
        self._bot = bot
        self.durable = inbox.durable

    async def append(self, updates: Sequence[StoredUpdate]) -> list[StoredUpdate]:
        clear = {
            update.id: update.body for update in reversed(updates)
        }  # of two with one id the first counts
        sealed = [structs.replace(update, body=self._seal(update.id, update.body)) for update in updates]
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
        await self._inbox.set_aside(structs.replace(letter, body=self._seal(letter.name, letter.body)))

    async def dead(self) -> list[DeadLetter]:
        found = await self._inbox.dead()
        return [structs.replace(letter, body=self._open(letter.name, letter.body)) for letter in found]

    async def requeue(self, name: str) -> bool:
        return await self._inbox.requeue(name)

    async def drop(self, name: str) -> bool:
        return await self._inbox.drop(name)

    def _seal(self, name: int | str, clear: bytes) -> bytes:
        return self._outer.seal(self._owner(name), clear) or b""

    def _open(self, name: int | str, sealed: bytes) -> bytes:
        return self._outer.open(self._owner(name), sealed) or b""

    def _owner(self, name: int | str) -> str:
        return f"the update {name} of {self._bot}"


def _bot_text(bot: int | str | None) -> str:
    return "the bot" if bot is None else f"bot {bot!r}"
