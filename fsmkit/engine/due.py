"""What is due for a key without an event: timeouts, reminders, scheduled events, jobs, and albums.

Nothing waits in memory: all of it is stored in the row, with the time at which it is due. Whoever looks at
the row next does it: a person's event, before it is handled itself, or the sweeper.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import TypeAlias

import msgspec
from msgspec import Raw, structs

from fsmkit.clock import backoff
from fsmkit.engine.chat_migration import ChatMigration
from fsmkit.engine.envelope import Recipient
from fsmkit.engine.observer import Observer
from fsmkit.engine.presses import offer_or_default
from fsmkit.engine.services import AlbumOf, Services
from fsmkit.engine.transaction import RowMoved, Transactions
from fsmkit.engine.turn import Turn
from fsmkit.errors import (
    LeaseLost,
    OrphanedConversation,
    StoreCorrupt,
    StoredByNewerVersion,
    StoreUnavailable,
    origin_of,
)
from fsmkit.flow.events import ChatEvent, Reminder
from fsmkit.flow.states import Times
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.jobs import is_due as jobs_are_due
from fsmkit.interpreter.naming import named
from fsmkit.interpreter.row import (
    ExpiredTimer,
    Frame,
    Row,
    ScheduledEvent,
    event_of,
    overdue,
    put_off,
    reminding,
    without_timer,
)
from fsmkit.interpreter.selection import ranks
from fsmkit.interpreter.settle import wake_of
from fsmkit.interpreter.transitions import PendingCall, RowEditor, times_in
from fsmkit.keys import Key

_log = logging.getLogger("fsmkit")

TIMEOUT_TRIES = 5


TIMEOUT_DELAY = 5.0
"""Seconds until a timeout handler that raised is called again; three times as long each time."""


class DueWork:
    """Does what is due for keys.

    Args:
        services: The engine's means.
        transactions: Reads and writes rows.
        migration: Finishes moves of rows.

    Attributes:
        albums: Gathers albums.
    """

    def __init__(self, services: Services, transactions: Transactions, migration: ChatMigration) -> None:
        self._services = services
        self._transactions = transactions
        self._migration = migration
        self.albums = AlbumBuffer(services, transactions)

    async def process_due(self, key: Key) -> bool:
        """Do what is due for a key: timeouts, reminders, scheduled events, jobs, forgetting.

        Returns:
            Whether nothing is left due, as are the timeouts of flows that do not run here.
        """
        services, jobs = self._services, self._transactions.jobs

        async def work(turn: Turn) -> None:
            await self.albums.handle(turn, self.albums.due(turn.row, turn.now))
            await self.fire_overdue(turn)
            await self._remind(turn)
            if scheduled := _scheduled(turn.row, turn.now):
                later = tuple(mail for mail in turn.row.later if mail not in scheduled)
                turn.row = structs.replace(turn.row, later=later)
                turn.carried = (*scheduled, *turn.carried)
            turn.begin_jobs(jobs.room, jobs.mine)
            await self._transactions.commit(turn)

        turn = Turn(services, key, None, services.face.telegram_for(key))
        try:
            await self._transactions.under_lease(turn, work)
            return not _is_due(turn)
        except RowMoved as moved:
            await self._migration.process_due(key, moved)
            return True
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # a row that does not fit must not keep others from their timeouts
            tell_of_no_handler(services, key, error)
            await services.report(key, None, error)
            return False
        finally:
            await self._transactions.finish(turn)

    async def take_up(self, key: Key) -> None:
        """Deliver what a process was delivering that has died, and begin the jobs that it ran.

        Nothing else that is due is done: updates that waited for the restart go first.
        """
        jobs = self._transactions.jobs
        try:
            await self._transactions.edit(key, lambda turn: turn.begin_jobs(jobs.room, jobs.mine))
        except RowMoved as moved:
            await self._migration.process_due(key, moved)

    async def has_due(self, key: Key) -> bool:
        """Return whether something is due for a key that can be done here, found without a lease."""
        try:
            row = await self._transactions.peek(key)
        except (OrphanedConversation, StoreCorrupt, StoredByNewerVersion):
            return False
        now, known = self._services.clock.now(), self._services.flows.tables
        if _scheduled(row, now) or row.moved is not None or self.albums.due(row, now):
            return True
        jobs = self._transactions.jobs
        if jobs.room and jobs_are_due(row, known, now, jobs.mine, self._services.workers):
            return True
        return overdue(row, known, now) is not None or reminding(row, known, now) is not None

    async def fire_overdue(self, turn: Turn) -> None:
        """Fire the timeouts that have come, in their order, each with its own commit.

        A message whose date lies before a deadline was in time, however late it is handled.
        """
        date = turn.event.date if isinstance(turn.event, ChatEvent) else None
        while (late := overdue(turn.row, turn.flows.tables, turn.now, date)) is not None:
            own = self._transactions.beside(turn, without_timer(turn.row, late), event_of(turn.row, late))
            await self._transactions.run(
                turn, own, partial(expire, own, late), partial(_timeout_failed, own, late)
            )

    async def _remind(self, turn: Turn) -> None:
        """Give the reminders that have come, each once and with its own commit.

        Only a sweep does so: a person whose event comes needs none. One that fails is not repeated.
        """
        while (name := reminding(turn.row, turn.flows.tables, turn.now)) is not None:
            snapshot = turn.row.snapshots[name]
            row = turn.row.with_conversation(name, structs.replace(snapshot, remind=None))
            own = self._transactions.beside(
                turn, row, Reminder(snapshot.remind or 0.0, message_id=snapshot.reply_to)
            )
            await self._transactions.run(turn, own, partial(remind, own, name))


def tell_of_no_handler(services: Services, key: Key, error: Exception) -> None:
    """Tell the observers of an exception that came from beside the handlers; of those they know already."""
    if services.watch is not None:
        origin = origin_of(error)
        if origin is None or origin.handler is None:
            services.watch.tell(Observer.failed, key, None, error)


def _scheduled(row: Row, now: float) -> list[ScheduledEvent]:
    return [mail for mail in row.later if mail.due <= now and mail.event != ALBUM]


def _is_due(turn: Turn) -> bool:
    at = wake_of(turn.row)
    return bool(turn.row.snapshots) and at is not None and at <= turn.now


def _timeout_failed(turn: Turn, late: ExpiredTimer, _error: Exception) -> None:
    """Put a timeout off whose handler raised; after five times the conversation ends."""
    tries = turn.row.snapshots[late.name].tries + 1
    if tries >= TIMEOUT_TRIES:
        _log.error(
            "%s: the timeout of %s has failed %d times; the conversation ends", late.name, turn.key, tries
        )
        turn.row = turn.row.with_conversation(late.name, None)
    else:
        turn.row = put_off(turn.row, late, turn.now + backoff(tries, TIMEOUT_DELAY, factor=3.0))


async def expire(turn: Turn, late: ExpiredTimer) -> None:
    """Give a conversation its timeout; with nobody to take it, the conversation ends."""
    taken = await turn.offer(turn.event, Recipient(within=late.name, depth=late.depth))
    if taken is None and late.name in turn.row.snapshots:  # what did not fit is over already
        await turn.close(late.name, "expired")


async def remind(turn: Turn, name: str) -> None:
    """Give a conversation its reminder; with nobody to take it, say what the flow says.

    Where nobody moves on, the silence goes on as it was: the conversation times out when it would have.
    """
    before = turn.row.snapshots[name]
    moved = await turn.offer(turn.event, Recipient(within=name))
    if moved is not None and moved.moved:
        return
    after = turn.row.snapshots.get(name)
    if after is None:  # it did not fit
        return
    after = structs.replace(after, deadline=before.deadline, remind=None)
    turn.row = turn.row.with_conversation(name, after)
    if moved is None:
        await _say_reminder(turn, name)


async def _say_reminder(turn: Turn, name: str) -> None:
    """Say the reminder of the innermost flow that declares when to remind, else its prompt once more."""
    turn.name = name
    for frame in reversed(turn.row.snapshots[name].frames):
        table = turn.flows.tables[frame.flow]
        times = times_in(table, frame.state)
        if not isinstance(times.remind_after, str):
            await turn.perform(_reminder(table, frame, times), None)
            return


def _reminder(table: CompiledFlow, frame: Frame, times: Times) -> Sequence[PendingCall]:
    if times.remind_after is None:  # declared otherwise since it was stored
        return []
    if times.reminder is not None:
        return [PendingCall("reminder", times.reminder, table, frame, table.flow.place)]
    prompt = table.rules[frame.state].prompt if frame.state is not None else None
    return [] if prompt is None else [PendingCall("prompt", prompt, table, frame, table.flow.place)]


# -- albums ----------------------------------------------------------------------------------------

ALBUM = "fsmkit.album"
"""Stands in a letter for the name of an event's class."""


