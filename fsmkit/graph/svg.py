"""A drawing as SVG, one for files, pages and reports.

Everything has a class for what it is and `data-` attributes for which it is, so that a page can light up what
happens. Colours are CSS variables with defaults, light and dark; `plain=True` writes the light ones out, for
programs that know no variables.
"""

import re
from collections.abc import Iterator, Mapping
from html import escape

from fsmkit.graph.drawing import Arrow, Chip, Drawing, Mood, Seen, Spot, mood_of, mood_of_state
from fsmkit.graph.layout import (
    ANYWHERE,
    CHIP_HEIGHT,
    HEAD,
    LABEL,
    LINE,
    NAME,
    Box,
    Layout,
    LayoutError,
    Point,
    Route,
    badge_of,
    lay_out,
    lines_of,
)

MARGIN = 10.0


def svg(
    drawing: Drawing,
    layout: Layout | None = None,
    seen: Seen | None = None,
    *,
    plain: bool = False,
    styled: bool = True,
) -> str:
    """Return a drawing as one SVG document that needs nothing else.

    Args:
        drawing: What is drawn.
        layout: Where everything stands; by default as Graphviz says.
        seen: Colours what was met, and writes counts into the states.
        plain: Whether colours are written out, for the light theme only.
        styled: Whether the rules stand in it; without them the page has `stylesheet()`.

    Raises:
        LayoutError: If there is no Graphviz.
    """
    layout = layout or lay_out(drawing)
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    view = f'viewBox="{-MARGIN:g} {-MARGIN:g} {width:.0f} {height:.0f}"'
    size = f'width="{width:.0f}" height="{height:.0f}" {view}'
    style = _plain_style() if plain else stylesheet()
    title = _escaped(", ".join(drawing.flows))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="fsmkit" role="img" aria-label="{title}" {size}>',
        f"<style>{style}</style>" if styled else "",
        f'<rect class="paper" x="{-MARGIN:g}" y="{-MARGIN:g}" width="{width:.0f}" height="{height:.0f}"/>',
        *(
            part
            for flow in drawing.flows
            for part in _flow(flow, layout.flows[flow], chips=bool(drawing.chips_of(flow)))
        ),
        *(_chip(chip, layout.chips[chip.id], mood_of(chip, seen)) for chip in drawing.chips),
        *(_arrow(arrow, layout.arrows[arrow.id], mood_of(arrow, seen)) for arrow in drawing.arrows),
        *(_spot(spot, layout.spots[spot.id], seen) for spot in drawing.spots),
        *(_label(arrow, layout.arrows[arrow.id], mood_of(arrow, seen)) for arrow in drawing.arrows),
        "</svg>",
    ]
    return "\n".join(filter(None, parts)) + "\n"


def stylesheet() -> str:
    """Return the rules of a drawing, whose colours follow the reader's theme; a page may set its own."""
    return f"{_style(LIGHT)}@media (prefers-color-scheme:dark){{svg{{{_dark()}}}}}"


def png(drawn: str, zoom: float = 2.0) -> bytes:
    """Return an SVG as a picture.

    Args:
        drawn: The SVG, with its colours written out (`svg(..., plain=True)`).
        zoom: Pixels of the picture for one of the SVG.

    Raises:
        LayoutError: If `resvg-py` is not installed, or the machine has no font.
    """
    try:
        from resvg_py import svg_to_bytes  # of the extra `diagrams`
    except ImportError:
        raise LayoutError("a PNG needs resvg-py: pip install 'fsmkit[diagrams]'") from None
    if svg_to_bytes(svg_string=_PROBE.format("M")) == svg_to_bytes(svg_string=_PROBE.format("")):
        raise LayoutError("a PNG needs a font, and this machine has none: install one, or write an SVG")
    return bytes(svg_to_bytes(svg_string=drawn, zoom=zoom))


_PROBE = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text x="2" y="15">{}</text></svg>'


# -- the parts -------------------------------------------------------------------------------------


def _flow(name: str, box: Box, *, chips: bool) -> Iterator[str]:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    yield f'<rect class="flow" data-flow="{_escaped(name)}" {_corner(box)} rx="8"/>'
    yield _text(name, left + 10, top + 17, "flow-name")
    if chips:
        yield _text(ANYWHERE, left + 10, top + HEAD + 4 + CHIP_HEIGHT / 2 + 3.6, "label")


