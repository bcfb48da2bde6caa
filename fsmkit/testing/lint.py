"""`lint`: what the declarations of flows show by themselves; nothing of the user's runs but matchers.

`Subject` is what is checked: flows, their graph, and what is computed from them once, so that a check of all
states costs no more than there are handlers. Each check is a function from it to findings; see `CHECKS`.
A finding about a state points to the line that declares it.
"""

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from inspect import iscoroutinefunction
from typing import Any

from telegram import Bot, CallbackQuery
from telegram import Message as TelegramMessage

from fsmkit.errors import DefinitionError
from fsmkit.flow.context import no_field
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.locations import location_of
from fsmkit.flow.matchers import AllOf, AnyOf, Example, Matcher
from fsmkit.flow.messages import MAX_TEXT, Button, Reply, rows_of_buttons
from fsmkit.flow.states import ANY, INHERIT, State, StatesGroup
from fsmkit.graph.awaits import awaited_requests, dropped_calls
from fsmkit.graph.evolved import evolved_fields
from fsmkit.graph.graph import Graph, graph_of
from fsmkit.graph.names import unwrapped
from fsmkit.graph.sends import events_sent
from fsmkit.interpreter.compiled import CompiledFlow, FlowSet
from fsmkit.telegram.command_menu import commands_of
from fsmkit.telegram.matchers import PressOf
from fsmkit.testing.findings import Finding
from fsmkit.testing.harness.actions import Content, Say
from fsmkit.testing.harness.events import press_made
from fsmkit.testing.inputs.backtracking import slow_text
from fsmkit.testing.inputs.handlers import Inputs, inputs_of, wants
from fsmkit.testing.loading import functions_of

__all__ = ["CHECKS", "Subject", "lint", "lint_graph"]


class Subject:
    """Flows that are checked, and what is worked out of them once.

    Args:
        flows: The flows.
        graph: Their graph, where it is another than they declare.
    """

    def __init__(self, *flows: Flow[Any], graph: Graph | None = None) -> None:
        self.graph: Graph = graph or graph_of(*flows)
        self.given = flows
        self._inputs: dict[Handler, Inputs] = {}
        self._asked = {flow.name: _asked_in(flow) for flow in self.graph.flows}
        self._taken: dict[tuple[Handler, Handler], bool] = {}

    @property
    def flows(self) -> tuple[Flow[Any], ...]:
        """The flows, called ones too."""
        return self.graph.flows

    def inputs(self, handler: Handler) -> Inputs:
        """Return the inputs of a handler."""
        if handler not in self._inputs:
            self._inputs[handler] = inputs_of(handler)
        return self._inputs[handler]

    def asked(self, flow: Flow[Any], state: State) -> list[Handler]:
        """Return the handlers of a state, in the order in which they are tried."""
        return self._asked[flow.name].get(state.name, [])

    def asked_after(self, flow: Flow[Any]) -> list[Handler]:
        """Return the handlers of flows that may wait for this one: they are offered what it does not take."""
        waiting = self.graph.waiting(flow.name)
        return [
            h for other in self.flows if other.name in waiting for h in other.handlers if ANY in h.selectors
        ]

    def takes_all(self, earlier: Handler, handler: Handler) -> bool:
        """Return whether a handler tried before never passes, and wants all that another one wants."""
        if (earlier, handler) not in self._taken:
            self._taken[earlier, handler] = _takes_all(self, earlier, handler)
        return self._taken[earlier, handler]


def _asked_in(flow: Flow[Any]) -> dict[str, list[Handler]]:
    """Return the handlers of each state by its name: its own, those of its groups, those of all states.

    Included ones come last, in the same order.
    """
    ranks: tuple[dict[str, list[Handler]], ...] = ({}, {}, {}, {}, {}, {})
    for handler in flow.handlers:
        last = 3 if handler.included else 0
        for selector in handler.selectors:
            if selector is ANY:
                for name in flow.states:
                    ranks[last + 2].setdefault(name, []).append(handler)
            elif isinstance(selector, type) and issubclass(selector, StatesGroup):
                for state in selector.states():
                    ranks[last + 1].setdefault(state.name, []).append(handler)
            elif isinstance(selector, str | State):
                ranks[last].setdefault(str(selector), []).append(handler)
    return {
        name: list(dict.fromkeys(h for rank in ranks for h in rank.get(name, ()))) for name in flow.states
    }


