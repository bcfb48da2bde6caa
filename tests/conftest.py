"""Settings for all tests.

Hypothesis has three profiles, chosen by the environment variable `HYPOTHESIS_PROFILE`:

- `dev` (the default): few examples, for the minutes between two edits;
- `ci`: more of them, the same in each run, so that a red build can be repeated;
- `thorough`: a long search, for the night before a release.

Tests that are marked as thorough (`pytest -m thorough`) have numbers of their own, which are made for the minutes
of `.ci/run`; `FSMKIT_TEST_ROUNDS` multiplies them (`search_rounds.py`).
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# What Hypothesis has read of the modules of this project, for the processes that tests start elsewhere too.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).parent.parent / ".hypothesis"))

_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, **_COMMON)
settings.register_profile("thorough", max_examples=5000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

THOROUGH_SECONDS = 1200
"""How long a longer search may take before it counts as hanging."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give longer searches their time."""
    for item in items:
        if item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.timeout(THOROUGH_SECONDS))


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later look for garbage."""
    gc.collect()
    gc.freeze()
