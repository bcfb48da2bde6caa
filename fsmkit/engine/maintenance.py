"""Rows written from beside a bot, which may be running: repairs and migrations.

No handler or hook is called and nothing is sent. An engine without a bot is no tool for that: it would
strike off what waits in the outbox as if it had been delivered.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
from msgspec import structs

from fsmkit.engine.fifo import again_if_lost
from fsmkit.engine.transaction import take_lease
from fsmkit.errors import StoreCorrupt, StoredByNewerVersion
from fsmkit.flow.flow import Flow
from fsmkit.interpreter.access import KEEP, locate, write_state
from fsmkit.interpreter.codec import decode_receipt, decode_row
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.effects import apply_receipts
from fsmkit.interpreter.migrations import Fit, RowCheck, compatibility, lost_fields, migrate_row, told_lost
from fsmkit.interpreter.row import Delete, Row
from fsmkit.interpreter.settle import Limits, change_of
from fsmkit.interpreter.transitions import MessagesToDelete, PendingCall
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store, StoredRow

_LIMITS = Limits(dedupe_for=0.0, max_row_bytes=sys.maxsize, delivers=True)
"""How large rows may be is said to the bot's engine, and not known here."""


@attrs.frozen
class Rewritten:
    """What a row is to become.

    Attributes:
        row: The row.
        left: Messages that states left behind; the bot deletes them.
    """

    row: Row
    left: Sequence[MessagesToDelete] = ()


Change = Callable[[Row], Rewritten | None]
"""What a row becomes; `None`: it stays as it is."""


async def rewrite(store: Store, key: Key, now: float, change: Change) -> bool:
    """Write a row under its lease, fenced like any step; return whether it was written.

    Args:
        store: Where it is.
        key: Whose row.
        now: The time, in seconds since 1970, UTC.
        change: What the row becomes; `None`: it stays. Called again if the lease is lost.

    Raises:
        StoreError: If the store cannot do it; nothing was written.
    """
    return await again_if_lost(lambda: _once(store, key, now, change))


async def _once(store: Store, key: Key, now: float, change: Change) -> bool:
    async with take_lease(store, key) as lease:
        row = Row() if lease.row is None else decode_row(lease.row)
        if row.moved is not None:  # it is written where it arrives
            return False
        # The messages that were sent since the last commit belong to the row, as for any step.
        row, cleanup = apply_receipts(row, map(decode_receipt, lease.receipts))
        new = change(row)
        if new is None:
            return False
        deletes = [Delete(left.address, left.messages) for left in new.left if left.address is not None]
        _, written = change_of(new.row, key, now, _LIMITS, [*cleanup, *deletes], len(lease.receipts))
        # Where messages wait that nobody delivers, this gives the first one to us. We do not send it: it is
        # due for the bot again as soon as our claim has ended (`CLAIM_SECONDS`).
        await lease.commit(written)
        return True


def lifted(flows: FlowSet) -> Change:
    """Migrate what can be migrated; orphaned conversations stay as they are stored.

    Raises (when called):
        StoredByNewerVersion: If a newer version wrote the row.
    """

    def change(row: Row) -> Rewritten | None:
        new, _orphans = migrate_row(flows, row)
        return None if new == row else Rewritten(new)

    return change


def dropped(flow: str | None) -> Change:
    """Drop the conversations and drafts in which a flow stands, or all of them; `on_exit` does not run."""

    def change(row: Row) -> Rewritten | None:
        gone = {
            name: snapshot
            for name, snapshot in row.snapshots.items()
            if flow is None or any(frame.flow == flow for frame in snapshot.frames)
        }
        if not gone:
            return None
        kept = {name: snapshot for name, snapshot in row.snapshots.items() if name not in gone}
        left = [
            MessagesToDelete(frame.tracked, snapshot.address)
            for snapshot in gone.values()
            for frame in snapshot.frames
            if frame.tracked
        ]
        return Rewritten(structs.replace(row, snapshots=kept), left)

    return change


def moved(flows: FlowSet, table: CompiledFlow, state: str, now: float, run: int) -> Change:
    """Put a flow that stands in the row into another state, as `Engine.set_state` does; its data are kept.

    Raises (when called):
        UnknownState: If the flow has no such state.
        StoredByNewerVersion: If a newer version wrote the row.
    """

    def change(row: Row) -> Rewritten | None:
        if locate(row, table.name) is None:
            return None
        held = _Desk(flows, migrate_row(flows, row)[0], now, run)
        write_state(held, table, state, KEEP)
        return Rewritten(held.row, held.deletes)

    return change


