"""Data, events and rows as JSON, and back.

Nothing is written that does not come back as it was: each value is read again at once and compared, unless
its class alone proves that it does (`proof`). How bytes are kept is the stores' business.
"""

import datetime as dt
import decimal
import functools
import inspect
import re
import sys
import threading
import typing
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from types import NoneType
from typing import Any, Generic, TypeVar, cast

import attrs
import msgspec
from msgspec import Raw
from msgspec.inspect import (
    AnyType,
    BoolType,
    CollectionType,
    CustomType,
    DataclassType,
    DictType,
    ExtType,
    RawType,
    StructType,
    TupleType,
    Type,
    TypedDictType,
    type_info,
)

from fsmkit.errors import DefinitionError, StoreCorrupt, UnstorableData
from fsmkit.interpreter.proof import Proof, fails
from fsmkit.interpreter.roundtrip import MAX_DEPTH, NOTHING, described, difference, same, shown
from fsmkit.interpreter.row import NO_DATA, Pending, Receipt, Row, Send

_REMEDY = (
    "Use attrs classes, dataclasses or msgspec Structs with annotated fields of types that JSON can hold; "
    "a union of classes needs tagged msgspec Structs"
)


_BUILTINS = (dict, list, tuple, set, frozenset, str, int, float, bool, bytes, bytearray)


_NO_KEYS = (NoneType, BoolType, CollectionType, TupleType, DictType, TypedDictType, DataclassType, StructType)

_Found = tuple[str, str]


def reader(path: str, kind: Any, place: str | None) -> tuple[Type, Callable[[Any], Any]]:
    """Return what msgspec knows of a type, and the function that reads its JSON.

    Args:
        path: What the type is of, for example `signup.data`.
        kind: The type.
        place: `file:line` of its declaration.

    Raises:
        DefinitionError: Values of the type could not be stored, or not be read back equal.
    """
    try:
        node = type_info(kind)
        read = msgspec.json.Decoder(kind).decode
    except Exception as error:  # for a bad type msgspec raises TypeError, NameError, KeyError and more
        where, problem = _unreadable(path, kind, error, ())
        raise DefinitionError(f"{where}: {problem}", place=place, remedy=_REMEDY) from error
    for where, problem in _objections(path, node, set()):
        raise DefinitionError(f"{where}: {problem}", place=place, remedy=_REMEDY)
    return node, read


def needs_nothing(kind: Any) -> bool:
    """Return whether `kind()` makes data; its signature tells: what a default factory raises does not."""
    kind = typing.get_origin(kind) or kind
    if kind in _BUILTINS:
        return True
    if typing.is_typeddict(kind):
        return not kind.__required_keys__
    if not (attrs.has(kind) or hasattr(kind, "__dataclass_fields__") or hasattr(kind, "__struct_fields__")):
        return False
    return all(
        each.default is not each.empty or each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
        for each in inspect.signature(kind).parameters.values()
    )


def _unreadable(path: str, kind: Any, error: Exception, above: tuple[Any, ...]) -> _Found:
    """Return the innermost part of a type that msgspec refuses; it names the whole only."""
    for step, part in _declared_parts(kind):
        try:
            type_info(part)
        except Exception as inner:
            if not any(part is each for each in above):
                return _unreadable(path + step, part, inner, (*above, kind))
    if isinstance(error, KeyError):
        return path, f"the field {error} has no annotation"
    if isinstance(error, NotImplementedError) and "takes_self" in str(error):
        return path, "a default is made by a method (`@field.default`), which msgspec cannot call"
    return path, f"msgspec cannot read the type ({error})"


def _declared_parts(kind: Any) -> list[tuple[str, Any]]:
    if not isinstance(kind, type):
        return [("", part) for part in typing.get_args(kind)]
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except Exception:  # a name that nobody defined: the error at hand says which
        return []
    return [
        (f".{name}", part) for name, part in hints.items() if typing.get_origin(part) is not typing.ClassVar
    ]


