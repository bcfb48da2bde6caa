"""A function as it was written down: its node in the file, its arguments, what is assigned in it.

What the function is wrapped in is looked through here. What its names stand for in the end is
`fsmkit.scope`'s matter, what it returns `fsmkit.source`'s.
"""

import ast
import builtins
import functools
import importlib.util
import inspect
import linecache
import sys
import types
from collections import ChainMap
from collections.abc import Iterator, Mapping
from typing import Any

from fsmkit.scope import UNKNOWN, Known, Scope, attribute

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class UnreadableSourceError(Exception):
    """There is no source, or it is not that of a handler; the text says why."""


def written(function: Any) -> tuple[FunctionNode, Scope]:
    """The source of a function, and its names.

    Args:
        function: What was registered, to be called with `(event, ctx)`.

    Raises:
        UnreadableSourceError: If its source is not to be had.
    """
    plain, parameters = unwrapped(function)
    if plain is None:
        raise UnreadableSourceError("it is not written in Python")
    node = _node_of(plain)
    return node, Scope(_outer_names(plain), _bound_names(plain, node, parameters))


def unwrapped(function: Any) -> tuple[types.FunctionType | None, dict[str, Any]]:
    """The function that was written down, and its parameters' values when the engine calls it.

    It looks through `functools.partial`, bound methods, `functools.wraps` and objects with `__call__`.

    Args:
        function: What was registered, to be called with `(event, ctx)`.

    Returns:
        The function, `None` if there is none in Python; and its parameters, `UNKNOWN` for those that are
        given with the call.
    """
    args: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    while True:
        if isinstance(function, functools.partial):
            args, keywords = (*function.args, *args), {**function.keywords, **keywords}
            function = function.func
        elif isinstance(function, types.MethodType):
            args, function = (function.__self__, *args), function.__func__
        elif (inner := inspect.getattr_static(function, "__wrapped__", None)) is not None:
            function = inner
        elif isinstance(function, types.FunctionType):
            return function, _parameters(function, args, keywords)
        elif isinstance(call := inspect.getattr_static(type(function), "__call__", None), types.FunctionType):
            args, function = (function, *args), call
        else:
            return None, {}


def _parameters(
    function: types.FunctionType, args: tuple[Any, ...], keywords: dict[str, Any]
) -> dict[str, Any]:
    signature = inspect.signature(function)
    values = dict.fromkeys(signature.parameters, UNKNOWN)
    try:
        bound = signature.bind(*args, UNKNOWN, UNKNOWN, **keywords)
    except TypeError:  # a decorator gives it other arguments than the engine's
        return values
    bound.apply_defaults()
    return values | bound.arguments


# -- its node in the file --------------------------------------------------------------------------


def _node_of(function: types.FunctionType) -> FunctionNode:
    code = function.__code__
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    try:
        nodes = _functions_in(text).get((code.co_name, code.co_firstlineno), ())
    except (SyntaxError, ValueError):  # the file has been changed since
        nodes = ()
    if not text:
        raise UnreadableSourceError("there is no source file to read")
    if len(nodes) > 1:  # lambdas on one line, one perhaps inside of the other
        nodes = tuple(sorted((node for node in nodes if _holds(node, code)), key=_length))[:1]
    if len(nodes) != 1:
        raise UnreadableSourceError("the source file has no such function where it was defined")
    return nodes[0]


@functools.lru_cache(maxsize=8)  # handlers stand many in a file, and flows are read a few times over
def _functions_in(text: str) -> Mapping[tuple[str, int], tuple[FunctionNode, ...]]:
    found: dict[tuple[str, int], tuple[FunctionNode, ...]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, FunctionNode):
            decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
            line = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            key = ("<lambda>" if isinstance(node, ast.Lambda) else node.name, line)
            found[key] = (*found.get(key, ()), node)
    return found


def _holds(node: FunctionNode, code: types.CodeType) -> bool:
    """Whether all that the code does is written in the body of a lambda."""
    if not isinstance(node, ast.Lambda):
        return False
    body = node.body
    starts, ends = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line and end_line and column is not None and end_column  # not the start of the function itself
    ]
    return bool(spans) and all(starts <= start and end <= ends for start, end in spans)


def _length(node: FunctionNode) -> int:
    return len(ast.unparse(node))


# -- its arguments and assignments -----------------------------------------------------------------


def _outer_names(function: types.FunctionType) -> Mapping[str, Any]:
    closure: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            closure[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            closure[name] = UNKNOWN
    return ChainMap(closure, function.__globals__, builtins.__dict__)


def _bound_names(
    function: types.FunctionType, node: FunctionNode, parameters: Mapping[str, Any]
) -> dict[str, list[ast.expr | Known]]:
    local: dict[str, list[ast.expr | Known]] = {name: [Known(value)] for name, value in parameters.items()}
    nodes = list(own_nodes(node))
    assigned = {target: value for inner in nodes for target, value in _assignments(inner)}
    for inner in nodes:
        if isinstance(inner, ast.Name):
            bound = assigned.get(inner, Known(UNKNOWN))
            if not isinstance(inner.ctx, ast.Load) and bound is not None:
                local.setdefault(inner.id, []).append(bound)
        for name, value in _other_bindings(inner, function):
            local.setdefault(name, []).append(Known(value))
    return local


def own_nodes(node: FunctionNode) -> Iterator[ast.AST]:
    """All nodes of a function's body but those inside of functions and classes that it defines."""
    todo: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
    while todo:
        inner = todo.pop(0)
        yield inner
        if not isinstance(inner, FunctionNode | ast.ClassDef):
            todo[:0] = ast.iter_child_nodes(inner)


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Targets with what is assigned to them, `None` where there is only an annotation."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _pairs(target, value)
        case ast.AnnAssign(target=target, value=value) | ast.NamedExpr(target=target, value=value):
            yield target, value
        case _:
            return


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    """`a, b = x, y` is two assignments; other unpackings are none that could be read."""
    if isinstance(target, ast.Name):
        yield target, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        parts = [*target.elts, *value.elts]
        if len(target.elts) == len(value.elts) and not any(isinstance(e, ast.Starred) for e in parts):
            for part, its_value in zip(target.elts, value.elts, strict=True):
                yield from _pairs(part, its_value)


def _other_bindings(node: ast.AST, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Names bound otherwise than by an assignment: most cannot be told, imports can."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or module, sys.modules.get(module, UNKNOWN)
        case ast.ImportFrom(module=module, names=names, level=level):
            imported = _module("." * level + (module or ""), function)
            for alias in names:
                yield alias.asname or alias.name, attribute(imported, alias.name)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, UNKNOWN
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, UNKNOWN
        case ast.MatchMapping(rest=str(name)):
            yield name, UNKNOWN
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from ((name, UNKNOWN) for name in names)
        case _:
            return


def _module(name: str, function: types.FunctionType) -> Any:
    try:
        full = importlib.util.resolve_name(name, function.__globals__.get("__package__") or "")
    except ImportError:
        return UNKNOWN
    return sys.modules.get(full, UNKNOWN)
