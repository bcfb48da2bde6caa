"""`RedisStream`: events from a stream of Redis or Valkey. Needs `fsmkit[redis]`.

One process at a time reads a stream for a group: a consumer group alone hands two events of one person to
two processes, which then overtake each other. The others stand by and take over what is left unacknowledged.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any, Self, TypeAlias

import attrs
from msgspec import Raw

from fsmkit.clock import backoff
from fsmkit.engine.engine import Engine
from fsmkit.engine.fifo import KeyedWorkers, ended
from fsmkit.engine.source import Incoming, feed, lane_of
from fsmkit.errors import LeaseLost, StoredByNewerVersion, StoreUnavailable, requires_extra
from fsmkit.interpreter.codec import EventCodec
from fsmkit.keys import Key

AT_ONCE = 64
"""Entries that are taken at a time, and that are under way."""

# KEYS: the reader's key. ARGV: token, milliseconds.
RENEW = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('pexpire', KEYS[1], ARGV[2]) or 0"


GIVE_UP = "return redis.call('get', KEYS[1]) == ARGV[1] and redis.call('del', KEYS[1]) or 0"

# KEYS: the reader's key, the stream. ARGV: token, group, how many, and for CLAIM where to begin.
# Both return a place and entries, or nothing where the right is another's.
_HELD = "if redis.call('get', KEYS[1]) ~= ARGV[1] then return false end "


_CLAIM = _HELD + "return redis.call('xautoclaim', KEYS[2], ARGV[2], ARGV[2], 0, ARGV[4], 'COUNT', ARGV[3])"


_READ = (
    _HELD
    + """local found = redis.call(
  'xreadgroup', 'GROUP', ARGV[2], ARGV[2], 'COUNT', ARGV[3], 'STREAMS', KEYS[2], '>')
if found then return {'', found[1][2]} end
local last = redis.call('xrevrange', KEYS[2], '+', '-', 'COUNT', 1)
return {last[1] and last[1][1] or '0-0', {}}"""
)

Fields: TypeAlias = Mapping[str, str]


@attrs.frozen
class StreamEntry:
    """An entry of the stream."""

    ident: str
    fields: Fields


@attrs.frozen
class Group:
    """A consumer group as one reader sees it.

    Attributes:
        client: The connections.
        stream: Name of the stream.
        name: Name of the group.
        lock: The key that says who reads.
        token: What it says while this reader does.
    """

    client: Any
    stream: str
    name: str
    lock: str
    token: str

    async def entries(self, block: int) -> AsyncIterator[StreamEntry]:
        """Yield what an earlier reader left unacknowledged, the oldest first, then what is new.

        It ends when the right to read is another's.

        Args:
            block: Milliseconds of waiting after which it is asked for anew.
        """
        place = "0-0"
        while True:
            taken = await self._take(_CLAIM, place)
            if taken is None:
                return
            place, claimed = taken
            for entry in claimed:
                yield entry
            if place == "0-0":
                break
        while True:
            taken = await self._take(_READ)
            if taken is None:
                return
            last, new = taken
            for entry in new:
                yield entry
            if not new:  # waits without taking: when it wakes, the right may be another's
                await self.client.xread({self.stream: last}, count=1, block=block)

    async def _take(self, script: str, *more: str) -> tuple[str, list[StreamEntry]] | None:
        keys = (self.lock, self.stream)
        found = await self.client.eval(script, 2, *keys, self.token, self.name, AT_ONCE, *more)
        if found is None:
            return None
        # Of an entry that was trimmed meanwhile older servers tell nothing, or no fields.
        return found[0], [StreamEntry(each[0], _paired(each[1])) for each in found[1] if each and each[1]]


def _paired(flat: list[str]) -> Fields:
    return dict(zip(flat[::2], flat[1::2], strict=True))


with requires_extra("redis"):
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff
    from redis.exceptions import RedisError, ResponseError

_log = logging.getLogger("fsmkit.sources")

READER_SECONDS = 15.0
"""How long the right to read holds unless it is renewed: so long others stand by after a reader's death."""


