"""The store of many processes: Redis, Valkey, or a cluster of either.

Each call of the store's protocol becomes a script or a command about the shard of its key (`cluster`). What
is stored, and the rules of leases, are in the scripts (`lua/`). `leases` has the turns of this process,
`connection` and `subscriber` have the two connections to a server, `session` has all that belongs to one
event loop.

Order: first come, first served in the order in which the server received the requests; a process that was
silent for two thirds of the lease time loses its place. What a process has that was killed is taken away once
`liveness` has found that out. The store is as durable as the server is configured
(`appendfsync`).
"""

import asyncio
import heapq
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any

import msgspec

from fsmkit.errors import LeaseLost, StoreUnavailable, requires_extra
from fsmkit.keys import Key
from fsmkit.stores.inbox import Inbox
from fsmkit.stores.protocol import CLAIM_SECONDS, Change, Index, Lease, StoredRow
from fsmkit.stores.sessions import LoopSessions, WarnOnce
from fsmkit.stores.snapshot import RowSnapshot

with requires_extra("redis"):
    from fsmkit.stores.redis.cluster import SHARDS, Nodes
    from fsmkit.stores.redis.connection import Settings
    from fsmkit.stores.redis.inbox import RedisInbox, bots
    from fsmkit.stores.redis.leases import KeyPlace
    from fsmkit.stores.redis.session import RedisSession

_log = logging.getLogger("fsmkit")

PAGE = 200
"""Keys that `scan` and `forget` read at once."""

_encode = msgspec.json.Encoder().encode
_index = msgspec.json.Decoder(list[tuple[str, str | None, float | None]])


