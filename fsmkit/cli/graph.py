"""`fsmkit graph`: the drawing of a file's flows, as text."""

from fsmkit.cli.output import prints_to_stderr
from fsmkit.graph.diagram import dot, mermaid
from fsmkit.graph.graph import graph_of
from fsmkit.testing.loading import load


def draw(target: str, form: str) -> str:
    """Return the graph of the flows, and of those that they call.

    Args:
        target: `FILE[:FLOW]`.
        form: `mermaid` or `dot`.

    Raises:
        CommandError: If the flows cannot be loaded or do not fit together.
    """
    with prints_to_stderr():
        graph = graph_of(*load(target).flows)
    return dot(graph) if form == "dot" else mermaid(graph)
