"""What helps with tests of bots, fsmkit's own and others'. Only names, each loaded when it is first used.

`hypothesis` and `pytest` are in the extra `test`; what needs them says so where they are missing.
"""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

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
    from fsmkit.testing.strategies import Talk, conversation_machine, conversations

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
    "Talk",
    "after",
    "always",
    "check",
    "conversation_machine",
    "conversations",
    "eventually",
    "flow_tests",
    "lint",
    "never",
    "record",
]

import_on_demand(
    __name__,
    {
        "fsmkit.botapi.offline": "OfflineTelegram",
        "fsmkit.testing.chat": "Chat",
        "fsmkit.testing.check": "check",
        "fsmkit.testing.clock": "ManualClock",
        "fsmkit.testing.findings": "Finding Problem",
        "fsmkit.testing.harness.observation": "Observation",
        "fsmkit.testing.lint": "lint",
        "fsmkit.testing.oracles": "ORACLES",
        "fsmkit.testing.properties": "after always eventually never",
        "fsmkit.testing.pytest_plugin": "flow_tests",
        "fsmkit.testing.replay.recorder": "record",
        "fsmkit.testing.report": "Profile Report",
        "fsmkit.testing.store_contract": "StoreContract",
        "fsmkit.testing.strategies": "Talk conversation_machine conversations",
    },
)