def finding(code: str, message: str, where: str | None, flow: Flow[Any], *, note: bool = False) -> Finding:
    """Return a finding of this phase."""
    return Finding(code, message, where, flow.name, "lint", note)


def location_of_state(flow: Flow[Any], state: State) -> str:
    """Return where a state is declared, else where its flow is."""
    return state.place or flow.place or "?"


def targets(subject: Subject) -> Iterator[Finding]:
    """Targets that are unknown, unreadable, or not what `to=` says."""
    for flow in subject.flows:
        for handler in flow.handlers:
            for problem in subject.graph.handlers[handler].problems:
                yield finding(problem.code, problem.message, problem.place, flow)


def entries(subject: Subject) -> Iterator[Finding]:
    """Flows that no conversation comes to: nobody begins them, calls them or goes to them."""
    entered = {node[0] for node in subject.graph.reachable}
    for flow in subject.given:
        begins = [handler for handler in flow.handlers if None in handler.selectors]
        if flow.name in entered or not flow.states or not _all_read(subject, begins):
            continue
        place = begins[0].place if begins else flow.place
        if begins:
            names = ", ".join(handler.name for handler in begins)
            problem = f'{names} for the state None returns no ("transition", state)'
        elif any(edge.target and edge.target.flow == flow.name != edge.flow for edge in subject.graph.edges):
            problem = "no conversation comes to what leads to it"
        else:
            problem = "no handler has the state None, and nobody calls it"
        yield finding("no-entry", f"flow {flow.name!r} is never entered: {problem}", place, flow)


def _all_read(subject: Subject, handlers: list[Handler]) -> bool:
    """Whether it is known where they lead; what could not be read is a finding of its own."""
    return all(subject.graph.handlers[handler].complete for handler in handlers)


def unreachable(subject: Subject) -> Iterator[Finding]:
    """States that no conversation comes to."""
    entered = {node[0] for node in subject.graph.reachable}
    for flow in subject.flows:
        for state in flow.states.values():
            if flow.name in entered and (flow.name, state.name) not in subject.graph.reachable:
                message = f"no edge leads to state {state.name!r}"
                yield finding("unreachable", message, location_of_state(flow, state), flow)


def ways_out(subject: Subject) -> Iterator[Finding]:
    """States without handlers, that only lead to themselves, or from which no end can be reached."""
    graph = subject.graph
    for flow in subject.flows:
        for state in flow.states.values():
            node = (flow.name, state.name)
            edges = [edge for edge in graph.outgoing(node) if edge.kind not in ("pass", "error")]
            moving = [
                e for e in edges if e.kind != "stay" and (e.target is None or e.target.state != state.name)
            ]
            place = location_of_state(flow, state)
            if not edges:
                yield finding("dead-end", f"no handler leads on from state {state.name!r}", place, flow)
            elif not moving and node not in graph.ending:
                yield finding("self-loop", f"state {state.name!r} leads only to itself", place, flow)
            elif node not in graph.ending:
                message = f"no way leads from state {state.name!r} to an end of the conversation"
                yield finding("no-end", message, place, flow)


_BUTTONS = re.compile("show|[bB]utton|Reply")


def buttons(subject: Subject) -> Iterator[Finding]:
    """Buttons under prompts that no handler wants, and handlers whose buttons are shown nowhere."""
    for flow in subject.flows:
        shown: list[Any] = []
        beyond = subject.asked_after(flow)
        for state in flow.states.values():
            handlers = [*subject.asked(flow, state), *beyond]
            for button in static_buttons(state):
                shown.append(button.value)
                if button.flow is None and not any(takes(handler, button.value) for handler in handlers):
                    message = (
                        f"no handler of state {state.name!r} takes a press of its button {button.text!r}"
                    )
                    yield finding("unheard-button", message, location_of_state(flow, state), flow)
        if not any(_makes_buttons(function) for function in functions_of([flow])):
            for handler in flow.handlers:
                values = list(values_of(handler.matcher))
                if values and None not in handler.selectors and not any(value in shown for value in values):
                    message = f"{handler.name} handles the button {values[0]!r}, which is never shown"
                    # A handler that several flows have need not be of use in each.
                    yield finding("unshown-button", message, handler.place, flow, note=handler.included)


