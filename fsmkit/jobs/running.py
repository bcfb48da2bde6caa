"""How one run of a job goes: its arguments, its call here or in a thread, and what the log says of it."""

import asyncio
import contextvars
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeAlias

import attrs

from fsmkit.clock import Clock, monotonic
from fsmkit.jobs.job import Job

_log = logging.getLogger("fsmkit.jobs")


RunState: TypeAlias = Literal["queued", "gated", "running", "waiting"]
"""In the queue; before a closed gate; running; a service before it is started again."""

OnError: TypeAlias = Callable[[Job, BaseException], Any]
"""Told, sync or async, of a job that raised."""


@attrs.define(eq=False)
class JobRun:
    """One run of a job, from `put` to its end; after that, the runner forgets it.

    Attributes:
        job: The job.
        state: Its present state.
        since: When this state began, in seconds since 1970, UTC.
        service: Whether it runs until the runner stops.
        ended: Set when it has ended, in any way.
        result: What the function returned; of a service, the last time.
        error: What the function, its arguments or its gate raised; `CancelledError` if it was cancelled;
            `None` if it succeeded or has not ended yet.
        opened: Whether its gate has let it through.
        task: The task that runs it, or waits at its gate.
    """

    job: Job
    state: RunState
    since: float
    service: bool = False
    ended: asyncio.Event = attrs.field(factory=asyncio.Event, repr=False)
    result: Any = None
    error: BaseException | None = None
    opened: bool = attrs.field(default=False, repr=False)
    task: asyncio.Task[None] | None = attrs.field(default=None, repr=False)

    async def wait(self) -> Any:
        """Wait until it has ended, however that is, and return its result.

        It never raises what the job raised: that is in `error`.

        Example:
            >>> async def main():
            ...     async with JobRunner() as runner:
            ...         run = await runner.put(Job("sum", sum, [1, 2]))
            ...         return await run.wait(), run.error
            >>> from fsmkit.jobs import Job, JobRunner
            >>> asyncio.run(main())
            (3, None)
        """
        await self.ended.wait()
        return self.result


class Threads:
    """A bounded pool of threads, made when the first job needs one.

    Args:
        most: How many threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._busy: list[str] = []

    async def call(self, name: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function in a thread, with the context variables of the caller."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._most, thread_name_prefix="fsmkit job")
        context = contextvars.copy_context()

        def work() -> Any:
            self._busy.append(name)
            try:
                return context.run(function, *args)
            except StopIteration as error:  # no future takes one, and whoever waits would do so for ever
                raise RuntimeError(f"{name} raised StopIteration") from error
            finally:
                self._busy.remove(name)

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def join(self) -> None:
        """Wait for the threads to end; those that have not begun never do."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self._busy:
            _log.warning("waiting for threads that cannot be cancelled: %s", ", ".join(sorted(self._busy)))
        await asyncio.to_thread(functools.partial(pool.shutdown, cancel_futures=True))


class Calls:
    """What calls the functions of jobs, and says how it went.

    Args:
        threads: For blocking functions.
        clock: For durations.
        on_error: Says who is told of what a job raised.
    """

    def __init__(self, threads: Threads, clock: Clock, on_error: Callable[[], OnError | None]) -> None:
        self._threads = threads
        self._clock = clock
        self._on_error = on_error

    async def call(self, run: JobRun) -> None:
        """Make one run: arguments, then the call; what it raises is kept and reported, never raised."""
        begun, job = monotonic(self._clock), run.job
        _log.info("job %s begins (%s)", job.name, job.function)
        try:
            done = await self.guarded(run, self._work(run))
        except asyncio.CancelledError:
            _log.info("job %s was cancelled after %.3f s", job.name, monotonic(self._clock) - begun)
            raise
        if done:
            _log.info("job %s ended after %.3f s", job.name, monotonic(self._clock) - begun)

    async def guarded(self, run: JobRun, work: Awaitable[None]) -> bool:
        """Await a part of a job's run; return `False` if it raised."""
        begun = monotonic(self._clock)
        run.error = None
        try:
            await work
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                run.error = error
                raise
            # What it waited for was cancelled, and not the job.
            await self._failed(run, begun, error)
        except (Exception, SystemExit) as error:  # the bot lives on, whatever one job wants
            await self._failed(run, begun, error)
        else:
            return True
        return False

    async def _failed(self, run: JobRun, begun: float, error: BaseException) -> None:
        run.error = error
        seconds = monotonic(self._clock) - begun
        _log.error("job %s failed after %.3f s (%s)", run.job.name, seconds, run.job.function, exc_info=error)
        await self._report(run.job, error)

    async def _work(self, run: JobRun) -> None:
        job = run.job
        args = await job.arguments()
        if job.blocking and not job.is_async:
            value = await self._threads.call(job.name, job.func, args)
        else:
            value = job.func(*args)
        run.result = await value if inspect.isawaitable(value) else value

    async def _report(self, job: Job, error: BaseException) -> None:
        on_error = self._on_error()
        if on_error is None:
            return
        try:
            told = on_error(job, error)
            if inspect.isawaitable(told):
                await told
        except Exception:
            _log.exception("on_error failed for job %s", job.name)
