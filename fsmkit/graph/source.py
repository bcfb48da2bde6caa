"""What a handler returns, read from its own source with `ast`.

Only what is returned, as a list of ways to go: which state or flow a name means, and whether there is one,
`fsmkit.graph.edges` says.
"""

import ast
import contextlib
import inspect
import types
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
    names_in,
    own_nodes,
    wrappers_of,
)


@attrs.frozen(eq=False)
class Return:
    """One way that a handler may go.

    Attributes:
        kind: The first element of the result; `None` if it cannot be told, or is none.
        target: What it names, for a transition and a call.
        line: The line in the handler's file; `None` for what stands in an annotation.
        problem: What is wrong, where `kind` is `None`.
        certain: Whether it is read and not guessed: this `return` returns it, whatever happened before.
    """

    kind: str | None
    target: Any = None
    line: int | None = None
    problem: str = ""
    certain: bool = True


@attrs.frozen(eq=False)
class Returns:
    """What a function returns.

    Attributes:
        ways: All ways to go.
        flows: The flows whose states it names as `flow["name"]`.
        passed_on: Whether all decorators around it pass its results on, or return what could be read.
    """

    ways: tuple[Return, ...]
    flows: tuple[Flow[Any], ...] = ()
    passed_on: bool = True

    @property
    def complete(self) -> bool:
        """Whether nothing is left unread."""
        return all(way.kind is not None for way in self.ways)

    @property
    def certain(self) -> bool:
        """Whether, besides, nothing is guessed: what is not among the ways is never returned."""
        return self.complete and self.passed_on and all(way.certain for way in self.ways)


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
    ways: list[Return] = []
    known = True
    for wrapper, wrapped in wrappers_of(function):
        added = _added_by(wrapper, wrapped)
        ways += (attrs.evolve(way, certain=way.certain and known) for way in added.ways)
        known = known and added.passed_on
        if not added.returns_wrapped:
            return Returns(tuple(ways), passed_on=known)
    node, scope = names_in(function)
    if not isinstance(node, ast.Lambda) and any(map(_yields, own_nodes(node))):
        raise UnreadableSourceError("it is a generator, whose result is not a result of a handler")
    own = [attrs.evolve(way, certain=way.certain and known) for way in _ways_of(node, scope)]
    return Returns((*own, *ways), tuple(dict.fromkeys(scope.met)), known)


def _ways_of(node: FunctionNode, scope: Scope) -> list[Return]:
    ways = [way for line, value in _values_returned(node, scope) for way in _returned(line, value, scope)]
    if not isinstance(node, ast.Lambda) and goes_on(node.body, scope):
        ways.append(Return("stay", line=node.body[-1].lineno))
    return ways


def _values_returned(node: FunctionNode, scope: Scope) -> Iterator[tuple[int, ast.expr | None]]:
    """Yield what a function returns, with its line."""
    if isinstance(node, ast.Lambda):
        yield node.body.lineno, node.body
        return
    for each in own_nodes(node, _dead(node.body, scope)):
        if isinstance(each, ast.Return):
            yield each.lineno, each.value


@attrs.frozen
class _Added:
    """What a decorator does with the results of what it wraps.

    Attributes:
        ways: Results of its own.
        returns_wrapped: Whether results of the wrapped function may be returned.
        passed_on: Whether these come out as they are, and all others are among the ways.
    """

    ways: Sequence[Return]
    returns_wrapped: bool
    passed_on: bool


def _added_by(wrapper: Any, wrapped: Any) -> _Added:
    if isinstance(wrapper, types.FunctionType):
        code = wrapper.__code__
        plain = types.FunctionType(
            code, wrapper.__globals__, code.co_name, wrapper.__defaults__, wrapper.__closure__
        )
        plain.__kwdefaults__ = wrapper.__kwdefaults__
        with contextlib.suppress(UnreadableSourceError):
            node, scope = names_in(plain)
            if isinstance(node, ast.Lambda) or not any(map(_yields, own_nodes(node))):
                # Without a line, which may be one of another file: the handler's place stands for it.
                ways = [attrs.evolve(way, line=None) for way in _ways_of(node, scope) if way.kind is not None]
                unread = [
                    leaf
                    for line, value in _values_returned(node, scope)
                    for leaf in _leaves(value, scope)
                    if any(way.kind is None for way in _returned(line, leaf, scope))
                ]
                passing = [_calls(leaf, wrapped, scope) for leaf in unread]
                return _Added(ways, bool(unread), all(passing))
    return _Added((), True, False)


def _leaves(
    expr: ast.expr | None, scope: Scope, within: frozenset[str] = frozenset()
) -> Iterator[ast.expr | None]:
    """Yield the expressions to one of which an expression comes."""
    match expr:
        case ast.Await(value=value) | ast.NamedExpr(value=value):
            yield from _leaves(value, scope, within)
        case ast.Name(name) if name not in within and len(scope.local.get(name, ())) == 1:
            [bound] = scope.local[name]
            if isinstance(bound, BoundName):
                yield expr
            else:
                yield from _leaves(bound, scope, within | {name})
        case ast.IfExp() | ast.BoolOp():
            for choice in scope.choices(expr):
                yield from _leaves(choice, scope, within)
        case _:
            yield expr


def _calls(expr: ast.expr | None, function: Any, scope: Scope) -> bool:
    return isinstance(expr, ast.Call) and all(value is function for value in scope.values(expr.func))


