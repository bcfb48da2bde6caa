"""`ctx.retry`: refused answers are counted in the row, as long as their state lasts."""

import msgspec
from chat_events import Word
from memory_engine import KEY, Bench, returns
from sample_flows import later

from fsmkit import Flow, Result
from fsmkit.interpreter.codec import decode_row, encode_row


def picky(version=1):
    """A flow that refuses all but "go", and notes how often it had refused before."""
    flow, counts = Flow("f", version=version), []

    @flow.defstate("a", on=Word("no"))
    def refuse(event, ctx) -> Result:
        counts.append(ctx.retries)
        ctx.retry("Again.")
        return ("stay", {"n": len(counts)})

    @flow.defstate("a", on=Word("refuse and go"))
    def refuse_and_go(event, ctx) -> Result:
        ctx.retry("No, but go on.")
        return ("transition", "b")

    returns(flow, "a", on=Word("go"))(("transition", "b"))
    returns(flow, "b", on=Word("return"))(("transition", "a"))
    flow.defstate("b", on=Word("count"))(lambda event, ctx: counts.append(ctx.retries))
    if version > 1:
        flow.migrate(1)(lambda state, data: (state, data))
    return flow, counts


async def saying(bench, flow, *words):
    await bench.engine.set_state(flow, KEY, "a")
    for word in words:
        await bench.say(word)


async def test_each_refusal_is_said_and_counted():
    flow, counts = picky()
    bench = Bench(flow)
    await saying(bench, flow, "no", "no", "no")
    assert (counts, bench.texts) == ([0, 1, 2], ["Again."] * 3)


async def test_entering_the_state_anew_begins_to_count_anew():
    flow, counts = picky()
    await saying(Bench(flow), flow, "no", "no", "go", "return", "no")
    assert counts == [0, 1, 0]


async def test_a_refusal_is_not_counted_for_the_state_that_it_leads_to():
    flow, counts = picky()
    bench = Bench(flow)
    await saying(bench, flow, "refuse and go", "count")
    assert (counts, bench.texts) == ([0], ["No, but go on."])


async def test_a_new_version_goes_on_counting():
    flow, _ = picky()
    bench = Bench(flow)
    await saying(bench, flow, "no", "no")
    newer, counts = picky(version=2)
    await later(bench, newer).say("no")
    assert counts == [2]


async def test_a_row_that_was_stored_before_there_was_a_count_is_read():
    flow, _ = picky()
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    fields = msgspec.json.decode(encode_row(await bench.row()))
    frame = fields[0]["f"][0][0]
    popped = [frame.pop() for _ in range(3)]
    assert popped == [[], None, 0]  # what back restores, the job of the state, and the count
    assert decode_row(msgspec.json.encode(fields)) == await bench.row()
