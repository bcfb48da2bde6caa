"""Which of the processes that use a SQLite file are alive: each keeps a lock of the operating system.

The lock is on a file of the process's own, in the directory `NAME-owners` beside the database, and goes with
the process however it ends. A file that is there and can be locked belongs to a dead process: what it held in
the database is free at once, instead of when its time has run out.

The locks are POSIX record locks (`lockf`), which belong to the process: a forked child does not have those of
its parent. Locks by `flock` belong to the open file: a killed parent would seem alive for as long as a child
lives. The price is that a process loses such a lock with *any* descriptor of the file that it closes, so the
files of this process are never opened a second time, and never tested.
"""

import logging
import os
import time
import uuid
from contextlib import suppress
from typing import Any

fcntl: Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOOK_SECONDS = 1.0
"""Seconds between two looks for processes that have died."""

_log = logging.getLogger("fsmkit")

_ours: dict[str, int] = {}
"""The owners of this process, with the descriptors of their files."""


class Owners:
    """One user of a SQLite file, and those beside it.

    Args:
        path: The file of the database.

    Attributes:
        name: What its leases and claims are known by.
        deaths: How many others it has found dead.
    """

    def __init__(self, path: str) -> None:
        self.name = uuid.uuid4().hex[:16]
        self.deaths = 0
        self._path = path
        self._directory = f"{path}-owners"
        self._look_at = 0.0

    def register(self) -> None:
        """Make the file of this owner and lock it; called under the lock of the database, once is enough.

        Where that is not to be had, leases and claims end with their time, as the log says once.
        """
        if self.name in _ours:
            return
        made = f"{self._path_of(self.name)}.new"
        _ours[self.name] = file = -1  # before the file is there: nobody in this process may test it
        try:
            if fcntl is None:
                raise OSError("this system has no such locks")
            os.makedirs(self._directory, exist_ok=True)
            for left in self._names(".new"):  # registering has the database's lock: who made them is dead
                os.unlink(self._path_of(left))
            file = os.open(made, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(made, self._path_of(self.name))  # under its name it is never seen unlocked
        except OSError as error:
            _log.warning(
                "%s: who is dead cannot be told here (%s); what a killed process held is free when its time "
                "has run out",
                self._path,
                error,
            )
            if file >= 0:
                os.close(file)
        else:
            _ours[self.name] = file

    def find_dead(self) -> list[str]:
        """Return who has died and left a file, looking once a second at most."""
        now, file = time.monotonic(), _ours.get(self.name, -1)
        if file < 0 or now < self._look_at:
            return []
        self._look_at = now + LOOK_SECONDS
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever copied the file here has taken it off
        except OSError:
            return []
        dead = [name for name in self._names() if self.is_dead(name)]
        self.deaths += len(dead)
        return dead

    @property
    def is_locked(self) -> bool:
        """Whether others can tell whether this one lives."""
        return _ours.get(self.name, -1) >= 0

    def is_gone(self, name: str) -> bool:
        """Return whether an owner whose file was locked is dead; its file may be gone too."""
        return self.is_locked and name not in _ours and (name not in self._names() or self.is_dead(name))

    def is_dead(self, name: str) -> bool:
        """Return whether the process of an owner is dead; `False` if that is not known."""
        if fcntl is None or name in _ours:
            return False
        try:
            file = os.open(self._path_of(name), os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(file)

    def known(self) -> set[str]:
        """Return the owners that can be told alive or dead."""
        return {*_ours, *self._names()}

    def remove(self, names: list[str]) -> None:
        """Remove files of the dead, once nothing in the database is theirs."""
        for name in names:
            with suppress(OSError):  # another process was faster, or it is not ours to remove
                os.unlink(self._path_of(name))

    def leave(self, *, clean: bool) -> None:
        """Unlock the file of this owner, and remove it if nothing in the database is its any more."""
        file = _ours.get(self.name, -1)
        if file >= 0:
            if clean:
                self.remove([self.name])
            os.close(file)
            with suppress(OSError):  # others are there
                os.rmdir(self._directory)
        _ours.pop(self.name, None)

    def _names(self, suffix: str = "") -> list[str]:
        try:
            found = os.listdir(self._directory)
        except OSError:
            return []
        return [name for name in found if name.endswith(".new") == bool(suffix)]

    def _path_of(self, name: str) -> str:
        return os.path.join(self._directory, os.path.basename(name))


def drop_inherited() -> None:
    """Close the files of the parent's owners, in a child that was forked: its locks are not the child's."""
    for file in _ours.values():
        if file >= 0:
            os.close(file)
    _ours.clear()
