"""Names of states that are kept in a store, from the objects that a ConversationHandler has for states.

The text of an object says what it is, whatever other states there are, so that adding a state renames none;
no two objects that PTB tells apart have the same text.
"""

import enum
import re
from collections.abc import Hashable, Mapping
from typing import Any
from urllib.parse import quote

INTO = " > "
"""Stands between the state of a conversation and that of one nested in it."""
ENTERING = "~"
"""The state of a conversation that has not begun, while one nested in its entry points runs."""

_MARKED = re.compile(r"[~(]|-?[0-9.]|[A-Za-z_]\w*\.[A-Za-z_]\w*$")
"""Texts that look like the text of something else."""


class UnnameableError(Exception):
    """A state that has no text of its own which would be the same in the next process."""


def text_of(state: Hashable, names: Mapping[Any, str]) -> str:
    """The name of a state.

    Args:
        state: What the ConversationHandler has for it.
        names: Names that were given by hand.

    Raises:
        UnnameableError: If it is neither a text, a number, an enum member nor a tuple of such.

    Example:
        >>> [text_of(state, {}) for state in ("AGE", 1, "1", (1, "AGE"))]
        ['AGE', '1', '~1', '(1,~AGE)']
    """
    if state in names:
        return names[state]
    if isinstance(state, enum.Enum):
        return f"{type(state).__name__}.{state.name}"
    if isinstance(state, str):
        plain = state and not _MARKED.match(state) and INTO not in state and state == state.strip()
        return state if plain else _quoted(state)
    if isinstance(state, int):
        return str(int(state))  # `True` is the state 1 to PTB too
    if isinstance(state, float) and state == state and abs(state) != float("inf"):
        return str(int(state)) if state.is_integer() else repr(state)
    if isinstance(state, tuple):
        return f"({','.join(_part(part) for part in state)})"
    raise UnnameableError(f"the state {state!r} has no name that would be the same after a restart")


def _part(state: Any) -> str:
    """The text of an element of a tuple; texts are always quoted there."""
    return (
        _quoted(state) if isinstance(state, str) and not isinstance(state, enum.Enum) else text_of(state, {})
    )


def _quoted(text: str) -> str:
    return "~" + quote(text, safe=" ", errors="surrogatepass").replace(INTO.strip(), "%3E")