class RedisLease:
    """A turn with one row; see `fsmkit.stores.Lease`."""

    __slots__ = (
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

    def __init__(self, store: "RedisStore", key: Key, wanted: bool) -> None:
        self._store = store
        self._wanted = wanted
        self.idle = False
        self._place = KeyPlace.of(key)
        self._session: RedisSession | None = None
        self._token = ""
        self._version = b""
        self.key = key
        self.row: bytes | None = None
        self.receipts: Sequence[bytes] = ()

    async def __aenter__(self) -> "RedisLease":
        session = await self._store.session()
        self._token, view = await session.turns.take(self._place, self._wanted)
        self._version, self.row, self.receipts, self.idle = view
        self._session = None if self.idle else session
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        if isinstance(error, StoreUnavailable):
            session.turns.give_up(self._token)  # who calls has waited for the server long enough
        else:
            await session.turns.release(self._token)

    async def commit(self, change: Change, *, hold: bool = False) -> bytes | None:
        """Write the row and free the lease; see `fsmkit.stores.Lease`."""
        session = self._session
        if session is None:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")
        written = await self._store.write(
            session, self._place, self._version, change, token=self._token, hold=hold
        )
        if written is None or not hold:
            self._session = None
            session.turns.drop(self._token)
        if written is None:
            raise LeaseLost(f"the lease on {self.key} is over; nothing was written")
        entry, self._version = written
        self.receipts = self.receipts[change.folded :]
        return entry


class RedisStore:
    """Conversations on a Redis or Valkey server, shared by any number of processes.

    Args:
        url: `redis://host:6379/0`, `rediss://...` (TLS), `unix://path`, `redis+cluster://host:6379`;
            `valkey` and `valkeys` mean `redis` and `rediss`.
        prefix: The prefix of all names on the server; two bots may share one.
        lease_seconds: A process loses its leases after this time without a sign of life. A handler may take
            longer, since its lease is renewed. The leases of a killed process are free after two seconds.
        retry_seconds: How long a command is tried again while the server is not available.
        timeout: After this many seconds without any reply from the server, the connection is dropped.
        claim_seconds: How long unsent messages belong to the process that sends them, from its last sign of
            life.

    Example:
        >>> from fsmkit.stores.redis import RedisStore
        >>> store = RedisStore("redis://localhost:6379/0", prefix="mybot")
    """

    durable = True

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "fsmkit",
        lease_seconds: float = 15.0,
        retry_seconds: float = 5.0,
        timeout: float = 5.0,
        claim_seconds: float = CLAIM_SECONDS,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_.:/-]+", prefix):
            raise ValueError(f"prefix={prefix!r}: letters, digits and _ . : / - are possible")
        if lease_seconds <= 0:
            raise ValueError(f"lease_seconds={lease_seconds!r}: a lease needs some time")
        self._claim_ms = round(claim_seconds * 1000)
        self._lease_ms = round(lease_seconds * 1000)
        self._settings = Settings(url, prefix, lease_seconds, retry_seconds, timeout, self._claim_ms)
        self._repeat_ms = self._settings.repeat_ms
        self._settings.connection()  # what cannot be read is refused here, not when the first update comes
        self._sessions = LoopSessions(partial(RedisSession, self._settings, WarnOnce()), RedisSession.close)

    async def session(self) -> RedisSession:
        """Return what the store has in the running loop; connect where that was not done yet."""
        session = self._sessions.current()
        if not session.ready:
            await session.open()
        return session

    def lease(self, key: Key, *, wanted: bool = True) -> RedisLease:
        """Wait for the turn with one row, first come, first served among all processes."""
        return RedisLease(self, key, wanted)

    async def snapshot(self, key: Key) -> Lease:
        """Read the row; of several who commit, the first wins."""
        session, place = await self.session(), KeyPlace.of(key)

        async def write(version: bytes, change: Change) -> tuple[bytes | None, bytes]:
            written = await self.write(session, place, version, change)
            if written is None:
                raise LeaseLost(f"the row of {key} was written by another step; nothing was written")
            return written

        _, version, row, *receipts = await session.nodes.call(place.shard, "load", place.text)
        return RowSnapshot(key, version, row, tuple(receipts), write)

    async def write(
        self,
        session: RedisSession,
        place: KeyPlace,
        version: bytes,
        change: Change,
        *,
        token: str = "",
        hold: bool = False,
    ) -> tuple[bytes | None, bytes] | None:
        """Write by version, and with a token only if its lease holds.

        Returns:
            The entry to deliver and the new version, or `None`: nothing was written.
        """
        turns, index = session.turns, change.index
        number = turns.new_id() if hold or not token else token
        flows = sorted({entry.flow for entry in index})
        reply = await session.nodes.call(
            place.shard, "commit", place.text, token, turns.lease_ms, version, number,
            "1" if hold else "", "" if change.row is None else "1", change.row or b"",
            "" if change.wake is None else repr(float(change.wake)),
            _encode([(entry.flow, entry.state, entry.deadline) for entry in index]), _encode(flows),
            change.folded, self._claim_ms, self._repeat_ms, *change.outbox,
        )  # fmt: skip
        if reply[0] and change.struck:
            await self._strike(place.text.rpartition(":")[2], change.struck)
        return (reply[1], reply[2]) if reply[0] else None

    async def _strike(self, bot: str, ids: Sequence[int]) -> None:
        """Strike what a commit that was written has handled; the row knows its ids, should that fail."""
        try:
            await RedisInbox(self._nodes, bot, time.time).strike(ids)
        except StoreUnavailable as error:
            _log.warning("%d updates that were handled stay in the inbox: %s", len(ids), error)

    async def _nodes(self) -> Nodes:
        return (await self.session()).nodes

    async def peek(self, key: Key) -> bytes | None:
        """Return the row as last committed."""
        shard, text = KeyPlace.of(key)
        row: bytes | None = await (await self.session()).nodes.command(shard, "HGET", f"row:{text}", "b")
        return row

    async def outbox(self, key: Key) -> list[bytes]:
        """Return the entries that wait to be delivered, in their order."""
        shard, text = KeyPlace.of(key)
        nodes = (await self.session()).nodes
        entries: list[bytes] = await nodes.command(shard, "LRANGE", f"outbox:{text}", 0, -1)
        return entries

    async def keys(self, chat: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return the keys in a chat for which anything is stored, ordered by their text."""
        nodes, start = (await self.session()).nodes, f"{_part_text(chat)}:"
        first, last = f"[{start}".encode(), f"({start[:-1]};".encode()  # the character after the colon
        found = await asyncio.gather(
            *(nodes.command(shard, "ZRANGEBYLEX", "keys", first, last) for shard in range(SHARDS))
        )
        texts = sorted(text.decode() for page in found for text in page)
        return [key for key in map(Key.parse, texts) if bot in (None, key.bot)]

    async def keys_of(self, user: int | str, *, bot: int | str | None = None) -> list[Key]:
        """Return the keys of a person in whatever chat, ordered by their text; all keys are walked for it."""
        nodes = (await self.session()).nodes
        return sorted([key async for key in _keys(nodes) if _is_of(key, user, bot)], key=str)

    async def acknowledge(self, key: Key, entry: bytes, receipt: bytes | None) -> bytes | None:
        """Strike off the first entry of the outbox; return the next one."""
        session, (shard, text) = await self.session(), KeyPlace.of(key)
        given = "" if receipt is None else "1"
        following: bytes | None = await session.nodes.call(
            shard, "strike", text, session.turns.new_id(), self._claim_ms, entry, given, receipt or b""
        )
        return following

    async def extend_claim(self, key: Key, seconds: float) -> None:
        """Keep the claim on an outbox for so many seconds, and as long as a claim lasts."""
        session, (shard, text) = await self.session(), KeyPlace.of(key)
        wait = round(seconds * 1000) + self._claim_ms
        await session.nodes.call(shard, "hold", text, session.turns.process, wait)

    async def due(self, bot: int | str | None, flows: Sequence[str], now: float, limit: int) -> list[Key]:
        """Return keys whose `wake` has come, or whose outbox nobody delivers; each goes to one sweeper only.

        Clocks may differ by seconds: a worker whose clock is ahead fires that much early, once; under the
        lease nobody finds the deadline a second time. Leases and claims are by the server's clock.
        """
        session, owner = await self.session(), _bot_text(bot)
        nodes = session.nodes
        answers = await nodes.call_all("due", owner, repr(float(now)), limit, _encode(list(flows)))
        session.claimers[owner] = {process.decode() for _, delivering in answers for process in delivering}
        found = [answer[at : at + 5] for answer, _ in answers for at in range(0, len(answer), 5)]
        found.sort(key=lambda item: float(item[4]), reverse=True)
        shards: dict[int, list[Any]] = {}
        for base, sort, text, score, _overdue in found[:limit]:
            shards.setdefault(int(base[base.rindex(b":") + 1 : -1]), []).extend((sort, text, score))
        until, later = repr(now + self._lease_ms / 1000), self._lease_ms
        taken = await asyncio.gather(
            *(
                nodes.call(shard, "take", owner, until, later, session.turns.process, *items)
                for shard, items in shards.items()
            )
        )
        mine = {text for texts in taken for text in texts}
        return [Key.parse(text.decode()) for text in dict.fromkeys(item[2] for item in found) if text in mine]

    async def scan(
        self, *, bot: int | str | None = None, flow: str | None = None, state: str | None = None
    ) -> AsyncIterator[StoredRow]:
        """Yield all rows, or those with a conversation of a flow or in a state, ordered by the key's text."""
        nodes = (await self.session()).nodes
        args = ("" if bot is None else _bot_text(bot), _wanted(flow), _wanted(state))
        index = "keys" if flow is None else f"flow:{flow}"
        readers = [_Reader(nodes, shard, index, args) for shard in range(SHARDS)]
        firsts = await asyncio.gather(*(reader.next() for reader in readers))
        heads = [(row[0], n, row) for n, row in enumerate(firsts) if row]
        heapq.heapify(heads)
        while heads:
            text, n, (_, row, found, waiting) = heads[0]
            following = await readers[n].next()
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following[0], n, following))
            entries = tuple(Index(*entry) for entry in _index.decode(found))
            yield StoredRow(Key.parse(text.decode()), row, entries, waiting)

    async def forget(self, who: Key | int | str, *, bot: int | str | None = None) -> int:
        """Remove all that is stored for a key or a person; a step that runs meanwhile loses its lease."""
        nodes = (await self.session()).nodes
        if isinstance(who, Key):
            keys = [who]
        else:  # those too that have only a turn: of a first step, which has stored nothing yet
            found = (_fresh(nodes), _keys(nodes))
            keys = list({key for each in found async for key in each if _is_of(key, who, bot)})
        removed = 0
        for text in await bots(nodes):
            owner = who.bot if isinstance(who, Key) else bot
            if text == _bot_text(owner) or (owner is None and not isinstance(who, Key)):
                await RedisInbox(self._nodes, text, time.time).forget(who)
        for shard, text in map(KeyPlace.of, keys):
            removed += await nodes.call(shard, "forget", text, self._lease_ms)
        return removed

    @property
    def worker(self) -> str:
        """What this process is known by."""
        return self._sessions.current().turns.process

    @property
    def deaths(self) -> int:
        """How many other processes this one has found dead."""
        return self._sessions.current().deaths

    def is_gone(self, worker: str) -> bool:
        """Return whether a process that used the server is no more, as far as is known."""
        return worker in self._sessions.current().dead

    def on_death(self, told: Callable[[], None]) -> Callable[[], None]:
        """Have something called whenever another process was found dead; return what ends that."""
        listeners = self._sessions.current().told
        listeners.append(told)
        return partial(listeners.remove, told)

    def inbox(self, bot: int | str | None) -> Inbox:
        """Return the updates of a bot that wait to be handled."""
        return RedisInbox(self._nodes, _bot_text(bot), time.time)

    async def inbox_bots(self) -> list[int | str | None]:
        """Return the bots for which something waits or was set aside."""
        found = await bots(await self._nodes())
        used = [text for text in found if not await RedisInbox(self._nodes, text, time.time).is_empty()]
        return [Key.parse(f"0:0:-:-:{text}").bot for text in used]

    async def close(self) -> None:
        """End connections and tasks."""
        await self._sessions.close()


