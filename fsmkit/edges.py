"""Where a handler can go: its `to=`, else its return annotation, else what its source returns.

One reading for all: the engine refuses by it, the graph is drawn, checked and tested by it. Not here: the
reading itself (`fsmkit.annotations`, `fsmkit.source`) and the edges of a whole flow (`fsmkit.graph`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import attrs

from fsmkit.annotations import read_annotation
from fsmkit.errors import DefinitionError
from fsmkit.flow import Flow
from fsmkit.handlers import Handler
from fsmkit.source import Reading, Way, read_source
from fsmkit.targets import Target, TargetNames, UnknownTargetError
from fsmkit.written import UnreadableSourceError

__all__ = ["Edges", "Problem", "Target", "edges_of", "together"]


@attrs.frozen
class Problem:
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
    problems: tuple[Problem, ...]
    flows: tuple[Flow[Any], ...]

    def allows(self, target: Target) -> bool:
        """Whether a result with that target may be applied."""
        return not self.declared or target in self.targets


def edges_of(handler: Handler, flow: Flow[Any], others: Mapping[str, Flow[Any]] = {}) -> Edges:
    """Where a handler may go.

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
    problems: list[Problem] = []
    hinted = None if hints is None else frozenset(_targets(hints, resolve, handler, problems))
    returned = _targets(source.ways, resolve, handler, problems)
    declared = named if named is not None else hinted
    if declared is None:
        problems += _unread(handler, source, why)
    problems += _differences(handler, named, hinted, returned, source.complete)
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


def together(flows: Iterable[Flow[Any]]) -> dict[str, Flow[Any]]:
    """Flows by name, and those that their handlers name as objects; what `edges_of` needs as `others`.

    Nothing is resolved yet, so one handler may name a flow that only another one brings along.

    Args:
        flows: The flows.

    Raises:
        DefinitionError: If two of them have one name.
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
    return found


def _read(handler: Handler) -> tuple[Reading, str]:
    try:
        return read_source(handler.function), ""
    except UnreadableSourceError as error:
        return Reading((Way(None),)), str(error)


def _flows_met(handler: Handler, flow: Flow[Any], source: Reading) -> tuple[Flow[Any], ...]:
    named = (*(handler.targets or ()), *(way.target for way in source.ways), *source.flows)
    return tuple(dict.fromkeys(met for met in named if isinstance(met, Flow) and met is not flow))


def _targets_in_to(handler: Handler, names: TargetNames) -> Iterator[Target]:
    for item in handler.targets or ():
        try:
            yield from names.meant_by(item)
        except UnknownTargetError as error:
            raise DefinitionError(
                f"to= names {error.problem}", place=handler.place, remedy=error.remedy
            ) from None


def _targets(
    ways: Iterable[Way], names: TargetNames, handler: Handler, problems: list[Problem]
) -> dict[Target, str]:
    """The targets of ways, each with its place; those that there are not become problems."""
    found: dict[Target, str] = {}
    for way in ways:
        if way.kind in ("transition", "call", "end"):
            try:
                found.setdefault(names.target(way.kind, way.target), _place(handler, way))
            except UnknownTargetError as error:
                problems.append(
                    Problem("unknown-state", f"{handler.name} names {error}", _place(handler, way))
                )
    return found


# -- findings --------------------------------------------------------------------------------------


def _place(handler: Handler, way: Way) -> str:
    return handler.place if way.line is None else f"{handler.place.rpartition(':')[0]}:{way.line}"


def _unread(handler: Handler, source: Reading, why: str) -> Iterator[Problem]:
    if why:
        message = f"the targets of {handler.name} cannot be read: {why}. Add to="
        yield Problem("unreadable-source", message, handler.place)
        return
    for way in source.ways:
        if way.kind is None:
            message = f"{handler.name} returns {way.problem}. Add to="
            yield Problem("unreadable-target", message, _place(handler, way))


def _differences(
    handler: Handler,
    named: frozenset[Target] | None,
    hinted: frozenset[Target] | None,
    returned: Mapping[Target, str],
    complete: bool,
) -> Iterator[Problem]:
    for what, targets in (("its to=", named), ("its return annotation", hinted)):
        if targets is None:
            continue
        for target in sorted(returned.keys() - targets):
            message = f"{handler.name} returns {target}, which {what} does not name"
            yield Problem("targets-differ", message, returned[target])
    for target in sorted(named or ()):
        message = f"to= of {handler.name} names {target}, which "
        if complete and target not in returned:
            yield Problem("targets-differ", f"{message}it never returns", handler.place)
        if hinted is not None and target not in hinted:
            yield Problem("targets-differ", f"{message}its return annotation does not", handler.place)
