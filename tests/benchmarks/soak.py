"""Conversations without end: what is left in memory after a million of them began and ended, half by timeout.

Run it: `python tests/benchmarks/soak.py [CONVERSATIONS]`. Each is another person's, on a `MemoryStore` and a
clock moved by hand. They come in waves of the same size; after each wave nothing may be left of it: no row,
turn, timer, task, or memory.
"""

import asyncio
import gc
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator

import attrs

from fsmkit import Engine, Flow, Key
from fsmkit.stores.memory import MemoryStore
from fsmkit.testing import ManualClock

WAVE = 10_000
TTL = 60.0


@attrs.frozen
class Hello:
    """Begins."""


@attrs.frozen
class Bye:
    """Ends."""


@attrs.frozen
class Left:
    """What one wave has left.

    Attributes:
        conversations: How many there have been so far.
        traced: Bytes that Python's allocator has given out.
        resident: Bytes of the process in memory.
        rows: Rows, and entries of the indexes and of the timers.
        turns: Turns with rows that are held or waited for.
        tasks: Tasks other than the one that asks.
        microseconds: Processor time for each conversation.
    """

    conversations: int
    traced: int
    resident: int
    rows: int
    turns: int
    tasks: int
    microseconds: float


def talk() -> Flow[None]:
    """Begins, and ends when told, or after a minute."""
    flow = Flow("talk", ttl=TTL)
    flow.state("on", prompt="Hello!")

    @flow.defstate(None, on=Hello)
    def begin(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=Bye)
    def finish(event, ctx):
        ctx.reply("Bye!")
        return ("end",)

    return flow


async def soak(conversations: int, wave: int = WAVE) -> AsyncIterator[Left]:
    """Yield what each wave leaves; every second conversation times out, each event has an id."""
    clock = ManualClock(1_800_000_000.0)
    store = MemoryStore(clock)

    async def deliver(key: Key, effect: object) -> None:
        """Deliver to nobody."""

    engine = Engine(talk(), store=store, clock=clock, deliver=deliver)
    for first in range(0, conversations, wave):
        began = time.process_time()
        for user in range(first, min(first + wave, conversations)):
            key = Key(-100 - user % 7, user) if user % 3 else Key(user, user)
            await engine.send(key, Hello(), id=("soak", 2 * user))
            if user % 2:
                await engine.send(key, Bye(), id=("soak", 2 * user + 1))
        clock.advance(TTL)
        await engine.sweep()  # those that nobody ended
        clock.advance(100_000)
        await engine.sweep()  # ids of events, kept for a day
        await asyncio.sleep(0)
        spent = time.process_time() - began
        gc.collect()
        yield Left(
            min(first + wave, conversations),
            tracemalloc.get_traced_memory()[0],
            resident(),
            len(store.table.records) + len(store.table) + sum(map(len, store.table.groups.values())),
            len(store.turns) + len(store.void),
            len(asyncio.all_tasks()) - 1,
            1e6 * spent / min(wave, conversations - first),
        )


def resident() -> int:
    """Return the bytes of this process that are in memory (on Linux; elsewhere 0)."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0


async def main(conversations: int) -> None:
    """Print what is left after the first wave, and after each tenth of them."""
    left = []
    async for each in soak(conversations):
        left.append(each)
        if len(left) == 1 or each.conversations * 10 % conversations == 0:
            print(
                f"{each.conversations:9} conversations, {each.microseconds:5.0f} us each: {each.rows} rows, "
                f"{each.turns} turns, {each.tasks} tasks, {each.resident / 2**20:.1f} MiB resident",
                flush=True,
            )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
