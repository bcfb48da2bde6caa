"""`JobRunner`: takes jobs in order of arrival, runs some beside the queue, and ends them all with itself.

One task takes from the queue. A job that waits for its gate steps aside and comes back when that opens;
a blocking one runs as a task of its own. How a single run goes is in `fsmkit.jobs.running`.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from fsmkit.clock import Clock, SystemClock, backoff, first_of, monotonic
from fsmkit.errors import RunnerStopped, refuse_options
from fsmkit.jobs.job import Job, gate_name, passed
from fsmkit.jobs.running import Calls, JobRun, OnError, RunState, Threads

_log = logging.getLogger("fsmkit.jobs")

DRAIN_SECONDS = 10.0
"""How long `stop` lets work go on; Docker and systemd kill 10 and 90 seconds after they asked to end."""
INSISTENCE = 3
"""How often a task is cancelled that goes on all the same, a second apart."""
FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
"""Seconds before a service is started again; twice as long each time, until it has run so long."""


@refuse_options
class JobRunner:
    """Runs jobs; `async with` starts it and, at the end, waits for its jobs.

    Args:
        threads: How many blocking functions may run at once, each in a thread.
        drain: How long `stop` waits for jobs that were put before: seconds or a `timedelta`; `None`: until
            all have ended.
        on_error: Called, sync or async, for each job that raised: `on_error(job, error)`. The error is logged
            in any case.
        clock: The source of the time.

    Example:
        >>> async def main():
        ...     async with JobRunner() as runner:
        ...         await runner.put(Job("greet", print, "Hello."))
        >>> asyncio.run(main())
        Hello.
    """

    def __init__(
        self,
        *,
        threads: int = 8,
        drain: float | timedelta | None = DRAIN_SECONDS,
        on_error: OnError | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._drain = _seconds(drain)
        self._threads = Threads(threads)
        self._calls = Calls(self._threads, self._clock, lambda: self.on_error)
        self.on_error = on_error
        """Told, sync or async, of each job that raised."""
        self._runs: dict[JobRun, None] = {}
        self._queue: deque[JobRun] = deque()
        self._news = asyncio.Event()
        self._main: asyncio.Task[Any] | None = None
        self._stopping = False

    @property
    def jobs(self) -> tuple[JobRun, ...]:
        """What has not ended yet, in order of arrival."""
        return tuple(self._runs)

    @property
    def running(self) -> bool:
        """Whether jobs are being taken from the queue."""
        return self._main is not None and not self._main.done()

    async def put(self, job: Job) -> JobRun:
        """Add a job at the end of the queue; it may be added before the runner has started.

        Raises:
            RunnerStopped: If the runner is stopping, or was stopped.
        """
        run = self._add(job, "queued")
        self._enqueue(run)
        return run

    async def put_all(self, jobs: Iterable[Job]) -> list[JobRun]:
        """Add jobs in their order."""
        return [await self.put(job) for job in jobs]

    def begin(self, job: Job) -> JobRun:
        """Begin a job now, beside the queue and before the runner has started too.

        Raises:
            RunnerStopped: If the runner is stopping, or was stopped.
        """
        run = self._add(job, "queued")
        self._spawn(run, self._perform(run))
        return run

    async def call(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        """Call a blocking function in one of the runner's threads, and return what it returns.

        Args:
            name: What it is called in the log.
            function: The function.
            args: Its arguments.
        """
        return await self._threads.call(name, function, args)

    async def run_forever(
        self, job: Job, *, delay: float = FIRST_DELAY, longest: float = LONGEST_DELAY
    ) -> JobRun:
        """Add a service: it starts now, and again whenever it ends, until the runner stops.

        Args:
            job: A job with an async function; its gate and its lazy arguments are asked before each start.
            delay: Seconds before the second start, doubled with each further one.
            longest: Seconds that the delay never exceeds; a service that ran so long begins with the first
                delay again.

        Raises:
            RunnerStopped: If the runner is stopping, or was stopped.
            TypeError: If the function is not async: nothing could end it.
        """
        if not job.is_async:
            raise TypeError(f"service {job.name!r} needs an async function: no other can be ended")
        run = self._add(job, "queued", service=True)
        self._spawn(run, self._serve(run, delay, longest))
        return run

    async def run(self) -> None:
        """Take jobs until `stop`; the other way is `start`, which does it in a task of its own.

        Raises:
            RuntimeError: If it runs already.
        """
        if self.running and self._main is not asyncio.current_task():
            raise RuntimeError("the runner runs already")
        self._main = asyncio.current_task()
        while True:
            if self._queue:
                await self._take(self._queue.popleft())
            elif self._stopping and not self._runs:
                return
            else:
                self._news.clear()
                await self._news.wait()

    def start(self) -> None:
        """Start taking jobs in a task of its own, after a `stop` too; no matter if it runs already."""
        self._stopping = False
        if not self.running:
            self._main = asyncio.get_running_loop().create_task(self.run(), name="fsmkit jobs")

    async def stop(self, drain: float | timedelta | None = None) -> None:
        """Refuse new jobs, let the others end until the deadline, cancel what is left and wait for it.

        Services are cancelled at once. A thread cannot be cancelled: it is waited for, and the log says for
        what.

        Args:
            drain: Seconds or a `timedelta`; by default what the runner was made with.

        Raises:
            RuntimeError: If one of its own jobs calls it: it would wait for itself.
        """
        if any(run.task is not None and run.task is asyncio.current_task() for run in self._runs):
            raise RuntimeError("a job cannot stop its own runner: it would wait for itself")
        self._stopping = True
        self._news.set()
        for run in [run for run in self._runs if run.service]:
            await self.cancel(run)
        if self.running and self._runs:
            await self._idle(self._drain if drain is None else _seconds(drain))
        self._queue.clear()  # first: with the running one cancelled, the next would begin
        for run in list(self._runs):
            _log.warning("job %s is cancelled (%s): the runner stops", run.job.name, run.state)
            await self.cancel(run)
        main, self._main = self._main, None
        if main is not None and main is not asyncio.current_task():
            main.cancel()
            await asyncio.wait({main})
        await self._threads.join()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- taking ------------------------------------------------------------------------------------

    def _add(self, job: Job, state: RunState, service: bool = False) -> JobRun:
        if self._stopping:
            raise RunnerStopped(f"job {job.name!r} comes too late: the runner stops or was stopped")
        run = JobRun(job, state, self._clock.now(), service)
        self._runs[run] = None
        return run

    def _enqueue(self, run: JobRun) -> None:
        job, ahead = run.job, len(self._queue)
        _log.info("job %s is queued, %d before it (%s)", job.name, ahead, job.function)
        self._queue.append(run)
        self._news.set()

    async def _take(self, run: JobRun) -> None:
        job = run.job
        if job.after and not run.opened:
            if not job.ordered:
                self._spawn(run, self._step_aside(run))
                return
            await self._through(run, self._open(run))
        if run not in self._runs:  # cancelled in the queue, or its gate has failed
            return
        if job.blocking:
            self._spawn(run, self._perform(run))
        else:
            await self._through(run, self._perform(run))

    async def _through(self, run: JobRun, work: Coroutine[Any, Any, None]) -> None:
        """Hold the queue up until a part of a run is over."""
        task = self._spawn(run, work)
        try:
            await asyncio.wait({task})  # not `await task`: its being cancelled is not ours
            await asyncio.sleep(0)  # the task's callback, which ends the run, goes first
        except asyncio.CancelledError:
            await self.cancel(run)
            raise

    def _spawn(self, run: JobRun, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        kind = "service" if run.service else "job"
        task = run.task = asyncio.get_running_loop().create_task(work, name=f"fsmkit {kind} {run.job.name}")
        # Not a `finally` in the work: a task that is cancelled before its first step never gets there.
        task.add_done_callback(
            lambda done: self._finish(run, cancelled=done.cancelled()) if run.task is done else None
        )
        return task

    async def _step_aside(self, run: JobRun) -> None:
        """Wait for the gate and come back to the queue, while the others go on."""
        await self._open(run)
        if run.opened:
            self._enqueue(run)

    async def _open(self, run: JobRun) -> None:
        """Wait for the gate; if it opens, the run goes on without this task."""
        if await self._gate(run):
            run.opened, run.task = True, None
            self._set(run, "queued")

    async def _perform(self, run: JobRun) -> None:
        if run.opened or await self._gate(run):
            self._set(run, "running")
            await self._calls.call(run)

    async def _serve(self, run: JobRun, delay: float, longest: float) -> None:
        ends = 0
        while True:
            begun = monotonic(self._clock)
            if await self._gate(run):
                self._set(run, "running")
                await self._calls.call(run)
            if monotonic(self._clock) - begun >= longest:
                ends = 0
            ends += 1
            wait = backoff(ends, delay, most=longest)
            _log.warning("service %s has ended; it starts again in %g s", run.job.name, wait)
            self._set(run, "waiting")
            await self._clock.sleep(wait)

    async def _gate(self, run: JobRun) -> bool:
        """Wait for all that a job comes after; return `False` if that failed."""
        if not run.job.after:
            return True
        self._set(run, "gated")
        _log.info("job %s waits for %s", run.job.name, ", ".join(map(gate_name, run.job.after)))

        async def wait() -> None:
            for gate in run.job.after:
                if isinstance(gate, Job):
                    for other in [other for other in self._runs if other.job is gate and other is not run]:
                        if run.job.ordered and other in self._queue:
                            raise ValueError(
                                f"it is ordered, and comes after {gate.name}, which stands behind it"
                            )
                        await other.ended.wait()
                else:
                    await passed(gate)

        return await self._calls.guarded(run, wait())

    # -- ending ------------------------------------------------------------------------------------

    def _set(self, run: JobRun, state: RunState) -> None:
        run.state, run.since = state, self._clock.now()

    def _finish(self, run: JobRun, *, cancelled: bool) -> None:
        self._runs.pop(run, None)
        if cancelled and run.error is None:
            run.error = asyncio.CancelledError(f"job {run.job.name} was cancelled")
        run.task = None
        run.ended.set()
        self._news.set()

    async def _idle(self, seconds: float | None) -> None:
        """Wait until nothing is left, for so long at most."""

        async def ended() -> None:
            for run in tuple(self._runs):
                await run.ended.wait()

        await first_of(ended(), *(() if seconds is None else (self._clock.sleep(seconds),)))

    async def cancel(self, run: JobRun) -> None:
        """End a run; a task that swallows its cancellation is cancelled again, and at last left behind."""
        task = run.task
        if task is None:
            self._finish(run, cancelled=True)
            return
        for _ in range(INSISTENCE):
            task.cancel()
            await first_of(asyncio.wait({task}), self._clock.sleep(1.0))
            if task.done():
                return
        _log.error("job %s ignores that it is cancelled; it is left behind", run.job.name)
        self._finish(run, cancelled=True)


def _seconds(given: float | timedelta | None) -> float | None:
    return given.total_seconds() if isinstance(given, timedelta) else given
