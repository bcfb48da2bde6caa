"""Wishes become effects: addressed, and with their buttons bound to the place where the step has ended.

Pure. What handlers, hooks and prompts asked of `ctx` comes in, in order; what goes to the outbox comes out.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import structs

from fsmkit.context import Emit, Say, Track, Wish
from fsmkit.effects import Address, Bound, Delete, Edit, Effect, Send
from fsmkit.errors import UnstorableData
from fsmkit.keys import Key
from fsmkit.model import Frame, Receipt, Row, Snapshot, View

MAX_VALUE = 39
"""Bytes that a bound button has for its value, 64 less mark and header; longer ones stand in the row."""


def address_of(rows: Iterable[Row], name: str, given: Address | None, key: Key) -> Address:
    """Where effects go: whence the event came, else where the conversation last was, else the key's chat.

    Args:
        rows: The row at the end of the step, then the one at its beginning: the conversation may be over.
        name: Name of the conversation.
        given: Whence the event came.
        key: Whose conversation.
    """
    if given is not None:
        return given
    for row in rows:
        snapshot = row.snapshots.get(name)
        if snapshot is not None and snapshot.address is not None:
            return snapshot.address
    return Address(key.chat, key.thread, key.business, key.user)


def effects_of(
    row: Row, name: str, wishes: Sequence[Wish], to: Address, *, shared: bool, pressed: int | None
) -> tuple[Row, list[Effect | Emit]]:
    """The row with what effects leave in it, and the effects.

    Args:
        row: The row at the end of the step.
        name: The conversation in which it ended.
        wishes: What was asked for, in order.
        to: Where effects go.
        shared: Whether anybody in the chat may press the buttons.
        pressed: Id of the message whose button was pressed.
    """
    bound, row = _bind(row, name, wishes, None if shared else to.user)
    effects: list[Effect | Emit] = []
    tracked: list[int] = []
    for wish in wishes:
        if isinstance(wish, Say):
            row, said = _say(row, name, wish, to, bound, pressed)
            effects.extend(said)
        elif isinstance(wish, Track):
            tracked.append(wish.message)
        else:
            effects.append(wish)
    if tracked:
        row = follow(row, name, bound.run, bound.entry, tracked)
    return row, effects


def fold(row: Row, receipts: Iterable[Receipt]) -> tuple[Row, list[Effect | Emit]]:
    """The row with the ids of messages that were sent meanwhile; those that came too late are tidied up."""
    effects: list[Effect | Emit] = []
    for receipt in receipts:
        to = Address(receipt.chat)
        if receipt.keep == "view":
            old = row.views.get(receipt.flow)
            if old is not None and old.message < receipt.message and old.chat == receipt.chat:
                effects.append(Edit(to, old.message, Bound(receipt.flow, receipt.run, receipt.entry)))
            views = {**row.views, receipt.flow: View(receipt.chat, receipt.message)}
            row = Row(row.snapshots, row.seen, row.keep, row.serial, views, row.later)
        else:
            followed = follow(row, receipt.flow, receipt.run, receipt.entry, [receipt.message])
            if followed is row:  # the state was left while the message was on its way
                effects.append(Delete(to, (receipt.message,)))
            row = followed
    return row, effects


def _bind(row: Row, name: str, wishes: Iterable[Wish], owner: Any) -> tuple[Bound, Row]:
    """The place for buttons; values that are too long for one are put into the row."""
    snapshot = row.snapshots.get(name)
    if snapshot is None or not snapshot.active:
        _refuse_long_values(name, wishes)
        return Bound(name, 0, 0, owner), row
    frame = snapshot.frames[-1]
    values = frame.values
    for wish in wishes:
        if isinstance(wish, Say):
            for button in (button for line in wish.reply.buttons for button in line):
                if (
                    len(button.value.encode("utf-8", "surrogatepass")) > MAX_VALUE
                    and button.value not in values
                ):
                    values = (*values, button.value)
    if values is not frame.values:
        row = _with_frame(
            row, name, snapshot, len(snapshot.frames) - 1, structs.replace(frame, values=values)
        )
    return Bound(name, snapshot.run, frame.entry, owner, values), row


def _refuse_long_values(name: str, wishes: Iterable[Wish]) -> None:
    """Without a conversation there is no place in the row for a value that is too long for its button."""
    for wish in wishes:
        for button in (b for line in wish.reply.buttons for b in line) if isinstance(wish, Say) else ():
            size = len(button.value.encode("utf-8", "surrogatepass"))
            if size > MAX_VALUE and button.url is None:
                raise UnstorableData(
                    f"{name}: Button({button.text!r}).value",
                    f"takes {size} bytes; outside of a conversation a button holds {MAX_VALUE}",
                )


def _say(
    row: Row, name: str, wish: Say, to: Address, bound: Bound, pressed: int | None
) -> tuple[Row, list[Effect | Emit]]:
    if not wish.show:
        return row, [Send(wish.reply, to, bound, "ephemeral" if wish.ephemeral else "")]
    view = row.views.get(name)
    if view is None:
        return row, [Send(wish.reply, to, bound, "view")]
    if view.message == pressed and view.chat == to.chat:
        return row, [Edit(to, view.message, bound, wish.reply)]
    views = {other: kept for other, kept in row.views.items() if other != name}
    row = Row(row.snapshots, row.seen, row.keep, row.serial, views, row.later)
    return row, [Send(wish.reply, to, bound, "view"), Edit(Address(view.chat), view.message, bound)]


def follow(row: Row, name: str, run: int, entry: int, messages: list[int]) -> Row:
    """The row with messages to delete when an entry is over; the same row if it is over already."""
    snapshot = row.snapshots.get(name)
    if snapshot is None or snapshot.run != run:
        return row
    for depth, frame in enumerate(snapshot.frames):
        if frame.entry == entry and frame.state is not None:
            trail = (*frame.trail, *messages)
            return _with_frame(row, name, snapshot, depth, structs.replace(frame, trail=trail))
    return row


def _with_frame(row: Row, name: str, snapshot: Snapshot, depth: int, frame: Frame) -> Row:
    frames = (*snapshot.frames[:depth], frame, *snapshot.frames[depth + 1 :])
    snapshots = {**row.snapshots, name: structs.replace(snapshot, frames=frames)}
    return Row(snapshots, row.seen, row.keep, row.serial, row.views, row.later)
