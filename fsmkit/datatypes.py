"""Which types can be stored, found out while the program starts.

msgspec accepts more types than it can read back; what it would lose is refused here. What depends on the
values is found when they are written, in `codec`.
"""

import inspect
import typing
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import msgspec
from msgspec.inspect import (
    BoolType,
    CollectionType,
    CustomType,
    DataclassType,
    DictType,
    ExtType,
    NoneType,
    RawType,
    StructType,
    TupleType,
    Type,
    TypedDictType,
    type_info,
)

from fsmkit.errors import DefinitionError

_REMEDY = (
    "Use attrs classes, dataclasses or msgspec Structs with annotated fields of types that JSON can hold; "
    "a union of classes needs tagged msgspec Structs"
)
_BUILTINS = (dict, list, tuple, set, frozenset, str, int, float, bool, bytes, bytearray)
_NO_KEYS = (NoneType, BoolType, CollectionType, TupleType, DictType, TypedDictType, DataclassType, StructType)

_Found = tuple[str, str]


def reader(path: str, kind: Any, place: str | None) -> tuple[Type, Callable[[Any], Any]]:
    """What msgspec knows of a type, and the function that reads its JSON.

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
    """Whether `kind()` makes data; told by its signature: what a default factory raises is no answer."""
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
    """The innermost part of a type that msgspec refuses; it names the whole only."""
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
    """What msgspec accepts and would not bring back."""
    if id(node) in seen:  # a class that refers to itself
        return
    seen.add(id(node))
    if problem := _objection(node):
        yield path, problem
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


def _class(node: Any) -> Any:
    return typing.get_origin(node.cls) or node.cls if hasattr(node, "cls") else None