QUIET = 1.0
"""Seconds without a further part after which an album is complete; Telegram sends them at once."""


MAX_PARTS = 10
"""Messages of an album, https://core.telegram.org/bots/api#sendmediagroup."""


MAX_BYTES = 32768
"""What the albums of one row may take, half of what a row may by default."""

_decode = msgspec.json.Decoder(list[Raw]).decode


_encode = msgspec.json.encode


Where: TypeAlias = tuple[str, int | None]
"""Where an album is wanted: a conversation and the frame in it; or the flow to enter, and `None`."""


def wanting(
    flows: FlowSet, row: Row, part: ChatEvent, entries: Sequence[CompiledFlow] | None
) -> Where | None:
    """Return where a part is to be gathered: where a handler asks for albums before another takes the part.

    In one state a handler for albums goes before one for single photos, in whatever order they stand.
    """
    for name, depth, _, _, handlers, runs in ranks(flows, row, entries):
        if any("album" in (handler.matcher.kinds or ()) for handler in handlers):
            return name, depth if runs else None
        if any(handler.wants(part) is not None for handler in handlers):
            return None
    return None


def gather(turn: Turn, part: ChatEvent, where: Where) -> ScheduledEvent:
    """Put a part into the turn's row, and the conversation's idle deadline off: the person was there."""
    ident = _ident(part)
    old = next((mail for mail in albums_of(turn.row) if mail.id == ident), None)
    parts = _decode(old.body) if old is not None else []
    parts.append(Raw(part.stored(alone=not parts)))
    mail = ScheduledEvent(str(turn.key), ALBUM, Raw(_encode(parts)), ident, turn.now + QUIET)
    turn.row = structs.replace(
        turn.row, later=(*(other for other in turn.row.later if other is not old), mail)
    )
    name, depth = where
    if depth is not None:
        moves = RowEditor(turn.flows, turn.row, turn.now)
        moves.keep(name, depth, None)
        turn.row = moves.result()
    turn.name = name
    turn.changed = True
    return mail


