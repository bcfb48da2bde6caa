"""`CheckProgress`: lines that say how far a check has come, and what was found, when it was found."""

import time
from collections.abc import Callable

import attrs

from fsmkit.testing.findings import Finding, Phase
from fsmkit.testing.report import Report

EVERY = 1.0
"""Seconds between two lines."""


@attrs.define(eq=False)
class CheckProgress:
    """Tells how far a check has come.

    Attributes:
        report: What it adds to.
        tell: Told of each line; `None`: nobody is.
        seconds: Time for each phase, at most.
    """

    report: Report
    tell: Callable[[str], None] | None
    seconds: float
    _phase: Phase | None = None
    _begun: float = 0.0
    _last: float = 0.0
    _steps: int = 0

    def begin(self, phase: Phase) -> None:
        """Begin a phase."""
        self._phase, self._begun, self._steps = phase, time.monotonic(), 0
        self._say()

    def step(self, *_: object) -> None:
        """Count an action."""
        self._steps += 1
        if self.tell is not None and time.monotonic() - self._last > EVERY:
            self._say()

    def found(self, finding: Finding) -> None:
        """Tell of a finding."""
        if self.tell is not None:
            self.tell(str(finding))

    def _say(self) -> None:
        if self.tell is None:
            return
        self._last = time.monotonic()
        wanted = self.report.coverage.expected_edges()
        edges, of_edges = sum(edge in self.report.coverage.edges for edge in wanted), len(wanted)
        left = max(0.0, self.seconds - (self._last - self._begun))
        found = len(self.report.failures)
        self.tell(
            f"{self._phase}: {self._steps} steps, {edges}/{of_edges} edges, {found} found, "
            f"at most {left:.0f} s left"
        )
