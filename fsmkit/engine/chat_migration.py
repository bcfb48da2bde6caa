"""Relocation: a chat has a new id (a group became a supergroup), and what stands under the old one follows.

A row is moved in three commits, one lease at a time: it is marked as moved, it arrives under the new key, and
only a forwarding note is left. Each may be done again, by whoever meets the row, so that a crash in between
neither loses nor doubles anything. Messages that wait are sent from the old key; the new one's wait for them.
"""

import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import attrs
from msgspec import structs

from fsmkit.clock import Clock
from fsmkit.engine.due import Report, force_close
from fsmkit.engine.outbox import Outbox
from fsmkit.engine.turn import Services, Turn
from fsmkit.errors import LeaseLost
from fsmkit.flow.events import ChatEvent
from fsmkit.interpreter.codec import EventCodec, decode_row, encode_row
from fsmkit.interpreter.row import Destination, Row, ShownScreen, Snapshot, WaitForOutbox
from fsmkit.interpreter.settle import SEEN, Limits, change_of, settle
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Store

_log = logging.getLogger("fsmkit")

FORWARD_FOR = 30 * 86400.0
"""Seconds that an old key leads to the new one: buttons of the old chat can still be pressed."""


TRIES = 5
"""How often a commit is tried that another one overtook."""

T = TypeVar("T")


class RowMoved(Exception):
    """A row was found that has a new key."""

    def __init__(self, row: Row, move: Destination) -> None:
        self.row = row
        self.move = move
        super().__init__(f"moved to {move.key}")


class ChatMigration:
    """Moves rows to other keys.

    Args:
        world: What turns look at.
        store: Where rows are.
        clock: Where the time comes from.
        limits: What rows may take; a row that has just moved may take more.
        events: How events are stored.
        outbox: Delivers what was committed.
        report: Told of an `on_exit` hook that raised.
        telegram_for: Makes PTB's context.
    """

    def __init__(
        self,
        world: Services,
        store: Store,
        clock: Clock,
        limits: Limits,
        events: EventCodec,
        outbox: Outbox,
        *,
        report: Report,
        telegram_for: Callable[[Key], Any],
    ) -> None:
        self._world = world
        self._store = store
        self._clock = clock
        self._limits = attrs.evolve(limits, max_row_bytes=sys.maxsize)
        self._events = events
        self._outbox = outbox
        self._report = report
        self._telegram_for = telegram_for

    async def chat(self, bot: int | str | None, old: int | str, new: int | str) -> int:
        """Moves all rows of a chat; the number of those that were there to move."""
        count = 0
        for key in await self._store.keys(old, bot=bot):
            if key.bot == bot:
                count += await self._move(key, moved_key(key, new))
        return count

    async def finish(self, key: Key, moved: RowMoved) -> Key:
        """Sees to it that a row which is on its way has arrived; the key under which it stands now."""
        new = Key.parse(moved.move.key)
        if not moved.move.arrived:
            await _patiently(lambda: self._arrive(key, moved.row, moved.move, new))
            await _patiently(lambda: self._leave_note(key))
        return new

    async def look(self, key: Key, moved: RowMoved) -> None:
        """Does what is due for an old key: finishes the move, sends what waits, forgets the note."""
        if not moved.move.arrived:
            await self.finish(key, moved)
            return
        async with self._store.lease(key) as lease:
            receipts, over = len(lease.receipts), moved.row.keep <= self._clock.now()
            note = Change(None) if over else Change(lease.row, moved.row.keep)
            entry = await lease.commit(structs.replace(note, folded=receipts))
        await self._outbox.run(key, entry)

    async def _move(self, key: Key, new: Key) -> bool:
        row = await _patiently(lambda: self._mark(key, new))
        if row is None or row.moved is None or row.moved.arrived:
            return False
        await self.finish(key, RowMoved(row, row.moved))
        return True

    async def _mark(self, key: Key, new: Key) -> Row | None:
        """Marks a row as moved: from now on events for it wait, and then follow."""
        async with self._store.lease(key) as lease:
            if lease.row is None:  # only messages wait; they need no row to be sent
                return None
            row = decode_row(lease.row)
            if row.moved is None:
                row = structs.replace(row, moved=Destination(str(new), f"move:{self._world.new_run():x}"))
                await lease.commit(Change(encode_row(row), self._clock.now(), folded=len(lease.receipts)))
            return row

    async def _arrive(self, old: Key, row: Row, move: Destination, new: Key) -> None:
        """Puts what stood under the old key to what stands under the new one, unless it is there already."""
        messages_first = bool(await self._store.outbox(old))
        async with self._store.lease(new) as lease:
            here = Row() if lease.row is None else decode_row(lease.row)
            if f" {move.id} " in here.seen:
                return
            if here.moved is not None:
                raise RuntimeError(f"{old} moves to {new}, which has moved to {here.moved.key}")
            turn = Turn(
                self._world, new, readdressed(row, old, new), None, self._telegram_for(new), self._clock.now()
            )
            turn.migrate_row()
            await self._end_doubles(turn, here)
            turn.row = joined(turn.row, here)
            turn.migrate_row()
            _effects, entries = settle(turn, self._limits, self._events, move.id)
            if messages_first:
                entries = [WaitForOutbox(str(old)), *entries]
            _row, change = change_of(turn.row, new, turn.now, self._limits, entries, 0)
            entry = await lease.commit(change)
        await self._outbox.run(new, entry)

    async def _end_doubles(self, turn: Turn, here: Row) -> None:
        """Ends conversations that have been begun anew in the new chat: what people did last counts."""
        for name in [name for name in turn.row.snapshots if _begun(here.snapshots.get(name), turn, name)]:
            _log.info("%s: the conversation begun in the new chat goes on, the old one ends", turn.key)
            if turn.row.snapshots[name].active:
                await force_close(turn, name, self._report)
            else:
                kept = {other: draft for other, draft in turn.row.snapshots.items() if other != name}
                turn.row = structs.replace(turn.row, snapshots=kept)

    async def _leave_note(self, key: Key) -> None:
        """Leaves only the forwarding note, and delivers what nobody delivers."""
        async with self._store.lease(key) as lease:
            row = Row() if lease.row is None else decode_row(lease.row)
            if row.moved is None or row.moved.arrived:
                return
            keep = self._clock.now() + FORWARD_FOR
            note = Row(keep=keep, moved=structs.replace(row.moved, arrived=True))
            # Receipts are let go: whether such a message stands in the old chat or the new one, nobody knows.
            entry = await lease.commit(Change(encode_row(note), keep, folded=len(lease.receipts)))
        await self._outbox.run(key, entry)


