"""Coverage for people and for programs: lines for a terminal, JSON, and edges in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from fsmkit.cli.columns import columns
from fsmkit.graph import Edge
from fsmkit.testing.coverage import MEASURES, Coverage
from fsmkit.testing.findings import seen_from_here
from fsmkit.testing.nearest import Nearest
from fsmkit.testing.recorded import act_to_json


def lines_of(coverage: Coverage, reasons: Mapping[Edge, Nearest]) -> Iterator[str]:
    """The coverage for a terminal.

    Args:
        coverage: What was met.
        reasons: Why edges were not taken, as far as that is known.
    """
    shown = [f"{met}/{of} {name}" for name, (met, of) in coverage.numbers().items() if of]
    yield "coverage: " + ", ".join(shown)
    if len(coverage.graph.flows) > 1:
        yield from (f"  {line}" for line in columns(["flow", *MEASURES], _rows(coverage)))
    for edge in coverage.missing_edges():
        yield f"  not taken: {told(edge)}"
        if edge in reasons:
            yield f"    {reasons[edge]}"
    yield from (
        f"  cannot be taken: {told(edge)}: {why}" for edge, why in coverage.impossible_edges().items()
    )
    yield from (f"  {line}" for line in _left(coverage))


def _rows(coverage: Coverage) -> Iterator[list[str]]:
    for flow in coverage.graph.flows:
        numbers = coverage.numbers(flow.name).values()
        yield [flow.name, *(f"{met}/{of}" if of else "-" for met, of in numbers)]


def _left(coverage: Coverage) -> Iterator[str]:
    """Guards that always said the same, and kinds of input that a handler was never given."""
    names = {handler.place: handler.name for flow in coverage.graph.flows for handler in flow.handlers}
    for _, place, what, answer in coverage.expected_guards():
        if (_, place, what, answer) not in coverage.guards:
            never = {
                ("when", True): "its when= never said yes",
                ("when", False): "its when= never said no",
                ("pass", True): "it never passed",
                ("pass", False): "it has only passed",
            }[what, answer]
            yield f"guard: {names[place]} ({seen_from_here(place)}): {never}"
    for _, place, kind in coverage.expected_inputs():
        if (_, place, kind) not in coverage.inputs:
            yield f"input: {names[place]} ({seen_from_here(place)}) never took: {kind}"


def coverage_json(coverage: Coverage, reasons: Mapping[Edge, Nearest]) -> dict[str, Any]:
    """The coverage as `fsmkit test --json` writes it; the arguments are those of `lines_of`."""
    return {
        **_numbers_json(coverage.numbers()),
        "flows": {flow.name: _numbers_json(coverage.numbers(flow.name)) for flow in coverage.graph.flows},
        "given": dict(sorted(coverage.kinds.items())),
        "not taken": [_missing_json(edge, reasons.get(edge)) for edge in coverage.missing_edges()],
        "cannot be taken": [
            {**edge_json(edge), "why": why} for edge, why in coverage.impossible_edges().items()
        ],
    }


def _numbers_json(numbers: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    return {name: {"met": met, "of": of} for name, (met, of) in numbers.items()}


def _missing_json(edge: Edge, reason: Nearest | None) -> dict[str, Any]:
    if reason is None:
        return {**edge_json(edge), "why": None, "nearest": None}
    return {**edge_json(edge), "why": reason.why, "nearest": [act_to_json(act) for act in reason.acts]}


def told(edge: Edge) -> str:
    """An edge in a line."""
    goal = f" -> {edge.target}" if edge.target is not None else ""
    return f'"{edge.source or "(none)"}": {edge.handler} {edge.kind}{goal} ({seen_from_here(edge.place)})'


def edge_json(edge: Edge) -> dict[str, Any]:
    """An edge as JSON."""
    return {
        "flow": edge.flow,
        "state": edge.source,
        "handler": edge.handler,
        "where": edge.place,
        "kind": edge.kind,
        "target": str(edge.target) if edge.target is not None else None,
    }
