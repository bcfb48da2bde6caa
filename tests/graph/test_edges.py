"""Where a handler can go, as told by `to=`, its annotation and its source."""

import enum
from typing import Any, Literal

import pytest

from fsmkit import ANY, END, DefinitionError, End, Flow, State, StatesGroup, To, call
from fsmkit.flow.locations import location_of
from fsmkit.graph.edges import Edges, Target, collect_flows, edges_of


class Signup(StatesGroup):
    name = State()
    age = State()

    class Address(StatesGroup):
        street = State()


class Steps(enum.StrEnum):
    AGE = "age"


signup = Flow("signup", states=Signup)
signup.state("name")
signup.state("age")
orders = Flow("orders")
PAY = orders.state("pay")
address = Flow("address")
address.state("street")

OTHERS = {"orders": orders, "address": address}
AGE = Target("transition", "signup", "age")
NAME = Target("transition", "signup", "name")
THE_END = Target("end", "signup")
ORDERS_PAY = Target("transition", "orders", "pay")
CALL_ADDRESS = Target("call", "address")


def edges(function: Any, to: Any = None, others: Any = OTHERS) -> Edges:
    """The edges of a function, registered with a flow that has Signup's states, `name` and `age`."""
    flow = Flow("signup", states=Signup)
    for name in ("name", "age"):
        flow.state(name)
    flow.defstate(ANY, to=to)(function)
    return edges_of(flow.handlers[0], flow, others)


def ways(found: Edges) -> set[str]:
    return {name for name in ("stays", "backs", "passes", "errors") if getattr(found, name)}


def codes(found: Edges) -> list[str]:
    return [problem.code for problem in found.problems]


def argument(event, ctx):
    return event


def literal_tuple(event, ctx):
    return ("transition", "age", ctx.data)


def helper_function(event, ctx):
    return literal_tuple(event, ctx)


def test_a_state_that_nobody_declared_is_a_finding_with_the_nearest_name() -> None:
    found = edges(lambda event, ctx: ("transition", "agee"))
    assert (codes(found), found.targets) == (["unknown-state"], frozenset())
    assert 'names "agee", flow "signup" has no such state. Did you mean "age"?' in found.problems[0].message
    assert codes(edges(lambda event, ctx: ("transition", signup["agee"]))) == ["unknown-state"]
    assert codes(edges(lambda event, ctx: ("transition", "ordes/pay"))) == ["unknown-state"]
    assert codes(edges(lambda event, ctx: ("call", "adress"))) == ["unknown-state"]
    assert codes(edges(lambda event, ctx: ("transition", 7))) == ["unknown-state"]


def test_states_of_other_flows_are_read() -> None:
    def by_name(event, ctx):
        return ("transition", "orders/pay")

    def by_state(event, ctx):
        return ("transition", PAY)

    def by_flow(event, ctx):
        return ("transition", orders["pay"])

    for handler in (by_name, by_state, by_flow):
        assert edges(handler).targets == {ORDERS_PAY}
    assert edges(by_flow, others={}).targets == {ORDERS_PAY}
    assert edges(by_flow).flows == (orders,)
    assert codes(edges(by_state, others={})) == ["unknown-state"]


def test_a_state_may_have_a_slash_in_its_name() -> None:
    flow = Flow("odd")
    flow.state("a/b")
    flow.defstate("a/b")(lambda event, ctx: ("transition", "a/b"))
    assert edges_of(flow.handlers[0], flow).targets == {Target("transition", "odd", "a/b")}


def test_calls_are_read_by_flow_and_by_name() -> None:
    assert edges(lambda event, ctx: ("call", address), others={}).targets == {CALL_ADDRESS}
    assert edges(lambda event, ctx: call("address")).targets == {CALL_ADDRESS}
    assert edges(lambda event, ctx: call(flow=address)).targets == {CALL_ADDRESS}
    assert edges(lambda event, ctx: ("call", "signup")).targets == {Target("call", "signup")}


def test_flows_that_are_named_as_objects_are_found_before_anything_is_resolved() -> None:
    last = Flow("last")
    middle = Flow("middle")
    middle.defstate("a")(lambda event, ctx: ("transition", last["nowhere"]))
    first = Flow("first")
    first.defstate("a", to=[middle, "nowhere", "first"])(argument)
    assert collect_flows([first, first]) == {"first": first, "middle": middle, "last": last}


