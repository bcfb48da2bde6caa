"""The one thread that touches the file of a `SQLiteStore`: it takes all that waits into one transaction.

The file and its transactions are in `fsmkit.stores.sqlite.writer`.
"""

import asyncio
import logging
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, Literal

from fsmkit.clock import Clock
from fsmkit.errors import LeaseLost, StoreError, StoreUnavailable
from fsmkit.stores.sqlite.leases import Waiter, Waiters
from fsmkit.stores.sqlite.owners import Owners, drop_inherited
from fsmkit.stores.sqlite.schema import BUSY_SECONDS, FileLock, explain, is_busy, open_file
from fsmkit.stores.sqlite.tables import FoundRow, Rows

_log = logging.getLogger("fsmkit")

READ, LEASE, COMMIT = range(3)
"""What a job does to the file: nothing; what may be lost at a power cut; what has to be there after it."""


class Transaction:
    """What a job works with, inside one transaction.

    Attributes:
        db: The connection.
        rows: The tables.
        waiters: Who waits and who holds.
        now: The time of the transaction, by the store's own clock.
        scrub: Set by a job whose old data must leave the log of the file too.
    """

    __slots__ = ("db", "now", "rows", "scrub", "waiters")

    def __init__(self, db: sqlite3.Connection, waiters: Waiters, owner: str) -> None:
        self.db = db
        self.rows = Rows(db, owner)
        self.waiters = waiters
        self.now = 0.0
        self.scrub = False


