"""The server, or the nodes of a cluster: which one has a key, and what to do when it does not answer.

Scripts (`lua/`) make all changes, each about one key or one shard. A key belongs to one of 64 shards by its
text, and the names of a shard begin with a hash tag of its own, `{prefix:shard}`: in a cluster one node has
all of them, so that a script may touch them together.

Only this module repeats commands. That is safe because every script recognises what it has done already.
"""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any, cast
from zlib import crc32

import attrs
import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import (
    ConnectionError as LostConnection,
)
from redis.exceptions import (
    TimeoutError as LateAnswer,
)

from fsmkit.clock import backoff
from fsmkit.errors import StoreCorrupt, StoreMisconfigured, StoreUnavailable
from fsmkit.stores import tls
from fsmkit.stores.redis.connection import PipelinedConnection, Settings

SHARDS = 64
"""Parts into which the keys are divided, each with a hash tag of its own; the store remembers the number."""

FIRST_DELAY = 0.01

LONGEST_DELAY = 0.5
"""Seconds between two tries; each wait is twice the one before."""

OF_ONE_KEY = ("acquire", "release", "renew", "reap", "load", "commit", "strike", "hold", "forget")
"""Scripts about one key; `lua/prelude.lua` stands before each."""

OF_A_SHARD = ("due", "take", "scan", "orphan")
"""Scripts about one shard; without a cluster about all of them at once."""

OF_AN_INBOX = ("append", "read", "strike", "note_attempts", "set_aside", "dead", "drop")
"""Scripts about the updates of one bot, `inbox_append` and so on; `lua/inbox.lua` stands before each."""

Address = tuple[str, int]

Argument = str | bytes | int

_PASSING = (LostConnection, LateAnswer, OSError, AskError, TryAgainError, ClusterDownError, ReadOnlyError)
"""What may pass if the command is repeated."""

_TROUBLE = ("MISCONF", "NOREPLICAS", "BUSY")
"""What the server says when it writes nothing for a while; nothing is repeated then."""

_REMEDIES: dict[str, str] = {
    r"WRONGPASS|NOAUTH|without any password|nvalid (username|password)": "Check user and password in the URL",
    r"DENIED": "Set a password (requirepass) and write it in the URL",
    r"NOPERM|can't run this command|can't access": "Grant the user all commands, keys and channels of the "
    "prefix (ACL SETUSER)",
    r"MOVED|CROSSSLOT": "This is a node of a cluster: write redis+cluster://HOST:PORT",
    r"cluster support disabled": "This is not a node of a cluster: write redis://HOST:PORT",
    r"SELECT is not allowed in cluster": "Leave the number of the database out of the URL: a cluster has one",
    r"DB index": "Name a database that the server has; 0 is always there",
    tls.SETTINGS.pattern: "Name the certificate of who signed the server's: "
    "rediss://...?ssl_ca_certs=FILE; for a port without TLS write redis://",
    r"nknown (Redis )?command|Protocol error, got": "Name a port of Redis (6 or later) or Valkey, "
    "not of Sentinel or a proxy",
}
"""What does not pass by itself, by what is said about it, with what to set instead."""

_pack: Any = cast(Any, hiredis.pack_command)  # annotated as if a command had one word


def pack(*words: Argument) -> bytes:
    """Return a command as it goes over the wire."""
    packed: bytes = _pack(words)
    return packed


@attrs.frozen
class Script:
    """One script as the server gets it.

    Attributes:
        name: Its name.
        source: Its text.
        sha: What the server knows it by.
    """

    name: str
    source: bytes
    sha: bytes

    def call(self, keys: Iterable[str], args: Iterable[Argument]) -> bytes:
        """Return the command that runs it where the server knows it."""
        names = tuple(keys)
        return pack(b"EVALSHA", self.sha, len(names), *names, *args)

    def call_in_full(self, keys: Iterable[str], args: Iterable[Argument]) -> bytes:
        """Return the command that runs it and makes it known."""
        names = tuple(keys)
        return pack(b"EVAL", self.source, len(names), *names, *args)


