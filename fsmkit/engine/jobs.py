"""Jobs of states: slow work that runs outside the lease while the conversation stands in a state.

A job is stored in the row (`fsmkit.interpreter.jobs`) until its outcome is handled, so whoever finds it after
a crash starts it again. Here is which attempts run in this process, and how one goes.
"""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable, Container
from itertools import count
from typing import Any

from msgspec import structs

from fsmkit.clock import backoff
from fsmkit.engine.envelope import Outcome
from fsmkit.engine.services import Services
from fsmkit.engine.turn import Turn
from fsmkit.errors import JobLost, LeaseLost, RunnerStopped, StoreUnavailable, aborted_by
from fsmkit.flow.context import SendMessage
from fsmkit.flow.events import Done, Failed
from fsmkit.flow.messages import Reply, as_reply, as_screen
from fsmkit.interpreter.effects import address_of, effects_of, owner_of
from fsmkit.interpreter.inline import INLINE, with_inline_screen
from fsmkit.interpreter.jobs import CLAIM_SECONDS, JobAttempt, attempt_stands, find, kept, over, put_off
from fsmkit.interpreter.migrations import data_of
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.screens import screen_key
from fsmkit.jobs.job import Job
from fsmkit.jobs.running import JobRun
from fsmkit.keys import Key

Edit = Callable[[Key, Callable[[Turn], None]], Awaitable[Row]]
"""Writes a row by hand, under its lease, and delivers what it leaves in the outbox."""

Apply = Callable[[Key, Done | Failed, str], Awaitable[Outcome]]
"""Gives its outcome to a job that still stands; `"duplicate"` if it does not."""


class JobContext:
    """The second argument of a state's job, after the data.

    Attributes:
        key: The conversation.
        flow: Name of the flow.
        state: Name of the state.
        attempt: Which attempt this is, from 1.
        id: The same in all attempts of one entry into the state, and in no other: the idempotency key to
            give to a payment provider.
        cancelled: Whether nobody waits for the outcome any more: the state was left, the attempt took too
            long, or the bot stops. An `async` job is cancelled; a job in a thread has to check this.

    Example:
        >>> async def charge(order, job):
        ...     job.progress(0.5, "Asking the bank")
        ...     return await job.resources.bank.charge(order.total, idempotency_key=job.id)
    """

    def __init__(self, services: Services, key: Key, begun: JobAttempt) -> None:
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._said: str | Reply = ""
        self.news = asyncio.Event()
        self.key = key
        self.flow = begun.table.name
        self.state = begun.frame.state
        self.attempt = begun.work.attempt
        self.id = begun.work.id
        self.cancelled = False

    @property
    def resources(self) -> Any:
        """What `attach(..., resources=...)` was given."""
        return self._services.resources

    @property
    def bot(self) -> Any:
        """PTB's `Bot`, to fetch or to send files with; `None` without Telegram."""
        telegram = self._services.face.telegram_for(self.key)
        return None if telegram is None else telegram.bot

    def progress(self, fraction: float | None = None, text: str | Reply = "") -> None:
        """Show the person how far it has come, in the flow's screen (`ctx.show`).

        Only the last of what is reported within three seconds is shown.

        Args:
            fraction: From 0 to 1; `None`: not known.
            text: What is being done; a whole `Reply` is shown as it is.

        Raises:
            ValueError: If there is nothing to show, or the fraction is none.
        """
        said = _said(fraction, text)
        self._loop.call_soon_threadsafe(self._report, said)

    def take(self) -> str | Reply:
        """Return what was reported last."""
        self.news.clear()
        return self._said

    def _report(self, said: str | Reply) -> None:
        self._said = said
        self.news.set()

    def __repr__(self) -> str:
        return f"<JobContext of {self.flow}/{self.state} for {self.key}, attempt {self.attempt}>"


def _said(fraction: float | None, text: str | Reply) -> str | Reply:
    if fraction is not None and not 0 <= fraction <= 1:
        raise ValueError(f"job.progress({fraction!r}): the fraction is from 0 to 1")
    if isinstance(text, Reply):
        return text
    percent = "" if fraction is None else f"{fraction:.0%}"
    said = f"{text}: {percent}" if text and percent else text or percent
    if not said:
        raise ValueError("job.progress() reports nothing: give a fraction, a text, or both")
    return said


_log = logging.getLogger("fsmkit")

PROGRESS_SECONDS = 3.0
"""Seconds between two edits: a bot may send a group 20 messages a minute
(https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this)."""


