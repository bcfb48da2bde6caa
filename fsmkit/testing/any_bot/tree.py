"""The copy of a bot's directory, put back before each conversation as it was at first."""

import os
import shutil
from pathlib import Path
from typing import TypeAlias

Stamp: TypeAlias = tuple[int, int]


class Tree:
    """A directory in which a program runs, and what it was at first.

    Args:
        root: The directory.
        spare: An empty directory beside it, for a second copy.
        temporary: The directory of temporary files, if it is the program's alone.
    """

    def __init__(self, root: Path, spare: Path, temporary: Path | None = None) -> None:
        self.root = root
        self._temporary = temporary
        self._spare = spare
        shutil.copytree(root, spare, dirs_exist_ok=True)
        self._stamps = _stamps(root)
        self._directories = _directories(root)

    def restore(self) -> None:
        """Put back what was changed or removed, and remove what was made; temporary files too."""
        for name in sorted(_directories(self.root) - self._directories, reverse=True):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for name in self._directories:
            (self.root / name).mkdir(parents=True, exist_ok=True)
        for path in self._temporary.iterdir() if self._temporary is not None else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        now = _stamps(self.root)
        for name in now.keys() - self._stamps.keys():
            (self.root / name).unlink(missing_ok=True)
        for name, stamp in self._stamps.items():
            if now.get(name) != stamp:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._spare / name, self.root / name)


def _directories(root: Path) -> set[str]:
    """Return the directories below a directory, by their path from there."""
    return {
        os.path.relpath(os.path.join(directory, name), root)
        for directory, names, _ in os.walk(root)
        for name in names
        if name != "__pycache__" and not os.path.islink(os.path.join(directory, name))
    }


def _stamps(root: Path) -> dict[str, Stamp]:
    """Return size and time of all files below a directory, by their path from there."""
    found: dict[str, Stamp] = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            path = os.path.join(directory, name)
            stat = os.lstat(path)
            found[os.path.relpath(path, root)] = (stat.st_size, stat.st_mtime_ns)
    return found
