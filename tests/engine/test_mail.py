"""`ctx.send`: events for other conversations, or for this one later, in the same commit."""

from datetime import timedelta

import attrs
import pytest
from chat_events import Said, Word
from memory_engine import KEY, OTHER, Bench, returns

from fsmkit import Event, Flow, Timeout, UnstorableData


@attrs.frozen
class Ping:
    number: int


@attrs.frozen
class Signal(Event):
    name: str


@attrs.frozen
class Unheard:
    pass


def ping_pong(event=Ping(1), *, after=None, to=OTHER):  # frozen
    """A flow in which "go" sends an event, and which notes those that it gets."""
    flow = Flow("f", ttl=None)
    flow.state("b")

    @flow.defstate(None, "b", on=Word("go"))
    def go(event_, ctx):
        ctx.send(to, event, after)
        return ("transition", "b")

    @flow.defstate(None, "b", on=(Ping, Signal))
    def got(event, ctx):
        return ("transition", "b", {"got": event.number if isinstance(event, Ping) else event.name})

    return flow


async def got(bench, key=OTHER):
    data = (await bench.engine.get_state("f", key))[1]
    return data.get("got") if data else None


async def test_a_sent_event_reaches_the_other_conversation():
    bench = Bench(ping_pong())
    await bench.say("go")
    assert await bench.engine.get_state("f", KEY) == ("b", {})
    assert await got(bench) == 1


async def test_it_arrives_without_a_deliver_function_too():
    flow = ping_pong()
    bench = Bench(flow)
    bench.engine = type(bench.engine)(flow, clock=bench.clock)
    await bench.say("go")
    assert await got(bench) == 1


async def test_a_sent_event_is_not_among_the_effects_of_the_outcome():
    assert tuple((await Bench(ping_pong()).say("go")).effects) == ()


async def test_an_event_for_the_same_conversation_comes_after_the_step():
    bench = Bench(ping_pong(to=KEY))
    await bench.say("go")
    assert await got(bench, KEY) == 1


async def test_the_event_goes_out_after_the_commit_and_outside_the_lease():
    flow, seen = Flow("f"), []
    flow.state("b")

    @flow.defstate(None, on=Word("go"))
    def go(event, ctx):
        ctx.send(OTHER, Ping(1))
        return ("transition", "b")

    @flow.defstate(None, on=Ping)
    async def got(event, ctx):
        seen.append((await bench.engine.get_state("f", KEY), list(bench.store.turns)))

    bench = Bench(flow)
    await bench.say("go")
    assert seen == [(("b", {}), [OTHER])]


async def test_an_event_of_a_handler_that_raised_is_never_sent():
    flow = ping_pong()

    @flow.defstate("b", on=Word("fail"))
    def fail(event, ctx):
        ctx.send(OTHER, Ping(1))
        raise ValueError("fails")

    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "b")
    with pytest.raises(ValueError, match="fails"):
        await bench.say("fail")
    assert await bench.stored(OTHER) is None


@pytest.mark.parametrize("after", [60, 60.0, timedelta(minutes=1)])
async def test_a_later_event_comes_when_its_time_has_come(after):
    bench = Bench(ping_pong(after=after))
    await bench.say("go")
    bench.clock.advance(59)
    await bench.engine.sweep()
    assert await got(bench) is None
    bench.clock.advance(1)
    await bench.engine.sweep()
    assert await got(bench) == 1
    assert (await bench.row()).later == ()


async def test_a_later_event_outlives_the_conversation_that_sent_it():
    flow = ping_pong(after=60)
    returns(flow, "b", on=Word("end"))(("end",))
    bench = Bench(flow)
    await bench.say("go")
    await bench.say("end")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert await got(bench) == 1
    assert await bench.stored() is None


async def test_a_later_event_of_which_the_time_has_come_is_sent_once():
    bench = Bench(ping_pong(after=60, to=KEY))
    await bench.say("go")
    bench.clock.advance(60)
    await bench.engine.sweep()
    await bench.engine.set_state("f", KEY, "b", {})
    bench.clock.advance(1000)
    await bench.engine.sweep()
    assert await got(bench, KEY) is None


async def test_a_child_of_event_may_be_sent():
    bench = Bench(ping_pong(Signal("x")))
    await bench.say("go")
    assert await got(bench) == "x"


@pytest.mark.parametrize("event", [Unheard(), Ping("not a number"), Said("x"), Timeout(1.0)])
async def test_what_cannot_be_stored_or_heard_is_refused_and_nothing_is_written(event):
    bench = Bench(ping_pong(event))
    with pytest.raises(UnstorableData):
        await bench.say("go")
    assert (await bench.stored(), await bench.stored(OTHER)) == (None, None)


async def test_what_the_handler_of_a_sent_event_raises_is_reported_and_not_repeated():
    flow = Flow("f")
    flow.defstate(None, on=Word("go"))(lambda event, ctx: ctx.send(OTHER, Ping(1)) or ("transition", "b"))
    flow.state("b")
    flow.defstate(None, on=Ping)(lambda event, ctx: 1 / 0)
    bench = Bench(flow)
    assert (await bench.say("go")).kind == "handled"
    assert [(key, event, type(error)) for key, event, error in bench.errors] == [
        (OTHER, Ping(1), ZeroDivisionError)
    ]


async def test_messages_and_events_go_out_in_the_order_in_which_they_were_asked_for():
    order = []
    flow = Flow("f")

    @flow.defstate(None, on=Word("go"))
    def go(event, ctx):
        ctx.reply("one")
        ctx.send(OTHER, Ping(2))
        ctx.reply("three")

    flow.defstate(None, on=Ping)(lambda event, ctx: order.append("two"))
    bench = Bench(flow, deliver=lambda key, effect: order.append(effect.text))
    await bench.say("go")
    assert order == ["one", "two", "three"]


async def test_two_conversations_may_send_to_each_other():
    flow = Flow("f", data=dict)

    @flow.defstate(None, on=Ping)
    def got(event, ctx):
        if event.number:
            ctx.send(KEY if ctx.key == OTHER else OTHER, Ping(event.number - 1))
        return ("stay", {"last": event.number})

    bench = Bench(flow)
    await bench.engine.send(KEY, Ping(5))
    assert await bench.engine.at(flow, KEY).get_data() == {"last": 1}
    assert await bench.engine.at(flow, OTHER).get_data() == {"last": 0}
