"""Event classes and functions of the event, beside matchers or instead of them."""

import attrs

from fsmkit import Flow, KeyBy
from fsmkit.telegram import command, text


async def test_a_predicate_never_sees_what_fsmkit_raises_itself(bench):
    flow, seen = Flow("f", ttl=10), []
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=lambda event: seen.append(event))
    def never(event, ctx):
        raise AssertionError("the predicate is never true")

    await bench.start(flow)
    await bench.say("/start")
    await bench.advance(60)
    assert (seen, await bench.engine.get_state(flow, KeyBy.CHAT.key(chat=1, user=1))) == ([], (None, None))


async def test_when_narrows_a_matcher(bench):
    flow, taken = Flow("f"), []

    @flow.defstate(None, on=text(), when=lambda event: event.user_id == 2)
    def take(event, ctx):
        taken.append(event.user_id)

    await bench.start(flow)
    await bench.say("a", user=1)
    await bench.say("a", user=2)
    assert taken == [2]


async def test_event_classes_and_matchers_stand_side_by_side(bench):
    @attrs.frozen
    class Paid:
        amount: int

    flow, taken = Flow("f"), []

    @flow.defstate(None, on=(Paid, text()))
    def take(event, ctx):
        taken.append(ctx.match)

    engine = await bench.start(flow)
    await bench.say("a")
    await engine.send(KeyBy.CHAT.key(chat=1, user=1), Paid(3))
    assert taken == ["a", Paid(3)]