class Scripts:
    """All scripts, for one prefix.

    Args:
        prefix: What all names begin with.
        cluster: Whether the server is a node of a cluster.
    """

    def __init__(self, prefix: str, cluster: bool) -> None:
        head = f"local PREFIX, CLUSTER = '{prefix}', {str(cluster).lower()}\n{_text('prelude')}"
        self._all = {name: _script(name, head + _text(name)) for name in OF_ONE_KEY}
        self._all.update({name: _script(name, _text(name)) for name in OF_A_SHARD})
        for name in (f"inbox_{each}" for each in OF_AN_INBOX):
            self._all[name] = _script(name, f"{_text('inbox')}\n{_text(name)}")

    def __getitem__(self, name: str) -> Script:
        return self._all[name]

    def loading(self) -> list[bytes]:
        """Return the commands that make all of them known to a server."""
        return [pack(b"SCRIPT", b"LOAD", script.source) for script in self._all.values()]


def _script(name: str, text: str) -> Script:
    source = text.encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


def _text(name: str) -> str:
    return files("fsmkit.stores.redis").joinpath("lua", f"{name}.lua").read_text("utf-8")


def shard_of(key: str) -> int:
    """Return the shard of a key's text."""
    return crc32(key.encode()) % SHARDS


class Nodes:
    """A server, or the nodes of a cluster.

    Args:
        settings: What the store was told.
    """

    def __init__(self, settings: Settings) -> None:
        self.cluster = settings.cluster
        self.scripts = Scripts(settings.prefix, self.cluster)
        self._patience = settings.retry_seconds
        self._timeout = settings.timeout
        self._make_connection, self._options = settings.connection()
        options = self._options
        self._tls = settings.tls
        self._asked_for_tls = "path" in options  # a socket of the machine has none
        self._home: Address = (str(options.get("host", "localhost")), int(options.get("port", 6379)))
        self._connections: dict[Address, PipelinedConnection] = {}
        self._closed = False
        self._owners: list[Address] = [] if self.cluster else [self._home] * SHARDS
        self._everywhere: list[Address] = []
        self._mapping: asyncio.Task[None] | None = None
        self._bases = [f"{{{settings.prefix}:{shard}}}" for shard in range(SHARDS)]

    def separate(self) -> AbstractConnection:
        """Return another connection, not connected yet; in a cluster to one node after the other."""
        addresses = list(self._connections) or [self._home]
        address = addresses[0]
        if len(self._connections) > 1:
            self._connections[address] = self._connections.pop(address)
        return self._make(address)

    async def call(self, shard: int, name: str, *args: Argument) -> Any:
        """Run a script about one shard.

        Raises:
            StoreUnavailable: If the server did not answer for as long as there was patience.
            StoreMisconfigured: If the server or the URL is set up so that it cannot.
            StoreCorrupt: If what is stored is not what a script expects.
        """
        base = self._bases[shard]
        return await self._run(shard, self.scripts[name], (base, base + "!"), args)

    async def call_all(self, name: str, *args: Argument) -> list[Any]:
        """Run a script about all shards: at once, or where there is a cluster shard by shard."""
        script = self.scripts[name]
        if not self.cluster:
            return [await self._run(0, script, self._bases, args)]
        return await asyncio.gather(*(self.call(shard, name, *args) for shard in range(SHARDS)))

    async def command(self, shard: int, name: str, key: str, *rest: Argument) -> Any:
        """Run a plain command about one key of a shard, whose name is given without the shard's base."""
        return await self._try(shard, pack(name, f"{self._bases[shard]}:{key}", *rest), None)

    async def time(self) -> tuple[int, int]:
        """Return the time of the server of the first shard: seconds since 1970, and microseconds beside."""
        seconds, micros = await self._try(0, pack(b"TIME"), None)
        return int(seconds), int(micros)

    async def settings(self, *names: str) -> list[dict[str, str]]:
        """Return settings of each server; of one that does not tell (hosted ones do not), none."""
        addresses = dict.fromkeys(self._owners)
        return list(await asyncio.gather(*(self._settings_of(address, names) for address in addresses)))

    async def _settings_of(self, address: Address, names: Iterable[str]) -> dict[str, str]:
        connection = self._connection_to(address)
        try:
            pairs = await asyncio.gather(*(connection.call(pack(b"CONFIG", b"GET", name)) for name in names))
        except (RedisError, OSError):
            return {}
        return {pair[0].decode(): pair[1].decode() for pair in pairs if pair}

    async def listeners(self, channels: Sequence[str]) -> list[int]:
        """Return how many listen to each of some channels, on whatever node.

        Raises:
            RedisError: If a node does not tell.
        """
        addresses = self._everywhere or [self._home]
        numbers = pack(b"PUBSUB", b"NUMSUB", *channels)
        told = await asyncio.gather(*(self._connection_to(address).call(numbers) for address in addresses))
        return [sum(counts) for counts in zip(*(answer[1::2] for answer in told), strict=True)]

    def check(self, now: float) -> None:
        """Drop connections whose server has been silent for too long."""
        for connection in self._connections.values():
            connection.check(now)

    async def close(self) -> None:
        """End all connections; whoever still calls fails."""
        self._closed = True
        if self._mapping is not None:
            self._mapping.cancel()
            await asyncio.gather(self._mapping, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in self._connections.values()))
        self._connections.clear()

    # -- one command -------------------------------------------------------------------------------

    async def _run(self, shard: int, script: Script, keys: Sequence[str], args: Iterable[Argument]) -> Any:
        return await self._try(shard, script.call(keys, args), lambda: script.call_in_full(keys, args))

    async def _try(self, shard: int, packed: bytes, in_full: Callable[[], bytes] | None) -> Any:
        """Send a command until it is answered or patience is over."""
        connection = self._connections.get(self._owners[shard]) if self._owners else None
        try:
            return await (connection or await self._connection_of(shard)).call(packed)
        except (RedisError, OSError) as error:
            return await self._again(shard, packed, in_full, error)

    async def _again(
        self, shard: int, packed: bytes, in_full: Callable[[], bytes] | None, error: Exception
    ) -> Any:
        loop = asyncio.get_running_loop()
        end, tries = loop.time() + self._patience, 0
        while True:
            if isinstance(error, NoScriptError) and in_full is not None:
                packed = in_full()
            else:
                _refuse_hopeless(error, self.cluster)
                tries += 1
                delay = backoff(tries, FIRST_DELAY, most=LONGEST_DELAY)
                if not self._asked_for_tls:
                    self._asked_for_tls = True
                    began = loop.time()
                    await self._refuse_other_tls(error)
                    end += loop.time() - began  # asking is no trying
                if loop.time() + delay > end:
                    await self._refuse_other_tls(error)
                    raise StoreUnavailable(f"the store's server does not answer: {_said(error)}") from error
                await asyncio.sleep(delay)
            try:
                if self.cluster and not isinstance(error, NoScriptError):
                    await self._map()
                return await (await self._connection_of(shard)).call(packed)
            except (RedisError, OSError) as again:
                error = again

    async def _refuse_other_tls(self, error: Exception) -> None:
        """Refuse a port that speaks TLS where the URL does not, or the other way round."""
        if not isinstance(error, LostConnection | LateAnswer | OSError) or "path" in self._options:
            return
        if any(connection.has_stood for connection in self._connections.values()):
            return  # they understood each other, and asking would let a command be repeated too late
        if self._tls and await tls.is_answered(*self._home, b"PING\r\n", (b"+", b"-")):
            raise StoreMisconfigured(
                "the store's server speaks no TLS at this port",
                remedy="Write redis:// (valkey://) for it, or name the port that has TLS",
            ) from error
        if not self._tls and await tls.speaks_tls(*self._home):
            raise StoreMisconfigured(
                "the store's server requires TLS at this port", remedy="Write rediss:// (valkeys://) for it"
            ) from error

    # -- which server ------------------------------------------------------------------------------

    async def _connection_of(self, shard: int) -> PipelinedConnection:
        if not self._owners:
            await self._map()
        return self._connection_to(self._owners[shard])

    def _connection_to(self, address: Address) -> PipelinedConnection:
        if self._closed:
            raise StoreUnavailable("the store was closed")
        connection = self._connections.get(address)
        if connection is None:
            connection = PipelinedConnection(
                lambda: self._make(address), self.scripts.loading(), self._timeout
            )
            self._connections[address] = connection
        return connection

    def _make(self, address: Address) -> AbstractConnection:
        if not self.cluster:
            return self._make_connection(**self._options)
        return self._make_connection(**{**self._options, "host": address[0], "port": address[1]})

    async def _map(self) -> None:
        """Ask any node which one has which shard; once for all who want to know."""
        if self._mapping is None:
            self._mapping = asyncio.create_task(self._ask_nodes(), name="fsmkit redis shards")
            self._mapping.add_done_callback(self._mapped)
        mapping = self._mapping
        await asyncio.wait([mapping])
        if mapping.cancelled():
            raise StoreUnavailable("the store was closed")
        mapping.result()

    def _mapped(self, task: "asyncio.Task[None]") -> None:
        self._mapping = None
        if not task.cancelled():
            task.exception()  # looked at, also if every caller was cancelled meanwhile

    async def _ask_nodes(self) -> None:
        error: Exception = LostConnection("no node of the cluster answers")
        for address in [*self._connections, self._home]:
            try:
                slots = await self._connection_to(address).call(pack(b"CLUSTER", b"SLOTS"))
                self._owners = [self._owner(slots, shard, address) for shard in range(SHARDS)]
                self._everywhere = _all_nodes(slots, address)
            except (RedisError, OSError) as failed:
                error = failed
            else:
                return
        raise error

    def _owner(self, slots: list[Any], shard: int, asked: Address) -> Address:
        slot = key_slot(self._bases[shard].encode())
        for first, last, (host, port, *_), *_replicas in slots:
            if first <= slot <= last:
                return (host.decode() if host else asked[0], port)
        raise ClusterDownError(f"CLUSTERDOWN no node has slot {slot}")


def _all_nodes(slots: list[Any], asked: Address) -> list[Address]:
    """Return all nodes, replicas too: a process may listen on any."""
    nodes = [node for _first, _last, *nodes in slots for node in nodes]
    return list(dict.fromkeys((host.decode() if host else asked[0], port) for host, port, *_ in nodes))


def _refuse_hopeless(error: Exception, cluster: bool) -> None:
    """Raise at once what will not pass by itself."""
    said = _said(error)
    moved = isinstance(error, MovedError)
    remedy = next((text for about, text in _REMEDIES.items() if re.search(about, said)), None)
    if (moved and not cluster) or (remedy and not moved):
        raise StoreMisconfigured(f"the store's server cannot be used: {said}", remedy=remedy or "") from error
    if isinstance(error, OutOfMemoryError) or str(error).startswith(_TROUBLE):
        raise StoreUnavailable(f"the store's server refuses to work for us: {said}") from error
    if isinstance(error, ResponseError) and not isinstance(error, _PASSING):
        raise StoreCorrupt(f"the server holds what fsmkit did not write: {said}") from error


def _said(error: Exception) -> str:
    code = getattr(error, "status_code", None)
    return f"{code} {error}" if code else f"{error}" or type(error).__name__