def _objections(path: str, node: Any, seen: set[int]) -> Iterator[_Found]:
    """Yield what msgspec accepts and would not bring back."""
    if id(node) in seen:  # a class that refers to itself
        return
    seen.add(id(node))
    if problem := _objection(node):
        yield path, problem
    if name := _not_annotated(_class(node)):
        yield path, f"the field {name!r} has no annotation"
    for field in getattr(node, "fields", ()):
        where = f"{path}.{field.name}"
        if field.required and field.name.startswith("_") and attrs.has(_class(node)):
            yield (
                where,
                "a private attribute of an attrs class stays out of JSON, and this one has no default",
            )
        yield from _objections(where, field.type, seen)
    if not isinstance(node, Type):
        return
    for name in ("type", "item_type", "key_type", "value_type"):
        yield from _objections(path, getattr(node, name, None), seen)
    for part in (*getattr(node, "types", ()), *getattr(node, "item_types", ())):
        yield from _objections(path, part, seen)


def _objection(node: Any) -> str | None:
    if isinstance(node, (CustomType, RawType, ExtType)):
        name = getattr(getattr(node, "cls", None), "__qualname__", type(node).__name__.removesuffix("Type"))
        return f"{name} is a type that JSON cannot hold"
    if isinstance(node, DictType) and isinstance(node.key_type, _NO_KEYS):
        return (
            "the keys of a dict in JSON are texts; msgspec makes texts of numbers, times, enums and ids only"
        )
    if not isinstance(node, (DataclassType, StructType)):
        return None
    kind = _class(node)
    struct = isinstance(node, StructType)
    if not kind.__struct_config__.eq if struct else kind.__eq__ is object.__eq__:
        return (
            f"{kind.__qualname__} is declared with eq=False: no two of its objects are equal, so it "
            f"could never be seen whether one was stored as it is"
        )
    return None


def _not_annotated(kind: Any) -> str | None:
    """Return the first field of an attrs class without a type, for which msgspec may take any value."""
    fields = attrs.fields(kind) if attrs.has(kind) else ()
    return next((field.name for field in fields if field.type is None), None)


def _class(node: Any) -> Any:
    return typing.get_origin(node.cls) or node.cls if hasattr(node, "cls") else None


MAX_KEPT = 1024
"""Values that are kept beside their bytes."""

MAX_KEPT_BYTES = 4096
"""Bytes of one; so what is kept stays below some megabytes, whatever people write into their data."""

FILE_PREFIX = "fsmkit_file_"
"""Before the names of modules that the command loads from a file; no part of what is stored."""

D = TypeVar("D")

_json_encode = msgspec.json.Encoder().encode


class _RowBuffer(threading.local):
    """What rows are written into, one for each thread."""

    def __init__(self) -> None:
        self.bytes = bytearray(1024)


_row_buffer = _RowBuffer()


def encode_row(row: Row) -> bytes:
    """Return the bytes of all that is stored for one key, without room to grow as msgspec's own have it."""
    buffer = _row_buffer.bytes
    _row_encode_into(row, buffer)
    return bytes(buffer)


