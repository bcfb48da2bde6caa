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
    """

    def __init__(self, root: Path, spare: Path) -> None:
        self.root = root
        self._spare = spare
        shutil.copytree(root, spare, dirs_exist_ok=True)
        self._stamps = _stamps(root)

    def restore(self) -> None:
        """Put back what was changed or removed, and remove what was made."""
        now = _stamps(self.root)
        for name in now.keys() - self._stamps.keys():
            (self.root / name).unlink(missing_ok=True)
        for name, stamp in self._stamps.items():
            if now.get(name) != stamp:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._spare / name, self.root / name)


def _stamps(root: Path) -> dict[str, Stamp]:
    """Return size and time of all files below a directory, by their path from there."""
    found: dict[str, Stamp] = {}
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            path = os.path.join(directory, name)
            stat = os.stat(path)
            found[os.path.relpath(path, root)] = (stat.st_size, stat.st_mtime_ns)
    return found
