"""Flows as they come out of a file: loaded by name, made anew as after a restart, and what they call.

`load` is what the command and pytest are given (`FILE[:FLOW]`), `reloader` makes flows anew that a program
has already: their module is run once more, and they are found by name. What was in its globals is then
gone, as it would be in another process. `remembers`, `uses_bot` and `waiting` say what flows may do, by
their code.
"""

import asyncio
import contextlib
import difflib
import dis
import enum
import importlib
import importlib.machinery
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from fsmkit.errors import DefinitionError, FsmkitError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import location_in_user_code, location_of, shown_path
from fsmkit.flow.states import State
from fsmkit.graph.edges import collect_flows
from fsmkit.interpreter.codec import FILE_PREFIX, name_in_file
from fsmkit.keys import Key

if TYPE_CHECKING:
    from fsmkit.engine.engine import Source

Flows = tuple[Flow[Any], ...]


def reloader(flows: Flows) -> Callable[[], Flows] | None:
    """Return what makes flows anew; `None` if they do not stand at the top level of one module with a file.

    It is `None`, too, while that module still runs: it would be run in itself.

    Args:
        flows: The flows.
    """
    module = _common_module(flows)
    code = _code_of(module) if module is not None else None
    if module is None or code is None or _running_at(module) is not None:
        return None

    def load() -> Flows:
        return _run(module, code, flows)

    return load


def refuse_at_top_level(flows: Flows) -> None:
    """Refuse what takes long, and runs the flows' module again, at the top level of that very module.

    Args:
        flows: The flows.

    Raises:
        DefinitionError: If their module is still being loaded.
    """
    module = _common_module(flows)
    line = _running_at(module) if module is not None and module.__name__ != "__main__" else None
    if module is not None and line is not None:
        raise DefinitionError(
            "the flows of a file cannot be tested while it is loaded",
            place=f"{shown_path(module.__file__ or module.__name__)}:{line}",
            remedy="Put check(...) into a function (def test_flows(): ...), or below "
            '`if __name__ == "__main__":`',
        )


def _running_at(module: ModuleType) -> int | None:
    """Return the line at which the top level of a module is just now, `None` if it has run."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_globals is vars(module):
            return frame.f_lineno
        frame = frame.f_back
    return None


def _common_module(flows: Flows) -> ModuleType | None:
    """Return the one module at whose top level flows stand."""
    names = {_module_of(flow) for flow in flows}
    name = names.pop() if len(names) == 1 else None
    return sys.modules[name] if name is not None else None


def _module_of(flow: Flow[Any]) -> str | None:
    """Return the module at whose top level a flow stands."""
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
    """Run a module's code in a module of the same name, which stands in its place meanwhile."""
    fresh = ModuleType(module.__name__)
    for name in ("__file__", "__package__", "__spec__", "__loader__", "__path__"):
        if hasattr(module, name):
            setattr(fresh, name, getattr(module, name))
    sys.modules[module.__name__] = fresh  # classes look up their own module there
    try:
        with _no_loop():
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


CHANCE = frozenset({"random", "secrets", "uuid", "time"})
"""Modules whose answers differ from run to run, unless they are made to repeat."""


def draws_chance(flows: Iterable[Flow[Any]]) -> bool:
    """Whether functions of flows, or those of their modules which they call, may draw chance or ask the time.

    Args:
        flows: The flows.
    """
    todo, seen = functions_of(flows), set[int]()
    while todo:
        function = todo.pop()
        if id(function) in seen or not isinstance(function, FunctionType):
            continue
        seen.add(id(function))
        for value in _values_in_reach(function):
            owner = value if isinstance(value, ModuleType) else type(getattr(value, "__self__", value))
            names = {
                getattr(part, name, None) for part in (value, owner) for name in ("__name__", "__module__")
            }
            if names & CHANCE:
                return True
            todo.append(value)
    return False


def waiting(flows: Iterable[Flow[Any]]) -> set[str]:
    """Return the places of the async functions of flows: only while these run can anything else happen."""
    return {
        location_of(function) for function in functions_of(flows) if inspect.iscoroutinefunction(function)
    }


def functions_of(flows: Iterable[Flow[Any]]) -> list[Any]:
    """All that a flow may call."""
    functions: list[Any] = []
    for flow in collect_flows(flows).values():
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
    """Yield the globals that a function names, and what it closes over."""
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


class LoadError(FsmkitError):
    """A file, or the flow that was asked for in it, that cannot be had; the text says why, and what to do."""


_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


@attrs.frozen
class LoadedFile:
    """The flows that a command was asked to work on.

    Attributes:
        name: The file or module, as it is shown.
        flows: The flows, in order of definition.
        module: What else stands in it.
    """

    name: str
    flows: tuple[Flow[Any], ...]
    module: ModuleType

    def maker(self, name: str) -> Any:
        """Return a class or function at the top level, to be called without arguments.

        Raises:
            LoadError: If there is none of that name.
        """
        found = getattr(self.module, name, None)
        if not isinstance(found, type | FunctionType):
            raise LoadError(f"{self.name} has no class or function {name!r} at its top level")
        return found

    def sources(self) -> "tuple[Source, ...]":
        """Where its events come from: what is called `sources`, a list or a function that makes one.

        Such a function is called only here: who merely looks needs none of its servers and secrets.

        Raises:
            LoadError: If that is something else, or cannot be made.
        """
        declared: Any = getattr(self.module, "sources", ())
        with _clear_errors(self.name):
            if callable(declared):
                declared = declared()
            found = tuple(declared) if isinstance(declared, Iterable) else (declared,)
        for each in found:
            if not callable(getattr(each, "run", None)) or not isinstance(getattr(each, "name", None), str):
                raise LoadError(
                    f"{self.name}: sources has {each!r}, which is not a source: list objects with a name and "
                    f"`async def run(engine)`, as those of fsmkit.sources, or call it something else"
                )
        return found


