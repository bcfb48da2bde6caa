"""What becomes of an event where no handler decides: timeouts end, reminders and `otherwise` are said, stale
presses told.

Functions of a turn, called by the processor around the offer to the handlers.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct, structs

from fsmkit.engine.outbox import AfterCommit
from fsmkit.engine.turn import Services, Turn
from fsmkit.flow.events import ChatEvent, Pressed
from fsmkit.flow.handlers import Handler
from fsmkit.flow.messages import Answer
from fsmkit.flow.states import Times
from fsmkit.interpreter.codec import Unfit
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.row import ExpiredTimer, Frame, Row, ScheduledEvent
from fsmkit.interpreter.transitions import PendingCall, RowEditor, times_in
from fsmkit.keys import Key
from fsmkit.stores.protocol import Lease

_log = logging.getLogger("fsmkit")

Report: TypeAlias = Callable[[Key, Any, Exception], Awaitable[None]]
"""Tells of an exception that nobody awaits."""

ENTRY_MASK = 0xFFFF
"""A button holds the last 16 bits of its entry's number."""


async def expire(turn: Turn, late: ExpiredTimer) -> None:
    """Gives a conversation its timeout; with nobody to take it, the conversation ends."""
    taken = await turn.offer(turn.event, within=late.name, depth=late.depth)
    if taken is None and late.name in turn.row.snapshots:  # what did not fit is over already
        await turn.close(late.name, "expired")


async def remind(turn: Turn, name: str) -> None:
    """Gives a conversation its reminder; with nobody to take it, the person is told what the flow says.

    Where nobody moves on, the silence goes on as it was: the conversation times out when it would have.
    """
    before = turn.row.snapshots[name]
    moved = await turn.offer(turn.event, within=name)
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
    """Says the reminder of the innermost flow that declares when to remind, else its prompt once more."""
    turn.name = name
    for frame in reversed(turn.row.snapshots[name].frames):
        table = turn.flows.tables[frame.flow]
        times = times_in(table, frame.state)
        if not isinstance(times.remind_after, str):
            await turn.perform(_reminder(table, frame, times), None)
            return


def _reminder(table: CompiledFlow, frame: Frame, times: Times) -> list[PendingCall]:
    if times.remind_after is None:  # declared otherwise since it was stored
        return []
    if times.reminder is not None:
        return [PendingCall("reminder", times.reminder, table, frame, table.flow.place)]
    prompt = table.rules[frame.state].prompt if frame.state is not None else None
    return [] if prompt is None else [PendingCall("prompt", prompt, table, frame, table.flow.place)]


async def force_close(turn: Turn, name: str, report: Report) -> None:
    """Ends a conversation with its hooks; one that raises is reported and keeps nothing alive."""
    before, mark = turn.row, len(turn.requests)
    try:
        await turn.close(name)
    except Exception as error:
        del turn.requests[mark:]
        kept = {other: snapshot for other, snapshot in before.snapshots.items() if other != name}
        turn.row = structs.replace(before, snapshots=kept)
        await report(turn.key, None, error)


async def say_otherwise(turn: Turn) -> bool:
    """Says what the running state says to a message that nobody took; whether there is something to say."""
    for name in reversed(turn.row.snapshots):
        frames = turn.row.snapshots[name].frames
        frame = frames[-1]
        table = turn.flows.tables.get(frame.flow)
        if frame.state is None or table is None:
            continue
        said = table.rules[frame.state].state.otherwise
        if said is None:
            continue
        turn.follow_answer(name, frame)
        moves = RowEditor(turn.flows, turn.row, turn.now, 0)
        moves.keep(name, len(frames) - 1, None)
        turn.row = moves.result()
        turn.name = name
        turn.changed = True
        await turn.perform([PendingCall("otherwise", said, table, frame, table.flow.place)], None)
        return True
    return False


