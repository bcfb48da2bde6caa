"""Conversations that no longer fit, and those of flows that are not known here."""

import logging

import attrs
import pytest
from chat_events import HERE, Word, said
from memory_engine import KEY, OTHER, Bench, returns
from sample_flows import later, simple, stored_by

from fsmkit import ANY, Flow, OrphanedConversation, StoreCorrupt
from fsmkit.flow.messages import Address
from fsmkit.stores import Change

# -- conversations that no longer fit --------------------------------------------------------------


@attrs.frozen
class New:
    first: str


def broken_migration(**options):
    flow = simple("a", version=2, **options)
    flow.migrate(1)(lambda state, data: 1 / 0)
    return flow


MISFITS = {
    "the state is gone": lambda **options: simple("b", **options),
    "the data have another type": lambda **options: simple("a", data=New, **options),
    "the migration raises": broken_migration,
}


@pytest.mark.parametrize("misfit", MISFITS.values(), ids=MISFITS)
async def test_a_conversation_that_no_longer_fits_is_ended_and_the_person_is_told(misfit, caplog):
    first = await stored_by(simple("a"), data={"n": 1}, say=None)
    flow = misfit()
    flow.texts(lost="We lost track.")
    flow.defstate(ANY)(lambda event, ctx: None)
    bench = later(first, flow)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await bench.say("x")
    assert bench.texts == ["We lost track."]
    assert await bench.engine.get_state(flow, KEY) == (None, None)
    assert "the conversation of 10:7:-:-:- is ended" in caplog.text


async def test_the_person_is_told_in_their_language():
    old = simple("a")
    old.defstate("a")(lambda event, ctx: None)
    first = await stored_by(old, say=said("x", address=Address(10, user=7, lang="de")))
    flow = simple("b")
    flow.texts(lost={"en": "Lost.", "de": "Verloren."})
    bench = later(first, flow)
    await bench.say("x")
    assert (bench.texts, bench.sent[0].to.chat) == (["Verloren."], HERE.chat)


async def test_after_a_conversation_was_lost_its_event_may_begin_another():
    first = await stored_by(simple("a"))
    flow = simple("b")
    returns(flow, None, on=Word("again"))(("transition", "b"))
    bench = later(first, flow)
    assert (await bench.say("again")).state == "b"


@pytest.mark.parametrize("misfit", MISFITS.values(), ids=MISFITS)
async def test_or_it_raises_and_is_left_alone(misfit):
    first = await stored_by(simple("a"), data={"n": 1})
    before = await first.stored()
    flow = misfit(on_orphan="raise")
    flow.defstate(ANY)(lambda event, ctx: None)
    bench = later(first, flow)
    with pytest.raises(OrphanedConversation) as caught:
        await bench.say("x")
    assert (caught.value.flow, caught.value.state) == ("f", "a")
    assert await bench.stored() == before


async def test_another_flow_of_the_key_lives_on():
    first = Bench(simple("a"), simple("g", name="g"))
    await first.engine.set_state("f", KEY, "a")
    await first.engine.set_state("g", KEY, "g", {"n": 1})
    bench = later(first, simple("b"), simple("g", name="g"))
    await bench.say("x")
    assert list((await bench.row()).snapshots) == ["g"]
    assert await bench.engine.get_state("g", KEY) == ("g", {"n": 1})


@pytest.mark.parametrize("bad", [simple("b", on_orphan="raise"), simple("a")], ids=["orphan", "newer"])
async def test_one_row_that_cannot_be_handled_does_not_keep_others_from_timing_out(bad):
    first = Bench(
        simple("a", version=1 if bad.on_orphan == "raise" else 2, ttl=60), simple("g", name="g", ttl=60)
    )
    await first.engine.set_state("f", KEY, "a")
    first.clock.advance(1)
    await first.engine.set_state("g", OTHER, "g")
    first.clock.advance(100)
    bench = later(first, bad, simple("g", name="g", ttl=60))
    await bench.engine.sweep()
    assert await bench.stored(KEY) is not None
    assert await bench.stored(OTHER) is None
    assert [key for key, _, _ in bench.errors] == [KEY]


# -- flows that are not known here -----------------------------------------------------------------


async def with_unknown(ttl=60):
    """A row in which a flow stands that the second bench does not know, beside one that it does."""
    first = Bench(simple("a", ttl=ttl), simple("u", name="unknown", ttl=ttl))
    await first.engine.set_state("unknown", KEY, "u", {"n": 1})
    await first.engine.set_state("f", KEY, "a")
    flow = simple("a", ttl=ttl)
    flow.defstate("a")(lambda event, ctx: ("end",))
    return first, later(first, flow)


