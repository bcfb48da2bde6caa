"""The tree of steps, and which of them have a checkpoint to go back to."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.ptb_driver import Checkpoint

KEPT = 40
"""How many of the last steps have a checkpoint."""

EVERY = 10
"""Of older steps each so many-th keeps its own."""

Shown = dict[str, Any]


@attrs.define(eq=False)
class PlayedStep:
    """A step of the tree.

    Attributes:
        number: Its number, from 0, the beginning.
        parent: The step before it.
        action: What was done; `None`: the beginning.
        place: The group in which it was done; `None`: the private chat with the bot.
        shown: What the page knows of it.
        observation: What came of it.
        saved: What there was after it.
        keyboards: The reply keyboards then, by chat.
        people: Who had talked to the bot.
    """

    number: int
    parent: "PlayedStep | None" = None
    action: Action | None = None
    place: int | None = None
    shown: Shown = attrs.field(factory=dict[str, Any])
    observation: Observation | None = None
    saved: Checkpoint | None = None
    keyboards: Mapping[int, Any] = attrs.field(factory=dict[int, Any])
    people: tuple[int, ...] = (1,)

    def path(self) -> "list[PlayedStep]":
        """Return the steps from the beginning to this one, without the beginning."""
        found: list[PlayedStep] = []
        step = self
        while step.parent is not None:
            found.append(step)
            step = step.parent
        return found[::-1]

    @property
    def outcome(self) -> list[Any]:
        """What is compared when the step is carried out once more."""
        return [self.shown.get(name) for name in ("shown", "standing", "errors", "stored")]

    def seen(self) -> Shown:
        """Return what the page knows of the step, as little as it may be."""
        if self.shown:
            return self.shown
        parent = None if self.parent is None else self.parent.number
        line = "" if self.action is None else self.action.line()
        place = {"id": self.number, "parent": parent, "line": line, "passed": 0}
        return {**place, "unplayed": True, "edges": [], "errors": []}


class StepTree:
    """The steps of a session."""

    def __init__(self) -> None:
        self.all: list[PlayedStep] = [PlayedStep(0)]
        self._kept: deque[PlayedStep] = deque()

    @property
    def beginning(self) -> PlayedStep:
        """Where everything begins."""
        return self.all[0]

    def new(self, parent: PlayedStep, action: Action, place: int | None) -> PlayedStep:
        """Return a step that is not in the tree yet."""
        return PlayedStep(len(self.all), parent, action, place)

    def branch(self, actions: Iterable[Action], place: int | None = None) -> PlayedStep:
        """Add steps to the beginning, not carried out yet; those that are there already stay as they are.

        Returns:
            The last of them.
        """
        step = self.beginning
        for action in actions:
            found = self._known(step, action, place)
            if found is None:
                found = self.new(step, action, place)
                self.all.append(found)
            step = found
        return step

    def _known(self, parent: PlayedStep, action: Action, place: int | None) -> PlayedStep | None:
        alike = (each for each in self.all if each.parent is parent and each.action == action)
        return next((each for each in alike if each.place == place), None)

    def keep(self, step: PlayedStep, saved: Checkpoint) -> None:
        """Give a step a checkpoint, and take those of older ones away."""
        step.saved = saved
        self._kept.append(step)
        while len(self._kept) > KEPT:
            old = self._kept.popleft()
            if len(old.path()) % EVERY:
                old.saved = None

    def forget_checkpoints(self) -> None:
        """Take all checkpoints away: they are of another version."""
        for step in self.all:
            step.saved = None
        self._kept.clear()


def checkpoint_on(path: Sequence[PlayedStep]) -> int:
    """Return how many steps of a path need not be carried out once more."""
    return next((n for n in range(len(path), 0, -1) if path[n - 1].saved is not None), 0)


def beginning_at(now: float) -> Shown:
    """Return what the page knows of the beginning."""
    nothing: Shown = {
        name: [] for name in ("notices", "calls", "asked", "fired", "effects", "edges", "errors", "shown")
    }
    place = {"id": 0, "parent": None, "line": "beginning", "user": 1, "place": None}
    return {
        **place,
        **nothing,
        "at": now,
        "passed": 0,
        "ms": 0,
        "handled": True,
        "stored": {},
        "standing": {},
    }
