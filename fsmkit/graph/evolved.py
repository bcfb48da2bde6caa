"""The fields that a function of `ctx` changes with `ctx.evolve(...)`, read from its source."""

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from fsmkit.graph.names import UnreadableSourceError, names_in, own_nodes


def evolved_fields(function: Any, position: int) -> Iterator[tuple[str, int]]:
    """Yield the names that a function gives to `ctx.evolve`, each with its line; none if it cannot be read.

    Args:
        function: The function, as it was registered.
        position: Which of the arguments that it is called with is `ctx`.
    """
    try:
        node, scope = names_in(function)
    except UnreadableSourceError:
        return
    given = [*inspect.signature(function).parameters]
    name = given[position] if position < len(given) else ""
    if not name or len(scope.local.get(name, ())) > 1:  # it may be another object by then
        return
    for call in own_nodes(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == f"{name}.evolve":
            yield from ((each.arg, each.value.lineno) for each in call.keywords if each.arg is not None)
