"""One event and one key: lease, load, offer, commit, deliver; and what is due for a key without an event.

What the event does to the row is in `fsmkit.engine.turn`; the public face is `fsmkit.engine`.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from msgspec import Struct, structs

from fsmkit.clock import Clock
from fsmkit.engine.chat_migration import ChatMigration, RowMoved, forward
from fsmkit.engine.due import (
    ALBUM,
    AlbumBuffer,
    AlbumOf,
    complete,
    expire,
    reject_stale_press,
    remind,
    say_otherwise,
)
from fsmkit.engine.envelope import Outcome
from fsmkit.engine.jobs import StateJobs
from fsmkit.engine.outbox import AfterCommit, Outbox
from fsmkit.engine.turn import Services, Turn, crash_reply, current_turn
from fsmkit.errors import (
    LeaseLost,
    Origin,
    OrphanedConversation,
    StoreCorrupt,
    StoredByNewerVersion,
    StoreUnavailable,
    mark,
)
from fsmkit.flow.events import ChatEvent, Reminder, Timeout
from fsmkit.interpreter.access import frame_of
from fsmkit.interpreter.codec import EventCodec, decode_receipt, decode_row
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.jobs import find as find_job
from fsmkit.interpreter.jobs import is_due as jobs_are_due
from fsmkit.interpreter.jobs import over as job_over
from fsmkit.interpreter.row import (
    Effect,
    ExpiredTimer,
    Row,
    event_of,
    is_overdue,
    overdue,
    put_off,
    reminding,
    with_snapshot,
    without_timer,
)
from fsmkit.interpreter.settle import Limits, apply_receipts, change_of, settle, wake_of
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Lease, Store

_log = logging.getLogger("fsmkit")

TIMEOUT_TRIES = 5


TIMEOUT_DELAY = 5.0
"""Seconds until a timeout handler that raised is called again; three times as long each time."""


IDLE = Outcome("passed")
"""Of an event that nobody can want: no conversation runs, and it may enter none."""


class Envelope(Struct, eq=False):
    """An event on its way to one key.

    Attributes:
        event: The event.
        id: What it is recognised by when it comes again.
        entries: The flows that it may enter; `None`: all that were attached.
        within: Name of the only conversation that gets it.
        expect: The state in which `only` must stand.
        telegram: PTB's context for it.
        handlers: Whether handlers are asked.
        otherwise: Whether `otherwise` is said to a message that nobody took.
        committed: Told of the outcome after the commit and before anything is delivered.
        only: Name of the only flow that gets it, in whatever conversation.
        job: Id of the job whose outcome it is: only the frame in which that stands gets it.
        depth: That frame.
        void: Whether it is of no use any more; asked when its turn has come.
    """

    event: Any
    id: str | None = None
    entries: Sequence[CompiledFlow] | None = None
    within: str | None = None
    expect: str | None = None
    telegram: Any = None
    handlers: bool = True
    otherwise: bool = True
    committed: Callable[[Outcome], Awaitable[None]] | None = None
    only: str | None = None
    job: str | None = None
    depth: int | None = None
    void: Callable[[], bool] | None = None


@asynccontextmanager
async def _snapshot(store: Store, key: Key) -> AsyncGenerator[Lease]:
    """Look at a row without a turn, for as long as a step takes."""
    yield await store.snapshot(key)


class Dispatcher:
    """Takes events to rows, one at a time for each key.

    Args:
        world: What turns look at: flows, resources, numbers for runs.
        store: Where rows are.
        clock: Where the time comes from.
        events: How events are stored.
        limits: What rows may take.
        outbox: Delivers what was committed.
        jobs: Runs jobs of states.
        exclusive: Whether a key's events take turns.
        tries: How often an event is run if its lease is lost.
        report: Told of what a handler raised where nobody awaits it.
        telegram_for: Makes PTB's context where no update is at hand.
        album_of: Makes the event of an album, with the flows that it may enter; `None` without Telegram.
    """

    def __init__(
        self,
        world: Services,
        store: Store,
        clock: Clock,
        events: EventCodec,
        limits: Limits,
        outbox: Outbox,
        jobs: StateJobs,
        *,
        exclusive: bool,
        tries: int,
        report: Callable[[Key, Any, Exception], Awaitable[None]],
        telegram_for: Callable[[Key], Any],
        album_of: Callable[[], AlbumOf | None],
    ) -> None:
        self._world = world
        self._flows: FlowSet = world.flows
        self._store = store
        self._clock = clock
        self._events = events
        self._limits = limits
        self._outbox = outbox
        self._jobs = jobs
        self._exclusive = exclusive
        self._tries = tries
        self._report = report
        self._telegram_for = telegram_for
        self._albums = AlbumBuffer(
            world,
            self._commit,
            self._run,
            _handle_album,
            telegram_for=telegram_for,
            album_of=album_of,
        )
        self.relocation = ChatMigration(
            world, store, clock, limits, events, outbox, report=report, telegram_for=telegram_for
        )

    async def process(self, key: Key, arrival: Envelope) -> Outcome:
        """An event and one key; once more if the lease was lost (optimistically: if another was faster)."""
        tries = self._tries
        claim = AfterCommit()
        wanted = _may_begin(self._flows, arrival)
        while True:
            tries -= 1
            try:
                outcome = await self._leased(key, arrival, claim, wanted)
                if outcome is None:
                    tries, wanted = tries + 1, True
                    continue
                if arrival.committed is not None and outcome.kind != "passed":
                    await arrival.committed(outcome)
                return outcome
            except RowMoved as moved:
                tries += 1
                key = await self.relocation.finish(key, moved)
                forward(arrival.event, key)
            except LeaseLost:
                if tries == 0:
                    raise
            except Exception as error:
                mark(error, Origin(key, arrival.event))
                await self._say_sorry(key, error)
                raise
            finally:
                if claim.entry is not None:  # also when the handler raised, after a timeout had fired
                    await self._outbox.run(key, claim.take())
                if claim.raised:
                    await self._say_all_sorry(key, claim)

    async def _say_all_sorry(self, key: Key, claim: AfterCommit) -> None:
        """Says the `crash` text for what was handled beside the event, and raised."""
        while claim.raised:
            await self._say_sorry(key, claim.raised.pop())

    async def _say_sorry(self, key: Key, error: Exception) -> None:
        """Says the flow's `crash` text to the person; nothing is stored, so it is said once or not at all."""
        sorry = crash_reply(error)
        if sorry is not None:
            await self._outbox.say(key, sorry)

    async def edit(self, key: Key, change: Callable[[Turn], Any], telegram: Any = None) -> Row:
        """Writes a row by hand, under its lease; `change` may be async."""
        try:
            return await self._edit(key, change, telegram)
        except RowMoved as moved:
            return await self.edit(await self.relocation.finish(key, moved), change, telegram)

    async def _edit(self, key: Key, change: Callable[[Turn], Any], telegram: Any) -> Row:
        claim = AfterCommit()
        async with self._store.lease(key) as lease:
            turn = self._turn(key, lease, None, telegram)
            changed = change(turn)
            if changed is not None:
                await changed
            await self._commit(claim, lease, turn)
            self._jobs.start(key, turn)
        await self._outbox.run(key, claim.take())
        return turn.row

    async def look(self, key: Key) -> bool:
        """Does what is due for a key: timeouts, reminders, due_events, jobs, forgetting.

        Returns:
            Whether nothing is left due, as are the timeouts of flows that do not run here.
        """
        claim = AfterCommit()
        try:
            async with self._store.lease(key) as lease:
                turn = self._turn(key, lease, None, self._telegram_for(key))
                await self._albums.handle(claim, lease, turn, self._albums.due(turn.row, turn.now))
                await self._fire_overdue(claim, lease, turn)
                await self._remind(claim, lease, turn)
                turn.due_events = [
                    mail for mail in turn.row.later if mail.due <= turn.now and mail.event != ALBUM
                ]
                if turn.due_events:
                    later = tuple(mail for mail in turn.row.later if mail not in turn.due_events)
                    turn.row = structs.replace(turn.row, later=later)
                turn.begin_jobs(self._jobs.room, self._jobs.mine)
                await self._commit(claim, lease, turn)
                self._jobs.start(key, turn)
            return not _is_due(turn)
        except RowMoved as moved:
            await self.relocation.look(key, moved)
            return True
        except (LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # a row that does not fit must not keep others from their timeouts
            await self._report(key, None, error)
            return False
        finally:
            await self._outbox.run(key, claim.take())
            await self._say_all_sorry(key, claim)

    async def has_due(self, key: Key) -> bool:
        """Whether something is due for a key that can be done here, found without a lease."""
        try:
            row = await self.peek(key)
        except (OrphanedConversation, StoreCorrupt, StoredByNewerVersion):
            return False
        now, known = self._clock.now(), self._flows.tables
        due_events = any(mail.due <= now for mail in row.later if mail.event != ALBUM)
        if due_events or row.moved is not None or self._albums.due(row, now):
            return True
        if self._jobs.room and jobs_are_due(row, known, now, self._jobs.mine):
            return True
        return overdue(row, known, now) is not None or reminding(row, known, now) is not None

    async def peek(self, key: Key) -> Row:
        """The row of a key as last committed, in the versions that run here."""
        row = _row(await self._store.peek(key))
        if row.moved is not None and row.moved.arrived:
            return await self.peek(Key.parse(row.moved.key))
        turn = Turn(self._world, key, row, None, None, self._clock.now())
        turn.migrate_row()
        return turn.row

    async def has_moved(self, key: Key) -> bool:
        """Whether the row of a key has a new key."""
        return _row(await self._store.peek(key)).moved is not None

    async def _leased(self, key: Key, arrival: Envelope, claim: AfterCommit, wanted: bool) -> Outcome | None:
        """What became of an event; `None`: it took no turn, but needs one: an album goes before it."""
        store = self._store
        turn_with = store.lease(key, wanted=wanted) if self._exclusive else _snapshot(store, key)
        async with turn_with as lease:
            event = arrival.event
            turn = self._turn(key, lease, event, arrival.telegram)
            event_id = arrival.id
            if event_id is not None and f" {event_id} " in turn.row.seen:
                return Outcome("duplicate")
            if arrival.void is not None and arrival.void():
                return Outcome("handled")
            albums = complete(turn.row, event) if turn.row.later else ()
            if lease.idle:
                return None if albums else IDLE
            if albums:
                await self._albums.handle(claim, lease, turn, albums)
            if is_overdue(turn.row, turn.now):
                await self._fire_overdue(claim, lease, turn)
            if arrival.expect is not None and not _stands(turn.row, arrival):
                return Outcome("passed")
            if arrival.job is not None and not _settle_job(turn, arrival):
                return Outcome("duplicate")
            part = isinstance(event, ChatEvent) and event.group is not None and arrival.handlers
            if part and await self._albums.take(claim, lease, turn, event_id, arrival.entries):
                return Outcome("handled", (), self._flows, turn.row, turn.name)
            token = current_turn.set(turn)
            try:
                taken = await _handle(turn, arrival)
                if not turn.changed:
                    if not taken:
                        return Outcome("passed")
                    # Refused by its handler, or a stale press: the row stays byte for byte as it is.
                    return Outcome("handled", turn.answers(), self._flows, turn.row, turn.name)
                effects, change = await self._settled(lease, turn, event_id if taken else None)
            finally:
                turn.over = True
                current_turn.reset(token)
            await self._write(claim, lease, change)
            if turn.jobs or key in self._jobs.running:
                self._jobs.start(key, turn)
            return Outcome("handled" if taken else "passed", effects, self._flows, turn.row, turn.name)

    def _turn(self, key: Key, lease: Lease, event: Any, telegram: Any) -> Turn:
        row = _row(lease.row)
        if row.moved is not None:
            raise RowMoved(row, row.moved)
        turn = Turn(self._world, key, row, event, telegram, self._clock.now())
        turn.migrate_row()
        if lease.receipts:
            turn.row, cleanup = apply_receipts(turn.row, map(decode_receipt, lease.receipts))
            turn.cleanup.extend(cleanup)
        return turn

    async def _commit(
        self, claim: AfterCommit, lease: Lease, turn: Turn, event_id: str | None = None, *, hold: bool = False
    ) -> None:
        _effects, change = self._settle(lease, turn, event_id)
        await self._write(claim, lease, change, hold=hold)

    async def _settled(
        self, lease: Lease, turn: Turn, event_id: str | None
    ) -> tuple[Sequence[Effect], Change]:
        """What is to be written; where that cannot be, what a `Crashed` handler makes of it."""
        while True:
            try:
                return self._settle(lease, turn, event_id)
            except Exception as error:
                await turn.undo(error)

    def _settle(self, lease: Lease, turn: Turn, event_id: str | None) -> tuple[Sequence[Effect], Change]:
        effects, entries = settle(turn, self._limits, self._events, event_id)
        turn.row, change = change_of(turn.row, turn.key, turn.now, self._limits, entries, len(lease.receipts))
        return effects, change

    async def _write(self, claim: AfterCommit, lease: Lease, change: Change, *, hold: bool = False) -> None:
        entry = await lease.commit(change, hold=hold)
        if entry is not None:
            claim.entry = entry

    async def _fire_overdue(self, claim: AfterCommit, lease: Lease, turn: Turn) -> None:
        """Fires the timeouts that have come, in their order, each with its own commit; then the turn goes on.

        A message whose date lies before a deadline was in time, however late it is handled.
        """
        date = turn.event.date if isinstance(turn.event, ChatEvent) else None
        while (late := overdue(turn.row, turn.flows.tables, turn.now, date)) is not None:
            own = self._by_itself(turn, without_timer(turn.row, late), event_of(turn.row, late))
            failed = partial(_timeout_failed, own, late)
            await self._run(claim, lease, turn, own, partial(expire, own, late), failed)

    async def _remind(self, claim: AfterCommit, lease: Lease, turn: Turn) -> None:
        """Gives the reminders that have come, each once and with its own commit.

        Only a sweep does so: a person whose event comes needs none. One that fails is not repeated.
        """
        while (name := reminding(turn.row, turn.flows.tables, turn.now)) is not None:
            snapshot = turn.row.snapshots[name]
            row = with_snapshot(turn.row, name, structs.replace(snapshot, remind=None))
            own = self._by_itself(turn, row, Reminder(snapshot.remind or 0.0))
            await self._run(claim, lease, turn, own, partial(remind, own, name), lambda _error: None)

    def _by_itself(self, turn: Turn, row: Row, event: Timeout | Reminder) -> Turn:
        """A turn for an event that the clock brings."""
        telegram = turn.telegram or self._telegram_for(turn.key)
        own = Turn(self._world, turn.key, row, event, telegram, turn.now)
        own.cleanup, turn.cleanup = turn.cleanup, []  # its receipts stand in the row from this commit on
        return own

    async def _run(
        self,
        claim: AfterCommit,
        lease: Lease,
        turn: Turn,
        own: Turn,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None],
    ) -> None:
        """Does a turn's own work and commits it, under the lease of the turn that goes on after it."""
        token = current_turn.set(own)
        try:
            await work()
            _effects, change = await self._settled(lease, own, None)
        except Exception as error:
            own.reset(own.loaded)
            await self._report(own.key, own.event, error)
            failed(error)
            _effects, change = self._settle(lease, own, None)
        finally:
            own.over = True
            current_turn.reset(token)
        await self._write(claim, lease, change, hold=True)
        self._jobs.start(turn.key, own)
        turn.row = own.row


