"""Delivery: after the commit, outside of the lease, in order, each effect once; and what goes wrong with it."""

import asyncio
import logging

import pytest
from bench import KEY, OTHER, Bench, returns
from chat_events import Word, said

from fsmkit.effects import Send
from fsmkit.errors import RetryLater, Unreachable
from fsmkit.events import DeliveryFailed
from fsmkit.flow import Flow


def talking(*texts, on_failed=None):
    """A flow that says `texts` to "go" and echoes what else is said to it."""
    flow = Flow("f", ttl=None)

    @flow.defstate("a", on=Word("go"))
    def go(event, ctx):
        for text in texts:
            ctx.reply(text)

    if on_failed is not None:
        flow.defstate("a", on=DeliveryFailed)(on_failed)
    flow.defstate("a")(lambda event, ctx: ctx.reply(event.text))
    return flow


class Post:
    """A `deliver` that can be told to fail: what it does with a text is the first of `plan[text]`."""

    def __init__(self, **plan):
        self.plan = plan
        self.tried = []
        self.sent = []
        self.checks = []

    async def __call__(self, key, effect):
        await asyncio.sleep(0)
        self.tried.append(effect.text)
        for check in self.checks:
            check(key, effect)
        todo = self.plan.get(effect.text)
        if todo:
            raise todo.pop(0)
        self.sent.append(effect.text)
        return len(self.sent)


async def in_a(flow, post, *keys):
    bench = Bench(flow, deliver=post)
    for key in keys or (KEY,):
        await bench.engine.set_state(flow, key, "a")
    return bench


async def settle():
    for _ in range(30):
        await asyncio.sleep(0)


def waiting(bench):
    return bench.store.table.records[KEY].outbox


async def test_effects_are_carried_out_in_the_order_in_which_they_were_asked_for():
    post = Post()
    bench = await in_a(talking("one", "two", "three"), post)
    outcome = await bench.say("go")
    assert post.sent == ["one", "two", "three"]
    assert [effect.text for effect in outcome.effects] == ["one", "two", "three"]


async def test_they_are_carried_out_after_the_commit_and_outside_of_the_lease():
    flow, seen = Flow("f"), []
    flow.state("b", prompt="at b")
    returns(flow, "a")(("transition", "b"))
    post = Post()
    bench = await in_a(flow, post)
    post.checks.append(
        lambda key, effect: seen.append((b'"b"' in bench.store.table.records[key].row, bench.store.turns))
    )
    await bench.say("x")
    assert seen == [(True, {})]


async def test_a_sync_deliver_will_do():
    sent = []
    bench = await in_a(talking("one"), lambda key, effect: sent.append((key, effect.text)))
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
    bench = await in_a(talking(), post)
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

    bench = await in_a(talking("one", "two"), post)
    await asyncio.gather(*(bench.say("go") for _ in range(10)))
    await settle()
    assert (most, list(waiting(bench))) == (1, [])


async def test_a_slow_chat_does_not_hold_up_another():
    gate, sent = asyncio.Event(), []

    async def post(key, effect):
        if key == KEY:
            await gate.wait()
        sent.append(key)

    bench = await in_a(talking("one"), post, KEY, OTHER)
    slow = asyncio.create_task(bench.say("go"))
    await settle()
    await bench.say("go", OTHER)
    assert sent == [OTHER]
    gate.set()
    await slow


async def test_a_slow_chat_holds_up_its_messages_only_never_its_state():
    gate = asyncio.Event()
    bench = await in_a(talking("one"), lambda key, effect: gate.wait())
    slow = asyncio.create_task(bench.say("go"))
    await settle()
    assert (await bench.say("more")).kind == "handled"
    assert len(waiting(bench)) == 2
    gate.set()
    await slow
    assert len(waiting(bench)) == 0


async def test_what_must_wait_is_tried_again_in_its_order():
    post = Post(two=[RetryLater(30), RetryLater(10)])
    bench = await in_a(talking("one", "two", "three"), post)
    assert (await bench.say("go")).kind == "handled"
    assert post.sent == ["one"]
    assert (await bench.say("four")).kind == "handled"
    await settle()
    bench.clock.advance(29)
    await settle()
    assert post.tried == ["one", "two"]
    bench.clock.advance(1)
    await settle()
    assert post.tried == ["one", "two", "two"]
    bench.clock.advance(10)
    await settle()
    assert post.sent == ["one", "two", "three", "four"]


