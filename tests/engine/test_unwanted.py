"""Events that no flow can want where no conversation runs: they take no turn, and none that is wanted is lost."""

import asyncio

import pytest
from chat_events import Command, Press, Said, Word, press, said
from memory_engine import KEY, OTHER, Bench, returns

from fsmkit import ANY, Flow, KeyBy
from fsmkit.flow.events import ChatEvent, Pressed
from fsmkit.flow.messages import Answer
from fsmkit.stores.memory import MemoryStore


class Watched(MemoryStore):
    """Notes the leases that were asked for."""

    def __init__(self):
        super().__init__()
        self.leases = []

    def lease(self, key, **options):
        lease = super().lease(key, **options)
        self.leases.append(lease)
        return lease

    async def snapshot(self, key):
        seen = await super().snapshot(key)
        self.leases.append(seen)
        return seen


def form(entry=None, **options):
    """Begins with a command, asks for texts."""
    flow = Flow("form", ttl=60, **options)
    flow.state("name", prompt="Your name?", buttons=["skip"])
    flow.texts(stale="Too old.")
    returns(flow, None, on=Command("start") if entry is None else entry)(("transition", "name"))
    returns(flow, "name", on=Word("stay"))(("stay",))
    returns(flow, "name", on=Word("bye"))(("end",))
    returns(flow, "name", on=Press())(("end",))
    returns(flow, ANY, on=Command("cancel"))(("end",))
    return flow


def watched(*flows, **options):
    return Bench(*(flows or (form(),)), store=Watched(), **options)


async def took_turn(bench, event):
    """What became of an event, and whether it took a turn."""
    outcome = await bench.engine.send(KEY, event)
    return outcome.kind, not bench.store.leases[-1].idle


async def test_what_no_entry_wants_takes_no_turn_where_nothing_runs():
    bench = watched()
    assert await took_turn(bench, said("hello")) == ("passed", False)
    assert await took_turn(bench, Said("x", kind="photo")) == ("passed", False)
    assert await bench.stored() is None


async def test_what_an_entry_may_want_takes_its_turn():
    bench = watched()
    assert await took_turn(bench, said("/help")) == ("passed", True)
    assert await took_turn(bench, said("/start")) == ("handled", True)


async def test_a_conversation_that_runs_gets_everything():
    bench = watched()
    await bench.say("/start")
    assert await took_turn(bench, said("stay")) == ("handled", True)
    assert await took_turn(bench, said("unknown")) == ("passed", True)
    assert await took_turn(bench, said("/cancel")) == ("handled", True)


async def test_after_the_end_the_row_that_remembers_ids_wants_nothing():
    bench = watched()
    await bench.say("/start", id=1)
    await bench.say("bye", id=2)
    assert await bench.stored() is not None
    assert await took_turn(bench, said("hello")) == ("passed", False)


async def test_what_comes_again_after_the_end_is_still_a_duplicate():
    bench = watched()
    await bench.say("/start", id=1)
    await bench.say("bye", id=2)
    assert (await bench.say("bye", id=2)).kind == "duplicate"
    assert bench.store.leases[-1].idle


async def test_an_event_waits_for_the_step_that_may_begin_its_conversation():
    flow, go = Flow("slow", ttl=60), asyncio.Event()

    @flow.defstate(None, on=Command("start"))
    async def start(event, ctx):
        await go.wait()
        return ("transition", "asked")

    returns(flow, "asked", on=Word("Ann"))(("end",))
    bench = watched(flow)
    started = asyncio.create_task(bench.say("/start"))
    answered = asyncio.create_task(bench.say("Ann"))
    await asyncio.sleep(0)
    go.set()
    assert [(await started).kind, (await answered).kind] == ["handled", "handled"]
    assert (await bench.row()).snapshots == {}