_row_encode_into = msgspec.json.Encoder().encode_into


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
        self._frozen = self._typed.proof.allowed if self._typed.proof.frozen else {}
        self._bare = needs_nothing(data)

    def initial(self) -> D | None:
        """Return the data of a new conversation, made anew; `None` if the class needs arguments."""
        return self._data() if self._bare else None

    def encode(self, data: D | None) -> Raw:
        """Return the data as JSON.

        Raises:
            UnstorableData: It would not come back as it is.
        """
        if data is None and not self._bare:
            return NO_DATA
        return self._typed.encode(data)

    def stored(self, data: D | None) -> "Raw | D":
        """Return what stands for the data in a frame: JSON, or the data themselves.

        Data that can never change and are proven to come back are written with the row, and need not be read
        as long as it is kept.

        Raises:
            UnstorableData: It would not come back as it is.
        """
        if data is not None and ((check := self._frozen.get(type(data), fails)) is None or check(data)):
            return data
        return self.encode(data)

    def decode(self, raw: "Raw | D") -> D | None:
        """Return the data that was stored, a new object each time unless nobody can change it.

        Raises:
            Unfit: It is not of the declared type.
        """
        if type(raw) is not Raw:
            return raw
        if not self._bare and bytes(raw) == b"null":
            return None
        data: D = self._typed.decode(raw)
        return data

    def plain(self, raw: "Raw | D") -> Any:
        """Return the stored data as dicts, lists, texts and numbers, whatever type is declared now."""
        return _json_decode(raw_of(raw))

    def from_plain(self, plain: Any) -> Raw:
        """Return the data as JSON, from what a migration made.

        Raises:
            Unfit: It is not of the declared type, or cannot be stored.
        """
        try:
            if plain is None or self._typed.untyped:
                return self.encode(plain)
            return self.encode(self._typed.decode(_json_encode(plain)))
        except (UnstorableData, TypeError, ValueError, RecursionError) as error:
            raise Unfit(str(error)) from error


