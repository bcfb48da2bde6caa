"""`engine.at`: one flow of one key, read and written by hand."""

import attrs
import pytest
from bench import KEY, Bench
from chat_events import Word

from fsmkit import Flow, UnstorableData


@attrs.frozen
class Form:
    name: str = ""
    note: str | None = "none yet"


@attrs.frozen
class Needy:
    name: str


def simple(name="f", *, data=dict, **options):
    flow = Flow(name, data=data, **options)
    flow.state("a", prompt="at a")
    flow.state("b", prompt="at b")
    return flow


async def test_at_reads_and_writes_one_flow_of_one_key():
    at = Bench(simple()).engine.at("f", KEY)
    assert (await at.get_state(), await at.get_data()) == (None, {})
    await at.set_state("a", {"n": 1})
    assert (await at.get_state(), await at.get_data()) == ("a", {"n": 1})
    await at.set_data({"m": 2})
    assert (await at.get_state(), await at.get_data()) == ("a", {"m": 2})
    await at.clear()
    assert (await at.get_state(), await at.get_data()) == (None, {})


async def test_update_data_merges_and_returns_the_whole():
    at = Bench(simple()).engine.at("f", KEY)
    await at.set_data({"n": 1, "m": 1})
    assert await at.update_data({"n": 2}, k=3) == {"n": 2, "m": 1, "k": 3}
    assert await at.get_data() == {"n": 2, "m": 1, "k": 3}


async def test_update_data_takes_the_fields_of_a_class():
    at = Bench(simple(data=Form)).engine.at("f", KEY)
    assert await at.update_data(name="Ann") == Form("Ann")
    with pytest.raises(TypeError):
        await at.update_data(nmae="Ann")


async def test_a_stored_none_beats_the_default():
    at = Bench(simple()).engine.at("f", KEY)
    await at.set_data({"n": None})
    assert (await at.get_value("n", 5), await at.get_value("m", 5), await at.get_value("m")) == (
        None,
        5,
        None,
    )


async def test_a_stored_none_beats_the_default_in_classes_too():
    at = Bench(simple(data=Form)).engine.at("f", KEY)
    await at.set_data(Form(note=None))
    assert (await at.get_value("note", "?"), await at.get_value("nmae", "?")) == (None, "?")


async def test_what_goes_in_and_what_comes_out_are_copies():
    at = Bench(simple()).engine.at("f", KEY)
    given = {"list": [1]}
    await at.set_data(given)
    given["list"].append(2)
    (await at.get_data())["list"].append(3)
    (await at.get_value("list")).append(4)
    (await at.update_data())["list"].append(5)
    assert await at.get_data() == {"list": [1]}


async def test_data_may_stand_without_a_state():
    bench = Bench(simple())
    await bench.engine.at("f", KEY).set_data({"n": 1})
    assert await bench.engine.get_state("f", KEY) == (None, {"n": 1})
    assert (await bench.say("x")).kind == "passed"


async def test_what_a_state_had_tracked_is_tidied_up_where_it_is_left_by_hand():
    flow = simple()
    flow.defstate("a", on=Word("note"))(lambda event, ctx: ctx.delete_on_exit(55))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("note")
    await bench.engine.reset_state(flow, KEY)
    assert bench.deleted == [55]


async def test_a_state_is_not_entered_by_hand_without_the_data_that_its_handlers_need():
    flow = Flow("f", data=Needy)
    flow.state("a")
    bench = Bench(flow)
    with pytest.raises(
        UnstorableData, match=r"f\.data: got none, and Needy cannot be made without arguments"
    ):
        await bench.engine.set_state(flow, KEY, "a")
    assert await bench.stored() is None
    await bench.engine.set_state(flow, KEY, "a", Needy("Ann"))
    await bench.engine.set_state(flow, KEY, "a")
    assert await bench.engine.get_state(flow, KEY) == ("a", Needy("Ann"))
