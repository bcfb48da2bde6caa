"""What a check gives: the findings, the coverage, and how to do the same again; and how long is searched."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from fsmkit.flow.flow import Flow
from fsmkit.graph.graph import Edge
from fsmkit.testing.coverage import MEASURES, Coverage
from fsmkit.testing.explore.unreached import Nearest
from fsmkit.testing.findings import Finding, seen_from_here
from fsmkit.testing.harness.actions import action_to_json
from fsmkit.testing.mutation.mutants import Score
from fsmkit.testing.oracles import ORACLES, Oracle
from fsmkit.testing.pasted import Given, pasted_test
from fsmkit.testing.properties import Property


def lines_of(coverage: Coverage, reasons: Mapping[Edge, Nearest]) -> Iterator[str]:
    """Yield the coverage for a terminal.

    Args:
        coverage: What was met.
        reasons: Why edges were not taken, as far as that is known.
    """
    yield f"coverage: {_numbers(coverage)}"
    if len(coverage.graph.flows) > 1:
        yield from (f"  {flow.name}: {_numbers(coverage, flow.name)}" for flow in coverage.graph.flows)
    for edge in coverage.missing_edges():
        yield f"  not taken: {told(edge)}"
        if edge in reasons:
            yield f"    {reasons[edge]}"
    yield from (
        f"  cannot be taken: {told(edge)}: {why}" for edge, why in coverage.impossible_edges().items()
    )
    yield from (f"  {line}" for line in _left(coverage))


def _numbers(coverage: Coverage, flow: str | None = None) -> str:
    return ", ".join(f"{met}/{of} {name}" for name, (met, of) in coverage.numbers(flow).items() if of)


def _left(coverage: Coverage) -> Iterator[str]:
    """Guards that always said the same, and kinds of input that a handler was never given."""
    names = {handler.place: handler.name for flow in coverage.graph.flows for handler in flow.handlers}
    for _, place, what, answer in coverage.expected_guards():
        if (_, place, what, answer) not in coverage.guards:
            never = {
                ("when", True): "its when= never said yes",
                ("when", False): "its when= never said no",
                ("pass", True): "it never passed",
                ("pass", False): "it has only passed",
            }[what, answer]
            yield f"guard: {names[place]} ({seen_from_here(place)}): {never}"
    for _, place, kind in coverage.expected_inputs():
        if (_, place, kind) not in coverage.inputs:
            yield f"input: {names[place]} ({seen_from_here(place)}) never took: {kind}"


def coverage_json(coverage: Coverage, reasons: Mapping[Edge, Nearest]) -> dict[str, Any]:
    """Return the coverage as `fsmkit test --json` writes it; the arguments are those of `lines_of`."""
    return {
        **_numbers_json(coverage.numbers()),
        "flows": {flow.name: _numbers_json(coverage.numbers(flow.name)) for flow in coverage.graph.flows},
        "given": dict(sorted(coverage.kinds.items())),
        "not taken": [_missing_json(edge, reasons.get(edge)) for edge in coverage.missing_edges()],
        "cannot be taken": [
            {**edge_json(edge), "why": why} for edge, why in coverage.impossible_edges().items()
        ],
    }


def _numbers_json(numbers: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    return {name: {"met": met, "of": of} for name, (met, of) in numbers.items()}


def _missing_json(edge: Edge, reason: Nearest | None) -> dict[str, Any]:
    if reason is None:
        return {**edge_json(edge), "why": None, "nearest": None}
    return {
        **edge_json(edge),
        "why": reason.why,
        "nearest": [action_to_json(action) for action in reason.actions],
    }


def told(edge: Edge) -> str:
    """Return an edge in a line."""
    goal = f" -> {edge.target}" if edge.target is not None else ""
    return f'"{edge.source or "(none)"}": {edge.handler} {edge.kind}{goal} ({seen_from_here(edge.place)})'


def edge_json(edge: Edge) -> dict[str, Any]:
    """Return an edge as JSON."""
    return {
        "flow": edge.flow,
        "state": edge.source,
        "handler": edge.handler,
        "where": edge.place,
        "kind": edge.kind,
        "target": str(edge.target) if edge.target is not None else None,
    }


Flows = tuple[Flow[Any], ...]


WANTED = (*MEASURES, "mutants")
"""All that may stand in `--fail-under`."""


@attrs.frozen
class Profile:
    """How long is searched.

    Attributes:
        steps: Actions that tours may try.
        examples: Random conversations.
        length: Actions in each.
        seconds: Time for each phase, at most.
        overlaps: Conversations in which several people do something at once.
    """

    steps: int
    examples: int
    length: int
    seconds: float
    overlaps: int = 50


PROFILES: dict[str, Profile] = {
    "dev": Profile(steps=4_000, examples=25, length=25, seconds=10.0, overlaps=20),
    "ci": Profile(steps=20_000, examples=200, length=40, seconds=25.0, overlaps=100),
    "thorough": Profile(steps=400_000, examples=3_000, length=60, seconds=600.0, overlaps=2_000),
}


@attrs.define(eq=False)
class Report:
    """What was found out.

    Attributes:
        flows: The flows.
        findings: What is wrong, and notes.
        coverage: What was met by all phases.
        seed: With it, the random phase does the same again.
        profile: How long was searched.
        steps: How many actions were carried out, by phase.
        seconds: How long each phase took.
        inconclusive: Properties for which some conversation was too short, and that were not broken.
        reasons: Why edges were not taken in the tours.
        mutants: What came of the mutants; `None` where that was not asked.
        resources: What handlers found in `ctx.resources`, or what made it.
        properties: What had to be so of every conversation.
        oracles: What judged each observation.
        deploys: Later versions of the flows.
        stores: URLs of stores in which conversations were had once more.
    """

    flows: Flows
    findings: list[Finding]
    coverage: Coverage
    seed: int
    profile: str
    steps: dict[str, int] = attrs.field(factory=dict[str, int])
    seconds: dict[str, float] = attrs.field(factory=dict[str, float])
    inconclusive: list[str] = attrs.field(factory=list[str])
    reasons: dict[Edge, Nearest] = attrs.field(factory=dict[Edge, Nearest])
    mutants: Score | None = None
    resources: Any = None
    properties: tuple[Property, ...] = ()
    oracles: tuple[Oracle, ...] = ORACLES
    deploys: tuple[Flows, ...] = ()
    stores: tuple[str, ...] = ()

    @property
    def failures(self) -> list[Finding]:
        """The findings that are no notes."""
        return [finding for finding in self.findings if not finding.note]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    def short_of(self, wanted: dict[str, float]) -> list[str]:
        """Return the measures of coverage that are below what is wanted, in words.

        Args:
            wanted: Percent by measure: `states`, `edges`, `pairs`, `guards`, `inputs`, `mutants`.
        """
        return [
            f"{measure}: {self.percent(measure):.1f} %, {least:g} % are wanted"
            for measure, least in wanted.items()
            if self.percent(measure) < least
        ]

    def percent(self, measure: str) -> float:
        """How much of a measure was met, in percent.

        Raises:
            ValueError: If there is no such measure, or the mutants were not asked for.
        """
        if measure not in WANTED:
            raise ValueError(f"no measure {measure!r}; there are {', '.join(WANTED)}")
        if measure != "mutants":
            return self.coverage.percent(measure)
        if self.mutants is None:
            raise ValueError('no mutants were made: name the phase, check(..., phases=[..., "mutants"])')
        return self.mutants.percent

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings]
        for finding in self.failures:
            if finding.observations:
                lines += ["", "the first of these as a test:", "", self.test(finding)]
                break
        lines += lines_of(self.coverage, self.reasons) if self.steps else []
        lines += self.mutants.lines() if self.mutants is not None else []
        lines += [f"inconclusive, conversations were too short: {name}" for name in self.inconclusive]
        return "\n".join(lines)

    def test(self, finding: Finding) -> str:
        """Return a finding as a test that runs as it stands, with all that this check was given."""
        given = Given(
            self.flows,
            self.seed,
            self.profile,
            self.resources,
            self.properties,
            self.oracles,
            self.deploys,
            self.stores,
        )
        return pasted_test(given, finding)

    def to_json(self) -> dict[str, Any]:
        """As `fsmkit test --json` writes it; `docs/reference/testing.md` describes it."""
        return {
            "flows": [flow.name for flow in self.flows],
            "ok": self.ok,
            "profile": self.profile,
            "seed": self.seed,
            "findings": [finding.to_json() for finding in self.findings],
            "coverage": coverage_json(self.coverage, self.reasons),
            "inconclusive": self.inconclusive,
            "mutants": self.mutants.to_json() if self.mutants is not None else None,
            "steps": self.steps,
            "seconds": {phase: round(seconds, 3) for phase, seconds in self.seconds.items()},
        }
