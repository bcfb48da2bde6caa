"""Diagrams as text."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsmkit import ANY, END, Flow, State, StatesGroup
from fsmkit.flow.matchers import Matcher
from fsmkit.graph import graph_of
from fsmkit.graph.diagram import dot, mermaid
from fsmkit.telegram import button, command, document, photo, raw_button, reaction, text


class Paid: ...


class Says(Matcher):
    """A matcher that is shown as it is told."""

    def __init__(self, text: str) -> None:
        self.text = text

    def match(self, event: Any) -> Any:
        return None

    def __repr__(self) -> str:
        return self.text


class Form(StatesGroup):
    name = State()

    class Address(StatesGroup):
        street = State()


def never(event, ctx):
    raise NotImplementedError


def signup() -> Flow[Any]:
    flow = Flow("signup")
    flow.state("name")
    flow.state("age")
    flow.defstate("name")(lambda event, ctx: ("transition", "age"))
    flow.defstate("age", on=button("Yes"))(lambda event, ctx: ("end",))
    flow.defstate("age", on=text("[0-9]+"))(lambda event, ctx: ("end",))
    flow.defstate(ANY, on=command("cancel"))(lambda event, ctx: ("end",))
    flow.defstate(None, ANY, on=command("start"))(lambda event, ctx: ("transition", "name"))
    return flow


def test_a_flow_in_mermaid() -> None:
    assert mermaid(graph_of(signup())) == (
        """\
flowchart TB
    subgraph f1["signup"]
        s1(("●")):::spot
        s2_name(["name"])
        s3_age(["age"])
        s4(("◉")):::spot
        c1["anywhere: /cancel → ●<br/>anywhere: /start → name"]:::chips
    end
    s2_name -->|"text"| s3_age
    s3_age -->|"#91;Yes#93;<br/>text /#91;0-9#93;+/"| s4
    s1 -->|"/start"| s2_name
    classDef spot fill:none,stroke:none
    classDef chips fill:none,stroke:none,text-align:left
    classDef met fill:#d5f0d5,stroke:#2e7d32,color:#1b1f2a
    classDef unmet fill:#fbdada,stroke:#c62828,color:#1b1f2a
"""
    )


def test_a_flow_in_dot() -> None:
    assert dot(graph_of(signup())) == (
        """\
