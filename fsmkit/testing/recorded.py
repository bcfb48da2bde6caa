"""Acts as JSON, and back: what failures are stored and replayed as."""

from collections.abc import Iterable
from typing import Any

import attrs
import msgspec

from fsmkit.codec import EventCodec, class_name
from fsmkit.flow import Flow
from fsmkit.matching import classes_in
from fsmkit.testing import acts
from fsmkit.testing.acts import Act

KINDS: dict[str, type[Act]] = {
    "say": acts.Say,
    "press": acts.Press,
    "press-data": acts.PressData,
    "content": acts.Content,
    "album": acts.Album,
    "gesture": acts.Gesture,
    "edit": acts.Edit,
    "event": acts.Outside,
    "wait": acts.Wait,
    "deadline": acts.Deadline,
    "restart": acts.Restart,
    "deploy": acts.Deploy,
    "stored": acts.Stored,
    "duplicate": acts.Duplicate,
    "swap": acts.Swap,
    "together": acts.Together,
    "killed": acts.Killed,
    "refused": acts.Refused,
}
"""The field `do` of an act, and its class; the other fields have the names of the class's attributes."""

_NAMES = {kind: name for name, kind in KINDS.items()}


class NotReadableError(ValueError):
    """JSON that is no act."""


def act_to_json(act: Act) -> dict[str, Any]:
    """An act as a JSON object; fields at their defaults are left out.

    Example:
        >>> act_to_json(acts.Say("Ann"))
        {'do': 'say', 'text': 'Ann'}
    """
    shown: dict[str, Any] = {"do": _NAMES[type(act)]}
    for field in attrs.fields(type(act)):
        value = getattr(act, field.name)
        if field.default is not attrs.NOTHING and (value == field.default or value in ({}, None)):
            continue
        if isinstance(value, Act):
            value = act_to_json(value)
        elif field.name == "acts":
            value = [act_to_json(part) for part in value]
        elif field.name == "event":
            value = _event_to_json(value)
        shown[field.name] = value
    return shown


def act_from_json(shown: Any, flows: Iterable[Flow[Any]]) -> Act:
    """The act of a JSON object.

    Args:
        shown: The object.
        flows: The flows, for the classes of events from outside.

    Raises:
        NotReadableError: If it is none.
    """
    if not isinstance(shown, dict) or shown.get("do") not in KINDS:
        raise NotReadableError(f"{shown!r} is no act: its field `do` is one of {', '.join(KINDS)}")
    fields: dict[str, Any] = {name: value for name, value in shown.items() if name != "do"}
    for name, value in fields.items():
        if isinstance(value, dict) and "do" in value and name != "data":
            fields[name] = act_from_json(value, flows)
        elif name == "acts" and isinstance(value, list):
            fields[name] = tuple(act_from_json(part, flows) for part in value)
        elif name == "event":
            fields[name] = _event_from_json(value, flows)
    try:
        return KINDS[shown["do"]](**fields)
    except (TypeError, ValueError) as error:
        raise NotReadableError(f"{shown!r} is no act: {error}") from error


def _event_to_json(event: Any) -> dict[str, Any]:
    name, raw = EventCodec([type(event)]).encode(event)
    return {"class": name, "data": msgspec.json.decode(raw)}


def _event_from_json(shown: Any, flows: Iterable[Flow[Any]]) -> Any:
    classes = classes_in(handler.matcher for flow in flows for handler in flow.handlers)
    try:
        name = str(shown["class"])
        if name not in map(class_name, classes):  # another version may stand in a module of another name
            short = name.rpartition(".")[2]
            name = next((class_name(kind) for kind in classes if kind.__name__ == short), name)
        return EventCodec(classes).decode(name, msgspec.Raw(msgspec.json.encode(shown["data"])))
    except (KeyError, TypeError, ValueError) as error:
        raise NotReadableError(f"{shown!r} is no event of these flows: {error}") from error
