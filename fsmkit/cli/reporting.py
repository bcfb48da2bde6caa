"""What `fsmkit test` writes beside the terminal: JSON, JUnit, the coloured diagram."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from fsmkit.cli.refusal import Refusal
from fsmkit.diagram import Seen, dot, mermaid
from fsmkit.testing.coverage import Coverage, crossing
from fsmkit.testing.junit import junit
from fsmkit.testing.report import Report

DIAGRAMS = {".md": "Markdown", ".mmd": "Mermaid", ".dot": "Graphviz", ".gv": "Graphviz"}
"""What a diagram is written as, by the end of the file's name."""


@attrs.frozen
class Outputs:
    """Files to be written.

    Attributes:
        json: For the report as JSON; `-`: standard output.
        junit: For the report as JUnit XML.
        graph: For the diagram, coloured by what was met.
    """

    json: str | None = None
    junit: str | None = None
    graph: str | None = None

    def check(self) -> None:
        """Raises Refusal, before anything runs, if the diagram's file has no known ending."""
        if self.graph is not None and Path(self.graph).suffix not in DIAGRAMS:
            raise Refusal(f"--graph {self.graph}: name it {', '.join(f'*{end}' for end in DIAGRAMS)}")

    def write(self, report: Report, short: Sequence[str]) -> None:
        """Writes them.

        Args:
            report: The report.
            short: What is below what is wanted.

        Raises:
            Refusal: If one cannot be written.
        """
        if self.json is not None and self.json != "-":
            write(self.json, as_json(report.to_json()) + "\n")
        if self.junit is not None:
            write(self.junit, junit(report, short))
        if self.graph is not None:
            write(self.graph, diagram(report.coverage, Path(self.graph).suffix))


def as_json(shown: Any) -> str:
    """A report as text."""
    return json.dumps(shown, indent=2, ensure_ascii=False)


def diagram(coverage: Coverage, ending: str) -> str:
    """The diagram, coloured by what was met.

    Args:
        coverage: What was met.
        ending: Of the file's name, as in `DIAGRAMS`.
    """
    graph = coverage.graph
    taken = frozenset(edge for edge in graph.edges if crossing(edge) in coverage.edges)
    seen = Seen(taken, frozenset(coverage.states))
    if DIAGRAMS[ending] == "Graphviz":
        return dot(graph, seen)
    text = mermaid(graph, seen)
    return f"```mermaid\n{text}```\n" if ending == ".md" else text


def write(path: str, text: str) -> None:
    """Writes a file; raises Refusal if that cannot be."""
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror or error}") from error
