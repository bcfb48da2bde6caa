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
from fsmkit.telegram import button, command, document, photo, reaction, text


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
stateDiagram-v2
    state "name" as s1_1_name
    state "age" as s1_2_age
    state "any state" as s1_4_any_state
    s1_1_name --> s1_2_age : text
    s1_2_age --> [*] : #34;Yes#34;, text('#91;0-9#93;+')
    s1_4_any_state --> [*] : /cancel
    s1_4_any_state --> s1_1_name : /start
    [*] --> s1_1_name : /start
"""
    )


def test_a_flow_in_dot() -> None:
    assert dot(graph_of(signup())) == (
        """\
digraph fsmkit {
    rankdir=LR;
    node [shape=box, style="rounded"];
    subgraph cluster_1 {
        label="signup";
        s1_1_name [label="name"];
        s1_2_age [label="age"];
        s1_3 [shape=doublecircle, label="", width=0.15];
        s1_4_any_state [label="any state", style="rounded,dashed"];
        s1_5 [shape=point, label=""];
        s1_1_name -> s1_2_age [label="text"];
        s1_2_age -> s1_3 [label="\\"Yes\\", text('[0-9]+')"];
        s1_4_any_state -> s1_3 [label="/cancel"];
        s1_4_any_state -> s1_1_name [label="/start"];
        s1_5 -> s1_1_name [label="/start"];
    }
}
"""
    )


def test_several_flows_are_composite_states_with_their_calls_as_boxes() -> None:
    address = Flow("address")
    address.defstate("street")(lambda event, ctx: ("end",))
    orders = Flow("orders")
    orders.state("pay")
    flow = Flow("signup")
    flow.defstate("name")(lambda event, ctx: ("call", address) if event else ("transition", "orders/pay"))
    assert mermaid(graph_of(flow, orders, Flow("empty"))) == (
        """\
stateDiagram-v2
    state "signup" as f1_signup {
        state "name" as s1_1_name
        state "call address" as s1_2_call_address
        state "orders#58; pay" as s1_3_orders_pay
        s1_1_name --> s1_2_call_address : text
        s1_1_name --> s1_3_orders_pay : text
    }
    state "orders" as f2_orders {
        state "pay" as s2_1_pay
    }
    state "empty" as f3_empty
    state "address" as f4_address {
        state "street" as s4_1_street
        s4_1_street --> [*] : text
    }
"""
    )


def test_a_flow_without_states_is_an_empty_diagram() -> None:
    assert mermaid(graph_of(Flow("empty"))) == "stateDiagram-v2\n"


def test_an_any_handler_is_drawn_once_and_so_is_that_of_a_group() -> None:
    flow = Flow("f", states=Form)
    flow.defstate(Form)(lambda event, ctx: ("end",))
    flow.defstate(ANY)(lambda event, ctx: ("end",))
    text = mermaid(graph_of(flow))
    assert text.count("-->") == 2
    assert '"any of Form"' in text
    assert '"any state"' in text


def test_going_back_is_drawn_and_staying_is_not() -> None:
    flow = Flow("f")
    flow.defstate("a")(lambda event, ctx: ("back",) if event else None)
    flow.defstate("a")(lambda event, ctx: ("pass",))
    text = mermaid(graph_of(flow))
    assert text.count("-->") == 1
    assert '"the state before" as s1_2' in text


def test_one_trigger_of_two_handlers_is_written_once() -> None:
    flow = Flow("f")
    flow.defstate("a")(lambda event, ctx: ("end",))
    flow.defstate("a")(lambda event, ctx: ("end",))
    assert ": text\n" in mermaid(graph_of(flow))


def is_long(event: Any) -> bool:
    return len(event.text) > 5


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (command("start"), "/start"),
        (command("start", "help"), "command('start', 'help')"),
        (command(), "command"),
        (button("Yes"), '"Yes"'),
        (button("Yes", "No"), "button('Yes', 'No')"),
        (button(), "button"),
        (text(), "text"),
        (None, "text"),
        (text("a()"), "text('a()')"),
        (reaction(), "reaction"),
        ((photo() | document()) & Paid, "(photo | document) & Paid"),
        (~command("x"), "~(/x)"),
    ],
)
def test_an_edge_is_labelled_as_people_call_what_its_handler_wants(on: Any, expected: str) -> None:
    flow = Flow("f")
    flow.defstate("a", on=on)(lambda event, ctx: ("end",))
    assert {edge.label for edge in graph_of(flow).edges} == {expected}


def test_a_label_names_the_predicate() -> None:
    flow = Flow("f")
    flow.defstate("a", when=is_long)(lambda event, ctx: ("end",))
    assert {edge.label for edge in graph_of(flow).edges} == {"text when is_long"}


# -- any name --------------------------------------------------------------------------------------

NASTY = ["end", "state", "note", "[*]", 'a"b', "a\\", "a\nb", "%% no", "a --> b : c", "Form.Address:street"]
names = st.one_of(
    st.sampled_from([*NASTY, "ünï", "direction LR", "#35;", "&amp;", "{", "}", ";", "<b>", " ", "\ud800"]),
    st.text(min_size=1, max_size=12),
)

TEXT = r"(?:\w|[ \-/.,'()=!?+|]|#[0-9]+;)+"
ID = r"[sf][0-9]+(?:_[A-Za-z0-9]+)*"
MERMAID_LINE = re.compile(
    rf' +(?:state "{TEXT}" as (?P<id>{ID})(?P<open> {{)?|}}|(?:\[\*\]|{ID}) --> (?:\[\*\]|{ID}) : {TEXT})'
)
QUOTED = r'"(?:[^"\\\n]|\\\\|\\")*"'
DOT_LINE = re.compile(
    rf" +(?:(?P<id>{ID}) \[[^\"]*(?:{QUOTED}[^\"]*)*\];|label={QUOTED};|}}|subgraph cluster_[0-9]+ {{"
    rf"|rankdir=LR;|node \[.*\];|{ID} -> {ID} \[label={QUOTED}\];)"
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
    assert first == "stateDiagram-v2"
    assert None not in found
    ids = [match["id"] for match in found if match and match["id"]]
    assert len(ids) == len(set(ids))
    assert len(ids) >= len(graph.states)
    assert set(re.findall(rf"{ID}(?= -->)|(?<=--> ){ID}", text)) <= set(ids)
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