async def _patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Takes a step again if another commit overtook it, as they may with `isolation="optimistic"`."""
    for _ in range(TRIES - 1):
        try:
            return await step()
        except LeaseLost:
            continue
    return await step()


def moved_key(key: Key, chat: int | str) -> Key:
    """The key in the new chat; where the chat stands for the person, both change."""
    return Key(chat, chat if key.user == key.chat else key.user, *key[2:])


def forward(event: Any, key: Key) -> None:
    """Has answers to an event of the old chat go to the new one."""
    told: Any = event
    if isinstance(event, ChatEvent) and event.address.chat != key.chat:
        told.address = structs.replace(event.address, chat=key.chat)


def readdressed(row: Row, old: Key, new: Key) -> Row:
    """What arrives under a new key: with the new address, and without ids of messages of the old chat.

    Those messages cannot be edited or deleted any more, and in the new chat their ids are those of others.
    """
    later = tuple(structs.replace(mail, key=str(new)) if mail.key == str(old) else mail for mail in row.later)
    snapshots = {name: _readdressed(snapshot, old, new) for name, snapshot in row.snapshots.items()}
    views = {name: _without_ids(view, old, new) for name, view in row.views.items()}
    return Row(snapshots, row.seen, row.keep, row.serial, views, later)


def _readdressed(snapshot: Snapshot, old: Key, new: Key) -> Snapshot:
    address = snapshot.address
    if address is not None and address.chat == old.chat:
        address = structs.replace(address, chat=new.chat)
    frames = tuple(structs.replace(frame, tracked=()) for frame in snapshot.frames)
    return structs.replace(snapshot, frames=frames, address=address, reply_to=None)


def _without_ids(view: ShownScreen, old: Key, new: Key) -> ShownScreen:
    """What a flow shows without the message of the old chat; a reply keyboard is still there."""
    board = view.board
    if board is not None and board.chat == old.chat:
        board = structs.replace(board, chat=new.chat, reply_to=None)
    return (
        structs.replace(view, board=board) if view.chat != old.chat else ShownScreen(new.chat, 0, board=board)
    )


def joined(row: Row, here: Row) -> Row:
    """Two rows as one. Where both have something for a flow (`_begun` has decided), that of `row` counts."""
    ids = [*row.seen.split(), *here.seen.split()][-SEEN:]
    return Row(
        {**row.snapshots, **{n: s for n, s in here.snapshots.items() if n not in row.snapshots}},
        f" {' '.join(ids)} " if ids else " ",
        max(row.keep, here.keep),
        max(row.serial, here.serial),
        {**row.views, **here.views},
        (*row.later, *here.later),
    )


def _begun(snapshot: Snapshot | None, turn: Turn, name: str) -> bool:
    """Whether the new chat has something for a flow that is worth more: a conversation beats a draft."""
    return snapshot is not None and (snapshot.active or not turn.row.snapshots[name].active)
