"""Deliveries that have to wait, are refused, or are given up."""

import asyncio
import logging

import pytest
from memory_engine import KEY, Bench
from sample_flows import Post, in_talking, settle, talking, waiting

from fsmkit import Button, DeliveryFailed, Engine, Flow, Reply, RetryLater, Unreachable, UnstorableData
from fsmkit.flow.messages import Address
from fsmkit.interpreter.codec import encode_entry
from fsmkit.interpreter.row import Bound, Pending, Send
from fsmkit.stores import Change
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock


async def test_what_must_wait_is_tried_again_in_its_order():
    post = Post(two=[RetryLater(30), RetryLater(10)])
    bench = await in_talking(talking("one", "two", "three"), post)
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
    bench = await in_talking(talking("one", "two", "three"), post)
    with caplog.at_level(logging.WARNING, "fsmkit"):
        assert (await bench.say("go")).kind == "handled"
    assert post.sent == ["one", "three"]
    assert "Bad Request: no" in caplog.text


async def test_a_conversation_is_told_of_an_effect_that_was_refused():
    told = []
    post = Post(two=[ValueError("Bad Request: no")])
    bench = await in_talking(
        talking("two", on_failed=lambda event, ctx: told.append((event, ctx.state))), post
    )
    await bench.say("go")
    ((event, state),) = told
    assert (event.effect.text, event.error, state) == ("two", "ValueError: Bad Request: no", "a")
    assert isinstance(event.effect, Send)


async def test_what_a_conversation_says_to_a_refusal_comes_after_what_waits_already():
    post = Post(two=[ValueError("no")])
    flow = talking("one", "two", "three", on_failed=lambda event, ctx: ctx.reply("sorry"))
    bench = await in_talking(flow, post)
    await bench.say("go")
    assert post.sent == ["one", "three", "sorry"]


async def test_refusals_of_what_is_said_to_refusals_come_to_an_end():
    class Never(Post):
        async def __call__(self, key, effect):
            self.tried.append(effect.text)
            raise ValueError("never")

    post = Never()
    bench = await in_talking(talking("one", on_failed=lambda event, ctx: ctx.reply("sorry")), post)
    await bench.say("go")
    assert post.tried == ["one", "sorry", "sorry", "sorry"]
    assert list(waiting(bench)) == []


async def test_what_the_handler_of_a_refusal_raises_is_reported():
    post = Post(one=[ValueError("no")])
    bench = await in_talking(talking("one", "two", on_failed=lambda event, ctx: 1 / 0), post)
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
    bench = await in_talking(flow, post)
    await bench.say("go")
    assert left == ["a"]
    assert await bench.engine.get_state(flow, KEY) == (None, None)
    assert post.tried == ["one"]


async def test_one_who_gives_up_waiting_does_not_lose_the_messages():
    gate, sent = asyncio.Event(), []

    async def post(key, effect):
        await gate.wait()
        sent.append(effect.text)

    bench = await in_talking(talking("one", "two"), post)
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
    bench = await in_talking(flow, post)
    bench.clock.advance(60)
    with pytest.raises(ZeroDivisionError):
        await bench.say("x")
    assert post.sent == ["Too late."]


async def test_the_end_of_the_engine_waits_for_what_is_on_its_way():
    post = Post(one=[RetryLater(0)])
    bench = await in_talking(talking("one"), post)
    async with bench.engine:
        await bench.say("go")
    assert post.sent == ["one"]


async def test_effects_are_numbered_so_that_no_number_is_used_twice():
    numbers = []
    bench = await in_talking(talking("one", "two"), lambda key, effect: numbers.append(waiting(bench)[0][:3]))
    await bench.say("go")
    await bench.say("go")
    assert numbers == [b"[1,", b"[2,", b"[3,", b"[4,"]


async def test_an_engine_that_delivers_nothing_leaves_the_messages_to_one_that_does():
    flow = Flow("f")
    flow.state("a")
    store = MemoryStore(ManualClock())
    pending = encode_entry(Pending(1, Send(Reply("hello"), Address(1), Bound("f", 0, 0))))
    async with store.lease(KEY) as lease:
        await lease.commit(Change(None, outbox=(pending,)))
    store.table.records[KEY].delivering = False  # its process died
    await Engine(flow, store=store).set_state(flow, KEY, "a")
    assert list(store.table.records[KEY].outbox) == [pending]


async def test_a_long_button_value_outside_of_a_conversation_is_told_at_once():
    flow = Flow("f")
    flow.defstate(None)(lambda event, ctx: ctx.reply("Choose", buttons=[Button("A", "a" * 40)]))
    bench = Bench(flow)
    with pytest.raises(UnstorableData, match=r"f: Button\('A'\)\.value: takes 40 bytes; outside"):
        await bench.say("go")
    assert await bench.stored() is None
