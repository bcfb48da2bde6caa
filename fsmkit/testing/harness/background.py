"""What an engine has under way beside the action that is carried out: jobs, and deliveries that wait."""

import asyncio
from typing import Any

import msgspec

from fsmkit.engine.engine import Engine
from fsmkit.engine.maintenance import Rewritten, moved, rewrite
from fsmkit.flow.messages import Address
from fsmkit.interpreter.migrations import migrate_row
from fsmkit.interpreter.row import Frame, Row, Snapshot
from fsmkit.keys import Key
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.actions import Stored

SWITCHES = 50
"""Turns that the event loop gives to deliveries that go on."""


JOB_PATIENCE = 5.0
"""Seconds of real time for which the job of a state is awaited."""


async def deliveries_done() -> None:
    """Lets deliveries go on that have waited for the clock."""
    for _ in range(SWITCHES):
        if not tasks_of("fsmkit outbox "):
            return
        await asyncio.sleep(0)


async def switches() -> None:
    """Let all that can go on do so for a while."""
    for _ in range(SWITCHES):
        await asyncio.sleep(0)


JOBS = "fsmkit job "
"""What the names of the tasks of jobs of states begin with."""


async def jobs_done() -> None:
    """Wait for jobs of states; not for ever."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + JOB_PATIENCE
    while jobs := tasks_of(JOBS):
        if loop.time() > patience:
            break
        await asyncio.wait(jobs, timeout=JOB_PATIENCE)


HOUSEKEEPING = ("fsmkit sweeper", "fsmkit vigil")
"""Tasks that look again and again; a test that waits for a month does not stop at each look."""


LIMIT = "fsmkit limit"
"""What a job's time limit runs in: it waits for the clock, and the job need not."""


async def at_rest(clock: ManualClock) -> None:
    """Let all that was woken go on until it waits for the clock again, and jobs that do not, to their end."""
    for _ in range(SWITCHES):
        if len(asyncio.all_tasks()) == 1:
            return
        await asyncio.sleep(0)
    if tasks_of(JOBS) and clock.next_wake(without=(*HOUSEKEEPING, LIMIT)) is None:
        await jobs_done()


def tasks_of(name: str, loop: asyncio.AbstractEventLoop | None = None) -> list[asyncio.Task[Any]]:
    """Return the engine's tasks whose names begin so, of the loop that runs or of another."""
    return [task for task in asyncio.all_tasks(loop) if task.get_name().startswith(name)]


async def cancel_tasks() -> None:
    """End what an engine has under way, as a kill would."""
    tasks = tasks_of("fsmkit ")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


RUN = 1


async def store_as_before(engine: Engine, key: Key, action: Stored, address: Address) -> None:
    """Store a conversation as the deploy of a new version finds it.

    Args:
        engine: The engine of the version that runs.
        key: Whose conversation.
        action: What was stored.
        address: Where its messages go.

    Raises:
        OrphanedConversation: If it does not fit the flow, not even by its migrations.
    """
    data = msgspec.Raw(msgspec.json.encode(action.data))
    frame = Frame(action.flow, action.version, action.state, data, entry=1)
    old = Row(snapshots={action.flow: Snapshot((frame,), run=RUN, entries=1, address=address)})
    row, orphans = migrate_row(engine.flows, old)
    if orphans:
        raise orphans[0].error
    now, state = engine.clock.now(), row.snapshots[action.flow].frames[0].state
    await rewrite(engine.store, key, now, lambda _row: Rewritten(row))
    if state is not None:  # its times begin
        table = engine.flows.tables[action.flow]
        await rewrite(engine.store, key, now, moved(engine.flows, table, state, now, RUN))