def values_of(matcher: Matcher) -> Iterator[Any]:
    """Yield the literal values of buttons that a matcher wants; none if it wants others too."""
    if isinstance(matcher, PressOf) and matcher.kind == "button":
        if not any(isinstance(value, re.Pattern | type) for value in matcher.values):
            yield from matcher.values
    elif isinstance(matcher, AnyOf):
        for part in matcher.matchers:
            yield from values_of(part)


def takes(handler: Handler, value: Any) -> bool:
    """Whether a handler may want a button of some value, whatever its `when=` says."""
    try:
        return handler.matcher.match(press_made(value)) is not None
    except Exception:  # a predicate that cannot bear it
        return True


def static_buttons(state: State) -> Iterator[Button]:
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


def shadowed(subject: Subject) -> Iterator[Finding]:
    """Handlers all of whose inputs are taken by another one that is tried before, in all of their states."""
    for flow in subject.flows:
        states: dict[Handler, list[State]] = {}
        for state in flow.states.values():
            for handler in subject.asked(flow, state):
                states.setdefault(handler, []).append(state)
        for handler, where in states.items():
            takers = (taker(subject, handler, subject.asked(flow, state)) for state in where)
            first = next(takers)
            replaced = handler.included and first is not None and not first.included
            if first is not None and None not in handler.selectors and all(takers) and not replaced:
                message = f"{handler.name} is never called: {first.name} ({first.place}) takes all its events"
                yield finding("shadowed", message, handler.place, flow)


def taker(subject: Subject, handler: Handler, asked: list[Handler]) -> Handler | None:
    """Return a handler that is tried before and takes all that this one wants."""
    before = itertools.takewhile(lambda earlier: earlier is not handler, asked)
    return next((earlier for earlier in before if subject.takes_all(earlier, handler)), None)


def _takes_all(subject: Subject, earlier: Handler, handler: Handler) -> bool:
    if earlier.when is not None or subject.graph.handlers[earlier].passes:
        return False
    inputs = subject.inputs(handler)
    if inputs.accepted:
        return not inputs.presses and all(wants(earlier, action) for action in inputs.accepted)
    values = list(values_of(handler.matcher))
    return bool(values) and handler.when is None and all(takes(earlier, value) for value in values)


def examples(subject: Subject) -> Iterator[Finding]:
    """Handlers for which no input is known, and examples that their own handler does not want."""
    for flow in subject.flows:
        for handler in flow.handlers:
            inputs = subject.inputs(handler)
            if handler.examples and not inputs.accepted:
                message = f"none of the examples= of {handler.name} is wanted by it"
                yield finding("wrong-example", message, handler.place, flow)
            elif not inputs.known and not _internal(handler.matcher):
                message = f"no input for {handler.name} is known: give examples=[...]"
                yield finding("no-input", message, handler.place, flow, note=True)


def _internal(matcher: Matcher) -> bool:
    """Whether a matcher wants what only comes of other things: an outcome, a return, a failure."""
    parts = matcher.matchers if isinstance(matcher, AnyOf | AllOf) else (matcher,)
    return all(part.kinds is not None and all(kind[:1].isupper() for kind in part.kinds) for part in parts)


def descriptions(subject: Subject) -> Iterator[Finding]:
    """Commands that Telegram's menu would not list, where it lists others."""
    commands = [
        (command, handler, flow)
        for flow in subject.flows
        for handler in flow.handlers
        for command in commands_of(handler.matcher)
        if command.names
    ]
    listed = {command.names[0] for command, _, _ in commands if command.description is not None}
    missing: set[str] = set()
    for command, handler, flow in commands if listed else ():
        name = command.names[0]
        if name not in listed and name not in missing:
            missing.add(name)
            message = (
                f"/{name} has no description, so that the command menu does not list it, as it does others"
            )
            yield finding("no-description", message, handler.place, flow, note=True)


