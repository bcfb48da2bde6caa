"""Findings: what is wrong with a flow, where, and the conversation that shows it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import attrs
import msgspec

from fsmkit.interpreter.row import Row
from fsmkit.testing.harness.actions import (
    Action,
    Album,
    Content,
    Deadline,
    EditLast,
    Gesture,
    Press,
    PressData,
    Restart,
    Say,
    Wait,
    shortened,
)
from fsmkit.testing.harness.observation import Observation

MAX_COLUMN = 44
"""Letters of a column; what is longer pushes the others to the right in its own line only."""
CODES = frozenset(
    {
        "bare-tags",
        "dead-buttons",
        "dead-end",
        "duplicate",
        "flaky",
        "foreign-data",
        "invariant",
        "late-event",
        "long-prompt",
        "lost-field",
        "lost-payment",
        "migration",
        "missing-await",
        "needless-await",
        "newer",
        "no-description",
        "no-end",
        "no-entry",
        "no-exit",
        "no-input",
        "no-otherwise",
        "no-ttl",
        "order",
        "orphaned",
        "other-edge",
        "property",
        "race",
        "raised",
        "refused",
        "refused-message",
        "restart",
        "self-loop",
        "send-cycle",
        "shadowed",
        "slow-pattern",
        "store",
        "stuck",
        "targets-differ",
        "unanswered",
        "undeclared-edge",
        "unheard-button",
        "unknown-field",
        "unknown-state",
        "unreachable",
        "unreached",
        "unreadable",
        "unreadable-source",
        "unreadable-target",
        "unshown-button",
        "unstorable",
        "untried-migration",
        "wrong-example",
    }
)
"""The codes of findings, but those of oracles of one's own."""

BY_HAND = (Album, Content, Deadline, EditLast, Gesture, Press, PressData, Restart, Say, Wait)
"""Actions that are calls of `Chat`, without a name to be imported."""


def transcript(observations: Iterable[Observation], *, data: bool = True) -> str:
    """Return a conversation: `>` begins what the person did, below it stands what the bot said.

    Args:
        observations: What came of each action.
        data: Whether the conversation's data stand beside each line.
    """
    lines: list[tuple[str, ...]] = []
    for observation in observations:
        place, held, taken = _beside(observation)
        beside = (place, held, taken) if data else (place, taken)
        lines.append((f"> {observation.action.by()}{observation.action.line()}", *beside))
        lines += [(f"    {line}",) for text in observation.shown for line in text.splitlines()]
        lines += [(f"    ! {described(error)}",) for error in observation.errors]
    return "\n".join(_aligned(lines))


def stored(row: Row) -> list[dict[str, Any]]:
    """Return what is stored for a person, as JSON: conversations and drafts, the one entered last first."""
    return [
        {
            "flow": frame.flow,
            "state": frame.state,
            "data": msgspec.json.decode(frame.data),
            **({"history": list(frame.history)} if frame.history else {}),
            **({"deadline": _time(snapshot.deadline)} if snapshot.deadline is not None else {}),
        }
        for snapshot in reversed(row.snapshots.values())
        for frame in reversed(snapshot.frames)
    ]


def described(error: BaseException) -> str:
    """Return an exception in one line, with the place in the user's own code where it came from."""
    from fsmkit.flow.locations import location_in_user_code

    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    place = location_in_user_code(error)
    return " ".join((f"{place}: {said}" if place else said).split())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _beside(observation: Observation) -> tuple[str, str, str]:
    place = "/".join(state or f"({flow})" for flow, state in observation.place) or "-"
    data = "" if observation.data is None else shortened(repr(observation.data), 80)
    return place, data, ", ".join(map(str, observation.taken))


def _aligned(lines: Sequence[tuple[str, ...]]) -> list[str]:
    widths: list[int] = []
    for column in range(3):
        cells = [line[column] for line in lines if len(line) > column + 1]
        widths.append(max((len(cell) for cell in cells if len(cell) <= MAX_COLUMN), default=0))
    return [_row(line, widths).rstrip() for line in lines]


