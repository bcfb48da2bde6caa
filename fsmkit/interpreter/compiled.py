"""Flows put together for use: everything that a step looks up, computed once.

`CompiledFlow` is one flow made ready, `FlowSet` all the flows of one engine. Building is strict; after it the
flows are in use and refuse further declarations.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs
from msgspec import UNSET

from fsmkit.errors import DefinitionError, UnstorableData
from fsmkit.flow.events import MESSAGE_KINDS, Reminder
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler, Hook, JobSpec, Selector, check_prompt, job_spec
from fsmkit.flow.matchers import AnyOf
from fsmkit.flow.messages import Button, rows_of_buttons
from fsmkit.flow.states import ANY, INHERIT, Prompt, State, StatesGroup, Symbol, Times, combined, times_of
from fsmkit.graph.edges import Edges, Target, collect_flows, edges_of
from fsmkit.interpreter.codec import DataCodec
from fsmkit.keys import KeyBy


@attrs.frozen(eq=False)
class StateSpec:
    """What a state does without a handler, looked up by name.

    Attributes:
        state: The declaration.
        buttons: Rows of buttons under the prompt.
        times: Its times, the flow's where it has none.
        enter: Hooks to run when it is entered.
        leave: Hooks to run when it is left.
        alone: Idle seconds until the timeout and until the reminder where nobody called the flow.
        silent: Whether nothing is called when it is entered.
        invariants: What must hold of the data in it.
        job: Its job.
        guards: What is asked before it is entered.
        still: Whether nothing is called and no limit begins when it is entered: so with most states of many
            bots.
    """

    state: State
    buttons: tuple[tuple[Button, ...], ...]
    times: Times
    enter: tuple[Hook, ...]
    leave: tuple[Hook, ...]
    alone: tuple[float | None, float | None]
    silent: bool
    invariants: tuple[Hook, ...]
    job: JobSpec | None
    guards: tuple[Handler, ...]
    still: bool = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: self.silent and self.times.max_age is None, takes_self=True),
    )

    @property
    def prompt(self) -> Prompt | None:
        """What is sent on entry."""
        return self.state.prompt


class DispatchTable(dict[tuple[str | Symbol | None, str], tuple[Handler, ...]]):
    """The handlers of a flow which may want an event, by state and kind of event, in their order.

    A state is its name, `None`, or `ANY`: what the flow keeps while it waits for a sub-flow. For a
    `ChatEvent`, handlers that name other kinds are left out, which would refuse it; for other events, of kind
    `""`, there are all: their matchers go by the class.
    """

    def __init__(self, table: "CompiledFlow") -> None:
        super().__init__()
        self._table = table

    def __missing__(self, key: tuple[str | Symbol | None, str]) -> tuple[Handler, ...]:
        """Find out which they are, once for each state and kind."""
        state, kind = key
        table = self._table
        handlers = table.any if state is ANY else table.by_state.get(state, table.any)  # type: ignore[arg-type]
        found = self[key] = tuple(
            each for each in handlers if not kind or each.matcher.kinds is None or kind in each.matcher.kinds
        )
        return found


class PlainMoves(dict[tuple[Handler, str | None, str | None], StateSpec | None]):
    """The moves of a flow that only lead on: by handler, state, and the state to go to; the end is `None`.

    A move is plain if the handler may make it, and nothing is called or kept of the state that is left. Its
    value is the state that it enters (for the end, the one that is left); that of any other move is `None`.
    """

    def __init__(self, table: "CompiledFlow") -> None:
        super().__init__()
        self._table = table

    def __missing__(self, key: tuple[Handler, str | None, str | None]) -> StateSpec | None:
        """Find out whether it is one, once for each handler and states."""
        found = self._entered(*key)
        if key[2] is None or key[2] in self._table.rules:  # names that there are not have no end
            self[key] = found
        return found

    def _entered(self, handler: Handler, state: str | None, to: str | None) -> StateSpec | None:
        table = self._table
        here, edges = table.rules.get(state or ""), table.declared.get(handler)
        target = Target("end" if to is None else "transition", table.name, to)
        if here is None or here.leave or (edges is not None and not edges.allows(target)):
            return None
        if to is None:
            return here
        return None if table.flow.back == "data" else table.rules.get(to)  # with what data states were left


class EntryTable(dict[str, tuple["CompiledFlow", ...]]):
    """The flows of a key rule that an event may enter, by its kind: of many flows usually few.

    A message of another kind than a flow's entries name is none of its business, so nobody walks over them;
    what is no new message may enter all. Flows that ask for albums may be entered by each part of one.
    """

    def __init__(self, tables: Iterable["CompiledFlow"]) -> None:
        super().__init__()
        self._tables = tuple(tables)

    def __missing__(self, kind: str) -> tuple["CompiledFlow", ...]:
        """Find out which they are, once for each kind."""
        new = kind in MESSAGE_KINDS or kind == "command"
        found = self[kind] = tuple(
            table
            for table in self._tables
            if not new or table.entry_kinds is None or not table.entry_kinds.isdisjoint((kind, "album"))
        )
        return found


class CompiledFlow:
    """One flow made ready: handlers by state, rules by state, edges by handler.

    Attributes:
        flow: The declaration.
        name: Its name.
        by_state: Handlers of each state, and of `None`, in the order in which they are tried.
        entry_kinds: The kinds of chat events that may enter the flow; `None`: any.
        wanting: Those of them which may want an event of a kind.
        any: Handlers of `ANY`, which the flow keeps while it waits for a sub-flow.
        rules: By name of the state.
        leaves: Whether something is called when some state is left.
        ephemeral: Whether messages of some state are deleted when it is left.
        renamed: Old names of states.
        initial: The state in which a call begins; `None` if the flow has no state.
        codec: How its data are stored.
        edges: Where each handler may go.
        declared: Of those the ones that are held against what a handler returns.
        plain: Moves that only lead on.
        times: The flow's own times.
    """

    def __init__(self, flow: Flow[Any], edges: dict[Handler, Edges]) -> None:
        self.flow = flow
        self.name = flow.name
        self.version = flow.version
        self.codec = DataCodec(flow.name, flow.data, flow.place)
        handlers = sorted(flow.handlers, key=lambda handler: handler.included)
        self.by_state = _in_order(handlers, flow.states)
        self.by_state[None] = tuple(h for h in handlers if None in h.selectors)
        self.entry_kinds = AnyOf(handler.matcher for handler in self.by_state[None]).kinds
        self.any = tuple(h for h in handlers if ANY in h.selectors)
        self.wanting = DispatchTable(self)
        self.plain = PlainMoves(self)
        self.times = _times(flow)
        self.rules = _rules(flow, self.times)
        self.leaves = bool(flow.exit_hooks)
        self.ephemeral = any(state.ephemeral for state in flow.states.values())
        self.renamed = _renamed(flow)
        self.initial = _initial(flow)
        self.edges = edges
        self.declared = {handler: read for handler, read in edges.items() if read.declared}

    def recompile(self) -> None:
        """Forget what was found out of handlers and rules: some were replaced."""
        self.wanting.clear()
        self.plain.clear()

    def __repr__(self) -> str:
        return f"<CompiledFlow of {self.flow!r}>"


class FlowSet:
    """All the flows of one engine.

    Args:
        flows: The flows in order of arbitration.

    Attributes:
        tables: By name, those too that are only called by others.
        entries: The flows that may be entered, in order.
        filtered: Names of those for which there is a filter of where conversations stand.

    Raises:
        DefinitionError: If two flows share a name, or one names what another does not have.
    """

    def __init__(self, flows: Iterable[Flow[Any]]) -> None:
        attached = tuple(flows)
        for flow in attached:
            if not isinstance(flow, Flow):
                raise DefinitionError(
                    f"{flow!r} is not a Flow", place=None, remedy="Pass the flows themselves"
                )
        self.tables: dict[str, CompiledFlow] = {}
        known = collect_flows(attached)
        for flow in known.values():
            flow.check_declared()
            edges = {handler: edges_of(handler, flow, known) for handler in (*flow.handlers, *flow.guards)}
            self.tables[flow.name] = CompiledFlow(flow, edges)
        self.entries = tuple(self.tables[flow.name] for flow in attached)
        self.filtered = {flow.name for flow in known.values() if flow.filtered}
        for flow in known.values():
            flow.flow_sets.add(self)
        self._by_group = {
            id(state): [t.name for t in self.tables.values() if t.flow.states.get(state.name) is state]
            for table in self.tables.values()
            for state in table.flow.states.values()
        }
        self.guarded = any(flow.guards for flow in known.values())
        """Whether some state has a guard."""
        self.calling = any(state.call is not None for f in known.values() for state in f.states.values())
        """Whether some state is a call."""
        self._check_call_data()
        self._check_key_rules()

    def key_rules(self) -> tuple[KeyBy, ...]:
        """Return the key rules in use, in flow order."""
        return tuple(dict.fromkeys(table.flow.key for table in self.entries))

    def entries_of(self, rule: KeyBy) -> EntryTable:
        """Return the flows that may be entered under a key rule, by the kind of the event."""
        return EntryTable(table for table in self.entries if table.flow.key is rule)

    def find(self, flow: "Flow[Any] | str") -> CompiledFlow | None:
        """Return the table of a flow, given itself or its name."""
        table = self.tables.get(flow if isinstance(flow, str) else flow.name)
        return None if table is None or (isinstance(flow, Flow) and table.flow is not flow) else table

    def target(self, table: CompiledFlow, state: str | State) -> tuple[CompiledFlow, str] | None:
        """Return the flow and the name of the state that a handler of `table` names, if any."""
        if isinstance(state, State):
            return self._target_of(table, state)
        if state in table.rules:
            return table, state
        flow, slash, name = state.partition("/")
        other = self.tables.get(flow) if slash else None
        return (other, name) if other is not None and name in other.rules else None

    def _target_of(self, table: CompiledFlow, state: State) -> tuple[CompiledFlow, str] | None:
        name = state.name
        if table.flow.states.get(name) is state:
            return table, name
        owners = [state.flow] if state.flow is not None else self._by_group.get(id(state), [])
        if len(owners) == 1 and (other := self.tables.get(owners[0])) and name in other.rules:
            return other, name
        # An equal state that was made elsewhere (a group without `states=`) still is its name.
        return (table, name) if state.flow is None and name in table.rules else None

    def nearest(self, table: CompiledFlow, state: str) -> str:
        """Return a sentence with the name that was probably meant."""
        near = difflib.get_close_matches(state, list(table.rules), n=1)
        return f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(table.rules) or 'no states'}."

    def _check_call_data(self) -> None:
        """Refuse states whose call could not be given the data that it begins with."""
        for table in self.tables.values():
            for state in table.flow.states.values():
                called = None if state.call is None else self.find(state.call)
                if called is None or callable(state.call_data):
                    continue
                kind = getattr(called.flow.data, "__name__", str(called.flow.data))
                try:
                    if state.call_data is not UNSET:
                        called.codec.encode(state.call_data)
                    elif called.codec.initial() is None:
                        raise UnstorableData("call_data", f"{kind} cannot be made without arguments")
                except UnstorableData as error:
                    raise table.flow.error(
                        f"the call of state {state.name!r} has no data for flow {called.name!r}: {error}",
                        f"Give call_data=, {kind} or a function of (ctx) that returns it",
                        state.place,
                    ) from None

    def _check_key_rules(self) -> None:
        for table in self.tables.values():
            for handler, edges in table.edges.items():
                for target in edges.targets:
                    other = self.tables.get(target.flow)
                    if target.kind == "transition" and other and other.flow.key is not table.flow.key:
                        raise DefinitionError(
                            f"a transition leads from flow {table.name!r} ({table.flow.key}) to "
                            f"{target.flow}/{target.state} ({other.flow.key})",
                            place=handler.place,
                            remedy="Give both flows the same key rule, or use ctx.send",
                        )


def _in_order(
    handlers: Sequence[Handler], states: Mapping[str, State]
) -> dict[str | None, tuple[Handler, ...]]:
    """Return the handlers of each state as they are tried: its own, its groups', those of `ANY`.

    Included ones come after all of the flow's own. Each handler is looked at once for each rank, so that a
    flow of many states is made ready in linear time.
    """
    found: dict[str, dict[Handler, None]] = {name: {} for name in states}
    for included in (False, True):
        for names_of in (_named, _named_by_group, _named_by_any):
            for handler in (each for each in handlers if each.included is included):
                for selector in handler.selectors:
                    for name in names_of(selector, states):
                        found[name][handler] = None
    return {name: tuple(each) for name, each in found.items()}


def _named(selector: Selector, states: Mapping[str, State]) -> Iterable[str]:
    return (str(selector),) if isinstance(selector, str | State) and str(selector) in states else ()


def _named_by_group(selector: Selector, states: Mapping[str, State]) -> Iterable[str]:
    if not isinstance(selector, type) or not issubclass(selector, StatesGroup):
        return ()
    return (state.name for state in selector.states() if state.name in states)


def _named_by_any(selector: Selector, states: Mapping[str, State]) -> Iterable[str]:
    return states if selector is ANY else ()


def _hooks_of(hooks: Sequence[Hook], states: Mapping[str, State]) -> dict[str, tuple[Hook, ...]]:
    """Return the hooks of each state, in the order of their declaration."""
    found: dict[str, dict[Hook, None]] = {name: {} for name in states}
    for hook in hooks:
        for selector in hook.selectors:
            for names_of in (_named, _named_by_group, _named_by_any):
                for name in names_of(selector, states):
                    found[name][hook] = None
    return {name: tuple(each) for name, each in found.items()}


def _rules(flow: Flow[Any], times: Times) -> dict[str, StateSpec]:
    """Return the rules of each state."""
    states = flow.states
    enter, exits = _hooks_of(flow.enter_hooks, states), _hooks_of(flow.exit_hooks, states)
    invariants, guards = _hooks_of(flow.invariants, states), _in_order(flow.guards, states)
    reminders = any(handler.matcher.match(Reminder(0.0)) is not None for handler in flow.handlers)
    found = {}
    for name, state in states.items():
        whose = f"state {name!r} of flow {flow.name!r}"
        _check_screens(flow, state, whose)
        own = combined(times_of(state, whose, flow.place), times, state.prompt, reminders, whose, flow.place)
        for option in ("prompt", "otherwise", "reminder"):
            check_prompt(getattr(state, option), option, whose, flow.place)
        found[name] = StateSpec(
            state,
            rows_of_buttons(state.buttons),
            own,
            enter[name],
            exits[name],
            (own.idle_alone, own.remind_alone),
            not enter[name] and state.prompt is None and state.job is None,
            invariants[name],
            job_spec(state, whose, flow.place),
            guards[name],
        )
    return found


def _check_screens(flow: Flow[Any], state: State, whose: str) -> None:
    """Refuse what a conversation that belongs to a message cannot show."""
    if not flow.key.by_message:
        return
    if state.buttons and not state.show:
        raise flow.error(
            f"the buttons of state {state.name!r} would stand under a new message, and with {flow.key} each "
            f"message has conversations of its own: a press of them would never come to this one",
            "Add show=True: the message that the conversation belongs to is edited",
        )
    if isinstance(state.show, str):
        raise flow.error(
            f"{whose} has show={state.show!r}, and with {flow.key} a conversation has one screen, the "
            "message that it belongs to",
            "Write show=True",
        )


def _times(flow: Flow[Any]) -> Times:
    times = times_of(flow, f"flow {flow.name!r}", flow.place)
    timed: list[Flow[Any] | State] = [flow, *flow.states.values()]
    if flow.reminder is not None and all(each.remind_after in (INHERIT, None) for each in timed):
        raise flow.error("it has a reminder, and no time for it", "Add remind_after=")
    return times


def _renamed(flow: Flow[Any]) -> dict[str, str]:
    renamed: dict[str, str] = {}
    for state in flow.states.values():
        for old in state.renamed_from:
            if not isinstance(old, str) or not old:
                raise flow.error(f"state {state.name!r} has renamed_from={old!r}", "List old names, texts")
            if old in flow.states or old in renamed:
                raise flow.error(
                    f"state {state.name!r} has renamed_from={old!r}, which is still a name of a state",
                    "Rename one, or remove it from renamed_from=",
                )
            renamed[old] = state.name
    return renamed


def _initial(flow: Flow[Any]) -> str | None:
    if flow.initial is None:
        return next(iter(flow.states), None)
    name = str(flow.initial)
    if name not in flow.states:
        near = difflib.get_close_matches(name, list(flow.states), n=1)
        raise flow.error(
            f"initial={name!r} is not a state of it", f"Did you mean {near[0]!r}?" if near else "Declare it"
        )
    return name
