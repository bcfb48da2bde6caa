"""What cannot be committed is an error of its handler: offered to `Crashed`, told, and never in the way."""

import attrs
import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns

from fsmkit import (
    ANY,
    Crashed,
    Flow,
    HandlerRefused,
    InvariantBroken,
    Origin,
    Returned,
    RowTooLarge,
    StoreUnavailable,
    Timeout,
    UnstorableData,
    origin_of,
)
from fsmkit.stores.memory import MemoryLease, MemoryStore
from fsmkit.testing import ManualClock

LARGE = "x" * 2000


@attrs.define
class Odd:
    """An event that cannot be stored: it would come back as something else."""

    value: object


def large(on_crash=None):
    """A flow whose handler of "large" makes the row too large, and of "odd" sends what cannot be stored."""
    flow = Flow("f", ttl=60)
    flow.state("a")

    @flow.defstate("a", on=Word("large"))
    def grows(event, ctx):
        ctx.reply("never")
        return ("transition", "a", {"text": LARGE})

    @flow.defstate("a", on=Word("odd"))
    def odd(event, ctx):
        ctx.reply("never")
        ctx.send(KEY, Odd(object()))

    flow.defstate("a", on=Odd)(lambda event, ctx: None)
    if on_crash is not None:
        flow.defstate(ANY, on=Crashed)(on_crash)
    return flow


async def in_a(flow, **options):
    bench = Bench(flow, max_row_bytes=1000, **options)
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    return bench


@pytest.mark.parametrize(("text", "kind"), [("large", RowTooLarge), ("odd", UnstorableData)])
async def test_it_is_raised_with_flow_state_and_handler_and_nothing_is_written(text, kind):
    bench = await in_a(large())
    before = await bench.stored()
    with pytest.raises(kind) as caught:
        await bench.say(text, id=1)
    [note] = caught.value.__notes__
    assert note.startswith("fsmkit: flow 'f', state 'a', key 10:7:-:-:-, handler large.<locals>.")
    assert (await bench.stored(), bench.sent, bench.store.turns) == (before, [], {})


@pytest.mark.parametrize(("text", "kind"), [("large", RowTooLarge), ("odd", UnstorableData)])
async def test_a_crashed_handler_makes_a_step_of_it(text, kind):
    seen = []

    def rescue(event, ctx):
        seen.append((type(event.error), event.event.text, ctx.data))
        ctx.reply("sorry")
        return ("end",)

    bench = await in_a(large(rescue))
    outcome = await bench.say(text, id=1)
    assert (outcome.kind, outcome.state, bench.texts) == ("handled", None, ["sorry"])
    assert seen == [(kind, text, {"n": 1})]
    assert (await bench.say(text, id=1)).kind == "duplicate"


async def test_a_crashed_handler_whose_own_step_cannot_be_committed_is_asked_once():
    calls = []

    def rescue(event, ctx):
        calls.append(1)
        return ("transition", "a", {"text": LARGE})

    bench = await in_a(large(rescue))
    before = await bench.stored()
    with pytest.raises(RowTooLarge) as caught:
        await bench.say("large")
    assert (calls, await bench.stored()) == ([1], before)
    assert origin_of(caught.value).handler.endswith("rescue")


async def test_a_poisoned_event_does_not_block_those_that_follow():
    bench = await in_a(large())
    with pytest.raises(RowTooLarge):
        await bench.say("large")
    assert (await bench.engine.get_state("f", KEY)) == ("a", {"n": 1})
    assert (await bench.engine.send(KEY, Odd(1))).kind == "handled"


async def test_what_no_handler_did_and_cannot_be_committed_is_raised_with_its_flow():
    flow = Flow("f")
    flow.state("a", otherwise="Digits, please.")
    flow.defstate(ANY, on=Crashed)(lambda event, ctx: pytest.fail("no handler is at fault"))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    before = await bench.stored()
    bench = Bench(flow, store=bench.store, max_row_bytes=len(before) + 10)
    with pytest.raises(RowTooLarge) as caught:
        await bench.say("x", id="long" * 10)
    assert caught.value.__notes__ == [f"fsmkit: flow 'f', key {KEY}; nothing was written"]
    assert (await bench.stored(), bench.sent) == (before, [])


async def test_a_timeout_whose_step_cannot_be_committed_is_put_off_and_blocks_no_event():
    flow = large()
    returns(flow, "a", on=Timeout)(("transition", "a", {"text": LARGE}))
    returns(flow, "a", on=Word("hello"))(("stay", {"n": 2}))
    bench = await in_a(flow)
    bench.clock.advance(61)
    assert (await bench.say("hello")).kind == "handled"
    assert [type(error) for _, _, error in bench.errors] == [RowTooLarge]
    assert await bench.engine.get_state(flow, KEY) == ("a", {"n": 2})


async def test_a_store_that_is_away_fails_the_event_and_it_may_come_again():
    class Away(MemoryStore):
        away = True

        def lease(self, key, *, wanted=True):
            return AwayLease(self, key, wanted)

    class AwayLease(MemoryLease):
        def put(self, change, *, hold=False):
            if self._store.away:
                raise StoreUnavailable("nobody answers")
            return super().put(change, hold=hold)

    store = Away(ManualClock())
    flow = Flow("f")
    flow.state("a")
    flow.defstate(None)(lambda event, ctx: ("transition", "a"))
    flow.defstate(None, on=Crashed)(lambda event, ctx: pytest.fail("it is no error of the handler"))
    bench = Bench(flow, store=store)
    with pytest.raises(StoreUnavailable) as caught:
        await bench.say("x", id=1)
    assert origin_of(caught.value) == Origin(KEY, origin_of(caught.value).event)
    assert (await bench.stored(), store.turns) == (None, {})
    store.away = False
    assert (await bench.say("x", id=1)).kind == "handled"


