"""Gathering: takes the parts of albums to the row, and complete albums to their handlers, under the lease.

What an album is, and when it is complete, is in `fsmkit.albums`.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol

from fsmkit.albums import MAX_BYTES, albums_of, crowded, gather, is_full, wanting, without
from fsmkit.events import ChatEvent
from fsmkit.keys import Key
from fsmkit.model import Mail, Row
from fsmkit.outbox import Claim
from fsmkit.stores import Lease
from fsmkit.table import FlowTable
from fsmkit.turn import Turn, World

_log = logging.getLogger("fsmkit")

AlbumOf = Callable[[Key, bytes], tuple[ChatEvent, Sequence[FlowTable]]]
"""Makes the event of an album from its stored messages, with the flows that it may enter."""


class Commit(Protocol):
    """Writes what a turn has done; with `hold` the lease goes on."""

    async def __call__(
        self, claim: Claim, lease: Lease, turn: Turn, event_id: str | None, *, hold: bool = False
    ) -> None:
        """Writes it."""
        ...


class Run(Protocol):
    """Does and commits a turn of its own, under the lease of the turn that goes on after it."""

    async def __call__(
        self,
        claim: Claim,
        lease: Lease,
        turn: Turn,
        own: Turn,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        """Does it; `failed` is told of what was raised, after it was taken back and reported."""
        ...


class Gathering:
    """Gathers albums, and handles those that are complete.

    Args:
        world: What turns look at.
        commit: Writes a turn.
        run: Does and writes a turn of its own.
        offer: Offers a turn's event to the flows; whether somebody took it.
        telegram_for: Makes PTB's context where no update is at hand.
        album_of: Gives what makes events of albums; `None` in a script without Telegram.
    """

    def __init__(
        self,
        world: World,
        commit: Commit,
        run: Run,
        offer: Callable[[Turn, Sequence[FlowTable]], Awaitable[bool]],
        *,
        telegram_for: Callable[[Key], Any],
        album_of: Callable[[], AlbumOf | None],
    ) -> None:
        self._world = world
        self._commit = commit
        self._run = run
        self._offer = offer
        self._telegram_for = telegram_for
        self._album_of = album_of

    def due(self, row: Row, now: float) -> list[Mail]:
        """Albums that are complete because nothing was added for a while; none in a script."""
        return [mail for mail in albums_of(row) if mail.due <= now] if self._album_of() is not None else []

    async def take(
        self,
        claim: Claim,
        lease: Lease,
        turn: Turn,
        event_id: str | None,
        entries: Sequence[FlowTable] | None,
    ) -> bool:
        """Puts the turn's event, a part of an album, into the row; whether albums are wanted there.

        With the last possible part the album is handled at once; so are others that leave it no room.
        """
        part = turn.event
        where = wanting(turn.flows, turn.row, part, entries)
        if where is None or len(part.stored(alone=True)) > MAX_BYTES:
            return False
        if others := crowded(turn.row, part):
            await self.handle(claim, lease, turn, others)
            where = wanting(turn.flows, turn.row, part, entries)
            if where is None:
                return False
        mail = gather(turn, part, where)
        await self._commit(claim, lease, turn, event_id, hold=is_full(mail))
        if is_full(mail):
            turn.tidy = []
            await self.handle(claim, lease, turn, [mail])
        return True

    async def handle(self, claim: Claim, lease: Lease, turn: Turn, albums: Sequence[Mail]) -> None:
        """Offers albums to the flows, each with its own commit; one whose handler raises is over too."""
        album_of = self._album_of()
        if album_of is None:  # they wait for the bot
            return
        for mail in albums:
            telegram = turn.telegram or self._telegram_for(turn.key)
            own = Turn(self._world, turn.key, without(turn.row, mail), None, telegram, turn.now)
            own.tidy, turn.tidy = turn.tidy, []  # its receipts stand in the row from this commit on
            work = partial(self._handle, own, mail, album_of)
            await self._run(claim, lease, turn, own, work, claim.raised.append)

    async def _handle(self, own: Turn, mail: Mail, album_of: AlbumOf) -> None:
        own.event, entries = album_of(own.key, bytes(mail.body))
        if not await self._offer(own, entries):
            _log.info("%s: nobody wants this album any more: %r", own.key, own.event)
