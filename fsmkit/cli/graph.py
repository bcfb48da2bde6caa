"""`fsmkit graph`: the drawing of a file's flows; with what a test met it is `fsmkit test --graph`."""

from collections import Counter
from pathlib import Path

from fsmkit.cli.errors import CommandError
from fsmkit.cli.output import prints_to_stderr, write
from fsmkit.cli.stores import use_store
from fsmkit.graph.diagram import dot, mermaid
from fsmkit.graph.drawing import Seen, drawing_of
from fsmkit.graph.graph import Graph, Node, graph_of
from fsmkit.graph.layout import LayoutError
from fsmkit.graph.svg import png, svg
from fsmkit.stores.protocol import Store
from fsmkit.testing.loading import load

FORMATS = ("mermaid", "dot", "svg", "png")

ENDINGS = {".md": "markdown", ".mmd": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg", ".png": "png"}
"""What a drawing is written as, by the end of the file's name."""


def draw(target: str, form: str | None, out: str | None, store: str | None) -> str | None:
    """Draw the flows of a file, and those that they call.

    Args:
        target: `FILE[:FLOW]`.
        form: One of `FORMATS`; by default as the name of the file says, else `mermaid`.
        out: The file to write; `None`: the drawing is returned, if it is text.
        store: URL of a store: how many conversations stand in each state is written beside it.

    Raises:
        CommandError: If the flows cannot be loaded or do not fit together, or there is no such form.
    """
    form = form or (form_of(out) if out is not None else "mermaid")
    if form == "png" and out is None:
        raise CommandError("a picture goes to a file: add --out flow.png")
    with prints_to_stderr():
        graph = graph_of(*load(target).flows)
    seen = None
    if store is not None:
        counts = use_store(store, _counted)
        seen = Seen(counts=counts)
    drawn = drawn_as(form, graph, seen)
    if out is None:
        return drawn.decode()
    write(out, drawn)
    return None


def form_of(path: str) -> str:
    """Return the form that the name of a file asks for.

    Raises:
        CommandError: If it asks for none.
    """
    form = ENDINGS.get(Path(path).suffix)
    if form is None:
        raise CommandError(f"{path}: name it {', '.join(f'*{end}' for end in ENDINGS)}")
    return form


def drawn_as(form: str, graph: Graph, seen: Seen | None = None) -> bytes:
    """Return the drawing of a graph.

    Raises:
        CommandError: If a picture is asked for and what draws it is not installed.
    """
    if form == "dot":
        return dot(graph, seen).encode()
    if form in ("mermaid", "markdown"):
        text = mermaid(graph, seen)
        return (text if form == "mermaid" else f"```mermaid\n{text}```\n").encode()
    try:
        drawing = drawing_of(graph)
        return svg(drawing, seen=seen).encode() if form == "svg" else png(svg(drawing, seen=seen, plain=True))
    except LayoutError as error:
        raise CommandError(str(error)) from error


async def _counted(store: Store) -> dict[Node, int]:
    """Return how many conversations stand in each state."""
    counts: Counter[Node] = Counter()
    async for stored in store.scan():
        counts.update((each.flow, each.state) for each in stored.index)
    return {node: count for node, count in counts.items() if node[1] is not None}
