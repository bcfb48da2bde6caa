"""What is stored over time: migrations, renames, conversations that no longer fit, flows that are not known."""

import attrs
import pytest
from memory_engine import KEY, OTHER, Bench, returns
from sample_flows import later, simple, stored_by

from fsmkit import Flow, StoredByNewerVersion


@attrs.frozen
class Old:
    name: str = ""


@attrs.frozen
class New:
    first: str
    last: str = ""


# -- migrations ------------------------------------------------------------------------------------


def version_two():
    flow = Flow("f", data=New, version=2)
    flow.state("b", renamed_from="a")

    @flow.migrate(1)
    def lift(state, data):
        assert type(data) is dict
        return state, {"first": data["name"]}

    return flow


async def test_stored_data_are_lifted_when_they_are_read():
    bench = later(await stored_by(simple("a", data=Old), data=Old("Ann")), version_two())
    assert await bench.engine.get_state("f", KEY) == ("b", New("Ann"))


async def test_reading_alone_writes_nothing():
    bench = later(await stored_by(simple("a", data=Old), data=Old("Ann")), version_two())
    before = await bench.stored()
    await bench.engine.get_state("f", KEY)
    assert await bench.stored() == before


async def test_the_next_step_stores_the_new_version():
    flow = version_two()
    flow.defstate("b")(lambda event, ctx: ("stay", New(ctx.data.first, "Lee")))
    bench = later(await stored_by(simple("a", data=Old), data=Old("Ann")), flow)
    await bench.say("x")
    frame = (await bench.row()).snapshots["f"].frames[0]
    assert (frame.version, frame.state, bytes(frame.data)) == (2, "b", b'{"first":"Ann","last":"Lee"}')


async def test_a_migration_may_rename_the_state_too():
    flow = simple("b", version=2)
    flow.migrate(1)(lambda state, data: ("b" if state == "a" else state, data))
    bench = later(await stored_by(simple("a"), data={"n": 1}), flow)
    assert await bench.engine.get_state("f", KEY) == ("b", {"n": 1})


async def test_several_versions_are_lifted_one_after_the_other():
    flow = simple("a", version=4)
    for version in (1, 2, 3):
        flow.migrate(version)(lambda state, data, v=version: (state, {"by": [*data.get("by", []), v]}))
    bench = later(await stored_by(simple("a", version=2)), flow)
    assert await bench.engine.get_state("f", KEY) == ("a", {"by": [2, 3]})


async def test_frames_that_wait_and_drafts_are_lifted_too():
    outer, inner = simple("a", name="f"), simple("i", name="inner")
    returns(outer, "a")(("call", inner))
    first = Bench(outer, inner)
    await first.engine.set_state(outer, KEY, "a", {"n": 1})
    await first.say("x")
    await first.engine.at(outer, OTHER).set_data({"n": 2})
    lifted = simple("a", name="f", version=2)
    lifted.migrate(1)(lambda state, data: (state, {"lifted": data["n"]}))
    bench = later(first, lifted, simple("i", name="inner"))
    assert await bench.engine.get_state("f", KEY) == ("a", {"lifted": 1})
    assert await bench.engine.get_state("f", OTHER) == (None, {"lifted": 2})


async def test_a_renamed_state_is_found_by_its_old_name():
    flow = Flow("f")
    flow.state("age", renamed_from=("a", "years"))
    bench = later(await stored_by(simple("a"), data={"n": 1}), flow)
    assert await bench.engine.get_state("f", KEY) == ("age", {"n": 1})


async def test_renamed_states_in_the_history_are_found_too():
    old = simple("a", "b")
    first = await stored_by(old, "a")
    await first.engine.set_state(old, KEY, "b")
    flow = Flow("f")
    flow.state("age", renamed_from="a")
    flow.state("b")
    returns(flow, "b")(("back",))
    bench = later(first, flow)
    assert (await bench.say("x")).state == "age"


async def test_back_passes_over_states_that_are_no_more():
    old = simple("a", "gone", "b")
    first = await stored_by(old, "a")
    await first.engine.set_state(old, KEY, "gone")
    await first.engine.set_state(old, KEY, "b")
    flow = simple("a", "b")
    returns(flow, "b")(("back",))
    assert (await later(first, flow).say("x")).state == "a"


async def test_a_row_of_a_newer_version_is_left_alone_for_a_newer_worker():
    first = await stored_by(simple("a", version=2))
    before = await first.stored()
    flow = simple()
    flow.defstate("a")(lambda event, ctx: ("end",))
    bench = later(first, flow)
    with pytest.raises(StoredByNewerVersion) as caught:
        await bench.say("x")
    assert (caught.value.flow, caught.value.stored, caught.value.known) == ("f", 2, 1)
    assert await bench.stored() == before
