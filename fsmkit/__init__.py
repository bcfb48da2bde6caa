"""fsmkit: conversations for Telegram bots, written as decorated functions that return where to go next.

Only names; what comes from Telegram is in `fsmkit.telegram`, what helps with tests in `fsmkit.testing`.
"""

from typing import TYPE_CHECKING, Any

from fsmkit.context import Context
from fsmkit.effects import Reply
from fsmkit.errors import (
    DefinitionError,
    FsmkitError,
    HandlerAborted,
    HandlerRefused,
    InvalidResult,
    InvariantBroken,
    JobLost,
    LeaseLost,
    LeaseOver,
    NestedSend,
    OrphanedConversation,
    RetryLater,
    RowTooLarge,
    RunnerStopped,
    StepError,
    StoreCorrupt,
    StoredByNewerVersion,
    StoreError,
    StoreFull,
    StoreUnavailable,
    UnknownState,
    Unreachable,
    UnstorableData,
)
from fsmkit.events import Crashed, DeliveryFailed, Done, Event, Failed, Reminder, Returned, Timeout
from fsmkit.flow import Flow
from fsmkit.keys import Key, KeyBy
from fsmkit.markup import Button, Keyboard, KeyboardButton
from fsmkit.origin import Origin, origin_of
from fsmkit.results import Back, End, Pass, Result, Stay, To, back, call, end, error, pass_, stay, transition
from fsmkit.states import ANY, END, State, StatesGroup

if TYPE_CHECKING:
    from fsmkit.engine import Engine
    from fsmkit.jobcontext import JobContext
    from fsmkit.outcome import Outcome

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "END",
    "Back",
    "Button",
    "Context",
    "Crashed",
    "DefinitionError",
    "DeliveryFailed",
    "Done",
    "End",
    "Engine",
    "Event",
    "Failed",
    "Flow",
    "FsmkitError",
    "HandlerAborted",
    "HandlerRefused",
    "InvalidResult",
    "InvariantBroken",
    "JobContext",
    "JobLost",
    "Key",
    "KeyBy",
    "Keyboard",
    "KeyboardButton",
    "LeaseLost",
    "LeaseOver",
    "NestedSend",
    "Origin",
    "OrphanedConversation",
    "Outcome",
    "Pass",
    "Reminder",
    "Reply",
    "Result",
    "RetryLater",
    "Returned",
    "RowTooLarge",
    "RunnerStopped",
    "State",
    "StatesGroup",
    "Stay",
    "StepError",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
    "StoredByNewerVersion",
    "Timeout",
    "To",
    "UnknownState",
    "Unreachable",
    "UnstorableData",
    "__version__",
    "back",
    "call",
    "end",
    "error",
    "origin_of",
    "pass_",
    "stay",
    "transition",
]

_LATER = {"Engine": "fsmkit.engine", "JobContext": "fsmkit.jobcontext", "Outcome": "fsmkit.outcome"}


def __getattr__(name: str) -> Any:
    """Imports what runs flows when it is asked for: declaring them needs no event loop and no store."""
    if name not in _LATER:
        raise AttributeError(f"module 'fsmkit' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LATER[name]), name)
