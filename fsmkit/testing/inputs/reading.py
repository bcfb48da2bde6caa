"""What the code of a handler says of its inputs: the values that stand in it and beside it, what it calls.

Read from the code object, which every function has (a lambda, and one whose source is gone, too): constants,
the module's constants it names, members of the dicts, sets, enums and classes among them, what it closes
over, what hangs on `self` and on `ctx.resources`; and the same of the user's functions that it calls.
"""

import dis
import enum
import functools
import inspect
import itertools
import re
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import attrs

from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.results import LENGTHS
from fsmkit.flow.states import State
from fsmkit.telegram.forms.questions import ReadyQuestion
from fsmkit.testing.inputs.values import matching

LONGEST_CONSTANT = 64
"""Characters; what is longer is said to people, and not by them."""

MOST_TEXTS = 48
"""Texts that are taken from beside one handler."""

MOST_MEMBERS = 24
"""Members of one collection that are read."""

CALLS_DEEP = 4
"""Functions that call one another."""

MEMBERS_DEEP = 3

RESULTS = frozenset(LENGTHS)
"""What begins a result is no input."""

PARSED_BY: Mapping[type, str] = {date: "fromisoformat"}
"""Types of answers that are read by something that is not called as they are."""

_WHOLE = (str, Mapping, Sequence, set, frozenset, re.Pattern, ReadyQuestion)
"""What is read as it is, whatever is asked of it."""

_MISSING: Any = object()
_BEGINS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FAST", "LOAD_FAST_BORROW")
_GOES_ON = ("LOAD_ATTR", "LOAD_METHOD")
_SILENT = ("CACHE", "EXTENDED_ARG", "PRECALL")
_FSMKIT = str(Path(__file__).parents[2])
_LIBRARIES = tuple({path for name, path in sysconfig.get_paths().items() if name.endswith(("lib", "stdlib"))})
_SENTENCE = re.compile(r"[.!?:…]\s*$|\n|(?:\S+\s+){4}")


