"""The end of a step: what it did and asked for becomes one change of the store.

Pure. `settle` makes effects of what was noted, and `change_of` numbers them and makes the row's bytes.
"""

from collections.abc import Container
from typing import Any

import attrs
from msgspec import structs

from fsmkit.errors import RowTooLarge
from fsmkit.flow.context import Request, SendEvent, SendMessage
from fsmkit.flow.events import ChatEvent, Done, Failed
from fsmkit.flow.messages import (
    Address,
    Answer,
)
from fsmkit.interpreter.codec import EventCodec, ValueCodec, encode_entry, encode_row
from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.effects import address_of, effects_of, heard, owner_of, storable
from fsmkit.interpreter.hops import next_hop
from fsmkit.interpreter.inline import INLINE, check_inline, with_inline_screen
from fsmkit.interpreter.jobs import JobAttempt, begin
from fsmkit.interpreter.row import (
    Delete,
    Effect,
    Pending,
    Row,
    ScheduledEvent,
    ShownScreen,
    Snapshot,
    due_of,
)
from fsmkit.interpreter.screens import is_screen_of
from fsmkit.interpreter.transitions import MessagesToDelete, PendingCall
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Index, KnowsWorkers

SEEN = 64
"""Ids of handled events that a row remembers, at least."""

SPARE = 16
"""How many more there may be: to take the oldest away costs more than to add one, so several go at once."""


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


class StepDraft:
    """What a step has come to so far: the row as it would be written, and what is to happen besides.

    Whoever makes one sets all of it. Nothing in it is changed in place, so that what there was before a
    handler is kept by keeping a few references.

    Attributes:
        flows: All flows.
        key: Whose row.
        event: The event; `None` where the row is written by hand.
        now: The time, in seconds since 1970, UTC.
        row: The row as it would be committed now.
        loaded: The row as it was loaded.
        name: The conversation in which the last step ended.
        requests: What was asked for, in order.
        deletes: Messages that states left behind.
        jobs: Jobs of states that were entered.
        begun: Attempts that begin once this is committed.
        carried: What goes to the outbox with this commit though no handler asked for it: events whose time
            has come, and what the receipts of earlier messages gave rise to.
        changed: Whether there is something to commit.
        over: Whether the step has ended, so that it may no longer be written to.
        cause: The event of another step that it handles, if it is one.
    """

    __slots__ = (
        "begun",
        "carried",
        "cause",
        "changed",
        "deletes",
        "event",
        "flows",
        "jobs",
        "key",
        "loaded",
        "name",
        "now",
        "over",
        "requests",
        "row",
    )

    flows: FlowSet
    key: Key
    event: Any
    now: float
    row: Row
    loaded: Row
    name: str
    requests: tuple[Request, ...]
    deletes: tuple[MessagesToDelete, ...]
    jobs: tuple[PendingCall, ...]
    begun: tuple[JobAttempt, ...]
    carried: tuple[Any, ...]
    changed: bool
    over: bool
    cause: ScheduledEvent | None

    @property
    def values(self) -> ValueCodec:
        """How values of buttons are stored."""
        raise NotImplementedError

    @property
    def workers(self) -> KnowsWorkers | None:
        """Tells whether a process that has a job is dead; `None` where the store does not know that."""
        raise NotImplementedError

    def new_run(self) -> int:
        """Return a number for a run, different each time."""
        raise NotImplementedError

    def begin_jobs(self, most: int, mine: Container[str] = (), *, entered: bool = False) -> None:
        """Begin jobs that are due, as soon as this is committed.

        Args:
            most: How many at most.
            mine: Those that run in this process already.
            entered: Only those of states that were entered in this step.
        """
        self.row, begun = begin(
            self.row,
            self.flows.tables,
            self.now,
            self._job_id,
            most=most,
            mine=mine,
            entered=entered,
            workers=self.workers,
        )
        self.begun += tuple(begun)

    def _job_id(self) -> str:
        return f"{self.new_run():08x}{self.new_run():08x}"


