"""Flows made anew, as after a restart: their module is run once more, and they are found by name.

What stood in the module's globals is then gone, as it would be in another process.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from fsmkit.flow import Flow

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