class Progress:
    """Shows what one attempt reports, until it is stopped."""

    def __init__(self, jobs: "StateJobs", begun: JobAttempt, context: JobContext) -> None:
        self._jobs = jobs
        self._key = context.key
        self._begun = begun
        self._context = context
        self._showing = asyncio.Lock()
        self._shown = False
        self._task = asyncio.ensure_future(self._run()) if begun.rule.wants_job else None

    async def stop(self) -> None:
        """Show no more; when it returns, what was being shown is committed."""
        if self._task is not None:
            async with self._showing:
                self._task.cancel()

    async def _run(self) -> None:
        while True:
            await self._context.news.wait()
            async with self._showing:
                await self._show(self._context.take())
            await self._jobs.services.clock.sleep(PROGRESS_SECONDS)

    async def _show(self, said: str | Reply) -> None:
        try:
            await self._jobs.edit(
                self._key, lambda turn: show_progress(turn, self._begun, said, again=self._shown)
            )
            self._shown = True
        except Exception as error:  # nothing depends on it
            _log.warning("the progress of a job of %s was not shown: %r", self._key, error)


def show_progress(turn: Turn, begun: JobAttempt, said: str | Reply, *, again: bool) -> None:
    """Bring the flow's screen up to date, if the attempt stands and no sub-flow has the screen.

    Args:
        turn: The row.
        begun: The attempt.
        said: What to show; a text comes with the state's buttons.
        again: Whether something was shown before: then there is a screen, or will be.
    """
    row, place = turn.row, find(turn.row, begun.work.id)
    if place is None or not attempt_stands(row, begun.work):
        return
    name, depth = place
    rules = begun.table.rules[begun.frame.state or ""]
    screen = rules.state.screen_of(begun.table.name)
    view = row.views.get(screen_key(name, screen))
    message = None if view is None else view.message
    if depth < len(row.snapshots[name].frames) - 1 or (again and not message):
        return
    reply = said if isinstance(said, Reply) else as_reply(said, buttons=rules.buttons)
    to = address_of((row,), name, None, turn.key)
    if turn.key.inline is not None:
        row, message = with_inline_screen(row, name, turn.key.inline), INLINE
        to = structs.replace(to, chat=turn.key.inline, thread=None)
    turn.row, effects = effects_of(
        row,
        name,
        [SendMessage(as_screen(reply), show=True, screen=screen)],
        to,
        turn.values.pack,
        owner=owner_of(turn.flows.tables[name].flow, to, turn.key),
        pressed=message,
    )
    turn.carried += tuple(effects)


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


