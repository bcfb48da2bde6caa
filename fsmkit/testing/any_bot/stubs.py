"""Modules that a bot imports and that are not to run: a stub takes their place and whatever it is given."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Generator, Iterable, MutableSequence, Sequence
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock


class Stub(MagicMock):
    """Something of a module that is not there: it can be called, awaited, entered, and has all attributes."""

    def __await__(self) -> Generator[Any, Any, "Stub"]:
        yield from ()
        return self


def _takes_anything(error: Exception, *given: Any, **_options: Any) -> None:
    """Make an exception, or what only is called like one: `ClientTimeout(total=5)`."""
    Exception.__init__(error, *given)


class _StubModule(ModuleType):
    __path__: MutableSequence[str] = []  # noqa: RUF012  # what makes a module a package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made: Any = (
            type(name, (Exception,), {"__init__": _takes_anything})
            if name.endswith(("Error", "Exception", "Timeout"))
            else Stub(name=name)
        )
        setattr(self, name, made)
        return made


class StubFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stubs in the place of modules, and of those below them.

    Args:
        names: The modules' names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the way to a stub, `None` for other modules."""
        del path, target
        if any(fullname == name or fullname.startswith(f"{name}.") for name in self._names):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        """Return the stub."""
        return _StubModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: there is nothing to run."""


def put_stubs(names: Sequence[str]) -> None:
    """Put stubs in the place of modules, for the rest of this process."""
    for name in list(sys.modules):
        if any(name == each or name.startswith(f"{each}.") for each in names):
            del sys.modules[name]
    sys.meta_path.insert(0, StubFinder(names))
