"""`in_state`: a filter for the bot's other handlers that knows where the conversation of an update stood.

PTB asks its handlers of one update one after the other, in one task. `FlowHandler` leaves what it has seen in
a context variable of that task, together with the update: an answer for one update is never taken for that
of another, and nothing is left behind where nobody asks.
"""

import difflib
from contextvars import ContextVar
from typing import Any

import attrs
from telegram import Update
from telegram.ext.filters import UpdateFilter

from fsmkit.engine.engine import Engine
from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import calling_location
from fsmkit.flow.states import State
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.intake import Intake


@attrs.frozen(eq=False)
class PassedOn:
    """An update that fsmkit has passed on.

    Attributes:
        update: The update.
        states: Flows and their states in which its conversations stood then.
    """

    update: Update
    states: frozenset[tuple[str, str]]


_passed_on: ContextVar[PassedOn | None] = ContextVar("fsmkit_passed_on", default=None)


def in_state(flow: Flow[Any], *states: str | State) -> UpdateFilter:
    """Return a filter for the bot's other handlers: whether the update's conversation was in a state.

    It matches only updates that fsmkit has passed on because no flow took them. So the handler must be in a
    group after fsmkit's; for all other updates the filter is false. It tests the state in which the
    conversation was when the update was passed on. A flow that has called another one is in its own state
    meanwhile. If there is such a filter for a flow, its conversation is read for each such update.

    Args:
        flow: The flow, attached to the same application.
        states: Any of these states; without any, every state.

    Raises:
        DefinitionError: If `flow` is not a flow, or it has no such state.

    Example:
        >>> form = Flow("form")
        >>> age = form.state("age", prompt="How old are you?")
        >>> in_state(form, "age")
        in_state('form', 'age')
    """
    place = calling_location()
    if not isinstance(flow, Flow):
        raise DefinitionError(
            f"in_state() takes a flow first, got {flow!r}", place=place, remedy='Write in_state(flow, "age")'
        )
    names = [str(state) for state in states]
    for name in names:
        if name not in flow.states:
            near = difflib.get_close_matches(name, flow.states, n=1)
            meant = (
                f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(flow.states) or 'none yet'}."
            )
            raise flow.error(
                f"in_state names {name!r}, which is not a state of it",
                f"{meant} A state is declared above the filter",
                place,
            )
    flow.mark_filtered()
    return _InState(flow.name, names)


class _InState(UpdateFilter):
    """The filter; it looks nothing up by itself."""

    __slots__ = ("_flow", "_states")

    def __init__(self, flow: str, states: list[str]) -> None:
        super().__init__(name=f"in_state({', '.join(map(repr, [flow, *states]))})")
        self._flow = flow
        self._states = frozenset(states)

    def check_update(self, update: object) -> bool:
        """Return the verdict for any update; other filters of PTB's are about messages only."""
        return isinstance(update, Update) and self.filter(update)

    def filter(self, update: Update) -> bool:
        """Return the verdict for an update."""
        passed = _passed_on.get()
        if passed is None or passed.update is not update:
            return False
        return any(
            flow == self._flow and (not self._states or state in self._states)
            for flow, state in passed.states
        )


async def note_passed_on(event: TelegramEvent, engine: Engine, intake: Intake) -> None:
    """Note where the conversations of an update stand, in flows for which there is a filter.

    Args:
        event: What was read of an update that no flow has taken.
        engine: Where the conversations are.
        intake: Knows their keys.
    """
    names = engine.flows.filtered
    if not names:
        return
    asked = [engine.flows.tables[name] for name in names]
    found: set[tuple[str, str]] = set()
    keys = {intake.key_of(event, rule) for table in asked for rule in _rules(engine, table)}
    for key in keys:
        for _, _, frame in (await engine.peek(key)).frames() if key is not None else ():
            if frame.flow in names and frame.state is not None:
                found.add((frame.flow, frame.state))
    _passed_on.set(PassedOn(event.update, frozenset(found)))


def _rules(engine: Engine, table: CompiledFlow) -> Any:
    """Return the key rules under which a flow may stand; one that is only called stands at its caller's."""
    return (table.flow.key,) if table in engine.flows.entries else engine.flows.key_rules()