def load(target: str) -> LoadedFile:
    """Load the flows of `FILE[:FLOW]` or `package.module[:FLOW]`; called again, it reads the file anew.

    Args:
        target: What stood on the command line.

    Raises:
        LoadError: If there is no such file, it does not run, or it has no such flow.
    """
    name, wanted = split_target(target)
    module = _import(name)
    found = _flows_in(module)
    if not found:
        raise LoadError(
            f"{name} has no flow: declare one at its top level, for example "
            f'signup = Flow("signup"), with `from fsmkit import Flow`'
        )
    if wanted is None:
        return LoadedFile(name, tuple(dict.fromkeys(found.values())), module)
    return LoadedFile(name, (_pick(name, found, wanted),), module)


def split_target(target: str) -> tuple[str, str | None]:
    """File and flow; the colon after a Windows drive letter is not the one between them.

    Example:
        >>> split_target("bots/signup.py:signup"), split_target("C:/bots/signup.py")
        (('bots/signup.py', 'signup'), ('C:/bots/signup.py', None))
    """
    name, colon, flow = target.rpartition(":")
    if not colon or Path(target).exists() or re.search(r"[/\\]|\.py$", flow):
        return target, None
    if not name or not flow:
        raise LoadError(f"{target!r} is not a FILE[:FLOW]: write it like examples/signup.py:signup")
    return name, flow


# -- running it ------------------------------------------------------------------------------------


def _import(name: str) -> ModuleType:
    path = Path(name)
    if path.is_dir():
        raise LoadError(f"{name} is a directory: name a Python file in it")
    if path.exists():
        return _run_file(path)
    if path.suffix == ".py" or not _MODULE.fullmatch(name):
        raise LoadError(f"{name}: no such file")
    return _run_module(name)


def _run_file(path: Path) -> ModuleType:
    path = path.resolve()
    _search_first(path.parent)
    # A name of its own, so that neither `random.py` nor `order.py` takes another module's place.
    name = FILE_PREFIX + name_in_file(str(path))
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    if spec is None:
        raise LoadError(f"{shown_path(str(path))} cannot be loaded as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: classes look up their own module there
    with _clear_errors(shown_path(str(path))):
        # Not `exec_module`: it may take an older compilation, and leaves one behind.
        exec(loader.source_to_code(path.read_bytes(), str(path)), vars(module))
    return module


def _run_module(name: str) -> ModuleType:
    _search_first(Path.cwd())
    known = sys.modules.get(name)
    try:
        with _clear_errors(name):
            return importlib.import_module(name) if known is None else importlib.reload(known)
    except LoadError as refusal:
        missing = refusal.__cause__
        if isinstance(missing, ModuleNotFoundError) and f"{name}.".startswith(f"{missing.name}."):
            raise LoadError(f"{name}: no such file, and no module of that name") from missing
        raise


def _search_first(directory: Path) -> None:
    """Put a directory before all others in which modules are looked for, as `python FILE` does."""
    if str(directory) in sys.path:
        sys.path.remove(str(directory))
    sys.path.insert(0, str(directory))


@contextmanager
def _no_loop() -> Generator[None]:
    """Let a module that runs `asyncio.run` at its top level be loaded where a loop runs already."""
    running = asyncio._get_running_loop()  # for loops such as this one, says asyncio
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(running)


@contextmanager
def _clear_errors(name: str) -> Generator[None]:
    try:
        with _no_loop():
            yield
    except DefinitionError as error:
        raise LoadError(str(error)) from error
    except SyntaxError as error:
        raise LoadError(_syntax(name, error)) from error
    except ImportError as error:
        said = str(error) if "pip install" in str(error) else f"{error}. {_import_remedy(error)}"
        raise LoadError(f"{location_in_user_code(error) or name}: {said}") from error
    except SystemExit as error:
        raise LoadError(
            f"{location_in_user_code(error) or name}: the program ends here, before fsmkit can use its "
            "flows. "
            'Put what starts the bot below `if __name__ == "__main__":`'
        ) from error
    except OSError as error:
        problem = error.strerror or str(error) if error.filename == name else str(error)
        raise LoadError(f"{location_in_user_code(error) or name}: {problem}") from error
    except Exception as error:
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise LoadError(f"{location_in_user_code(error) or name}: {said} (while it was loaded)") from error


def _syntax(name: str, error: SyntaxError) -> str:
    file = shown_path(error.filename) if error.filename else name
    place = f"{file}:{error.lineno}" if error.lineno else file
    code = (error.text or "").strip()
    return f"{place}: {error.msg}" + (f": {code}" if code else "")


def _import_remedy(error: ImportError) -> str:
    if "relative import" in str(error):
        return "Name the file as a module of its package, package.module"
    if isinstance(error, ModuleNotFoundError):
        return f"Install it into this environment, or put it beside the file ({sys.executable})"
    return "Correct the import"


# -- what stands in it -----------------------------------------------------------------------------


def _flows_in(module: ModuleType) -> dict[str, Flow[Any]]:
    return {name: value for name, value in vars(module).items() if isinstance(value, Flow)}


def _pick(name: str, found: dict[str, Flow[Any]], wanted: str) -> Flow[Any]:
    by_name = {**{flow.name: flow for flow in found.values()}, **found}
    if wanted in by_name:
        return by_name[wanted]
    near = difflib.get_close_matches(wanted, by_name, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, found))}"
    raise LoadError(f"{name} has no flow {wanted!r}: {hint}")
