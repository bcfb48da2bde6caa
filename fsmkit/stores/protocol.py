"""What a store is: versioned rows by key, with leases, deadlines and an outbox beside each row.

How a step, a commit, claims and receipts work together, and why in that order, stands at the head of
`fsmkit.stores`. `fsmkit.testing` has the contract that every store passes.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from fsmkit.keys import Key

CLAIM_SECONDS = 30.0
"""How long an outbox belongs to the process that delivers it, from its last sign of life."""


class Index(Struct, frozen=True, gc=False):
    """What a row is looked up by, one for each conversation in it.

    Attributes:
        flow: Name of the flow that runs.
        state: Name of its state.
        deadline: When the conversation times out, in seconds since 1970, UTC.
    """

    flow: str
    state: str | None
    deadline: float | None


class Change(Struct, frozen=True):
    """What one commit writes, all of it or nothing.

    Attributes:
        row: The row, or `None`: nothing is left to store.
        wake: When the engine has to look at the row again, in seconds since 1970, UTC.
        index: What to look it up by.
        outbox: Entries to append to the outbox.
        folded: How many of the receipts that the lease showed stand in the row now.
        struck: Updates of the key's bot that have taken effect by this commit (`fsmkit.stores.inbox`): struck
            from the inbox in the same write, where the store has one.
    """

    row: bytes | None
    wake: float | None = None
    index: tuple[Index, ...] = ()
    outbox: tuple[bytes, ...] = ()
    folded: int = 0
    struck: tuple[int, ...] = ()


class StoredRow(Struct, frozen=True):
    """A row as `scan` shows it.

    Attributes:
        key: Whose.
        row: Its bytes.
        index: What it is looked up by.
        outbox: How many effects wait to be delivered.
    """

    key: Key
    row: bytes
    index: tuple[Index, ...]
    outbox: int


class Lease(Protocol):
    """The right to write one row, and the row as it was when the lease began.

    Attributes:
        key: Whose row.
        row: Its bytes, `None` if there is none.
        receipts: What came of messages sent since the last commit.
        idle: Whether no turn was taken, for nothing could want it (`lease(key, wanted=False)`): there is
            nothing to commit and nothing to free.
    """

    key: Key
    row: bytes | None
    receipts: Sequence[bytes]
    idle: bool

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row, if the lease still holds and nobody wrote it since, and free the lease.

        Args:
            change: What to write.
            hold: Keeps the lease for another commit.

        Returns:
            The first entry of the outbox if nobody is delivering it: the caller does so now. Else `None`.

        Raises:
            LeaseLost: If the lease is over; nothing was written.
        """
        ...


class PromptLease(Protocol):
    """A lease that is awaited only where there is something to wait for.

    The lease of a store in this process has this beside `async with` and `commit`: most turns are free, and
    are then taken, committed and freed without a coroutine. `AwaitedLease` makes it of any other lease.

    Row, receipts and `idle` are shown once the turn was taken.
    """

    @property
    def key(self) -> Key:
        """Whose row."""
        ...

    @property
    def row(self) -> bytes | None:
        """Its bytes."""
        ...

    @property
    def receipts(self) -> Sequence[bytes]:
        """What came of messages sent since the last commit."""
        ...

    @property
    def idle(self) -> bool:
        """Whether no turn was taken."""
        ...

    def take(self) -> Awaitable[object] | None:
        """Take the turn, and show the row; or return what waits for the turn."""
        ...

    def put(self, change: Change, *, hold: bool = False) -> "bytes | Awaitable[bytes | None] | None":
        """Commit, like `commit`; or return what does."""
        ...

    def free(self) -> Awaitable[object] | None:
        """Free the lease, if it is held; or return what does."""
        ...