def raw_of(data: Any) -> Raw:
    """Return the data that stand in a frame as JSON."""
    return data if type(data) is Raw else Raw(_json_encode(data))


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
        """Return the registered name of the event's class, and the event as JSON.

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
        """Return the event that was stored, also if its class stands in another module here.

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
        """Return the registered name of a class, found by itself or by its last part.

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
        """Return the classes whose own name is the last part of a name: another program has it elsewhere."""
        short = name.rpartition(".")[2]
        return [full for full, kind in self._classes.items() if kind.__name__ == short]


def decode_row(blob: bytes) -> Row:
    """Return the row that a store holds.

    Raises:
        StoreCorrupt: The bytes are no row.
    """
    try:
        return _row_decode(blob)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreCorrupt(f"a stored row cannot be read: {error}") from error


class Kept(Generic[D]):
    """What was read, or is about to be, beside its bytes: the same bytes always are the same value.

    Only for values that nobody changes, since all who read them share them.

    Args:
        read: Makes a value of bytes.
    """

    __slots__ = ("_read", "_values")

    def __init__(self, read: Callable[[bytes], D]) -> None:
        self._read = read
        self._values: dict[bytes, D] = {}

    def read(self, blob: bytes) -> D:
        """Return the value of some bytes."""
        value = self._values.get(blob)
        return self.keep(blob, self._read(blob)) if value is None else value

    def keep(self, blob: bytes, value: D) -> D:
        """Keep a value beside what was made of it; return the value."""
        values = self._values
        if len(blob) > MAX_KEPT_BYTES:
            return value
        if len(values) >= MAX_KEPT:  # beginning anew costs less than knowing which one was used last
            values.clear()
        values[blob] = value
        return value


class Typed:
    """Writes and reads values of one type, and reads again what it wrote, unless it is proven needless."""

    def __init__(self, path: str, kind: Any, place: str | None) -> None:
        self._path = path
        self._node, self._read = reader(path, kind, place)
        self.proof = Proof(self._node)
        self._kept: Kept[Any] = Kept(self._read)
        self.untyped = isinstance(self._node, AnyType) or (
            isinstance(self._node, DictType) and isinstance(self._node.value_type, AnyType)
        )

    def encode(self, value: Any) -> Raw:
        cause: Exception | None = None
        back: Any = NOTHING
        try:
            blob = _json_encode(value)
            if self.proof.holds(value):
                if self.proof.frozen:
                    self._kept.keep(blob, value)
                return Raw(blob)
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
        if (
            found == (self._path, f"got {shown(value)}, declared {described(self._node)}")
            and type(value) is dict
        ):
            name = described(self._node)
            found = (
                self._path,
                f"{found[1]}. Write {name}(...), or ctx.evolve(...) to change some of its fields",
            )
        raise UnstorableData(*found) from cause

    def decode(self, raw: Raw | bytes) -> Any:
        try:
            if self.proof.frozen:
                return self._kept.read(bytes(raw))
            return self._read(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Unfit(str(error)) from error


@functools.lru_cache(maxsize=256)  # built when first used: most classes in `on=` are never sent
def typed(kind: Any) -> Typed:
    """Return what writes and reads objects of a class; raise DefinitionError if msgspec cannot read it."""
    return Typed(kind.__qualname__, kind, None)


def class_name(kind: type) -> str:
    """Return the name by which objects of a class are stored, the same however its file was started."""
    return f"{_module_name(kind.__module__)}.{kind.__qualname__}"


@functools.lru_cache(maxsize=256)  # asked for each object that is stored
def _module_name(name: str) -> str:
    """Return the name under which others import a module: `bot` for `python bot.py`, `fsmkit run bot.py`."""
    if name == "__main__":
        main = sys.modules.get(name)
        spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
        return spec.name if spec else name_in_file(file) if file else name
    return name.removeprefix(FILE_PREFIX)


def name_in_file(path: str) -> str:
    """Return a file's name as that of a module.

    Example:
        >>> name_in_file("bots/sign-up.py")
        'sign_up'
    """
    return re.sub(r"[^A-Za-z0-9]", "_", PurePath(path).stem)


def by_name(classes: Iterable[type], what: str) -> dict[str, type]:
    """Return classes by the name that is stored; raise DefinitionError if two share one."""
    found: dict[str, type] = {}
    for kind in classes:
        name = class_name(kind)
        if found.setdefault(name, kind) is not kind:
            raise DefinitionError(
                f"two classes of {what} are both called {name}", place=None, remedy="Rename one of them"
            )
    return found


_PLAIN = frozenset({str, int, float, bool, NoneType})


_SEQUENCES: Mapping[str, Callable[[Iterable[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


_SIMPLE: Mapping[str, type] = {
    kind.__name__: kind
    for kind in (bytes, dt.date, dt.datetime, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID)
}


_encode = msgspec.json.Encoder().encode


_decode = msgspec.json.Decoder().decode


class ValueCodec:
    """How values of buttons become text and come back.

    Args:
        classes: Classes that matchers name, whose objects may be values.

    Raises:
        DefinitionError: Two different classes have the same module and name.

    Example:
        >>> codec = ValueCodec([])
        >>> codec.pack(7), codec.pack((1, None)), codec.unpack(codec.pack((1, None)))
        ('7', '{"~tuple":[1,null]}', (1, None))
    """

    def __init__(self, classes: Iterable[type]) -> None:
        self._classes = by_name(classes, "values of buttons")

    def pack(self, value: Any) -> str:
        """Return the value as text.

        Raises:
            UnstorableData: It would not come back as it is, or no matcher names its class.
        """
        try:
            packed = _encode(self._plain(value, MAX_DEPTH))
            text = packed.decode()
            back = self.unpack(text)
            if value == back and same(value, back) and same(back, value):
                return text
        except UnstorableData:
            raise
        except Exception as error:  # whatever msgspec, or `==` of the user's class, raises
            raise UnstorableData("value", f"{value!r}: {error}") from error
        raise UnstorableData("value", f"{value!r} comes back as {back!r}")

    def unpack(self, text: str) -> Any:
        """Return the value of a text.

        Raises:
            Unfit: Its class is not known (any more), or has changed.
        """
        try:
            return self._value(_decode(text))
        except Unfit:
            raise
        except (msgspec.MsgspecError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise Unfit(f"no value of a button: {error}") from error

    def _plain(self, value: Any, depth: int) -> Any:
        """Return what JSON holds for a value."""
        kind: Any = type(value)
        if kind in _PLAIN:
            return value
        if depth == 0:
            raise UnstorableData("value", "it is nested too deeply, or contains itself")
        if kind is list:
            return [self._plain(item, depth - 1) for item in value]
        if kind is dict:
            return self._plain_dict(cast("dict[Any, Any]", value), depth)
        name = kind.__name__
        if _SEQUENCES.get(name) is kind:
            return {f"~{name}": [self._plain(item, depth - 1) for item in value]}
        if _SIMPLE.get(name) is kind:
            return {f"~{name}": value}
        return {f"~{class_name(kind)}": self._encoded(kind, value)}

    def _plain_dict(self, value: dict[Any, Any], depth: int) -> Any:
        if all(type(key) is str and key[:1] != "~" for key in value):
            return {key: self._plain(item, depth - 1) for key, item in value.items()}
        pairs = [[self._plain(key, depth - 1), self._plain(item, depth - 1)] for key, item in value.items()]
        return {"~dict": pairs}

    def _encoded(self, kind: Any, value: Any) -> msgspec.Raw:
        known: Any = self._classes.get(class_name(kind))
        if known is not kind:
            shown = kind.__qualname__
            raise UnstorableData(
                "value",
                f"no handler of the attached flows takes values of class {shown}: write on=button({shown})",
            )
        try:
            return typed(kind).encode(value)
        except DefinitionError as error:
            raise UnstorableData(kind.__qualname__, f"{error.problem}. {error.remedy}") from error

    def _value(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self._value(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        if len(plain) == 1:
            name, content = next(iter(plain.items()))
            if name[:1] == "~":
                return self._named(name[1:], content)
        return {key: self._value(item) for key, item in plain.items()}

    def _named(self, name: str, content: Any) -> Any:
        if name in _SEQUENCES:
            return _SEQUENCES[name](map(self._value, content))
        if name == "dict":
            return {self._value(key): self._value(item) for key, item in content}
        if name in _SIMPLE:
            return msgspec.json.decode(_encode(content), type=_SIMPLE[name])
        kind = self._classes.get(name)
        if kind is None:
            raise Unfit(f"no handler of the attached flows takes values of class {name}")
        try:
            return typed(kind).decode(_encode(content))
        except DefinitionError as error:
            raise Unfit(error.problem) from error


_encoder = msgspec.json.Encoder()


_decoder = msgspec.json.Decoder(Pending)


_receipts = msgspec.json.Decoder(Receipt)


encode_receipt: Callable[[Receipt], bytes] = _encoder.encode
decode_entry: Callable[[bytes], Pending] = _decoder.decode


_written: dict[bytes, Pending] = {}
"""Entries that were written here and not carried out yet, as they are read: mostly they are at once."""


def encode_entry(entry: Pending) -> bytes:
    """Return an entry of the outbox as bytes that can be read back.

    Raises:
        UnstorableData: If they could not: nothing behind the entry would ever be sent.
    """
    try:
        blob = _encoder.encode(entry)
        back = entry if _comes_back(entry.effect) else decode_entry(blob)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:  # msgspec's are ValueErrors
        raise UnstorableData(type(entry.effect).__name__, f"cannot be read back: {error}") from error
    if len(_written) >= MAX_KEPT:
        _written.clear()
    _written[blob] = back
    return blob


_IDS = frozenset((int, str, NoneType))


def _comes_back(effect: Any) -> bool:
    """Return whether an effect is known to come back: a text, whose options `Reply` has checked itself."""
    if type(effect) is not Send:
        return False
    reply, to = effect.reply, effect.to
    if reply.buttons or reply.keyboard or reply.extra is not None:
        return False
    return (
        (type(to.chat) is int or type(to.chat) is str)
        and type(to.thread) in _IDS
        and type(to.business) in _IDS
        and type(to.user) in _IDS
        and (to.lang is None or type(to.lang) is str)
    )


def take_entry(blob: bytes) -> Pending:
    """Return an entry that is about to be carried out; where it was written, it is not read a second time."""
    return _written.pop(blob, None) or decode_entry(blob)


def decode_receipt(body: bytes) -> Receipt:
    """Return a receipt as the store kept it."""
    return _receipts.decode(body)
