"""What helps with tests of bots, fsmkit's own and others'. Only names, each loaded when it is first used.

`hypothesis` and `pytest` are in the extra `test`; what needs them says so where they are missing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsmkit.testing.chat import Chat
    from fsmkit.testing.clock import ManualClock
    from fsmkit.testing.offline import OfflineTelegram

__all__ = ["Chat", "ManualClock", "OfflineTelegram"]

_HOMES = {
    "Chat": "chat",
    "ManualClock": "clock",
    "OfflineTelegram": "offline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
