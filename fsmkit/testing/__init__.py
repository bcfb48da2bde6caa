"""What helps with tests of bots, fsmkit's own and others'. Only names, each loaded when it is first used.

`hypothesis` and `pytest` are in the extra `test`; what needs them says so where they are missing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsmkit.botapi.offline import OfflineTelegram
    from fsmkit.testing.chat import Chat
    from fsmkit.testing.check import check
    from fsmkit.testing.clock import ManualClock
    from fsmkit.testing.findings import Finding, Problem
    from fsmkit.testing.harness.observation import Observation
    from fsmkit.testing.lint import lint
    from fsmkit.testing.oracles import ORACLES
    from fsmkit.testing.properties import after, always, eventually, never
    from fsmkit.testing.pytest_plugin import flow_tests
    from fsmkit.testing.replay.recorder import record
    from fsmkit.testing.report import Profile, Report
    from fsmkit.testing.store_contract import StoreContract

__all__ = [
    "ORACLES",
    "Chat",
    "Finding",
    "ManualClock",
    "Observation",
    "OfflineTelegram",
    "Problem",
    "Profile",
    "Report",
    "StoreContract",
    "after",
    "always",
    "check",
    "eventually",
    "flow_tests",
    "lint",
    "never",
    "record",
]

_HOMES = {
    "Chat": "fsmkit.testing.chat",
    "Finding": "fsmkit.testing.findings",
    "ManualClock": "fsmkit.testing.clock",
    "Observation": "fsmkit.testing.harness.observation",
    "ORACLES": "fsmkit.testing.oracles",
    "OfflineTelegram": "fsmkit.botapi.offline",
    "Problem": "fsmkit.testing.findings",
    "Profile": "fsmkit.testing.report",
    "Report": "fsmkit.testing.report",
    "StoreContract": "fsmkit.testing.store_contract",
    "after": "fsmkit.testing.properties",
    "always": "fsmkit.testing.properties",
    "check": "fsmkit.testing.check",
    "eventually": "fsmkit.testing.properties",
    "flow_tests": "fsmkit.testing.pytest_plugin",
    "lint": "fsmkit.testing.lint",
    "never": "fsmkit.testing.properties",
    "record": "fsmkit.testing.replay.recorder",
}


class _Face(ModuleType):
    """Keep `check` and `lint` the functions of these names, once the modules of these names are imported."""

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return getattr(found, name) if name in ("check", "lint") and isinstance(found, ModuleType) else found


sys.modules[__name__].__class__ = _Face


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
