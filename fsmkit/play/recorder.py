"""Why a step went as it did: who was asked, who ran, what came of it; as JSON for the page."""

import linecache
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsmkit.engine.envelope import Outcome
from fsmkit.engine.observer import Observer, Offered
from fsmkit.flow.events import Reminder, Timeout
from fsmkit.flow.locations import location_in_user_code
from fsmkit.graph.drawing import Drawing
from fsmkit.graph.graph import Edge
from fsmkit.interpreter.row import Effect, Row
from fsmkit.keys import Key
from fsmkit.testing.coverage import Crossing
from fsmkit.testing.findings import seen_from_here
from fsmkit.testing.harness.instrument import HandlerCall
from fsmkit.testing.harness.observation import Observation

MAX_REPR = 200
"""Characters of a result, or of an event, that are shown."""

Shown = dict[str, Any]


class Recorder(Observer):
    """Notes what an engine does until it is asked."""

    def __init__(self) -> None:
        self.asked_now: list[Shown] = []
        self.effects: list[Shown] = []
        self.results: list[Shown] = []
        self.fired_now: list[str] = []

    def begin(self) -> None:
        """Forget what was noted."""
        self.asked_now, self.effects, self.results, self.fired_now = [], [], [], []

    def asked(self, key: Key, offered: Offered, why: str | None) -> None:  # noqa: ARG002
        """Note who was asked."""
        self.asked_now.append({**_handler(offered), "why": why})

    def result(self, key: Key, offered: Offered, result: Any) -> None:  # noqa: ARG002
        """Note what came of it."""
        self.results.append({**_handler(offered), "result": brief(result)})

    def committed(self, key: Key, before: Row, after: Row, outcome: Outcome) -> None:  # noqa: ARG002
        """Note what is to be carried out."""
        self.effects += [{"what": _named(effect), "done": "recorded"} for effect in outcome.effects]

    def delivered(self, key: Key, effect: Effect, receipt: Any) -> None:  # noqa: ARG002
        """Note that it was."""
        self.effects.append({"what": _named(effect), "done": "delivered"})

    def refused(self, key: Key, effect: Effect, error: Exception) -> None:  # noqa: ARG002
        """Note that it was not."""
        self.effects.append({"what": _named(effect), "done": f"refused: {error}"})

    def fired(self, key: Key, event: Timeout | Reminder) -> None:  # noqa: ARG002
        """Note a time that has come."""
        self.fired_now.append(type(event).__name__)


def step_of(observation: Observation, noted: Recorder, calls: list[Shown]) -> Shown:
    """Return what is to be seen of a step, as JSON.

    Args:
        observation: What came of it.
        noted: What the engine did.
        calls: The handlers that ran.
    """
    last = {edge["what"]: edge for edge in noted.effects}
    return {
        "calls": calls,
        "asked": noted.asked_now,
        "fired": noted.fired_now,
        "effects": [*last.values()],
        "edges": [call["edge"] for call in calls if call["edge"]],
        "errors": [error_of(error) for error in observation.errors],
        "shown": list(observation.shown),
        "handled": observation.handled,
    }


def error_of(error: BaseException) -> Shown:
    """Return an exception: what, where, the source line, and what fsmkit has noted."""
    place = location_in_user_code(error)
    file, _, line = (place or "").rpartition(":")
    notes = [note.removeprefix("fsmkit: ") for note in getattr(error, "__notes__", ())]
    return {
        "text": f"{type(error).__name__}: {error}".removesuffix(": "),
        "place": seen_from_here(place) if place else None,
        "source": linecache.getline(file, int(line)).strip() if line.isdecimal() else "",
        "notes": [note for note in notes if not note.startswith("in this conversation")],
    }


def call_of(
    taken: HandlerCall, results: Sequence[Shown], edges: Mapping[Crossing, Edge], drawing: Drawing
) -> Shown:
    """Return what a handler did, with the id of the arrow or chip that was taken."""
    edge = edges.get(taken.edge)
    said = next((each["result"] for each in results if each["handler"] == taken.handler.name), None)
    return {
        "handler": taken.handler.name,
        "place": seen_from_here(taken.handler.place),
        "flow": taken.flow,
        "state": taken.state,
        "result": _went(taken),
        "returned": said,
        "edge": drawing.by_edge.get(edge) if edge is not None else None,
    }


def _went(taken: HandlerCall) -> str:
    """Return where a handler went, in few letters."""
    kind, _, target = str(taken).partition(": ")[2].partition(" -> ")
    return {"transition": f"→ {target}", "call": f"calls {target}", "end": "ends"}.get(kind, kind)


def _handler(offered: Offered) -> Shown:
    handler = offered.handler
    return {
        "flow": offered.flow,
        "state": offered.state,
        "handler": handler.name,
        "place": seen_from_here(handler.place),
    }


def _named(effect: Any) -> str:
    """Return an effect in a few words: `send: Your name?`."""
    said = getattr(effect, "text", None) or ", ".join(map(str, getattr(effect, "messages", ())))
    return f"{type(effect).__name__.lower()}: {said or '(silently)'}"


def brief(value: Any) -> str:
    """Return the `repr` of a value in one line that is not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= MAX_REPR else f"{text[: MAX_REPR - 1]}…"


def source_lines(place: str, around: int = 14) -> Iterator[tuple[int, str]]:
    """Yield the numbered source lines of a handler.

    Args:
        place: `file:line`, as the handler has it.
        around: How many lines at most.
    """
    file, _, line = place.rpartition(":")
    first = int(line)
    for number in range(first, first + around):
        text = linecache.getline(file, number)
        if not text or (number > first + 2 and not text.strip()):
            return
        yield number, text.rstrip()
