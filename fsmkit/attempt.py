"""One attempt at the job of a state: the call, the claim that is kept, and what becomes of its outcome."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fsmkit.aborts import aborted_by
from fsmkit.clock import Clock
from fsmkit.errors import JobLost, LeaseLost, StoreUnavailable
from fsmkit.events import Done, Failed
from fsmkit.jobcontext import JobContext, Workplace
from fsmkit.jobs import JobRun, JobRunner
from fsmkit.keys import Key
from fsmkit.model import Row
from fsmkit.outcome import Outcome
from fsmkit.progress import Progress
from fsmkit.work import CLAIM_SECONDS, Begun, attempt_stands, kept, over, put_off

_log = logging.getLogger("fsmkit")

RETRY_DELAY = 2.0
LONGEST_DELAY = 300.0
"""Seconds until a job that failed is begun again; twice as long each time."""
MAX_LOST = 5
"""Attempts that ended with their process before a job is taken for what ends it."""
TELL_TRIES = 5
"""How often an outcome is given to a handler that raises."""
TELL_DELAY = 1.0
"""Seconds until the second time; three times as long each time."""
CLEANUP_SECONDS = 1.0
"""How long a function may take to end that took too long."""


class Host(Workplace, Protocol):
    """What jobs need of the engine.

    Attributes:
        clock: Where the time comes from.
        runner: What runs them.
    """

    clock: Clock
    runner: JobRunner

    async def apply(self, key: Key, event: Done | Failed, job: str) -> Outcome:
        """Gives its outcome to a job that still stands; `"duplicate"` if it does not."""
        ...

    async def edit(self, key: Key, change: Callable[[Any], None]) -> Row:
        """Writes a row by hand, under its lease."""
        ...

    def report(self, key: Key, event: Any, error: Exception) -> Awaitable[None]:
        """Told of what nobody awaits."""
        ...


class Attempt:
    """An attempt that runs in this process.

    Args:
        engine: The engine.
        key: Whose conversation.
        begun: What was stored of it.

    Attributes:
        context: What the function is given.
        run: It in the runner.
        left: Whether its state was left.
        stopped: Whether the engine stops.
        in_thread: Whether a thread works on it, which nothing can end.
    """

    def __init__(self, engine: Host, key: Key, begun: Begun) -> None:
        self._engine = engine
        self.key = key
        self.begun = begun
        self.name = f"{begun.table.name}/{begun.frame.state}"
        self.context = JobContext(engine, key, begun)
        self.run: JobRun | None = None
        self.left = False
        self.stopped = False
        self.in_thread = False
        self._settling = False
        self._entered = asyncio.Event()

    def leave(self) -> None:
        """Ends it: nobody waits for its outcome."""
        if not self.left and not self._settling:
            self.left = self.context.cancelled = True
            if self.run is not None and self.run.task is not None:
                self.run.task.cancel()

    async def go(self) -> None:
        """From its begin until its outcome is handled, or it is put off."""
        keeping = asyncio.ensure_future(self._keep())
        progress = Progress(self._engine, self.key, self.begun, self.context)
        try:
            event = await self._outcome()
            await progress.stop()  # what it showed comes before what the handler of the outcome says
            if event is not None and not self.left:
                await self._tell(event)
        except asyncio.CancelledError:
            if not self.left:
                await self._give_back()
            raise
        finally:
            keeping.cancel()
            await progress.stop()

    # -- the call ----------------------------------------------------------------------------------

    async def _outcome(self) -> Done | Failed | None:
        """Calls the function; what came of it, `None` if it is to be tried again."""
        work, rule = self.begun.work, self.begun.rule
        if work.lost > MAX_LOST:
            lost = f"{work.lost} processes that ran the job of {self.name} were killed"
            return Failed(JobLost(f"{lost}; it is not begun again ({rule.place})"))
        try:
            return Done(await self._limited())
        except Exception as raised:
            error = raised
        if self.stopped:  # a thread that saw it and ended
            await self._give_back()
            return None
        if work.failures >= rule.retries:
            return Failed(error)
        delay = min(RETRY_DELAY * 2**work.failures, LONGEST_DELAY)
        _log.warning("the job of %s for %s failed, again in %g s: %r", self.name, self.key, delay, error)
        await self._put_off(delay, failed=True)
        return None

    async def _limited(self) -> Any:
        """Calls the function, for so long at most.

        Raises:
            TimeoutError: If it takes longer.
        """
        rule = self.begun.rule
        if rule.timeout is None:
            return await self._safely()
        call = asyncio.ensure_future(self._safely())
        limit = asyncio.ensure_future(self._limit(rule.timeout))
        try:
            await asyncio.wait((call, limit), return_when=asyncio.FIRST_COMPLETED)
            if call.done():
                return call.result()
            self.context.cancelled = True
            raise TimeoutError(f"the job of {self.name} took longer than {rule.timeout:g} s ({rule.place})")
        finally:
            limit.cancel()
            if not call.done():
                call.cancel()
                await asyncio.wait({call}, timeout=CLEANUP_SECONDS)
                call.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _limit(self, seconds: float) -> None:
        await self._entered.wait()  # the time for which it waits for a thread does not count
        await self._engine.clock.sleep(seconds)

    async def _safely(self) -> Any:
        """Calls the function; what it raises that would end more than the job is an error like any other."""
        try:
            return await self._call()
        except BaseException as raised:
            aborted = None if isinstance(raised, Exception) else aborted_by(raised)
            if aborted is None:
                raise
            raise aborted from raised

    async def _call(self) -> Any:
        begun = self.begun
        data = begun.table.codec.decode(begun.frame.data)
        args = (data, self.context) if begun.rule.wants_job else (data,)
        if begun.rule.is_async:
            self._entered.set()
            return await begun.rule.function(*args)
        loop = asyncio.get_running_loop()

        def work() -> Any:
            self.in_thread = True
            loop.call_soon_threadsafe(self._entered.set)
            try:
                return begun.rule.function(*args)
            finally:
                self.in_thread = False

        value = await self._engine.runner.call(self.name, work)
        return await value if inspect.isawaitable(value) else value

    # -- what is stored of it ----------------------------------------------------------------------

    async def _keep(self) -> None:
        """Says again and again that it is under way; where its state was left elsewhere, this finds out."""
        while True:
            await self._engine.clock.sleep(CLAIM_SECONDS / 3)
            try:
                await self._change(self._kept)
            except Exception as error:  # the next time may be better; if not, another process takes it up
                _log.warning("the job of %s for %s could not be kept: %r", self.name, self.key, error)

    def _kept(self, row: Row, now: float) -> Row:
        if not attempt_stands(row, self.begun.work):  # left elsewhere, or the chat has moved to a new key
            self.leave()
        return kept(row, self.begun.work, now + CLAIM_SECONDS)

    async def _put_off(self, delay: float, *, failed: bool) -> None:
        self._settling = True
        await self._change(lambda row, now: put_off(row, self.begun.work, now + delay, failed=failed))

    async def _give_back(self) -> None:
        """Leaves the job to the next process, which then need not wait for the end of the claim."""
        with contextlib.suppress(Exception):
            await self._put_off(0.0, failed=False)

    async def _change(self, change: Callable[[Row, float], Row]) -> None:
        def write(turn: Any) -> None:
            turn.row = change(turn.row, turn.now)

        await self._engine.edit(self.key, write)

    async def _tell(self, event: Done | Failed) -> None:
        """Gives the outcome to the conversation; again if the store is away, or its handler raises."""
        self._settling = True
        tries, delay = 0, TELL_DELAY
        while True:
            try:
                outcome = await self._engine.apply(self.key, event, self.begun.work.id)
            except (LeaseLost, StoreUnavailable) as error:
                _log.warning("the outcome of the job of %s for %s waits: %s", self.name, self.key, error)
            except Exception as error:
                tries += 1
                await self._engine.report(self.key, event, error)
                if tries == TELL_TRIES:
                    break
                if self.stopped:  # a thread that was waited for: the next process has to begin anew
                    await self._give_back()
                    return
            else:
                if isinstance(event, Failed) and outcome.kind == "passed":  # never silently
                    await self._engine.report(self.key, event, _error_of(event))
                return
            await self._engine.clock.sleep(delay)
            delay = min(3 * delay, LONGEST_DELAY)
        _log.error("the outcome of the job of %s for %s is dropped", self.name, self.key)
        await self._change(lambda row, _now: over(row, self.begun.work.id))


def _error_of(event: Failed) -> Exception:
    assert isinstance(event.error, Exception)  # `_safely` lets no other through
    return event.error