MAX_TRIES = 5


RETRY_SECONDS = 2.0


LONGEST_RETRY = 60.0


CONNECTION_TRIES = 5

Parse: TypeAlias = Callable[[Fields, EventCodec], Incoming]
"""Makes an event of an entry's fields. What it raises makes a dead letter of the entry."""


class RedisStream:
    """Takes events from a stream, and can put events into it.

    An entry is acknowledged once its step is stored. One that fails is tried again, and the person's later
    events wait for it. One that fails for good, or cannot be read, goes to the stream `NAME:dead` with the
    reason. While the store is not available, or was written by a newer version, entries wait.

    Args:
        url: The server.
        stream: Name of the stream.
        group: Name of the consumer group: each group gets every entry.
        parse: Makes an event from an entry's fields; by default from those that `send` wrote: `key`,
            `event` (name of the class), `body` (JSON) and `id`.
        tries: How often an entry is tried.
        retry: Seconds before the second try; each further one waits twice as long.
        reader_seconds: After how many seconds of silence another process takes over.

    Example:
        >>> from fsmkit.sources.redis_stream import RedisStream
        >>> shipments = RedisStream("redis://127.0.0.1:6379/0", "shipments", "bot")
    """

    def __init__(
        self,
        url: str,
        stream: str,
        group: str,
        *,
        parse: Parse | None = None,
        tries: int = MAX_TRIES,
        retry: float = RETRY_SECONDS,
        reader_seconds: float = READER_SECONDS,
    ) -> None:
        self.name = f"stream {stream}"
        self.dead = f"{stream}:dead"
        """Name of the stream of dead letters."""
        self._stream = stream
        self._group = group
        self._parse = parse or parse_sent
        self._tries = tries
        self._retry = retry
        self._seconds = reader_seconds
        slot = stream if "{" in stream else f"{{{stream}}}"  # beside the stream, on a cluster
        self._lock = f"{slot}:{group}:reader"
        self._token = secrets.token_hex(8)
        # A pooled connection that the server has closed meanwhile is noticed by the next command only.
        patience = Retry(ExponentialBackoff(cap=1.0, base=0.05), CONNECTION_TRIES)
        self._client: Any = redis.asyncio.Redis.from_url(url, decode_responses=True, retry=patience)

    # -- putting -----------------------------------------------------------------------------------

    async def send(self, key: Key, event: Any, id: str | int | None = None) -> str:  # noqa: A002
        """Put an event into the stream, from any process.

        Args:
            key: Whose conversation.
            event: An instance of an event class; JSON has to hold it.
            id: What it is recognised by if it is put twice; without one, a connection that breaks at the
                wrong moment may put it twice.

        Returns:
            The id of its entry.

        Raises:
            UnstorableData: If JSON does not hold the event.
        """
        name, body = EventCodec([type(event)]).encode(event)
        fields = {"key": str(key), "event": name, "body": bytes(body).decode()}
        if id is not None:
            fields["id"] = str(id)
        entry: str = await self._client.xadd(self._stream, fields)
        return entry

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    # -- taking ------------------------------------------------------------------------------------

    async def run(self, engine: Engine) -> None:
        """Read the stream whenever it is this process's turn, until it is cancelled."""
        try:
            await self._run(engine)
        finally:
            # Only what nobody uses: the rest of the program may be putting events into the stream.
            await self._client.connection_pool.disconnect(inuse_connections=False)

    async def _run(self, engine: Engine) -> None:
        await self._make_group()
        while True:
            while not await self._client.set(self._lock, self._token, nx=True, px=self._milliseconds):  # noqa: ASYNC110
                await asyncio.sleep(self._seconds / 3)  # a reader's death tells nobody
            reading = asyncio.ensure_future(self._read(engine))
            holding = asyncio.ensure_future(self._hold())
            try:
                await asyncio.wait([reading, holding], return_when=asyncio.FIRST_COMPLETED)
            finally:
                await self._leave(reading, holding)
            for task in (reading, holding):
                if not task.cancelled():
                    task.result()  # raises what stopped it
            _log.warning("%s: another process reads now", self.name)

    async def _make_group(self) -> None:
        try:
            await self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):  # it is there already
                raise

    async def _hold(self) -> None:
        """Renews the right to read; returns when it is lost."""
        while await self._client.eval(RENEW, 1, self._lock, self._token, self._milliseconds):  # noqa: ASYNC110
            await asyncio.sleep(self._seconds / 3)  # it is renewed, not waited for

    async def _leave(self, *tasks: asyncio.Future[None]) -> None:
        await ended(tasks)
        try:
            await self._client.eval(GIVE_UP, 1, self._lock, self._token)
        except RedisError:
            return  # it ends by itself

    async def _read(self, engine: Engine) -> None:
        lanes = KeyedWorkers(AT_ONCE)
        try:
            group = Group(self._client, self._stream, self._group, self._lock, self._token)
            async for entry in group.entries(block=round(self._seconds * 100)):
                await self._take(engine, lanes, entry)
        finally:
            await lanes.cancel()

    async def _take(self, engine: Engine, lanes: KeyedWorkers, entry: StreamEntry) -> None:
        try:
            incoming = self._parse(entry.fields, engine.events)
            if not isinstance(incoming, Incoming):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"parse returned {incoming!r}; it returns Incoming(key, event, id)")
        except Exception as error:  # whatever a user's parse raises at what it was not made for
            await self._bury(entry, error)
            return
        await lanes.put(lane_of(engine, incoming), partial(self._try, engine, entry, incoming))

    async def _try(self, engine: Engine, entry: StreamEntry, incoming: Incoming) -> None:
        tries = waits = 0
        while True:
            try:
                outcome = await feed(engine, self.name, incoming, entry.ident)
            except (StoreUnavailable, StoredByNewerVersion, LeaseLost) as error:
                _log.warning("%s: %s waits: %s", self.name, entry.ident, error)
            except Exception as error:
                tries += 1
                if tries >= self._tries:
                    await self._bury(entry, error)
                    await engine.report(incoming.key, incoming.event, error)
                    return
                _log.warning("%s: %s failed, try %d: %r", self.name, entry.ident, tries, error)
            else:
                if outcome.kind == "passed":
                    _log.info("%s: nobody wanted %s for %s", self.name, entry.ident, incoming.key)
                await self._settled(self._client.xack, self._stream, self._group, entry.ident)
                return
            waits += 1
            await engine.clock.sleep(backoff(waits, self._retry, most=LONGEST_RETRY))

    async def _bury(self, entry: StreamEntry, error: Exception) -> None:
        _log.error("%s: %s goes to %s: %r", self.name, entry.ident, self.dead, error)
        reason = f"{type(error).__name__}: {error}"
        letter = {**entry.fields, "dead_id": entry.ident, "dead_group": self._group, "dead_reason": reason}
        await self._settled(self._client.xadd, self.dead, letter)
        await self._settled(self._client.xack, self._stream, self._group, entry.ident)

    async def _settled(self, command: Any, *args: Any) -> None:
        """Send a command until it is answered.

        Lost with its connection, it would only make the entry come again, but not before the next reader.
        """
        while True:
            try:
                await command(*args)
            except (RedisError, OSError) as error:
                _log.warning("%s: %s; once more", self.name, error)
                await asyncio.sleep(1.0)
            else:
                return

    @property
    def _milliseconds(self) -> int:
        return round(self._seconds * 1000)


def parse_sent(fields: Fields, events: EventCodec) -> Incoming:
    """Read what `RedisStream.send` wrote; other programs may write the same fields.

    Raises:
        ValueError: If a field is missing or wrong.
    """
    missing = [name for name in ("key", "event", "body") if name not in fields]
    if missing:
        raise ValueError(f"the entry lacks {', '.join(missing)}; it has {', '.join(fields) or 'nothing'}")
    event = events.decode(events.full_name(fields["event"]), Raw(fields["body"].encode()))
    return Incoming(Key.parse(fields["key"]), event, fields.get("id"))
