"""The file of `SQLiteStore`: its tables, opening and upgrading it, and saying what is wrong with it.

What is done with the rows is in `fsmkit.stores.sqlite.tables`.
"""

import os
import sqlite3
import time
from contextlib import suppress
from itertools import count
from typing import Any

from fsmkit.clock import backoff
from fsmkit.errors import StoreCorrupt, StoreError, StoreUnavailable

fcntl: Any


try:
    import fcntl
except ImportError:  # Windows: SQLite's own locks have to do
    fcntl = None

APPLICATION_ID = 0x46534D4B
"""`FSMK`, at a fixed place of the file's head: tells our files from those of other programs."""


BUSY_SECONDS = 10.0
"""How long a writer waits for another process (or a person with a database tool) to finish writing."""

LOG_BYTES = 4 << 20
"""How large the log may stay: what SQLite writes between two checkpoints, 1,000 pages of 4 KiB."""

UPGRADES: tuple[tuple[str, ...], ...] = (
    (
        # `row` stands last: what is read without it costs no overflow pages.
        """CREATE TABLE record (
            id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
            chat TEXT NOT NULL, user TEXT NOT NULL, bot TEXT NOT NULL,
            version INTEGER NOT NULL, wake REAL, conversations INTEGER NOT NULL,
            claim REAL, claimer TEXT, receipts BLOB, row BLOB)""",
        "CREATE INDEX record_wake ON record (bot, wake) WHERE wake IS NOT NULL",
        "CREATE INDEX record_claim ON record (bot, claim) WHERE claim IS NOT NULL",
        "CREATE INDEX record_chat ON record (chat)",
        "CREATE INDEX record_user ON record (user)",
        """CREATE TABLE conversation (
            record INTEGER NOT NULL, place INTEGER NOT NULL,
            flow TEXT NOT NULL, state TEXT, deadline REAL,
            PRIMARY KEY (record, place)) WITHOUT ROWID""",
        "CREATE INDEX conversation_state ON conversation (flow, state)",
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY, record INTEGER NOT NULL, entry BLOB NOT NULL)",
        "CREATE INDEX outbox_record ON outbox (record)",
        """CREATE TABLE lease (
            key TEXT PRIMARY KEY, owner TEXT NOT NULL, ticket INTEGER NOT NULL,
            expires REAL NOT NULL) WITHOUT ROWID""",
    ),
    (
        # Numbers are never used twice: who reads the inbox has read up to one of them.
        """CREATE TABLE inbox (
            number INTEGER PRIMARY KEY AUTOINCREMENT, bot TEXT NOT NULL, id INTEGER NOT NULL,
            line INTEGER NOT NULL, chat INTEGER NOT NULL, user INTEGER NOT NULL,
            received REAL NOT NULL, struck REAL, body BLOB, UNIQUE (bot, id))""",
        "CREATE INDEX inbox_waiting ON inbox (bot, number) WHERE body IS NOT NULL",
        "CREATE INDEX inbox_line ON inbox (bot, line, number) WHERE body IS NOT NULL",
        "CREATE INDEX inbox_struck ON inbox (struck) WHERE struck IS NOT NULL",
        """CREATE TABLE dead_letter (
            bot TEXT NOT NULL, name TEXT NOT NULL, update_id INTEGER, chat INTEGER NOT NULL,
            user INTEGER NOT NULL, reason TEXT NOT NULL, since REAL NOT NULL, body BLOB NOT NULL,
            PRIMARY KEY (bot, name))""",
    ),
    (
        # How long leases and claims were given for: a clock that is set back must not make it more.
        "ALTER TABLE lease ADD COLUMN term REAL",
        "ALTER TABLE record ADD COLUMN term REAL",
        "ALTER TABLE inbox ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0",
    ),
)
"""The statements that lead from each version of the schema to the next; a version is never changed."""

_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, nothing that was stored is lost",
    sqlite3.SQLITE_READONLY: "the file or its directory is read-only; let this process write both",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; is its directory there, and may this process write in it?",
    sqlite3.SQLITE_BUSY: f"another program kept it locked for {BUSY_SECONDS:.0f} seconds; close that program",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked; close that program",
    sqlite3.SQLITE_IOERR: "the disk refuses to read or write; look at the system's log",
    sqlite3.SQLITE_PERM: "the system does not permit it; give this process the right to write the file",
}


_BROKEN = "it is damaged; it was left as it is: restore a backup, or save what `sqlite3 FILE .recover` reads"


_NO_WAL = "its file system has no shared memory, which SQLite's log needs: keep it on a local disk"


_FOREIGN = "it is not a file of fsmkit; it was left as it is: give SQLiteStore another path"


