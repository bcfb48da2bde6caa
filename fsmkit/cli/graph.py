"""`fsmkit graph`: the drawing of a file's flows, as text."""

from fsmkit.cli.errors import definition_errors
from fsmkit.graph.diagram import dot, mermaid
from fsmkit.graph.graph import graph_of
from fsmkit.testing.loading import load


def draw(target: str, form: str) -> str:
    """The graph of the flows, and of those that they call.

    Args:
        target: `FILE[:FLOW]`.
        form: `mermaid` or `dot`.

    Raises:
        Refusal: If the flows cannot be loaded or do not fit together.
    """
    flows = load(target).flows
    with definition_errors():
        graph = graph_of(*flows)
    return dot(graph) if form == "dot" else mermaid(graph)
