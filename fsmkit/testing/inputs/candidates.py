"""Menus: what can be done at an observation of a conversation, by the handlers that may take it.

Where a person stands says which handlers are asked; their declarations, the buttons on the screen and the
words that were shown say what to try.
"""

import re
from collections.abc import Iterator
from typing import Any

import attrs
import msgspec

from fsmkit.errors import StoredByNewerVersion
from fsmkit.flow.handlers import Handler
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.interpreter.migrations import is_current, migrate_row
from fsmkit.interpreter.row import Row, times_of
from fsmkit.interpreter.selection import ranks
from fsmkit.testing.harness.actions import Action, Content, Deadline, EditLast, Press, Say, Stored
from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.inputs.handlers import Inputs, inputs_of, wants

WRONG: tuple[Action, ...] = (
    Say("Ann"),
    Say("1"),
    Say("/fsmkit_unknown"),
    Content("photo"),
    Content("location"),
    Content("sticker"),
    EditLast("Ann"),
)
"""What people do when they were asked for something else."""


MOST_WORDS = 12


_KEY = re.compile(r"(?m)(?:^  | )\(([^()\n]+)\)")
"""A key of a reply keyboard, as it is shown."""


_WORD = re.compile(r"[\w-]{2,40}")


@attrs.frozen
class Candidate:
    """A handler that is asked where a person stands, and what it may take.

    Attributes:
        flow: Name of its flow.
        state: The state for which it is asked.
        handler: The handler.
        actions: What to do.
        odd: What its code may break on.
    """

    flow: str
    state: str | None
    handler: Handler
    actions: tuple[Action, ...]
    odd: tuple[Action, ...] = ()


class Candidates:
    """The menus of one bot; what the declarations give is worked out once.

    Args:
        resources: What handlers find in `ctx.resources`.
    """

    def __init__(self, resources: Any = None) -> None:
        self._resources = resources
        self._inputs: dict[Handler, Inputs] = {}

    def inputs(self, handler: Handler) -> Inputs:
        """Return the inputs of a handler."""
        if handler not in self._inputs:
            self._inputs[handler] = inputs_of(handler, self._resources)
        return self._inputs[handler]

    def dishes(self, flows: FlowSet, row: Row, seen: str) -> list[Candidate]:
        """Return what the handlers may take that are asked now, in their order; presses are `presses`.

        Args:
            flows: The bot's flows.
            row: What is stored for the person.
            seen: What was shown last: words to be typed may stand there.
        """
        found: list[Candidate] = []
        typed = [*_KEY.findall(seen), *_words(row), *_WORD.findall(seen)]
        hints = list(dict.fromkeys(typed))[:MOST_WORDS]
        for table, state, handler in asked(flows, row):
            inputs = self.inputs(handler)
            hinted = [Say(word) for word in hints] if _takes_text(inputs) and not handler.examples else []
            # One that its guard refuses too: what a guard says no to is a way through the flow.
            given = (*inputs.accepted, *inputs.guarded[:1])
            actions = (*given, *(action for action in hinted if wants(handler, action)))
            found.append(Candidate(table.name, state, handler, tuple(dict.fromkeys(actions)), inputs.odd))
        return found


def asked(flows: FlowSet, row: Row) -> Iterator[tuple[CompiledFlow, str | None, Handler]]:
    """Yield the handlers that `fsmkit.interpreter.selection.select` would ask, whatever they want."""
    for _, _, frame, table, handlers, runs in ranks(flows, _as_read(flows, row)):
        state = frame.state if runs and frame is not None else None
        yield from ((table, state, handler) for handler in handlers)


def _as_read(flows: FlowSet, row: Row) -> Row:
    """Return a row in the versions that run, as a handler would find it."""
    if is_current(flows, row):
        return row
    try:
        return migrate_row(flows, row)[0]
    except StoredByNewerVersion:
        return row


def waits(row: Row) -> list[Action]:
    """Letting time pass, where something is due at some time."""
    due = any(times_of(snapshot) for snapshot in row.snapshots.values())
    return [Deadline()] if due or row.later else []


def stored(flows: FlowSet) -> list[Action]:
    """Return what older versions of the flows may have stored, as their migrations say."""
    return [
        Stored(name, version, state, data)
        for name, table in flows.tables.items()
        for version, examples in table.flow.migration_examples.items()
        for state, data in examples
    ]


def presses(driver: Driver, user: int = 1) -> list[Press]:
    """Each button on the screen, by its text."""
    return [Press(text, user=user) for text in dict.fromkeys(shown.text for shown in driver.pressable(user))]


def old_presses(driver: Driver, user: int = 1, most: int = 6) -> list[Press]:
    """Buttons of earlier, newest first."""
    counts: dict[str, int] = {}
    found: list[Press] = []
    for shown in driver.stale(user)[:most]:
        nth = counts.get(shown.text, 0)
        counts[shown.text] = nth + 1
        found.append(Press(shown.text, True, nth, user=user))
    return found


def _takes_text(inputs: Inputs) -> bool:
    return any(isinstance(action, Say) and action.text[:1] != "/" for action in inputs.accepted)


def _words(row: Row) -> Iterator[str]:
    """Texts and numbers in the stored data: what a bot keeps is what it may ask for."""
    place = [snapshot for snapshot in row.snapshots.values() if snapshot.active]
    if place:
        yield from _leaves(msgspec.json.decode(place[-1].frames[-1].data), 3)


def _leaves(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, str) and 0 < len(value) <= 64 and value.strip():
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif depth and isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part, depth - 1)
    elif depth and isinstance(value, list):
        for part in value:
            yield from _leaves(part, depth - 1)
