"""Data, events and rows as JSON, and back.

Nothing is written that does not come back as it was: each value is read again at once and compared. Where
the two differ is found in `differences`; how bytes are kept is the stores' business.
"""

import functools
import re
import sys
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import Raw
from msgspec.inspect import AnyType, DictType

from fsmkit.datatypes import needs_nothing, reader
from fsmkit.differences import NOTHING, difference
from fsmkit.errors import DefinitionError, StoreCorrupt, UnstorableData
from fsmkit.model import NO_DATA, Row
from fsmkit.sameness import same

FILE_PREFIX = "fsmkit_file_"
"""Before the names of modules that the command loads from a file; no part of what is stored."""

D = TypeVar("D")

_json_encode = msgspec.json.Encoder().encode
_json_decode = msgspec.json.Decoder().decode
_row_decode = msgspec.json.Decoder(Row).decode


class Unfit(ValueError):  # says what is so, as UnstorableData does
    """Stored JSON does not fit the type that is declared now.

    Attributes:
        problem: What does not fit, with msgspec's path to it.
    """

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(problem)


class DataCodec(Generic[D]):
    """How the data of one flow becomes JSON and comes back.

    Args:
        flow: Name of the flow.
        data: The declared type.
        place: `file:line` of the flow's declaration.

    Raises:
        DefinitionError: msgspec cannot read the type, or could never read it back equal.

    Example:
        >>> codec = DataCodec("signup", dict, None)
        >>> codec.decode(codec.encode({"age": 42}))
        {'age': 42}
    """

    def __init__(self, flow: str, data: type[D], place: str | None) -> None:
        self._path = f"{flow}.data"
        self._data = data
        self._typed = Typed(self._path, data, place)
        self._bare = needs_nothing(data)

    def initial(self) -> D | None:
        """The data of a conversation that has none yet, made anew; `None` if the class needs arguments."""
        return self._data() if self._bare else None

    def encode(self, data: D | None) -> Raw:
        """The data as JSON.

        Raises:
            UnstorableData: It would not come back as it is.
        """
        if data is None and not self._bare:
            return NO_DATA
        return self._typed.encode(data)

    def decode(self, raw: Raw) -> D | None:
        """The data that was stored, a new object each time.

        Raises:
            Unfit: It is not of the declared type.
        """
        if not self._bare and bytes(raw) == b"null":
            return None
        data: D = self._typed.decode(raw)
        return data

    def plain(self, raw: Raw) -> Any:
        """The stored data as dicts, lists, texts and numbers, whatever type is declared now."""
        return _json_decode(raw)

    def from_plain(self, plain: Any) -> Raw:
        """The data as JSON, from what a migration made.

        Raises:
            Unfit: It is not of the declared type, or cannot be stored.
        """
        try:
            if plain is None or self._typed.untyped:
                return self.encode(plain)
            return self.encode(self._typed.decode(_json_encode(plain)))
        except (UnstorableData, TypeError, ValueError, RecursionError) as error:
            raise Unfit(str(error)) from error


class EventCodec:
    """How events sent by `ctx.send` and by jobs are stored.

    Args:
        classes: The classes named in some handler's `on=`; those that msgspec cannot read may be among them.

    Raises:
        DefinitionError: Two different classes have the same module and name.
    """

    def __init__(self, classes: Iterable[type]) -> None:
        self._classes = by_name(classes, "events")

    def encode(self, event: object) -> tuple[str, Raw]:
        """The registered name of the event's class, and the event as JSON.

        Raises:
            UnstorableData: No handler takes such events, or the event would not come back as it is.
        """
        kind = type(event)
        name = class_name(kind)
        if self._classes.get(name) is not kind:
            shown = kind.__qualname__
            raise UnstorableData(
                shown, f"no handler of the attached flows takes {shown}: name the class in some on="
            )
        try:
            return name, typed(cast(Any, kind)).encode(event)
        except DefinitionError as error:
            raise UnstorableData(kind.__qualname__, f"{error.problem}. {error.remedy}") from error

    def decode(self, name: str, raw: Raw) -> object:
        """The event that was stored, also if its class stands in another module here.

        Raises:
            Unfit: The class is not known (any more), or its fields have changed.
        """
        kind = self._classes.get(name)
        if kind is None:
            found = self._called(name)
            if len(found) != 1:
                raise Unfit(f"no handler of the attached flows takes {name}")
            kind = self._classes[found[0]]
        try:
            event: object = typed(cast(Any, kind)).decode(raw)
        except DefinitionError as error:
            raise Unfit(error.problem) from error
        return event

    def full_name(self, name: str) -> str:
        """The registered name of a class: itself, or found by the class's own name, without its module's.

        Raises:
            Unfit: No class is called so, or several are.
        """
        if name in self._classes:
            return name
        found = self._called(name)
        if len(found) != 1:
            known = ", ".join(kind.__name__ for kind in self._classes.values())
            raise Unfit(
                f"{name!r} may be {' or '.join(found)}"
                if found
                else f"there is no event {name!r}; the handlers know "
                f"{known or 'none: no handler names a class of yours in on='}"
            )
        return found[0]

    def _called(self, name: str) -> list[str]:
        """The classes whose own name is the last part of a name: another program has it elsewhere."""
        short = name.rpartition(".")[2]
        return [full for full, kind in self._classes.items() if kind.__name__ == short]