async def test_a_refused_effect_does_not_lose_the_others(caplog):
    post = Post(two=[ValueError("Bad Request: no")])
    bench = await in_a(talking("one", "two", "three"), post)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        assert (await bench.say("go")).kind == "handled"
    assert post.sent == ["one", "three"]
    assert "Bad Request: no" in caplog.text


async def test_a_conversation_is_told_of_an_effect_that_was_refused():
    told = []
    post = Post(two=[ValueError("Bad Request: no")])
    bench = await in_a(talking("two", on_failed=lambda event, ctx: told.append((event, ctx.state))), post)
    await bench.say("go")
    ((event, state),) = told
    assert (event.effect.text, event.error, state) == ("two", "ValueError: Bad Request: no", "a")
    assert isinstance(event.effect, Send)


async def test_what_a_conversation_says_to_a_refusal_comes_after_what_waits_already():
    post = Post(two=[ValueError("no")])
    flow = talking("one", "two", "three", on_failed=lambda event, ctx: ctx.reply("sorry"))
    bench = await in_a(flow, post)
    await bench.say("go")
    assert post.sent == ["one", "three", "sorry"]


async def test_refusals_of_what_is_said_to_refusals_come_to_an_end():
    class Never(Post):
        async def __call__(self, key, effect):
            self.tried.append(effect.text)
            raise ValueError("never")

    post = Never()
    bench = await in_a(talking("one", on_failed=lambda event, ctx: ctx.reply("sorry")), post)
    await bench.say("go")
    assert post.tried == ["one", "sorry", "sorry", "sorry"]
    assert list(waiting(bench)) == []


async def test_what_the_handler_of_a_refusal_raises_is_reported():
    post = Post(one=[ValueError("no")])
    bench = await in_a(talking("one", "two", on_failed=lambda event, ctx: 1 / 0), post)
    await bench.say("go")
    assert post.sent == ["two"]
    assert [(type(event), type(error)) for _, event, error in bench.errors] == [
        (DeliveryFailed, ZeroDivisionError)
    ]


async def test_where_nobody_is_there_any_more_the_conversation_ends_and_on_exit_runs():
    left = []
    flow = talking("one")
    flow.on_exit()(lambda ctx: left.append(ctx.state) or ctx.reply("bye"))
    post = Post(one=[Unreachable("Forbidden: bot was blocked by the user")])
    bench = await in_a(flow, post)
    await bench.say("go")
    assert left == ["a"]
    assert await bench.engine.get_state(flow, KEY) == (None, None)
    assert post.tried == ["one"]


async def test_one_who_gives_up_waiting_does_not_lose_the_messages():
    gate, sent = asyncio.Event(), []

    async def post(key, effect):
        await gate.wait()
        sent.append(effect.text)

    bench = await in_a(talking("one", "two"), post)
    task = asyncio.create_task(bench.say("go"))
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await settle()
    assert sent == ["one", "two"]


async def test_what_a_timeout_said_goes_out_even_if_the_event_after_it_fails():
    flow, post = Flow("f", ttl=60), Post()
    flow.texts(expired="Too late.")
    flow.state("a")
    flow.defstate(None)(lambda event, ctx: 1 / 0)
    bench = await in_a(flow, post)
    bench.clock.advance(60)
    with pytest.raises(ZeroDivisionError):
        await bench.say("x")
    assert post.sent == ["Too late."]


async def test_the_end_of_the_engine_waits_for_what_is_on_its_way():
    post = Post(one=[RetryLater(0)])
    bench = await in_a(talking("one"), post)
    async with bench.engine:
        await bench.say("go")
    assert post.sent == ["one"]


async def test_effects_are_numbered_so_that_no_number_is_used_twice():
    numbers = []
    bench = await in_a(talking("one", "two"), lambda key, effect: numbers.append(waiting(bench)[0][:3]))
    await bench.say("go")
    await bench.say("go")
    assert numbers == [b"[1,", b"[2,", b"[3,", b"[4,"]
