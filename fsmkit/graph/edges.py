"""Targets, and what the names in a result or in `to=` mean: a state here or in another flow, a call, the end.

Where the names come from is `fsmkit.graph.edges`' matter.
"""

import collections.abc
import difflib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Never, NoReturn, Union, get_args, get_origin

import attrs

from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Flow
from fsmkit.flow.handlers import Handler
from fsmkit.flow.results import LENGTHS, End, Stay, To
from fsmkit.flow.states import END, State, StatesGroup
from fsmkit.graph.calls import check_calls
from fsmkit.graph.names import UnreadableSourceError, unwrapped
from fsmkit.graph.source import Return, Returns, read_source

__all__ = ["EdgeProblem", "Edges", "Target", "collect_flows", "edges_of"]


@attrs.frozen(order=True)
class Target:
    """Where a handler may go.

    Attributes:
        kind: What it does.
        flow: Name of the flow that it goes to or calls; its own for the end.
        state: Name of the state that it goes to; `None` for a call and the end.
    """

    kind: Literal["transition", "call", "end"]
    flow: str
    state: str | None = None

    def __str__(self) -> str:
        if self.kind == "end":
            return "the end"
        return f'the call of flow "{self.flow}"' if self.state is None else f'"{self.flow}/{self.state}"'


class UnknownEdgeError(Exception):
    """A state or a flow that there is not."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}. {remedy}")


@attrs.frozen(eq=False)
class TargetNames:
    """What the targets in one flow's results mean."""

    flow: Flow[Any]
    known: Mapping[str, Flow[Any]]

    def target(self, kind: str, named: Any) -> Target:
        """Return the target; raise UnknownEdgeError if there is no such state or flow."""
        if kind == "end":
            return Target("end", self.flow.name)
        if kind == "call":
            name = named.name if isinstance(named, Flow) else named
            if isinstance(name, str) and (isinstance(named, Flow) or name in self.known):
                return Target("call", _plain(name))
            raise UnknownEdgeError(f"{_shown(named)}, there is no such flow", self._remedy(named, self.known))
        if isinstance(named, State):
            return self._state(named.flow or self.flow.name, named.name, named)
        if not isinstance(named, str):
            raise UnknownEdgeError(f"{_shown(named)}, which is not a state", "Name a state")
        name = _plain(named)
        flow, slash, state = name.partition("/")
        if slash and name not in self.flow.states:
            return self._state(flow, state, name)
        return self._state(self.flow.name, name, name)

    def _state(self, flow: str, state: str, named: Any) -> Target:
        if flow not in self.known:
            remedy = self._remedy(flow, self.known, f"Put flow {flow!r} together with {self.flow.name!r}")
            raise UnknownEdgeError(f'{_shown(named)}, there is no flow "{flow}"', remedy)
        if state not in self.known[flow].states:
            remedy = self._remedy(state, self.known[flow].states)
            raise UnknownEdgeError(f'{_shown(named)}, flow "{flow}" has no such state', remedy)
        return Target("transition", flow, state)

    def _remedy(self, name: Any, known: Iterable[str], otherwise: str | None = None) -> str:
        near = difflib.get_close_matches(str(name), list(known), n=1)
        if str(name).lower() == "end":
            return "Write END, without quotes, to end the conversation"
        if near:
            return f'Did you mean "{near[0]}"?'
        return otherwise or f"There is {', '.join(known) or 'none'}"

    def resolve(self, item: Any) -> Iterator[Target]:
        """Yield what stands in `to=`, where nothing says whether it is a state or a call."""
        if item is END:
            yield self.target("end", None)
        elif isinstance(item, type) and issubclass(item, StatesGroup):
            yield from (self.target("transition", state) for state in item.states())
        elif isinstance(item, Flow) or (
            isinstance(item, str) and item not in self.flow.states and item in self.known
        ):
            yield self.target("call", item)
        else:
            yield self.target("transition", item)


def _plain(name: str) -> str:
    return str.__str__(name)  # of a member of a string enum: its value


def _shown(named: Any) -> str:
    return f'"{_plain(named)}"' if isinstance(named, str) else repr(named)


_ALIASES: tuple[Any, ...] = (To, Stay, End)


_NOTHING: Any = Never


_NAMES_TARGET = ("transition", "call")


class _Imprecise(Exception):  # never leaves this module
    pass


