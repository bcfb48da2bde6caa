"""A wall clock that is put forward or back: what is a duration goes on as if nothing had happened."""

import asyncio
from itertools import pairwise

import pytest
from memory_engine import KEY, Bench
from sample_flows import settle, talking

from fsmkit import Engine, Flow, Key, fan_out
from fsmkit.engine.outbox import ClaimHeartbeat
from fsmkit.stores.protocol import CLAIM_SECONDS
from fsmkit.testing import ManualClock

DAY = 86400.0


class WallClock(ManualClock):
    """A clock by hand whose time of day can be put forward and back."""

    def __init__(self, start=10 * DAY):
        super().__init__(start)
        self.put = 0.0

    def now(self):
        return super().now() + self.put

    def monotonic(self):
        return super().now()

    async def pass_by(self, seconds):
        for _ in range(seconds):
            self.advance(1)
            await settle()


JUMPS = pytest.mark.parametrize("jump", [-DAY, DAY], ids=["back", "forward"])


@JUMPS
async def test_the_sweeper_goes_on_each_second(jump):
    clock = WallClock()
    bench = Bench(talking(), clock=clock)
    looked = []
    due = bench.store.due

    async def counted(*args):
        looked.append(clock.monotonic())
        return await due(*args)

    bench.store.due = counted
    async with bench.engine:
        await clock.pass_by(10)
        clock.put = jump
        before = len(looked)
        await clock.pass_by(10)
    assert 9 <= len(looked) - before <= 10


@JUMPS
async def test_claims_are_kept(jump):
    held = []

    class Store:
        durable = True

        async def extend_claim(self, key, seconds):
            held.append(key)

    clock = WallClock()
    heartbeat = ClaimHeartbeat(Store(), clock)
    heartbeat.begin(KEY)
    await settle()
    clock.put = jump
    await clock.pass_by(int(CLAIM_SECONDS))
    await heartbeat.stop()
    assert held == [KEY] * 3


@JUMPS
async def test_fan_out_keeps_its_pace(jump):
    flow, told = Flow("f"), []
    clock = WallClock()
    flow.defstate(None, on=int)(lambda event, ctx: told.append(clock.monotonic()))
    keys = [Key(number, number) for number in range(1, 21)]
    telling = asyncio.create_task(fan_out(Engine(flow, clock=clock), keys, 1, rate=2))
    await settle()
    await clock.pass_by(3)
    clock.put = jump
    await clock.pass_by(20)
    assert telling.done()
    assert telling.result()["handled"] == 20
    assert max(told.count(at) for at in set(told)) <= 3
    assert max(b - a for a, b in pairwise(told)) <= 1.0
