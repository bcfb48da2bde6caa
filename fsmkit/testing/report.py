"""What a check gives: the findings, the coverage, and how to do the same again; and how long is searched."""

from typing import Any

import attrs

from fsmkit.flow import Flow
from fsmkit.graph import Edge
from fsmkit.testing.coverage import MEASURES, Coverage
from fsmkit.testing.findings import Finding
from fsmkit.testing.mutation.score import Score
from fsmkit.testing.nearest import Nearest
from fsmkit.testing.telling import coverage_json, lines_of

Flows = tuple[Flow[Any], ...]
WANTED = (*MEASURES, "mutants")
"""All that may stand in `--fail-under`."""


@attrs.frozen
class Profile:
    """How long is searched.

    Attributes:
        steps: Acts that tours may try.
        examples: Random conversations.
        length: Acts in each.
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
        steps: How many acts were carried out, by phase.
        seconds: How long each phase took.
        inconclusive: Properties for which some conversation was too short, and that were not broken.
        reasons: Why edges were not taken in the tours.
        mutants: What came of the mutants; `None` where that was not asked.
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

    @property
    def failures(self) -> list[Finding]:
        """The findings that are no notes."""
        return [finding for finding in self.findings if not finding.note]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    def short_of(self, wanted: dict[str, float]) -> list[str]:
        """The measures of coverage that are below what is wanted, in words.

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
            if finding.moments:
                lines += ["", "the first of these as a test:", "", finding.test()]
                break
        lines += lines_of(self.coverage, self.reasons) if self.steps else []
        lines += self.mutants.lines() if self.mutants is not None else []
        lines += [f"inconclusive, conversations were too short: {name}" for name in self.inconclusive]
        return "\n".join(lines)

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