def albums_of(row: Row) -> list[ScheduledEvent]:
    """Return what is being gathered, the one that was last added to last."""
    return [mail for mail in row.later if mail.event == ALBUM]


def is_full(mail: ScheduledEvent) -> bool:
    """Return whether an album can have no further part."""
    return len(_decode(mail.body)) >= MAX_PARTS


def crowded(row: Row, part: ChatEvent) -> list[ScheduledEvent]:
    """Return albums that have to be handled as they are, so that another part has room in the row."""
    albums = albums_of(row)
    size = len(part.stored(alone=True)) + sum(len(bytes(mail.body)) for mail in albums)
    found: list[ScheduledEvent] = []
    while size > MAX_BYTES and len(found) < len(albums):
        mail = albums[len(found)]
        size -= len(bytes(mail.body))
        found.append(mail)
    return found


def complete(row: Row, event: object) -> list[ScheduledEvent]:
    """Return albums that are complete because their sender has gone on to something else."""
    if not isinstance(event, ChatEvent) or event.group is not None or event.kind == "edited":
        return []
    sender = f"{event.address.user}:"
    return [mail for mail in albums_of(row) if mail.id.startswith(sender)]


def without(row: Row, mail: ScheduledEvent) -> Row:
    """Return the row without an album."""
    return structs.replace(row, later=tuple(other for other in row.later if other is not mail))


def _ident(part: ChatEvent) -> str:
    """Return who sent it, and which album it is part of: where a chat shares a row, two people may send."""
    return f"{part.address.user}:{part.group}"


class AlbumBuffer:
    """Gathers albums in rows, and handles those that are complete.

    Args:
        services: The engine's means.
        transactions: Reads and writes rows.
    """

    def __init__(self, services: Services, transactions: Transactions) -> None:
        self._face = services.face
        self._transactions = transactions

    def due(self, row: Row, now: float) -> list[ScheduledEvent]:
        """Return the albums that are complete, as nothing was added for a while; none without Telegram."""
        return [mail for mail in albums_of(row) if mail.due <= now] if self._face.album_of is not None else []

    async def take(self, turn: Turn, event_id: str | None, to: Recipient) -> bool:
        """Put the turn's event, a part of an album, into the row; return whether albums are wanted there.

        With the last possible part the album is handled at once; so are others that leave it no room.
        """
        part = turn.event
        where = wanting(turn.flows, turn.row, part, to.entries)
        if where is None or len(part.stored(alone=True)) > MAX_BYTES:
            return False
        if others := crowded(turn.row, part):
            await self.handle(turn, others)
            where = wanting(turn.flows, turn.row, part, to.entries)
            if where is None:
                return False
        mail = gather(turn, part, where)
        await self._transactions.commit(turn, event_id, hold=is_full(mail))
        if is_full(mail):
            turn.carried = ()
            await self.handle(turn, [mail])
        return True

    async def handle(self, turn: Turn, albums: Sequence[ScheduledEvent]) -> None:
        """Offer albums to the flows, each with its own commit; one whose handler raises is over too."""
        album_of = self._face.album_of
        if album_of is None:  # they wait for the bot
            return
        for mail in albums:
            own = self._transactions.beside(turn, without(turn.row, mail), None)
            work = partial(_offer_album, own, mail, album_of)
            await self._transactions.run(turn, own, work, partial(_album_failed, turn))


def _album_failed(turn: Turn, error: Exception) -> None:
    turn.raised += (error,)


async def _offer_album(own: Turn, mail: ScheduledEvent, album_of: AlbumOf) -> None:
    own.event, entries = album_of(own.key, bytes(mail.body))
    if not await offer_or_default(own, Recipient(entries)):
        _log.info("%s: no handler takes this album any more: %s", own.key, named(own.event))
