"""fsmkit: conversations for Telegram bots, written as decorated functions that return where to go next.

Only names, each imported when it is first used; what comes from Telegram is in `fsmkit.telegram`, what helps
with tests in `fsmkit.testing`.
"""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

if TYPE_CHECKING:
    from fsmkit.engine import Client, Engine, JobContext, Outcome, fan_out
    from fsmkit.errors import (
        DefinitionError,
        EventStorm,
        FsmkitError,
        HandlerAborted,
        HandlerRefused,
        HandlerTimeout,
        InvalidResult,
        InvariantBroken,
        JobLost,
        LeaseLost,
        LeaseOver,
        NestedSend,
        Origin,
        OrphanedConversation,
        RetryLater,
        RowTooLarge,
        RunnerStopped,
        StepError,
        StoreCorrupt,
        StoredByNewerVersion,
        StoreError,
        StoreFull,
        StoreMisconfigured,
        StoreUnavailable,
        UnknownState,
        Unreachable,
        UnstorableData,
        origin_of,
    )
    from fsmkit.flow.context import Context
    from fsmkit.flow.events import Crashed, DeliveryFailed, Done, Event, Failed, Reminder, Returned, Timeout
    from fsmkit.flow.flow import Flow
    from fsmkit.flow.messages import Button, Keyboard, KeyboardButton, Reply
    from fsmkit.flow.results import (
        Back,
        End,
        Pass,
        Result,
        Stay,
        To,
        back,
        call,
        end,
        error,
        pass_,
        stay,
        transition,
    )
    from fsmkit.flow.shared import Handlers
    from fsmkit.flow.states import ANY, END, State, StatesGroup
    from fsmkit.graph import graph_of
    from fsmkit.keys import Key, KeyBy

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "END",
    "Back",
    "Button",
    "Client",
    "Context",
    "Crashed",
    "DefinitionError",
    "DeliveryFailed",
    "Done",
    "End",
    "Engine",
    "Event",
    "EventStorm",
    "Failed",
    "Flow",
    "FsmkitError",
    "HandlerAborted",
    "HandlerRefused",
    "HandlerTimeout",
    "Handlers",
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
    "StoreMisconfigured",
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
    "fan_out",
    "graph_of",
    "origin_of",
    "pass_",
    "stay",
    "transition",
]

import_on_demand(
    __name__,
    {
        "fsmkit.errors": (
            "DefinitionError EventStorm FsmkitError HandlerAborted HandlerRefused HandlerTimeout "
            "InvalidResult InvariantBroken JobLost LeaseLost LeaseOver NestedSend Origin "
            "OrphanedConversation RetryLater RowTooLarge RunnerStopped StepError StoreCorrupt "
            "StoredByNewerVersion StoreError StoreFull StoreMisconfigured StoreUnavailable UnknownState "
            "Unreachable UnstorableData origin_of"
        ),
        "fsmkit.flow.context": "Context",
        "fsmkit.flow.events": "Crashed DeliveryFailed Done Event Failed Reminder Returned Timeout",
        "fsmkit.flow.flow": "Flow",
        "fsmkit.flow.messages": "Button Keyboard KeyboardButton Reply",
        "fsmkit.flow.results": "Back End Pass Result Stay To back call end error pass_ stay transition",
        "fsmkit.flow.shared": "Handlers",
        "fsmkit.flow.states": "ANY END State StatesGroup",
        "fsmkit.keys": "Key KeyBy",
        "fsmkit.engine": "Client Engine JobContext Outcome fan_out",
        "fsmkit.graph": "graph_of",
    },
)
