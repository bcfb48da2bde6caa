"""Jobs of states: slow work that runs outside the lease while the conversation stands in a state.

A job stands in the row (`fsmkit.work`) until its outcome is handled, so it is begun again by whoever finds it
after a crash. Which attempts run in this process is here; how one goes is in `fsmkit.attempt`.
"""

import asyncio
import contextlib
from collections.abc import Container

from fsmkit.attempt import Attempt, Host
from fsmkit.errors import RunnerStopped
from fsmkit.jobs import Job
from fsmkit.keys import Key
from fsmkit.turn import Turn
from fsmkit.work import Begun, attempt_stands

AT_ONCE = 256
"""Jobs that one process takes up from the store; what it enters itself it begins in any case."""


class StateJobs:
    """Runs the jobs of states in the engine's runner: async functions as tasks, others in its threads."""

    def __init__(self, engine: Host) -> None:
        self._engine = engine
        self._open = True
        self._attempts: dict[str, Attempt] = {}
        self.running: dict[Key, set[str]] = {}
        """Ids of the jobs that run here, by key."""

    @property
    def room(self) -> int:
        """How many may be taken up from the store."""
        return max(0, AT_ONCE - len(self._attempts)) if self._open else 0

    @property
    def mine(self) -> Container[str]:
        """Ids of the jobs that run here."""
        return self._attempts

    def open(self) -> None:
        """Begins jobs from now on, after a `stop` too."""
        self._open = True

    def start(self, key: Key, turn: Turn) -> None:
        """Begins the jobs that a turn has committed to, and ends those whose states it has left."""
        for ident in tuple(self.running.get(key, ())):
            attempt = self._attempts[ident]
            if not attempt_stands(turn.row, attempt.begun.work):
                attempt.leave()
        begun, turn.begun = turn.begun, []
        standing = [each for each in begun if attempt_stands(turn.row, each.work)]  # else it was undone
        for each in standing if self._open else ():
            with contextlib.suppress(RunnerStopped):  # the next process begins it
                self._begin(key, each)

    async def stop(self) -> None:
        """Ends what runs and waits for it; the next process begins it again, with the same id.

        What runs in a thread cannot be ended. As it has to be waited for anyway, its outcome counts.
        """
        self._open = False
        runner, ends = self._engine.runner, []
        for attempt in self._attempts.values():
            attempt.stopped = attempt.context.cancelled = True
            if attempt.run is not None:
                ends.append(attempt.run.ended.wait() if attempt.in_thread else runner.cancel(attempt.run))
        await asyncio.gather(*ends)

    def _begin(self, key: Key, begun: Begun) -> None:
        attempt = Attempt(self._engine, key, begun)
        attempt.run = self._engine.runner.begin(
            Job(f"{attempt.name} {key}", self._go, attempt, blocking=True)
        )
        self._attempts[begun.work.id] = attempt
        self.running.setdefault(key, set()).add(begun.work.id)

    async def _go(self, attempt: Attempt) -> None:
        try:
            await attempt.go()
        finally:
            ident = attempt.begun.work.id
            del self._attempts[ident]
            self.running[attempt.key].discard(ident)
            if not self.running[attempt.key]:
                del self.running[attempt.key]
