"""Transitions to another flow, and flows that tolerate no other beside them."""

import attrs
import pytest
from chat_events import HERE, Command, Word, said
from memory_engine import KEY, Bench, returns

from fsmkit import Flow, InvalidResult


@attrs.frozen
class Order:
    item: str


def two(result, *, there_data=dict):
    here, there = Flow("here"), Flow("there", data=there_data)
    there.state("pay", prompt="Please pay.")
    there.state("done")
    returns(here, "a", on=Word("go"))(result)
    return here, there


@pytest.mark.parametrize("target", ["there/pay", "state"])
async def test_a_transition_to_another_flow_ends_this_one_and_enters_that_one(target):
    here, there = Flow("here"), Flow("there")
    there.state("pay", prompt="Please pay.")
    returns(here, "a")(("transition", there["pay"] if target == "state" else target, {"n": 2}))
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a", {"n": 1})
    outcome = await bench.say("x")
    assert (outcome.flow, outcome.state, outcome.data) == ("there", "pay", {"n": 2})
    assert await bench.engine.get_state(here, KEY) == (None, None)
    assert bench.texts == ["Please pay."]


async def test_without_data_the_other_flow_begins_with_its_own():
    here, there = two(("transition", "there/pay"))
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a", {"n": 1})
    assert (await bench.say("go")).data == {}


async def test_the_other_flow_takes_up_its_draft():
    here, there = two(("transition", "there/pay"))
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a")
    await bench.engine.at(there, KEY).set_data({"kept": 1})
    assert (await bench.say("go")).data == {"kept": 1}


async def test_another_flow_that_runs_already_goes_to_the_state_with_its_data():
    here, there = two(("transition", "there/pay"))
    bench = Bench(here, there)
    await bench.engine.set_state(there, KEY, "done", {"kept": 1})
    await bench.engine.set_state(here, KEY, "a")
    outcome = await bench.say("go")
    assert (outcome.flow, outcome.state, outcome.data) == ("there", "pay", {"kept": 1})
    assert list((await bench.row()).snapshots) == ["there"]


async def test_the_other_flow_needs_its_data():
    here, there = two(("transition", "there/pay"), there_data=Order)
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a")
    before = await bench.stored()
    with pytest.raises(InvalidResult, match="entering flow 'there' needs data"):
        await bench.say("go")
    assert await bench.stored() == before


async def test_data_are_checked_against_the_other_flow():
    here, there = two(("transition", "there/pay", Order("tea")), there_data=Order)
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a", {"n": 1})
    assert (await bench.say("go")).data == Order("tea")


async def test_on_exit_of_the_one_runs_before_on_enter_of_the_other():
    here, there = two(("transition", "there/pay"))
    ran = []
    here.on_exit()(lambda ctx: ran.append(("left", ctx.flow, ctx.state)))
    there.on_enter()(lambda ctx: ran.append(("entered", ctx.flow, ctx.state)))
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a")
    await bench.say("go")
    assert ran == [("left", "here", "a"), ("entered", "there", "pay")]


async def test_an_entry_may_lead_into_another_flow():
    here, there = Flow("here"), Flow("there")
    there.state("pay")
    returns(here, None, on=Command("pay"))(("transition", "there/pay"))
    bench = Bench(here, there)
    assert (await bench.say("/pay")).flow == "there"


async def test_the_other_flow_inherits_where_messages_go():
    here, there = two(("transition", "there/pay"))
    there.defstate("pay", on=int)(lambda event, ctx: ctx.reply("Paid."))
    bench = Bench(here, there)
    await bench.engine.set_state(here, KEY, "a")
    await bench.engine.send(KEY, said("go"))
    await bench.engine.send(KEY, 5)
    assert [effect.to for effect in bench.sent] == [HERE, HERE]


async def test_a_sub_flow_may_go_back_into_its_caller():
    order, address = Flow("order"), Flow("address")
    order.state("pay")
    order.state("cart")
    returns(order, "cart")(("call", address))
    returns(address, "street")(("transition", "order/pay"))
    bench = Bench(order, address)
    await bench.engine.set_state(order, KEY, "cart", {"items": 1})
    await bench.say("x")
    outcome = await bench.say("x")
    assert (outcome.flow, outcome.state, outcome.data) == ("order", "pay", {"items": 1})
    assert len((await bench.row()).snapshots["order"].frames) == 1


# -- exclusive -------------------------------------------------------------------------------------


async def entered(exclusive):
    """What stands after "/alone" has been entered beside a running flow, and what ran."""
    other, alone, ran = Flow("other"), Flow("alone", exclusive=exclusive), []
    other.on_exit()(lambda ctx: ran.append(ctx.state))
    other.state("o")
    alone.state("a")
    returns(alone, None, on=Command("alone"))(("transition", "a"))
    bench = Bench(other, alone)
    await bench.engine.set_state(other, KEY, "o")
    await bench.say("/alone")
    return list((await bench.row()).snapshots), ran


async def test_an_exclusive_flow_ends_the_others_and_runs_their_on_exit():
    assert await entered(exclusive=True) == (["alone"], ["o"])


async def test_other_flows_run_beside_each_other():
    assert await entered(exclusive=False) == (["other", "alone"], [])


async def test_an_exclusive_flow_leaves_drafts_alone():
    other, alone = Flow("other"), Flow("alone", exclusive=True)
    alone.state("a")
    returns(alone, None)(("transition", "a"))
    bench = Bench(other, alone)
    await bench.engine.at(other, KEY).set_data({"n": 1})
    await bench.say("x")
    assert await bench.engine.get_state(other, KEY) == (None, {"n": 1})


async def test_an_exclusive_flow_does_not_hinder_others_that_come_later():
    other, alone = Flow("other"), Flow("alone", exclusive=True)
    alone.state("a")
    other.state("o")
    returns(other, None, on=Command("other"))(("transition", "o"))
    bench = Bench(other, alone)
    await bench.engine.set_state(alone, KEY, "a")
    await bench.say("/other")
    assert list((await bench.row()).snapshots) == ["alone", "other"]