class Attempt:
    """An attempt that runs in this process.

    Args:
        jobs: What it is one of.
        key: Whose conversation.
        begun: What was stored of it.

    Attributes:
        context: What the function is given.
        run: It in the runner.
        left: Whether its state was left.
        stopped: Whether the engine stops.
        in_thread: Whether a thread works on it, which nothing can end.
    """

    def __init__(self, jobs: "StateJobs", key: Key, begun: JobAttempt) -> None:
        self._jobs = jobs
        self.key = key
        self.begun = begun
        self.name = f"{begun.table.name}/{begun.frame.state}"
        self.context = JobContext(jobs.services, key, begun)
        self.run: JobRun | None = None
        self.left = False
        self.stopped = False
        self.in_thread = False
        self._settling = False
        self._entered = asyncio.Event()

    def leave(self) -> None:
        """End it: nobody waits for its outcome."""
        if not self.left and not self._settling:
            self.left = self.context.cancelled = True
            if self.run is not None and self.run.task is not None:
                self.run.task.cancel()

    async def go(self) -> None:
        """Run from its begin until its outcome is handled, or it is put off."""
        keeping = asyncio.create_task(self._keep(), name="fsmkit vigil")
        progress = Progress(self._jobs, self.begun, self.context)
        try:
            event = await self._outcome()
            await progress.stop()  # what it showed comes before what the handler of the outcome says
            if event is not None and not self.left:
                await self._tell(event)
        except asyncio.CancelledError:
            if not self.left:  # where nobody stops, the function may have cancelled itself, and will again
                await self._give_back(lost=not self.stopped)
            raise
        finally:
            keeping.cancel()
            await progress.stop()

    # -- the call ----------------------------------------------------------------------------------

    async def _outcome(self) -> Done | Failed | None:
        """Call the function; return what came of it, `None` if it is to be tried again."""
        work, rule = self.begun.work, self.begun.rule
        if work.lost > MAX_LOST:
            lost = f"{work.lost} processes that ran the job of {self.name} were killed, or cancelled it"
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
        delay = backoff(work.failures + 1, RETRY_DELAY, most=LONGEST_DELAY)
        _log.warning("the job of %s for %s failed, again in %g s: %r", self.name, self.key, delay, error)
        await self._put_off(delay, failed=True)
        return None

    async def _limited(self) -> Any:
        """Call the function, for so long at most.

        Raises:
            TimeoutError: If it takes longer.
        """
        rule = self.begun.rule
        if rule.timeout is None:
            return await self._safely()
        call = asyncio.ensure_future(self._safely())
        limit = asyncio.create_task(self._limit(rule.timeout), name="fsmkit limit")
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
        await self._jobs.services.clock.sleep(seconds)

    async def _safely(self) -> Any:
        """Call the function; what it raises that would end more than the job is an error like any other."""
        try:
            return await self._call()
        except BaseException as raised:
            aborted = None if isinstance(raised, Exception) else aborted_by(raised)
            if aborted is None:
                raise
            raise aborted from raised

    async def _call(self) -> Any:
        begun = self.begun
        data = data_of(begun.table, begun.frame)
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

        value = await self._jobs.services.runner.call(self.name, work)
        return await value if inspect.isawaitable(value) else value

    # -- what is stored of it ----------------------------------------------------------------------

    async def _keep(self) -> None:
        """Say again and again that it is under way; where its state was left elsewhere, this finds out."""
        while True:
            await self._jobs.services.clock.sleep(CLAIM_SECONDS / 3)
            try:
                await self._change(self._kept)
            except Exception as error:  # the next time may be better; if not, another process takes it up
                _log.warning("the job of %s for %s could not be kept: %r", self.name, self.key, error)

    def _kept(self, row: Row, now: float) -> Row:
        if not attempt_stands(row, self.begun.work):  # left elsewhere, or the chat has moved to a new key
            self.leave()
        return kept(row, self.begun.work, now + CLAIM_SECONDS)

    async def _put_off(self, delay: float, *, failed: bool, lost: bool = False) -> None:
        self._settling = True
        await self._change(
            lambda row, now: put_off(row, self.begun.work, now + delay, failed=failed, lost=lost)
        )

    async def _give_back(self, *, lost: bool = False) -> None:
        """Leave the job to whoever comes next, who then need not wait for the end of the claim."""
        with contextlib.suppress(Exception):
            await self._put_off(0.0, failed=False, lost=lost)

    async def _change(self, change: Callable[[Row, float], Row]) -> None:
        def write(turn: Turn) -> None:
            turn.row = change(turn.row, turn.now)

        await self._jobs.edit(self.key, write)

    async def _tell(self, event: Done | Failed) -> None:
        """Give the outcome to the conversation; again if the store is away, or its handler raises."""
        self._settling = True
        tries = 0
        for waits in count(1):
            try:
                outcome = await self._jobs.apply(self.key, event, self.begun.work.id)
            except (LeaseLost, StoreUnavailable) as error:
                _log.warning("the outcome of the job of %s for %s waits: %s", self.name, self.key, error)
            except Exception as error:
                tries += 1
                await self._jobs.services.report(self.key, event, error)
                if tries == TELL_TRIES:
                    break
                if self.stopped:  # a thread that was waited for: the next process has to begin anew
                    await self._give_back()
                    return
            else:
                if isinstance(event, Failed) and outcome.kind == "passed":  # never silently
                    await self._jobs.services.report(self.key, event, _error_of(event))
                return
            await self._jobs.services.clock.sleep(backoff(waits, TELL_DELAY, factor=3.0, most=LONGEST_DELAY))
        _log.error("the outcome of the job of %s for %s is dropped", self.name, self.key)
        await self._change(lambda row, _now: over(row, self.begun.work.id))


def _error_of(event: Failed) -> Exception:
    assert isinstance(event.error, Exception)  # `_safely` lets no other through
    return event.error


AT_ONCE = 256
"""Jobs that one process takes up from the store; what it enters itself it begins in any case."""


class StateJobs:
    """Runs the jobs of states in the engine's runner: async functions as tasks, others in its threads.

    Args:
        services: The engine's means.
        edit: Writes rows.
        apply: Takes outcomes.
    """

    def __init__(self, services: Services, edit: Edit, apply: Apply) -> None:
        self.services = services
        self.edit = edit
        self.apply = apply
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
        """Begin jobs from now on, after a `stop` too."""
        self._open = True

    def start(self, key: Key, turn: Turn) -> None:
        """Begin the jobs that a turn has committed to, and end those whose states it has left."""
        for ident in tuple(self.running.get(key, ())):
            attempt = self._attempts[ident]
            if not attempt_stands(turn.row, attempt.begun.work):
                attempt.leave()
        begun, turn.begun = turn.begun, ()
        standing = [each for each in begun if attempt_stands(turn.row, each.work)]  # else it was undone
        for each in standing if self._open else ():
            with contextlib.suppress(RunnerStopped):  # the next process begins it
                self._begin(key, each)

    async def stop(self) -> None:
        """End what runs and wait for it; the next process begins it again, with the same id.

        What runs in a thread cannot be ended. As it has to be waited for anyway, its outcome counts.
        """
        self._open = False
        runner, ends = self.services.runner, []
        for attempt in self._attempts.values():
            attempt.stopped = attempt.context.cancelled = True
            if attempt.run is not None:
                ends.append(attempt.run.ended.wait() if attempt.in_thread else runner.cancel(attempt.run))
        await asyncio.gather(*ends)

    def _begin(self, key: Key, begun: JobAttempt) -> None:
        attempt = Attempt(self, key, begun)
        attempt.run = self.services.runner.begin(
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