def reject_stale_press(turn: Turn, pressed: Pressed) -> bool:
    """Answers a press that must change nothing: of an earlier state, or of a run that is over.

    Else the event gets the button's value.
    """
    text = _value_of(turn, pressed)
    if text is not None:
        try:
            turn.event.value = turn.world.values.unpack(text) if pressed.packed else text
        except Unfit as error:
            _log.warning(
                "%s: a button that was pressed is of no use any more: %s", pressed.flow, error.problem
            )
        else:
            return False
    told = turn.flows.tables[pressed.flow].flow.text_for("stale", turn.lang)
    turn.requests.append(Answer(told or ""))
    return True


def _value_of(turn: Turn, pressed: Pressed) -> str | None:
    """The value of a button as text, `None` if it does not belong to where its conversation stands."""
    if pressed.menu:
        return pressed.value
    snapshot = turn.row.snapshots.get(pressed.flow)
    if snapshot is None or not snapshot.active:
        return pressed.value if pressed.run == 0 else None
    frame = snapshot.frames[-1]
    if (pressed.run, pressed.entry) != (snapshot.run, frame.entry & ENTRY_MASK):
        return None
    if pressed.value is not None:
        return pressed.value
    kept = frame.values[pressed.position : pressed.position + 1]
    return kept[0] or None if kept else None


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


class Where(Struct, frozen=True):
    """Where an album is wanted.

    Attributes:
        name: The conversation, or the flow that it would enter.
        depth: The frame in it; `None` where nothing runs yet.
    """

    name: str
    depth: int | None


def wanting(
    flows: FlowSet, row: Row, part: ChatEvent, entries: Sequence[CompiledFlow] | None
) -> Where | None:
    """Where a part is to be gathered: where some handler asks for albums before another takes the part.

    In one state a handler for albums goes before one for single photos, in whatever order they stand.
    """
    for where, handlers in _levels(flows, row, entries):
        if any("album" in (handler.matcher.kinds or ()) for handler in handlers):
            return where
        if any(handler.wants(part) is not None for handler in handlers):
            return None
    return None


def gather(turn: Turn, part: ChatEvent, where: Where) -> ScheduledEvent:
    """Puts a part into the turn's row, and the conversation's idle deadline off: the person was there."""
    ident = _ident(part)
    old = next((mail for mail in albums_of(turn.row) if mail.id == ident), None)
    parts = _decode(old.body) if old is not None else []
    parts.append(Raw(part.stored(alone=not parts)))
    mail = ScheduledEvent(str(turn.key), ALBUM, Raw(_encode(parts)), ident, turn.now + QUIET)
    turn.row = structs.replace(
        turn.row, later=(*(other for other in turn.row.later if other is not old), mail)
    )
    if where.depth is not None:
        moves = RowEditor(turn.flows, turn.row, turn.now, 0)
        moves.keep(where.name, where.depth, None)
        turn.row = moves.result()
    turn.name = where.name
    turn.changed = True
    return mail


def albums_of(row: Row) -> list[ScheduledEvent]:
    """What is being gathered, the one that was last added to last."""
    return [mail for mail in row.later if mail.event == ALBUM]


def is_full(mail: ScheduledEvent) -> bool:
    """Whether an album can have no further part."""
    return len(_decode(mail.body)) >= MAX_PARTS


def crowded(row: Row, part: ChatEvent) -> list[ScheduledEvent]:
    """Albums that have to be handled as they are, so that another part has room in the row."""
    albums = albums_of(row)
    size = len(part.stored(alone=True)) + sum(len(bytes(mail.body)) for mail in albums)
    found: list[ScheduledEvent] = []
    while size > MAX_BYTES and len(found) < len(albums):
        mail = albums[len(found)]
        size -= len(bytes(mail.body))
        found.append(mail)
    return found