class Store(Protocol):
    """Rows by key. Two bots may share a store; the bot is part of the key.

    Attributes:
        durable: Whether rows outlive the process.
    """

    durable: bool

    def lease(self, key: Key, *, wanted: bool = True) -> AbstractAsyncContextManager[Lease]:
        """Wait for the turn with one row, first come, first served; leaving the block frees it.

        Args:
            key: Whose row.
            wanted: `False`: the turn is of use only to a conversation that runs. Where none is stored (the
                row's `index` is empty, or there is no row) and nobody has or awaits the turn, none is taken:
                the lease is `idle`, and shows the row. A turn that may just begin a conversation is waited
                for as ever.
        """
        ...

    async def snapshot(self, key: Key) -> Lease:
        """Read the row without waiting for anybody; of several who commit, the first wins.

        Its commit raises LeaseLost if somebody has written the row since it was read, with a lease or
        without one. There is nothing to free. `fsmkit.stores.snapshot` makes it of a read and a write by
        version.
        """
        ...

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed, without a lease."""
        ...

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in their order; the first may just be on its way."""
        ...

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys in a chat for which anything is stored, a row or an outbox, ordered by their text.

        Args:
            chat: The key's part of that name; by the key rule `GLOBAL_USER` it is a person.
            bot: Only this bot's keys.
        """
        ...

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return keys of a person in whatever chat for which anything is stored, ordered by their text.

        Args:
            user: A user's id: keys with that user, and those of that user's private chat.
            bot: Only this bot's keys.
        """
        ...

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Remove the first entry of the outbox, once it was delivered, and keep the claim on the next.

        Who delivers an outbox has a claim on it: given by the commit that returned the first entry, lasting
        `CLAIM_SECONDS` from the last `commit`, `acknowledge` or `extend_claim`. An outbox that nobody has a
        claim on any more (its process died) is `due`.

        Args:
            key: Whose outbox.
            entry: The entry that was delivered; if another stands first, nothing is struck off.
            receipt: What to remember of it until the next commit.

        Returns:
            The next entry, or `None`: the outbox is empty and free, or somebody else delivers it now.
        """
        ...

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Extend the claim on an outbox by so many seconds and `CLAIM_SECONDS` more: the chat has to wait."""
        ...

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys whose `wake` has come, or whose outbox nobody delivers; the most overdue first.

        Args:
            bot: Only this bot's keys.
            flows: Flows that the caller knows; a row whose `index` names only others is left alone.
            now: The time, in seconds since 1970, UTC.
            limit: At most so many keys.
        """
        ...

    def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield all rows, or those with a conversation of a flow or in a state, ordered by the key's text."""
        ...

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key, or for a person in whatever chat.

        A step that runs meanwhile loses its lease, so that it cannot write anything back.

        Args:
            who: A key, or a user's id: then all keys with that user, and that user's private chat.
            bot: With a user's id: only this bot's keys.

        Returns:
            How many rows were removed.
        """
        ...

    async def close(self) -> None:
        """End connections; the store is of no use after it."""
        ...


@runtime_checkable
class KnowsWorkers(Protocol):
    """A store that can tell whether a process which used it has died; not every store can.

    Attributes:
        worker: What this process is known by, empty if its death could not be told.
        deaths: How many others this process has found dead.
    """

    @property
    def worker(self) -> str: ...

    @property
    def deaths(self) -> int: ...

    def is_gone(self, worker: str) -> bool:
        """Return whether a process that had a name in `worker` is no more; `False` if that is not known."""
        ...


@runtime_checkable
class NoticesDeaths(Protocol):
    """A store that looks for dead processes by itself, and frees what they had as soon as it finds one."""

    def on_death(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have something called, in the running event loop, whenever another process was found dead.

        Returns:
            What ends that.
        """
        ...


class AwaitedLease:
    """The lease of a store of which everything is awaited, as a `PromptLease`.

    Args:
        key: Whose row.
        opening: What `Store.lease` returned, or a coroutine that makes a lease with nothing to free.
    """

    __slots__ = ("_lease", "_opening", "key")

    def __init__(self, key: Key, opening: "AbstractAsyncContextManager[Lease] | Awaitable[Lease]") -> None:
        self.key = key
        self._opening = opening
        self._lease: Lease | None = None

    async def take(self) -> None:
        """Take the turn."""
        opening = self._opening
        if isinstance(opening, AbstractAsyncContextManager):
            self._lease = await opening.__aenter__()
        else:
            self._lease = await opening

    def put(self, change: Change, *, hold: bool = False) -> Awaitable[bytes | None]:
        """Commit."""
        commit: Awaitable[bytes | None] = self._taken.commit(change, hold=hold)
        return commit

    def free(self) -> Awaitable[object] | None:
        """Free the lease, if it was taken and is one that is freed."""
        if self._lease is None or not isinstance(self._opening, AbstractAsyncContextManager):
            return None
        return self._opening.__aexit__(None, None, None)

    @property
    def _taken(self) -> Any:
        return self._lease

    @property
    def row(self) -> bytes | None:
        """The row's bytes."""
        row: bytes | None = self._taken.row
        return row

    @property
    def receipts(self) -> Sequence[bytes]:
        """What came of messages sent since the last commit."""
        receipts: Sequence[bytes] = self._taken.receipts
        return receipts

    @property
    def idle(self) -> bool:
        """Whether no turn was taken."""
        idle: bool = self._taken.idle
        return idle


def snapshot_of(store: Store, key: Key, *, wanted: bool = True) -> PromptLease:  # noqa: ARG001  # as a lease is asked for
    """Return a look at a row without a turn, not yet taken, as the engine works with it."""
    return AwaitedLease(key, store.snapshot(key))
