"""`reset`, `move` and `forget`: conversations put right by hand, while the bot may be running."""

import random
from collections.abc import Sequence
from typing import Any

from fsmkit.cli.errors import CommandError, NothingThere
from fsmkit.cli.output import prints_to_stderr
from fsmkit.engine.maintenance import Rewritten, dropped, moved, ready, rewrite
from fsmkit.errors import StoredByNewerVersion, UnknownState
from fsmkit.interpreter.access import locate
from fsmkit.interpreter.codec import decode_row
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.migrations import compatibility
from fsmkit.interpreter.row import Row
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store
from fsmkit.testing.loading import load


async def reset(store: Store, key: Key, flow: str | None, now: float) -> str:
    """Drop a key's conversations, or those in which a flow stands; return the sentence that says so."""
    found: list[str] = []

    def change(row: Row) -> Rewritten | None:
        drop = dropped(flow)(row)
        kept = drop.row.snapshots if drop is not None else row.snapshots
        found[:] = [_path(row, name) for name in row.snapshots if name not in kept]
        return drop

    if not await rewrite(store, key, now, change):
        return f"{key} has no conversation{f' of {flow}' if flow else ''}: nothing was dropped"
    return f"{key}: dropped {', '.join(found)}"


async def forget(store: Store, who: Key | int | str, bot: int | str | None) -> str:
    """Remove all that is stored for a key or a person; return the sentence that says so."""
    rows = await store.forget(who, bot=bot)
    return f"{who}: {rows} row{'' if rows == 1 else 's'} removed"


def flows_of(target: str) -> FlowSet:
    """Return the flows of `FILE[:FLOW]`, put together.

    Raises:
        CommandError: If they cannot be loaded or do not fit together.
    """
    with prints_to_stderr():
        return ready(load(target).flows)


async def move(store: Store, key: Key, state: str, flows: FlowSet, flow: str | None, now: float) -> str:
    """Put a conversation into another state, its data kept; return the sentence that says so.

    Raises:
        NothingThere: If there is no such conversation.
        CommandError: If the flow has no such state, or what is stored does not fit it.
    """
    blob = await store.peek(key)
    table = _table(flows, flow, decode_row(blob) if blob is not None else Row(), key)
    before: list[str | None] = []
    run = random.getrandbits(32) | 1

    def change(row: Row) -> Rewritten | None:
        new = moved(flows, table, state, now, run)(row)
        before[:] = [_state(row, table.name)]
        if new is not None:
            _check(flows, new.row, table.name)
        return new

    try:
        written = await rewrite(store, key, now, change)
    except (UnknownState, StoredByNewerVersion) as error:
        raise CommandError(str(error)) from error
    if not written:
        raise NothingThere(f"{key} has no conversation of {table.name}")
    return f"{key}: {table.name} is in {state} now, it was in {before[0] or 'no state'}; no prompt was sent"


def _table(flows: FlowSet, wanted: str | None, row: Row, key: Key) -> CompiledFlow:
    """Return the flow to move: the one that is named, else the one that runs."""
    running = [snapshot.frames[-1].flow for snapshot in row.snapshots.values() if snapshot.active]
    if wanted is None and not running:
        raise NothingThere(f"{key} has no conversation")
    if wanted is None and len(running) > 1:
        raise CommandError(f"{key} has conversations of {_and(running)}: name one with --flow")
    name = running[0] if wanted is None else wanted
    table = flows.find(name)
    if table is None:
        raise CommandError(f"the file has no flow {name!r}: it has {_and(list(flows.tables))}")
    return table


def _check(flows: FlowSet, row: Row, flow: str) -> None:
    """Refuses a move after which a handler could not read the conversation."""
    found = locate(row, flow)
    name = found[0] if found else flow
    [finding] = compatibility(flows, Row({name: row.snapshots[name]}))
    if finding.fit == "orphaned":
        raise CommandError(
            f"the data of {finding.flow!r} do not fit it: {finding.reason}; nothing was changed"
        )


def _state(row: Row, flow: str) -> str | None:
    found: Any = locate(row, flow)
    return row.snapshots[found[0]].frames[found[1]].state if found else None


def _path(row: Row, name: str) -> str:
    frames = row.snapshots[name].frames
    return " > ".join(f"{frame.flow} ({frame.state or 'draft'})" for frame in frames)


def _and(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else names[0]