async def unknown_of(bench):
    return (await bench.row()).snapshots.get("unknown")


async def test_a_flow_that_is_not_known_here_is_carried_through_untouched():
    first, bench = await with_unknown()
    before = await unknown_of(first)
    await bench.say("x")
    assert await unknown_of(bench) == before
    assert await first.engine.get_state("unknown", KEY) == ("u", {"n": 1})


async def test_its_timeouts_are_left_to_a_worker_that_knows_it():
    first, bench = await with_unknown()
    before = await unknown_of(first)
    bench.clock.advance(100)
    await bench.say("x")
    await bench.engine.sweep()
    assert await unknown_of(bench) == before
    await first.engine.sweep()
    assert await first.stored() is None


async def test_a_sub_flow_that_is_not_known_here_is_left_alone_while_its_caller_is():
    outer, inner = simple("a", ttl=60), simple("i", name="inner")
    returns(outer, "a")(("call", inner, {"n": 1}))
    first = Bench(outer, inner)
    await first.engine.set_state(outer, KEY, "a")
    await first.say("x")
    before = await first.stored()
    bench = later(first, simple("a", ttl=60))
    bench.clock.advance(100)
    assert (await bench.say("x")).kind == "passed"
    await bench.engine.sweep()
    assert (await bench.row()).snapshots == (await first.row()).snapshots
    assert (await first.engine.get_state(inner, KEY), before is not None) == (("i", {"n": 1}), True)


async def test_a_row_that_cannot_be_read_is_not_touched():
    bench = Bench(simple("a"))
    async with bench.store.lease(KEY) as lease:
        await lease.commit(Change(b"no row"))
    with pytest.raises(StoreCorrupt):
        await bench.say("x")
    assert await bench.stored() == b"no row"


async def test_data_that_a_migration_made_and_that_do_not_fit_are_no_conversation(caplog):
    first = await stored_by(simple("a"), data={"n": 1}, say=None)
    flow = simple("a", version=2, data=New)
    flow.migrate(1)(lambda state, data: (state, {"first": 5}))
    flow.texts(lost="We lost track.")
    bench = later(first, flow)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await bench.say("x")
    assert bench.texts == ["We lost track."]
    assert await bench.engine.get_state(flow, KEY) == (None, None)


# -- by hand ---------------------------------------------------------------------------------------

BY_HAND = {
    "engine.get_state": lambda engine: engine.get_state("f", KEY),
    "at.get_data": lambda engine: engine.at("f", KEY).get_data(),
    "at.get_value": lambda engine: engine.at("f", KEY).get_value("first"),
    "at.update_data": lambda engine: engine.at("f", KEY).update_data(first="Ann"),
    "at.update_data in another flow's handler": lambda engine: engine.send(KEY, 1, flow="beside"),
    "at.get_data in another flow's handler": lambda engine: engine.send(KEY, 2, flow="beside"),
    "at.get_value in another flow's handler": lambda engine: engine.send(KEY, 3, flow="beside"),
}


@pytest.mark.parametrize("on_orphan", ["end", "raise"])
@pytest.mark.parametrize("ask", BY_HAND.values(), ids=BY_HAND)
async def test_data_that_no_longer_fit_are_an_orphaned_conversation_by_hand_too(ask, on_orphan):
    first = await stored_by(simple("a"), data={"n": 1}, say=None)
    beside = Flow("beside")

    @beside.defstate(None, on=int)
    def handler(event, ctx):
        at = ctx.at("f")
        return {1: lambda: at.update_data(first="Ann"), 2: at.get_data, 3: lambda: at.get_value("first")}[
            event
        ]()

    bench = later(first, simple("a", data=New, on_orphan=on_orphan), beside)
    before = await bench.stored()
    with pytest.raises(OrphanedConversation, match=r"flow 'f' in state 'a' does not fit.*first"):
        await ask(bench.engine)
    assert await bench.stored() == before


async def test_what_does_not_fit_can_be_put_right_by_hand():
    first = await stored_by(simple("a"), data={"n": 1}, say=None)
    bench = later(first, simple("a", data=New))
    assert await bench.engine.at("f", KEY).get_state() == "a"
    await bench.engine.at("f", KEY).set_data(New("Ann"))
    assert await bench.engine.get_state("f", KEY) == ("a", New("Ann"))
