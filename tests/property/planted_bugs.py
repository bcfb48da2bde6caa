"""The planted bugs, as the tests and the benchmark run them.

Each file in `planted` has a bot that is right, and in `BUG` the lines that make a wrong one of it.
"""

import time
from collections.abc import Iterable
from pathlib import Path

import attrs

from fsmkit.testing import Finding, Profile, Report, check
from fsmkit.testing.check import PHASES
from fsmkit.testing.findings import Phase
from fsmkit.testing.harness.actions import Together
from fsmkit.testing.loading import LoadedFile, load

HERE = Path(__file__).parent / "planted"
PLANTED = sorted(HERE.rglob("*.py"))
WITHIN = 60.0
"""Seconds of the processor in which a bug must be found."""


@attrs.frozen
class Run:
    """What a run of `fsmkit test --profile ci` shows.

    Attributes:
        report: The report.
        seconds: How long it took, in seconds of the processor.
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


def with_bug(path: Path, directory: Path) -> Path:
    """Write a planted file's bot with its bug into a directory."""
    text, _, _ = path.read_text().partition("\nBUG = ")
    for old, new in load(str(path)).module.BUG:
        assert text.count(old) == 1, f"{path.name}: {old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    target = directory / path.name
    target.write_text(text)
    return target


def run(path: Path, seed: int, profile: str | Profile = "ci", phases: Iterable[Phase] = PHASES) -> Run:
    """Test the flows of a file without test code."""
    loaded = load(str(path))
    maker = getattr(loaded.module, "RESOURCES", None)
    begun = time.process_time()
    report = check(
        *loaded.flows,
        phases=phases,
        profile=profile,
        seed=seed,
        load=lambda: load(str(path)).flows,
        resources=loaded.maker(maker) if maker else None,
    )
    return Run(report, time.process_time() - begun, loaded)