def read_annotation(function: Any) -> tuple[Return, ...] | None:
    """Return what a handler's return annotation says, or `None` without one that is precise.

    Args:
        function: The handler, as it was registered.
    """
    try:
        return tuple(_ways(_hint(function)))
    except _Imprecise:
        return None


def _hint(function: Any) -> Any:
    plain, _ = unwrapped(function)
    try:
        annotation = plain.__annotations__["return"] if plain else Any
        # Only the one annotation: the others may name what exists under TYPE_CHECKING only.
        holder = types.SimpleNamespace(__annotations__={"return": annotation})
        return typing.get_type_hints(holder, plain.__globals__ if plain else {})["return"]
    except Exception:  # whatever the user's annotation does when it is evaluated, it is not readable then
        raise _Imprecise from None


def _ways(hint: Any) -> Iterator[Return]:
    if any(hint is alias for alias in _ALIASES):
        hint = hint | _NOTHING  # an alias without parameters becomes the union that it stands for
    if type(hint).__name__ == "TypeAliasType":  # `type Answer = ...`, from Python 3.12
        hint = hint.__value__  # pragma: no cover  # such an alias cannot be written for older ones
    origin, args = get_origin(hint), get_args(hint)
    if hint is None or hint is types.NoneType:
        yield Return("stay")
    elif origin is Literal and args == (END,):
        yield Return("end")
    elif origin in (Union, types.UnionType):
        for part in args:
            yield from _ways(part)
    elif origin in (collections.abc.Awaitable, collections.abc.Coroutine) and args:
        yield from _ways(args[-1])
    elif origin is tuple:
        yield from _tuple_ways(args)
    elif hint not in (Never, NoReturn):
        raise _Imprecise


def _tuple_ways(elements: tuple[Any, ...]) -> Iterator[Return]:
    if not elements or get_origin(elements[0]) is not Literal or Ellipsis in elements:
        raise _Imprecise
    for kind in get_args(elements[0]):
        least, most = LENGTHS.get(kind, (1, 0))
        if not least <= len(elements) <= most:
            raise _Imprecise
        if kind not in _NAMES_TARGET:
            yield Return(kind)
        elif get_origin(elements[1]) is Literal:
            yield from (Return(kind, target) for target in get_args(elements[1]))
        else:
            raise _Imprecise


@attrs.frozen
class EdgeProblem:
    """A finding about a handler.

    Attributes:
        code: What kind of finding.
        message: The whole sentence.
        place: `file:line`.
    """

    code: Literal["unreadable-target", "unreadable-source", "targets-differ", "unknown-state"]
    message: str
    place: str


@attrs.frozen(eq=False)
class Edges:
    """Where a handler may go.

    Attributes:
        targets: States, called flows and the end.
        stays: Whether it may stay; like the next three, true also where it could not be read.
        backs: Whether it may go back.
        passes: Whether it may pass.
        errors: Whether it may return an error.
        declared: Whether `to=` or a precise annotation names the targets, so that others are refused.
        complete: Whether nothing is unread; always true if declared.
        problems: Findings.
        flows: Flows met among the targets, its own left out.
    """

    targets: frozenset[Target]
    stays: bool
    backs: bool
    passes: bool
    errors: bool
    declared: bool
    complete: bool
    problems: tuple[EdgeProblem, ...]
    flows: tuple[Flow[Any], ...]

    def allows(self, target: Target) -> bool:
        """Return whether a result with that target may be applied."""
        return not self.declared or target in self.targets


def edges_of(handler: Handler, flow: Flow[Any], others: Mapping[str, Flow[Any]] = {}) -> Edges:
    """Return where a handler may go.

    Args:
        handler: The handler.
        flow: Its flow.
        others: The other flows that it may name, by name.

    Raises:
        DefinitionError: If `to=` names a state or a flow that there is not.
    """
    source, why = _read(handler)
    hints = read_annotation(handler.function)
    flows = _flows_met(handler, flow, source)
    resolve = TargetNames(flow, {**{met.name: met for met in flows}, **others, flow.name: flow})
    named = None if handler.targets is None else frozenset(_targets_in_to(handler, resolve))
    problems: list[EdgeProblem] = []
    hinted = None if hints is None else frozenset(_targets(hints, resolve, handler, problems))
    declared = named if named is not None else hinted
    # What is guessed may add an edge, but says nothing against what the handler declares.
    ways = [way for way in source.ways if way.certain or declared is None]
    returned = _targets(ways, resolve, handler, problems)
    if declared is None:
        problems += _unread(handler, source, why)
    problems += _differences(handler, named, hinted, returned, source.certain)
    kinds = {way.kind for way in (source.ways if source.complete or hints is None else hints)}
    unread = not source.complete and hints is None
    return Edges(
        targets=frozenset(returned) if declared is None else declared,
        stays=unread or "stay" in kinds,
        backs=unread or "back" in kinds,
        passes=unread or "pass" in kinds,
        errors=unread or "error" in kinds,
        declared=declared is not None,
        complete=declared is not None or source.complete,
        problems=tuple(dict.fromkeys(problems)),
        flows=flows,
    )


