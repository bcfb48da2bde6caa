"""Faces of packages whose names are imported when they are first used: a bot pays for what it uses.

A face is the `__init__` of a package: public names, and no code. What its `import_on_demand` names stands
under `TYPE_CHECKING` too, where type checkers read it, and in `__all__`.
"""

import importlib
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any


class LazyFace(ModuleType):
    """A package that imports its names on demand."""

    _homes: dict[str, str]

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if type(found) is ModuleType and name in self._homes:  # `attach` is a function, and its module's name
            return self.__getattr__(name)
        return found

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(self._homes[name]), name)
        setattr(self, name, found)
        return found


def import_on_demand(face: str, homes: Mapping[str, str]) -> None:
    """Let a package import names when they are first used.

    Args:
        face: Name of the package.
        homes: By name of a module: the names that it has, apart from each other by spaces.
    """
    module = sys.modules[face]
    vars(module)["_homes"] = {name: home for home, names in homes.items() for name in names.split()}
    module.__class__ = LazyFace
