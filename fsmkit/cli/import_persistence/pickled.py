"""Run as a program of its own, without the bot's code: `python -I pickled.py FILE`, JSON on stdout.

A pickle is a program. This one runs with nothing to call: every class and function that it names, but for a
few containers, becomes a stand-in that remembers its name and does nothing. No module is imported for it.
Only the standard library is used here, as the program is started isolated from what is installed.
"""

import json
import os
import pickle
import sys
from collections import OrderedDict, defaultdict
from typing import Any

MEMORY = 4 * 2**30
"""Bytes that the program may take."""


SECONDS = 300
"""Seconds of computing time that it may take."""

GROWTH, ANYWAY = 64, 2**20
"""Characters that are printed at most for each byte of the file, and beside those. A few bytes can name one
value many times over, which holds others many times over, and so on."""

PARTS = ("conversations", "user_data", "chat_data")
"""What is wanted of a file that holds all."""

_CONTAINERS: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda _factory=None, *items: defaultdict(None, *items),
}


_SIMPLE = (bool, int, float, str, tuple)


class StandIn:
    """An object of a class that was not loaded, or a class or function itself (`args` is `None`)."""

    def __init__(self, name: tuple[str, str], args: tuple[Any, ...] | None = None) -> None:
        self.name = name
        self.args = args

    def __call__(self, *args: Any, **_keywords: Any) -> "StandIn":
        if self.name == ("builtins", "getattr") and len(args) == 2 and isinstance(args[0], _Meta):
            return StandIn(args[0].name, ("name", args[1]))  # an enum member, as some Pythons write them
        return StandIn(self.name, ("value", *args))

    def __setstate__(self, _state: Any) -> None:
        """Nothing of it is kept."""

    def append(self, _item: Any) -> None:
        """Of a subclass of list."""

    def extend(self, _items: Any) -> None:
        """Of a subclass of list."""

    def add(self, _item: Any) -> None:
        """Of a subclass of set."""

    def __setitem__(self, _key: Any, _value: Any) -> None:
        """Of a subclass of dict."""


class SafeUnpickler(pickle.Unpickler):
    """An unpickler to which nothing can be called.

    Attributes:
        strange: Names of what was not loaded.
    """

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.strange: dict[str, None] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        """Return a container, or a stand-in; never what the file asks for."""
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        self.strange[f"{module}.{name}"] = None
        # A class, as `NEWOBJ` asks for one; each name has its own.
        return type("Named", (_Named,), {"name": (module, name)})

    def persistent_load(self, _pid: Any, /) -> Any:
        """Return the bot, which PTB leaves out."""
        return StandIn(("telegram", "Bot"), ())


class _Meta(type):
    name: tuple[str, str]

    def __call__(cls, *args: Any, **keywords: Any) -> StandIn:
        return StandIn(cls.name)(*args, **keywords)


class _Named(metaclass=_Meta):
    name = ("", "")

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        return StandIn(cls.name)(*args, **keywords)


class TooMuch(Exception):
    """What a file holds, written out, is much longer than the file."""


class Plain:
    """Makes JSON of values, each as `[kind, ...]`, so that each kind of key and state is told apart.

    Args:
        room: How many characters all of it may have, more or less.
    """

    def __init__(self, room: int) -> None:
        self._room = room

    def of(self, value: Any) -> Any:
        """Return a value in JSON.

        Raises:
            TooMuch: If there is no room for it.
        """
        self._room -= 4 + (len(value) if isinstance(value, str) else 0)
        if self._room < 0:
            raise TooMuch
        if value is None or isinstance(value, bool | int | float | str):
            return [type(value).__name__, value]
        if isinstance(value, tuple | list | set | frozenset):
            return [type(value).__name__, [self.of(item) for item in value]]
        if isinstance(value, dict):
            return ["dict", [[self.of(key), self.of(item)] for key, item in value.items()]]
        if isinstance(value, StandIn) or (isinstance(value, type) and issubclass(value, _Named)):
            args: tuple[Any, ...] = getattr(value, "args", None) or ()
            simple = len(args) == 2 and (args[1] is None or isinstance(args[1], _SIMPLE))
            by, given = args if simple else (None, None)
            return ["named", list(value.name), by, self.of(given)]
        return ["unknown", type(value).__name__]


def read(path: str) -> dict[str, Any]:
    """Return what a file holds, in JSON, with the names of what was not loaded."""
    with open(path, "rb") as file:
        reader = SafeUnpickler(file)
        try:
            held = reader.load()
        except (MemoryError, RecursionError):
            return {"error": "it is too large or too deep", "strange": list(reader.strange)}
        except Exception as error:  # a broken pickle raises whatever it likes
            return {"error": f"{type(error).__name__}: {error}", "strange": list(reader.strange)}
    if isinstance(held, dict) and "conversations" in held:  # one file for all; the rest of it may be large
        held = {name: held[name] for name in PARTS if name in held}
    try:
        room = GROWTH * os.path.getsize(path) + ANYWAY
        return {"held": Plain(room).of(held), "strange": list(reader.strange)}
    except RecursionError:
        return {"error": "it holds itself", "strange": list(reader.strange)}
    except (TooMuch, MemoryError):
        return {"error": "its content is far larger than the file", "strange": list(reader.strange)}


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def main() -> None:
    """Read the file named on the command line."""
    _limit()
    json.dump(read(sys.argv[1]), sys.stdout)


if __name__ == "__main__":
    main()