def _timeout_failed(turn: Turn, late: ExpiredTimer, _error: Exception) -> None:
    """Puts a timeout off whose handler raised; after five times the conversation ends."""
    tries = turn.row.snapshots[late.name].tries + 1
    if tries >= TIMEOUT_TRIES:
        _log.error(
            "%s: the timeout of %s has failed %d times; the conversation ends", late.name, turn.key, tries
        )
        turn.row = with_snapshot(turn.row, late.name, None)
    else:
        turn.row = put_off(turn.row, late, turn.now + TIMEOUT_DELAY * 3 ** (tries - 1))


async def _handle_album(turn: Turn, entries: Sequence[CompiledFlow]) -> bool:
    return await _handle(turn, Envelope(turn.event, entries=entries))


async def _handle(turn: Turn, arrival: Envelope) -> bool:
    """Offers the event, then says `otherwise`; whether somebody took it."""
    event, within = arrival.event, arrival.within
    chat = isinstance(event, ChatEvent)
    if arrival.handlers:
        if chat and event.pressed is not None:
            within = event.pressed.flow
            if reject_stale_press(turn, event.pressed):
                return True
        taken = await turn.offer(
            event, within=within, only=arrival.only, entries=arrival.entries, depth=arrival.depth
        )
        if taken is not None:
            return True
    return arrival.otherwise and chat and event.is_new_message and await say_otherwise(turn)


