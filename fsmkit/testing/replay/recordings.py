"""Recorded conversations, had again with a new version of the flows: what would not go on as it did.

What was recorded, and how, is in `fsmkit.testing.replay.recorder`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec

from fsmkit.flow.flow import Flow
from fsmkit.interpreter.compiled import CompiledFlow
from fsmkit.testing.findings import Finding, Problem
from fsmkit.testing.harness.actions import (
    Action,
    Content,
    Deadline,
    EditLast,
    NotReadableError,
    Outside,
    Press,
    Say,
    action_from_json,
)
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.instrument import HandlerCall
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.candidates import Candidate, Candidates

_KINDS: dict[type[Action], str] = {
    Say: "a text",
    EditLast: "an edited text",
    Content: "a caption",
    Outside: "an event",
}


TRIES = 12
"""Other inputs that are tried where the recorded one, which stands for the real one, goes another way."""


@attrs.frozen
class RecordedLine:
    """An event that a handler took.

    Attributes:
        flow: The handler's flow.
        state: The state in which it ran; `None`: no conversation.
        handler: Its name.
        kind: What it returned.
        target: Flow and state that this leads to.
        action: What stands for what was done; `None` if nothing is known that could.
        index: Which button of its message was pressed.
        stands: Whether the action stands for another text than the one that was written.
    """

    flow: str
    state: str | None
    handler: str
    kind: str
    target: tuple[str, str | None] | None
    action: Action | None
    index: int | None = None
    stands: bool = False

    @property
    def edge(self) -> str:
        """Where it led, in words."""
        return edge_in_words(self.kind, self.target, self.flow)


def read_recording(path: str | Path, flows: Iterable[Flow[Any]]) -> list[list[RecordedLine]]:
    """The conversations of a file, those of each person one after the other.

    Args:
        path: The file.
        flows: The flows, for the classes of events from outside.

    Raises:
        NotReadableError: If a line is none of a recording.
        OSError: If there is no such file.
    """
    flows = tuple(flows)
    people: dict[str, list[RecordedLine]] = {}
    for number, text in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        if text.strip():
            try:
                who, line = _line(text, flows)
            except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
                raise NotReadableError(f"line {number} is none of a recording: {error}") from error
            people.setdefault(who, []).append(line)
    return list(people.values())


def _line(text: str, flows: Sequence[Flow[Any]]) -> tuple[str, RecordedLine]:
    shown: dict[str, Any] = msgspec.json.decode(text)
    who, action = str(shown["who"]), shown["act"]
    target = None if shown["target"] is None else (shown["target"][0], shown["target"][1])
    try:
        done = None if action is None else action_from_json(action, flows)
    except NotReadableError:
        if not isinstance(action, dict) or action.get("do") != "event":
            raise
        done = None  # of a class that no handler takes any more
    return who, RecordedLine(
        shown["flow"],
        shown["state"],
        shown["handler"],
        shown["kind"],
        target,
        done,
        shown["index"],
        bool(shown["stands"]),
    )


@attrs.define
class Rehearsal:
    """What came of having recorded conversations again.

    Attributes:
        people: How many there are.
        steps: How many events were had again.
        left: Events that were left out: what went before them is not known, or went another way.
        findings: What went another way, each by its shortest conversation.
        counts: With how many people each did.
    """

    people: int = 0
    steps: int = 0
    left: int = 0
    findings: dict[Problem, Finding] = attrs.field(factory=dict[Problem, Finding])
    counts: Counter[Problem] = attrs.field(factory=Counter[Problem])

    def add(self, found: Mapping[Problem, Finding]) -> None:
        """Takes in what went another way with one person."""
        self.people += 1
        self.counts.update(found.keys())
        for problem, finding in found.items():
            known = self.findings.setdefault(problem, finding)
            if len(finding.observations) < len(known.observations):
                self.findings[problem] = finding

    def told(self) -> list[Finding]:
        """The findings, each with the number of people with whom it showed."""
        return [
            attrs.evolve(
                finding, message=f"{finding.message} (with {self.counts[problem]} of {self.people} people)"
            )
            for problem, finding in self.findings.items()
        ]


async def rehearse(driver: EngineDriver, talks: Iterable[Sequence[RecordedLine]]) -> Rehearsal:
    """Has recorded conversations with the flows of a driver.

    Args:
        driver: Where; its flows are the new version.
        talks: The lines of each person.
    """
    done, menus = Rehearsal(), Candidates()
    for lines in talks:
        talk = _Talk(driver, menus)
        for line in lines:
            if await talk.go_on(line):
                done.steps += 1
            else:
                done.left += 1
        done.add(talk.found)
    return done


class _Talk:
    """What one person did."""

    def __init__(self, driver: EngineDriver, menus: Candidates) -> None:
        self.found: dict[Problem, Finding] = {}
        """What went another way."""
        self._stage = driver
        self._menus = menus
        self._moments: list[Observation] = []
        self._lost = True
        """Whether it is not known where the person stands, until something begins."""

    async def go_on(self, line: RecordedLine) -> bool:
        """Does what a line says; whether that could be tried."""
        await self._meet(line)
        if not self._lost:
            gone = self._gone(line)
            if gone is None:
                await self._do(line)
            else:
                self._tell(gone, line)
            return True
        return False

    async def _meet(self, line: RecordedLine) -> None:
        """Comes to where a line begins."""
        if line.state is not None:
            return
        if not self._lost and self._runs(line.flow) and (ended := await self._try(Deadline())) is not None:
            self._moments.append(ended)  # it has timed out, and no handler was asked
        if self._lost or self._runs(line.flow):
            self._stage.reset()
            self._moments, self._lost = [], False

    def _runs(self, flow: str) -> bool:
        return bool(self._moments) and any(name == flow for name, _ in self._moments[-1].place)

    def _gone(self, line: RecordedLine) -> Problem | None:
        """What of a line the flows do not have any more."""
        tables = self._stage.running.flows.tables
        for flow, state in ((line.flow, line.state), line.target or (line.flow, None)):
            table = tables.get(flow)
            if table is None:
                return Problem("unknown-state", f"the flow {flow!r} is gone")
            if state is not None and table.renamed.get(state, state) not in table.rules:
                message = f"the state {state!r} of {flow!r} is gone: renamed_from={state!r} would keep it"
                return Problem("unknown-state", message, table.flow.place)
        return None

    async def _do(self, line: RecordedLine) -> None:
        """Does what was recorded; where something else stood for it, also what might go the recorded way."""
        table = self._stage.running.flows.tables[line.flow]
        saved, first = self._stage.save(), None
        actions, others = await self._acts(line)
        for action in actions:
            self._stage.restore(saved)
            first = await self._try(action)
            if first is not None and _same_way(first, line, table):
                self._moments.append(first)
                return
        for action in others:
            self._stage.restore(saved)
            observation = await self._try(action)
            if observation is not None and _same_way(observation, line, table):
                if first is not None and (first.errors or not _takers(first)):
                    self._tell(_unsure(_wrong(line, table, first)), line, first, note=True)
                self._moments.append(observation)
                return
        self._tell(_wrong(line, table, first), line, first)

    async def _try(self, action: Action) -> Observation | None:
        try:
            return await self._stage.do(action)
        except NotThereError:
            return None

    def _tell(
        self,
        problem: Problem,
        line: RecordedLine,
        observation: Observation | None = None,
        *,
        note: bool = False,
    ) -> None:
        """Notes what is wrong; without a way on, the next lines cannot be had."""
        observations = (*self._moments, *([observation] if observation is not None else []))
        finding = Finding(
            problem.code, problem.message, problem.where, line.flow, "recorded", note, observations
        )
        self.found.setdefault(problem, finding)
        self._lost = not note

    async def _acts(self, line: RecordedLine) -> tuple[Sequence[Action], Sequence[Action]]:
        """What was done, and what else may go the recorded way."""
        if isinstance(line.action, Press):
            return self._presses(line.action.button, line.index)
        actions = [line.action] if line.action is not None else []
        if actions and not line.stands:
            return actions, []
        seen = "\n".join(self._moments[-1].shown) if self._moments else ""
        dishes = self._menus.dishes(self._stage.running.flows, await self._stage.row(1), seen)
        same = [action for dish in dishes if _is_namesake(dish, line) for action in dish.actions]
        return actions, [
            action for action in same if line.action is None or type(action) is type(line.action)
        ][:TRIES]

    def _presses(self, button: str, index: int | None) -> tuple[Sequence[Press], Sequence[Press]]:
        """The button of the recorded value; then that at its place, and the others beside it."""
        on_screen = self._stage.pressable(1)
        newest = [shown for shown in on_screen if shown.message == on_screen[0].message]
        wanted = [shown for shown in on_screen if button and self._stage.value_of(shown) == button]
        at = newest[index : index + 1] if index is not None else []
        others = dict.fromkeys(shown.text for shown in [*at, *newest])
        return [Press(shown.text) for shown in wanted[:1]], [Press(text) for text in others]


def _wrong(line: RecordedLine, table: CompiledFlow, observation: Observation | None) -> Problem:
    """What is wrong where what was done did not go the recorded way.

    Args:
        line: What was recorded.
        table: Its flow.
        observation: What came of it; `None`: it could not be done.
    """
    did = f"{line.handler} in state {line.state!r}" if line.state else line.handler
    if observation is None:
        what = (
            "its button is not on the screen" if isinstance(line.action, Press) else "nothing known makes it"
        )
        return Problem("refused", f"{did} took {_kind(line)}: {what} now", _place(line, table))
    if observation.errors:
        error = observation.errors[0]
        message = f"{type(error).__name__}: {error}, where {did} did {line.edge}"
        return Problem("raised", message, _last_place(observation) or _place(line, table))
    taken = _takers(observation)
    if not taken:
        message = f"{did} took {_kind(line)}: no handler takes it now"
        return Problem("refused", message, _place(line, table))
    now = edge_in_words(taken[0].kind, _goal(taken[0]), taken[0].flow)
    message = f"{did} did {line.edge}: {taken[0].handler.name} does {now} now"
    return Problem("other-edge", message, taken[0].handler.place)


def _unsure(problem: Problem) -> Problem:
    """A problem with what stands for a text: it went well with another one."""
    more = " (not with each text that stands for what was written: record(texts=True) would know which)"
    return attrs.evolve(problem, message=problem.message + more)


def _takers(observation: Observation) -> list[HandlerCall]:
    return [taken for taken in observation.taken if taken.kind != "pass"]


def _same_way(observation: Observation, line: RecordedLine, table: CompiledFlow) -> bool:
    """Whether something went the recorded way, may the handler have another name."""
    if observation.errors and line.kind != "raised":
        return False
    target = line.target
    if target is not None and target[1] is not None and target[0] == table.name:
        target = (target[0], table.renamed.get(target[1], target[1]))
    if line.kind == "raised":
        return True  # it went wrong before: anything is as good
    if isinstance(observation.action, Deadline) and line.kind == "end" and not observation.place:
        return True
    return any(one.kind == line.kind and _goal(one) == target for one in observation.taken)


def edge_in_words(kind: str, target: tuple[str, str | None] | None, flow: str) -> str:
    """What a handler returned, for a person."""
    if target is None or kind == "end":
        return kind
    name = target[1] if target[0] == flow and target[1] is not None else "/".join(filter(None, target))
    return f"{kind} -> {name}"


def _goal(taken: HandlerCall) -> tuple[str, str | None] | None:
    return None if taken.target is None else (taken.target.flow, taken.target.state)


def _is_namesake(dish: Candidate, line: RecordedLine) -> bool:
    return dish.flow == line.flow and dish.handler.name == line.handler


def _place(line: RecordedLine, table: CompiledFlow) -> str | None:
    """Where the handler stands now, or the flow, if it is gone."""
    named = (handler.place for handler in table.flow.handlers if handler.name == line.handler)
    return next(named, table.flow.place)


def _last_place(observation: Observation) -> str | None:
    from fsmkit.flow.locations import location_in_user_code

    return location_in_user_code(observation.errors[0]) or (
        observation.taken[-1].handler.place if observation.taken else None
    )


def _kind(line: RecordedLine) -> str:
    if line.action is None:
        return "something of which no more is known"
    if line.stands:
        return f"{_KINDS.get(type(line.action), 'something')} like this"
    return repr(line.action.line()) if line.action != Press("") else "a button"
