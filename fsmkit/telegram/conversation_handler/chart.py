"""A ConversationHandler with those nested in it, as one chart of states, read by its public properties.

Pure: where a conversation stands is a chain of levels, from the outermost ConversationHandler to the one
nested deepest that runs. Who is asked there, in PTB's order, and where what it returns leads, is here.
"""

import enum
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

import attrs
from telegram.ext import BaseHandler, ConversationHandler

from fsmkit.errors import DefinitionError
from fsmkit.flow.locations import calling_location

INTO = " > "
"""Stands between the state of a conversation and that of one nested in it."""


ENTERING = "~"
"""The state of a conversation that has not begun, while one nested in its entry points runs."""

_MARKED = re.compile(r"[~(]|-?[0-9.]|[A-Za-z_]\w*\.[A-Za-z_]\w*$")
"""Texts that look like the text of something else."""


class UnnameableError(Exception):
    """A state that has no text of its own which would be the same in the next process."""


def text_of(state: Hashable, names: Mapping[Any, str]) -> str:
    """Return the name of a state.

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
    if isinstance(state, range):  # `ASK = range(1)`, for `(ASK,) = range(1)`
        return repr(state)
    raise UnnameableError(f"the state {state!r} has no name that would be the same after a restart")


def _part(state: Any) -> str:
    """Return the text of an element of a tuple; texts are always quoted there."""
    return (
        _quoted(state) if isinstance(state, str) and not isinstance(state, enum.Enum) else text_of(state, {})
    )


def _quoted(text: str) -> str:
    return "~" + quote(text, safe=" ", errors="surrogatepass").replace(INTO.strip(), "%3E")


Conversation: TypeAlias = ConversationHandler[Any]


AnyHandler: TypeAlias = BaseHandler[Any, Any, Any]

SYMBOLS = (ConversationHandler.END, ConversationHandler.TIMEOUT, ConversationHandler.WAITING)
"""What may stand among the states of a ConversationHandler and is none."""


@attrs.frozen(eq=False)
class Level:
    """One ConversationHandler, and where it stands.

    Attributes:
        conversation: The ConversationHandler.
        state: Its state; `None`: it has not begun.
    """

    conversation: Conversation
    state: Hashable | None

    def is_at(self, other: "Level") -> bool:
        """Whether it is the same place."""
        return self.conversation is other.conversation and self.state == other.state


Chain: TypeAlias = tuple[Level, ...]


@attrs.frozen(eq=False)
class Offer:
    """A handler that is asked in some place.

    Attributes:
        handler: PTB's handler, never a ConversationHandler.
        path: The levels that lead to it, that of its own ConversationHandler last.
        chain: The place; the path leads off it where that ConversationHandler has not begun.
        again: Whether it is an entry point of a conversation that runs (`allow_reentry`).
    """

    handler: AnyHandler
    path: Chain
    chain: Chain
    again: bool


class UnknownReturnError(Exception):
    """A callback returned a state that its ConversationHandler does not have.

    Attributes:
        state: What it returned.
        conversation: The ConversationHandler that was to go there.
    """

    def __init__(self, state: Any, conversation: Conversation) -> None:
        self.state = state
        self.conversation = conversation
        known = ", ".join(map(repr, states_of(conversation)))
        super().__init__(f"{state!r} is not a state of the ConversationHandler; it has {known}")


class Chart:
    """The places of a ConversationHandler and of those nested in it, each with its name.

    Args:
        top: The outermost ConversationHandler.
        names: Names of states, given by hand.

    Attributes:
        places: The chain of each name.
        labels: What nested ConversationHandlers are called in names.

    Raises:
        DefinitionError: If it cannot be read as a chart.
    """

    def __init__(self, top: Conversation, names: Mapping[Any, str]) -> None:
        self.top = top
        self._names = names
        self.labels = _labels(top)
        self.places: dict[str, Chain] = {}
        for chain in _chains(top, ()):
            self._add(chain)

    def name_of(self, chain: Chain) -> str | None:
        """Return the name of a place, `None` where no conversation runs."""
        chain = _running(chain)
        return INTO.join(map(self._level, chain)) if chain else None

    def offers(self, chain: Chain) -> Iterator[Offer]:
        """Who is asked in a place, in PTB's order."""
        for handler, path, again in _offers(self.top, (), chain):
            yield Offer(handler, path, chain, again)

    def _add(self, chain: Chain) -> None:
        name = self.name_of(chain)
        if name is None:
            return
        if name in self.places:
            raise unmovable(f"two states would both be named {name!r}", "Give one of them a name with names=")
        self.places[name] = chain

    def _level(self, level: Level) -> str:
        text = ENTERING if level.state is None else _text(level.state, self._names)
        label = self.labels[id(level.conversation)]
        return f"{label}.{text}" if label else text


def states_of(conversation: Conversation) -> list[Hashable]:
    """Return the states of a ConversationHandler, without TIMEOUT, WAITING and what can never be one."""
    return [state for state in conversation.states if state is not None and state not in SYMBOLS]


def asked_in(level: Level) -> list[Conversation]:
    """Return the ConversationHandlers that are asked where another one stands, in their order."""
    return _nested_in(handler for handler, _ in _asked(level))


def leads_to(offer: Offer, returned: Any) -> Chain | None:
    """Where what a callback returned leads: a place, an empty chain for the end, `None` to stay.

    Args:
        offer: Who was asked.
        returned: What its callback returned.

    Raises:
        UnknownTargetError: If it is no state there.
    """
    chain = _moved(offer.path, offer.chain, offer.again, returned)
    if returned is None and _same(chain, offer.chain):
        return None
    return _running(chain)


