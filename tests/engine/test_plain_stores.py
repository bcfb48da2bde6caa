"""An engine on a store that knows nothing of `PromptLease`: of which all is awaited."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from memory_engine import KEY, Bench

from fsmkit import Flow
from fsmkit.errors import StoreUnavailable
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.protocol import AwaitedLease


class _Lease:
    """A lease with what the protocol asks for, and nothing else."""

    def __init__(self, lease):
        self.key, self.row, self.receipts, self.idle = lease.key, lease.row, lease.receipts, lease.idle
        self.commit = lease.commit


class Plain(MemoryStore):
    """Takes and frees its leases in coroutines, and counts them."""

    away = False
    freed = 0

    @asynccontextmanager
    async def lease(self, key, *, wanted=True):
        if self.away:
            raise StoreUnavailable("nobody answers")
        async with MemoryStore.lease(self, key, wanted=wanted) as lease:
            try:
                yield _Lease(lease)
            finally:
                await asyncio.sleep(0)
                self.freed += 1


def talking():
    flow = Flow("f", data=dict, ttl=60)
    flow.defstate(None)(lambda event, ctx: ("transition", "on", {"said": []}))

    @flow.defstate("on")
    async def hear(event, ctx):
        if event.text == "raise":
            raise ValueError(event.text)
        if event.text == "hang":
            await asyncio.Event().wait()
        ctx.reply("heard")
        return ("stay", {"said": [*ctx.data["said"], event.text]})

    return flow


async def test_steps_go_on_whatever_has_become_of_the_one_before():
    flow, store = talking(), Plain()
    bench = Bench(flow, store=store)
    await bench.say("begin")
    with pytest.raises(ValueError, match="raise"):
        await bench.say("raise")
    hanging = asyncio.ensure_future(bench.say("hang"))
    await asyncio.sleep(0.0)
    waiting = asyncio.ensure_future(bench.say("a"))
    for _ in range(3):
        await asyncio.sleep(0.0)
    hanging.cancel()
    assert (await waiting).kind == "handled"
    assert await bench.engine.get_state(flow, KEY) == ("on", {"said": ["a"]})
    assert (bench.texts, store.freed, store.turns) == (["heard"], 4, {})


async def test_timeouts_and_writes_by_hand_take_such_leases_too():
    flow, store = talking(), Plain()
    bench = Bench(flow, store=store)
    await bench.say("begin")
    await bench.engine.set_state(flow, KEY, "on", {"said": ["x"]})
    bench.clock.advance(61)
    await bench.engine.sweep()
    assert await bench.engine.get_state(flow, KEY) == (None, None)
    assert (store.freed, store.turns) == (3, {})


async def test_what_could_not_be_taken_is_not_freed():
    flow, store = talking(), Plain()
    bench = Bench(flow, store=store)
    store.away = True
    with pytest.raises(StoreUnavailable):
        await bench.say("begin", id=1)
    store.away = False
    assert (await bench.say("begin", id=1)).kind == "handled"
    assert store.freed == 1


async def test_a_look_without_a_turn_has_nothing_to_free():
    store = MemoryStore()
    lease = AwaitedLease(KEY, store.snapshot(KEY))
    await lease.take()
    assert (lease.row, lease.receipts, lease.idle, lease.free()) == (None, (), False, None)