class File:
    """Opens the file when it is first needed, and anew after it has failed.

    Args:
        path: The file.
        synchronous: Whether commits wait for the disk.
        clock: For leases and claims.
        waiters: Who waits and who holds.
        owners: What this process's leases and claims are known by, and who else is alive.
    """

    def __init__(
        self,
        path: str,
        synchronous: Literal["FULL", "NORMAL"],
        clock: Clock,
        waiters: Waiters,
        owners: Owners,
    ) -> None:
        self.path = path
        self._clock = clock
        self._waiters = waiters
        self._owners = owners
        self._modes = ("NORMAL", "NORMAL", synchronous)
        self._mode = ""
        self._lock: FileLock | None = None
        self._session: Transaction | None = None
        self._told = False

    @contextmanager
    def transaction(self, level: int) -> Generator[Transaction]:
        """Write all that is done within, or nothing of it; it is durable when the block ends."""
        session = self._open()
        dead = self._owners.find_dead()
        if level == READ and not dead:
            session.now = self._clock.now()
            yield session
            return
        db, mode = session.db, self._modes[max(level, LEASE)]
        if mode != self._mode:
            db.execute(f"PRAGMA synchronous={mode}")
            self._mode = mode
        with self._locked():
            db.execute("BEGIN IMMEDIATE")
            try:
                session.now = self._clock.now()
                session.rows.release(dead, session.now)
                yield session
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # after some errors SQLite has ended it already
                    db.execute("ROLLBACK")
                raise
            if session.scrub:
                session.scrub = False
                _checkpoint(db)
        self._owners.remove(dead)

    def drop(self) -> None:
        """Close the file, after a failure too; the next transaction opens it anew."""
        session, self._session = self._session, None
        if session is not None:
            try:
                with self._locked():
                    session.db.close()
            except StoreError:  # somebody keeps it locked: SQLite then leaves the log to that one
                session.db.close()

    def close(self) -> None:
        """Leave one file without a log, and no lease or claim of this process."""
        clean = False
        try:
            if self._session is not None:
                with self._locked():
                    self._session.rows.release([self._owners.name], self._clock.now())
                    clean = True
                    _checkpoint(self._session.db)
        except (sqlite3.Error, StoreError) as error:
            _log.warning("%s: nothing is lost, but its log could not be merged: %s", self.path, error)
        self.drop()
        self._owners.leave(clean=clean)
        self.unlock()

    def unlock(self) -> None:
        """Close the side file: at the end, or in a child that must not share its parent's lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _open(self) -> Transaction:
        if self._session is None:
            with self._locked():
                db = open_file(self.path)
                self._owners.register()
                self._session = Transaction(db, self._waiters, self._owners.name)
            self._mode = ""
            if not self._told:
                self._told = True
                self._tell_of_unknown(self._session)
        return self._session

    def _tell_of_unknown(self, session: Transaction) -> None:
        """Log what is held by processes of which nobody knows whether they live, older versions for one."""
        now = self._clock.now()
        until = session.rows.held_until(self._owners.known())
        if until is not None and until > now:
            _log.warning(
                "%s: something is held by a process that cannot be told from a dead one; if it is, its chats "
                "wait for %.0f seconds at most",
                self.path,
                until - now,
            )

    def _locked(self) -> FileLock:
        if self._lock is None:
            self._lock = FileLock(self.path)
        return self._lock


def _checkpoint(db: sqlite3.Connection) -> None:
    """Merge the log into the file and empty it; a reader in another process may keep it from that."""
    db.execute("PRAGMA busy_timeout=500")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")


MAX_BATCH = 256

_writers: "weakref.WeakSet[WriterThread]" = weakref.WeakSet()
"""The writers of this process, which have to stand still when it forks."""

_paused: "list[WriterThread]" = []


def _pause_all() -> None:
    for writer in sorted(_writers, key=id):  # of two threads that fork, one waits
        writer.pause()
        _paused.append(writer)


def _go_on_all() -> None:
    while _paused:
        _paused.pop().go_on()


def _begin_all_anew() -> None:
    drop_inherited()
    _paused.clear()
    for writer in _writers:
        writer.begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_pause_all, after_in_parent=_go_on_all, after_in_child=_begin_all_anew)


class WriteJob:
    """Something to do, and who waits for its outcome; without work: the thread is to end."""

    __slots__ = ("future", "level", "loop", "waiter", "work")

    def __init__(
        self,
        level: int,
        work: Callable[[Transaction], Any] | None,
        loop: asyncio.AbstractEventLoop | None = None,
        future: "asyncio.Future[Any] | None" = None,
        waiter: Waiter | None = None,
    ) -> None:
        self.level = level
        self.work = work
        self.loop = loop
        self.future = future
        self.waiter = waiter


_Answer = tuple["asyncio.Future[Any]", Any, BaseException | None]


class WriterThread:
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
        self._path = path
        self._synchronous: Literal["FULL", "NORMAL"] = synchronous
        self._lease_seconds = lease_seconds
        self._third = lease_seconds / 3
        self._clock = clock
        self._closed = False
        self._begin()
        _writers.add(self)

    def _begin(self) -> None:
        """Set up what belongs to one process."""
        owners = self.owners = Owners(self._path)
        self._waiters = Waiters(owners, self._lease_seconds, self._grant)
        self._file = File(self._path, self._synchronous, self._clock, self._waiters, owners)
        self._beat_at = 0.0
        self._answers: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
        self._granted: list[Waiter] = []
        self._queue: SimpleQueue[WriteJob] = SimpleQueue()
        self._guard = threading.Lock()
        self._at_work = threading.Lock()
        self._thread: threading.Thread | None = None

    # -- around a fork -----------------------------------------------------------------------------

    def pause(self) -> None:
        """Let the thread come to the end of what it does, and close the file: SQLite's must not be forked."""
        self._at_work.acquire()
        try:
            self._file.drop()
        except (sqlite3.Error, StoreError, OSError) as error:
            _log.warning("%s: could not be closed before a fork: %s", self._path, error)

    def go_on(self) -> None:
        """Let the thread go on in the parent; it opens the file anew."""
        self._at_work.release()

    def begin_anew(self) -> None:
        """Be another process: without the parent's thread, leases and locks."""
        self._file.unlock()
        self._begin()

    # -- from the event loops ----------------------------------------------------------------------

    def ask(self, level: int, work: Callable[[Transaction], Any]) -> "asyncio.Future[Any]":
        """Have something done; the future has its outcome."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(WriteJob(level, work, loop, future))
        return future

    def enter(self, waiter: Waiter) -> "asyncio.Future[FoundRow]":
        """Put a turn in line; the future has the row as it is when the turn comes."""
        self._put(WriteJob(LEASE, lambda at: at.waiters.enter(at.db, waiter, at.now), waiter=waiter))
        return waiter.granted

    def leave(self, waiter: Waiter) -> None:
        """End a turn; nobody waits for it."""
        if not self._closed:
            self._put(WriteJob(LEASE, lambda at: at.waiters.leave(at.db, waiter, at.now)))

    async def close(self) -> None:
        """Do what was asked for, then end the thread."""
        thread = self._end()
        if thread is not None:
            loop = asyncio.get_running_loop()
            ended: asyncio.Future[None] = loop.create_future()
            self._queue.put(WriteJob(READ, None, loop, ended))
            await ended
            thread.join()

    def stop(self) -> None:
        """End the thread from outside of any event loop: the store was dropped, or the program ends."""
        thread = self._end()
        if thread is not None:
            self._queue.put(WriteJob(READ, None))
            thread.join()

    def _end(self) -> threading.Thread | None:
        with self._guard:
            thread, self._thread = self._thread, None
            self._closed = True
        return thread

    def _put(self, job: WriteJob) -> None:
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
        batch: list[WriteJob] = []
        last: WriteJob | None = None
        try:
            while last is None:
                batch, last = self._gather()
                with self._at_work:
                    self._serve(batch)
            with self._at_work:
                self._file.close()
        except BaseException as error:  # nobody may wait for a thread that is gone
            self._give_up([*batch, *([last] if last else [])], error)
            return
        self._refuse(self._waiters.waiting(), StoreUnavailable(f"{self._path}: the store was closed"))
        self._answer(last, None, None)
        self._send()

    def _give_up(self, batch: list[WriteJob], error: BaseException) -> None:
        """Refuse what waits and what comes: a mistake of ours has ended the thread."""
        _log.critical("%s: the store's thread has failed: start the bot anew", self._path, exc_info=error)
        refusal = StoreUnavailable(f"{self._path}: the store's thread has failed: {error!r}")
        self._answers.clear()
        self._end()
        with suppress(Empty):
            while True:
                batch.append(self._queue.get_nowait())
        for job in batch:
            self._answer(job, None, None if job.work is None else refusal)
        self._refuse({*self._waiters.waiting(), *(job.waiter for job in batch if job.waiter)}, refusal)
        self._send()

    def _gather(self) -> tuple[list[WriteJob], WriteJob | None]:
        """Return the jobs that wait, and the one that ends the thread; none when leases are to be seen to."""
        batch: list[WriteJob] = []
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
        """Return the seconds until leases have to be looked after, `None` if there are none."""
        if not self._waiters:
            return None
        beat, poll = self._beat_at - time.monotonic(), self._waiters.poll
        return max(0.0, beat if poll is None else min(beat, poll))

    def _serve(self, batch: list[WriteJob]) -> None:
        """Do a batch in one transaction, all or nothing, and answer."""
        now = time.monotonic()
        beat = bool(self._waiters) and now >= self._beat_at
        if beat or not self._waiters:
            self._beat_at = now + self._third
        look = self._waiters.poll is not None
        level = max((job.level for job in batch), default=READ)
        try:
            with self._file.transaction(max(level, LEASE) if beat or look else level) as session:
                if beat:
                    self._waiters.beat(session.db, session.now)
                if look:
                    self._waiters.look(session.db, session.now)
                for job in batch:
                    self._do(session, job)
        except Exception as error:  # a mistake of ours too must not end the thread: all would wait for ever
            self._fail(batch, error)
        self._granted.clear()
        self._send()

    def _do(self, session: Transaction, job: WriteJob) -> None:
        try:
            value = job.work(session) if job.work else None
        except LeaseLost as error:  # said before anything was written: a lease at most has been freed
            self._answer(job, None, error)
        else:
            self._answer(job, value, None)

    def _fail(self, batch: list[WriteJob], error: Exception) -> None:
        """Tell everybody that nothing was written; a file that failed is opened anew the next time."""
        if not isinstance(error, sqlite3.Error | StoreError | OSError):
            _log.error("%s: nothing was written", self._path, exc_info=error)
        self._answers.clear()
        if isinstance(error, sqlite3.Error) and not is_busy(error):
            self._file.drop()
        for job in batch:
            self._answer(job, None, explain(error, self._path))
        turns = {*self._granted, *self._waiters.blocked(), *(job.waiter for job in batch if job.waiter)}
        self._refuse(turns, error)

    def _refuse(self, turns: Iterable[Waiter], error: Exception) -> None:
        for waiter in turns:
            self._waiters.revoke(waiter)
            self._note(waiter.loop, (waiter.granted, None, explain(error, self._path)))

    def _grant(self, waiter: Waiter, found: FoundRow) -> None:
        self._granted.append(waiter)
        self._note(waiter.loop, (waiter.granted, found, None))

    def _answer(self, job: WriteJob, value: Any, error: BaseException | None) -> None:
        if job.loop is not None and job.future is not None:
            self._note(job.loop, (job.future, value, error))

    def _note(self, loop: asyncio.AbstractEventLoop, answer: _Answer) -> None:
        self._answers.setdefault(loop, []).append(answer)

    def _send(self) -> None:
        """Answer all, each loop with one call."""
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
