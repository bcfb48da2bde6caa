"""Flows made anew, as after a restart: their module is run once more, and they are found by name.

What stood in the module's globals is then gone, as it would be in another process.
"""

import contextlib
import dis
import enum
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import attrs

from fsmkit.edges import together
from fsmkit.flow import Flow
from fsmkit.keys import Key
from fsmkit.places import place_of
from fsmkit.states import State

Flows = tuple[Flow[Any], ...]


def reloader(flows: Flows) -> Callable[[], Flows] | None:
    """What makes flows anew; `None` if they do not stand at the top level of one module with a file.

    Args:
        flows: The flows.
    """
    names = {_module_of(flow) for flow in flows}
    name = names.pop() if len(names) == 1 else None
    module = sys.modules[name] if name is not None else None
    code = _code_of(module) if module is not None else None
    if module is None or code is None:
        return None

    def load() -> Flows:
        return _run(module, code, flows)

    return load


def _module_of(flow: Flow[Any]) -> str | None:
    """The module at whose top level a flow stands."""
    for handler in flow.handlers:
        name = getattr(handler.function, "__module__", None)
        if name in sys.modules and any(value is flow for value in vars(sys.modules[name]).values()):
            return str(name)
    return None


def _code_of(module: ModuleType) -> CodeType | None:
    path = getattr(module, "__file__", None)
    if module.__name__ == "__main__" or path is None or not path.endswith(".py") or not Path(path).exists():
        return None
    return compile(Path(path).read_bytes(), path, "exec")


def _run(module: ModuleType, code: CodeType, flows: Flows) -> Flows:
    """Runs a module's code in a module of the same name, which stands in its place meanwhile."""
    fresh = ModuleType(module.__name__)
    for name in ("__file__", "__package__", "__spec__", "__loader__", "__path__"):
        if hasattr(module, name):
            setattr(fresh, name, getattr(module, name))
    sys.modules[module.__name__] = fresh  # classes look up their own module there
    try:
        exec(code, vars(fresh))
    finally:
        sys.modules[module.__name__] = module
    found = {value.name: value for value in vars(fresh).values() if isinstance(value, Flow)}
    return tuple(found[flow.name] for flow in flows)


# -- what a module remembers -----------------------------------------------------------------------

_PLAIN = (str, bytes, int, float, complex, bool, type(None), enum.Enum, re.Pattern, Key)
_CODE = (type, ModuleType, FunctionType, BuiltinFunctionType, State, Flow)


PTB = frozenset({"bot", "telegram", "update", "message"})
"""Names of what is PTB's, on `ctx` and on events."""


def remembers(flows: Iterable[Flow[Any]]) -> bool:
    """Whether the functions of flows may keep something in memory from one call to the next.

    `False` is certain as far as their own code, and that of the functions of theirs which it calls, goes;
    `True` where something that can change is at hand.

    Args:
        flows: The flows, those too that they call.
    """
    return _remember(functions_of(flows))


def uses_bot(flows: Iterable[Flow[Any]]) -> bool:
    """Whether some function of flows asks for PTB's objects, as in `ctx.bot`, or may do so unseen."""
    for function in functions_of(flows):
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        if code is None or any(PTB & set(part.co_names) for part in _codes(code)):
            return True
    return False


def waiting(flows: Iterable[Flow[Any]]) -> set[str]:
    """The places of the async functions of flows: only while these run can anything else happen."""
    return {place_of(function) for function in functions_of(flows) if inspect.iscoroutinefunction(function)}


def functions_of(flows: Iterable[Flow[Any]]) -> list[Any]:
    """All that a flow may call."""
    functions: list[Any] = []
    for flow in together(flows).values():
        functions += [handler.function for handler in flow.handlers]
        functions += [handler.when for handler in flow.handlers if handler.when is not None]
        functions += [hook.function for hook in [*flow.enter_hooks, *flow.exit_hooks]]
        for state in flow.states.values():
            functions += [part for part in (state.prompt, state.otherwise, state.job) if callable(part)]
    return functions


def _remember(functions: list[Any]) -> bool:
    seen: set[int] = set()
    while functions:
        function = functions.pop()
        if not isinstance(function, FunctionType):
            return True  # a bound method, a partial, an object that can be called
        if id(function) in seen:
            continue
        seen.add(id(function))
        values = [*_values_in_reach(function), *(function.__defaults__ or ())]
        for value in values:
            if isinstance(value, FunctionType) and _is_beside(value, function):
                functions.append(value)
            elif not _lasts(value):
                return True
        if any(code.co_names and _stores_global(code) for code in _codes(function.__code__)):
            return True
    return False


def _values_in_reach(function: FunctionType) -> Iterator[Any]:
    """The globals that a function names, and what it closes over."""
    for code in _codes(function.__code__):
        yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):  # not filled yet
            yield cell.cell_contents


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _codes(value)


def _stores_global(code: CodeType) -> bool:
    return any(step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") for step in dis.get_instructions(code))


def _is_beside(value: FunctionType, function: FunctionType) -> bool:
    return value.__module__ == function.__module__


def _lasts(value: Any) -> bool:
    """Whether a value cannot change."""
    if isinstance(value, tuple | frozenset):
        return all(_lasts(part) for part in value)
    if isinstance(value, (*_PLAIN, *_CODE)):
        return True
    kind: Any = type(value)
    frozen = attrs.has(kind) and "__setattr__" in vars(kind)
    return bool(frozen and all(_lasts(getattr(value, field.name)) for field in attrs.fields(kind)))
