"""Who in this process holds a lease and who waits for one: taking turns, renewing, waking up.

The rules of the queue are on the server (`lua/acquire.lua`, `lua/prelude.lua`); here is only what a process
has to do for its own waiters.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Container, Coroutine
from typing import Any, NamedTuple

import attrs

from fsmkit.errors import LeaseLost, StoreUnavailable
from fsmkit.keys import Key
from fsmkit.stores.redis.cluster import Nodes, shard_of

_log = logging.getLogger("fsmkit")

ASK_SECONDS = 0.5
"""Seconds until who waits for another process asks again who it is."""

PROCESS_LENGTH = 8
"""Characters of an id that name its process."""


class KeyPlace(NamedTuple):
    """Where a key is stored.

    Attributes:
        shard: Its shard.
        text: Its text.
    """

    shard: int
    text: str

    @classmethod
    def of(cls, key: Key) -> "KeyPlace":
        """Return the place of a key."""
        text = str(key)
        return cls(shard_of(text), text)


class LeasedRow(NamedTuple):
    """A row as its lease found it.

    Attributes:
        version: The commit that wrote it; empty if there was none.
        row: Its bytes.
        receipts: What came of messages sent since then.
        idle: Whether there is no lease, for nothing could want it.
    """

    version: bytes
    row: bytes | None
    receipts: tuple[bytes, ...]
    idle: bool = False


@attrs.define(eq=False)
class _RedisWaiter:
    """A turn that is waited for, or that is held.

    Attributes:
        token: Its token.
        place: Whose turn.
        granted: Comes true when the turn has come.
        ask: When to ask again or to renew, by the loop's time.
        wanted: Whether it is of use where no conversation is stored.
        ticket: Its place in the queue.
        holder: The token of who has the lease meanwhile, as far as is known.
    """

    token: str
    place: KeyPlace
    granted: "asyncio.Future[LeasedRow]"
    ask: float
    wanted: bool
    ticket: bytes = b""
    holder: bytes = b""


class RedisWaiters:
    """The turns of one process (to be exact: of one event loop).

    Args:
        nodes: The servers.
        lease_seconds: How long a lease holds unless it is renewed.
        repeat_ms: For how long a command may still arrive that was sent.
    """

    def __init__(self, nodes: Nodes, lease_seconds: float, repeat_ms: int) -> None:
        self._nodes = nodes
        self._repeat_ms = repeat_ms
        self.lease_ms = max(1, round(lease_seconds * 1000))
        self._third = lease_seconds / 3
        self.process = secrets.token_urlsafe(6)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, _RedisWaiter] = {}
        self._held: dict[str, _RedisWaiter] = {}
        self._errands: set[asyncio.Task[Any]] = set()

    def new_id(self) -> str:
        """Return an id never used twice: 8 characters for the process, 8 that count."""
        return f"{self.process}{next(self._numbers):08x}"

    def new_token(self) -> str:
        """Return the token of a lease: an id, and the milliseconds for which it holds."""
        return f"{self.new_id()}{self.lease_ms:x}"

    def awaited(self) -> set[str]:
        """Return the other processes that have what is waited for."""
        holders = {turn.holder[:PROCESS_LENGTH].decode() for turn in self._waiting.values()}
        return holders - {"", self.process}

    def take_from(self, dead: Container[str]) -> None:
        """Take the leases of processes that have died, if they are waited for."""
        turns = [turn for turn in self._waiting.values() if turn.holder[:PROCESS_LENGTH].decode() in dead]
        for turn in {turn.holder: turn for turn in turns}.values():
            self._run(self._reap(turn.place, turn.holder))

    async def take(self, place: KeyPlace, wanted: bool) -> tuple[str, LeasedRow]:
        """Wait for the turn; return the token of the lease, and the row.

        Args:
            place: Whose.
            wanted: `False`: not if no conversation is stored; the token is empty then.

        Raises:
            StoreUnavailable: If the server is away.
        """
        loop = asyncio.get_running_loop()
        # The future stands before the server is asked: the wake-up can overtake the answer.
        turn = _RedisWaiter(self.new_token(), place, loop.create_future(), loop.time() + self._third, wanted)
        self._waiting[turn.token] = turn
        try:
            view = await self._ask(turn) or await turn.granted
        except BaseException:
            del self._waiting[turn.token]
            self._run(self._let_go(turn))
            raise
        del self._waiting[turn.token]
        if view.idle:
            return "", view
        turn.ask = loop.time() + self._third
        self._held[turn.token] = turn
        return turn.token, view

    def holds(self, token: str) -> bool:
        """Return whether a lease is held, as far as this process knows."""
        return token in self._held

    def drop(self, token: str) -> None:
        """Forget a lease that is over; the server knows."""
        self._held.pop(token, None)

    async def release(self, token: str) -> None:
        """Free a lease that committed nothing; if the server is away it ends by itself."""
        turn = self._held.pop(token, None)
        if turn is not None:
            await self._let_go(turn)

    def give_up(self, token: str) -> None:
        """Free a lease without waiting for it."""
        turn = self._held.pop(token, None)
        if turn is not None:
            self._run(self._let_go(turn))

    def beat(self, now: float) -> None:
        """Renew what is held for long and ask again for what is waited for.

        Args:
            now: The loop's time.
        """
        for turn in [turn for turn in self._held.values() if turn.ask <= now]:
            turn.ask = now + self._third
            self._run(self._renew(turn))
        for turn in [turn for turn in self._waiting.values() if turn.ask <= now]:
            turn.ask = now + self._third
            self._run(self._ask_again(turn))

    async def close(self) -> None:
        """End all turns; wait for what is on its way to the server."""
        for turn in self._waiting.values():
            if not turn.granted.done():
                turn.granted.set_exception(StoreUnavailable("the store was closed"))
                turn.granted.exception()  # looked at: its waiter may be asking the server still
        while self._errands:
            await asyncio.gather(*self._errands, return_exceptions=True)

    # -- told by the subscription ------------------------------------------------------------------

    def heard(self, message: bytes) -> None:
        """Take a turn that has come."""
        token, text, version, there, row, *receipts = _netstrings(message)
        turn = self._waiting.get(token.decode())
        if turn is not None:
            if not turn.granted.done():
                turn.granted.set_result(LeasedRow(version, row if there else None, tuple(receipts)))
        elif token.decode() not in self._held:
            # Its waiter has gone meanwhile: the next in line must not wait for the lease to expire.
            place = KeyPlace(shard_of(text.decode()), text.decode())
            self._run(self._let_go(_RedisWaiter(token.decode(), place, asyncio.Future(), 0.0, True)))

    def missed(self) -> None:
        """Ask again, since wake-ups may have been lost, for all that is waited for."""
        for turn in list(self._waiting.values()):
            self._run(self._ask_again(turn))

    # -- errands -----------------------------------------------------------------------------------

    async def _ask(self, turn: _RedisWaiter) -> LeasedRow | None:
        shard, text = turn.place
        wanted = "1" if turn.wanted else ""
        reply = await self._nodes.call(shard, "acquire", text, turn.token, self.lease_ms, turn.ticket, wanted)
        if reply[0] in (1, 3):
            return LeasedRow(reply[1], reply[2], tuple(reply[3:]), reply[0] == 3)
        if reply[0] == 2:
            raise LeaseLost(f"the turn of {text} is over")
        turn.ticket = reply[1]
        turn.holder = b"" if reply[3] is None or self._is_own(reply[3]) else reply[3]
        # The holder may die: then its time is up, and nobody hands over but who asks. Another process may
        # have handed it to a third one meanwhile, which dies.
        left = max(reply[2], 0) / 1000
        turn.ask = min(
            turn.ask, asyncio.get_running_loop().time() + (min(left, ASK_SECONDS) if turn.holder else left)
        )
        return None

    async def _ask_again(self, turn: _RedisWaiter) -> None:
        waiting, granted = self._waiting, turn.granted
        try:
            view = await self._ask(turn)
        except Exception as error:
            if turn.token in waiting and not granted.done():
                granted.set_exception(error)
                granted.exception()  # looked at: its waiter may be asking the server itself
        else:
            if view is not None and turn.token in waiting and not granted.done():
                granted.set_result(view)

    def _is_own(self, token: bytes) -> bool:
        return token.startswith(self.process.encode())

    async def _reap(self, place: KeyPlace, token: bytes) -> None:
        try:
            await self._nodes.call(place.shard, "reap", place.text, token, self.lease_ms)
        except StoreUnavailable as error:
            _log.warning("the lease on %s of a dead process will expire: %s", place.text, error)

    async def _renew(self, turn: _RedisWaiter) -> None:
        shard, text = turn.place
        try:
            kept = await self._nodes.call(shard, "renew", text, turn.token, self.lease_ms)
            if not kept and turn.token in self._held:  # else it was given back meanwhile
                _log.warning("the lease on %s was lost while its handler ran", text)
        except StoreUnavailable as error:
            _log.warning("the lease on %s could not be renewed: %s", text, error)

    async def _let_go(self, turn: _RedisWaiter) -> None:
        shard, text = turn.place
        try:
            await self._nodes.call(shard, "release", text, turn.token, self.lease_ms, self._repeat_ms)
        except StoreUnavailable as error:
            _log.warning("the lease on %s could not be freed and will expire: %s", text, error)

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(errand, name="fsmkit redis errand")
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _netstrings(message: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(message):
        colon = message.index(b":", at)
        end = colon + 1 + int(message[at:colon])
        parts.append(message[colon + 1 : end])
        at = end
    return parts
