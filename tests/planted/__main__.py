"""How surely, how fast and how briefly planted bugs are found: `python -m tests.planted --seeds 10`.

A table of the bugs, then one of the bots without them, of which nothing may be said. The exit status is 0 if all is as it
should be: each bug found with each seed, by a conversation at most one action longer than the shortest, within a minute
of the processor's time, and no finding where there is no bug.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.property.planted_bugs import PLANTED, WITHIN, Run, run, with_bug


def main(seeds: int, profile: str, wanted: str) -> bool:
    """Print the tables; return whether all is as it should be."""
    files = [path for path in PLANTED if wanted in path.stem]
    return all([_bugs(files, seeds, profile), _twins(files, seeds, profile)])


def _bugs(files: Sequence[Path], seeds: int, profile: str) -> bool:
    print(f"{'bug':24} found  median s   max s  length  shortest")
    well = True
    for path in files:
        with tempfile.TemporaryDirectory() as directory:
            bug = with_bug(path, Path(directory))
            runs = [run(bug, seed, profile) for seed in range(1, seeds + 1)]
        found = [each for each in runs if each.bug is not None]
        lengths = sorted({each.length for each in found}) or ["-"]
        spread = "-".join(map(str, dict.fromkeys((lengths[0], lengths[-1]))))
        briefly = all(each.length <= each.shortest + 1 and each.seconds < WITHIN for each in found)
        mark = "" if len(found) == seeds and briefly else "  !"
        well = well and not mark
        print(
            f"{path.stem:24} {len(found):2}/{seeds:<2} {_times(runs)}  {spread:>6}  {runs[0].shortest:8}{mark}",
            flush=True,
        )
    return well


def _twins(files: Sequence[Path], seeds: int, profile: str) -> bool:
    print(f"\n{'without the bug':24} findings  median s   max s")
    well = True
    for path in files:
        runs = [run(path, seed, profile) for seed in range(1, seeds + 1)]
        findings = [finding.line for each in runs for finding in each.report.failures]
        print(f"{path.stem:24} {len(findings):8} {_times(runs)}", flush=True)
        for line in findings:
            print(f"    {line}")
        well = well and not findings
    return well


def _times(runs: Sequence[Run]) -> str:
    seconds = [each.seconds for each in runs]
    return f"{statistics.median(seconds):9.1f} {max(seconds):7.1f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="seeds that each bug is searched with")
    parser.add_argument("--profile", default="ci", help="how long is searched")
    parser.add_argument("--only", default="", help="bugs with this in their names")
    given = parser.parse_args()
    sys.exit(0 if main(given.seeds, given.profile, given.only) else 1)
