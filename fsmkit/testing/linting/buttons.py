"""Buttons that nobody hears of, and handlers whose buttons are shown nowhere."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fsmkit.effects import Reply
from fsmkit.handlers import Handler
from fsmkit.markup import Button, rows_of_buttons
from fsmkit.matching import AnyOf, Matcher
from fsmkit.states import State
from fsmkit.telegram.made import MadeEvent
from fsmkit.telegram.matchers import Pressed
from fsmkit.testing.findings import Finding
from fsmkit.testing.linting.subject import Subject, finding, place_of
from fsmkit.testing.reloading import functions_of

_BUTTONS = re.compile("show|[bB]utton|Reply")


def buttons(subject: Subject) -> Iterator[Finding]:
    """Buttons under prompts that no handler wants, and handlers whose buttons are shown nowhere."""
    for flow in subject.flows:
        shown: list[Any] = []
        beyond = subject.asked_after(flow)
        for state in flow.states.values():
            handlers = [*subject.asked(flow, state), *beyond]
            for button in _static_buttons(state):
                shown.append(button.value)
                if button.flow is None and not any(takes(handler, button.value) for handler in handlers):
                    message = (
                        f"no handler of state {state.name!r} takes a press of its button {button.text!r}"
                    )
                    yield finding("unheard-button", message, place_of(flow, state), flow)
        if not any(_makes_buttons(function) for function in functions_of([flow])):
            for handler in flow.handlers:
                values = list(values_of(handler.matcher))
                if values and None not in handler.selectors and not any(value in shown for value in values):
                    message = f"{handler.name} wants the button {values[0]!r}, which is shown nowhere"
                    yield finding("unshown-button", message, handler.place, flow)


def values_of(matcher: Matcher) -> Iterator[Any]:
    """The literal values of buttons that a matcher wants; none if it wants others too."""
    if isinstance(matcher, Pressed) and matcher.kind == "button":
        if not any(isinstance(value, re.Pattern | type) for value in matcher.values):
            yield from matcher.values
    elif isinstance(matcher, AnyOf):
        for part in matcher.matchers:
            yield from values_of(part)


def takes(handler: Handler, value: Any) -> bool:
    """Whether a handler may want a button of some value, whatever its `when=` says."""
    event = MadeEvent("button", 1, 0.0, 1, 1, 1)
    event.value = value
    try:
        return handler.matcher.match(event) is not None
    except Exception:  # a predicate that cannot bear it
        return True


def _static_buttons(state: State) -> Iterator[Button]:
    rows = [*rows_of_buttons(state.buttons)]
    rows += state.prompt.buttons if isinstance(state.prompt, Reply) else ()
    yield from (button for row in rows for button in row if button.action is None)


def _makes_buttons(function: Any) -> bool:
    """Whether a function may show buttons that no declaration has."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return True
    constants: Iterable[Any] = (
        name for const in code.co_consts if isinstance(const, tuple) for name in const
    )
    return any(_BUTTONS.search(str(name)) for name in (*code.co_names, *constants))