def settle(
    draft: StepDraft, limits: Limits, events: EventCodec, event_id: str | None
) -> tuple[list[Effect], list[Any]]:
    """Make effects of a draft's requests and complete its row.

    Returns:
        The effects for the `Outcome`, and the entries for the outbox.
    """
    if draft.jobs:
        draft.begin_jobs(len(draft.jobs), entered=True)
    row = draft.row
    snapshot = row.snapshots.get(draft.name)
    if snapshot is not None:
        event = draft.event
        same = isinstance(event, ChatEvent) and event.knows == "place" and event.address == snapshot.address
        if not same or snapshot.tries:
            row = _touched(draft, row, snapshot)
    effects: list[Any] = []
    if draft.requests:
        row, effects = _effects(draft, row)
    if draft.deletes or draft.carried:
        home = address_of((row, draft.loaded), draft.name, draft.event, draft.key)
        effects = [*draft.carried, *_deletes(draft, home), *effects]
    if event_id is not None:
        seen = row.seen
        if len(seen) > (SEEN + SPARE) * (len(event_id) + 1):  # ids of one source are of a length, mostly
            seen = _forget_oldest(seen)
        keep = draft.now + limits.dedupe_for
        row = Row(row.snapshots, f"{seen}{event_id} ", keep, row.serial, row.views, row.later)
    draft.row = row
    return _sort(draft, effects, limits, events) if effects else (effects, [])


def _effects(draft: StepDraft, row: Row) -> tuple[Row, list[Any]]:
    """Return the row with what the draft's requests leave in it, and the effects that they ask for."""
    for wish in draft.requests:
        if not isinstance(wish, Answer):
            break
    else:  # answers have no address, and leave nothing
        return row, list(draft.requests)
    to = address_of((row, draft.loaded), draft.name, draft.event, draft.key)
    table = draft.flows.tables.get(draft.name)
    owner = owner_of(None if table is None else table.flow, to, draft.key)
    pressed = _screen_of(draft)
    if table is not None and table.flow.key.by_message:
        if (inline := draft.key.inline) is not None:
            check_inline(row, draft.name, draft.requests)
            pressed, to = INLINE, structs.replace(to, chat=inline, thread=None)
            if any(isinstance(wish, SendMessage) for wish in draft.requests):
                row = with_inline_screen(row, draft.name, inline)
        elif draft.key.message is not None:
            pressed = draft.key.message
            row = _at_home(row, draft, pressed)
    pack = draft.values.pack
    theirs = _own_message(draft.event, to, draft.key)
    row, effects = effects_of(
        row, draft.name, draft.requests, to, pack, owner=owner, pressed=pressed, theirs=theirs
    )
    return _replied(row, draft), effects


def _deletes(draft: StepDraft, home: Address) -> list[Delete]:
    """Return what the states that were left leave behind, in one request for each chat."""
    messages: dict[Address, list[int]] = {}
    for left in draft.deletes:
        messages.setdefault(left.address or home, []).extend(left.messages)
    return [Delete(to, tuple(dict.fromkeys(ids))) for to, ids in messages.items()]


def _screen_of(draft: StepDraft) -> int | None:
    """Return a message that shows that the flow's screens are edited, not sent anew.

    It is that of the pressed button, or a screen where a job has ended, which may have shown its progress.
    """
    event = draft.event
    if isinstance(event, Done | Failed):
        screens = (view for key, view in draft.row.views.items() if is_screen_of(draft.name, key))
        return next((view.message for view in screens if view.message), None)
    return event.message_id if isinstance(event, ChatEvent) and event.pressed else None


def _own_message(event: Any, to: Address, key: Key) -> int | None:
    """Return the message of an event, if the person whose conversation it is wrote it in a group."""
    if not isinstance(event, ChatEvent) or not (event.is_new_message or event.kind == "command"):
        return None
    said = event.address
    here = said.chat == to.chat != said.user == key.user
    return event.message_id if here else None


def _at_home(row: Row, draft: StepDraft, home: int) -> Row:
    """Return the row with the message whose conversation it is as its screen.

    Buttons under another message would belong to another conversation.
    """
    shows = any(isinstance(wish, SendMessage) and wish.show for wish in draft.requests)
    if draft.name in row.views or not shows:
        return row
    return structs.replace(row, views={**row.views, draft.name: ShownScreen(draft.key.chat, home)})


_EVENTS = (SendEvent, ScheduledEvent)


