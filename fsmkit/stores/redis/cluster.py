"""Which server has a key, and what to do when it does not answer: the only place that repeats commands.

Repeating is safe because every script recognises what it has done already (`fsmkit.stores.redis.cluster`).
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from typing import Any, cast
from zlib import crc32

import attrs
import hiredis
from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    NoPermissionError,
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
from fsmkit.errors import StoreCorrupt, StoreUnavailable
from fsmkit.stores.redis.connection import Link, PipelinedConnection, Settings

OF_ONE_KEY = ("acquire", "release", "renew", "load", "commit", "strike", "hold", "forget")


OF_A_SHARD = ("due", "take", "scan")

Argument = str | bytes | int


_pack: Any = cast(Any, hiredis.pack_command)  # annotated as if a command had one word


def pack(*words: Argument) -> bytes:
    """A command as it goes over the wire."""
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
        """The command that runs it, where the server knows it."""
        names = tuple(keys)
        return pack(b"EVALSHA", self.sha, len(names), *names, *args)

    def call_in_full(self, keys: Iterable[str], args: Iterable[Argument]) -> bytes:
        """The command that runs it and makes it known."""
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

    def __getitem__(self, name: str) -> Script:
        return self._all[name]

    def loading(self) -> list[bytes]:
        """The commands that make all of them known to a server."""
        return [pack(b"SCRIPT", b"LOAD", script.source) for script in self._all.values()]


def _script(name: str, text: str) -> Script:
    source = text.encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


def _text(name: str) -> str:
    return files("fsmkit.stores.redis").joinpath("lua", f"{name}.lua").read_text("utf-8")


SHARDS = 64
"""Parts into which the keys are divided, each with a hash tag of its own; the store remembers the number."""


FIRST_DELAY = 0.01


LONGEST_DELAY = 0.5
"""Seconds between two tries; each wait is twice the one before."""

Address = tuple[str, int]


_PASSING = (LostConnection, LateAnswer, OSError, AskError, TryAgainError, ClusterDownError, ReadOnlyError)


_REFUSED = (AuthenticationError, AuthorizationError, NoPermissionError, OutOfMemoryError)


_TROUBLE = ("MISCONF", "NOREPLICAS", "BUSY")


def shard_of(key: str) -> int:
    """The shard of a key's text."""
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
        self._link_class, self._options = settings.connection()
        options = self._options
        self._home: Address = (str(options.get("host", "localhost")), int(options.get("port", 6379)))
        self._wires: dict[Address, PipelinedConnection] = {}
        self._closed = False
        self._owners: list[Address] = [] if self.cluster else [self._home] * SHARDS
        self._charting: asyncio.Task[None] | None = None
        self._bases = [f"{{{settings.prefix}:{shard}}}" for shard in range(SHARDS)]

    def link(self) -> Link:
        """A connection of its own, not connected yet; in a cluster to one node after the other."""
        addresses = list(self._wires) or [self._home]
        address = addresses[0]
        if len(self._wires) > 1:
            self._wires[address] = self._wires.pop(address)
        return self._make(address)

    async def call(self, shard: int, name: str, *args: Argument) -> Any:
        """Runs a script about one shard.

        Raises:
            StoreUnavailable: If it was not to be had, for as long as there was patience.
            StoreCorrupt: If what is stored is not what a script expects.
        """
        base = self._bases[shard]
        return await self._run(shard, self.scripts[name], (base, base + "!"), args)

    async def call_all(self, name: str, *args: Argument) -> list[Any]:
        """Runs a script about all shards: at once, or where there is a cluster shard by shard."""
        script = self.scripts[name]
        if not self.cluster:
            return [await self._run(0, script, self._bases, args)]
        return await asyncio.gather(*(self.call(shard, name, *args) for shard in range(SHARDS)))

    async def command(self, shard: int, name: str, key: str, *rest: Argument) -> Any:
        """Runs a plain command about one key of a shard, whose name is given without the shard's base."""
        return await self._try(shard, pack(name, f"{self._bases[shard]}:{key}", *rest), None)

    def check(self, now: float) -> None:
        """Drops connections whose server has been silent for too long."""
        for wire in self._wires.values():
            wire.check(now)

    async def close(self) -> None:
        """Ends all connections; whoever still calls fails."""
        self._closed = True
        if self._charting is not None:
            self._charting.cancel()
            await asyncio.gather(self._charting, return_exceptions=True)
        await asyncio.gather(*(wire.close() for wire in self._wires.values()))
        self._wires.clear()

    # -- one command -------------------------------------------------------------------------------

    async def _run(self, shard: int, script: Script, keys: Sequence[str], args: Iterable[Argument]) -> Any:
        return await self._try(shard, script.call(keys, args), lambda: script.call_in_full(keys, args))

    async def _try(self, shard: int, packed: bytes, in_full: Callable[[], bytes] | None) -> Any:
        """Sends a command until it is answered, or patience is over."""
        wire = self._wires.get(self._owners[shard]) if self._owners else None
        try:
            return await (wire or await self._wire(shard)).call(packed)
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
                _refuse_hopeless(error)
                tries += 1
                delay = backoff(tries, FIRST_DELAY, most=LONGEST_DELAY)
                if loop.time() + delay > end:
                    raise StoreUnavailable(f"the store's server does not answer: {_said(error)}") from error
                await asyncio.sleep(delay)
            try:
                if self.cluster and not isinstance(error, NoScriptError):
                    await self._chart()
                return await (await self._wire(shard)).call(packed)
            except (RedisError, OSError) as again:
                error = again

    # -- which server ------------------------------------------------------------------------------

    async def _wire(self, shard: int) -> PipelinedConnection:
        if not self._owners:
            await self._chart()
        return self._wire_to(self._owners[shard])

    def _wire_to(self, address: Address) -> PipelinedConnection:
        if self._closed:
            raise StoreUnavailable("the store was closed")
        wire = self._wires.get(address)
        if wire is None:
            wire = PipelinedConnection(lambda: self._make(address), self.scripts.loading(), self._timeout)
            self._wires[address] = wire
        return wire

    def _make(self, address: Address) -> Link:
        options = self._options
        if self.cluster:
            options = {**options, "host": address[0], "port": address[1]}
        link: Link = self._link_class(**options)
        return link

    async def _chart(self) -> None:
        """Asks any node which one has which shard; once for all who want to know."""
        if self._charting is None:
            self._charting = asyncio.create_task(self._ask_nodes(), name="fsmkit redis chart")
            self._charting.add_done_callback(self._charted)
        charting = self._charting
        await asyncio.wait([charting])
        if charting.cancelled():
            raise StoreUnavailable("the store was closed")
        charting.result()

    def _charted(self, task: "asyncio.Task[None]") -> None:
        self._charting = None
        if not task.cancelled():
            task.exception()  # looked at, also if every caller was cancelled meanwhile

    async def _ask_nodes(self) -> None:
        error: Exception = LostConnection("no node of the cluster answers")
        for address in [*self._wires, self._home]:
            try:
                slots = await self._wire_to(address).call(pack(b"CLUSTER", b"SLOTS"))
                self._owners = [self._owner(slots, shard, address) for shard in range(SHARDS)]
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


def _refuse_hopeless(error: Exception) -> None:
    """Raises at once what will not go away by itself."""
    if isinstance(error, _REFUSED) or str(error).startswith(_TROUBLE):
        raise StoreUnavailable(f"the store's server refuses to work for us: {_said(error)}") from error
    if isinstance(error, ResponseError) and not isinstance(error, _PASSING):
        raise StoreCorrupt(f"the server holds what fsmkit did not write: {_said(error)}") from error


def _said(error: Exception) -> str:
    code = getattr(error, "status_code", None)
    return f"{code} {error}" if code else f"{error}" or type(error).__name__
