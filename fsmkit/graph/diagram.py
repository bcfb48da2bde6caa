"""A drawing as text for other programs: Mermaid and Graphviz DOT."""

import re
from collections.abc import Iterator, Sequence

from fsmkit.graph.drawing import (
    Arrow,
    Chip,
    Drawing,
    Mood,
    Seen,
    Spot,
    drawing_of,
    label_of,
    mood_of,
    mood_of_state,
)
from fsmkit.graph.graph import Graph


def mermaid(graph: Graph, seen: Seen | None = None) -> str:
    """Return the graph as a Mermaid flowchart; every flow is a subgraph.

    Args:
        graph: The graph.
        seen: Colours what was met, what was met in part, and what was not; the latter has a cross, too.

    Returns:
        The text, the same for the same graph.
    """
    drawing = drawing_of(graph)
    ids = _ids(drawing)
    lines = ["flowchart TB"]
    for number, flow in enumerate(drawing.flows, 1):
        lines.append(f"    subgraph f{number}[{_quoted(flow)}]")
        lines += (f"        {_mermaid_spot(spot, ids[spot.id], seen)}" for spot in drawing.spots_of(flow))
        chips = [f"{_CROSSES[mood_of(chip, seen)]}{chip.text}" for chip in drawing.chips_of(flow)]
        if chips:
            lines.append(f"        c{number}[{_quoted(*(f'anywhere: {chip}' for chip in chips))}]:::chips")
        lines.append("    end")
    for arrow in drawing.arrows:
        lines.append(f"    {_mermaid_arrow(arrow, ids, seen)}")
    lines += (f"    classDef {name} {style}" for name, style in _MERMAID_STYLES.items())
    for number, arrow in enumerate(drawing.arrows):
        mood = mood_of(arrow, seen)
        if mood:
            lines.append(f"    linkStyle {number} stroke:{_COLOURS[mood]}")
    return "\n".join(lines) + "\n"


def dot(graph: Graph, seen: Seen | None = None) -> str:
    """Return the graph for Graphviz; every flow is a cluster.

    Args:
        graph: The graph.
        seen: Colours states and arrows: met, partly met, not met.

    Returns:
        The text, the same for the same graph.
    """
    drawing = drawing_of(graph)
    ids = _ids(drawing)
    lines = ["digraph fsmkit {", '    rankdir=TB; node [shape=box, style="rounded"];']
    for number, flow in enumerate(drawing.flows, 1):
        lines.append(f"    subgraph cluster_{number} {{")
        lines.append(
            f"        labeljust=l; label={_for_dot(flow, *_dot_chips(drawing.chips_of(flow), seen))};"
        )
        lines += (f"        {_dot_spot(spot, ids[spot.id], seen)};" for spot in drawing.spots_of(flow))
        lines.append("    }")
    lines += (f"    {_dot_arrow(arrow, ids, seen)};" for arrow in drawing.arrows)
    return "\n".join([*lines, "}"]) + "\n"


def _ids(drawing: Drawing) -> dict[str, str]:
    """Return a plain name for each spot; that it is unique and no reserved word, its number sees to."""
    found = {}
    for number, spot in enumerate(drawing.spots, 1):
        plain = re.sub(r"[^A-Za-z0-9]+", "_", spot.state or "").strip("_")
        found[spot.id] = f"s{number}_{plain}" if plain and spot.kind == "state" else f"s{number}"
    return found


# -- Mermaid -------------------------------------------------------------------------------------------


_COLOURS: dict[Mood, str] = {"met": "#2e7d32", "partly": "#b26a00", "unmet": "#c62828"}

_MERMAID_STYLES = {
    "spot": "fill:none,stroke:none",
    "chips": "fill:none,stroke:none,text-align:left",
    "met": "fill:#d5f0d5,stroke:#2e7d32,color:#1b1f2a",
    "unmet": "fill:#fbdada,stroke:#c62828,color:#1b1f2a",
}

