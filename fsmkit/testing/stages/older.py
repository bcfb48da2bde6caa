"""A conversation that an older version of a flow has stored, lifted to the one that runs."""

import msgspec

from fsmkit.effects import Address
from fsmkit.engine import Engine
from fsmkit.keys import Key
from fsmkit.model import Frame, Row, Snapshot
from fsmkit.rewrite import Rewritten, moved, rewrite
from fsmkit.testing.acts import Stored
from fsmkit.upgrade import lift

RUN = 1


async def store_as_before(engine: Engine, key: Key, act: Stored, address: Address) -> None:
    """Stores a conversation as the deploy of a new version finds it.

    Args:
        engine: The engine of the version that runs.
        key: Whose conversation.
        act: What was stored.
        address: Where its messages go.

    Raises:
        OrphanedConversation: If it does not fit the flow, not even by its migrations.
    """
    data = msgspec.Raw(msgspec.json.encode(act.data))
    frame = Frame(act.flow, act.version, act.state, data, entry=1)
    old = Row(snapshots={act.flow: Snapshot((frame,), run=RUN, entries=1, address=address)})
    row, orphans = lift(engine.flows, old)
    if orphans:
        raise orphans[0].error
    now, state = engine.clock.now(), row.snapshots[act.flow].frames[0].state
    await rewrite(engine.store, key, now, lambda _row: Rewritten(row))
    if state is not None:  # its times begin
        table = engine.flows.tables[act.flow]
        await rewrite(engine.store, key, now, moved(engine.flows, table, state, now, RUN))
