"""The one thread that touches the file of a `SQLiteStore`: it takes all that waits into one transaction.

The file and its transactions are in `fsmkit.stores.sqlite_file`.
"""

import asyncio
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any, Literal

from fsmkit.clock import Clock
from fsmkit.errors import LeaseLost, StoreError, StoreUnavailable
from fsmkit.stores.sqlite_file import LEASE, READ, File, Session
from fsmkit.stores.sqlite_rows import Found
from fsmkit.stores.sqlite_schema import explain, is_busy
from fsmkit.stores.sqlite_turns import Turn, Turns

_log = logging.getLogger("fsmkit")

MAX_BATCH = 256


class Job:
    """Something to do, and who waits for its outcome; without work: the thread is to end."""

    __slots__ = ("future", "level", "loop", "turn", "work")

    def __init__(
        self,
        level: int,
        work: Callable[[Session], Any] | None,
        loop: asyncio.AbstractEventLoop | None = None,
        future: "asyncio.Future[Any] | None" = None,
        turn: Turn | None = None,
    ) -> None:
        self.level = level
        self.work = work
        self.loop = loop
        self.future = future
        self.turn = turn


_Answer = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Writer:
    """Takes jobs from event loops, and answers each when what it wrote is durable.

    Args:
        path: The file.
        synchronous: `FULL`: commits wait for the disk. `NORMAL`: they do not.
        lease_seconds: How long a lease lasts without a sign of life.
        clock: For leases and claims; asked from the writer's thread.
    """

    def __init__(
        self, path: str, synchronous: Literal["FULL", "NORMAL"], lease_seconds: float, clock: Clock
    ) -> None:
        owner = uuid.uuid4().hex[:16]
        self._path = path
        self._turns = Turns(owner, lease_seconds, self._grant)
        self._file = File(path, synchronous, clock, self._turns, owner)
        self._third = lease_seconds / 3
        self._beat_at = 0.0
        self._answers: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
        self._granted: list[Turn] = []
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    # -- from the event loops ----------------------------------------------------------------------

    def ask(self, level: int, work: Callable[[Session], Any]) -> "asyncio.Future[Any]":
        """Has something done; the future has its outcome."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(Job(level, work, loop, future))
        return future

    def enter(self, turn: Turn) -> "asyncio.Future[Found]":
        """Puts a turn in line; the future has the row as it is when the turn comes."""
        self._put(Job(LEASE, lambda at: at.turns.enter(at.db, turn, at.now), turn=turn))
        return turn.waiter

    def leave(self, turn: Turn) -> None:
        """Ends a turn; nobody waits for it."""
        if not self._closed:
            self._put(Job(LEASE, lambda at: at.turns.leave(at.db, turn, at.now)))

    async def close(self) -> None:
        """Does what was asked for, then ends the thread."""
        thread = self._end()
        if thread is not None:
            loop = asyncio.get_running_loop()
            ended: asyncio.Future[None] = loop.create_future()
            self._queue.put(Job(READ, None, loop, ended))
            await ended
            thread.join()

    def stop(self) -> None:
        """Ends the thread from outside of any event loop: the store was dropped, or the program ends."""
        thread = self._end()
        if thread is not None:
            self._queue.put(Job(READ, None))
            thread.join()

    def _end(self) -> threading.Thread | None:
        with self._guard:
            thread, self._thread = self._thread, None
            self._closed = True
        return thread

    def _put(self, job: Job) -> None:
        if self._thread is None:
            with self._guard:
                if self._closed:
                    raise StoreUnavailable(f"{self._path}: the store is closed")
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="fsmkit sqlite", daemon=True)
                    self._thread.start()
        self._queue.put(job)

    # -- in the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        last: Job | None = None
        while last is None:
            batch, last = self._gather()
            self._serve(batch)
        self._file.close()
        self._refuse(self._turns.waiting(), StoreUnavailable(f"{self._path}: the store was closed"))
        self._answer(last, None, None)
        self._send()

    def _gather(self) -> tuple[list[Job], Job | None]:
        """All jobs that wait, and the one that ends the thread; none if leases are to be looked after."""
        batch: list[Job] = []
        try:
            job = self._queue.get(timeout=self._patience())
            while job.work is not None:
                batch.append(job)
                if len(batch) == MAX_BATCH:
                    return batch, None
                job = self._queue.get_nowait()
        except Empty:
            return batch, None
        return batch, job

    def _patience(self) -> float | None:
        """Seconds until leases have to be looked after, `None` if there are none."""
        if not self._turns:
            return None
        beat, poll = self._beat_at - time.monotonic(), self._turns.poll
        return max(0.0, beat if poll is None else min(beat, poll))

    def _serve(self, batch: list[Job]) -> None:
        """Does a batch in one transaction, all or nothing, and answers."""
        now = time.monotonic()
        beat = bool(self._turns) and now >= self._beat_at
        if beat or not self._turns:
            self._beat_at = now + self._third
        look = self._turns.poll is not None
        level = max((job.level for job in batch), default=READ)
        try:
            with self._file.transaction(max(level, LEASE) if beat or look else level) as session:
                if beat:
                    self._turns.beat(session.db, session.now)
                if look:
                    self._turns.look(session.db, session.now)
                for job in batch:
                    self._do(session, job)
        except Exception as error:  # a mistake of ours too must not end the thread: all would wait for ever
            self._fail(batch, error)
        self._granted.clear()
        self._send()

    def _do(self, session: Session, job: Job) -> None:
        try:
            value = job.work(session) if job.work else None
        except LeaseLost as error:  # said before anything was written
            self._answer(job, None, error)
        else:
            self._answer(job, value, None)

    def _fail(self, batch: list[Job], error: Exception) -> None:
        """Tells everybody that nothing was written; a file that failed is opened anew the next time."""
        if not isinstance(error, sqlite3.Error | StoreError | OSError):
            _log.error("%s: nothing was written", self._path, exc_info=error)
        self._answers.clear()
        if isinstance(error, sqlite3.Error) and not is_busy(error):
            self._file.drop()
        for job in batch:
            self._answer(job, None, explain(error, self._path))
        turns = {*self._granted, *self._turns.barred(), *(job.turn for job in batch if job.turn)}
        self._refuse(turns, error)

    def _refuse(self, turns: Iterable[Turn], error: Exception) -> None:
        for turn in turns:
            self._turns.revoke(turn)
            self._note(turn.loop, (turn.waiter, None, explain(error, self._path)))

    def _grant(self, turn: Turn, found: Found) -> None:
        self._granted.append(turn)
        self._note(turn.loop, (turn.waiter, found, None))

    def _answer(self, job: Job, value: Any, error: BaseException | None) -> None:
        if job.loop is not None and job.future is not None:
            self._note(job.loop, (job.future, value, error))

    def _note(self, loop: asyncio.AbstractEventLoop, answer: _Answer) -> None:
        self._answers.setdefault(loop, []).append(answer)

    def _send(self) -> None:
        """Answers all, each loop with one call."""
        answers, self._answers = self._answers, {}
        for loop, own in answers.items():
            try:
                loop.call_soon_threadsafe(_tell, own)
            except RuntimeError:  # the loop has ended, and who asked with it
                continue


def _tell(answers: list[_Answer]) -> None:
    for future, value, error in answers:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
