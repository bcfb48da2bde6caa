"""Deliveries that take long: other processes leave them alone as long as there are signs of life."""

import asyncio

import pytest
from bench import KEY, OTHER, Bench
from chat_events import said
from samples import settle, talking

from fsmkit import Engine, RetryLater, StoreUnavailable
from fsmkit.stores import CLAIM_SECONDS
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock


class Held(MemoryStore):
    """Notes for whose outbox there was a sign of life."""

    durable = True
    away = False

    def __init__(self):
        super().__init__()
        self.held = []

    async def extend_claim(self, key, seconds):
        self.held.append((key, seconds))
        if self.away:
            raise StoreUnavailable("nobody answers")


class Slow:
    """A `deliver` that takes as long as the test likes."""

    def __init__(self):
        self.tried, self.began, self.go = [], asyncio.Event(), asyncio.Event()

    async def __call__(self, key, effect):
        self.tried.append((key, effect.text))
        self.began.set()
        await self.go.wait()


async def slow_bench(store=None, *keys):
    slow = Slow()
    bench = Bench(talking("one"), deliver=slow, store=store or Held())
    for key in keys or (KEY,):
        await bench.engine.set_state("f", key, "a")
    return bench, slow


async def passes(clock, seconds):
    """Time passes a second at a time, and everybody does what there is to do."""
    for _ in range(seconds):
        clock.advance(1)
        await settle()


async def test_a_delivery_that_takes_long_shows_signs_of_life_until_it_is_over():
    bench, slow = await slow_bench()
    step = asyncio.create_task(bench.say("go"))
    await settle()
    await passes(bench.clock, 100)
    assert bench.store.held == [(KEY, 0.0)] * 10
    slow.go.set()
    await step
    await passes(bench.clock, 100)
    assert len(bench.store.held) == 10


async def test_between_two_signs_of_life_a_claim_never_ends():
    bench, slow = await slow_bench()
    early = asyncio.create_task(bench.say("go", KEY))
    await settle()
    await bench.engine.set_state("f", OTHER, "a")
    await passes(bench.clock, 1)  # the watch began with the other one's delivery
    late = asyncio.create_task(bench.say("go", OTHER))
    await settle()
    await passes(bench.clock, int(CLAIM_SECONDS) - 1)
    assert [key for key, _ in bench.store.held].count(OTHER) >= 1
    slow.go.set()
    await asyncio.gather(early, late)


async def test_ordinary_deliveries_cost_no_command():
    bench, slow = await slow_bench()
    slow.go.set()
    for _ in range(100):
        await bench.say("go")
        await passes(bench.clock, 1)
    assert (len(slow.tried), bench.store.held) == (100, [])


async def test_a_store_that_is_away_meanwhile_does_not_end_the_watch():
    bench, slow = await slow_bench()
    step = asyncio.create_task(bench.say("go"))
    await settle()
    bench.store.away = True
    await passes(bench.clock, 10)
    bench.store.away = False
    await passes(bench.clock, 10)
    assert len(bench.store.held) == 2
    slow.go.set()
    await step


async def test_where_claims_end_with_the_process_nothing_watches():
    bench, slow = await slow_bench(MemoryStore())
    step = asyncio.create_task(bench.say("go"))
    await settle()
    assert [task.get_name() for task in asyncio.all_tasks()].count("fsmkit vigil") == 0
    slow.go.set()
    await step


async def test_stopping_the_engine_ends_the_watch():
    bench, slow = await slow_bench()
    slow.go.set()
    await bench.say("go")
    await bench.engine.stop()
    assert [task.get_name() for task in asyncio.all_tasks()].count("fsmkit vigil") == 0


@pytest.mark.parametrize("alive", [True, False], ids=["alive", "dead"])
async def test_another_process_takes_over_from_the_dead_only(tmp_path, alive):
    clock = ManualClock(1000.0)
    stores = [SQLiteStore(tmp_path / "bot.db", clock=clock) for _ in range(2)]
    slow, sent = Slow(), []
    one = Engine(talking("one"), store=stores[0], clock=clock, deliver=slow)
    two = Engine(talking("one"), store=stores[1], clock=clock, deliver=lambda key, effect: sent.append(key))
    await one.set_state("f", KEY, "a")
    step = asyncio.create_task(one.send(KEY, said("go")))
    await slow.began.wait()
    if not alive:
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)
        await one.stop(0)
    for _ in range(10):
        clock.advance(10)
        await stores[0].peek(KEY)  # its thread has done by then what was asked of it before
        await settle()
        await two.sweep()
    assert sent == ([] if alive else [KEY])
    slow.go.set()
    await asyncio.gather(step, return_exceptions=True)
    for store in stores:
        await store.close()


async def test_an_ordinary_stop_waits_for_the_request_on_its_way_and_begins_no_other(tmp_path):
    clock, sent = ManualClock(1000.0), []
    stores = [SQLiteStore(tmp_path / "bot.db", clock=clock) for _ in range(2)]
    slow = Slow()
    one = Engine(talking("one", "two"), store=stores[0], clock=clock, deliver=slow)
    two = Engine(
        talking("one", "two"),
        store=stores[1],
        clock=clock,
        deliver=lambda key, effect: sent.append(effect.text),
    )
    await one.set_state("f", KEY, "a")
    step = asyncio.create_task(one.send(KEY, said("go")))
    await slow.began.wait()
    step.cancel()
    stopping = asyncio.create_task(one.stop())
    await settle()
    assert not stopping.done()
    slow.go.set()
    await stopping
    await two.sweep()  # at once: the one that has stopped has given up its claim
    assert (slow.tried, sent) == ([(KEY, "one")], ["two"])
    assert await stores[1].outbox(KEY) == []
    await asyncio.gather(step, return_exceptions=True)
    for store in stores:
        await store.close()


async def test_a_request_that_outlasts_the_time_for_stopping_is_left_to_the_next_process():
    bench, slow = await slow_bench()
    step = asyncio.create_task(bench.say("go"))
    await slow.began.wait()
    step.cancel()
    await bench.engine.stop(0)
    assert (slow.tried, len(await bench.store.outbox(KEY))) == ([(KEY, "one")], 1)
    await asyncio.gather(step, return_exceptions=True)


async def test_a_chat_that_has_to_wait_does_not_hold_up_the_stop():
    sent = []

    def deliver(key, effect):
        sent.append(effect.text)
        raise RetryLater(1000)

    bench = Bench(talking("one"), deliver=deliver, store=Held())
    await bench.engine.set_state("f", KEY, "a")
    await bench.say("go")
    await asyncio.wait_for(bench.engine.stop(600), 5)
    assert (sent, len(await bench.store.outbox(KEY))) == (["one"], 1)
