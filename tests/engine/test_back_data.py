"""`Flow(back="data")`: going back restores the data with which the earlier state was left."""

import attrs
import pytest
from chat_events import Command
from memory_engine import KEY, Bench, returns
from msgspec import json

from fsmkit import ANY, DefinitionError, Flow, Returned
from fsmkit.interpreter.transitions import MAX_HISTORY, MAX_LEFT
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock


def letters(count=4, **options):
    """States a, b, c, … of a flow that adds to its data whatever is said, and goes on."""
    flow = Flow("f", **{"back": "data", **options})
    names = [f"s{n}" for n in range(count)]
    for name in names:
        flow.state(name)
    returns(flow, None, on=Command("start"))(("transition", "s0", {"said": ""}))
    returns(flow, ANY, on=Command("back"))(("back",))
    returns(flow, ANY, on=Command("two"))(("back", 2))
    returns(flow, ANY, on=Command("with"))(("back", 1, {"said": "given"}))

    @flow.defstate(ANY, on=Command("mark"))
    def mark(event, ctx):
        return ("stay", {"said": ctx.data["said"] + "!"})

    for name, following in zip(names, [*names[1:], names[0]], strict=True):

        @flow.defstate(name)
        def onward(event, ctx, following=following):
            return ("transition", following, {"said": ctx.data["said"] + event.text})

    return flow


async def told(bench, *texts):
    for text in texts:
        await bench.say(text)
    state, data = await bench.engine.get_state("f", KEY)
    return state, data["said"]


async def test_back_restores_the_data_that_the_state_was_left_with_what_was_changed_there_too():
    bench = Bench(letters())
    assert await told(bench, "/start", "x", "/mark", "y") == ("s2", "x!y")
    assert await told(bench, "/back") == ("s1", "x!")
    assert await told(bench, "/back") == ("s0", "")


async def test_several_steps_back_restore_the_data_of_the_state_that_is_entered():
    assert await told(Bench(letters()), "/start", "x", "y", "z", "/two") == ("s1", "x")


async def test_after_going_back_another_way_on_is_remembered_anew():
    assert await told(Bench(letters()), "/start", "x", "y", "/back", "z", "/back") == ("s1", "x")


async def test_data_that_the_result_names_are_stronger():
    assert await told(Bench(letters()), "/start", "x", "y", "/with") == ("s1", "given")


async def test_by_default_the_data_are_kept_and_none_are_stored():
    bench = Bench(letters(back="keep"))
    assert await told(bench, "/start", "x", "y", "/back") == ("s1", "xy")
    assert (await bench.row()).snapshots["f"].frames[0].left == ()


async def test_back_with_nothing_before_keeps_the_data():
    assert await told(Bench(letters()), "/start", "/mark", "/back") == ("s0", "!")


async def test_a_guard_that_leads_elsewhere_leaves_what_is_remembered_as_it_was():
    flow = letters()
    flow.guard("s2", to="s3")(lambda ctx: ("transition", "s3"))
    bench = Bench(flow)
    assert await told(bench, "/start", "x", "y") == ("s3", "xy")
    assert await told(bench, "/back") == ("s1", "x")


async def test_no_more_is_remembered_than_the_history_has():
    bench = Bench(letters())
    await told(bench, "/start", *"abcdefghijklmnopqrstuvwxyz")
    frame = (await bench.row()).snapshots["f"].frames[0]
    assert (len(frame.history), len(frame.left)) == (MAX_HISTORY, MAX_HISTORY)
    assert await told(bench, *["/back"] * 99) == ("s2", "abcdefghij")


async def test_large_data_are_forgotten_the_oldest_first_and_kept_when_going_back_there():
    large = "x" * (MAX_LEFT // 3)
    bench = Bench(letters(5))
    await told(bench, "/start", large, "y", "z", "u")
    left = (await bench.row()).snapshots["f"].frames[0].left
    assert [json.decode(data)["said"][-1] for data in left] == ["y", "z"]
    assert await told(bench, "/two") == ("s2", large + "y")
    assert await told(bench, "/back") == ("s1", large + "y")


async def test_a_called_flow_and_its_caller_each_have_their_own():
    sub = letters(2)
    caller = Flow("caller", back="data")
    caller.state("first")
    caller.state("second", call=sub, call_data={"said": ""})
    returns(caller, None, on=Command("call"))(("transition", "first", {"at": "first"}))
    returns(caller, "first")(("transition", "second", {"at": "second"}))
    returns(caller, "second", on=Returned)(("end",))
    bench = Bench(caller)
    assert await told(bench, "/call", "go", "x", "/back") == ("s0", "")
    await bench.say("/back")
    assert await bench.engine.get_state("caller", KEY) == ("first", {"at": "first"})


class TestStored:
    """A row is read by another version of the flow."""

    async def deployed(self, old, new, *texts):
        clock = ManualClock(1000.0)
        store = MemoryStore(clock)
        await told(Bench(old, store=store, clock=clock), *texts)
        return Bench(new, store=store, clock=clock)

    async def test_rows_from_before_there_was_anything_to_remember_keep_the_data(self):
        bench = await self.deployed(letters(back="keep"), letters(), "/start", "x", "y")
        assert await told(bench, "z") == ("s3", "xyz")
        assert await told(bench, "/back") == ("s2", "xy")
        assert await told(bench, "/back") == ("s1", "xy")

    async def test_a_flow_that_keeps_again_forgets_what_was_remembered(self):
        bench = await self.deployed(letters(), letters(back="keep"), "/start", "x", "y")
        assert await told(bench, "/back") == ("s1", "xy")
        assert (await bench.row()).snapshots["f"].frames[0].left == ()

    async def test_what_is_remembered_is_migrated_with_the_data(self):
        new = letters(version=2)
        new.migrate(1)(lambda state, data: (state, {"said": f"{data['said']}@{state}"}))
        bench = await self.deployed(letters(), new, "/start", "x", "y")
        assert await told(bench, "/back") == ("s1", "x@s1")

    async def test_where_the_migration_cannot_bear_it_the_data_are_kept(self):
        new = letters(version=2)
        new.migrate(1)(lambda state, data: (state, {"said": {"x": "1", "xy": "2"}[data["said"]]}))
        bench = await self.deployed(letters(), new, "/start", "x", "y")
        assert await told(bench, "/two") == ("s0", "2")

    async def test_what_no_longer_fits_the_class_is_not_restored(self):
        @attrs.frozen
        class Loose:
            said: str | int = ""

        @attrs.frozen
        class Strict:
            said: int

        def flow(kind):
            made = Flow("f", data=kind, back="data")
            for name in ("s0", "s1", "s2"):
                made.state(name)
            returns(made, ANY, on=Command("back"))(("back",))
            returns(made, "s1")(("transition", "s2", kind(5)))
            if kind is Loose:
                returns(made, None)(("transition", "s0", Loose("text")))
                returns(made, "s0")(("transition", "s1", Loose(4)))
            return made

        clock = ManualClock(1000.0)
        store = MemoryStore(clock)
        old = Bench(flow(Loose), store=store, clock=clock)
        for _ in range(3):
            await old.say("x")
        new = Bench(flow(Strict), store=store, clock=clock)
        await new.say("/back")
        assert await new.engine.get_state("f", KEY) == ("s1", Strict(4))
        await new.say("/back")
        assert await new.engine.get_state("f", KEY) == ("s0", Strict(4))


def test_what_back_may_be_is_checked():
    with pytest.raises(DefinitionError, match='Write "keep" or "data"'):
        Flow("f", back="all")