def encode_row(row: Row) -> bytes:
    """All that is stored for one key, as bytes."""
    return _json_encode(row)


def decode_row(blob: bytes) -> Row:
    """The row that a store holds.

    Raises:
        StoreCorrupt: The bytes are no row.
    """
    try:
        return _row_decode(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreCorrupt(f"a stored row cannot be read: {error}") from error


class Typed:
    """Writes and reads values of one type, and reads again what it wrote."""

    def __init__(self, path: str, kind: Any, place: str | None) -> None:
        self._path = path
        self._node, self._read = reader(path, kind, place)
        self.untyped = isinstance(self._node, AnyType) or (
            isinstance(self._node, DictType) and isinstance(self._node.value_type, AnyType)
        )

    def encode(self, value: Any) -> Raw:
        cause: Exception | None = None
        back: Any = NOTHING
        try:
            blob = _json_encode(value)
            back = self._read(blob)
            if value == back and same(value, back):
                return Raw(blob)
        except Exception as error:  # whatever `==` or a hook of the user's class raises: nothing is written
            cause = error
        problem = (
            str(cause) if isinstance(cause, msgspec.MsgspecError) else f"{type(cause).__name__}: {cause}"
        )
        found = difference(self._path, value, back, self._node) or (
            self._path,
            problem if cause else "it is not equal to what comes back, by its own __eq__",
        )
        raise UnstorableData(*found) from cause

    def decode(self, raw: Raw | bytes) -> Any:
        try:
            return self._read(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Unfit(str(error)) from error


@functools.lru_cache(maxsize=256)  # built when first used: most classes in `on=` are never sent
def typed(kind: Any) -> Typed:
    """What writes and reads objects of a class; raises DefinitionError if msgspec cannot read it."""
    return Typed(kind.__qualname__, kind, None)


def class_name(kind: type) -> str:
    """The name by which objects of a class are stored, the same however its file was started."""
    return f"{_module_name(kind.__module__)}.{kind.__qualname__}"


@functools.lru_cache(maxsize=256)  # asked for each object that is stored
def _module_name(name: str) -> str:
    """The name by which others would import a module: `bot` for `python bot.py` and `fsmkit run bot.py`."""
    if name == "__main__":
        main = sys.modules.get(name)
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        return spec.name if spec else name_in_file(file) if file else name
    return name.removeprefix(FILE_PREFIX)


def name_in_file(path: str) -> str:
    """A file's name as that of a module.

    Example:
        >>> name_in_file("bots/sign-up.py")
        'sign_up'
    """
    return re.sub(r"[^A-Za-z0-9]", "_", PurePath(path).stem)


def by_name(classes: Iterable[type], what: str) -> dict[str, type]:
    """Classes by the name that is stored; raises DefinitionError if two share one."""
    found: dict[str, type] = {}
    for kind in classes:
        name = class_name(kind)
        if found.setdefault(name, kind) is not kind:
            raise DefinitionError(
                f"two classes of {what} are both called {name}", place=None, remedy="Rename one of them"
            )
    return found