def patterns(subject: Subject) -> Iterator[Finding]:
    """Patterns for which some text takes seconds."""
    for flow in subject.flows:
        for handler in flow.handlers:
            for example in handler.matcher.examples():
                wanted = [example.value, example.args] if isinstance(example, Example) else []
                for pattern in (found for found in wanted if isinstance(found, re.Pattern)):
                    if (text := slow_text(pattern)) is not None:
                        message = (
                            f"{pattern.pattern!r} takes seconds to refuse a longer text like {text!r}, and "
                            "nobody is served meanwhile: let no two parts of it take the same characters"
                        )
                        yield finding("slow-pattern", message, handler.place, flow)


def prompts(subject: Subject) -> Iterator[Finding]:
    """Prompts that are longer than a message."""
    for flow in subject.flows:
        for state in flow.states.values():
            for what, said in (("prompt", state.prompt), ("otherwise", state.otherwise)):
                text = said.text if isinstance(said, Reply) else said
                if isinstance(text, str) and len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
                    message = f"the {what} of state {state.name!r} is longer than a message ({MAX_TEXT})"
                    yield finding("long-prompt", message, location_of_state(flow, state), flow)


def defaults(subject: Subject) -> Iterator[Finding]:
    """States that say nothing to what they do not understand, never time out, or are lifted untried."""
    for flow in subject.flows:
        silent = [state for state in flow.states.values() if state.otherwise is None and state.call is None]
        if silent:
            names = ", ".join(repr(state.name) for state in silent[:6]) + (", …" if len(silent) > 6 else "")
            message = f"says nothing to what it does not understand: give otherwise= to {names}"
            if (again := _silent_again(subject, flow, silent)) is not None:
                message += (
                    f"; who sends {again[0]} once more in state {again[1]!r} gets no answer, unless "
                    "otherwise= or a handler for ANY gives one"
                )
            yield finding("no-otherwise", message, flow.place, flow, note=True)
        untested = [v for v in flow.migrations if not flow.migration_examples[v]]
        if untested:
            message = f"migrate({untested[0]}) is not tried by the tests: give examples= of what was stored"
            place = location_of(flow.migrations[untested[0]])
            yield finding("untried-migration", message, place, flow, note=True)
        endless = [
            s.name for s in flow.states.values() if s.ttl is None or (s.ttl is INHERIT and flow.ttl is None)
        ]
        if endless:
            names = ", ".join(map(repr, endless[:6])) + (", …" if len(endless) > 6 else "")
            yield finding("no-ttl", f"never times out in {names}", flow.place, flow, note=True)


def _silent_again(subject: Subject, flow: Flow[Any], silent: list[State]) -> tuple[str, str] | None:
    """Return a command that begins a flow, and a state without `otherwise` in which nothing takes it."""
    begins = [handler for handler in flow.handlers if None in handler.selectors]
    said = [a for handler in begins for a in subject.inputs(handler).accepted if isinstance(a, Say)]
    first = next((action for action in said if action.text[:1] == "/"), None)
    if first is None:
        return None
    beyond = subject.asked_after(flow)
    for state in silent:
        if not any(wants(handler, first) for handler in (*subject.asked(flow, state), *beyond)):
            return first.text, state.name
    return None


def fields(subject: Subject) -> Iterator[Finding]:
    """Fields that `ctx.evolve` would change and the data do not have, with the words of the error."""
    for flow in subject.flows:
        for function, position in _functions_of_ctx(flow):
            file = location_of(function).rpartition(":")[0]
            for name, line in evolved_fields(function, position):
                if (problem := no_field(flow.data, name)) is not None:
                    yield finding("unknown-field", problem, f"{file}:{line}", flow)