async def test_a_press_of_a_conversation_that_is_over_is_told_so():
    bench = watched()
    await bench.say("/start")
    bound = bench.sent[-1].bound
    await bench.say("bye")
    old = press("skip", 101, Pressed(bound.flow, bound.run, bound.entry, value="skip"))
    outcome = await bench.engine.send(KEY, old)
    assert (outcome.kind, outcome.effects) == ("handled", [Answer("Too old.")])


@pytest.mark.parametrize(
    "entry",
    [lambda event: False, ChatEvent, ~Command("x"), Word("x") | (lambda event: False)],
    ids=["function", "class", "not", "one of two"],
)
async def test_entries_that_do_not_say_what_they_want_are_asked_each_time(entry):
    assert (await took_turn(watched(form(entry)), Said("photo", kind="photo")))[1]


async def test_kinds_of_all_flows_and_handlers_count():
    first, second = form(), Flow("second", ttl=None)
    returns(second, None, on=Word("a") & Word("b"))(("end",))
    returns(second, None, on=Press())(("transition", "x"))
    returns(second, "x", on=Command("x"))(("end",))
    bench = watched(first, second)
    for event, wanted in ((said("c"), True), (press("c", 1), True), (Said("c", kind="photo"), False)):
        bench = watched(first, second)
        assert (await took_turn(bench, event))[1] is wanted


async def test_entries_of_flows_that_are_only_called_do_not_count():
    called, caller = Flow("called", ttl=None), form()
    returns(called, None, on=Word("hello"))(("transition", "x"))
    returns(called, "x", on=Word("x"))(("end",))
    returns(caller, "name", on=Word("call"))(("call", called))
    bench = watched(caller)
    assert await took_turn(bench, said("hello")) == ("passed", False)


async def test_events_from_outside_take_their_turn():
    bench = watched()
    assert await took_turn(bench, "not a chat's") == ("passed", True)
    assert await bench.engine.at("form", OTHER).get_state() is None


async def test_a_flow_that_nothing_can_enter_is_still_reached_where_it_was_set_by_hand():
    flow = Flow("form", ttl=60)
    returns(flow, "name", on=Word("Ann"))(("end",))
    bench = watched(flow)
    assert await took_turn(bench, said("Ann")) == ("passed", False)
    await bench.engine.set_state("form", KEY, "name")
    assert await took_turn(bench, said("Ann")) == ("handled", True)


async def test_a_deadline_that_is_overdue_fires_at_a_message_that_only_the_conversation_wants():
    bench = watched()
    await bench.say("/start")
    bench.clock.advance(61)
    assert (await bench.say("stay")).kind == "passed"
    assert (await bench.row()).snapshots == {}


async def test_of_several_keys_each_is_asked_for_its_own_flows():
    by_user, by_chat = form(), Flow("chat", ttl=60, key=KeyBy.CHAT)
    returns(by_chat, None, on=Word("all"))(("transition", "x"))
    returns(by_chat, "x", on=Press())(("end",))
    bench = watched(by_user, by_chat)
    tables = bench.engine.flows.tables
    keys = [(KEY, [tables["form"]]), (OTHER, [tables["chat"]])]
    assert (await bench.engine.receive(said("all"), keys, "1", None)).kind == "handled"
    assert [(lease.key, lease.idle) for lease in bench.store.leases] == [(KEY, True), (OTHER, False)]
    bench.store.leases.clear()
    assert (await bench.engine.receive(said("all"), keys, "1", None)).kind == "duplicate"
    assert (await bench.engine.receive(Said("x", kind="photo"), keys, "2", None)).kind == "passed"
    assert [lease.idle for lease in bench.store.leases] == [True, False, False]


async def test_without_turns_nothing_is_different():
    bench = watched(isolation="optimistic")
    assert (await bench.say("hello")).kind == "passed"
    assert not bench.store.leases[-1].idle
    assert (await bench.say("/start")).kind == "handled"
    assert (await bench.say("bye")).kind == "handled"
