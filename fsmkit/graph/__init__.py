"""The graph of flows: edges read without running anything, and data to draw them. Only names."""

from typing import TYPE_CHECKING

from fsmkit.faces import import_on_demand

if TYPE_CHECKING:
    from fsmkit.graph.graph import Graph, graph_of

__all__ = ["Graph", "graph_of"]

import_on_demand(
    __name__,
    {
        "fsmkit.graph.graph": "Graph graph_of",
    },
)
