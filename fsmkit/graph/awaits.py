"""Calls in functions of `ctx` that are awaited needlessly, or not awaited at all; from the source."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from fsmkit.graph.names import UnreadableSourceError, names_in, own_nodes

RECORDED = frozenset(("reply", "show", "retry", "answer", "approve", "decline", "delete_on_exit", "send"))
"""What `ctx` records, to be carried out after the step."""


def awaited_requests(function: Any, position: int) -> Iterator[tuple[str, int]]:
    """Yield calls such as `ctx.reply` that are awaited, each with its line; none if it cannot be read.

    Args:
        function: The function, as it was registered.
        position: Which of the arguments that it is called with is `ctx`.
    """
    node, names = _read(function)
    ctx = names[position] if position < len(names) else None
    for each in own_nodes(node) if node is not None else ():
        match each:
            case ast.Await(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name))):
                if owner == ctx and name in RECORDED:
                    yield f"{owner}.{name}", each.lineno
            case _:
                continue


def dropped_calls(function: Any) -> Iterator[tuple[str, int]]:
    """Yield calls through what a function is called with (`ctx.bot.send_message`) that stand by themselves.

    Each comes with its line. Whether it is a coroutine that nobody awaits is for whoever knows the method.

    Args:
        function: The function, as it was registered.
    """
    node, names = _read(function)
    for each in own_nodes(node) if node is not None else ():
        match each:
            case ast.Expr(value=ast.Call(func=ast.Attribute() as called)):
                owner, _, rest = ast.unparse(called).partition(".")
                if owner in names and "." in rest and rest.replace(".", "").isidentifier():
                    yield f"{owner}.{rest}", each.lineno
            case _:
                continue


def _read(function: Any) -> tuple[Any, list[str]]:
    """Return a function's syntax tree and its arguments, those that are still what it was called with."""
    try:
        node, scope = names_in(function)
    except UnreadableSourceError:
        return None, []
    given = inspect.signature(function).parameters
    return node, [name if len(scope.local.get(name, ())) <= 1 else "" for name in given]
