"""fsmkit beside its peers: `python -m tests.benchmarks`, with the extra `bench` installed.

What is compared is in `steps`, `lane`, `stores`, `starting` and `waiting`, how it is measured in `measuring`. Beside
it stand `python -m tests.benchmarks.where` (where the time of a step goes), `.page` (writes the figures into
the documentation), `.guard` (the calls of a step, counted) and `.planted` (how surely bugs are found).
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks import lane, starting, steps, stores, waiting
from tests.benchmarks.measuring import Comparison, Runner
from tests.benchmarks.results import Results, described

MODULES = (steps, lane, stores, starting, waiting)
REPETITIONS = 5


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what the command line asks for, print it, and write the files that it names."""
    known = {each.name: (each, module.__name__) for module in MODULES for each in module.COMPARISONS}
    options = _parser(known).parse_args(argv)
    results = Results.read(options.json) if options.json and options.only else Results()
    with tempfile.TemporaryDirectory() as bytecode:
        runner = Runner(None if options.quick else Path(bytecode), quick=options.quick)
        everything = [name for name, (each, _) in known.items() if not (options.quick and each.alone)]
        for name in options.only or everything:
            comparison, module = known[name]
            curve = bool(options.plots and comparison.axis)
            values = runner.measure(comparison, module, options.repetitions, curve=curve)
            results.add(comparison, values, order=list(known))
            print(described(comparison, values), flush=True)
            if options.json:
                results.write(options.json)  # after each: a run is long
        if not options.only or "text" in options.only:
            results.add_where(runner.run("where", "20" if options.quick else "2000"))
            if options.json:
                results.write(options.json)
    if options.plots:
        from tests.benchmarks.plots import plot  # matplotlib, where plots are asked for

        plot(results, options.plots)


def _parser(known: dict[str, tuple[Comparison, str]]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=known, metavar="NAME", help="only this comparison; again for more"
    )
    parser.add_argument(
        "--repetitions", type=int, default=REPETITIONS, metavar="N", help="turns of each contender (5)"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all values; with --only, replace those in the file"
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="measure whole curves, and draw them")
    parser.add_argument("--quick", action="store_true", help="try the program: what comes out is no figure")
    parser.epilog = "comparisons: " + ", ".join(known)
    return parser


if __name__ == "__main__":
    main()
