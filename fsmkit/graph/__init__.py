"""The graph of flows: edges read without running anything, and data to draw them. Only names."""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

if TYPE_CHECKING:
    from fsmkit.graph.graph import Edge, Graph, graph_of
    from fsmkit.graph.paths import paths

__all__ = ["Edge", "Graph", "graph_of", "paths"]

import_on_demand(
    __name__,
    {
        "fsmkit.graph.graph": "Edge Graph graph_of",
        "fsmkit.graph.paths": "paths",
    },
)
