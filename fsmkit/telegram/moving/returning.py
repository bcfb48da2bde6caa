"""What a callback of PTB's returns, read from its source for diagrams; nothing is refused by it."""

import ast
from typing import Any

from telegram.ext import ApplicationHandlerStop

from fsmkit.scope import UNKNOWN, Scope
from fsmkit.source import goes_on
from fsmkit.written import UnreadableSourceError, own_nodes, written


def returned_by(callback: Any) -> list[Any] | None:
    """All that a callback may return, or give to `ApplicationHandlerStop`; `None` if it cannot be told.

    Args:
        callback: A function of `(update, context)`.

    Example:
        >>> AGE = 1
        >>> async def got_name(update, context):
        ...     return AGE
        >>> returned_by(got_name) is None  # typed in here, it has no file
        True
    """
    try:
        node, scope = written(callback)
    except UnreadableSourceError:
        return None
    if isinstance(node, ast.Lambda):
        found = scope.values(node.body)
    else:
        nodes = list(own_nodes(node))
        if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in nodes):
            return None
        found = [value for inner in nodes for value in _given(inner, scope)]
        if goes_on(node.body, scope):
            found.append(None)
    return None if any(value is UNKNOWN for value in found) else found


def _given(node: ast.AST, scope: Scope) -> list[Any]:
    """What a statement gives back, if it is a `return` or stops the application's other handlers."""
    match node:
        case ast.Return(value=None):
            return [None]
        case ast.Return(value=ast.expr() as value):
            return scope.values(value)
        case ast.Raise(exc=ast.Call(func=raised, args=args, keywords=keywords)):
            if scope.values(raised) != [ApplicationHandlerStop]:
                return []
            given = args[0] if args else next((k.value for k in keywords if k.arg == "state"), None)
            return [None] if given is None else scope.values(given)
        case ast.Raise(exc=ast.expr() as raised) if scope.values(raised) == [ApplicationHandlerStop]:
            return [None]
        case _:
            return []
