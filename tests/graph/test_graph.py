"""The graph of flows: edges, and what can be reached along them."""

from typing import Any, Literal

import pytest

from fsmkit import ANY, END, DefinitionError, Flow, Returned, State, StatesGroup, To
from fsmkit.graph import graph_of
from fsmkit.graph.edges import Target
from fsmkit.graph.graph import Edge


class Signup(StatesGroup):
    name = State()

    class Address(StatesGroup):
        street = State()


def never(event, ctx):
    raise NotImplementedError


def signup() -> Flow[Any]:
    flow = Flow("signup")
    flow.state("name")
    flow.state("age")
    flow.defstate(None, ANY, to="name", on=Returned)(never)
    flow.defstate("name", to="age")(never)
    flow.defstate("age", to=END)(never)
    return flow


def targets(edges: Any) -> list[tuple[str | None, str]]:
    return [(edge.source, str(edge.target)) for edge in edges if edge.target]


def test_any_stands_for_every_state_and_none_for_no_conversation() -> None:
    graph = graph_of(signup())
    assert targets(graph.edges) == [
        ("name", '"signup/name"'),
        ("age", '"signup/name"'),
        (None, '"signup/name"'),
        ("name", '"signup/age"'),
        ("age", "the end"),
    ]
    assert [edge.selector for edge in graph.edges] == [ANY, ANY, None, "name", "age"]


def test_a_group_stands_for_its_states_nested_ones_too() -> None:
    flow = Flow("signup", states=Signup)
    flow.defstate(Signup, to=END)(never)
    flow.defstate(Signup.Address, to=END)(never)
    assert [(e.source, e.selector) for e in graph_of(flow).edges] == [
        ("Signup:name", Signup),
        ("Signup.Address:street", Signup),
        ("Signup.Address:street", Signup.Address),
    ]


def test_a_state_named_twice_in_one_handler_has_one_edge_by_the_widest() -> None:
    flow = Flow("f", states=Signup)
    flow.defstate(Signup.name, Signup, ANY, to=END)(never)
    assert [e.selector for e in graph_of(flow).edges] == [ANY, ANY]
    other = Flow("f", states=Signup)
    other.defstate("Signup:name", Signup, to=END)(never)
    assert [e.selector for e in graph_of(other).edges] == [Signup, Signup]


def test_an_edge_says_what_triggers_it_and_where_its_handler_stands() -> None:
    def handler(event, ctx):
        return ("end",)

    def is_long(event):
        return True

    flow = Flow("f")
    flow.defstate("a", on=Returned, when=is_long)(handler)
    (edge,) = graph_of(flow).edges
    assert edge == Edge(
        flow="f",
        source="a",
        selector="a",
        handler=handler.__qualname__,
        place=f"tests/graph/test_graph.py:{handler.__code__.co_firstlineno}",
        trigger=f"Returned when {is_long.__qualname__}",
        kind="end",
        target=Target("end", "f"),
    )
    assert edge.node == ("f", "a")


def test_what_else_a_handler_may_return_are_edges_without_a_target() -> None:
    def handler(event, ctx):
        if event:
            return ("back",)
        if ctx:
            return ("pass",)
        return ("error", "no") if ctx.data else None

    flow = Flow("f")
    flow.defstate("a")(handler)
    assert [(e.kind, e.target) for e in graph_of(flow).edges] == [
        ("stay", None),
        ("back", None),
        ("pass", None),
        ("error", None),
    ]


def test_edges_can_be_asked_for_by_either_end() -> None:
    graph = graph_of(signup())
    assert targets(graph.outgoing(("signup", "name"))) == [
        ("name", '"signup/name"'),
        ("name", '"signup/age"'),
    ]
    assert targets(graph.incoming(("signup", "age"))) == [("name", '"signup/age"')]
    assert graph.outgoing(("signup", "nowhere")) == ()


def test_conversations_begin_where_the_handlers_for_none_lead() -> None:
    graph = graph_of(signup())
    assert graph.states == (("signup", "name"), ("signup", "age"))
    assert graph.entries == {("signup", "name")}
    assert graph.reachable == {("signup", "name"), ("signup", "age")}


def test_a_state_that_nothing_leads_to_is_not_reachable() -> None:
    flow = signup()
    flow.state("lost")
    graph = graph_of(flow)
    assert ("signup", "lost") in graph.states
    assert ("signup", "lost") not in graph.reachable


