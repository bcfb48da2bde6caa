"""What helps with tests of bots, fsmkit's own and others'. Only names, each loaded when it is first used.

`hypothesis` and `pytest` are in the extra `test`; what needs them says so where they are missing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsmkit.testing.chat import Chat
    from fsmkit.testing.checking import check
    from fsmkit.testing.clock import ManualClock
    from fsmkit.testing.findings import Finding
    from fsmkit.testing.linting import lint
    from fsmkit.testing.moments import Moment
    from fsmkit.testing.offline import OfflineTelegram
    from fsmkit.testing.report import Profile, Report
    from fsmkit.testing.suites import flow_tests
    from fsmkit.testing.temporal import after, always, eventually, never

__all__ = [
    "Chat",
    "Finding",
    "ManualClock",
    "Moment",
    "OfflineTelegram",
    "Profile",
    "Report",
    "after",
    "always",
    "check",
    "eventually",
    "flow_tests",
    "lint",
    "never",
]

_HOMES = {
    "Chat": "chat",
    "Finding": "findings",
    "ManualClock": "clock",
    "Moment": "moments",
    "OfflineTelegram": "offline",
    "Profile": "report",
    "Report": "report",
    "after": "temporal",
    "always": "temporal",
    "check": "checking",
    "eventually": "temporal",
    "flow_tests": "suites",
    "lint": "linting",
    "never": "temporal",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
