"""Flows that wait for a sub-flow: their `ANY` handlers, and whose time to live counts."""

import pytest
from chat_events import Command
from memory_engine import KEY, START, Bench, returns
from sample_flows import in_cart, shop

from fsmkit import ANY, Flow, Returned

# -- handlers of those that wait -------------------------------------------------------------------


async def waiting(result):
    """A conversation in `address`, and a waiting `order` whose `/go` returns a result."""
    order, address = shop()
    returns(order, ANY, on=Command("go"))(result)
    bench = await in_cart(order, address)
    await bench.say("ask")
    bench.sent.clear()
    return bench, await bench.say("/go")


async def test_cancel_works_from_inside():
    bench, outcome = await waiting(("end",))
    assert (outcome.flow, outcome.state) == ("order", None)
    assert await bench.stored() is None


async def test_a_step_of_a_caller_drops_the_flows_above_it():
    bench, outcome = await waiting(("transition", "pay"))
    assert (outcome.flow, outcome.state) == ("order", "pay")
    assert await bench.engine.get_state("address", KEY) == (None, None)
    assert bench.texts == ["Please pay."]


async def test_a_caller_that_only_stays_leaves_the_sub_flow_running():
    bench, outcome = await waiting(("stay", {"items": 2}))
    assert (outcome.flow, outcome.state) == ("address", "street")
    assert await bench.engine.get_state("order", KEY) == ("cart", {"items": 2})


async def test_a_call_of_a_caller_replaces_what_it_had_called():
    bench, outcome = await waiting(("call", "address", {"street": "New"}))
    assert (outcome.flow, outcome.data) == ("address", {"street": "New"})
    assert len((await bench.row()).snapshots["order"].frames) == 2


async def test_the_end_of_a_middle_flow_returns_to_its_own_caller():
    outer, middle, inner = Flow("outer"), Flow("middle"), Flow("inner")
    inner.state("i")
    returns(outer, "o")(("call", middle))
    returns(middle, "m")(("call", inner))
    returns(middle, ANY, on=Command("stop"))(("end", "stopped"))
    outer.defstate("o", on=Returned)(lambda event, ctx: ("stay", {"from": event.flow, "got": event.result}))
    bench = Bench(outer, middle, inner)
    await bench.engine.set_state(outer, KEY, "o")
    await bench.say("x")
    await bench.say("x")
    outcome = await bench.say("/stop")
    assert (outcome.flow, outcome.data) == ("outer", {"from": "middle", "got": "stopped"})


async def test_handlers_of_the_waiting_state_itself_are_not_asked():
    order, address = shop()
    bench = await in_cart(order, address)
    await bench.say("ask")
    assert (await bench.say("ask")).kind == "passed"


async def test_a_flow_that_runs_as_a_sub_flow_is_not_entered_beside():
    order, address = shop()
    returns(address, None, on=Command("address"))(("transition", "street"))
    bench = await in_cart(order, address)
    await bench.say("ask")
    assert (await bench.say("/address")).kind == "passed"


# -- time to live ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "sub", "state", "expected"),
    [
        ({}, {}, {}, 86400),
        ({"ttl": 60}, {}, {}, 60),
        ({"ttl": 60}, {"ttl": 30}, {}, 30),
        ({"ttl": 60}, {"ttl": 30}, {"ttl": 10}, 10),
        ({"ttl": 60}, {}, {"ttl": 10}, 10),
        ({"ttl": None}, {}, {}, None),
        ({"ttl": 60}, {"ttl": None}, {}, None),
        ({"ttl": 60}, {"ttl": 30}, {"ttl": None}, None),
    ],
)
async def test_a_sub_flow_without_a_time_to_live_has_its_callers(caller, sub, state, expected):
    order, address = Flow("order", **caller), Flow("address", **sub)
    address.state("street", **state)
    returns(order, "cart")(("call", address))
    bench = await in_cart(order, address)
    await bench.say("x")
    deadline = (await bench.row()).snapshots["order"].deadline
    assert deadline == (None if expected is None else START + expected)


async def test_the_state_of_the_caller_counts_for_a_sub_flow_without_a_time_to_live():
    order, address = Flow("order", ttl=60), Flow("address")
    order.state("cart", ttl=20)
    address.state("street")
    returns(order, "cart")(("call", address))
    bench = await in_cart(order, address)
    await bench.say("x")
    assert (await bench.row()).snapshots["order"].deadline == START + 20