def _chip(chip: Chip, box: Box, mood: Mood) -> str:
    said = _text(chip.text, box.x, box.y + 3.6, "label", "middle")
    return (
        f'<g class="chip {chip.cause} {mood}" data-edge="{_escaped(chip.id)}">'
        f"{_title(f'{ANYWHERE}: {chip.text}', chip)}"
        f'<rect {_corner(box)} rx="{box.height / 2:g}"/>{said}</g>'
    )


def _spot(spot: Spot, box: Box, seen: Seen | None) -> str:
    if spot.kind == "start":
        return f'<circle class="start" cx="{box.x:.1f}" cy="{box.y:.1f}" r="{box.width / 2:g}"/>'
    if spot.kind == "end":
        circle, radius = f'<circle cx="{box.x:.1f}" cy="{box.y:.1f}"', box.width / 2
        return f'<g class="end">{circle} r="{radius:g}"/>{circle} r="{radius - 4:g}" class="dot"/></g>'
    mood = mood_of_state(spot, seen)
    badge, name = badge_of(spot), spot.state or ""
    middle = box.y + 4.2 - (LINE / 2 if badge else 0)
    count = "" if seen is None else seen.counts.get(spot.node, "")
    return (
        f'<g class="state {mood}" data-flow="{_escaped(spot.flow)}" data-state="{_escaped(name)}">'
        f"<title>{_escaped(f'{spot.flow}/{name}')}</title>"
        f'<rect {_corner(box)} rx="7"/>{_text(name, box.x, middle, "name", "middle")}'
        f"{_text(badge, box.x, middle + LINE, 'badge', 'middle') if badge else ''}{_count(count, box)}</g>"
    )


def _count(count: object, box: Box) -> str:
    """Return how many conversations stand in a state, on its corner."""
    if count == "":
        return ""
    right, top = box.x + box.width / 2, box.y - box.height / 2
    wide = 9 + 6.5 * len(str(count))
    rect = f'<rect class="count" {_corner(Box(right, top, wide, 16))} rx="8"/>'
    return rect + _text(str(count), right, top + 3.6, "count", "middle")


def _arrow(arrow: Arrow, route: Route, mood: Mood) -> str:
    if not route.points:
        return ""
    line = f'<path class="line" d="{_curve(route.points[:-1])}"/>'
    return (
        f'<g class="arrow {arrow.cause} {arrow.kind} {mood}" data-edge="{_escaped(arrow.id)}">'
        f"{_title(', '.join(arrow.labels), arrow)}{line}{_head(*route.points[-2:])}</g>"
    )


def _label(arrow: Arrow, route: Route, mood: Mood) -> str:
    """Return the label of an arrow, above all lines, with a halo so that it cuts none."""
    lines = lines_of(arrow)
    if route.label is None or not lines:
        return ""
    x, y = route.label
    top = y - LINE * len(lines) / 2 + 9.6
    texts = "".join(_text(line, x, top + LINE * n, "label", "middle") for n, line in enumerate(lines))
    kind = f"arrow-label {arrow.cause} {arrow.kind} {mood}"
    return f'<g class="{kind}" data-edge="{_escaped(arrow.id)}">{texts}</g>'


def _title(said: str, shown: Arrow | Chip) -> str:
    """Return a tooltip: the whole label, and who does it where."""
    who = dict.fromkeys(f"{edge.handler} ({edge.place})" for edge in shown.edges)
    return f"<title>{_escaped(chr(10).join((said, *who)))}</title>"