def collect_flows(flows: Iterable[Flow[Any]]) -> dict[str, Flow[Any]]:
    """Return flows by name, and those that their handlers name as objects; what `edges_of` needs as `others`.

    Nothing is resolved yet, so one handler may name a flow that only another one brings along.

    Args:
        flows: The flows.

    Raises:
        DefinitionError: If two of them have one name, or a state is a call that cannot be made.
    """
    found: dict[str, Flow[Any]] = {}
    todo = list(flows)
    while todo:
        flow = todo.pop(0)
        if (other := found.get(flow.name)) is flow:
            continue
        if other is not None:
            raise flow.error(f"two flows have this name (the other: {other.place})", "Rename one")
        found[flow.name] = flow
        for handler in (*flow.handlers, *flow.guards):
            todo += _flows_met(handler, flow, _read(handler)[0])
    check_calls(found)
    return found


def _read(handler: Handler) -> tuple[Returns, str]:
    try:
        return read_source(handler.function), ""
    except UnreadableSourceError as error:
        return Returns((Return(None),)), str(error)


def _flows_met(handler: Handler, flow: Flow[Any], source: Returns) -> tuple[Flow[Any], ...]:
    named = (*(handler.targets or ()), *(way.target for way in source.ways), *source.flows)
    return tuple(dict.fromkeys(met for met in named if isinstance(met, Flow) and met is not flow))


def _targets_in_to(handler: Handler, names: TargetNames) -> Iterator[Target]:
    for item in handler.targets or ():
        try:
            yield from names.resolve(item)
        except UnknownEdgeError as error:
            raise DefinitionError(
                f"to= names {error.problem}", place=handler.place, remedy=error.remedy
            ) from None


def _targets(
    ways: Iterable[Return], names: TargetNames, handler: Handler, problems: list[EdgeProblem]
) -> dict[Target, str]:
    """Return the targets of ways, each with its place; those that there are not become problems."""
    found: dict[Target, str] = {}
    for way in ways:
        if way.kind in ("transition", "call", "end"):
            try:
                found.setdefault(names.target(way.kind, way.target), _place(handler, way))
            except UnknownEdgeError as error:
                problems.append(
                    EdgeProblem("unknown-state", f"{handler.name} names {error}", _place(handler, way))
                )
    return found


# -- findings --------------------------------------------------------------------------------------


def _place(handler: Handler, way: Return) -> str:
    return handler.place if way.line is None else f"{handler.place.rpartition(':')[0]}:{way.line}"


def _unread(handler: Handler, source: Returns, why: str) -> Iterator[EdgeProblem]:
    if why:
        message = f"the targets of {handler.name} cannot be read: {why}. Add to="
        yield EdgeProblem("unreadable-source", message, handler.place)
        return
    for way in source.ways:
        if way.kind is None:
            message = f"{handler.name} returns {way.problem}. Add to="
            yield EdgeProblem("unreadable-target", message, _place(handler, way))


def _differences(
    handler: Handler,
    named: frozenset[Target] | None,
    hinted: frozenset[Target] | None,
    returned: Mapping[Target, str],
    certain: bool,
) -> Iterator[EdgeProblem]:
    for what, targets in (("its to=", named), ("its return annotation", hinted)):
        if targets is None:
            continue
        for target in sorted(returned.keys() - targets):
            message = f"{handler.name} returns {target}, which {what} does not name"
            yield EdgeProblem("targets-differ", message, returned[target])
    for target in sorted(named or ()):
        message = f"to= of {handler.name} names {target}, which "
        if certain and target not in returned:
            yield EdgeProblem("targets-differ", f"{message}it never returns", handler.place)
        if hinted is not None and target not in hinted:
            yield EdgeProblem("targets-differ", f"{message}its return annotation does not", handler.place)
