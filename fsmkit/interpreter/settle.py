"""Wishes become effects: addressed, and with their buttons bound to the place where the step has ended.

Pure. What handlers, hooks and prompts asked of `ctx` comes in, in order; what goes to the outbox comes out.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import structs

from fsmkit.boards import tend
from fsmkit.context import Emit, Refused, Say, Track, Wish
from fsmkit.effects import Address, Bound, Delete, Edit, Effect, Send, as_reply
from fsmkit.errors import UnstorableData
from fsmkit.keys import Key
from fsmkit.markup import MAX_VALUE, Button
from fsmkit.model import Frame, Receipt, Row, Snapshot, View

MAX_VALUES = 256
"""Long values of buttons that an entry keeps; buttons with older ones are stale."""

MAX_TRAIL = 500
"""Messages that an entry remembers to delete; older ones stay."""

Pack = Callable[[Any], str]
"""Makes text of a button's value that is none."""


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
    row: Row, name: str, wishes: Sequence[Wish], to: Address, pack: Pack, *, shared: bool, pressed: int | None
) -> tuple[Row, list[Effect | Emit]]:
    """The row with what effects leave in it, and the effects.

    Args:
        row: The row at the end of the step.
        name: The conversation in which it ended.
        wishes: What was asked for, in order.
        to: Where effects go.
        pack: Makes text of buttons' values.
        shared: Whether anybody in the chat may press the buttons.
        pressed: Id of the message whose button was pressed, in which the screen is brought up to date.

    Raises:
        UnstorableData: If the value of a button cannot be stored.
    """
    bound, row = _bind(row, name, wishes, None if shared else _person(to), pack)
    effects: list[Effect | Emit] = []
    tracked: list[int] = []
    keyboards = bool(row.views)
    for wish in wishes:
        if isinstance(wish, Say):
            keyboards = keyboards or bool(wish.reply.keyboard)
            row, said = _say(row, name, wish, to, bound, pressed)
            effects.extend(said)
        elif isinstance(wish, Track):
            tracked.append(wish.message)
        elif isinstance(wish, Refused):
            row = _count(row, name, wish)
        else:
            effects.append(wish)
    if tracked:
        row = follow(row, name, bound.run, bound.entry, tracked)
    return tend(row, effects, bound, to) if keyboards else (row, effects)


def storable(effect: Effect, pack: Pack) -> Effect:
    """The effect as it stands in the outbox: with the text of buttons' values that are none."""
    if not isinstance(effect, Send | Edit) or effect.reply is None:
        return effect
    rows = effect.reply.buttons
    if all(type(button.value) is str for row in rows for button in row):
        return effect
    packed = tuple(tuple(_packed(button, pack) for button in row) for row in rows)
    return structs.replace(effect, reply=as_reply(effect.reply, buttons=packed))


def fold(row: Row, receipts: Iterable[Receipt]) -> tuple[Row, list[Effect | Emit]]:
    """The row with the ids of messages that were sent meanwhile; those that came too late are tidied up."""
    effects: list[Effect | Emit] = []
    for receipt in receipts:
        to = Address(receipt.chat)
        if receipt.keep in ("view", "moved"):
            old = row.views.get(receipt.flow) or View(receipt.chat, 0)
            replaced = 0 < old.message < receipt.message and old.chat == receipt.chat and not old.bare
            if receipt.keep == "view" and replaced:
                effects.append(Edit(to, old.message, Bound(receipt.flow, receipt.run, receipt.entry)))
            view = View(receipt.chat, receipt.message, receipt.file, old.board, receipt.bare)
            row = structs.replace(row, views={**row.views, receipt.flow: view})
        else:
            followed = follow(row, receipt.flow, receipt.run, receipt.entry, [receipt.message])
            if followed is row:  # the state was left while the message was on its way
                effects.append(Delete(to, (receipt.message,)))
            row = followed
    return row, effects


def _count(row: Row, name: str, refused: Refused) -> Row:
    """The row with one more answer refused, if the step has ended in the state that refused it."""
    snapshot = row.snapshots.get(name)
    frame = snapshot.frames[-1] if snapshot is not None else None
    if snapshot is None or frame is None or (frame.flow, frame.state) != (refused.flow, refused.state):
        return row
    counted = structs.replace(frame, retries=frame.retries + 1)
    return _with_frame(row, name, snapshot, len(snapshot.frames) - 1, counted)


