"""Whether a handler can tell one input from another, as far as its code shows."""

import dis
import itertools
from types import CodeType
from typing import Any

from fsmkit.handlers import Handler

WHO = frozenset({"user_id", "chat_id", "id"})
"""What an event says without saying what was done."""
MATCHED = frozenset({"match", "telegram", "retry"})
"""What a context says of it."""


def looks_at_input(handler: Handler) -> bool:
    """Whether what a handler returns may depend on more than that it was asked.

    Example:
        >>> from fsmkit import Flow
        >>> flow = Flow("f")
        >>> @flow.defstate("a")
        ... def plain(event, ctx):
        ...     return ("end",)
        >>> @flow.defstate("a")
        ... def picky(event, ctx):
        ...     return ("end",) if event.text == "yes" else None
        >>> [looks_at_input(handler) for handler in flow.handlers]
        [False, True]
    """
    function: Any = handler.function
    while callable(wrapped := getattr(function, "__wrapped__", None)):
        function = wrapped
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType) or code.co_argcount != 2 or code.co_freevars or code.co_cellvars:
        return True
    return bool(MATCHED & set(code.co_names)) or _uses(code, code.co_varnames[0])


def _uses(code: CodeType, name: str) -> bool:
    """Whether a variable is used for anything but to ask who it was."""
    steps = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
    return any(
        step.argval == name and step.opname.startswith("LOAD_FAST") and after.argval not in WHO
        for step, after in itertools.pairwise(steps)
    )