def _yields(node: ast.AST) -> bool:
    return isinstance(node, ast.Yield | ast.YieldFrom)


def _dead(body: Sequence[ast.stmt], scope: Scope) -> Iterator[ast.AST]:
    """Yield the statements that are never reached: a condition is fixed, or a `return` stands before them."""
    for number, statement in enumerate(body):
        holds = scope.decided(statement.test) if isinstance(statement, ast.If) else None
        if isinstance(statement, ast.If) and holds is not None:
            taken, other = (statement.body, statement.orelse)[:: 1 if holds else -1]
            yield from (*other, *_dead(taken, scope))
            if not goes_on(taken, scope):
                yield from body[number + 1 :]
                return
        elif isinstance(statement, ast.Return | ast.Raise | ast.Continue | ast.Break):
            yield from body[number + 1 :]
            return
        elif not isinstance(statement, FunctionNode | ast.ClassDef):
            parts = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
            for part in parts:
                for block in ("body", "orelse", "finalbody"):
                    yield from _dead(getattr(part, block, ()), scope)


# -- what is returned ------------------------------------------------------------------------------


def _returned(line: int, value: ast.expr | None, scope: Scope) -> Iterator[Return]:
    yield from [Return("stay", line=line)] if value is None else _ways(value, scope)


def _ways(expr: ast.expr, scope: Scope, within: frozenset[str] = frozenset()) -> Iterator[Return]:
    match expr:
        case ast.Tuple(elts=elements):
            yield from _tuple_ways(expr, elements, scope, within)
        case ast.Call(func=called):
            yield from _call_ways(expr, scope.values(called, within), scope, within)
        case ast.NamedExpr(value=value):
            yield from _ways(value, scope, within)
        case ast.Name(name) if name in scope.local:
            certain = scope.is_bound_once(name)
            for bound in scope.local[name] if name not in within else ():
                if isinstance(bound, BoundName):
                    yield attrs.evolve(_way_of_value(bound.value, expr), certain=certain)
                else:
                    for way in _ways(bound, scope, within | {name}):
                        yield attrs.evolve(way, certain=way.certain and certain)
        case ast.IfExp() | ast.BoolOp():
            if isinstance(expr, ast.BoolOp) and isinstance(expr.op, ast.And):
                yield Return("stay", line=expr.lineno)  # `condition and result` is None, or else an error
            either = isinstance(expr, ast.BoolOp) and isinstance(expr.op, ast.Or)  # what is true ends it
            for choice in scope.choices(expr):
                for way in _ways(choice, scope, within):
                    yield attrs.evolve(way, certain=way.certain and not either)
        case _:
            certain = scope.is_certain(expr)
            for value in scope.values(expr, within):
                yield attrs.evolve(_way_of_value(value, expr), certain=certain)


def _tuple_ways(
    expr: ast.Tuple, elements: Sequence[ast.expr], scope: Scope, within: frozenset[str]
) -> Iterator[Return]:
    # 0: its length is not known.
    length = 0 if any(isinstance(element, ast.Starred) for element in elements) else len(elements)
    kinds = scope.values(elements[0], within) if elements else [None]
    certain = all(map(scope.is_certain, elements[:1]))
    for kind in kinds:
        if kind is UNKNOWN:
            yield _unread(expr, "whose first element cannot be read")
        elif not _is_result(kind, length):
            yield _unread(expr, "which is not a result")
        elif kind in _NAMES_TARGET:
            yield from _to(kind, elements[1], scope, within, certain)
        else:
            yield Return(kind, line=expr.lineno, certain=certain)


def _call_ways(
    expr: ast.Call, functions: Sequence[Any], scope: Scope, within: frozenset[str]
) -> Iterator[Return]:
    certain = scope.is_certain(expr.func)
    for function in functions:
        kind = next((kind for kind, constructor in _CONSTRUCTORS if constructor is function), None)
        if function is typing.cast and len(expr.args) == 2:
            yield from _ways(expr.args[1], scope, within)
        elif kind is None:
            yield _unread(expr, "whose result cannot be read")
        elif kind not in _NAMES_TARGET:
            yield Return(kind, line=expr.lineno, certain=certain)
        elif (target := _argument(expr, _NAMES_TARGET[kind])) is None:
            yield _unread(expr, "whose target cannot be read")
        else:
            yield from _to(kind, target, scope, within, certain)


def _argument(expr: ast.Call, name: str) -> ast.expr | None:
    if expr.args:
        return None if isinstance(expr.args[0], ast.Starred) else expr.args[0]
    return next((keyword.value for keyword in expr.keywords if keyword.arg == name), None)


def _to(kind: str, target: ast.expr, scope: Scope, within: frozenset[str], certain: bool) -> Iterator[Return]:
    certain = certain and scope.is_certain(target)
    for value in scope.values(target, within):
        if value is UNKNOWN:
            yield _unread(target, "a target that cannot be read")
        else:
            yield Return(kind, value, target.lineno, certain=certain)


def _way_of_value(value: Any, expr: ast.expr) -> Return:
    if value is UNKNOWN:
        return _unread(expr, "which cannot be read")
    value = results.as_tuple(value)
    if not (type(value) is tuple and value and _is_result(value[0], len(value))):
        return _unread(expr, "which is not a result")
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
        case ast.If(test=test, body=body, orelse=orelse):
            holds = scope.decided(test)
            if holds is not None:
                return not goes_on(body if holds else orelse, scope)
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