def follow(row: Row, name: str, run: int, entry: int, messages: list[int]) -> Row:
    """The row with messages to delete when an entry is over; the same row if it is over already."""
    snapshot = row.snapshots.get(name)
    if snapshot is None or snapshot.run != run:
        return row
    for depth, frame in enumerate(snapshot.frames):
        if frame.entry == entry and frame.state is not None:
            trail = (*frame.trail, *messages)[-MAX_TRAIL:]
            return _with_frame(row, name, snapshot, depth, structs.replace(frame, trail=trail))
    return row


def _person(to: Address) -> int | str | None:
    """Who was spoken to; a key that is a chat's has the chat's id for the user's, which is nobody."""
    return None if isinstance(to.user, int) and to.user < 0 else to.user


def _bind(
    row: Row, name: str, wishes: Iterable[Wish], owner: int | str | None, pack: Pack
) -> tuple[Bound, Row]:
    """The place for buttons; values that are too long for one are put into the row."""
    snapshot = row.snapshots.get(name)
    frame = snapshot.frames[-1] if snapshot is not None and snapshot.active else None
    before = values = () if frame is None else frame.values
    for wish in wishes:
        if isinstance(wish, Say):
            for button in (button for line in wish.reply.buttons for button in line):
                long = _long_value(name, button, frame, pack)
                if long and long not in values:
                    values = (*values, long)
    if snapshot is None or frame is None:
        return Bound(name, 0, 0, owner), row
    if values is not before:
        if len(values) > MAX_VALUES:  # blanks: those that are kept must keep their places
            values = ("",) * (len(values) - MAX_VALUES) + values[-MAX_VALUES:]
        frame = structs.replace(frame, values=values)
        row = _with_frame(row, name, snapshot, len(snapshot.frames) - 1, frame)
    return Bound(name, snapshot.run, frame.entry, owner, values), row


def _long_value(name: str, button: Button, frame: Frame | None, pack: Pack) -> str | None:
    """A value that its button cannot hold, as text.

    Raises:
        UnstorableData: If it cannot be stored, or there is no place in the row for it.
    """
    value = button.value
    if type(value) is not str:
        try:
            value = pack(value)
        except UnstorableData as error:
            raise UnstorableData(f"{name}: Button({button.text!r}).{error.path}", error.problem) from error
    size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if size <= MAX_VALUE or button.action is not None:
        return None
    if frame is None or button.flow is not None:
        where = "a menu button" if button.flow is not None else "outside of a conversation a button"
        raise UnstorableData(
            f"{name}: Button({button.text!r}).value", f"takes {size} bytes; {where} holds {MAX_VALUE}"
        )
    return value


def _packed(button: Button, pack: Pack) -> Button:
    if type(button.value) is str:
        return button
    return structs.replace(button, value=pack(button.value), packed=True)


def _say(
    row: Row, name: str, wish: Say, to: Address, bound: Bound, pressed: int | None
) -> tuple[Row, list[Effect | Emit]]:
    reply = wish.reply
    if not wish.show:
        return row, [Send(reply, to, bound, "ephemeral" if wish.ephemeral else "")]
    view = row.views.get(name)
    if view is None or not view.message:
        return row, [Send(reply, to, bound, "view")]
    if view.message == pressed and view.chat == to.chat:
        shown = structs.replace(view, file=reply.file, bare=not reply.buttons)
        if shown != view:
            row = structs.replace(row, views={**row.views, name: shown})
        return row, [Edit(to, view.message, bound, reply, view.file)]
    row = structs.replace(row, views={**row.views, name: View(view.chat, 0, "", view.board)})
    taken = [] if view.bare else [Edit(Address(view.chat), view.message, bound)]
    return row, [Send(reply, to, bound, "view"), *taken]


def _with_frame(row: Row, name: str, snapshot: Snapshot, depth: int, frame: Frame) -> Row:
    frames = (*snapshot.frames[:depth], frame, *snapshot.frames[depth + 1 :])
    return structs.replace(row, snapshots={**row.snapshots, name: structs.replace(snapshot, frames=frames)})