def complete(row: Row, event: object) -> list[ScheduledEvent]:
    """Albums that are complete because their sender has gone on to something else, which comes after them."""
    if not isinstance(event, ChatEvent) or event.group is not None or event.kind == "edited":
        return []
    sender = f"{event.address.user}:"
    return [mail for mail in albums_of(row) if mail.id.startswith(sender)]


def without(row: Row, mail: ScheduledEvent) -> Row:
    """The row without an album."""
    return structs.replace(row, later=tuple(other for other in row.later if other is not mail))


def _ident(part: ChatEvent) -> str:
    """Who sent it, and which album it belongs to: where a chat shares a row, two people may send at once."""
    return f"{part.address.user}:{part.group}"


def _levels(
    flows: FlowSet, row: Row, entries: Sequence[CompiledFlow] | None
) -> Iterator[tuple[Where, tuple[Handler, ...]]]:
    """The handlers of each place in order of arbitration, as `interpreter.select` walks them."""
    running: set[str] = set()
    for name in reversed(row.snapshots):
        frames = row.snapshots[name].frames
        top = len(frames) - 1
        if frames[top].state is None:
            continue
        running.update(frame.flow for frame in frames)
        for depth in range(top, -1, -1):
            table = flows.tables.get(frames[depth].flow)
            if table is not None:
                state = frames[depth].state
                yield (
                    Where(name, depth),
                    table.by_state.get(state, table.any) if depth == top else table.any,
                )
    for table in flows.entries if entries is None else entries:
        if table.name not in running:
            yield Where(table.name, None), table.by_state[None]


AlbumOf = Callable[[Key, bytes], tuple[ChatEvent, Sequence[CompiledFlow]]]
"""Makes the event of an album from its stored messages, with the flows that it may enter."""


class Commit(Protocol):
    """Writes what a turn has done; with `hold` the lease goes on."""

    async def __call__(
        self, claim: AfterCommit, lease: Lease, turn: Turn, event_id: str | None, *, hold: bool = False
    ) -> None:
        """Writes it."""
        ...


class Run(Protocol):
    """Does and commits a turn of its own, under the lease of the turn that goes on after it."""

    async def __call__(
        self,
        claim: AfterCommit,
        lease: Lease,
        turn: Turn,
        own: Turn,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        """Does it; `failed` is told of what was raised, after it was taken back and reported."""
        ...


class AlbumBuffer:
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
        world: Services,
        commit: Commit,
        run: Run,
        offer: Callable[[Turn, Sequence[CompiledFlow]], Awaitable[bool]],
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

    def due(self, row: Row, now: float) -> list[ScheduledEvent]:
        """Albums that are complete because nothing was added for a while; none in a script."""
        return [mail for mail in albums_of(row) if mail.due <= now] if self._album_of() is not None else []

    async def take(
        self,
        claim: AfterCommit,
        lease: Lease,
        turn: Turn,
        event_id: str | None,
        entries: Sequence[CompiledFlow] | None,
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
            turn.cleanup = []
            await self.handle(claim, lease, turn, [mail])
        return True

    async def handle(
        self, claim: AfterCommit, lease: Lease, turn: Turn, albums: Sequence[ScheduledEvent]
    ) -> None:
        """Offers albums to the flows, each with its own commit; one whose handler raises is over too."""
        album_of = self._album_of()
        if album_of is None:  # they wait for the bot
            return
        for mail in albums:
            telegram = turn.telegram or self._telegram_for(turn.key)
            own = Turn(self._world, turn.key, without(turn.row, mail), None, telegram, turn.now)
            own.cleanup, turn.cleanup = turn.cleanup, []  # its receipts stand in the row from this commit on
            work = partial(self._handle, own, mail, album_of)
            await self._run(claim, lease, turn, own, work, claim.raised.append)

    async def _handle(self, own: Turn, mail: ScheduledEvent, album_of: AlbumOf) -> None:
        own.event, entries = album_of(own.key, bytes(mail.body))
        if not await self._offer(own, entries):
            _log.info("%s: nobody wants this album any more: %r", own.key, own.event)
