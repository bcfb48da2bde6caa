"""Delivery: after the commit, outside of the lease, in order, each effect once; and what goes wrong with it."""

import asyncio

from chat_events import said
from memory_engine import KEY, OTHER, Bench, returns
from sample_flows import Post, in_talking, settle, talking, waiting

from fsmkit import Flow, RetryLater


async def test_effects_are_carried_out_in_the_order_in_which_they_were_asked_for():
    post = Post()
    bench = await in_talking(talking("one", "two", "three"), post)
    outcome = await bench.say("go")
    assert post.sent == ["one", "two", "three"]
    assert [effect.text for effect in outcome.effects] == ["one", "two", "three"]


async def test_they_are_carried_out_after_the_commit_and_outside_of_the_lease():
    flow, seen = Flow("f"), []
    flow.state("b", prompt="at b")
    flow.state("a")
    returns(flow, "a")(("transition", "b"))
    post = Post()
    bench = await in_talking(flow, post)
    post.checks.append(
        lambda key, effect: seen.append((b'"b"' in bench.store.table.records[key].row, bench.store.turns))
    )
    await bench.say("x")
    assert seen == [(True, {})]


async def test_a_sync_deliver_will_do():
    sent = []
    bench = await in_talking(talking("one"), lambda key, effect: sent.append((key, effect.text)))
    await bench.say("go")
    assert sent == [(KEY, "one")]


async def test_without_deliver_effects_stay_in_the_outcome():
    flow = talking("one")
    bench = Bench(flow)
    engine = type(bench.engine)(flow, store=bench.store, clock=bench.clock)
    await engine.set_state(flow, KEY, "a")
    outcome = await engine.send(KEY, said("go"))
    assert [effect.text for effect in outcome.effects] == ["one"]
    assert list(waiting(bench)) == []


async def test_what_concurrent_events_ask_for_comes_in_their_order_and_each_once():
    post = Post()
    bench = await in_talking(talking(), post)
    await asyncio.gather(*(bench.say(f"{number}") for number in range(20)))
    await settle()
    assert post.sent == [f"{number}" for number in range(20)]


async def test_one_worker_at_a_time_delivers_a_key():
    running, most = 0, 0

    async def post(key, effect):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    bench = await in_talking(talking("one", "two"), post)
    await asyncio.gather(*(bench.say("go") for _ in range(10)))
    await settle()
    assert (most, list(waiting(bench))) == (1, [])


async def test_a_slow_chat_does_not_hold_up_another():
    gate, sent = asyncio.Event(), []

    async def post(key, effect):
        if key == KEY:
            await gate.wait()
        sent.append(key)

    bench = await in_talking(talking("one"), post, KEY, OTHER)
    slow = asyncio.create_task(bench.say("go"))
    await settle()
    await bench.say("go", OTHER)
    assert sent == [OTHER]
    gate.set()
    await slow


async def test_a_slow_chat_holds_up_its_messages_only_never_its_state():
    gate = asyncio.Event()
    bench = await in_talking(talking("one"), lambda key, effect: gate.wait())
    slow = asyncio.create_task(bench.say("go"))
    await settle()
    assert (await bench.say("more")).kind == "handled"
    assert len(waiting(bench)) == 2
    gate.set()
    await slow
    assert len(waiting(bench)) == 0


async def test_an_outbox_that_the_store_gives_up_on_is_told_of_and_goes_on_with_the_next_commit(
    monkeypatch, caplog
):
    waits = [True]

    async def deliver(key, effect):
        if waits:
            waits.pop()
            raise RetryLater(10)

    async def away(*_args):
        raise OSError("the store is away")

    flow = Flow("f")
    flow.state("on", prompt="Hello.")
    returns(flow, None)(("transition", "on"))
    bench = Bench(flow, deliver=deliver)
    await bench.say("go")
    monkeypatch.setattr(bench.store, "acknowledge", away)
    await settle()
    bench.clock.advance(10)
    await settle()
    assert f"the outbox of {KEY} stopped; it goes on with the next commit or restart" in caplog.text
    await bench.engine.stop()
