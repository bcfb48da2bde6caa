"""A turn with one row in a `RedisStore`: what is asked of the server when it begins and when it ends."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

import msgspec

from fsmkit.errors import LeaseLost, StoreUnavailable
from fsmkit.keys import Key
from fsmkit.stores import Change
from fsmkit.stores.redis_session import Session
from fsmkit.stores.redis_turns import Place, View

_encode = msgspec.json.Encoder().encode


class Sessions(Protocol):
    """What a lease needs of its store."""

    claim_ms: int
    repeat_ms: int

    async def session(self) -> Session:
        """What the store has in the running loop."""
        ...


class RedisLease:
    """A turn with one row; see `fsmkit.stores.Lease`."""

    __slots__ = (
        "_exclusive",
        "_place",
        "_session",
        "_store",
        "_token",
        "_version",
        "_wanted",
        "idle",
        "key",
        "receipts",
        "row",
    )

    def __init__(self, store: Sessions, key: Key, exclusive: bool, wanted: bool) -> None:
        self._store = store
        self._exclusive = exclusive
        self._wanted = wanted
        self.idle = False
        self._place = Place.of(key)
        self._session: Session | None = None
        self._token = ""
        self._version = b""
        self.key = key
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def __aenter__(self) -> "RedisLease":
        session = await self._store.session()
        if self._exclusive:
            self._token, view = await session.turns.take(self._place, self._wanted)
        else:
            reply = await session.nodes.call(self._place.shard, "load", self._place.text)
            view = View(reply[1], reply[2], tuple(reply[3:]))
        self._version, self.row, self.receipts, self.idle = view
        self._session = None if self.idle else session
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is None or not self._token:
            return
        if isinstance(error, StoreUnavailable):
            session.turns.give_up(self._token)  # who calls has waited for the server long enough
        else:
            await session.turns.release(self._token)

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Writes the row and frees the lease; see `fsmkit.stores.Lease`."""
        session, (shard, text) = self._session, self._place
        if session is None:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")
        turns, told = session.turns, self._store
        number = turns.new_id() if hold or not self._token else self._token
        flows = sorted({entry.flow for entry in change.index})
        reply = await session.nodes.call(
            shard, "commit", text, self._token, turns.lease_ms, self._version, number,
            "1" if hold else "", "" if change.row is None else "1", change.row or b"",
            "" if change.wake is None else repr(float(change.wake)),
            _encode([(entry.flow, entry.state, entry.deadline) for entry in change.index]), _encode(flows),
            change.folded, told.claim_ms, told.repeat_ms, *change.outbox,
        )  # fmt: skip
        if not reply[0] or not hold:
            self._session = None
            turns.drop(self._token)
        if not reply[0]:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")
        entry: bytes | None
        _, entry, self._version = reply
        self.receipts = self.receipts[change.folded :]
        return entry