@attrs.frozen
class Clues:
    """What code says of its inputs.

    Attributes:
        texts: Texts that it may compare an input with, those of its own before those beside.
        numbers: Numbers, likewise.
        names: What it calls and asks for: names of functions, methods, attributes and keywords.
        multiplies: Whether it multiplies: with a text or a list a huge number fills the memory.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[int | float, ...] = ()
    names: frozenset[str] = frozenset()
    multiplies: bool = False


@attrs.frozen
class Reference:
    """A name in code, and the attributes that are asked of it: `settings.admin.code`."""

    root: str
    path: tuple[str, ...]
    is_local: bool


def clues_of(*functions: Callable[..., Any] | None, resources: Any = None) -> Clues:
    """Return what functions, and the user's functions that they call, say of their inputs.

    Args:
        functions: The functions; `None` is left out.
        resources: What they find in `ctx.resources`.

    Example:
        >>> codes = {"4711": "admin"}
        >>> clues_of(lambda event: codes.get(event.text) or event.n > 7).numbers
        (7,)
        >>> clues_of(lambda event: codes.get(event.text)).texts
        ('4711', 'admin')
    """
    reading = _Reading(resources)
    for function in functions:
        reading.read(function, CALLS_DEEP)
    return reading.clues()


def constants_of(*functions: Callable[..., Any] | None) -> tuple[list[str], list[int | float]]:
    """Texts and numbers in the code of functions, those of nested ones too, and not those beside.

    Example:
        >>> constants_of(lambda event: event.text == "sesame" or event.n > 7)
        (['sesame'], [7])
    """
    reading = _Reading(None, beside=False)
    for function in functions:
        reading.read(function, 1)
    return list(reading.own), list(reading.numbers)


def without_watcher(function: Any) -> Any:
    """Return what the user wrote or decorated, where a part of `fsmkit.testing` stands around it."""
    while (getattr(function, "__module__", None) or "").startswith("fsmkit.testing."):
        if not hasattr(function, "__wrapped__"):
            break
        function = function.__wrapped__
    return function


class _Reading:
    """Gathers clues from functions."""

    def __init__(self, resources: Any, *, beside: bool = True) -> None:
        self._resources = resources
        self._beside = beside
        self._seen: set[int] = set()
        self.own: dict[str, None] = {}
        self.others: dict[str, None] = {}
        self.numbers: dict[int | float, None] = {}
        self._names: set[str] = set()
        self._multiplies = False

    def clues(self) -> Clues:
        """Return what was gathered."""
        ranked = sorted({**self.own, **self.others}, key=lambda text: bool(_SENTENCE.search(text)))
        return Clues(
            tuple(ranked[:MOST_TEXTS]), tuple(self.numbers), frozenset(self._names), self._multiplies
        )

    def read(self, function: Any, deep: int) -> None:
        """Read a function, what it decorates, and what it calls."""
        function = without_watcher(function)
        while function is not None and deep:  # a decorator may look at the input too
            inner = getattr(function, "__func__", getattr(function, "func", function))
            code = getattr(inner, "__code__", None)
            if isinstance(code, CodeType) and id(inner) not in self._seen:
                self._seen.add(id(inner))
                self._read_code(code, inner, getattr(function, "__self__", None), deep)
            function = getattr(function, "__wrapped__", None)

    def _read_code(self, code: CodeType, function: Any, owner: Any, deep: int) -> None:
        for part in _codes(code):
            for value in constants(part):
                if value != function.__doc__:
                    self._take(value, self.own if deep == CALLS_DEEP or not self._beside else self.others)
            self._names.update(part.co_names, *keywords(part))
            self._multiplies = self._multiplies or _multiplies(part)
            for reference in references(part) if self._beside else ():
                self._read_reference(reference, function, owner, code, deep)

    def _read_reference(
        self, reference: Reference, function: Any, owner: Any, code: CodeType, deep: int
    ) -> None:
        value, path = self._root(reference, function, owner, code)
        holder: Any = None
        for name in path:
            if value is _MISSING or isinstance(value, _WHOLE):
                break
            found = _attribute(value, name)
            if found is _MISSING:
                break
            holder, value = value, found
        if value is _MISSING:
            return
        if isinstance(value, FunctionType | MethodType | functools.partial):
            if _is_users(value) or reference.root in code.co_freevars:
                bound = isinstance(value, FunctionType) and holder is not None and not inspect.isclass(holder)
                self.read(MethodType(value, holder) if bound else value, deep - 1)
        elif inspect.isclass(value) and not issubclass(value, enum.Enum):
            if path and not _is_users(value):
                return
            for method in vars(value).values():  # a validator, a `__post_init__`, a class method `parse`
                inner = getattr(method, "__func__", method)
                if isinstance(inner, FunctionType) and _is_users(inner):
                    self.read(inner, min(deep - 1, 1))
        else:
            self._members(value, MEMBERS_DEEP, deep)

    def _root(self, reference: Reference, function: Any, owner: Any, code: CodeType) -> tuple[Any, Any]:
        """Return the value of a reference's first name, and the attributes that are still to be asked."""
        path = reference.path
        if reference.is_local:
            if path[:1] == ("resources",):
                return (self._resources, path[1:]) if self._resources is not None else (_MISSING, ())
            first = code.co_varnames[:1] == (reference.root,)
            return (owner, path) if first and owner is not None else (_MISSING, ())
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
        if reference.root in cells:
            try:
                return cells[reference.root].cell_contents, path
            except ValueError:  # not filled yet
                return _MISSING, ()
        return function.__globals__.get(reference.root, _MISSING), path

    def _members(self, value: Any, deep: int, calls: int) -> None:
        """Take a value, or what a collection or an object consists of."""
        if isinstance(value, FunctionType | MethodType):
            if _is_users(value):
                self.read(value, calls - 1)
        elif isinstance(value, ReadyQuestion):
            self._read_question(value.question.parse, calls)
        elif inspect.isclass(value) and issubclass(value, enum.Enum):
            for member in list(value)[:MOST_MEMBERS]:
                self._take(member.value, self.others)
                self._take(member.name, self.others)
        elif isinstance(value, enum.Enum):
            self._take(value.value, self.others)
        elif isinstance(value, re.Pattern):
            for text in matching(value)[:6] if isinstance(value.pattern, str) else ():
                self._take(text, self.others)
        elif isinstance(value, State | Flow | ModuleType):
            return
        elif deep and isinstance(value, Mapping):
            for key, member in list(value.items())[:MOST_MEMBERS]:
                self._members(key, deep - 1, calls)
                self._members(member, deep - 1, calls)
        elif deep and isinstance(value, list | tuple | set | frozenset):
            for member in list(value)[:MOST_MEMBERS]:
                self._members(member, deep - 1, calls)
        elif deep and not isinstance(value, str | int | float) and _is_users(type(value)):
            for member in _fields(value):
                self._members(member, deep - 1, calls)
        else:
            self._take(value, self.others)

    def _read_question(self, parse: Any, calls: int) -> None:
        """Read what makes an answer of a text."""
        if isinstance(parse, type):
            self._names.add(PARSED_BY.get(parse, parse.__name__))
        elif isinstance(parse, re.Pattern):
            self._members(parse, 1, calls)
        else:
            self.read(parse, calls - 1)

    def _take(self, value: Any, texts: dict[str, None]) -> None:
        if isinstance(value, Decimal | date | time):
            value = str(value)
        if isinstance(value, timedelta):
            value = value.total_seconds()
        if isinstance(value, str) and 0 < len(value) <= LONGEST_CONSTANT and value not in RESULTS:
            texts.setdefault(str(value))
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers[value] = None