def all_returns(offer: Offer) -> tuple[Any, ...]:
    """All that could lead somewhere, should the callback return it."""
    conversation = offer.path[-1].conversation
    return (None, *states_of(conversation), ConversationHandler.END, *(conversation.map_to_parent or ()))


def targets_of(offer: Offer, returns: Iterable[Any]) -> Iterator[Chain | None]:
    """Return the places to which what is returned would lead, `None`: it stays."""
    for returned in returns:
        try:
            yield leads_to(offer, returned)
        except (UnknownReturnError, TypeError):
            continue  # raised should it ever be returned


def _moved(path: Chain, chain: Chain, again: bool, returned: Any) -> Chain:
    """Return the chain after what the ConversationHandler at the end of `path` was given by its handler."""
    level, depth = path[-1], len(path)
    conversation = level.conversation
    present = len(chain) >= depth and all(
        one.conversation is other.conversation for one, other in zip(path, chain, strict=False)
    )
    if isinstance(conversation.map_to_parent, dict) and returned in conversation.map_to_parent:
        if depth == 1:
            return ()
        rest = path[:-1] if present else chain
        return _moved(path[:-1], rest, False, conversation.map_to_parent[returned])
    if returned is None:
        return chain
    if returned == ConversationHandler.END:
        return path[:-1] if present and level.state is not None else chain
    if returned not in conversation.states or returned in SYMBOLS:
        raise UnknownReturnError(returned, conversation)
    here = Level(conversation, returned)
    below = chain[depth:] if present and not again else ()
    return (*path[:-1], here, *(below if below and _nests(here, below[0].conversation) else ()))


def _offers(
    conversation: Conversation, path: Chain, chain: Chain
) -> Iterator[tuple[AnyHandler, Chain, bool]]:
    """Those of one ConversationHandler; `chain` is what runs of it and of those beside and below it."""
    present = bool(chain) and chain[0].conversation is conversation
    level = chain[0] if present else Level(conversation, None)
    below = chain[1:] if present else ()
    for handler, again in _asked(level):
        if isinstance(handler, ConversationHandler):
            yield from _offers(handler, (*path, level), below)
        else:
            yield handler, (*path, level), again


def _asked(level: Level) -> Iterator[tuple[AnyHandler, bool]]:
    conversation = level.conversation
    if level.state is None:
        yield from ((handler, False) for handler in conversation.entry_points)
        return
    if conversation.allow_reentry:
        yield from ((handler, True) for handler in conversation.entry_points)
    for handler in (*conversation.states.get(level.state, ()), *conversation.fallbacks):
        yield handler, False


def _chains(conversation: Conversation, above: Chain) -> Iterator[Chain]:
    if any(level.conversation is conversation for level in above):
        raise unmovable(f"the ConversationHandler {conversation!r} is nested in itself", "Remove it there")
    for state in (*states_of(conversation), None):
        chain = (*above, Level(conversation, state))
        if state is not None:
            yield chain
        for nested in asked_in(chain[-1]):
            yield from _chains(nested, chain)


def _nested_in(handlers: Iterable[AnyHandler]) -> list[Conversation]:
    return [h for h in dict.fromkeys(handlers) if isinstance(h, ConversationHandler)]


def _nests(level: Level, conversation: Conversation) -> bool:
    return conversation in asked_in(level)


def _labels(top: Conversation) -> dict[int, str]:
    """Return what nested ConversationHandlers are called: by their names, else by numbers in their order."""
    labels: dict[int, str] = {id(top): ""}
    for number, nested in enumerate(nested_in(top), 1):
        label = nested.name or str(number)
        if label in labels.values():
            raise unmovable(f"two nested ConversationHandlers are called {label!r}", "Give each a name=")
        labels[id(nested)] = label
    return labels


def nested_in(top: Conversation) -> list[Conversation]:
    """All that are nested in a ConversationHandler, at any depth, in order of appearance."""
    found: list[Conversation] = []
    todo = [top]
    while todo:
        each = todo.pop(0)
        lists = (each.entry_points, *each.states.values(), each.fallbacks)
        for nested in _nested_in(handler for handlers in lists for handler in handlers):
            if nested is not top and nested not in found:
                found.append(nested)
                todo.append(nested)
    return found


def idle_seconds(level: Level) -> float:
    """Return the time after which a ConversationHandler ends by itself, in seconds; infinite without one."""
    given = level.conversation.conversation_timeout
    seconds = given.total_seconds() if isinstance(given, timedelta) else float(given or 0)
    return seconds if seconds > 0 else float("inf")


def _running(chain: Chain) -> Chain:
    while chain and chain[-1].state is None:
        chain = chain[:-1]
    return chain


def _same(one: Chain, other: Chain) -> bool:
    return len(one) == len(other) and all(a.is_at(b) for a, b in zip(one, other, strict=True))


def _text(state: Hashable, names: Mapping[Any, str]) -> str:
    try:
        return text_of(state, names)
    except UnnameableError as error:
        raise unmovable(str(error), f"Give it one: names={{{state!r}: 'a name'}}") from None


def unmovable(problem: str, remedy: str) -> DefinitionError:
    """Return the error for what cannot be moved, at the line that asked for it."""
    return DefinitionError(problem, place=calling_location(), remedy=remedy)