def _functions_of_ctx(flow: Flow[Any]) -> Iterator[tuple[Any, int]]:
    """Yield all functions that are given a `ctx`, each with the position of that among its arguments."""
    yield from ((handler.function, 1) for handler in flow.handlers)
    yield from ((guard.function, 0) for guard in flow.guards)
    hooks = (*flow.enter_hooks, *flow.exit_hooks, *flow.invariants)
    yield from ((hook.function, 0) for hook in hooks)
    for state in flow.states.values():
        said = (state.prompt, state.otherwise, state.reminder, state.call_data)
        yield from ((part, 0) for part in said if callable(part))
    if callable(flow.reminder):
        yield flow.reminder, 0


def awaits(subject: Subject) -> Iterator[Finding]:
    """Find requests that are awaited, and calls of Telegram that are not."""
    for flow in subject.flows:
        for function, position in _functions_of_ctx(flow):
            file = location_of(function).rpartition(":")[0]
            for called, line in awaited_requests(function, position):
                message = f"{called}(...) is awaited, which raises a TypeError: write it without await"
                yield finding("needless-await", message, f"{file}:{line}", flow)
            for called, line in dropped_calls(function):
                method = called.rpartition(".")[2]
                if any(iscoroutinefunction(getattr(of, method, None)) for of in CALLED):
                    where = "" if iscoroutinefunction(function) else " in an async def"
                    message = f"{called}(...) is not awaited, so that nothing happens: await it{where}"
                    if method in ("send_message", "reply_text"):
                        message += ", or write ctx.reply(...), which is sent after the step"
                    yield finding("missing-await", message, f"{file}:{line}", flow)


CALLED = (Bot, TelegramMessage, CallbackQuery)
"""Classes whose coroutines handlers call through `ctx` and `event`."""


def storms(subject: Subject) -> Iterator[Finding]:
    """Handlers that send one another events by `ctx.send`, each time, without an end."""
    senders = [(flow, h) for flow in subject.flows for h in flow.handlers if _asked_again(subject, flow, h)]
    sent = {handler: events_sent(handler.function) for _, handler in senders}
    leads = {
        handler: [h for _, h in senders if any(_wants_class(h, event) for event in sent[handler])]
        for _, handler in senders
    }
    told: set[Handler] = set()
    for flow, handler in senders:
        cycle = () if handler in told else _cycle(handler, leads)
        if cycle:
            told.update(cycle)
            names = " → ".join(f"{each.name} ({each.place})" for each in (*cycle, handler))
            message = (
                f"{names} send one another events each time, without an end: send only while something is "
                "left to do, or with after="
            )
            yield finding("send-cycle", message, handler.place, flow, note=True)


def _asked_again(subject: Subject, flow: Flow[Any], handler: Handler) -> bool:
    """Return whether a handler for events from outside may be asked again where its own step has ended."""
    edges = subject.graph.handlers[handler]
    if handler.when is not None or not edges.complete:
        return False
    asked = {name for name, state in flow.states.items() if handler in subject.asked(flow, state)}
    begins = {None} if None in handler.selectors else set[str | None]()
    return any(name in asked | begins for name in _states_after(subject, flow, handler))


def _wants_class(handler: Handler, event: type) -> bool:
    return any(isinstance(each, type) and issubclass(event, each) for each in handler.matcher.examples())


def _cycle(first: Handler, leads: dict[Handler, list[Handler]]) -> tuple[Handler, ...]:
    """Return the shortest way from a handler back to itself, without its end; empty if there is none."""
    ways: deque[tuple[Handler, ...]] = deque([(first,)])
    seen: set[Handler] = set()
    while ways:
        way = ways.popleft()
        for following in leads[way[-1]]:
            if following is first:
                return way
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return ()


