"""The graph of flows as text for a drawing: Mermaid and Graphviz DOT.

Drawn is what moves a conversation: transitions, calls, going back and ends. The handlers for `ANY` and for
a group start from one box, not from every state; a call and a state of another flow are a box beside the
states, because Mermaid draws no arrows between the insides of two composite states.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Literal, TypeAlias

import attrs

from fsmkit.flow.flow import Flow
from fsmkit.flow.states import ANY
from fsmkit.graph.graph import Edge, Graph, Node


@attrs.frozen
class Seen:
    """What of a graph was met; with it the diagram is coloured.

    Attributes:
        edges: The edges that were taken.
        states: The states that were entered.
    """

    edges: frozenset[Edge]
    states: frozenset[Node]


def mermaid(graph: Graph, seen: Seen | None = None) -> str:
    """Return the graph as a Mermaid `stateDiagram-v2`; several flows are composite states.

    Args:
        graph: The graph.
        seen: Colours states, which is all that Mermaid can colour; what was not met has a cross, what was
            met in part one in brackets.

    Returns:
        The text, the same for the same graph.
    """
    lines = ["stateDiagram-v2"]
    if seen is not None:
        lines += [f"    classDef {mood} {style}" for mood, style in _MERMAID_STYLES.items()]
    for number, flow in enumerate(graph.flows, 1):
        picture = _picture(graph, flow, number, seen)
        if len(graph.flows) == 1:
            lines += _mermaid_lines(picture, "    ")
            continue
        box = f'    state "{_for_mermaid(flow.name)}" as f{number}{_suffix(flow.name)}'
        # An empty composite state is a syntax error.
        lines += [f"{box} {{", *_mermaid_lines(picture, "        "), "    }"] if picture.ids else [box]
    return "\n".join(lines) + "\n"


def dot(graph: Graph, seen: Seen | None = None) -> str:
    """Return the graph for Graphviz; every flow is a cluster.

    Args:
        graph: The graph.
        seen: Colours states and arrows: met, partly met, not met.

    Returns:
        The text, the same for the same graph.
    """
    lines = ["digraph fsmkit {", "    rankdir=LR;", '    node [shape=box, style="rounded"];']
    for number, flow in enumerate(graph.flows, 1):
        lines += [f"    subgraph cluster_{number} {{", f"        label={_for_dot(flow.name)};"]
        lines += _dot_lines(_picture(graph, flow, number, seen))
        lines += ["    }"]
    return "\n".join([*lines, "}"]) + "\n"


# -- what is drawn ---------------------------------------------------------------------------------


@attrs.frozen
class _Spot:
    """Something in the drawing of one flow that arrows start from or lead to."""

    kind: Literal["start", "end", "state", "several", "back", "call", "elsewhere"]
    text: str = ""


_START = _Spot("start")


_END = _Spot("end")


_BACK = _Spot("back", "the state before")


_ANY_STATE = _Spot("several", "any state")


_Arrow: TypeAlias = tuple[_Spot, _Spot]


Mood: TypeAlias = Literal["met", "partly", "unmet"]
"""Whether all that a thing stands for was met, some of it, nothing of it."""


@attrs.frozen
class _Picture:
    """The drawing of one flow.

    Attributes:
        ids: A name for each spot that no other spot of the whole drawing has.
        arrows: For each arrow its labels, and whether the edges behind each were taken.
        moods: Of states and arrows, where something was to be seen.
    """

    ids: Mapping[_Spot, str]
    arrows: Mapping[_Arrow, Mapping[str, list[bool]]]
    moods: "Mapping[_Spot | _Arrow, Mood]"


def _picture(graph: Graph, flow: Flow[object], number: int, seen: Seen | None) -> _Picture:
    spots = {_Spot("state", state): None for state in flow.states}
    arrows: dict[_Arrow, dict[str, list[bool]]] = {}
    for edge in graph.edges:
        goal = _goal(edge)
        if edge.flow == flow.name and goal is not None:
            labels = arrows.setdefault((_source(edge), goal), {})
            labels.setdefault(edge.label, []).append(seen is None or edge in seen.edges)
    spots |= {spot: None for arrow in arrows for spot in arrow}
    ids = {spot: f"s{number}_{n}{_suffix(spot.text)}" for n, spot in enumerate(spots, 1)}
    moods: dict[_Spot | _Arrow, Mood] = {}
    if seen is not None:
        moods |= {
            spot: _mood([(flow.name, spot.text) in seen.states]) for spot in spots if spot.kind == "state"
        }
        moods |= {arrow: _mood(chain(*labels.values())) for arrow, labels in arrows.items()}
    return _Picture(ids, arrows, moods)


def _mood(taken: Iterable[bool]) -> Mood:
    answers = set(taken)
    return "partly" if len(answers) > 1 else "met" if answers == {True} else "unmet"


def _source(edge: Edge) -> _Spot:
    if edge.source is None:
        return _START
    if edge.selector is ANY:
        return _ANY_STATE
    if isinstance(edge.selector, type):
        return _Spot("several", f"any of {edge.selector.full_name()}")
    return _Spot("state", edge.source)


def _goal(edge: Edge) -> _Spot | None:
    target = edge.target
    if target is None:
        return _BACK if edge.kind == "back" else None
    if target.kind == "end":
        return _END
    if target.kind == "call":
        return _Spot("call", f"call {target.flow}")
    if target.flow == edge.flow:
        return _Spot("state", target.state or "")
    return _Spot("elsewhere", f"{target.flow}: {target.state}")


def _suffix(text: str) -> str:
    """Return what makes an id readable; that it is unique and no reserved word, its beginning sees to."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return f"_{plain}" if plain else ""


