"""Where everything of a drawing stands, by Graphviz: the wheel `graphviz-pure`, else `dot`.

Graphviz is given boxes of fixed sizes, which are measured here, so that it needs no fonts; the wheel gives
the same places on every machine. It is asked for JSON; what is drawn from that is ours (`fsmkit.graph.svg`).

An arrow to an earlier state is laid out the other way round, and consecutive states attract: a flow is read
from top to bottom, as it was declared.
"""

import json
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import attrs

from fsmkit.errors import FsmkitError
from fsmkit.graph.drawing import Arrow, Drawing, Spot, label_of

Point: TypeAlias = tuple[float, float]

SECONDS = 30
"""How long a layout may take; 200 states take less than one."""

NAME, LABEL = 12.0, 10.5
"""Sizes of the letters, in pixels: of states and flows, and of labels and badges."""

LINE = 13.0
"""From one line of a label to the next, in pixels."""

PAD = 14.0
"""Beside the name of a state."""

HEAD, CHIP_HEIGHT, CHIP_GAP = 22.0, 20.0, 6.0
"""Of a flow's name, of a chip, and between two chips."""

MAX_CHIPS_WIDTH = 520.0
"""Of a row of chips; more go to the next row."""

ANYWHERE = "anywhere"
"""What stands before the chips of a flow."""

END_SIZE, START_SIZE = 14.0, 10.0
"""Of the signs for an end and a start."""

_WIDTHS: Mapping[str, float] = {
    letter: width
    for width, letters in {
        0.222: "ijl'",
        0.278: " !,./:;I[]\\ft|",
        0.333: "()-`r{}",
        0.389: '*"',
        0.5: "Jckvxyzs^",
        0.556: "#$0123456789?L_abdeghnopqu",
        0.611: "FTZ~",
        0.667: "&ABEKPSVXY",
        0.722: "CDHNRUw",
        0.778: "GOQ",
        0.833: "Mm",
        0.889: "%",
        0.944: "W",
        1.015: "@",
        0.584: "+<=>",
    }.items()
    for letter in letters
}
"""Advances of Helvetica's letters, of which those of other sans-serif fonts differ little."""


class LayoutError(FsmkitError):
    """Graphviz is not there, or did not do its work."""


@attrs.frozen
class Box:
    """A place in the drawing, in pixels: its centre and its size."""

    x: float
    y: float
    width: float
    height: float


@attrs.frozen(eq=False)
class Route:
    """How an arrow runs: points of Bézier curves from source to goal, and the centre of its label."""

    points: tuple[Point, ...]
    label: Point | None


@attrs.frozen(eq=False)
class Layout:
    """Where everything stands, in pixels from the upper left.

    Attributes:
        width: Of the whole.
        height: Of the whole.
        spots: By id of the spot.
        arrows: By id of the arrow.
        flows: By name of the flow.
        chips: By id of the chip.
    """

    width: float
    height: float
    spots: Mapping[str, Box]
    arrows: Mapping[str, Route]
    flows: Mapping[str, Box]
    chips: Mapping[str, Box]