def _text(text: str, x: float, y: float, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    """Return a text of the bot's; the only way in which one gets into the document."""
    return escape("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text))


def _corner(box: Box) -> str:
    left, top = box.x - box.width / 2, box.y - box.height / 2
    return f'x="{left:.1f}" y="{top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'


def _curve(points: tuple[Point, ...]) -> str:
    first, *rest = [f"{x:.1f},{y:.1f}" for x, y in points]
    return f"M{first}" + (f"C{' '.join(rest)}" if rest else "")


def _head(at: Point, tip: Point) -> str:
    """Return the head of an arrow: a triangle from the end of its line to its tip."""
    dx, dy = tip[0] - at[0], tip[1] - at[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    nx, ny = -dy / length * 3.4, dx / length * 3.4
    corners = (tip, (at[0] + nx, at[1] + ny), (at[0] - nx, at[1] - ny))
    return f'<polygon class="head" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}"/>'


# -- how it looks ------------------------------------------------------------------------------------

LIGHT = {
    "paper": "#ffffff",
    "flow": "#f5f6fa",
    "edge": "#dfe2ec",
    "box": "#ffffff",
    "ink": "#1b1f2a",
    "soft": "#5c6273",
    "line": "#7c8294",
    "call": "#6b3fb5",
    "timeout": "#a05a00",
    "outside": "#0b7a75",
    "met": "#2e7d32",
    "partly": "#b26a00",
    "unmet": "#c62828",
}

DARK = {
    "paper": "#12141a",
    "flow": "#1a1d26",
    "edge": "#2c3140",
    "box": "#232733",
    "ink": "#eceef4",
    "soft": "#a2a8ba",
    "line": "#868da1",
    "call": "#b79bea",
    "timeout": "#e0a04c",
    "outside": "#4fc3bd",
    "met": "#6fcf76",
    "partly": "#e6b455",
    "unmet": "#f0807c",
}

_RULES = f"""
.fsmkit text{{font-family:system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:$ink}}
.fsmkit .paper{{fill:$paper}}
.fsmkit .flow{{fill:$flow;stroke:$edge}}
.fsmkit .flow-name{{font-size:{NAME}px;font-weight:600;fill:$soft}}
.fsmkit .name{{font-size:{NAME}px}}
.fsmkit .badge,.fsmkit .label,.fsmkit text.count{{font-size:{LABEL}px}}
.fsmkit .badge{{fill:$soft}}
.fsmkit .label{{fill:$soft;stroke:$flow;stroke-width:4px;stroke-linejoin:round;paint-order:stroke}}
.fsmkit .state rect{{fill:$box;stroke:$line}}
.fsmkit .start,.fsmkit .end .dot{{fill:$ink}}
.fsmkit .end circle{{fill:none;stroke:$ink}}
.fsmkit .end .dot{{fill:$ink}}
.fsmkit .chip rect{{fill:$box;stroke:$edge;stroke-dasharray:3 2}}
.fsmkit .chip .label{{stroke:none}}
.fsmkit .line{{fill:none;stroke:$line;stroke-width:1.2px}}
.fsmkit .head{{fill:$line}}
.fsmkit .timeout .line{{stroke:$timeout;stroke-dasharray:5 3}}
.fsmkit .timeout .head,.fsmkit .timeout .label{{fill:$timeout}}
.fsmkit .job .line,.fsmkit .returned .line,.fsmkit .call .line,.fsmkit .entry .line{{stroke:$call}}
.fsmkit .job .head,.fsmkit .returned .head,.fsmkit .call .head,.fsmkit .entry .head{{fill:$call}}
.fsmkit .job .label,.fsmkit .returned .label,.fsmkit .call .label{{fill:$call}}
.fsmkit .returned .line,.fsmkit .guard .line{{stroke-dasharray:1.5 3}}
.fsmkit .call .line{{stroke-dasharray:8 4}}
.fsmkit .outside .line{{stroke:$outside}}
.fsmkit .outside .head,.fsmkit .outside .label{{fill:$outside}}
.fsmkit .state.met rect{{stroke:$met;stroke-width:2px}}
.fsmkit .state.unmet rect{{stroke:$unmet;stroke-dasharray:4 3}}
.fsmkit rect.count{{fill:$met;stroke:none;stroke-dasharray:none}}
.fsmkit text.count{{fill:$paper}}
.fsmkit .arrow.met .line{{stroke:$met}}
.fsmkit .arrow.met .head,.fsmkit .met .label{{fill:$met}}
.fsmkit .arrow.partly .line{{stroke:$partly}}
.fsmkit .arrow.partly .head,.fsmkit .partly .label{{fill:$partly}}
.fsmkit .arrow.unmet .line{{stroke:$unmet}}
.fsmkit .arrow.unmet .head,.fsmkit .unmet .label{{fill:$unmet}}
""".replace("\n", "")


def _style(colours: Mapping[str, str]) -> str:
    """Return the rules with variables that a page may set, and colours where it sets none."""
    own = "".join(f"--f-{name}:var(--fsmkit-{name},{colour});" for name, colour in colours.items())
    return f"svg{{{own}}}" + re.sub(r"\$(\w+)", r"var(--f-\1)", _RULES)


def _dark() -> str:
    return "".join(f"--f-{name}:var(--fsmkit-{name},{colour});" for name, colour in DARK.items())


def _plain_style() -> str:
    return re.sub(r"\$(\w+)", lambda found: LIGHT[found[1]], _RULES)
