"""The planted bugs and their correct twins, as the tests and the benchmark run them."""

import time
from pathlib import Path

import attrs

from fsmkit.testing import Finding, Profile, Report, check
from fsmkit.testing.harness.actions import Together
from fsmkit.testing.loading import LoadedFile, load

HERE = Path(__file__).parent / "planted"
BUGS = sorted(HERE.glob("*.py"))
TWINS = sorted((HERE / "twins").glob("*.py"))
WITHIN = 60.0
"""Seconds in which a bug must be found."""


@attrs.frozen
class Run:
    """What a run of `fsmkit test --profile ci` shows.

    Attributes:
        report: The report.
        seconds: How long it took.
        loaded: The file.
    """

    report: Report
    seconds: float
    loaded: LoadedFile

    @property
    def bug(self) -> Finding | None:
        """The finding that the file says is to be found."""
        wanted = self.loaded.module.FINDS
        return next((finding for finding in self.report.failures if finding.code == wanted), None)

    @property
    def length(self) -> int:
        """How many messages show it."""
        actions = self.bug.actions if self.bug is not None else ()
        return sum(len(action.actions) if isinstance(action, Together) else 1 for action in actions)

    @property
    def shortest(self) -> int:
        """How many would, as the file says."""
        return self.loaded.module.SHORTEST


def run(path: Path, seed: int, profile: str | Profile = "ci") -> Run:
    """Tests the flows of a file without test code."""
    loaded = load(str(path))
    maker = getattr(loaded.module, "RESOURCES", None)
    begun = time.monotonic()
    report = check(
        *loaded.flows,
        profile=profile,
        seed=seed,
        load=lambda: load(str(path)).flows,
        resources=loaded.maker(maker) if maker else None,
    )
    return Run(report, time.monotonic() - begun, loaded)