@attrs.define
class _Desk:
    """A row that is being written (`fsmkit.interpreter.access.Held`)."""

    flows: FlowSet
    row: Row
    now: float
    run: int
    deletes: tuple[MessagesToDelete, ...] = ()
    jobs: tuple[PendingCall, ...] = ()
    over: bool = False
    changed: bool = False

    def new_run(self) -> int:
        """Return the number for a run."""
        return self.run


FEW = 3
"""Conversations of one flow and state that a report names one by one."""


PROBLEMS: tuple[Fit, ...] = ("orphaned", "newer", "unreadable")
"""What a migration cannot put right."""

Place = tuple[str, str | None]
"""Flow and state."""


@attrs.define
class StoreSurvey:
    """What a look at all rows found.

    Attributes:
        rows: How many rows there are.
        bots: Whose they are.
        counts: Conversations by flow and state, then by how they fit.
        examples: The first few problems of each flow and state, with their keys.
        to_write: Keys of the rows that can be migrated.
        lost: How many conversations have a stored field that their class does not have any more, by sentence.
    """

    rows: int = 0
    bots: set[int | str | None] = attrs.field(factory=set[int | str | None])
    counts: dict[Place, Counter[Fit]] = attrs.field(factory=dict[Place, Counter[Fit]])
    examples: list[tuple[Key, RowCheck]] = attrs.field(factory=list[tuple[Key, RowCheck]])
    to_write: list[Key] = attrs.field(factory=list[Key])
    lost: Counter[str] = attrs.field(factory=Counter[str])

    def add(self, key: Key, found: Iterable[RowCheck]) -> None:
        """Count a row."""
        self.rows += 1
        self.bots.add(key.bot)
        for one in found:
            counts = self.counts.setdefault((one.flow, one.state), Counter())
            counts[one.fit] += 1
            if one.fit in PROBLEMS and counts[one.fit] <= FEW:
                self.examples.append((key, one))

    def lost_lines(self) -> list[str]:
        """Return a line for each stored field that is lost, with how many conversations have it."""
        return [
            f"{said}: {count:,} conversation{'' if count == 1 else 's'}" for said, count in self.lost.items()
        ]

    def total(self, *fits: Fit) -> int:
        """Return how many conversations fit in one of these ways."""
        return sum(counts[fit] for counts in self.counts.values() for fit in fits)


def ready(flows: Iterable[Flow[Any]]) -> FlowSet:
    """Put flows together, as an engine does.

    Raises:
        DefinitionError: If they do not fit together.
    """
    return FlowSet(flows)


async def examine(store: Store, flows: FlowSet, bot: int | str | None = None) -> StoreSurvey:
    """Look at all rows and write nothing.

    Args:
        store: The store.
        flows: The flows of the version that is to run.
        bot: Only this bot's rows.
    """
    report = StoreSurvey()
    async for stored in store.scan(bot=bot):
        try:
            row = decode_row(stored.row)
        except StoreCorrupt as error:
            report.add(stored.key, unreadable(stored, error))
            continue
        found = compatibility(flows, row)
        report.add(stored.key, found)
        report.lost.update(told_lost(*each) for each in lost_fields(flows, row))
        if not any(one.fit == "newer" for one in found) and lifted(flows)(row) is not None:
            report.to_write.append(stored.key)
    return report


async def carry_out(store: Store, flows: FlowSet, keys: Iterable[Key], now: float) -> int:
    """Migrate rows and write them, each under its lease; return how many were written.

    A row that somebody has migrated meanwhile is left alone, so is one that a newer version has written.
    """
    written = 0
    for key in keys:
        try:
            written += await rewrite(store, key, now, lifted(flows))
        except StoredByNewerVersion:
            continue
    return written


def unreadable(stored: StoredRow, error: StoreCorrupt) -> Iterator[RowCheck]:
    """Yield what is found in a row whose bytes are none: each conversation that it is looked up by."""
    for index in stored.index:
        yield RowCheck(index.flow, index.state, "unreadable", str(error))
