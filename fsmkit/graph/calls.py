"""States that are a call of a flow: what they need of the flows that stand beside them."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from fsmkit.errors import DefinitionError
from fsmkit.flow.events import Crashed, Returned, Timeout
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Entry, Handler
from fsmkit.flow.states import ANY, State, StatesGroup


def check_calls(flows: Mapping[str, Flow[Any]]) -> None:
    """Refuse calls of states that could not be made, or that nobody would come back from.

    Args:
        flows: The flows by name.

    Raises:
        DefinitionError: If the called flow is not there, has no state, or calls in a circle; if nobody takes
            its result; if a handler of such a state could never run.
    """
    for flow in flows.values():
        for state in flow.states.values():
            if state.call is not None:
                _check_called(flow, state, flows)
                _check_circle(flow, state, flows)
                _check_handlers(flow, state, _called(state, flows))


def calls_on_entry(flow: Flow[Any], state: str | None) -> bool:
    """Return whether a state is a call of a flow."""
    found = flow.states.get(state or "")
    return found is not None and found.call is not None


def _called(state: State, flows: Mapping[str, Flow[Any]]) -> Flow[Any] | None:
    return state.call if isinstance(state.call, Flow) else flows.get(state.call)


def _begins_in(flow: Flow[Any]) -> State | None:
    first = next(iter(flow.states), None) if flow.initial is None else str(flow.initial)
    return flow.states.get(first or "")


def _check_called(flow: Flow[Any], state: State, flows: Mapping[str, Flow[Any]]) -> None:
    called = _called(state, flows)
    if called is None:
        near = difflib.get_close_matches(state.call, list(flows), n=1)
        remedy = f"Did you mean {near[0]!r}?" if near else f"Write the flow itself, or attach {state.call!r}"
        raise flow.error(
            f"state {state.name!r} calls {state.call!r}, and there is no such flow", remedy, state.place
        )
    if not called.states:
        raise flow.error(
            f"state {state.name!r} calls flow {called.name!r}, which has no state to begin in",
            "Declare one: flow.state(...)",
            state.place,
        )


def _check_circle(flow: Flow[Any], state: State, flows: Mapping[str, Flow[Any]]) -> None:
    """Refuse calls each of which begins with the next one, so that nobody is ever asked anything."""
    way = [f"{flow.name}/{state.name}"]
    at: State | None = state
    while at is not None and at.call is not None and (called := _called(at, flows)) is not None:
        at = _begins_in(called)
        way.append(f"{called.name}/{at}")
        if way[-1] in way[:-1]:
            raise flow.error(
                f"state {state.name!r} calls in a circle: {' → '.join(way)}",
                f"Let flow {called.name!r} begin in a state that is not a call (initial=)",
                state.place,
            )


def _check_handlers(flow: Flow[Any], state: State, called: Flow[Any] | None) -> None:
    name = called.name if called is not None else state.call
    ends = Returned(name)
    if not any(_may_take(handler, ends) for handler in _handlers_of(flow, state)):
        raise flow.error(
            f"state {state.name!r} calls flow {name!r}, and no handler takes its result",
            f'Add one: @flow.defstate("{state.name}", on=Returned)',
            state.place,
        )
    for handler in flow.handlers:
        own = any(isinstance(one, str | State) and one == state.name for one in handler.selectors)
        if own and not isinstance(handler.matcher, Entry):
            events = (ends, Timeout(0.0), Crashed(RuntimeError()))
            if not any(_may_take(handler, event) for event in events):
                raise DefinitionError(
                    f"{handler.name} could never run: state {state.name!r} is a call, so what the person "
                    f"does goes to flow {name!r}",
                    place=handler.place,
                    remedy="Handle Returned there, or register it for ANY, which is asked after that flow",
                )


def _handlers_of(flow: Flow[Any], state: State) -> Iterator[Handler]:
    for handler in flow.handlers:
        for selector in handler.selectors:
            if isinstance(selector, type) and issubclass(selector, StatesGroup):
                if state in selector.states():
                    yield handler
            elif selector is ANY or selector == state.name:
                yield handler


def _may_take(handler: Handler, event: Any) -> bool:
    """Return whether a handler may want an event, whatever its `when=` says."""
    try:
        return handler.matcher.match(event) is not None
    except Exception:  # a matcher of the user's own that cannot bear it
        return True