@functools.lru_cache(4096)
def references(code: CodeType) -> tuple[Reference, ...]:
    """Return the names that code asks for, with the attributes it asks of them, each once."""
    found: dict[Reference, None] = {}
    current: Reference | None = None
    for step in dis.get_instructions(code):
        if step.opname in _SILENT:
            continue
        if step.opname in _GOES_ON and current is not None:
            current = attrs.evolve(current, path=(*current.path, str(step.argval)))
            continue
        if current is not None:
            found[current] = None
        begins = step.opname in _BEGINS
        current = Reference(str(step.argval), (), step.opname.startswith("LOAD_FAST")) if begins else None
    return tuple(found)


@functools.lru_cache(4096)
def _codes(code: CodeType) -> tuple[CodeType, ...]:
    """Return code and the code in it: comprehensions, nested functions."""
    inner = [part for value in code.co_consts if isinstance(value, CodeType) for part in _codes(value)]
    return (code, *inner)


@functools.lru_cache(4096)
def keywords(code: CodeType) -> tuple[tuple[str, ...], ...]:
    """Return the names of arguments in calls; they stand among the constants, as tuples."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _SILENT]
    named = [code.co_consts[step.arg or 0] for step in steps if step.opname == "KW_NAMES"]  # until 3.12
    named += [step.argval for step, after in itertools.pairwise(steps) if after.opname == "CALL_KW"]
    return tuple(names for names in named if isinstance(names, tuple))


@functools.lru_cache(4096)
def constants(code: CodeType) -> tuple[Any, ...]:
    """Return the constants of code, and the members of those that are collections."""
    found: list[Any] = []
    for value in code.co_consts:
        if isinstance(value, tuple | frozenset) and value not in keywords(code):
            found += value
        elif value is not None and not isinstance(value, CodeType | tuple | frozenset):
            found.append(value)
    return tuple(found)


@functools.lru_cache(4096)
def _multiplies(code: CodeType) -> bool:
    return any(
        step.opname == "BINARY_OP" and step.argrepr in ("*", "*=", "**", "<<")
        for step in dis.get_instructions(code)
    )


def _attribute(value: Any, name: str) -> Any:
    if isinstance(value, ModuleType):
        return vars(value).get(name, _MISSING)
    found = inspect.getattr_static(value, name, _MISSING)
    if isinstance(found, classmethod | staticmethod):
        return found.__func__
    if isinstance(found, property) and found.fget is not None:
        return found.fget
    if type(found).__name__ == "member_descriptor":  # a slot
        return getattr(value, name, _MISSING)
    return found


def _fields(value: Any) -> Iterable[Any]:
    kind: Any = type(value)
    if attrs.has(kind):
        return [getattr(value, field.name, None) for field in attrs.fields(kind)][:MOST_MEMBERS]
    return list(getattr(value, "__dict__", {}).values())[:MOST_MEMBERS]


def _is_users(value: Any) -> bool:
    """Return whether a function or a class is the user's own: not of Python, a library, or fsmkit."""
    if isinstance(value, functools.partial):
        value = value.func
    code = getattr(getattr(value, "__func__", value), "__code__", None)
    if code is not None:
        file = code.co_filename
    else:
        module = sys.modules.get(getattr(value, "__module__", None) or "")
        file = getattr(module, "__file__", None) or ""
        if not file:
            return getattr(value, "__module__", "") not in ("builtins", *sys.stdlib_module_names)
    return not file.startswith((_FSMKIT, "<frozen", "<attrs", *_LIBRARIES))


WHO = frozenset({"user_id", "chat_id", "id"})
"""What an event says without saying what was done."""


MATCHED = frozenset({"match", "telegram", "retry"})
"""What a context says of it."""


def looks_at_input(handler: Handler) -> bool:
    """Whether what a handler returns may depend on more than that it was asked.

    Example:
        >>> from fsmkit import Flow
        >>> flow = Flow("f")
        >>> @flow.defstate("a")
        ... def plain(event, ctx):
        ...     return ("end",)
        >>> @flow.defstate("a")
        ... def picky(event, ctx):
        ...     return ("end",) if event.text == "yes" else None
        >>> [looks_at_input(handler) for handler in flow.handlers]
        [False, True]
    """
    code = getattr(without_watcher(handler.function), "__code__", None)
    if not isinstance(code, CodeType) or code.co_argcount != 2 or code.co_freevars or code.co_cellvars:
        return True
    return bool(MATCHED & set(code.co_names)) or _uses(code, code.co_varnames[0])


def _uses(code: CodeType, name: str) -> bool:
    """Whether a variable is used for anything but to ask who it was."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
    return any(
        step.argval == name and step.opname.startswith("LOAD_FAST") and after.argval not in WHO
        for step, after in itertools.pairwise(steps)
    )
