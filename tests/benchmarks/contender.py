"""Runs one contender once, in a process of its own: `python -m tests.benchmarks.contender MODULE COMPARISON NAME SIZE`.

`tests.benchmarks.measuring` calls it, and reads the last line that it prints.
"""

import importlib
import sys

from tests.benchmarks.measuring import Load, run_here

if __name__ == "__main__":
    module, comparison, contender, size = sys.argv[1:]
    found = {each.name: each for each in importlib.import_module(module).COMPARISONS}[comparison]
    print(run_here(found, contender, Load(int(size))))
