"""Wishes become effects: addressed, and with their buttons bound to the place where the step has ended.

Pure. What handlers, hooks and prompts asked of `ctx` comes in, in order; what goes to the outbox comes out,
with what it leaves in the row: screens, keyboards, messages to delete, long values of buttons.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
from msgspec import structs

from fsmkit.errors import UnstorableData
from fsmkit.flow.context import CountRetry, DeleteOnExit, Request, SendEvent, SendMessage
from fsmkit.flow.events import ChatEvent
from fsmkit.flow.flow import Flow
from fsmkit.flow.messages import (
    FILE_URI,
    MAX_VALUE,
    Address,
    Button,
    Keyboard,
    LocalFile,
    as_reply,
)
from fsmkit.interpreter.row import (
    Bound,
    Delete,
    Edit,
    Effect,
    Frame,
    Receipt,
    Row,
    Send,
    ShownKeyboard,
    ShownScreen,
)
from fsmkit.interpreter.screens import in_sight, screen_sent, show
from fsmkit.keys import Key


def update_reply_keyboard(
    row: Row, effects: list[Any], bound: Bound, to: Address, theirs: int | None = None
) -> tuple[Row, list[Any]]:
    """Return the row with the reply keyboard that stands in a chat after some effects, and the effects.

    Args:
        row: The row at the end of the step.
        effects: What was asked for, in order.
        bound: The place where the step ended.
        to: Where effects go.
        theirs: Id of the message at hand, if the conversation's own person wrote it, in a group.
    """
    changing = [effect for effect in effects if isinstance(effect, Send) and _changes_keyboard(effect)]
    if not changing:
        if not _is_left(row, to):
            return row, effects
        able = [
            n for n, effect in enumerate(effects) if isinstance(effect, Send) and not effect.reply.buttons
        ]
        if not able:
            return row, effects
        carrier = effects[able[0]]
        removing = structs.replace(carrier, reply=as_reply(carrier.reply, remove_keyboard=True))
        effects = [removing if effect is carrier else effect for effect in effects]
        changing = [removing]
    shown = next(_boards(row, to), None)
    if shown is not None and shown.selective:  # else it would take everybody's keyboard away
        effects = [_for_one_person(effect, shown, theirs) for effect in effects]
    row = _without_boards(row, to)
    last = changing[-1].reply
    if bound.run and _leaves(last.keyboard):
        view = row.views.get(bound.flow) or ShownScreen(to.chat, 0)
        selective = isinstance(last.keyboard, Keyboard) and last.keyboard.selective
        # Shown by a mention, it is taken away by a reply: to what that person has written.
        reply_to = last.reply_to if last.reply_to is not None else theirs
        board = ShownKeyboard(to.chat, bound.run, bound.entry, selective, reply_to if selective else None)
        row = structs.replace(row, views={**row.views, bound.flow: structs.replace(view, board=board)})
    return row, effects


def _changes_keyboard(effect: Send) -> bool:
    return bool(effect.reply.keyboard) or effect.reply.remove_keyboard


def _leaves(keyboard: Any) -> bool:
    """Return whether a keyboard goes with its state."""
    return keyboard.leaves if isinstance(keyboard, Keyboard) else bool(keyboard)


def _is_left(row: Row, to: Address) -> bool:
    """Return whether a keyboard stands in the chat although its state is no longer the one that runs."""
    for name, view in row.views.items():
        board = view.board
        if board is None or board.chat != to.chat:
            continue
        snapshot = row.snapshots.get(name)
        if snapshot is None or not snapshot.active:
            return True
        if (snapshot.run, snapshot.frames[-1].entry) != (board.run, board.entry):
            return True
    return False


def _boards(row: Row, to: Address) -> Iterator[ShownKeyboard]:
    """Yield the keyboards that stand in a chat."""
    return (
        view.board for view in row.views.values() if view.board is not None and view.board.chat == to.chat
    )


def _for_one_person(effect: Any, shown: ShownKeyboard, theirs: int | None) -> Any:
    """Return a message that takes a keyboard away so that it does so for the person who has it.

    Telegram finds that person by the message that is replied to. Without one (a keyboard was shown to several
    by mentions, in a conversation of them all) it is taken away from everybody: else it would stay.
    """
    if not isinstance(effect, Send) or not effect.reply.remove_keyboard:
        return effect
    known = (effect.reply.reply_to, shown.reply_to, theirs)
    reply_to = next((message for message in known if message is not None), None)
    if reply_to is None:
        return effect
    return structs.replace(effect, reply=as_reply(effect.reply, reply_to=reply_to), selective=True)


def _without_boards(row: Row, to: Address) -> Row:
    if next(_boards(row, to), None) is None:
        return row
    views: dict[str, ShownScreen] = {}
    for name, view in row.views.items():
        if view.board is not None and view.board.chat == to.chat:
            view = structs.replace(view, board=None)
        if view.message or view.board:
            views[name] = view
    return structs.replace(row, views=views)


MAX_VALUES = 256
"""Long values of buttons that an entry keeps; buttons with older ones are stale."""

MAX_TRACKED = 500
"""Messages that an entry remembers to delete; older ones stay."""

Pack = Callable[[Any], str]
"""Makes text of a button's value that is none."""