def _sort(
    draft: StepDraft, effects: list[Any], limits: Limits, events: EventCodec
) -> tuple[list[Effect], list[Any]]:
    """Return what goes to the outbox now, which events are scheduled, and what the `Outcome` shows."""
    row = draft.row
    entries: list[Any] = []
    serial, later = row.serial, row.later
    for effect in effects:
        if isinstance(effect, SendEvent):
            serial += 1
            mail = _scheduled_event(effect, events, draft, serial)
            if effect.after > 0:
                later = (*later, mail)
            else:
                entries.append(mail)
        elif isinstance(effect, ScheduledEvent):
            entries.append(effect)
        elif not isinstance(effect, Answer) and limits.delivers:
            entries.append(storable(effect, draft.values.pack))
    if later is not row.later or serial != row.serial:
        draft.row = Row(row.snapshots, row.seen, row.keep, serial, row.views, later)
    return [effect for effect in effects if not isinstance(effect, _EVENTS)], entries


def _forget_oldest(seen: str) -> str:
    """Return the ids without the oldest, where one more would be too many."""
    ids = seen.split()
    return seen if len(ids) < SEEN + SPARE else f" {' '.join(ids[1 - SEEN :])} "


def change_of(
    row: Row,
    key: Key,
    now: float,
    limits: Limits,
    entries: list[Any],
    folded: int,
    struck: tuple[int, ...] = (),
) -> tuple[Row, Change]:
    """Return the change that stores a row, and the row with its effects numbered.

    Raises:
        RowTooLarge: If it takes more bytes than allowed; nothing may be written then.
    """
    outbox: tuple[bytes, ...] = ()
    if entries:
        serial = row.serial
        outbox = tuple(encode_entry(Pending(serial + n, entry)) for n, entry in enumerate(entries, 1))
        row = Row(row.snapshots, row.seen, row.keep, serial + len(entries), row.views, row.later)
    snapshots = row.snapshots
    if not snapshots and not row.later and row.keep <= now:
        return row, Change(None, None, (), outbox, folded, struck)
    blob = encode_row(row)
    if len(blob) > limits.max_row_bytes:
        raise RowTooLarge(str(key), len(blob), limits.max_row_bytes)
    index: tuple[Index, ...] = ()
    wake: float | None = None
    for snapshot in snapshots.values():
        frame = snapshot.frames[-1]
        due, timeout = due_of(snapshot)
        index += (Index(frame.flow, frame.state, timeout),)
        if due is not None and (wake is None or due < wake):
            wake = due
    if row.later or not snapshots:
        wake = wake_of(row)
    return row, Change(blob, wake, index, outbox, folded, struck)


def _replied(row: Row, draft: StepDraft) -> Row:
    """Return the row with the person's message that was replied to: reminders reply to it, too."""
    messages = [wish.reply.reply_to for wish in draft.requests if isinstance(wish, SendMessage)]
    replied = [message for message in messages if message is not None]
    snapshot = row.snapshots.get(draft.name)
    if not replied or snapshot is None or not snapshot.active:
        return row
    return row.with_conversation(draft.name, structs.replace(snapshot, reply_to=replied[-1]))


def _touched(draft: StepDraft, row: Row, snapshot: Snapshot) -> Row:
    """Return the row with this event's address in the conversation that took it, and no retries counted."""
    address = heard(draft.event, snapshot.address, draft.key)
    if not snapshot.tries and address == snapshot.address:
        return row
    touched = structs.replace(snapshot, address=address, tries=0)
    return Row({**row.snapshots, draft.name: touched}, row.seen, row.keep, row.serial, row.views, row.later)


def _scheduled_event(effect: SendEvent, events: EventCodec, draft: StepDraft, serial: int) -> ScheduledEvent:
    name, body = events.encode(effect.event)
    key = effect.key.with_bot(draft.key.bot)
    ident = f"{draft.key}#{draft.new_run()}.{serial}"
    if effect.after > 0:  # a pause: what recurs is no storm
        return ScheduledEvent(str(key), name, body, ident, draft.now + effect.after)
    hops, trail = next_hop(draft.cause, draft.name, draft.key)
    return ScheduledEvent(str(key), name, body, ident, hops=hops, trail=trail)


def wake_of(row: Row) -> float | None:
    """Return when the row has to be looked at again: a timer, a scheduled event, forgotten ids."""
    snapshots = row.snapshots.values()
    times = [due for each in snapshots if (due := due_of(each)[0]) is not None]
    times.extend(mail.due for mail in row.later)
    if not row.snapshots and not row.later:
        return row.keep
    return min(times) if times else None
