"""One lease of one row: turns begin with what is stored, and end as one commit.

A commit writes the row, its times and its outbox at once, all of it or nothing. Under one lease several turns
may follow each other, each with a commit of its own: a timeout that has come goes before the event that found
it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec import Raw, Struct

from fsmkit.engine.envelope import Outcome
from fsmkit.engine.jobs import StateJobs
from fsmkit.engine.observer import Observer
from fsmkit.engine.outbox import Outbox
from fsmkit.engine.services import Services
from fsmkit.engine.turn import Turn, crash_reply, current_turn
from fsmkit.errors import NestedSend
from fsmkit.flow.events import Reminder, Timeout
from fsmkit.interpreter.codec import MAX_KEPT, MAX_KEPT_BYTES, decode_receipt, decode_row
from fsmkit.interpreter.effects import apply_receipts
from fsmkit.interpreter.migrations import is_current
from fsmkit.interpreter.row import Destination, Effect, Row
from fsmkit.interpreter.settle import change_of, settle, wake_of
from fsmkit.keys import Key
from fsmkit.stores.protocol import AwaitedLease, Change, Lease, PromptLease, Store


class ReadRow(Struct, frozen=True, eq=False, gc=False):
    """A row as it is stored, and what each step asks of it first.

    Attributes:
        blob: Its bytes: the same bytes always are the same row.
        row: The row; nobody changes it.
        wake: When something of it is due, in seconds since 1970, UTC; `None` for never.
        ready: Whether a step may begin on it as it is: it has no new key, and is of the versions that run.
    """

    blob: bytes
    row: Row
    wake: float | None = None
    ready: bool = True


class RowMoved(Exception):
    """A row was found that has a new key."""

    def __init__(self, row: Row, move: Destination) -> None:
        self.row = row
        self.move = move
        super().__init__(f"moved to {move.key}")


class Transactions:
    """Reads and writes the rows of a store.

    Args:
        services: The engine's means.
        outbox: Delivers what was committed.
        jobs: Runs jobs of states.
    """

    def __init__(self, services: Services, outbox: Outbox, jobs: StateJobs) -> None:
        self.services = services
        self.outbox = outbox
        self.jobs = jobs
        self._rows: dict[Key, ReadRow] = {}
        """What was read or written last, by key; of as many keys as `MAX_KEPT`."""

    def _read(self, key: Key, blob: bytes) -> ReadRow:
        row = decode_row(blob)
        read = ReadRow(blob, row, wake_of(row), row.moved is None and is_current(self.services.flows, row))
        self._keep(key, read)
        return read

    def _keep(self, key: Key, read: ReadRow) -> None:
        rows = self._rows
        if len(read.blob) > MAX_KEPT_BYTES:
            rows.pop(key, None)
            return
        if len(rows) >= MAX_KEPT and key not in rows:
            rows.clear()  # beginning anew costs less than knowing which one was used last
        rows[key] = read

    # -- one turn, or several under one lease ------------------------------------------------------

    def begin(self, turn: Turn) -> None:
        """Begin the turn that a lease was taken for: with the receipts of what was sent meanwhile.

        Raises:
            RowMoved: If the row has a new key.
            OrphanedConversation: If a conversation does not fit any more, and its flow says so.
            StoredByNewerVersion: If a newer worker wrote it.
        """
        lease = turn.lease
        turn.now = self.services.clock.now()
        blob = lease.row
        if blob is not None:
            read = self._rows.get(turn.key)
            if read is None or read.blob != blob:
                read = self._read(turn.key, blob)
            turn.row = turn.loaded = turn.committed = read.row
            turn.wake = read.wake
            if not read.ready:
                if read.row.moved is not None:
                    raise RowMoved(read.row, read.row.moved)
                turn.migrate_row()
        if lease.receipts:
            turn.row, cleanup = apply_receipts(turn.row, map(decode_receipt, lease.receipts))
            turn.carried += tuple(cleanup)

    def beside(self, turn: Turn, row: Row, event: Any) -> Turn:
        """Begin a turn of its own for what comes before the event of another, which goes on after it."""
        services = self.services
        telegram = turn.telegram or services.face.telegram_for(turn.key)
        own = Turn(services, turn.key, event, telegram, row, turn.now)
        own.lease, own.committed = turn.lease, turn.committed
        own.carried, turn.carried = turn.carried, ()  # its receipts stand in the row from this commit on
        return own

    async def run(
        self,
        turn: Turn,
        own: Turn,
        work: Callable[[], Awaitable[None]],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        """Do and commit a turn of its own; then the other goes on with the row that it leaves.

        Args:
            turn: The turn that goes on.
            own: The turn.
            work: What it does. What it raises is taken back and reported.
            failed: Told of what was raised.
        """
        services = self.services
        if services.watch is not None and isinstance(own.event, Timeout | Reminder):
            services.watch.tell(Observer.fired, own.key, own.event)
        token = current_turn.set(own)
        try:
            await work()
            settled = await self.settled(own)
        except Exception as error:
            own.reset(own.loaded)
            await services.report(own.key, own.event, error)
            if failed is not None:
                failed(error)
            settled = self.settle(own)
        finally:
            own.over = True
            current_turn.reset(token)
        await self.write(own, *settled, hold=True)
        turn.row, turn.committed, turn.wake = own.row, own.committed, own.wake
        turn.entry = own.entry or turn.entry

    def settle(self, turn: Turn, event_id: str | None = None) -> tuple[Sequence[Effect], Change]:
        """Return what the turn shows and what is to be written.

        Raises:
            Exception: It cannot be stored.
        """
        services, strike = self.services, turn.strike
        limits = services.limits
        effects, entries = settle(turn, limits, services.events, event_id)
        folded = len(turn.lease.receipts)
        struck = () if strike is None else strike.ids
        try:
            turn.row, change = change_of(turn.row, turn.key, turn.now, limits, entries, folded, struck)
        except UnicodeEncodeError:  # half a character, in data that stand in the row as they are
            for _, _, frame in turn.row.frames():
                data: Any = frame.data
                if type(data) is not Raw:
                    services.flows.tables[frame.flow].codec.encode(data)  # says where
            raise
        return effects, change

    async def settled(
        self, turn: Turn, event_id: str | None = None, error: Exception | None = None
    ) -> tuple[Sequence[Effect], Change]:
        """Settle; where that cannot be stored, what a `Crashed` handler makes of it.

        Args:
            turn: The turn.
            event_id: What its event is recognised by when it comes again.
            error: Why it could not be settled just now, if that was tried.
        """
        while True:
            if error is not None:
                await turn.undo(error)
            try:
                return self.settle(turn, event_id)
            except Exception as failure:
                error = failure

    async def commit(self, turn: Turn, event_id: str | None = None, *, hold: bool = False) -> None:
        """Write what a turn has done; with `hold` the lease goes on."""
        await self.write(turn, *self.settle(turn, event_id), hold=hold)

    async def write(
        self, turn: Turn, effects: Sequence[Effect], change: Change, *, hold: bool = False
    ) -> Outcome:
        """Write a change.

        Args:
            turn: What it came of.
            effects: What the outcome shows.
            change: What is written.
            hold: Whether the lease goes on.

        Raises:
            LeaseLost: If the lease is over; nothing was written.
        """
        entry = turn.lease.put(change, hold=hold)
        if entry is not None and not isinstance(entry, bytes):
            entry = await entry
        return self.written(turn, effects, change, entry)

    def written(
        self,
        turn: Turn,
        effects: Sequence[Effect],
        change: Change,
        entry: bytes | None,
        *,
        taken: bool = True,
    ) -> Outcome:
        """Begin the jobs of the states that were entered, and end those of states left; return the outcome.

        Args:
            turn: What was written.
            effects: What the outcome shows.
            change: As it was written.
            entry: What the commit gave.
            taken: Whether somebody took the event.
        """
        services, row, blob = self.services, turn.row, change.row
        if change.struck and turn.strike is not None:
            turn.strike.done = True
        if blob is not None:
            self._keep(turn.key, ReadRow(blob, row, change.wake))
        else:
            self._rows.pop(turn.key, None)
        turn.wake = change.wake
        if entry is not None:
            turn.entry = entry
        if turn.begun or (self.jobs.running and turn.key in self.jobs.running):
            self.jobs.start(turn.key, turn)
        outcome = Outcome("handled" if taken else "passed", effects, services.flows, row, turn.name)
        if services.watch is not None:
            services.watch.tell(Observer.committed, turn.key, turn.committed, row, outcome)
        turn.committed = row
        return outcome

    async def finish(self, turn: Turn) -> None:
        """Deliver what was committed, and say the flows' `crash` texts for what was raised.

        The texts are not stored, so each is said once or not at all.
        """
        if turn.entry is not None:
            await self.outbox.run(turn.key, turn.entry)
        for error in reversed(turn.raised):
            sorry = crash_reply(error)
            if sorry is not None:
                await self.outbox.say(turn.key, sorry)

    async def under_lease(self, turn: Turn, work: Callable[[Turn], Any]) -> None:
        """Take the lease, do something that may be async, and free it; what is due after that is `finish`."""
        turn.lease = leased(self.services.store, turn.key)
        try:
            if (waiting := turn.lease.take()) is not None:
                await waiting
            self.begin(turn)
            working = work(turn)
            if working is not None:
                await working
        finally:
            if (freeing := turn.lease.free()) is not None:
                await freeing

    async def edit(self, key: Key, change: Callable[[Turn], Any], telegram: Any = None) -> Row:
        """Write a row by hand, under its lease; `change` may be async."""

        async def work(turn: Turn) -> None:
            changed = change(turn)
            if changed is not None:
                await changed
            await self.commit(turn)

        turn = Turn(self.services, key, None, telegram)
        await self.under_lease(turn, work)
        await self.finish(turn)
        return turn.row

    async def peek(self, key: Key) -> Row:
        """Return the row of a key as last committed, in the versions that run here."""
        row = _row(await self.services.store.peek(key))
        if row.moved is not None and row.moved.arrived:
            return await self.peek(Key.parse(row.moved.key))
        turn = Turn(self.services, key, None, None, row)
        turn.migrate_row()
        return turn.row

    async def has_moved(self, key: Key) -> bool:
        """Return whether the row of a key has a new key."""
        return _row(await self.services.store.peek(key)).moved is not None

    async def has_run(self, key: Key, flow: str, run: int) -> bool:
        """Return whether a run of a flow is stored under a key."""
        row = _row(await self.services.store.peek(key))
        return row.moved is None and flow in row.snapshots and row.snapshots[flow].run == run


SEND = "Use ctx.send(key, event), which joins this handler's commit"


OUTSIDE = "Do it outside of handlers, for example in a job or a source"


def check_not_nested(what: str, instead: str) -> None:
    """Refuse what would wait for the step that is running.

    Args:
        what: What was called.
        instead: What to do instead, a sentence.

    Raises:
        NestedSend: If a handler's turn runs.
    """
    turn = current_turn.get()
    if turn is not None and not turn.over:
        raise NestedSend(
            f"{what} inside a handler (of the conversation of {turn.key}): two that wait for each other "
            f"would wait for ever. {instead}"
        )


def take_lease(store: Store, key: Key, *, wanted: bool = True) -> AbstractAsyncContextManager[Lease]:
    """Take the lease of a row, as the store does; all leases of the engine's rooms are taken here.

    Raises:
        NestedSend: If a handler's turn runs, whoever has called.
    """
    check_not_nested("a conversation is waited for", SEND)
    return store.lease(key, wanted=wanted)


def leased(store: Store, key: Key, *, wanted: bool = True) -> PromptLease:
    """Return the lease of a row, not yet taken, for a turn.

    Raises:
        NestedSend: If a handler's turn runs, whoever has called.
    """
    if current_turn.get() is not None:
        check_not_nested("a conversation is waited for", SEND)
    lease: Any = store.lease(key, wanted=wanted)
    return lease if hasattr(lease, "take") else AwaitedLease(key, lease)


def _row(blob: bytes | None) -> Row:
    return Row() if blob is None else decode_row(blob)
