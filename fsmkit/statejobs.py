"""Jobs of states: slow work that runs outside the lease while the conversation stands in a state.

A job belongs to one entry of its state; an outcome that comes after the state was left changes nothing.
"""

import asyncio
import inspect
from collections.abc import Awaitable
from typing import Any, Protocol

from fsmkit.aborts import aborted_by
from fsmkit.events import Done, Failed
from fsmkit.keys import Key
from fsmkit.moves import Due
from fsmkit.turn import Turn


class Applier(Protocol):
    """What takes a job's outcome: the engine."""

    async def apply(self, key: Key, event: Any, name: str, run: int, entry: int) -> Any:
        """Gives an event to one entry of a state."""
        ...

    def report(self, key: Key, event: Any, error: Exception) -> Awaitable[None]:
        """Told of what the handler of the outcome raised."""
        ...


class StateJobs:
    """Runs the jobs of states, each as a task of its own; sync functions in a thread."""

    def __init__(self, engine: Applier) -> None:
        self._engine = engine
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, key: Key, turn: Turn) -> None:
        """Starts the jobs of the states that a turn has entered and not left again."""
        for due in turn.jobs:
            for name, snapshot in turn.row.snapshots.items():
                if any(f.entry == due.frame.entry and f.flow == due.table.name for f in snapshot.frames):
                    work = self._run(key, due, name, snapshot.run)
                    task = asyncio.get_running_loop().create_task(
                        work, name=f"fsmkit job {due.frame.state} {key}"
                    )
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Cancels what runs and waits for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, key: Key, due: Due, name: str, run: int) -> None:
        event: Done | Failed
        try:
            event = Done(await _work(due.function, due.table.codec.decode(due.frame.data)))
        except Exception as error:
            event = Failed(error)
        except BaseException as raised:
            aborted = aborted_by(raised)
            if aborted is None:
                raise
            event = Failed(aborted)
        try:
            outcome = await self._engine.apply(key, event, name, run, due.frame.entry)
            if isinstance(event, Failed) and outcome.kind == "passed":  # nobody handles it: never silently
                raise event.error
        except Exception as error:
            await self._engine.report(key, event, error)


async def _work(function: Any, data: Any) -> Any:
    if inspect.iscoroutinefunction(function):
        return await function(data)
    value = await asyncio.to_thread(_in_thread, function, data)
    return await value if inspect.isawaitable(value) else value


def _in_thread(function: Any, data: Any) -> Any:
    try:
        return function(data)
    except StopIteration as error:  # no future takes one, and the job would never end
        raise RuntimeError("a job raised StopIteration") from error
