"""One lease of one row: turns begin with what is stored, and end as one commit.

A commit writes the row, its times and its outbox at once, all of it or nothing. Under one lease several turns
may follow each other, each with a commit of its own: a timeout that has come goes before the event that found
it.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec import Struct, structs

from fsmkit.engine.envelope import Outcome
from fsmkit.engine.jobs import StateJobs
from fsmkit.engine.observer import Observer
from fsmkit.engine.outbox import Outbox
from fsmkit.engine.services import Services
from fsmkit.engine.turn import Turn, crash_reply, current_turn
from fsmkit.errors import NestedSend
from fsmkit.flow.events import Reminder, Timeout
from fsmkit.interpreter.codec import Kept, decode_receipt, decode_row
from fsmkit.interpreter.effects import apply_receipts
from fsmkit.interpreter.migrations import is_current
from fsmkit.interpreter.row import Destination, Effect, Row
from fsmkit.interpreter.settle import change_of, settle, wake_of
from fsmkit.keys import Key
from fsmkit.stores.protocol import Change, Lease, Store


class ReadRow(Struct, frozen=True, eq=False):
    """A row as it is stored, and what each step asks of it.

    Attributes:
        row: The row; nobody changes it.
        wake: When something of it is due, in seconds since 1970, UTC; `None` for never.
        current: Whether it is of the versions that run.
    """

    row: Row
    wake: float | None = None
    current: bool = True


class RowMoved(Exception):
    """A row was found that has a new key."""

    def __init__(self, row: Row, move: Destination) -> None:
        self.row = row
        self.move = move
        super().__init__(f"moved to {move.key}")


class AfterCommit:
    """What is to be done for a key once its lease is free, whatever has become of the event.

    Attributes:
        entry: The first entry of the outbox, where it fell to us to deliver it.
        raised: What handlers raised, whose `crash` texts are to be said.
    """

    __slots__ = ("entry", "raised")

    def __init__(self) -> None:
        self.entry: bytes | None = None
        self.raised: list[Exception] = []


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
        self.rows = Kept(self._load)

    def _load(self, blob: bytes) -> "ReadRow":
        row = decode_row(blob)
        return ReadRow(row, wake_of(row), is_current(self.services.flows, row))

    async def finish(self, key: Key, after: AfterCommit) -> None:
        """Deliver what was committed, and say the flows' `crash` texts for what was raised.

        The texts are not stored, so each is said once or not at all.
        """
        if after.entry is not None:
            entry, after.entry = after.entry, None
            await self.outbox.run(key, entry)
        while after.raised:
            sorry = crash_reply(after.raised.pop())
            if sorry is not None:
                await self.outbox.say(key, sorry)

    async def edit(self, key: Key, change: Callable[[Turn], Any], telegram: Any = None) -> Row:
        """Write a row by hand, under its lease; `change` may be async."""
        after = AfterCommit()
        async with take_lease(self.services.store, key) as lease:
            leased = RowLease(self, key, lease, after)
            turn = leased.begin(None, telegram)
            changed = change(turn)
            if changed is not None:
                await changed
            await leased.commit(turn)
        await self.finish(key, after)
        return turn.row

    async def peek(self, key: Key) -> Row:
        """Return the row of a key as last committed, in the versions that run here."""
        row = _row(await self.services.store.peek(key))
        if row.moved is not None and row.moved.arrived:
            return await self.peek(Key.parse(row.moved.key))
        turn = Turn(self.services, key, row, None, None)
        turn.migrate_row()
        return turn.row

    async def has_moved(self, key: Key) -> bool:
        """Return whether the row of a key has a new key."""
        return _row(await self.services.store.peek(key)).moved is not None

    async def has_run(self, key: Key, flow: str, run: int) -> bool:
        """Return whether a run of a flow is stored under a key."""
        row = _row(await self.services.store.peek(key))
        return row.moved is None and flow in row.snapshots and row.snapshots[flow].run == run


class RowLease:
    """The turns under one lease.

    Args:
        room: What transactions share.
        key: Whose row.
        lease: The right to write it.
        after: Takes up what is to be done when the lease is free.

    Attributes:
        row: The row as last committed.
    """

    __slots__ = ("_blob", "_loaded", "_room", "after", "key", "lease", "row")

    def __init__(self, room: Transactions, key: Key, lease: Lease, after: AfterCommit) -> None:
        self._room = room
        self.key = key
        self.lease = lease
        self.after = after
        self._blob = lease.row
        self._loaded = ReadRow(Row()) if lease.row is None else room.rows.read(lease.row)
        self.row = self._loaded.row

    def is_due(self, now: float) -> bool:
        """Return whether something of the row may be due: all that most steps ask of its times."""
        wake = self._loaded.wake
        return wake is not None and wake <= now

    def begin(self, event: Any, telegram: Any) -> Turn:
        """Begin the turn that the lease was taken for: with the receipts of what was sent meanwhile.

        Raises:
            RowMoved: If the row has a new key.
            OrphanedConversation: If a conversation does not fit any more, and its flow says so.
            StoredByNewerVersion: If a newer worker wrote it.
        """
        row = self.row
        if row.moved is not None:
            raise RowMoved(row, row.moved)
        turn = Turn(self._room.services, self.key, row, event, telegram)
        if not self._loaded.current:
            turn.migrate_row()
        if self.lease.receipts:
            turn.row, cleanup = apply_receipts(turn.row, map(decode_receipt, self.lease.receipts))
            turn.carried.extend(cleanup)
        return turn

    def beside(self, turn: Turn, row: Row, event: Any) -> Turn:
        """Begin a turn of its own for what comes before the event of another, which goes on after it."""
        services = self._room.services
        own = Turn(services, self.key, row, event, turn.telegram or services.face.telegram_for(self.key))
        own.now = turn.now
        own.carried, turn.carried = turn.carried, []  # its receipts stand in the row from this commit on
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
        services = self._room.services
        if services.watch is not None and isinstance(own.event, Timeout | Reminder):
            services.watch.tell(Observer.fired, self.key, own.event)
        token = current_turn.set(own)
        try:
            await work()
            effects, change = await self.settled(own)
        except Exception as error:
            own.reset(own.loaded)
            await services.report(self.key, own.event, error)
            if failed is not None:
                failed(error)
            effects, change = self._settle(own, None)
        finally:
            own.over = True
            current_turn.reset(token)
        await self.write(own, effects, change, hold=True)
        turn.row = own.row

    async def commit(self, turn: Turn, event_id: str | None = None, *, hold: bool = False) -> None:
        """Write what a turn has done; with `hold` the lease goes on."""
        await self.write(turn, *self._settle(turn, event_id), hold=hold)

    async def settled(self, turn: Turn, event_id: str | None = None) -> tuple[Sequence[Effect], Change]:
        """Return what is to be written; where that cannot be, what a `Crashed` handler makes of it."""
        while True:
            try:
                return self._settle(turn, event_id)
            except Exception as error:
                await turn.undo(error)

    def _settle(self, turn: Turn, event_id: str | None) -> tuple[Sequence[Effect], Change]:
        services = self._room.services
        effects, entries = settle(turn, services.limits, services.events, event_id)
        folded = len(self.lease.receipts)
        turn.row, change = change_of(turn.row, self.key, turn.now, services.limits, entries, folded)
        return effects, change

    async def write(
        self,
        turn: Turn,
        effects: Sequence[Effect],
        change: Change,
        *,
        taken: bool = True,
        hold: bool = False,
    ) -> Outcome:
        """Write a change, begin the jobs of the states that were entered, and end those of states left.

        Args:
            turn: What it came of.
            effects: What the outcome shows.
            change: What is written.
            taken: Whether somebody took the event.
            hold: Whether the lease goes on.

        Raises:
            LeaseLost: If the lease is over; nothing was written.
        """
        room = self._room
        strike = turn.strike if taken else None
        if strike is not None:
            change = structs.replace(change, struck=strike.ids)
        entry = await self.lease.commit(change, hold=hold)
        if strike is not None:
            strike.done = True
        self._loaded = ReadRow(turn.row, change.wake)
        if change.row is not None:
            room.rows.keep(change.row, self._loaded, instead=self._blob)
        self._blob = change.row
        if entry is not None:
            self.after.entry = entry
        if turn.begun or self.key in room.jobs.running:
            room.jobs.start(self.key, turn)
        outcome = Outcome("handled" if taken else "passed", effects, room.services.flows, turn.row, turn.name)
        if room.services.watch is not None:
            room.services.watch.tell(Observer.committed, self.key, self.row, turn.row, outcome)
        self.row = turn.row
        return outcome


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


def _row(blob: bytes | None) -> Row:
    return Row() if blob is None else decode_row(blob)
