"""Rows written from beside a bot, which may be running: repairs and migrations.

No handler or hook is called and nothing is sent. An engine without a bot is no tool for that: it would
strike off what waits in the outbox as if it had been delivered.
"""

import sys
from collections.abc import Callable, Sequence

import attrs
from msgspec import structs

from fsmkit.access import KEEP, locate, write_state
from fsmkit.codec import decode_row
from fsmkit.commit import Limits, change_of
from fsmkit.effects import Delete
from fsmkit.errors import LeaseLost
from fsmkit.keys import Key
from fsmkit.model import Row
from fsmkit.moves import Due, Left
from fsmkit.outbox import decode_receipt
from fsmkit.stores import Store
from fsmkit.table import Flows, FlowTable
from fsmkit.upgrade import lift
from fsmkit.wishes import fold

TRIES = 3
"""Once more, and once more, if somebody else wrote the row at the same moment."""

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
    left: Sequence[Left] = ()


Change = Callable[[Row], Rewritten | None]
"""What a row becomes; `None`: it stays as it is."""


async def rewrite(store: Store, key: Key, now: float, change: Change) -> bool:
    """Writes a row under its lease, fenced like any step; whether it was written.

    Args:
        store: Where it is.
        key: Whose row.
        now: The time, in seconds since 1970, UTC.
        change: What the row becomes; `None`: it stays. Called again if the lease is lost.

    Raises:
        StoreError: If the store cannot do it; nothing was written.
    """
    for left in range(TRIES, 0, -1):
        try:
            return await _once(store, key, now, change)
        except LeaseLost:
            if left == 1:
                raise
    return False


async def _once(store: Store, key: Key, now: float, change: Change) -> bool:
    async with store.lease(key) as lease:
        row = Row() if lease.row is None else decode_row(lease.row)
        if row.moved is not None:  # it is written where it arrives
            return False
        # The messages that were sent since the last commit belong to the row, as for any step.
        row, tidy = fold(row, map(decode_receipt, lease.receipts))
        new = change(row)
        if new is None:
            return False
        deletes = [Delete(left.address, left.messages) for left in new.left if left.address is not None]
        _, written = change_of(new.row, key, now, _LIMITS, [*tidy, *deletes], len(lease.receipts))
        # Where messages wait that nobody delivers, this gives the first one to us. We do not send it: it is
        # due for the bot again as soon as our claim has ended (`CLAIM_SECONDS`).
        await lease.commit(written)
        return True


def lifted(flows: Flows) -> Change:
    """Lifts what can be lifted; orphaned conversations stay as they are stored.

    Raises (when called):
        StoredByNewerVersion: If a newer version wrote the row.
    """

    def change(row: Row) -> Rewritten | None:
        new, _orphans = lift(flows, row)
        return None if new == row else Rewritten(new)

    return change


def dropped(flow: str | None) -> Change:
    """Drops the conversations and drafts in which a flow stands, or all of them; `on_exit` does not run."""

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
            Left(frame.trail, snapshot.address)
            for snapshot in gone.values()
            for frame in snapshot.frames
            if frame.trail
        ]
        return Rewritten(structs.replace(row, snapshots=kept), left)

    return change


def moved(flows: Flows, table: FlowTable, state: str, now: float, run: int) -> Change:
    """Puts a flow that stands in the row into another state, as `Engine.set_state` does; its data are kept.

    Raises (when called):
        UnknownState: If the flow has no such state.
        StoredByNewerVersion: If a newer version wrote the row.
    """

    def change(row: Row) -> Rewritten | None:
        if locate(row, table.name) is None:
            return None
        held = _Desk(flows, lift(flows, row)[0], now, run)
        write_state(held, table, state, KEEP)
        return Rewritten(held.row, held.deletes)

    return change


@attrs.define
class _Desk:
    """A row that is being written (`fsmkit.access.Held`)."""

    flows: Flows
    row: Row
    now: float
    run: int
    deletes: list[Left] = attrs.field(factory=list[Left])
    jobs: list[Due] = attrs.field(factory=list[Due])
    over: bool = False
    changed: bool = False

    def new_run(self) -> int:
        """The number for a run."""
        return self.run