class FileLock:
    """An exclusive lock between processes, on a file beside the database.

    It queues writers better than SQLite's own retries do, and keeps two processes from writing and
    checkpointing at the same instant (a WAL reset then can damage the file, SQLite 3.7.0 to 3.51.2).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = os.open(f"{path}-lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666) if fcntl else -1

    def __enter__(self) -> None:
        if self._file < 0:
            return
        # Not a lock that waits for ever: a process that was stopped inside a transaction would stop this one.
        until = time.monotonic() + BUSY_SECONDS
        for tries in count(1):
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > until:
                    raise _busy(self._path) from None
            time.sleep(backoff(tries, 0.0001, factor=1.5, most=0.005))

    def __exit__(self, *_exc: object) -> None:
        if self._file >= 0:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the side file; it stays, for others may hold it open."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def connect(path: str) -> sqlite3.Connection:
    """Make a connection as the writer needs it; nothing of the file has been read yet."""
    # Before a fork another thread than the writer's closes it, while the writer stands still.
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def open_file(path: str) -> sqlite3.Connection:
    """Open the file, make it if there is none, and bring its schema up to date; called under the lock.

    Raises:
        StoreError: The file cannot be used; it is left as it was.
        sqlite3.Error: Likewise; see `explain`.
    """
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return _open_once(path)
        except sqlite3.OperationalError as error:
            # Where there is no side lock: SQLite does not wait when the mode of the log is set.
            if not is_busy(error) or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _make_private(path: str) -> None:
    """Make the file of a new database for its owner only: it holds what people have said.

    One that is there keeps its mode. SQLite gives the files beside it the mode of this one.
    """
    with suppress(OSError):  # it is there; or SQLite says why it cannot be made
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _open_once(path: str) -> sqlite3.Connection:
    _make_private(path)
    db = connect(path)
    try:
        version = _version(db, path)
        mode = db.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":
            raise StoreUnavailable(f"{path}: {_NO_WAL}")
        # macOS: a plain fsync leaves the data in the disk's own cache. Elsewhere it does nothing.
        db.execute("PRAGMA fullfsync=ON")
        # A reader that stays open for long makes the log long; once it has gone, the next commits cut it.
        db.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        # What was deleted is overwritten: a person who is forgotten leaves nothing in unused pages.
        db.execute("PRAGMA secure_delete=ON")
        if version < len(UPGRADES):
            _upgrade(db, path)
        return db
    except BaseException:
        db.close()
        raise


def explain(error: BaseException, path: str) -> StoreError:
    """Make the error for a person: which file, what is wrong with it, what to do."""
    if isinstance(error, StoreError):
        return type(error)(*error.args)  # one for each who waits: a traceback belongs to one of them
    if isinstance(error, OSError):
        return StoreUnavailable(f"{path}: {error.strerror}; is its directory there, and writable?")
    code = _code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return StoreCorrupt(f"{path}: {_FOREIGN}")
    if code == sqlite3.SQLITE_CORRUPT:
        return StoreCorrupt(f"{path}: {_BROKEN} ({error})")
    if code in _REMEDIES:
        return StoreUnavailable(f"{path}: {_REMEDIES[code]} ({error})")
    return StoreUnavailable(f"{path}: {type(error).__name__}: {error}")


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether somebody else only was in the way."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _code(error: BaseException) -> int:
    """Return what SQLite calls the error, without the extended part."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def _version(db: sqlite3.Connection, path: str) -> int:
    """Return the schema's version, 0 for a new file; raise StoreCorrupt for a file that is not for us."""
    application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    if application == 0 and version == 0:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return 0
        # Where there is no side lock, another process may have made the tables in between.
        application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    if application != APPLICATION_ID:
        raise StoreCorrupt(f"{path}: {_FOREIGN}")
    if version > len(UPGRADES):
        raise StoreCorrupt(
            f"{path}: it was written by a newer fsmkit (schema {version}, this one knows {len(UPGRADES)}); "
            f"it was left as it is: upgrade fsmkit"
        )
    return version


def _upgrade(db: sqlite3.Connection, path: str) -> None:
    """Run the steps that are missing, all of them or none."""
    db.execute("BEGIN IMMEDIATE")
    # Read again: where there is no side lock, another process may have been faster.
    for statements in UPGRADES[_version(db, path) :]:
        for statement in statements:
            db.execute(statement)
    db.execute(f"PRAGMA application_id={APPLICATION_ID}")
    db.execute(f"PRAGMA user_version={len(UPGRADES)}")
    db.execute("COMMIT")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    found: int = db.execute(f"PRAGMA {name}").fetchone()[0]
    return found


def _busy(path: str) -> StoreUnavailable:
    return StoreUnavailable(f"{path}: {_REMEDIES[sqlite3.SQLITE_BUSY]}")
