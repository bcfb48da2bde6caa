"""What a person could say now, from the inputs that the handlers which are asked would take."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import attrs
import msgspec

from fsmkit.engine.engine import Engine
from fsmkit.flow.events import ChatEvent, Internal
from fsmkit.flow.handlers import Handler
from fsmkit.flow.matchers import classes_in
from fsmkit.interpreter.codec import EventCodec, class_name
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.selection import ranks
from fsmkit.testing.findings import seen_from_here
from fsmkit.testing.harness.actions import Action, PressData, Say, action_to_json
from fsmkit.testing.inputs.handlers import inputs_of
from fsmkit.testing.inputs.values import instances_of

MAX_OFFERS = 14
"""Chips that are shown at once."""

MAX_TEXT = 40
"""Characters of a text that is offered."""

Shown = dict[str, Any]

_inputs = lru_cache(maxsize=512)(inputs_of)


def offers_of(engine: Engine, row: Row) -> list[Shown]:
    """Return what the handlers that are asked where a person stands would take, in their order.

    Args:
        engine: What runs the flows.
        row: What is stored for the person.
    """
    found: dict[Action, Shown] = {}
    for _, _, frame, table, handlers, _ in ranks(engine.flows, row):
        for handler in handlers:
            action = _plainest(handler)
            if action is not None and action not in found:
                state = "any" if frame is None else frame.state
                where = f"{handler.name} in {table.name}/{state}, {seen_from_here(handler.place)}"
                found[action] = {"text": action.line(), "action": action_to_json(action), "about": where}
    return list(found.values())[:MAX_OFFERS]


def _plainest(handler: Handler) -> Action | None:
    """Return the first input that a person would write: no press, which stands in the chat, no long text."""
    for action in _inputs(handler).accepted:
        too_long = isinstance(action, Say) and len(action.text) > MAX_TEXT
        if not too_long and not isinstance(action, PressData):
            return action
    return None


def events_of(engine: Engine) -> list[Shown]:
    """Return the events from outside that flows take, each with an example to be changed."""
    return [*_events(engine)]


def _events(engine: Engine) -> Iterator[Shown]:
    tables = engine.flows.tables.values()
    classes = classes_in(handler.matcher for table in tables for handler in table.flow.handlers)
    for kind in dict.fromkeys(classes):
        if issubclass(kind, ChatEvent | Internal) or kind.__module__.startswith("telegram"):
            continue
        for example in instances_of(kind)[:1]:
            name, raw = EventCodec([kind]).encode(example)
            fields = [field.name for field in attrs.fields(kind)] if attrs.has(kind) else []
            yield {
                "class": name,
                "name": kind.__name__,
                "fields": fields,
                "data": msgspec.json.decode(raw),
                "about": class_name(kind),
            }