def payments(subject: Subject) -> Iterator[Finding]:
    """Money that no handler takes: where a pre-checkout query was approved, or an invoice was sent."""
    takers = [h for flow in subject.flows for h in flow.handlers if _takes_kind(h, "successful_payment")]
    entries = [handler for handler in takers if None in handler.selectors]
    for flow in subject.flows:
        beyond = [*entries, *(handler for handler in subject.asked_after(flow) if handler in takers)]
        for handler in flow.handlers:
            if not beyond and _takes_kind(handler, "pre_checkout_query", named=True):
                for name in _states_after(subject, flow, handler):
                    asked = subject.asked(flow, flow.states[name]) if name is not None else ()
                    if not any(each in takers for each in asked):
                        message = (
                            f"{handler.name} is asked before a payment, and in state {name!r} no handler "
                            f"takes the payment: add @{flow.name}.defstate({name!r}, on=successful_payment())"
                        )
                        yield finding("lost-payment", message, handler.place, flow)
                        break
            elif not takers and _sends_invoice(handler.function):
                message = (
                    f"{handler.name} sends an invoice, and no handler takes the payment: add one for "
                    "successful_payment()"
                )
                yield finding("lost-payment", message, handler.place, flow)


def _takes_kind(handler: Handler, kind: str, *, named: bool = False) -> bool:
    """Return whether a handler takes a kind of event: one that it names, or any that its filter lets in."""
    kinds = handler.matcher.kinds
    if kinds is not None:
        return kind in kinds
    return not named and wants(handler, Content(kind))


def _states_after(subject: Subject, flow: Flow[Any], handler: Handler) -> list[str | None]:
    """Return the flow's states in which the conversation may stand after a handler; `None`: it is over."""
    edges = subject.graph.handlers[handler]
    there = {t.state for t in edges.targets if t.flow == flow.name and t.kind != "call"}
    if edges.stays:
        there |= {name for name, state in flow.states.items() if handler in subject.asked(flow, state)}
        there |= {None} if None in handler.selectors else set()
    return [name for name in (*flow.states, None) if name in there]


_INVOICES = frozenset({"send_invoice", "reply_invoice", "create_invoice_link"})


def _sends_invoice(function: Any) -> bool:
    plain = unwrapped(function)[0]
    return plain is not None and not _INVOICES.isdisjoint(plain.__code__.co_names)


def refused(subject: Subject) -> Iterator[Finding]:
    """Flows that no engine takes, so that `chat` and `run` would refuse them."""
    alone = [*subject.flows]
    for flow in subject.flows:
        try:
            flow.check_declared()
            CompiledFlow(flow, {})
        except DefinitionError as error:
            alone.remove(flow)
            yield finding("refused", f"{error.problem}. {error.remedy}", error.place, flow)
    if len(alone) == len(subject.flows):
        try:
            FlowSet(alone)
        except DefinitionError as error:
            yield finding("refused", f"{error.problem}. {error.remedy}", error.place, alone[0])


CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    refused,
    targets,
    fields,
    awaits,
    entries,
    unreachable,
    ways_out,
    shadowed,
    prompts,
    buttons,
    examples,
    descriptions,
    payments,
    storms,
    defaults,
)


def lint(*flows: Flow[Any]) -> list[Finding]:
    """Return what is wrong with flows as they are declared; of a pattern that takes seconds nothing but that.

    Args:
        flows: The flows.

    Raises:
        DefinitionError: If they do not fit together.

    Example:
        >>> flow = Flow("ask")
        >>> _ = flow.state("lost")
        >>> [finding.code for finding in lint(flow) if not finding.note]
        ['no-entry', 'dead-end']
    """
    subject = Subject(*flows)
    if slow := list(patterns(subject)):
        return slow  # whatever else is tried would take as long
    found = [finding for check in CHECKS for finding in check(subject)]
    # What is wrong with a handler that several flows include is said once.
    distinct: dict[tuple[str, str, str | None], Finding] = {}
    for each in found:
        distinct.setdefault((each.code, each.message, each.where), each)
    return sorted(distinct.values(), key=lambda finding: finding.note)


def lint_graph(graph: Graph) -> list[Finding]:
    """Return what a graph shows by itself: ways in, ways to each state, ways out.

    Args:
        graph: The graph; its edges may be others than its flows declare.
    """
    subject = Subject(*graph.flows, graph=graph)
    return [finding for check in (entries, unreachable, ways_out) for finding in check(subject)]
