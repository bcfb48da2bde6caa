"""Sub-flows: calling, returning, the bound of depth, and the handlers of those that wait."""

import itertools

import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns
from sample_flows import Street, in_cart, shop

from fsmkit import Flow, InvalidResult, Returned


async def test_a_call_enters_the_first_state_of_the_sub_flow_with_its_own_data():
    order, address = shop()
    bench = await in_cart(order, address)
    outcome = await bench.say("ask")
    assert (outcome.flow, outcome.state, outcome.data) == ("address", "street", {})
    assert bench.texts == ["Which street?"]


async def test_a_call_may_give_data_and_name_the_flow():
    order, address = shop()
    bench = await in_cart(order, address)
    assert (await bench.say("ask with")).data == {"street": "Main"}


async def test_a_call_begins_in_the_initial_state():
    order, address = Flow("order"), Flow("address", initial="town")
    address.state("street")
    address.state("town")
    returns(order, "cart")(("call", address))
    bench = await in_cart(order, address)
    assert (await bench.say("x")).state == "town"


async def test_the_caller_waits_in_its_state_with_its_data():
    order, address = shop()
    bench = await in_cart(order, address)
    await bench.say("ask")
    assert await bench.engine.get_state(order, KEY) == ("cart", {"items": 1})
    assert await bench.engine.get_state(address, KEY) == ("street", {})


async def test_the_history_belongs_to_the_frame():
    order, address = shop()
    bench = await in_cart(order, address)
    await bench.engine.set_state(order, KEY, "pay")
    await bench.engine.set_state(order, KEY, "cart")
    await bench.say("ask")
    await bench.say("town")
    frames = (await bench.row()).snapshots["order"].frames
    assert [(frame.flow, frame.state, frame.history) for frame in frames] == [
        ("order", "cart", ("cart", "pay")),
        ("address", "town", ("street",)),
    ]


async def test_back_at_the_start_of_a_sub_flow_does_not_leave_it():
    order, address = shop()
    returns(address, "street", on=Word("back"))(("back",))
    bench = await in_cart(order, address)
    await bench.say("ask")
    assert (await bench.say("back")).state == "street"
    assert bench.texts == ["Which street?", "Which street?"]


async def test_the_end_of_a_sub_flow_tells_its_caller_the_result():
    told = []

    def returned(event, ctx):
        told.append((event, ctx.state, ctx.data, ctx.match))
        return ("transition", "pay", ctx.evolve(street=event.result["street"]))

    order, address = shop(on_return=returned)
    bench = await in_cart(order, address)
    await bench.say("ask")
    outcome = await bench.say("done")
    event = Returned("address", {"street": "High"})
    assert told == [(event, "cart", {"items": 1}, event)]
    assert (outcome.flow, outcome.state, outcome.data) == ("order", "pay", {"items": 1, "street": "High"})
    assert await bench.engine.get_state(address, KEY) == (None, None)


async def test_an_end_without_a_result_returns_none():
    told = []
    order, address = shop(on_return=lambda event, ctx: told.append(event.result))
    returns(address, "street", on=Word("bye"))(("end",))
    bench = await in_cart(order, address)
    await bench.say("ask")
    await bench.say("bye")
    assert told == [None]


async def test_after_a_return_the_callers_prompt_is_sent_again():
    order, address = shop()
    bench = await in_cart(order, address)
    await bench.say("ask")
    outcome = await bench.say("done")
    assert (outcome.flow, outcome.state, outcome.data) == ("order", "cart", {"items": 1})
    assert bench.texts == ["Which street?", "Your cart."]


async def test_after_a_return_the_prompt_is_sent_again_where_the_handler_only_stayed():
    order, address = shop(on_return=lambda event, ctx: ("stay", {"street": event.result["street"]}))
    bench = await in_cart(order, address)
    await bench.say("ask")
    outcome = await bench.say("done")
    assert outcome.data == {"street": "High"}
    assert bench.texts == ["Which street?", "Your cart."]


async def test_after_a_return_the_prompt_is_not_sent_again_where_the_handler_moved_on():
    order, address = shop(on_return=lambda event, ctx: ("transition", "pay"))
    bench = await in_cart(order, address)
    await bench.say("ask")
    await bench.say("done")
    assert bench.texts == ["Which street?", "Please pay."]


async def test_a_return_and_what_the_caller_makes_of_it_are_one_commit():
    def returned(event, ctx):
        raise ValueError("no such street")

    order, address = shop(on_return=returned)
    bench = await in_cart(order, address)
    await bench.say("ask")
    before = await bench.stored()
    with pytest.raises(ValueError, match="no such street"):
        await bench.say("done")
    assert await bench.stored() == before


async def test_ends_may_follow_each_other_through_several_callers():
    outer, middle, inner = Flow("outer"), Flow("middle"), Flow("inner")
    returns(outer, "o")(("call", middle))
    returns(middle, "m")(("call", inner))
    returns(inner, "i")(("end", 1))
    middle.defstate("m", on=Returned)(lambda event, ctx: ("end", event.result + 1))
    outer.defstate("o", on=Returned)(lambda event, ctx: ("stay", {"got": event.result}))
    bench = Bench(outer, middle, inner)
    await bench.engine.set_state(outer, KEY, "o")
    await bench.say("x")
    await bench.say("x")
    outcome = await bench.say("x")
    assert (outcome.flow, outcome.state, outcome.data) == ("outer", "o", {"got": 2})


async def test_a_call_without_a_conversation_ends_after_the_return():
    order, address = Flow("order"), Flow("address")
    returns(order, None)(("call", address))
    returns(address, "street")(("end", 1))
    bench = Bench(order, address)
    assert (await bench.say("x")).flow == "address"
    assert await bench.engine.get_state(order, KEY) == (None, {})
    assert (await bench.say("x")).state is None
    assert await bench.stored() is None


async def test_a_call_without_a_conversation_may_begin_one_at_the_return():
    order, address = Flow("order"), Flow("address")
    order.state("pay", prompt="Please pay.")
    returns(order, None, on=Word("go"))(("call", address))
    returns(address, "street")(("end", 1))
    order.defstate(None, on=Returned)(lambda event, ctx: ("transition", "pay", {"got": event.result}))
    bench = Bench(order, address)
    await bench.say("go")
    outcome = await bench.say("x")
    assert (outcome.flow, outcome.state, outcome.data) == ("order", "pay", {"got": 1})
    assert bench.texts == ["Please pay."]


async def test_a_conversation_holds_eight_flows_and_no_more():
    flows = [Flow(f"f{number}") for number in range(10)]
    for flow, called in itertools.pairwise(flows):
        returns(flow, "a")(("call", called))
    bench = Bench(*flows)
    await bench.engine.set_state(flows[0], KEY, "a")
    for number in range(1, 8):
        assert (await bench.say("x")).flow == f"f{number}"
    before = await bench.stored()
    with pytest.raises(InvalidResult, match="8 flows at most"):
        await bench.say("x")
    assert await bench.stored() == before
    assert len((await bench.row()).snapshots["f0"].frames) == 8


async def test_a_sub_flow_whose_data_need_arguments_has_to_be_given_them():
    order, address = shop(sub_data=Street)
    order.defstate("cart", on=Word("good"))(lambda event, ctx: ("call", address, Street("High")))
    bench = await in_cart(order, address)
    with pytest.raises(InvalidResult, match="entering flow 'address' needs data"):
        await bench.say("ask")
    assert (await bench.say("good")).data == Street("High")
