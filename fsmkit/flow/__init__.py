"""What a user declares: flows, states, handlers, matchers; and what a handler gets and returns."""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

if TYPE_CHECKING:
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

__all__ = [
    "ANY",
    "END",
    "Back",
    "Button",
    "Context",
    "Crashed",
    "DeliveryFailed",
    "Done",
    "End",
    "Event",
    "Failed",
    "Flow",
    "Handlers",
    "Keyboard",
    "KeyboardButton",
    "Pass",
    "Reminder",
    "Reply",
    "Result",
    "Returned",
    "State",
    "StatesGroup",
    "Stay",
    "Timeout",
    "To",
    "back",
    "call",
    "end",
    "error",
    "pass_",
    "stay",
    "transition",
]

import_on_demand(
    __name__,
    {
        "fsmkit.flow.context": "Context",
        "fsmkit.flow.events": "Crashed DeliveryFailed Done Event Failed Reminder Returned Timeout",
        "fsmkit.flow.flow": "Flow",
        "fsmkit.flow.messages": "Button Keyboard KeyboardButton Reply",
        "fsmkit.flow.results": "Back End Pass Result Stay To back call end error pass_ stay transition",
        "fsmkit.flow.shared": "Handlers",
        "fsmkit.flow.states": "ANY END State StatesGroup",
    },
)
