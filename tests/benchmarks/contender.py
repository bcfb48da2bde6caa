"""One contender, in a process of its own: `python -m tests.benchmarks.contender MODULE COMPARISON NAME SIZE`.

`tests.benchmarks.measuring` starts it, and gives it the turn with a line. It answers with `turn` when it hands
the turn on, and with what it measured when it has ended.
"""

import importlib
import sys

from tests.benchmarks.measuring import TURN, Load, run_here


def hand_on() -> None:
    """Let the others go on, and wait for the next turn."""
    print(TURN, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    module, comparison, contender, size = sys.argv[1:]
    found = {each.name: each for each in importlib.import_module(module).COMPARISONS}[comparison]
    sys.stdin.readline()
    print(run_here(found, contender, Load(int(size), turn=hand_on)))
