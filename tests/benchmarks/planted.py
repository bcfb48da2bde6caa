"""How surely, how fast and how briefly planted bugs are found: `python -m tests.benchmarks.planted [SEEDS]`."""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.property.planted_bugs import PLANTED, Run, run, with_bug


def main(seeds: int) -> None:
    """Print a table of the bugs, then one of the bots without them."""
    print(f"{'bug':20} found  median s   max s  length  shortest")
    for path in PLANTED:
        with tempfile.TemporaryDirectory() as directory:
            bug = with_bug(path, Path(directory))
            runs = [run(bug, seed) for seed in range(1, seeds + 1)]
        found = [each for each in runs if each.bug is not None]
        lengths = sorted({each.length for each in found}) or ["-"]
        spread = "-".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
        print(
            f"{path.stem:20} {len(found):2}/{seeds:<2} {_times(runs)}  {spread:>6}  {runs[0].shortest:8}",
            flush=True,
        )
    print(f"\n{'without the bug':20} findings  median s   max s")
    for path in PLANTED:
        runs = [run(path, seed) for seed in range(1, seeds + 1)]
        findings = [finding.line for each in runs for finding in each.report.failures]
        print(f"{path.stem:20} {len(findings):8} {_times(runs)}", flush=True)
        for line in findings:
            print(f"    {line}")


def _times(runs: Sequence[Run]) -> str:
    seconds = [each.seconds for each in runs]
    return f"{statistics.median(seconds):9.1f} {max(seconds):7.1f}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
