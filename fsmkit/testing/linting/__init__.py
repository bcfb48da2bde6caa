"""Lint: what the declarations and the graph show without running anything. `fsmkit check` prints it.

Each check is a function of a `Subject` that yields findings; notes are worth a look and fail nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

from fsmkit.flow import Flow
from fsmkit.graph import Graph
from fsmkit.testing.findings import Finding
from fsmkit.testing.linting.buttons import buttons
from fsmkit.testing.linting.defaults import defaults, prompts
from fsmkit.testing.linting.graph import entries, targets, unreachable, ways_out
from fsmkit.testing.linting.handlers import examples, shadowed
from fsmkit.testing.linting.subject import Subject

__all__ = ["CHECKS", "Subject", "lint", "lint_graph"]

CHECKS: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    targets,
    entries,
    unreachable,
    ways_out,
    shadowed,
    prompts,
    buttons,
    examples,
    defaults,
)


def lint(*flows: Flow[Any]) -> list[Finding]:
    """What is wrong with flows as they are declared.

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
    found = [finding for check in CHECKS for finding in check(subject)]
    return sorted(found, key=lambda finding: finding.note)


def lint_graph(graph: Graph) -> list[Finding]:
    """What a graph shows by itself: ways in, ways to each state, ways out.

    Args:
        graph: The graph; its edges may be others than its flows declare.
    """
    subject = Subject(*graph.flows, graph=graph)
    return [finding for check in (entries, unreachable, ways_out) for finding in check(subject)]
