"""The open file of a `SQLiteStore`, and the transactions on it; used by the writer's thread only.

What is done in a transaction is in `fsmkit.stores.sqlite_rows` and `fsmkit.stores.sqlite_turns`.
"""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from fsmkit.clock import Clock
from fsmkit.errors import StoreError
from fsmkit.stores.sqlite_rows import Rows
from fsmkit.stores.sqlite_schema import BUSY_SECONDS, FileLock, open_file
from fsmkit.stores.sqlite_turns import Turns

_log = logging.getLogger("fsmkit")

READ, LEASE, COMMIT = range(3)
"""What a job does to the file: nothing; what may be lost at a power cut; what has to be there after it."""


class Session:
    """What a job works with, inside one transaction.

    Attributes:
        db: The connection.
        rows: The tables.
        turns: The lines.
        now: The time of the transaction, by the store's own clock.
        scrub: Set by a job whose old data must leave the log of the file too.
    """

    __slots__ = ("db", "now", "rows", "scrub", "turns")

    def __init__(self, db: sqlite3.Connection, turns: Turns, owner: str) -> None:
        self.db = db
        self.rows = Rows(db, owner)
        self.turns = turns
        self.now = 0.0
        self.scrub = False


class File:
    """Opens the file when it is first needed, and anew after it has failed.

    Args:
        path: The file.
        synchronous: Whether commits wait for the disk.
        clock: For leases and claims.
        turns: The lines.
        owner: What this process's leases and claims are known by.
    """

    def __init__(
        self, path: str, synchronous: Literal["FULL", "NORMAL"], clock: Clock, turns: Turns, owner: str
    ) -> None:
        self.path = path
        self._clock = clock
        self._turns = turns
        self._owner = owner
        self._modes = ("NORMAL", "NORMAL", synchronous)
        self._mode = ""
        self._lock: FileLock | None = None
        self._session: Session | None = None

    @contextmanager
    def transaction(self, level: int) -> Generator[Session]:
        """All that is done within is written, or nothing of it; durable when the block ends."""
        session = self._open()
        if level == READ:
            session.now = self._clock.now()
            yield session
            return
        db, mode = session.db, self._modes[level]
        if mode != self._mode:
            db.execute(f"PRAGMA synchronous={mode}")
            self._mode = mode
        with self._locked():
            db.execute("BEGIN IMMEDIATE")
            try:
                session.now = self._clock.now()
                yield session
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # after some errors SQLite has ended it already
                    db.execute("ROLLBACK")
                raise
            if session.scrub:
                session.scrub = False
                _checkpoint(db)

    def drop(self) -> None:
        """Closes the file, after a failure too; the next transaction opens it anew."""
        session, self._session = self._session, None
        if session is not None:
            try:
                with self._locked():
                    session.db.close()
            except StoreError:  # somebody keeps it locked: SQLite then leaves the log to that one
                session.db.close()

    def close(self) -> None:
        """Leaves one file without a log, and no lease of this process."""
        try:
            if self._session is not None:
                with self._locked():
                    if self._turns:
                        self._session.db.execute("DELETE FROM lease WHERE owner = ?", (self._owner,))
                    _checkpoint(self._session.db)
        except (sqlite3.Error, StoreError) as error:
            _log.warning("%s: nothing is lost, but its log could not be merged: %s", self.path, error)
        self.drop()
        if self._lock is not None:
            self._lock.close()

    def _open(self) -> Session:
        if self._session is None:
            with self._locked():
                self._session = Session(open_file(self.path), self._turns, self._owner)
            self._mode = ""
        return self._session

    def _locked(self) -> FileLock:
        if self._lock is None:
            self._lock = FileLock(self.path)
        return self._lock


def _checkpoint(db: sqlite3.Connection) -> None:
    """Merges the log into the file and empties it; a reader in another process may keep it from that."""
    db.execute("PRAGMA busy_timeout=500")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    db.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}")