digraph fsmkit {
    rankdir=TB; node [shape=box, style="rounded"];
    subgraph cluster_1 {
        labeljust=l; label="signup\\nanywhere: /cancel → ●\\nanywhere: /start → name";
        s1 [shape=point, width=0.12, label=""];
        s2_name [label="name"];
        s3_age [label="age"];
        s4 [shape=doublecircle, width=0.15, label=""];
    }
    s2_name -> s3_age [label="text", style=solid];
    s3_age -> s4 [label="[Yes]\\ntext /[0-9]+/", style=solid];
    s1 -> s2_name [label="/start", style=solid];
}
"""
    )


def test_a_call_leads_into_the_called_flow_and_an_empty_flow_is_not_drawn() -> None:
    address = Flow("address")
    address.defstate("street")(lambda event, ctx: ("end",))
    orders = Flow("orders")
    orders.state("pay")
    flow = Flow("signup")
    flow.defstate("name")(lambda event, ctx: ("call", address) if event else ("transition", "orders/pay"))
    drawn = mermaid(graph_of(flow, orders, Flow("empty")))
    assert 's1_name -.->|"text"| s3_street' in drawn
    assert 's1_name -->|"text"| s2_pay' in drawn
    assert "empty" not in drawn


def test_a_flow_without_states_is_an_empty_diagram() -> None:
    assert "subgraph" not in mermaid(graph_of(Flow("empty")))


def test_one_trigger_of_two_handlers_is_written_once() -> None:
    flow = Flow("f")
    flow.defstate("a")(lambda event, ctx: ("end",))
    flow.defstate("a")(lambda event, ctx: ("end",))
    assert '|"text"|' in mermaid(graph_of(flow))


def is_long(event: Any) -> bool:
    return len(event.text) > 5


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (command("start"), ("/start",)),
        (command("start", "help"), ("/start", "/help")),
        (command("start", args="[a-z]+"), ("/start /[a-z]+/",)),
        (command(), ("command",)),
        (button("Yes"), ("[Yes]",)),
        (button("Yes", 5, re.compile("N.*"), int), ("[Yes]", "[5]", "[/N.*/]", "[int]")),
        (raw_button("a:1"), ("raw_button [/a:1/]",)),
        (button(), ("button",)),
        (text(), ("text",)),
        (None, ("text",)),
        (text("a()"), ("text /a()/",)),
        (reaction(), ("reaction",)),
        (reaction("👍"), ("reaction 👍",)),
        ((photo() | document()) & Paid, ("(photo | document) & Paid",)),
        (photo() | Paid, ("photo", "Paid")),
        (~command("x"), ("~(/x)",)),
    ],
)
def test_an_edge_is_labelled_as_people_call_what_its_handler_wants(
    on: Any, expected: tuple[str, ...]
) -> None:
    flow = Flow("f")
    flow.defstate("a", on=on)(lambda event, ctx: ("end",))
    assert {edge.labels for edge in graph_of(flow).edges} == {expected}


def test_a_label_names_the_predicate() -> None:
    flow = Flow("f")
    flow.defstate("a", when=is_long)(lambda event, ctx: ("end",))
    assert {edge.labels for edge in graph_of(flow).edges} == {("text when is_long",)}


# -- any name --------------------------------------------------------------------------------------

NASTY = ["end", "state", "note", "[*]", 'a"b', "a\\", "a\nb", "%% no", "a --> b : c", "Form.Address:street"]
names = st.one_of(
    st.sampled_from([*NASTY, "ünï", "direction LR", "#35;", "&amp;", "{", "}", ";", "<b>", " ", "\ud800"]),
    st.text(min_size=1, max_size=12),
)

TEXT = r"(?:\w|[ \-/.,'()=!?+→●◉↩◷✗…:]|#[0-9]+;|<br/>)+"
ID = r"s[0-9]+(?:_[A-Za-z0-9]+)*"
MERMAID_LINE = re.compile(
    rf' +(?:subgraph f[0-9]+\["{TEXT}"\]|end|(?P<id>{ID})(?:\(\("[●◉]"\)\):::spot|\(\["{TEXT}"\]\))'
    rf'|c[0-9]+\["{TEXT}"\]:::chips|{ID} (?:-->|-\.->)(?:\|"{TEXT}"\|)? {ID}|classDef \w+ \S+)'
)
QUOTED = r'"(?:[^"\\\n]|\\\\|\\"|\\n)*"'
DOT_LINE = re.compile(
    rf" +(?:(?P<id>{ID}) \[[^\"]*(?:{QUOTED}[^\"]*)*\];|labeljust=l; label={QUOTED};|}}|subgraph cluster_[0-9]+ {{"
    rf"|rankdir=TB; node \[.*\];|{ID} -> {ID} \[label={QUOTED}, style=\w+\];)"
)


@st.composite
def graphs(draw: st.DrawFn) -> Any:
    flow_names = draw(st.lists(names.filter(lambda n: "/" not in n), min_size=1, max_size=3, unique=True))
    flows = [Flow(name) for name in flow_names]
    for flow in flows:
        for state in draw(st.lists(names, max_size=5, unique=True)):
            flow.state(state)
        for _ in range(draw(st.integers(0, 4)) if flow.states else 0):
            source = draw(st.sampled_from([*flow.states, ANY, None]))
            to = draw(st.sampled_from([*map(flow.__getitem__, flow.states), *flows, END]))
            flow.defstate(source, on=Says(draw(names)), to=to)(never)
    return graph_of(*flows)


@given(graphs())
def test_mermaid_is_well_formed_with_unique_ids_whatever_the_names(graph: Any) -> None:
    text = mermaid(graph)
    first, *lines = text.removesuffix("\n").split("\n")
    found = [MERMAID_LINE.fullmatch(line) for line in lines]
    assert first == "flowchart TB"
    assert None not in found
    ids = [match["id"] for match in found if match and match["id"]]
    assert len(ids) == len(set(ids))
    assert len(ids) >= len(graph.states)
    assert text == mermaid(graph)
    text.encode()


@given(graphs())
def test_dot_is_well_formed_with_unique_ids_whatever_the_names(graph: Any) -> None:
    text = dot(graph)
    first, *lines, last = text.removesuffix("\n").split("\n")
    found = [DOT_LINE.fullmatch(line) for line in lines]
    assert (first, last) == ("digraph fsmkit {", "}")
    assert None not in found
    ids = [match["id"] for match in found if match and match["id"]]
    assert len(ids) == len(set(ids))
    text.encode()
