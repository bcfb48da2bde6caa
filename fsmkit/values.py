"""Values of buttons that are no texts: as JSON that says of what type each is, and back.

JSON knows texts, numbers, booleans, null, lists and objects; whatever else a value is made of is written as
an object with one name that begins with `~`: `{"~tuple":[1,2]}`, `{"~shop.Item":{"id":7}}`.
"""

import datetime as dt
import decimal
import uuid
from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, cast

import msgspec

from fsmkit.codec import Unfit, by_name, class_name, typed
from fsmkit.errors import DefinitionError, UnstorableData
from fsmkit.sameness import MAX_DEPTH, same

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
        """The value as text.

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
        """The value of a text.

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
        """What JSON holds for a value."""
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