def lay_out(drawing: Drawing) -> Layout:
    """Return where everything of a drawing stands.

    Raises:
        LayoutError: If there is no Graphviz, with what to install, or it fails.
    """
    program = find_graphviz()
    try:
        done = subprocess.run(
            [program, "-Tjson"],
            input=_dot(drawing).encode(),
            capture_output=True,
            timeout=SECONDS,
            check=True,
        )
        return _read(drawing, json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", b"") or b""
        raise LayoutError(f"{program}: {error}. {said.decode(errors='replace').strip()}") from error


def find_graphviz() -> str:
    """Return the program that lays out.

    Raises:
        LayoutError: If there is none, with what to install.
    """
    here = sysconfig.get_path("scripts")
    for program, path in (("graphviz-pure", here), ("graphviz-pure", None), ("dot", None)):
        found = shutil.which(program, path=path)
        if found is not None:
            return found
    raise LayoutError("a drawing needs Graphviz: pip install 'fsmkit[diagrams]', or install graphviz")


def width_of(text: str, size: float) -> float:
    """Return how wide a text is, in pixels, in letters of a size."""
    return size * 1.06 * sum(_WIDTHS.get(letter, 0.6 if letter < "\u2e80" else 1.0) for letter in text)


def size_of(spot: Spot) -> tuple[float, float]:
    """Return the width and the height of a spot, in pixels."""
    if spot.kind != "state":
        size = END_SIZE if spot.kind == "end" else START_SIZE
        return size, size
    badge = badge_of(spot)
    width = max(width_of(spot.state or "", NAME), width_of(badge, LABEL))
    return max(width + 2 * PAD, 44.0), 26.0 + (LINE if badge else 0.0)


def badge_of(spot: Spot) -> str:
    """Return what a state's second line says."""
    return f"↩ {label_of(spot.badges, 'person', 2, ' ')}" if spot.badges else ""


def lines_of(arrow: Arrow) -> list[str]:
    """Return the lines of an arrow's label."""
    said = label_of(arrow.labels, arrow.cause)
    return said.split("\n") if said else []


# -- for Graphviz --------------------------------------------------------------------------------------


def _dot(drawing: Drawing) -> str:
    """Return the drawing for Graphviz, in boxes without texts; ids are numbers."""
    spots = {spot.id: f"s{number}" for number, spot in enumerate(drawing.spots)}
    lines = [
        "digraph {",
        'rankdir=TB; nodesep=0.32; ranksep=0.42; node [shape=box, fixedsize=true, label=""];',
    ]
    for number, flow in enumerate(drawing.flows):
        width, height = _head_size(drawing, flow)
        lines.append(f"subgraph cluster_{number} {{ labeljust=l; margin=14; label={_space(width, height)};")
        lines += (f"{spots[spot.id]} [{_size(spot)}];" for spot in drawing.spots_of(flow))
        lines += _in_order(drawing, flow, spots)
        lines.append("}")
    for number, arrow in enumerate(drawing.arrows):
        ends = spots[arrow.source], spots[arrow.goal]
        first, second = ends[::-1] if arrow.backward else ends
        texts = lines_of(arrow)
        width = max((width_of(text, LABEL) for text in texts), default=0.0)
        label = f", label={_space(width + 8, LINE * len(texts))}" if texts else ""
        back = ", dir=back" if arrow.backward else ""
        lines.append(f'{first} -> {second} [id="a{number}"{label}{back}];')
    return "\n".join([*lines, "}"])


def _in_order(drawing: Drawing, flow: str, spots: Mapping[str, str]) -> Iterator[str]:
    """Yield what keeps consecutive states together, where an arrow joins them anyway."""
    states = [spot.id for spot in drawing.spots_of(flow) if spot.kind == "state"]
    joined = {frozenset((arrow.source, arrow.goal)) for arrow in drawing.arrows}
    for first, second in pairwise(states):
        if frozenset((first, second)) in joined:
            yield f"{spots[first]} -> {spots[second]} [style=invis, weight=8];"


def _size(spot: Spot) -> str:
    width, height = size_of(spot)
    return f"width={width / 72:.3f}, height={height / 72:.3f}"


def _space(width: float, height: float) -> str:
    """Return a label of a fixed size that shows nothing."""
    size = f'FIXEDSIZE="TRUE" WIDTH="{width:.0f}" HEIGHT="{height:.0f}"'
    bare = 'BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0"'
    return f"<<TABLE {bare} {size}><TR><TD></TD></TR></TABLE>>"


def _chip_rows(drawing: Drawing, flow: str) -> list[list[tuple[str, float]]]:
    """Return the chips of a flow in rows, each with its id and its width."""
    rows: list[list[tuple[str, float]]] = []
    for chip in drawing.chips_of(flow):
        width = width_of(chip.text, LABEL) + 16
        used = sum(each for _, each in rows[-1]) + CHIP_GAP * len(rows[-1]) if rows else 0.0
        if not rows or used + width > MAX_CHIPS_WIDTH:
            rows.append([])
        rows[-1].append((chip.id, width))
    return rows


def _indent() -> float:
    """Return how wide the word before the chips is."""
    return width_of(ANYWHERE, LABEL) + CHIP_GAP


def _head_size(drawing: Drawing, flow: str) -> tuple[float, float]:
    """Return how much room a flow's name and chips take."""
    rows = _chip_rows(drawing, flow)
    widths = [_indent() + sum(width + CHIP_GAP for _, width in row) for row in rows]
    return max([width_of(flow, NAME) + 8, *widths]), HEAD + len(rows) * (CHIP_HEIGHT + CHIP_GAP)


# -- from Graphviz -------------------------------------------------------------------------------------


def _read(drawing: Drawing, found: Any) -> Layout:
    """Read Graphviz's JSON, where y grows upward."""
    _, _, width, height = _numbers(found["bb"])
    objects = {each["name"]: each for each in found.get("objects", ())}
    edges = {each["id"]: each for each in found.get("edges", ()) if "id" in each}
    spots, flows, chips = {}, {}, {}
    for number, spot in enumerate(drawing.spots):
        x, y = _numbers(objects[f"s{number}"]["pos"])
        spots[spot.id] = Box(x, height - y, *size_of(spot))
    for number, flow in enumerate(drawing.flows):
        left, low, right, high = _numbers(objects[f"cluster_{number}"]["bb"])
        flows[flow] = Box((left + right) / 2, height - (low + high) / 2, right - left, high - low)
        top = height - high + HEAD + 4
        for row in _chip_rows(drawing, flow):
            x = left + 10 + _indent()
            for ident, wide in row:
                chips[ident] = Box(x + wide / 2, top + CHIP_HEIGHT / 2, wide, CHIP_HEIGHT)
                x += wide + CHIP_GAP
            top += CHIP_HEIGHT + CHIP_GAP
    arrows = {arrow.id: _path(arrow, edges[f"a{n}"], height) for n, arrow in enumerate(drawing.arrows)}
    return Layout(width, height, spots, arrows, flows, chips)


def _path(arrow: Arrow, edge: Any, height: float) -> Route:
    points: list[Point] = []
    head: Point | None = None
    for part in edge["pos"].split(" "):
        numbers = _numbers(part.lstrip("es,"))
        point = (numbers[0], height - numbers[1])
        if part[0] in "es":
            head = point
        else:
            points.append(point)
    if arrow.backward:
        points.reverse()
    if head is not None:
        points.append(head)
    label = None
    if "lp" in edge:
        x, y = _numbers(edge["lp"])
        label = (x, height - y)
    return Route(tuple(points), label)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]