def _row(line: tuple[str, ...], widths: Sequence[int]) -> str:
    if len(line) == 1:
        return line[0]
    cells: list[Any] = [cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)]
    return "  | ".join([*cells, line[-1]])


Phase: TypeAlias = Literal[
    "lint", "tours", "random", "parallel", "deploys", "stores", "mutants", "replay", "recorded", "store"
]
"""How it was found."""


@attrs.frozen
class Problem:
    """What an oracle says of an observation.

    Attributes:
        code: What kind of finding, for example `raised`.
        message: A whole sentence.
        where: `file:line` of the user's code, `None` where none is at fault.
    """

    code: str
    message: str
    where: str | None = None


@attrs.frozen(eq=False)
class Finding:
    """Something that is wrong.

    Attributes:
        code: What kind; `docs/reference/testing.md` lists them.
        message: A whole sentence.
        where: `file:line` of the user's code, `None` where none is at fault.
        flow: Name of the flow.
        phase: How it was found.
        note: Whether it is only worth a look; notes do not fail a run.
        observations: The conversation that shows it; empty for what the declaration shows.
        chat: The group in which it takes place; `None`: the private chat with the bot.
    """

    code: str
    message: str
    where: str | None
    flow: str
    phase: Phase
    note: bool = False
    observations: tuple[Observation, ...] = ()
    chat: int | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """What was done."""
        return tuple(observation.action for observation in self.observations)

    @property
    def line(self) -> str:
        """The finding in one line: place, code, sentence."""
        where = f"{seen_from_here(self.where)}: " if self.where else ""
        return f"{where}{'note: ' if self.note else ''}{self.code}: {self.message}"

    def __str__(self) -> str:
        if not self.observations:
            return self.line
        shown = "\n".join(f"  {line}" for line in transcript(self.observations).splitlines())
        return "\n".join([self.line, shown, *(f"  stored: {row}" for row in self.stored)])

    @property
    def stored(self) -> list[str]:
        """What is stored at the end of the conversation, a line of JSON for each flow that runs or waits."""
        rows = stored(self.observations[-1].after) if self.observations else []
        return [msgspec.json.encode(row).decode() for row in rows]

    @property
    def test_name(self) -> str:
        """The name of a test that shows it."""
        return "test_" + "".join(c if c.isalnum() else "_" for c in f"{self.flow}_{self.code}").lower()

    @property
    def shown_by_hand(self) -> bool:
        """Whether the conversation fails by itself: a handler raises. All else needs an oracle to be seen."""
        return self.code == "raised" and all(isinstance(action, BY_HAND) for action in self.actions)

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it."""
        return {
            "code": self.code,
            "message": self.message,
            "where": seen_from_here(self.where) if self.where else None,
            "flow": self.flow,
            "phase": self.phase,
            "note": self.note,
            "chat": self.chat,
            "conversation": [step(observation) for observation in self.observations],
            "stored": stored(self.observations[-1].after) if self.observations else [],
        }


def step(observation: Observation) -> dict[str, Any]:
    """Return an observation as JSON: what was done, seen, taken, and where the person stands."""
    from fsmkit.testing.harness.actions import action_to_json

    return {
        "act": action_to_json(observation.action),
        "line": observation.action.by() + observation.action.line(),
        "shown": list(observation.shown),
        "taken": [str(taken) for taken in observation.taken],
        "state": observation.state,
        "flow": observation.flow,
        "data": repr(observation.data) if observation.data is not None else None,
        "errors": [f"{type(error).__name__}: {error}" for error in observation.errors],
    }


def seen_from_here(place: str | None) -> str:
    """`file:line`, as seen from the working directory."""
    from fsmkit.flow.locations import shown_path

    file, colon, line = (place or "").rpartition(":")
    return f"{shown_path(file)}{colon}{line}" if file else place or ""
