"""Chat migration: a group became a supergroup with a new id, and what is stored under the old one follows.

A row is moved in three commits, one lease at a time: it is marked as moved, it arrives under the new key, and
only a forwarding note is left. Each may be done again, by whoever meets the row, so that a crash in between
neither loses nor doubles anything. Messages that wait are sent from the old key; the new one's wait for them.
"""

import logging
import sys
from typing import Any

import attrs
from msgspec import structs

from fsmkit.engine.fifo import again_if_lost
from fsmkit.engine.outbox import Outbox
from fsmkit.engine.services import Services
from fsmkit.engine.transaction import RowMoved, take_lease
from fsmkit.engine.turn import Turn, force_close
from fsmkit.flow.events import ChatEvent
from fsmkit.interpreter.codec import decode_row, encode_row
from fsmkit.interpreter.row import Destination, Row, ShownScreen, Snapshot, WaitForOutbox
from fsmkit.interpreter.settle import SEEN, change_of, settle
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change

_log = logging.getLogger("fsmkit")

FORWARD_FOR = 30 * 86400.0
"""Seconds that an old key leads to the new one: buttons of the old chat can still be pressed."""


TRIES = 5
"""How often a commit is tried that another one overtook."""


class ChatMigration:
    """Moves rows to other keys.

    Args:
        services: The engine's means. A row that has just moved may take more room than others.
        outbox: Delivers what was committed.
    """

    def __init__(self, services: Services, outbox: Outbox) -> None:
        self._services = services
        self._store = services.store
        self._clock = services.clock
        self._limits = attrs.evolve(services.limits, max_row_bytes=sys.maxsize)
        self._outbox = outbox

    async def chat(self, bot: int | str | None, old: int | str, new: int | str) -> int:
        """Move all rows of a chat; return the number of those that were there to move."""
        count = 0
        for key in await self._store.keys(old, bot=bot):
            if key.bot == bot:
                count += await self._move(key, moved_key(key, new))
        return count

    async def finish(self, key: Key, moved: RowMoved) -> Key:
        """Make sure that a row which is on its way has arrived; return its key."""
        new = Key.parse(moved.move.key)
        if not moved.move.arrived:
            await again_if_lost(lambda: self._arrive(key, moved.row, moved.move, new), tries=TRIES)
            await again_if_lost(lambda: self._leave_note(key), tries=TRIES)
        return new

    async def process_due(self, key: Key, moved: RowMoved) -> None:
        """Do what is due for an old key: finish the move, send what waits, forget the note."""
        if not moved.move.arrived:
            await self.finish(key, moved)
            return
        async with take_lease(self._store, key) as lease:
            receipts, over = len(lease.receipts), moved.row.keep <= self._clock.now()
            note = Change(None) if over else Change(lease.row, moved.row.keep)
            entry = await lease.commit(structs.replace(note, folded=receipts))
        await self._outbox.run(key, entry)

    async def _move(self, key: Key, new: Key) -> bool:
        row = await again_if_lost(lambda: self._mark(key, new), tries=TRIES)
        if row is None or row.moved is None or row.moved.arrived:
            return False
        await self.finish(key, RowMoved(row, row.moved))
        return True

    async def _mark(self, key: Key, new: Key) -> Row | None:
        """Mark a row as moved: from now on events for it wait, and then follow."""
        async with take_lease(self._store, key) as lease:
            if lease.row is None:  # only messages wait; they need no row to be sent
                return None
            row = decode_row(lease.row)
            if row.moved is None:
                row = structs.replace(row, moved=Destination(str(new), f"move:{self._services.new_run():x}"))
                await lease.commit(Change(encode_row(row), self._clock.now(), folded=len(lease.receipts)))
            return row

    async def _arrive(self, old: Key, row: Row, move: Destination, new: Key) -> None:
        """Add what was stored under the old key to what is under the new one, unless it is there already."""
        messages_first = bool(await self._store.outbox(old))
        async with take_lease(self._store, new) as lease:
            here = Row() if lease.row is None else decode_row(lease.row)
            if f" {move.id} " in here.seen:
                return
            if here.moved is not None:
                raise RuntimeError(f"{old} moves to {new}, which has moved to {here.moved.key}")
            telegram = self._services.face.telegram_for(new)
            now = self._clock.now()
            turn = Turn(self._services, new, None, telegram, readdressed(row, old, new), now)
            turn.migrate_row()
            await self._end_doubles(turn, here)
            turn.row = joined(turn.row, here)
            turn.migrate_row()
            _effects, entries = settle(turn, self._limits, self._services.events, move.id)
            if messages_first:
                entries = [WaitForOutbox(str(old)), *entries]
            _row, change = change_of(turn.row, new, turn.now, self._limits, entries, 0)
            entry = await lease.commit(change)
        await self._outbox.run(new, entry)

    async def _end_doubles(self, turn: Turn, here: Row) -> None:
        """End conversations that have been begun anew in the new chat: what people did last counts."""
        for name in [name for name in turn.row.snapshots if _begun(here.snapshots.get(name), turn, name)]:
            _log.info("%s: the conversation begun in the new chat goes on, the old one ends", turn.key)
            if turn.row.snapshots[name].active:
                await force_close(turn, name, self._services.report)
            else:
                turn.row = turn.row.with_conversation(name, None)

    async def _leave_note(self, key: Key) -> None:
        """Leave only the forwarding note, and deliver what nobody delivers."""
        async with take_lease(self._store, key) as lease:
            row = Row() if lease.row is None else decode_row(lease.row)
            if row.moved is None or row.moved.arrived:
                return
            keep = self._clock.now() + FORWARD_FOR
            note = Row(keep=keep, moved=structs.replace(row.moved, arrived=True))
            # Receipts are let go: whether such a message stands in the old chat or the new one, nobody knows.
            entry = await lease.commit(Change(encode_row(note), keep, folded=len(lease.receipts)))
        await self._outbox.run(key, entry)


def moved_key(key: Key, chat: int | str) -> Key:
    """Return the key in the new chat; where the chat stands for the person, both change."""
    return Key(chat, chat if key.user == key.chat else key.user, *key[2:])


def forward(event: Any, key: Key) -> None:
    """Send answers to an event of the old chat to the new one."""
    told: Any = event
    if isinstance(event, ChatEvent) and event.address.chat != key.chat:
        told.address = structs.replace(event.address, chat=key.chat)


def readdressed(row: Row, old: Key, new: Key) -> Row:
    """Return what arrives under a new key: with the new address, without ids of messages of the old chat.

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
    """Return what a flow shows without the message of the old chat; a reply keyboard is still there."""
    board = view.board
    if board is not None and board.chat == old.chat:
        board = structs.replace(board, chat=new.chat, reply_to=None)
    return (
        structs.replace(view, board=board) if view.chat != old.chat else ShownScreen(new.chat, 0, board=board)
    )


def joined(row: Row, here: Row) -> Row:
    """Join two rows. Where both have something for a flow (`_begun` has decided), that of `row` counts."""
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
    """Return whether the new chat has more for a flow: a conversation beats a draft."""
    return snapshot is not None and (snapshot.active or not turn.row.snapshots[name].active)
