"""Events that come again: recognised by their ids, for as long as they may come again."""

from datetime import timedelta

import pytest
from chat_events import Word, said
from memory_engine import KEY, OTHER, Bench, returns

from fsmkit import Flow, KeyBy
from fsmkit.interpreter.settle import SEEN, SPARE
from fsmkit.keys import event_id_of
from fsmkit.stores.memory import MemoryStore


def counting(**options):
    flow = Flow("f", ttl=None, **options)
    flow.defstate(None, on=Word("start"))(lambda event, ctx: ("transition", "a", {"n": 0}))
    flow.defstate("a", on=Word("more"))(lambda event, ctx: ("stay", {"n": ctx.data["n"] + 1}))
    returns(flow, "a", on=Word("end"))(("end",))
    return flow


async def started(**options):
    bench = Bench(counting(), **options)
    await bench.say("start")
    return bench


async def count(bench):
    return (await bench.engine.get_state("f", KEY))[1]["n"]


async def test_an_event_that_comes_again_is_a_duplicate_and_changes_nothing():
    bench = await started()
    assert (await bench.say("more", id=("tg", 5))).kind == "handled"
    before = await bench.stored()
    outcome = await bench.say("more", id=("tg", 5))
    assert (outcome.kind, outcome.flow, outcome.state, outcome.data) == ("duplicate", None, None, None)
    assert await bench.stored() == before
    assert await count(bench) == 1


async def test_events_without_an_id_are_never_duplicates():
    bench = await started()
    await bench.say("more")
    await bench.say("more")
    assert await count(bench) == 2


async def test_ids_are_compared_for_equality_only():
    bench = await started()
    for number in (100, 5, 7000, 1):
        await bench.say("more", id=("tg", number))
    assert await count(bench) == 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (1, "1"),
        (("tg", 1), ("mail", 1)),
        (("tg", 1), 1),
        (("tg", 1), ("tg", "1")),
        (("a", "b:c"), ("a:b", "c")),
        ("a b", "a"),
        ("b c", "c"),
        ("a :~b c", "b"),
        ("a", "a "),
    ],
)
async def test_ids_of_different_sources_and_types_never_meet(first, second):
    bench = await started()
    await bench.say("more", id=first)
    assert (await bench.say("more", id=second)).kind == "handled"
    assert (await bench.say("more", id=first)).kind == "duplicate"
    assert event_id_of(first) != event_id_of(second)


async def test_ids_of_one_key_mean_nothing_to_another():
    bench = await started()
    await bench.say("start", OTHER, id=1)
    assert (await bench.say("more", id=1)).kind == "handled"


async def test_an_event_that_was_passed_is_offered_again_when_it_comes_again():
    bench = await started()
    assert [(await bench.say("unknown", id=1)).kind for _ in range(2)] == ["passed", "passed"]


async def test_a_row_remembers_the_last_ids_and_no_more():
    bench = await started()
    for number in range(100):
        await bench.say("more", id=number)
    kinds = [(await bench.say("nothing", id=number)).kind for number in range(100)]
    assert kinds[: -SEEN - SPARE] == ["passed"] * (100 - SEEN - SPARE)
    assert kinds[-SEEN:] == ["duplicate"] * SEEN


async def test_ids_of_any_length_are_remembered_and_no_more():
    bench = await started()
    for number in range(200):
        await bench.say("more", id="x" * (number % 40) + str(number))
        assert len((await bench.row()).seen.split()) <= 2 * (SEEN + SPARE)
    kinds = [(await bench.say("more", id="x" * (n % 40) + str(n))).kind for n in range(200 - SEEN, 200)]
    assert kinds == ["duplicate"] * SEEN


async def test_ids_outlive_the_end_of_the_conversation():
    bench = await started(dedupe_for=60)
    await bench.say("end", id=1)
    bench.clock.advance(59)
    await bench.engine.sweep()
    assert (await bench.say("start", id=1)).kind == "duplicate"


async def test_ids_are_forgotten_when_they_are_no_longer_needed():
    bench = await started(dedupe_for=timedelta(minutes=1))
    await bench.say("end", id=1)
    assert await bench.stored() is not None
    bench.clock.advance(60)
    assert await bench.engine.sweep() == 1
    assert await bench.stored() is None
    assert await bench.engine.sweep() == 0


async def test_in_memory_ids_are_remembered_for_ten_minutes():
    bench = await started()
    await bench.say("end", id=1)
    bench.clock.advance(599)
    await bench.engine.sweep()
    assert await bench.stored() is not None
    bench.clock.advance(1)
    await bench.engine.sweep()
    assert await bench.stored() is None


async def test_in_durable_stores_ids_are_remembered_for_a_day_and_an_hour():
    class Durable(MemoryStore):
        durable = True

    clock = Bench(Flow("clock")).clock
    bench = Bench(counting(), store=Durable(clock), clock=clock)
    await bench.say("start")
    await bench.say("end", id=1)
    assert (await bench.row()).keep == clock.now() + 25 * 3600


async def test_without_deduplication_nothing_is_left_after_the_end():
    bench = await started(dedupe_for=0)
    await bench.say("end", id=1)
    assert await bench.stored() is None


async def test_a_new_conversation_keeps_the_ids_of_the_last():
    bench = await started()
    await bench.say("end", id=1)
    await bench.say("start", id=2)
    assert (await bench.say("more", id=1)).kind == "duplicate"


async def test_an_id_that_any_of_several_keys_knows_is_a_duplicate_for_all():
    mine, ours = counting(), Flow("ours", key=KeyBy.CHAT)
    returns(ours, None, on=Word("ours"))(("transition", "o"))
    ours.state("o")
    bench = Bench(mine, ours)
    tables = bench.engine.flows.tables
    keys = [(KEY, [tables["f"]]), (OTHER, [tables["ours"]])]
    assert (await bench.engine.receive(said("ours"), keys, "tg:1", None)).flow == "ours"
    before = await bench.stored()
    assert (await bench.engine.receive(said("start"), keys, "tg:1", None)).kind == "duplicate"
    assert await bench.stored() == before
