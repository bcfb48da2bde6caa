"""`HeldJobs`: jobs of states that do not end before somebody says so."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import attrs

from fsmkit.engine.engine import Engine
from fsmkit.flow.handlers import JobSpec


class JobFailedError(Exception):
    """What a job raises that is to fail."""


class HeldJobs:
    """Stands before the functions of jobs.

    Attributes:
        retries: How often a job of the flows is tried again, at most.
    """

    def __init__(self) -> None:
        self._held = False
        self._fails = False
        self._freed = threading.Event()
        self.retries = 0

    def watch(self, engine: Engine) -> None:
        """Stand before the jobs of an engine's flows; no event may have come yet."""
        for table in engine.flows.tables.values():
            for name, rules in table.rules.items():
                if rules.job is not None:
                    self.retries = max(self.retries, rules.job.retries)
                    job = attrs.evolve(rules.job, function=self._guarded(rules.job))
                    table.rules[name] = attrs.evolve(rules, job=job)

    def hold(self) -> None:
        """Let whoever begins from now on wait."""
        self._held = True
        self._freed.clear()

    def release(self, *, fails: bool) -> None:
        """Let all go on, to their ends or to fail."""
        self._fails = fails
        self._held = False
        self._freed.set()

    def relent(self) -> None:
        """Let none fail any more."""
        self._fails = False

    def _guarded(self, job: JobSpec) -> Callable[..., Any]:
        if job.is_async:

            async def awaited(*args: Any) -> Any:
                await self._pass_async()
                return await job.function(*args)

            return awaited

        def called(*args: Any) -> Any:
            if self._held:
                self._freed.wait()
            self._fail()
            return job.function(*args)

        return called

    async def _pass_async(self) -> None:
        while self._held:  # noqa: ASYNC110  # an event of asyncio would be one loop's
            await asyncio.sleep(0)
        self._fail()

    def _fail(self) -> None:
        if self._fails:
            raise JobFailedError("the job fails, by order of the test")