_CROSSES: dict[Mood, str] = {"": "", "met": "", "partly": "(✗) ", "unmet": "✗ "}


def _mermaid_spot(spot: Spot, name: str, seen: Seen | None) -> str:
    if spot.kind == "start":
        return f'{name}(("●")):::spot'
    if spot.kind == "end":
        return f'{name}(("◉")):::spot'
    mood = mood_of_state(spot, seen)
    count = f" ({seen.counts[spot.node]})" if seen is not None and spot.node in seen.counts else ""
    lines = [f"{_CROSSES[mood]}{spot.state}{count}", *_badge(spot)]
    return f"{name}([{_quoted(*lines)}])" + (f":::{mood}" if mood else "")


def _mermaid_arrow(arrow: Arrow, ids: dict[str, str], seen: Seen | None) -> str:
    line = "-.->" if arrow.kind == "call" or arrow.cause in ("timeout", "returned", "guard") else "-->"
    said = label_of(arrow.labels, arrow.cause)
    cross = _CROSSES[mood_of(arrow, seen)]
    label = f"|{_quoted(*(cross + said).split(chr(10)))}|" if cross or said else ""
    return f"{ids[arrow.source]} {line}{label} {ids[arrow.goal]}"


def _quoted(*lines: str) -> str:
    """Return lines in quotation marks, with all that means something to Mermaid, or to HTML, as `#code;`."""
    return '"' + "<br/>".join(_for_mermaid(line) for line in lines) + '"'


def _for_mermaid(text: str) -> str:
    plain = _one_line(text) or " "
    return "".join(c if c.isalnum() or c in " _-/.,'()=!?+→●◉↩◷✗…:" else f"#{ord(c)};" for c in plain)


# -- Graphviz --------------------------------------------------------------------------------------------


def _dot_spot(spot: Spot, name: str, seen: Seen | None) -> str:
    if spot.kind != "state":
        shape = "point, width=0.12" if spot.kind == "start" else "doublecircle, width=0.15"
        return f'{name} [shape={shape}, label=""]'
    count = f" ({seen.counts[spot.node]})" if seen is not None and spot.node in seen.counts else ""
    label = _for_dot(f"{spot.state}{count}", *_badge(spot))
    return f"{name} [label={label}{_dot_colour(mood_of_state(spot, seen))}]"


def _dot_arrow(arrow: Arrow, ids: dict[str, str], seen: Seen | None) -> str:
    said = label_of(arrow.labels, arrow.cause)
    dashed = arrow.kind == "call" or arrow.cause == "timeout"
    style = "dashed" if dashed else "dotted" if arrow.cause in ("returned", "guard") else "solid"
    label = _for_dot(*said.split("\n"))
    look = f"label={label}, style={style}{_dot_colour(mood_of(arrow, seen))}"
    return f"{ids[arrow.source]} -> {ids[arrow.goal]} [{look}]"


def _dot_chips(chips: Sequence[Chip], seen: Seen | None) -> Iterator[str]:
    return (f"anywhere: {_CROSSES[mood_of(chip, seen)]}{chip.text}" for chip in chips)


def _dot_colour(mood: Mood) -> str:
    return f', color="{_COLOURS[mood]}", fontcolor="{_COLOURS[mood]}"' if mood else ""


def _for_dot(*lines: str) -> str:
    """Return a quoted string; a backslash would begin an escape, an ampersand an HTML entity."""
    plain = (
        _one_line(line).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"') for line in lines
    )
    return '"' + "\\n".join(plain) + '"'


# -- both ------------------------------------------------------------------------------------------------


def _badge(spot: Spot) -> list[str]:
    """Return the line that says what goes back from a state."""
    return [f"↩ {label_of(spot.badges, 'person', 2, ' ')}"] if spot.badges else []


def _one_line(text: str) -> str:
    """Return text without line breaks, and without NUL, which ends it too early, and half surrogates."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
