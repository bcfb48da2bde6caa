"""Conversations that send one another events: long chains, circles without an end, and who is served meanwhile."""

import asyncio

import attrs
import pytest
from chat_events import Word, said
from memory_engine import KEY, Bench

from fsmkit import ANY, Crashed, EventStorm, Flow, Key
from fsmkit.engine.outbox import MAX_BESIDE
from fsmkit.interpreter.codec import decode_entry
from fsmkit.interpreter.hops import MAX_HOPS

LONG = 1500
"""More than Python's limit for calls within one another."""


@attrs.frozen
class Ball:
    number: int


def chain(last=LONG):
    """Hand a ball on from chat to chat, up to a last one."""
    flow = Flow("chain")

    @flow.defstate(None, ANY, on=Ball)
    def take(event, ctx):
        ctx.reply(f"{event.number}")
        if event.number < last:
            ctx.send(Key(event.number + 1, event.number + 1), Ball(event.number + 1))

    return flow


def ping_pong(after=None):
    """Two flows that send each other a ball, for ever."""
    ping, pong = Flow("ping", data=dict), Flow("pong", data=dict)
    for flow, to in ((ping, Key(2, 2)), (pong, Key(1, 1))):

        @flow.defstate("playing", on=Ball)
        def hit(event, ctx, to=to):
            ctx.send(to, Ball(event.number + 1), after=after)
            return ("stay", {"last": event.number})

    return ping, pong


async def playing(bench):
    await bench.engine.set_state("ping", Key(1, 1), "playing")
    await bench.engine.set_state("pong", Key(2, 2), "playing")


class AsyncDelivery:
    """A `deliver` that awaits."""

    def __init__(self):
        self.sent = []

    async def __call__(self, key, effect):
        await asyncio.sleep(0)
        self.sent.append(effect)


@pytest.mark.parametrize("deliver", [None, AsyncDelivery()], ids=["sync", "async"])
async def test_a_chain_over_a_thousand_conversations_comes_to_its_end(deliver):
    bench = Bench(chain(), deliver=deliver)
    await bench.engine.send(Key(1, 1), Ball(1))
    sent = deliver.sent if deliver is not None else bench.sent
    assert sorted(int(effect.text) for effect in sent) == list(range(1, LONG + 1))
    assert bench.errors == []


