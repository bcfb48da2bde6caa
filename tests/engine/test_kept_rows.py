"""Rows are kept beside their bytes: what a step has written the next one does not read, and nobody changes it."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_engine import KEY, OTHER, Bench

from fsmkit import Flow, Timeout
from fsmkit.engine import transaction
from fsmkit.interpreter.codec import decode_row, encode_row


@attrs.frozen
class Later:
    text: str


def everything():
    """A flow whose steps do most of what steps can do to a row."""
    inner = Flow("inner", data=dict)
    inner.state("asked")

    @inner.defstate("asked")
    def asked(event, ctx):
        return ("end", {"said": event.text})

    flow = Flow("order", ttl=60, data=dict)
    flow.state("open", prompt="More?", remind_after=20, reminder="Still there?")

    @flow.defstate(None)
    def begin(event, ctx):
        return ("transition", "open", {"said": []})

    @flow.defstate("open")
    def act(event, ctx):
        data = {"said": [*ctx.data["said"], event.text]}
        ctx.data["said"].append("in place")  # a copy, so that it changes nothing
        if event.text == "raise":
            raise ValueError(event.text)
        if event.text == "track":
            ctx.delete_on_exit(5)
        if event.text == "later":
            ctx.send(ctx.key, Later("later"), after=5)
        ctx.reply("noted")
        return {
            "stay": ("stay", data),
            "back": ("back", 1, data),
            "call": ("call", inner),
            "end": ("end",),
        }.get(event.text, ("transition", "open", data))

    @flow.defstate("open", on=Later)
    def remember(event, ctx):
        return ("stay", {"said": [*ctx.data["said"], event.text]})

    @flow.defstate("open", on=Timeout)
    def late(event, ctx):
        return ("transition", "open", {"said": [*ctx.data["said"], "late"]})

    return flow, inner


def kept(bench):
    return {each.blob: each for each in bench.engine._dispatcher.transactions._rows.values()}


@pytest.fixture
def read(monkeypatch):
    """The rows that were read from bytes."""
    found = []

    def reading(blob):
        found.append(blob)
        return decode_row(blob)

    monkeypatch.setattr(transaction, "decode_row", reading)
    return found


async def test_a_row_that_a_step_has_written_is_not_read_by_the_next(read):
    bench = Bench(*everything())
    for said in ("hello", "stay", "more"):
        await bench.say(said)
    assert read == []
    assert await bench.engine.get_state("order", KEY) == ("open", {"said": ["stay", "more"]})


async def test_a_row_that_somebody_else_has_written_is_read_once(read):
    bench = Bench(*everything())
    await bench.say("hello")
    other = Bench(*everything(), store=bench.store, clock=bench.clock)
    await other.say("stay")
    written = await bench.stored()
    read.clear()
    await bench.say("more")
    assert read == [written]
    assert await bench.engine.get_state("order", KEY) == ("open", {"said": ["stay", "more"]})


async def test_a_row_takes_the_place_of_the_one_that_it_follows():
    bench = Bench(*everything())
    for said in ("hello", "stay", "more"):
        await bench.say(said)
        await bench.say(said, OTHER)
    assert set(kept(bench)) == {await bench.stored(), await bench.stored(OTHER)}


async def test_a_commit_that_is_not_written_leaves_the_row_that_is_stored(monkeypatch):
    bench = Bench(*everything())
    await bench.say("hello")
    with pytest.raises(ValueError, match="raise"):
        await bench.say("raise")
    assert set(kept(bench)) == {await bench.stored()}
    await bench.say("stay")
    assert await bench.engine.get_state("order", KEY) == ("open", {"said": ["stay"]})


said = st.sampled_from(["stay", "more", "back", "call", "end", "track", "later", "raise"])
passing = st.sampled_from([1, 5, 20, 60]).map(float)


@given(st.lists(said | passing, max_size=12))
async def test_what_is_kept_is_what_its_bytes_say_whatever_steps_have_done(acts):
    bench = Bench(*everything())
    for act in acts:
        if isinstance(act, float):
            bench.clock.advance(act)
            await bench.engine.sweep()
        else:
            try:
                await bench.say(act)
            except ValueError:
                assert act == "raise"
        for blob, found in kept(bench).items():
            assert encode_row(found.row) == blob
            assert encode_row(decode_row(blob)) == blob


@pytest.mark.parametrize("reads", [0, 1])
async def test_a_deadline_is_seen_in_a_row_that_was_kept_and_in_one_that_is_read(read, reads):
    bench = Bench(*everything())
    await bench.say("hello")
    if reads:
        bench.engine._dispatcher.transactions._rows.clear()
    bench.clock.advance(60)
    await bench.say("stay")
    assert len(read) == reads
    assert await bench.engine.get_state("order", KEY) == ("open", {"said": ["late", "stay"]})
