"""Which events a handler sends by `ctx.send` in every one of its calls, read from its own source.

Only what is certain: what stands below a condition, in a loop, after something that may return, or in a
function that the handler calls, is left out.
"""

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from fsmkit.graph.names import Scope, UnreadableSourceError, names_in


def events_sent(function: Any) -> frozenset[type]:
    """Return the classes of events that each call of a handler sends at once, without `after=`.

    Args:
        function: The handler, as it was registered.
    """
    try:
        node, scope = names_in(function)
    except UnreadableSourceError:
        return frozenset()
    if isinstance(node, ast.Lambda) or not node.args.args:
        return frozenset()
    ctx = node.args.args[-1].arg
    calls = _certain_calls(node.body, scope)
    sent = (_event_of(call) for call in calls if _is_send(call, ctx))
    found = (value for event in sent if event is not None for value in _classes(event, scope))
    return frozenset(value for value in found if isinstance(value, type))


def _certain_calls(body: Sequence[ast.stmt], scope: Scope) -> Iterator[ast.Call]:
    """Yield the calls that stand by themselves in what is done from beginning to end."""
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Call() as call):
                yield call
            case ast.With(body=inner) | ast.AsyncWith(body=inner):
                yield from _certain_calls(inner, scope)
            case ast.If(test=test) if (holds := scope.decided(test)) is not None:
                yield from _certain_calls(statement.body if holds else statement.orelse, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                continue
            case _ if any(isinstance(each, ast.Return | ast.Raise) for each in ast.walk(statement)):
                return
            case _:
                continue


def _is_send(call: ast.Call, ctx: str) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr="send"):
            later = len(call.args) > 2 or any(keyword.arg in ("after", None) for keyword in call.keywords)
            return name == ctx and not later
        case _:
            return False


def _event_of(call: ast.Call) -> ast.expr | None:
    named = (keyword.value for keyword in call.keywords if keyword.arg == "event")
    return call.args[1] if len(call.args) > 1 else next(named, None)


def _classes(event: ast.expr, scope: Scope) -> Iterator[Any]:
    """Yield what an event is made with; a name stands for all that was assigned to it."""
    match event:
        case ast.Call(func=made_with):
            yield from scope.values(made_with)
        case ast.Name(id=name):
            for bound in scope.local.get(name, ()):
                if isinstance(bound, ast.Call):
                    yield from scope.values(bound.func)
        case _:
            return