def test_a_call_begins_in_the_initial_state() -> None:
    address = Flow("address", initial="street")
    address.state("city")
    address.state("street")
    flow = Flow("f")
    flow.defstate(None, to="a")(never)
    flow.defstate("a", to=address)(never)
    graph = graph_of(flow)
    assert graph.flows == (flow, address)
    assert graph.initial == {"f": ("f", "a"), "address": ("address", "street")}
    assert graph.reachable == {("f", "a"), ("address", "street")}
    assert graph.incoming(("address", "street")) == graph.outgoing(("f", "a"))


def test_after_a_call_the_caller_goes_on_from_where_it_waited() -> None:
    address = Flow("address")
    address.defstate("street", to=END)(never)
    flow = Flow("f")
    flow.defstate(None, to="a")(never)
    flow.defstate("a", to=address)(never)
    flow.state("b")
    flow.defstate("a", on=Returned, to="b")(never)
    assert ("f", "b") in graph_of(flow).reachable


def test_a_flow_without_states_can_be_called() -> None:
    flow = Flow("f")
    flow.defstate("a", to=Flow("empty"))(never)
    graph = graph_of(flow)
    assert graph.successors(("f", "a")) == frozenset()
    assert "empty" not in graph.initial


def test_transitions_into_another_flow_are_followed() -> None:
    orders = Flow("orders")
    orders.defstate("pay", to=END)(never)
    flow = Flow("f")
    flow.defstate(None, to="a")(never)
    flow.defstate("a", to="orders/pay")(never)
    graph = graph_of(flow, orders)
    assert ("orders", "pay") in graph.reachable
    assert ("f", "a") in graph.ending
    with pytest.raises(DefinitionError, match='there is no flow "orders"'):
        graph_of(flow)


def test_flows_that_are_named_as_objects_join_the_graph_whatever_the_order() -> None:
    third = Flow("third")
    third.defstate("c", to=END)(never)
    second = Flow("second")
    second.defstate("b")(lambda event, ctx: ("call", third))
    first = Flow("first")
    first.defstate("a", to="third/c")(never)
    first.defstate("a", to=second)(never)
    assert graph_of(first).flows == (first, second, third)


def test_states_from_which_the_end_is_out_of_reach_are_not_ending() -> None:
    flow = Flow("f")
    flow.defstate("a", to=["b", "trap"])(never)
    flow.defstate("b", to=END)(never)
    flow.defstate("trap")(lambda event, ctx: ("stay",))
    assert graph_of(flow).ending == {("f", "a"), ("f", "b")}


def test_going_back_leads_to_an_end_where_a_state_before_has_one() -> None:
    flow = Flow("f")
    flow.defstate("a", to=["b", END])(never)
    flow.defstate("b")(lambda event, ctx: ("back",))
    flow.defstate("c")(lambda event, ctx: ("back",))
    graph = graph_of(flow)
    assert graph.ending == {("f", "a"), ("f", "b")}
    assert graph.successors(("f", "b")) == {("f", "a")}


def test_an_end_by_an_any_handler_of_a_waiting_flow_counts() -> None:
    inner = Flow("inner")
    inner.state("stuck")
    middle = Flow("middle")
    middle.defstate("m", to=inner)(never)
    outer = Flow("outer")
    outer.defstate("o", to=middle)(never)
    assert graph_of(outer).ending == set()
    outer.defstate(ANY, to=END, on=Returned)(never)
    assert graph_of(outer).ending == {("outer", "o"), ("middle", "m"), ("inner", "stuck")}


def test_an_end_by_the_exact_handler_of_a_waiting_state_does_not_count() -> None:
    inner = Flow("inner")
    inner.state("stuck")
    outer = Flow("outer")
    outer.defstate("o", to=[inner, END])(never)
    assert graph_of(outer).ending == {("outer", "o")}


def test_flows_that_call_each_other_end_the_search() -> None:
    ping, pong = Flow("ping"), Flow("pong")
    ping.defstate("a", to="pong")(never)
    pong.defstate("b", to="ping")(never)
    graph = graph_of(ping, pong)
    assert graph.successors(("ping", "a")) == {("pong", "b")}
    assert graph.ending == set()


def test_findings_of_all_handlers_are_gathered() -> None:
    def unread(event, ctx):
        return ctx.anything()

    def annotated(event, ctx) -> To[Literal["agee"]]: ...

    flow = Flow("f")
    flow.defstate("age")(unread)
    flow.defstate("age")(annotated)
    graph = graph_of(flow)
    assert [problem.code for problem in graph.problems] == ["unreadable-target", "unknown-state"]
    assert [edges.complete for edges in graph.handlers.values()] == [False, True]