def address_of(rows: Iterable[Row], name: str, event: Any, key: Key) -> Address:
    """Return where effects go: where the conversation was, or at the key, with what the event says of it.

    Args:
        rows: The row at the end of the step, then the one at its beginning: the conversation may be over.
        name: Name of the conversation.
        event: What has happened.
        key: Whose conversation.
    """
    stored = None
    for row in rows:
        snapshot = row.snapshots.get(name)
        if snapshot is not None and snapshot.address is not None:
            stored = snapshot.address
            break
    return heard(event, stored, key) or home_of(key)


def heard(event: Any, stored: Address | None, key: Key) -> Address | None:
    """Return where a conversation talks after an event: only what the event says replaces what is stored.

    A vote, a payment in question, the press under an old message come without chat, topic or connection.
    """
    if not isinstance(event, ChatEvent):
        return stored
    given = event.address
    if event.knows != "place":
        before = stored or home_of(key)
        if event.knows == "person" or given.chat == before.chat:
            given = structs.replace(before, user=given.user or before.user, lang=given.lang)
    if given.lang is None and stored is not None and stored.user == given.user:
        return structs.replace(given, lang=stored.lang)
    return given


def home_of(key: Key) -> Address:
    """Return the place that a key names; a message in the key is none, but an inline one is its own chat."""
    if key.inline is not None:
        return Address(key.inline, None, key.business, key.user)
    thread = None if isinstance(key.thread, str) and key.thread[:1] == "m" else key.thread
    return Address(key.chat, thread, key.business, key.user)


def effects_of(
    row: Row,
    name: str,
    requests: Sequence[Request],
    to: Address,
    pack: Pack,
    *,
    owner: int | str | None,
    pressed: int | None,
    theirs: int | None = None,
) -> tuple[Row, list[Effect | SendEvent]]:
    """Return the row with what effects leave in it, and the effects.

    Args:
        row: The row at the end of the step.
        name: The conversation in which it ended.
        requests: What was asked for, in order.
        to: Where effects go.
        pack: Makes text of buttons' values.
        owner: Who alone may press the buttons (`owner_of`).
        pressed: Id of the message whose button was pressed. If it is one of the conversation's screens, all
            of them are edited where they stand.
        theirs: As `update_reply_keyboard` has it.

    Raises:
        UnstorableData: If the value of a button cannot be stored.
    """
    bound, row = _bind(row, name, requests, owner, pack)
    effects: list[Effect | SendEvent] = []
    tracked: list[int] = []
    keyboards = bool(row.views)
    edits = in_sight(row, name, to, pressed)
    for wish in requests:
        if isinstance(wish, SendMessage):
            keyboards = keyboards or bool(wish.reply.keyboard)
            if wish.show:
                row, said = show(row, name, wish, to, bound, edits=edits)
                effects += said
            else:
                effects.append(Send(wish.reply, to, bound, "ephemeral" if wish.ephemeral else ""))
        elif isinstance(wish, DeleteOnExit):
            tracked.append(wish.message)
        elif isinstance(wish, CountRetry):
            row = _count(row, name, wish)
        else:
            effects.append(wish)
    if tracked:
        row = follow(row, name, bound.run, bound.entry, tracked)
    return update_reply_keyboard(row, effects, bound, to, theirs) if keyboards else (row, effects)


