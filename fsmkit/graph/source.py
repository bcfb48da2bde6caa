"""What a handler returns, read from its own source with `ast`.

Only what is returned, as a list of ways to go: which state or flow a name means, and whether there is one,
`fsmkit.graph.edges` says.
"""

import ast
import inspect
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from fsmkit.flow import results
from fsmkit.flow.flow import Flow
from fsmkit.graph.names import (
    UNKNOWN,
    BoundName,
    FunctionNode,
    Scope,
    UnreadableSourceError,
    choices,
    names_in,
    own_nodes,
)


@attrs.frozen(eq=False)
class Return:
    """One way that a handler may go.

    Attributes:
        kind: The first element of the result; `None` if it cannot be told, or is none.
        target: What it names, for a transition and a call.
        line: The line in the handler's file; `None` for what stands in an annotation.
        problem: What is wrong, where `kind` is `None`.
    """

    kind: str | None
    target: Any = None
    line: int | None = None
    problem: str = ""


@attrs.frozen(eq=False)
class Returns:
    """What a function returns.

    Attributes:
        ways: All ways to go.
        flows: The flows whose states it names as `flow["name"]`.
    """

    ways: tuple[Return, ...]
    flows: tuple[Flow[Any], ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing is left unread."""
        return all(way.kind is not None for way in self.ways)


_CONSTRUCTORS: tuple[tuple[str, Any], ...] = (
    ("transition", results.transition),
    ("stay", results.stay),
    ("back", results.back),
    ("call", results.call),
    ("end", results.end),
    ("pass", results.pass_),
    ("error", results.error),
)


_NAMES_TARGET = {"transition": "state", "call": "flow"}


TOLD = "fsmkit_ways"
"""The attribute in which a handler function that stands for something else says where it goes."""


def read_source(function: Any) -> Returns:
    """Return what a handler's own source returns, or what it says itself in `fsmkit_ways`.

    Args:
        function: The handler, as it was registered.

    Raises:
        UnreadableSourceError: If its source is not to be had, or it is a generator.
    """
    told = inspect.getattr_static(function, TOLD, None)
    if told is not None:
        return Returns(tuple(told))
    node, scope = names_in(function)
    if isinstance(node, ast.Lambda):
        ways = list(_ways(node.body, scope))
    else:
        nodes = list(own_nodes(node))
        if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in nodes):
            raise UnreadableSourceError("it is a generator, whose result is no result of a handler")
        returns = [inner for inner in nodes if isinstance(inner, ast.Return)]
        ways = [way for found in returns for way in _returned(found, scope)]
        if goes_on(node.body, scope):
            ways.append(Return("stay", line=node.body[-1].lineno))
    return Returns(tuple(ways), tuple(dict.fromkeys(scope.met)))


# -- what is returned ------------------------------------------------------------------------------


def _returned(statement: ast.Return, scope: Scope) -> Iterator[Return]:
    if statement.value is None:
        yield Return("stay", line=statement.lineno)
    else:
        yield from _ways(statement.value, scope)


def _ways(expr: ast.expr, scope: Scope, within: frozenset[str] = frozenset()) -> Iterator[Return]:
    match expr:
        case ast.Tuple(elts=elements):
            yield from _tuple_ways(expr, elements, scope, within)
        case ast.Call(func=called):
            yield from _call_ways(expr, scope.values(called, within), scope, within)
        case ast.NamedExpr(value=value):
            yield from _ways(value, scope, within)
        case ast.Name(name) if name in scope.local:
            for bound in scope.local[name] if name not in within else ():
                if isinstance(bound, BoundName):
                    yield _way_of_value(bound.value, expr)
                else:
                    yield from _ways(bound, scope, within | {name})
        case ast.IfExp() | ast.BoolOp():
            if isinstance(expr, ast.BoolOp) and isinstance(expr.op, ast.And):
                yield Return("stay", line=expr.lineno)  # `condition and result` is None, or else an error
            for choice in choices(expr):
                yield from _ways(choice, scope, within)
        case _:
            for value in scope.values(expr, within):
                yield _way_of_value(value, expr)


def _tuple_ways(
    expr: ast.Tuple, elements: Sequence[ast.expr], scope: Scope, within: frozenset[str]
) -> Iterator[Return]:
    # 0: its length is not known.
    length = 0 if any(isinstance(element, ast.Starred) for element in elements) else len(elements)
    kinds = scope.values(elements[0], within) if elements else [None]
    for kind in kinds:
        if kind is UNKNOWN:
            yield _unread(expr, "whose first element cannot be read")
        elif not _is_result(kind, length):
            yield _unread(expr, "which is no result")
        elif kind in _NAMES_TARGET:
            yield from _to(kind, elements[1], scope, within)
        else:
            yield Return(kind, line=expr.lineno)


def _call_ways(
    expr: ast.Call, functions: Sequence[Any], scope: Scope, within: frozenset[str]
) -> Iterator[Return]:
    for function in functions:
        kind = next((kind for kind, constructor in _CONSTRUCTORS if constructor is function), None)
        if function is typing.cast and len(expr.args) == 2:
            yield from _ways(expr.args[1], scope, within)
        elif kind is None:
            yield _unread(expr, "whose result cannot be read")
        elif kind not in _NAMES_TARGET:
            yield Return(kind, line=expr.lineno)
        elif (target := _argument(expr, _NAMES_TARGET[kind])) is None:
            yield _unread(expr, "whose target cannot be read")
        else:
            yield from _to(kind, target, scope, within)


def _argument(expr: ast.Call, name: str) -> ast.expr | None:
    if expr.args:
        return None if isinstance(expr.args[0], ast.Starred) else expr.args[0]
    return next((keyword.value for keyword in expr.keywords if keyword.arg == name), None)


def _to(kind: str, target: ast.expr, scope: Scope, within: frozenset[str]) -> Iterator[Return]:
    for value in scope.values(target, within):
        if value is UNKNOWN:
            yield _unread(target, "a target that cannot be read")
        else:
            yield Return(kind, value, target.lineno)


def _way_of_value(value: Any, expr: ast.expr) -> Return:
    if value is UNKNOWN:
        return _unread(expr, "which cannot be read")
    value = results.as_tuple(value)
    if not (type(value) is tuple and value and _is_result(value[0], len(value))):
        return _unread(expr, "which is no result")
    return Return(value[0], value[1] if value[0] in _NAMES_TARGET else None, expr.lineno)


def _is_result(kind: object, length: int) -> bool:
    """Return whether a tuple is a result; `length` 0: any."""
    least, most = results.LENGTHS.get(kind, (1, 0)) if isinstance(kind, str) else (1, 0)
    return least <= length <= most or (not length and most > 0)


def _unread(expr: ast.expr, why: str) -> Return:
    text = " ".join(ast.unparse(expr).split())
    return Return(None, line=expr.lineno, problem=f"{text if len(text) <= 60 else text[:57] + '...'}, {why}")


# -- the end of a body -----------------------------------------------------------------------------


def goes_on(body: Sequence[ast.stmt], scope: Scope) -> bool:
    """Return whether the statement after these can be reached.

    Args:
        body: Statements.
        scope: The names in them.
    """
    return not any(_stops(statement, scope) for statement in body)


def _stops(statement: ast.stmt, scope: Scope) -> bool:
    match statement:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.If(body=body, orelse=orelse):
            return not goes_on(body, scope) and not goes_on(orelse, scope)
        case ast.With(body=body) | ast.AsyncWith(body=body):
            return not goes_on(body, scope)
        case ast.While(test=ast.Constant(value=value), body=body):
            return bool(value) and not any(_breaks(inner) for inner in body)
        case ast.Try() | ast.TryStar():
            blocks = [[*statement.body, *statement.orelse], *(h.body for h in statement.handlers)]
            return not goes_on(statement.finalbody, scope) or not any(goes_on(b, scope) for b in blocks)
        case ast.Match(cases=cases):
            last = cases[-1]
            exhaustive = (
                last.guard is None and isinstance(last.pattern, ast.MatchAs) and not last.pattern.pattern
            )
            return exhaustive and not any(goes_on(case.body, scope) for case in cases)
        case ast.Expr(value=ast.Call(func=called)):
            return scope.values(called) == [typing.assert_never]
        case _:
            return False


def _breaks(node: ast.AST) -> bool:
    """Return whether a statement of a loop's body breaks that loop."""
    if isinstance(node, ast.For | ast.AsyncFor | ast.While):
        return any(map(_breaks, node.orelse))
    if isinstance(node, FunctionNode | ast.ClassDef):
        return False
    return isinstance(node, ast.Break) or any(map(_breaks, ast.iter_child_nodes(node)))
