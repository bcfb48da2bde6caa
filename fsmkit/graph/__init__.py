"""The graph of flows: edges read without running anything, and data to draw them. Only names."""

from fsmkit.graph.graph import Graph, graph_of

__all__ = ["Graph", "graph_of"]