def storable(effect: Effect, pack: Pack) -> Effect:
    """Return the effect as it stands in the outbox: made of what JSON has.

    Raises:
        UnstorableData: If it names a file on this machine, and not by a `Path`.
    """
    if not isinstance(effect, Send | Edit) or effect.reply is None:
        return effect
    changed: dict[str, Any] = {}
    media = effect.reply.media
    if media is not None and media[1].startswith(FILE_URI):
        kind, source = media
        if not isinstance(source, LocalFile):
            raise UnstorableData(f"Reply.{kind}", f"{source!r} is a text; for a file write pathlib.Path(...)")
        changed[kind] = str(source)
    rows = effect.reply.buttons
    if not all(type(button.value) is str for row in rows for button in row):
        changed["buttons"] = tuple(tuple(_packed(button, pack) for button in row) for row in rows)
    return structs.replace(effect, reply=attrs.evolve(effect.reply, **changed)) if changed else effect


def apply_receipts(row: Row, receipts: Iterable[Receipt]) -> tuple[Row, list[Effect | SendEvent]]:
    """Return the row with the ids of messages sent meanwhile; those of a state that was left are deleted."""
    effects: list[Effect | SendEvent] = []
    for receipt in receipts:
        if receipt.keep in ("view", "moved"):
            row, taken = screen_sent(row, receipt)
            effects += taken
        else:
            followed = follow(row, receipt.flow, receipt.run, receipt.entry, [receipt.message])
            if followed is row:  # the state was left while the message was on its way
                effects.append(Delete(Address(receipt.chat), (receipt.message,)))
            row = followed
    return row, effects


def _count(row: Row, name: str, refused: CountRetry) -> Row:
    """Return the row with one more answer refused, if the step has ended in the state that refused it."""
    snapshot = row.snapshots.get(name)
    frame = snapshot.frames[-1] if snapshot is not None else None
    if snapshot is None or frame is None or (frame.flow, frame.state) != (refused.flow, refused.state):
        return row
    counted = structs.replace(frame, retries=frame.retries + 1)
    return row.with_frame(name, len(snapshot.frames) - 1, counted)


def follow(row: Row, name: str, run: int, entry: int, messages: list[int]) -> Row:
    """Return the row with messages to delete when an entry is over; the same row if it is over already."""
    snapshot = row.snapshots.get(name)
    if snapshot is None or snapshot.run != run:
        return row
    for depth, frame in enumerate(snapshot.frames):
        if frame.entry == entry and frame.state is not None:
            tracked = (*frame.tracked, *messages)[-MAX_TRACKED:]
            return row.with_frame(name, depth, structs.replace(frame, tracked=tracked))
    return row


def owner_of(flow: Flow[Any] | None, to: Address, key: Key) -> int | str | None:
    """Return who alone may press the buttons, `None` if anybody may.

    Where nobody was spoken to it is the key's person; that of a chat's key is nobody, and nobody may.
    """
    if flow is not None and flow.shared:
        return None
    return key.user if to.user is None else to.user


def _bind(
    row: Row, name: str, requests: Iterable[Request], owner: int | str | None, pack: Pack
) -> tuple[Bound, Row]:
    """Return the place for buttons; values that are too long for one are put into the row."""
    snapshot = row.snapshots.get(name)
    frame = snapshot.frames[-1] if snapshot is not None and snapshot.active else None
    before = values = () if frame is None else frame.values
    for wish in requests:
        if isinstance(wish, SendMessage):
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
        row = row.with_frame(name, len(snapshot.frames) - 1, frame)
    return Bound(name, snapshot.run, frame.entry, owner, values), row


def _long_value(name: str, button: Button, frame: Frame | None, pack: Pack) -> str | None:
    """Return a value that its button cannot hold, as text.

    Raises:
        UnstorableData: If it cannot be stored, or the conversation has no room left for it.
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