# -- ("error", reason) in a follow-up ----------------------------------------------------------------


def order_and_address(on_return, **options):
    order, address = Flow("order"), Flow("address", **options)
    address.state("street", prompt="street?")
    order.state("cart", prompt="cart")
    returns(order, "cart", on=Word("call"))(("call", address))
    returns(address, "street")(("end", "Rome"))
    order.defstate("cart", on=Returned)(on_return)
    return order, address


async def test_an_error_of_a_returned_handler_takes_the_end_of_the_sub_flow_back():
    order, address = order_and_address(lambda event, ctx: ("error", "we do not deliver there"))
    bench = Bench(order, address)
    await bench.engine.set_state(order, KEY, "cart")
    await bench.say("call")
    before, sent = await bench.stored(), len(bench.sent)
    outcome = await bench.say("Rome", id=1)
    assert (outcome.kind, outcome.flow, outcome.state) == ("handled", "address", "street")
    assert (await bench.stored(), len(bench.sent)) == (before, sent)


async def test_a_crashed_handler_is_told_of_an_error_of_a_returned_handler():
    order, address = order_and_address(lambda event, ctx: ("error", "too far"))
    seen = []
    address.defstate(ANY, on=Crashed)(lambda event, ctx: seen.append(event.error.reason))
    bench = Bench(order, address)
    await bench.engine.set_state(order, KEY, "cart")
    await bench.say("call")
    await bench.say("Rome")
    assert (seen, (await bench.engine.get_state(address, KEY))[0]) == (["too far"], "street")


async def test_a_crashed_handler_that_refuses_leaves_the_exception_as_it_is(caplog):
    bench = await in_a(large(lambda event, ctx: ("error", "no help")))
    before = await bench.stored()
    with pytest.raises(RowTooLarge):
        await bench.say("large")
    assert await bench.stored() == before
    assert "no help" in caplog.text


async def test_a_crashed_handler_that_refuses_an_error_leaves_that_as_it_is():
    flow = Flow("f")
    returns(flow, "a")(("error", "first"))
    returns(flow, ANY, on=Crashed)(("error", "second"))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    assert (await bench.say("x")).kind == "handled"


# -- exceptions of all kinds -------------------------------------------------------------------------


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


class Slotted(Exception):
    __slots__ = ("field",)


@attrs.frozen
class Frozen(Exception):
    code: int


class Sealed(Exception):
    def __setattr__(self, name, value):
        raise AttributeError("sealed")


class Noteless(Exception):
    __notes__ = "not a list"


KINDS = [
    Mute(),
    Slotted(),
    Frozen(5),
    Sealed(),
    Noteless(),
    ExceptionGroup("both", [ValueError(), KeyError()]),
    StopAsyncIteration(),
]


@pytest.mark.parametrize("error", KINDS, ids=lambda error: type(error).__name__)
async def test_an_exception_of_any_kind_comes_out_with_its_origin(error):
    flow = Flow("f")

    @flow.defstate("a")
    def fails(event, ctx):
        raise error

    bench = await in_a(flow)
    before = await bench.stored()
    with pytest.raises(type(error)) as caught:
        await bench.say("x")
    origin = origin_of(caught.value)
    assert (caught.value, origin.key, origin.flow, origin.state) == (error, KEY, "f", "a")
    assert (origin.event.text, origin.handler.endswith("fails")) == ("x", True)
    assert "test_commit_failures.py:" in origin.place
    assert (await bench.stored(), bench.store.turns) == (before, {})


@pytest.mark.parametrize("handler", ["sync", "async"])
async def test_stop_iteration_becomes_the_runtime_error_that_python_makes_of_it(handler):
    flow = Flow("f")

    def fails(event, ctx):
        raise StopIteration

    async def fails_later(event, ctx):
        raise StopIteration

    flow.defstate("a")(fails if handler == "sync" else fails_later)
    bench = await in_a(flow)
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        await bench.say("x")
    assert (type(caught.value.__cause__), origin_of(caught.value).flow) == (StopIteration, "f")


async def test_an_exception_that_is_raised_again_tells_where_it_was_raised_last():
    flow, same = Flow("f"), ValueError("one object for all")

    @flow.defstate("a")
    def fails(event, ctx):
        raise same

    bench = await in_a(flow)
    texts = []
    for text in ("first", "second"):
        with pytest.raises(ValueError, match="one object"):
            await bench.say(text)
        texts.append(origin_of(same).event.text)
    assert texts == ["first", "second"]


async def test_an_exception_of_a_returned_handler_tells_of_that_handler_and_of_the_event():
    order, address = order_and_address(lambda event, ctx: 1 / 0)
    bench = Bench(order, address)
    await bench.engine.set_state(order, KEY, "cart")
    await bench.say("call")
    with pytest.raises(ZeroDivisionError) as caught:
        await bench.say("Rome")
    origin = origin_of(caught.value)
    assert (origin.flow, origin.state, origin.event.text) == ("order", "cart", "Rome")


async def test_a_predicate_that_raises_is_named():
    flow = Flow("f")
    flow.defstate("a", on=str, when=lambda event: event.missing)(lambda event, ctx: None)
    bench = await in_a(flow)
    with pytest.raises(AttributeError) as caught:
        await bench.engine.send(KEY, "text")
    note, where = caught.value.__notes__
    assert where.startswith("fsmkit: flow 'f', state 'a', key ")
    assert note.startswith("fsmkit: asking whether ")
    assert "test_commit_failures.py:" in note


def test_the_origin_of_no_error_is_none():
    assert (origin_of(None), origin_of(HandlerRefused), origin_of(InvariantBroken)) == (None, None, None)