def test_two_flows_of_one_name_are_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"two flows have this name \(the other: tests/graph/test_edges.py:\d+\)"
    ):
        collect_flows([Flow("f"), Flow("f")])


# -- to= ---


def test_to_names_states_calls_and_the_end() -> None:
    found = edges(argument, to=["age", Signup.name, "orders/pay", PAY, address, END])
    assert found.targets == {
        AGE,
        Target("transition", "signup", "Signup:name"),
        ORDERS_PAY,
        CALL_ADDRESS,
        THE_END,
    }
    assert (found.declared, found.complete, found.problems, found.flows) == (True, True, (), (address,))


def test_to_takes_a_group_and_the_name_of_a_flow() -> None:
    assert {t.state for t in edges(argument, to=Signup).targets} == {
        "Signup:name",
        "Signup:age",
        "Signup.Address:street",
    }
    assert edges(argument, to="address").targets == {CALL_ADDRESS}
    assert edges(argument, to=Steps.AGE).targets == {AGE}


def test_to_refuses_other_targets_but_never_a_stay() -> None:
    found = edges(argument, to="age")
    assert found.allows(AGE)
    assert not found.allows(NAME)
    assert ways(found) == {"stays", "backs", "passes", "errors"}
    assert edges(literal_tuple).allows(NAME)


def test_with_to_the_source_still_tells_what_else_may_be_returned() -> None:
    assert ways(edges(literal_tuple, to="age")) == set()


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("agee", 'to= names "agee", flow "signup" has no such state. Did you mean "age"?'),
        ("orders/pai", 'to= names "orders/pai", flow "orders" has no such state. Did you mean "pay"?'),
        ("ordes/pay", 'to= names "ordes/pay", there is no flow "ordes". Did you mean "orders"?'),
        ("xyz/pay", "there is no flow \"xyz\". Put flow 'xyz' together with 'signup'"),
        (b"age", "to= names b'age', which is not a state"),
        ([None], "to= names None, which is not a state"),
    ],
)
def test_an_unknown_name_in_to_raises_with_place_and_nearest_name(to: Any, text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        edges(argument, to=to)
    assert text in str(caught.value)
    assert caught.value.place == location_of(argument)


def test_a_state_of_a_flow_that_is_not_there_raises() -> None:
    with pytest.raises(DefinitionError, match='there is no flow "orders"'):
        edges(argument, to=PAY, others={})


# -- disagreement ---


def test_a_returned_target_that_to_does_not_name_is_a_finding_at_its_line() -> None:
    def handler(event, ctx):
        if event:
            return ("end",)
        return ("transition", "age")

    found = edges(handler, to=END)
    assert codes(found) == ["targets-differ"]
    assert 'returns "signup/age", which its to= does not name' in found.problems[0].message
    assert found.problems[0].place.endswith(f":{handler.__code__.co_firstlineno + 3}")
    assert found.targets == {THE_END}


def test_a_target_in_to_that_is_never_returned_is_a_finding() -> None:
    found = edges(literal_tuple, to=["age", END])
    assert codes(found) == ["targets-differ"]
    assert "names the end, which it never returns" in found.problems[0].message


def test_a_target_in_to_is_no_finding_where_the_source_is_not_fully_read() -> None:
    assert edges(helper_function, to=["age", END]).problems == ()


def test_a_returned_target_that_the_annotation_does_not_name_is_a_finding() -> None:
    def handler(event, ctx) -> End:
        return ("transition", "age")  # type: ignore[return-value]

    found = edges(handler)
    assert (codes(found), found.targets) == (["targets-differ"], {THE_END})
    assert "which its return annotation does not name" in found.problems[0].message


def test_an_annotation_may_name_more_than_is_returned() -> None:
    def handler(event, ctx) -> To[Literal["age", "name"]] | End:
        return ("transition", "age")

    assert edges(handler).problems == ()
    assert edges(handler).targets == {AGE, NAME, THE_END}


def test_to_and_annotation_that_exclude_each_other_are_a_finding() -> None:
    def handler(event, ctx) -> End:
        return ctx.anything()

    found = edges(handler, to="age")
    assert (codes(found), found.targets) == (["targets-differ"], {AGE})
    assert "which its return annotation does not" in found.problems[0].message