async def test_a_chain_that_nobody_awaits_any_more_comes_to_its_end():
    bench = Bench(chain())
    first = asyncio.create_task(bench.engine.send(Key(1, 1), Ball(1)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert 0 < len(bench.sent) < LONG
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await bench.engine.stop()
    assert first.cancelled()
    assert len(bench.sent) == LONG


async def test_two_that_send_each_other_events_for_ever_are_stopped_with_the_circle():
    bench = Bench(*ping_pong())
    await playing(bench)
    await asyncio.wait_for(bench.engine.send(Key(1, 1), Ball(1)), 60)
    [(key, event, error)] = bench.errors
    assert isinstance(error, EventStorm)
    assert error.hops == event.number - 1 == MAX_HOPS
    ping, pong = ("ping", str(Key(1, 1))), ("pong", str(Key(2, 2)))
    assert error.circle == (ping, pong, ping)
    assert (
        f"{MAX_HOPS} events have followed from one another by ctx.send: flow 'ping' of {Key(1, 1)} -> "
        in str(error)
    )
    assert key == Key(1, 1)
    assert await bench.engine.get_state("ping", Key(1, 1)) == ("playing", {"last": MAX_HOPS - 1}), (
        "taken back"
    )
    assert await bench.engine.get_state("pong", Key(2, 2)) == ("playing", {"last": MAX_HOPS})
    assert await bench.store.outbox(Key(1, 1)) == await bench.store.outbox(Key(2, 2)) == []


async def test_a_conversation_that_sends_itself_events_for_ever_is_stopped():
    flow = Flow("mirror")
    flow.defstate("a", on=Ball)(lambda event, ctx: ctx.send(ctx.key, Ball(event.number + 1)))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await asyncio.wait_for(bench.engine.send(KEY, Ball(1)), 60)
    [(_, _, error)] = bench.errors
    assert error.circle == (("mirror", str(KEY)),) * 2


@pytest.mark.parametrize("key", [KEY, Key(2, 2)], ids=["another chat", "a chat of the storm"])
async def test_others_are_served_while_a_storm_lasts(key):
    ping, pong = ping_pong()
    calm = Flow("calm")
    calm.defstate(None, on=Word("hello"))(lambda event, ctx: ctx.reply("served"))
    bench = Bench(ping, pong, calm)
    await playing(bench)
    storm = asyncio.create_task(bench.engine.send(Key(1, 1), Ball(1)))
    await asyncio.sleep(0)
    await bench.engine.send(key, said("hello"))
    assert not storm.done()
    assert bench.errors == []
    await storm
    assert bench.texts == ["served"]


async def test_what_recurs_with_a_pause_is_no_storm():
    bench = Bench(*ping_pong(after=1))
    await playing(bench)
    await bench.engine.send(Key(1, 1), Ball(1))
    for _ in range(50):
        bench.clock.advance(1)
        await bench.engine.sweep()
    row = await bench.row(Key(1, 1))
    assert [(mail.hops, mail.trail) for mail in row.later] == [(0, ())]
    assert bench.errors == []


async def test_a_crashed_handler_may_end_a_storm():
    flow = Flow("mirror")
    flow.defstate("a", on=Ball)(lambda event, ctx: ctx.send(ctx.key, Ball(event.number + 1)))

    @flow.defstate("a", on=Crashed)
    def calm_down(event, ctx):
        ctx.reply(type(event.error).__name__)
        return ("end",)

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.engine.send(KEY, Ball(1))
    assert bench.texts == ["EventStorm"]
    assert await bench.engine.get_state(flow, KEY) == (None, None)


async def test_the_number_of_hops_is_stored_with_the_event():
    bench = Bench(*ping_pong())
    await playing(bench)
    bench.store.acknowledge = None  # it dies before it has said that the first event is delivered
    with pytest.raises(TypeError):
        await bench.engine.send(Key(1, 1), Ball(1))
    hops = {
        key.user: [decode_entry(entry).effect.hops for entry in await bench.store.outbox(key)]
        for key in (Key(1, 1), Key(2, 2))
    }
    assert hops == {1: [1, 3], 2: [2]}


# -- who waits for what is delivered in other chats -------------------------------------------------------


class Gated:
    """A `deliver` that waits, in one chat, until the test lets it go on."""

    def __init__(self, chat):
        self.chat, self.gate, self.sent = chat, asyncio.Event(), []

    async def __call__(self, key, effect):
        if effect.to.chat == self.chat:
            await self.gate.wait()
        self.sent.append((effect.to.chat, effect.text))


def telling(to):
    """Tell another conversation of what is said, between two replies."""
    flow = Flow("telling")

    @flow.defstate(None, on=Ball)
    def told(event, ctx):
        ctx.reply(f"told {event.number}")

    @flow.defstate(None, on=str)
    def tell(event, ctx):
        ctx.reply(f"{event} 1")
        ctx.send(to, Ball(1))
        ctx.reply(f"{event} 2")

    return flow


async def settle():
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_chat_is_served_while_another_one_is_told_of_its_step():
    deliver = Gated(2)
    bench = Bench(telling(Key(2, 2)), deliver=deliver)
    bench.engine.face.concurrent = True
    for text in ("a", "b"):
        await bench.engine.send(Key(1, 1), text)
    assert deliver.sent == [(1, "a 1"), (1, "a 2"), (1, "b 1"), (1, "b 2")]
    deliver.gate.set()
    await settle()
    assert deliver.sent[4:] == [(2, "told 1"), (2, "told 1")]


async def test_where_updates_come_one_after_the_other_all_is_waited_for():
    deliver = Gated(2)
    bench = Bench(telling(Key(2, 2)), deliver=deliver)
    first = asyncio.create_task(bench.engine.send(Key(1, 1), "a"))
    await settle()
    assert (deliver.sent, first.done()) == ([(1, "a 1")], False)
    deliver.gate.set()
    await first
    assert deliver.sent == [(1, "a 1"), (2, "told 1"), (1, "a 2")]


@pytest.mark.parametrize("to", [Key(1, 8), Key(2, 1)], ids=["same chat", "same person"])
async def test_in_the_same_chat_and_for_the_same_person_things_are_said_in_their_order(to):
    deliver = AsyncDelivery()
    bench = Bench(telling(to), deliver=deliver)
    bench.engine.face.concurrent = True
    await bench.engine.send(Key(1, 1), "a")
    assert [effect.text for effect in deliver.sent] == ["a 1", "told 1", "a 2"]


async def test_a_stop_waits_for_what_is_delivered_beside():
    deliver = Gated(2)
    bench = Bench(telling(Key(2, 2)), deliver=deliver)
    bench.engine.face.concurrent = True
    await bench.engine.send(Key(1, 1), "a")
    stopping = asyncio.create_task(bench.engine.stop())
    await settle()
    assert not stopping.done()
    deliver.gate.set()
    await stopping
    assert deliver.sent[-1] == (2, "told 1")


async def test_a_chain_that_is_delivered_beside_comes_to_its_end_at_a_stop():
    deliver = AsyncDelivery()
    bench = Bench(chain(), deliver=deliver)
    bench.engine.face.concurrent = True
    await bench.engine.send(Key(1, 1), Ball(1))
    assert 0 < len(deliver.sent) < LONG
    await bench.engine.stop()
    assert sorted(int(effect.text) for effect in deliver.sent) == list(range(1, LONG + 1))


async def test_one_who_tells_many_does_not_write_to_all_of_them_at_once():
    writing, most = set(), 0

    async def deliver(key, effect):
        nonlocal most
        writing.add(key)
        most = max(most, len(writing))
        await settle()
        writing.discard(key)

    flow = telling(Key(2, 2))

    @flow.defstate(None, on=int)
    def tell_all(event, ctx):
        for number in range(event):
            ctx.send(Key(100 + number, 100 + number), Ball(number))

    bench = Bench(flow, deliver=deliver)
    bench.engine.face.concurrent = True
    await bench.engine.send(Key(1, 1), 200)
    await bench.engine.stop()
    assert 1 < most <= MAX_BESIDE + 1