def _is_due(turn: Turn) -> bool:
    at = wake_of(turn.row)
    return bool(turn.row.snapshots) and at is not None and at <= turn.now


def _may_begin(flows: FlowSet, arrival: Envelope) -> bool:
    """Whether somebody may want an event while no conversation runs; no, for most of what is said in a group.

    A press may be one of a conversation that is over, whose text it is answered with.
    """
    event = arrival.event
    if not isinstance(event, ChatEvent) or event.pressed is not None:
        return True
    if arrival.handlers:
        for table in flows.entries if arrival.entries is None else arrival.entries:
            kinds = table.entry_kinds
            if kinds is None or event.kind in kinds or (event.group is not None and "album" in kinds):
                return True
    return False


def _row(blob: bytes | None) -> Row:
    return Row() if blob is None else decode_row(blob)


def _stands(row: Row, arrival: Envelope) -> bool:
    frame = frame_of(row, arrival.only or "")
    return frame is not None and frame.state == arrival.expect


def _settle_job(turn: Turn, arrival: Envelope) -> bool:
    """Strikes off a job whose outcome has come, whoever handles it; `False` if its state was left."""
    ident = arrival.job or ""
    place = find_job(turn.row, ident)
    if place is None:
        return False
    arrival.within, arrival.depth = place
    turn.row = job_over(turn.row, ident)
    turn.changed = True
    return True
