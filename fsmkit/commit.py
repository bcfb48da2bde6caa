"""What a turn leaves to be written: the next row, its columns, its outbox, as one change."""

from typing import Any

import attrs
from msgspec import structs

from fsmkit.codec import EventCodec, encode_row
from fsmkit.context import Emit, Say
from fsmkit.deadlines import timeout_at, wake_at
from fsmkit.effects import Address, Answer, Delete, Effect
from fsmkit.errors import RowTooLarge
from fsmkit.events import ChatEvent, Done, Failed
from fsmkit.keys import Key
from fsmkit.model import Mail, Pending, Row, Snapshot, View
from fsmkit.outbox import encode_entry
from fsmkit.stores import Change, Index
from fsmkit.turn import Turn
from fsmkit.wishes import address_of, effects_of, storable

SEEN = 64
"""Ids of handled events that a row remembers."""


@attrs.frozen
class Limits:
    """What the engine was told about rows.

    Attributes:
        dedupe_for: Seconds that event ids are remembered after the last event.
        max_row_bytes: Bytes that a row may take, the outbox apart.
        delivers: Whether effects go to the outbox (else they stay in the `Outcome`).
    """

    dedupe_for: float
    max_row_bytes: int
    delivers: bool


def settle(
    turn: Turn, limits: Limits, events: EventCodec, event_id: str | None
) -> tuple[list[Effect], list[Any]]:
    """Makes effects of a turn's wishes and completes its row.

    Returns:
        The effects for the `Outcome`, and the entries for the outbox.
    """
    if turn.jobs:
        turn.begin_jobs(len(turn.jobs), entered=True)
    row = turn.row
    snapshot = row.snapshots.get(turn.name)
    if snapshot is not None:
        row = _touched(turn, row, snapshot)
    effects: list[Any] = []
    if turn.wishes:
        to = address_of((row, turn.loaded), turn.name, turn.address, turn.key)
        table = turn.flows.tables.get(turn.name)
        shared = table is not None and table.flow.shared
        pressed = _screen_of(turn)
        if table is not None and table.flow.key.by_message and turn.key.message is not None:
            pressed = turn.key.message
            row = _at_home(row, turn, pressed)
        pack = turn.world.values.pack
        row, effects = effects_of(row, turn.name, turn.wishes, to, pack, shared=shared, pressed=pressed)
    if turn.deletes or turn.tidy:
        home = address_of((row, turn.loaded), turn.name, turn.address, turn.key)
        effects = [*turn.tidy, *_deletes(turn, home), *effects]
    if event_id is not None:
        keep = turn.now + limits.dedupe_for
        row = Row(row.snapshots, _remember(row.seen, event_id), keep, row.serial, row.views, row.later)
    turn.row = row
    if not effects and not turn.letters:
        return effects, []
    return _sort(turn, effects, limits, events)


def _deletes(turn: Turn, home: Address) -> list[Delete]:
    """What the states that were left leave behind, in one request for each chat."""
    messages: dict[Address, list[int]] = {}
    for left in turn.deletes:
        messages.setdefault(left.address or home, []).extend(left.messages)
    return [Delete(to, tuple(dict.fromkeys(ids))) for to, ids in messages.items()]


def _screen_of(turn: Turn) -> int | None:
    """The message in which the flow's screen is brought up to date, not sent anew: that of the pressed
    button, or the one in which a job has shown its progress.
    """
    event = turn.event
    if isinstance(event, Done | Failed):
        view = turn.row.views.get(turn.name)
        return view.message if view is not None and view.message else None
    return event.message_id if isinstance(event, ChatEvent) and event.pressed else None


def _at_home(row: Row, turn: Turn, home: int) -> Row:
    """The row with the one message whose conversation it is as its screen; buttons of another one would be
    another conversation's.
    """
    shows = any(isinstance(wish, Say) and wish.show for wish in turn.wishes)
    if turn.name in row.views or not shows:
        return row
    return structs.replace(row, views={**row.views, turn.name: View(turn.key.chat, home)})


def _sort(
    turn: Turn, effects: list[Any], limits: Limits, events: EventCodec
) -> tuple[list[Effect], list[Any]]:
    """What goes to the outbox now, what is a letter for later, and what the `Outcome` shows."""
    row = turn.row
    entries: list[Any] = list(turn.letters)
    serial, later = row.serial, row.later
    for effect in effects:
        if isinstance(effect, Emit):
            serial += 1
            mail = _mail(effect, events, turn, serial)
            if effect.after > 0:
                later = (*later, mail)
            else:
                entries.append(mail)
        elif not isinstance(effect, Answer) and limits.delivers:
            entries.append(storable(effect, turn.world.values.pack))
    turn.row = Row(row.snapshots, row.seen, row.keep, serial, row.views, later)
    return [effect for effect in effects if not isinstance(effect, Emit)], entries


def _remember(seen: str, event_id: str) -> str:
    """The ids with one more, and without the oldest where there would be too many."""
    if seen.count(" ") > SEEN:
        seen = seen[seen.index(" ", 1) :]
    return f"{seen}{event_id} "


def change_of(
    row: Row, key: Key, now: float, limits: Limits, entries: list[Any], folded: int
) -> tuple[Row, Change]:
    """The change that stores a row, and the row with its effects numbered.

    Raises:
        RowTooLarge: If it takes more bytes than allowed; nothing may be written then.
    """
    serial = row.serial
    outbox: tuple[bytes, ...] = ()
    if entries:
        outbox = tuple(encode_entry(Pending(serial + n, entry)) for n, entry in enumerate(entries, 1))
        row = Row(row.snapshots, row.seen, row.keep, serial + len(entries), row.views, row.later)
    if not row.snapshots and not row.later and row.keep <= now:
        return row, Change(None, outbox=outbox, folded=folded)
    blob = encode_row(row)
    if len(blob) > limits.max_row_bytes:
        raise RowTooLarge(str(key), len(blob), limits.max_row_bytes)
    return row, Change(blob, wake_of(row), _index_of(row), outbox, folded)


def _index_of(row: Row) -> tuple[Index, ...]:
    """What a store looks the row up by."""
    found = []
    for snapshot in row.snapshots.values():
        frame = snapshot.frames[-1]
        found.append(Index(frame.flow, frame.state, timeout_at(snapshot)))
    return tuple(found)


def _touched(turn: Turn, row: Row, snapshot: Snapshot) -> Row:
    """The row with the address of this event in the conversation that took it, and its retries over."""
    event = turn.event
    address = event.address if isinstance(event, ChatEvent) else snapshot.address
    if address == snapshot.address and not snapshot.tries:
        return row
    touched = structs.replace(snapshot, address=address, tries=0)
    return Row({**row.snapshots, turn.name: touched}, row.seen, row.keep, row.serial, row.views, row.later)


def _mail(effect: Emit, events: EventCodec, turn: Turn, serial: int) -> Mail:
    name, body = events.encode(effect.event)
    key = effect.key.with_bot(turn.key.bot)
    due = turn.now + effect.after if effect.after > 0 else 0.0
    return Mail(str(key), name, body, f"{turn.key}#{turn.new_run()}.{serial}", due)


def wake_of(row: Row) -> float | None:
    """When the row has to be looked at again: a time of a conversation, a letter, the end of its memory."""
    if not row.later and len(row.snapshots) == 1:
        return wake_at(next(iter(row.snapshots.values())))
    times = [at for snapshot in row.snapshots.values() if (at := wake_at(snapshot)) is not None]
    times.extend(mail.due for mail in row.later)
    if not row.snapshots and not row.later:
        return row.keep
    return min(times) if times else None
