"""What an engine has under way beside the act that is carried out: jobs, and deliveries that wait."""

import asyncio
from typing import Any

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


async def jobs_done() -> None:
    """Waits for jobs of states; not for ever."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + JOB_PATIENCE
    while jobs := tasks_of("fsmkit job "):
        if loop.time() > patience:
            break
        await asyncio.wait(jobs, timeout=JOB_PATIENCE)


def tasks_of(name: str) -> list[asyncio.Task[Any]]:
    """The engine's tasks whose names begin so."""
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(name)]


async def cancel_tasks() -> None:
    """Ends what an engine has under way, as a kill would."""
    tasks = tasks_of("fsmkit ")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
