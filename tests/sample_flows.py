"""Flows and helpers that several test modules share."""

import asyncio
import inspect
import os

import attrs
import pytest
from chat_events import Word
from memory_engine import KEY, Bench, returns

from fsmkit import ANY, DefinitionError, DeliveryFailed, Flow, Returned, Timeout


async def settle():
    """Lets background tasks run until they wait for the clock or for somebody."""
    for _ in range(30):
        await asyncio.sleep(0)


@attrs.frozen
class Street:
    street: str


def shop(*, on_return=None, sub_data=dict):
    """A flow that calls another for the address; "ask" in state `cart` does so, "done" ends the address."""
    order, address = Flow("order"), Flow("address", data=sub_data)
    order.state("cart", prompt="Your cart.")
    order.state("pay", prompt="Please pay.")
    address.state("street", prompt="Which street?")
    address.state("town", prompt="Which town?")
    returns(order, "cart", on=Word("ask"))(("call", address))
    returns(order, "cart", on=Word("ask with"))(("call", "address", {"street": "Main"}))
    returns(address, "street", on=Word("town"))(("transition", "town"))
    returns(address, ANY, on=Word("done"))(("end", {"street": "High"}))
    if on_return is not None:
        order.defstate("cart", on=Returned)(on_return)
    return order, address


async def in_cart(order, address, data=None):
    bench = Bench(order, address)
    await bench.engine.set_state(order, KEY, "cart", data or {"items": 1})
    return bench


def timed(ttl=60, *, on_timeout=None, **options):
    flow = Flow("f", ttl=ttl)
    flow.state("a", **options)
    flow.state("b", prompt="Still there?")
    flow.defstate("a", on=Word("hm"))(lambda event, ctx: None)
    if on_timeout is not None:
        flow.defstate("a", on=Timeout)(on_timeout)
    return flow


async def in_timed(flow, *others, **options):
    bench = Bench(flow, *others, **options)
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    return bench


async def deadline(bench):
    return (await bench.row()).snapshots["f"].deadline


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


async def in_talking(flow, post, *keys):
    bench = Bench(flow, deliver=post)
    for key in keys or (KEY,):
        await bench.engine.set_state(flow, key, "a")
    return bench


def waiting(bench):
    return bench.store.table.records[KEY].outbox


def entering(state="b", data=None, **options):
    """A flow in which "go" leads from `a` to `b`, which is declared with `options`."""
    flow = Flow("f")
    flow.state("a")
    flow.state("b", **options)
    returns(flow, "a", on=Word("go"))(("transition", state, data or {"name": "Ann"}))
    return flow


async def in_entering(*flows):
    bench = Bench(*flows)
    await bench.engine.set_state("f", KEY, "a")
    return bench


def simple(*states, name="f", data=dict, **options):
    flow = Flow(name, data=data, **options)
    for state in states:
        flow.state(state)
    return flow


async def stored_by(flow, state="a", data=None, *, say=None):
    """A bench in whose store `flow` has left a conversation."""
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, state, *([] if data is None else [data]))
    if say is not None:
        await bench.engine.send(KEY, say)
    return bench


def later(bench, *flows, **options):
    """The program after a new version was deployed: other flows, the same store."""
    return Bench(*flows, store=bench.store, clock=bench.clock, **options)


def refused(declare):
    """The error of a declaration; its place must lie within the function that declares."""
    with pytest.raises(DefinitionError) as caught:
        declare()
    error = caught.value
    lines, first = inspect.getsourcelines(declare)
    name, _, line = (error.place or "").rpartition(":")
    assert name == os.path.relpath(declare.__code__.co_filename), f"no place in {error}"
    assert first <= int(line) < first + len(lines), f"another place in {error}"
    assert str(error) == f"{error.place}: {error.problem}. {error.remedy}"
    assert error.remedy
    return error.problem