# -- as text ---------------------------------------------------------------------------------------


_MERMAID_STYLES: dict[Mood, str] = {
    "met": "fill:#d5f0d5,stroke:#2e7d32",
    "unmet": "fill:#fbdada,stroke:#c62828",
}
"""States are entered or not; only arrows can be met in part."""


_CROSSES: dict[Mood, str] = {"met": "", "partly": "(✗) ", "unmet": "✗ "}


def _mermaid_lines(picture: _Picture, indent: str) -> Iterator[str]:
    for spot, name in picture.ids.items():
        if spot not in (_START, _END):
            cross = _CROSSES[picture.moods.get(spot, "met")]  # no colours within a composite state
            yield f'{indent}state "{cross}{_for_mermaid(spot.text)}" as {name}'
    for (source, goal), labels in picture.arrows.items():
        ends = ["[*]" if spot in (_START, _END) else picture.ids[spot] for spot in (source, goal)]
        texts = (f"{_CROSSES[_mood(taken)]}{_for_mermaid(text)}" for text, taken in labels.items())
        yield f"{indent}{ends[0]} --> {ends[1]} : {', '.join(texts)}"
    for spot, name in picture.ids.items():
        if spot in picture.moods:
            yield f"{indent}class {name} {picture.moods[spot]}"


def _for_mermaid(text: str) -> str:
    """Return text with all that means something to Mermaid, or to HTML, as `#code;`."""
    text = _one_line(text) or " "
    return "".join(c if c.isalnum() or c in " _-/.,'()=!?+|" else f"#{ord(c)};" for c in text)


_DOT_STYLES = {
    "start": 'shape=point, label=""',
    "end": 'shape=doublecircle, label="", width=0.15',
    "several": 'style="rounded,dashed"',
    "back": 'style="rounded,dashed"',
    "call": "shape=component",
    "elsewhere": "shape=cds",
}


_DOT_COLOURS: dict[Mood, str] = {"met": "#2e7d32", "partly": "#ef6c00", "unmet": "#c62828"}


def _dot_lines(picture: _Picture) -> Iterator[str]:
    for spot, name in picture.ids.items():
        style = _DOT_STYLES.get(spot.kind, "")
        text = "" if spot in (_START, _END) else f"label={_for_dot(spot.text)}"
        yield f"        {name} [{', '.join(filter(None, (text, style, _dot_colour(picture, spot))))}];"
    for arrow, labels in picture.arrows.items():
        text = f"label={_for_dot(', '.join(labels))}"
        look = ", ".join(filter(None, (text, _dot_colour(picture, arrow))))
        yield f"        {picture.ids[arrow[0]]} -> {picture.ids[arrow[1]]} [{look}];"


def _dot_colour(picture: _Picture, what: "_Spot | _Arrow") -> str:
    if what not in picture.moods:
        return ""
    colour = _DOT_COLOURS[picture.moods[what]]
    return f'color="{colour}", fontcolor="{colour}"'


def _for_dot(text: str) -> str:
    """Return a quoted string; a backslash would begin an escape, an ampersand an HTML entity."""
    text = _one_line(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _one_line(text: str) -> str:
    """Return text without line breaks, and without NUL, which ends it too early, and half surrogates."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split()))