class _Reader:
    """The reader of one shard's rows, page by page, in order of the keys' texts."""

    def __init__(self, nodes: Nodes, shard: int, index: str, args: tuple[str | bytes, ...]) -> None:
        self._nodes = nodes
        self._shard = shard
        self._index = index
        self._args = args
        self._rows: list[Any] = []
        self._after: bytes | None = b"-"

    async def next(self) -> tuple[bytes, bytes, bytes, int] | None:
        """Return the next one: key, row, index, length of the outbox."""
        while not self._rows and self._after is not None:
            bot, flow, state = self._args
            last, *parts = await self._nodes.call(
                self._shard, "scan", f":{self._index}", self._after, PAGE, bot, flow, state
            )
            self._after = b"(" + last if last else None
            self._rows = [tuple(parts[at : at + 4]) for at in range(0, len(parts), 4)][::-1]
        return self._rows.pop() if self._rows else None


async def _keys(nodes: Nodes) -> AsyncIterator[Key]:
    """Yield all keys of which anything is stored."""
    for shard in range(SHARDS):
        after = b"-"
        while after:
            page = await nodes.command(shard, "ZRANGEBYLEX", "keys", after, "+", "LIMIT", 0, PAGE)
            for text in page:
                yield Key.parse(text.decode())
            after = b"(" + page[-1] if len(page) == PAGE else b""


async def _fresh(nodes: Nodes) -> AsyncIterator[Key]:
    """Yield all keys of which nothing is stored yet, but whose first step is under way."""
    for shard in range(SHARDS):
        for text in await nodes.command(shard, "SMEMBERS", "fresh"):
            yield Key.parse(text.decode())


def _is_of(key: Key, user: int | str, bot: int | str | None) -> bool:
    return user in (key.user, key.chat) and (bot is None or key.bot == bot)


def _bot_text(bot: int | str | None) -> str:
    """Return the last part of the texts of a bot's keys."""
    return str(Key(0, 0, bot=bot)).rsplit(":", 1)[1]


def _part_text(part: int | str) -> str:
    """Return a part of a key, as the key's text shows it."""
    return str(Key(part, 0)).partition(":")[0]


def _wanted(name: str | None) -> bytes:
    return b"" if name is None else _encode([name])
