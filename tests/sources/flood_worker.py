"""A process that gives thousands of events to conversations that others give events too, while people talk.

    python flood_worker.py URL PREFIX SOURCE EVENTS KEYS

It writes `ready`, and begins when a line comes in.
"""

import asyncio
import sys

import attrs

from fsmkit import ANY, Engine, Flow, Key
from fsmkit.sources import QueueSource
from fsmkit.stores.redis import RedisStore

BOT = 42
TALKS_EVERY = 10
REPEATED_EVERY = 7


@attrs.frozen
class Told:
    """What a source reports."""

    source: str
    number: int


@attrs.frozen
class Talked:
    """What a person says."""


def flood() -> Flow:
    """A flow that counts what each source has told, and notes what comes out of order."""
    flow = Flow("flood")
    flow.state("open")

    @flow.defstate(None, ANY, on=Told)
    def told(event, ctx):
        last = {**ctx.data.get("last", {}), event.source: event.number}
        count = {**ctx.data.get("count", {})}
        count[event.source] = count.get(event.source, 0) + 1
        wrong = ctx.data.get("wrong", 0) + (event.number <= ctx.data.get("last", {}).get(event.source, -1))
        talks = ctx.data.get("talks", 0)
        return ("transition", "open", {"last": last, "count": count, "wrong": wrong, "talks": talks})

    @flow.defstate(None, ANY, on=Talked)
    def talked(event, ctx):
        return ("transition", "open", {**ctx.data, "talks": ctx.data.get("talks", 0) + 1})

    return flow


async def talk(engine: Engine, keys: int) -> None:
    """Has each person say something, one after the other."""
    for chat in range(keys):
        if chat % TALKS_EVERY == 0:
            await engine.send(Key(chat, chat, bot=BOT), Talked())


async def main(url: str, prefix: str, source: str, events: int, keys: int) -> None:
    """Gives the events, some of them twice."""
    queue, store = QueueSource(source, maxsize=500), RedisStore(url, prefix=prefix)
    engine = Engine(flood(), store=store, sources=[queue])
    engine.bot = BOT
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    async with engine:
        talking = asyncio.create_task(talk(engine, keys))
        for number in range(events):
            key = Key(number % keys, number % keys, bot=BOT)
            await queue.put(key, Told(source, number), id=number)
            if number % REPEATED_EVERY == 0:
                await queue.put(key, Told(source, number), id=number)
        await queue.join()
        await talking
    await store.close()


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(*given[:3], *map(int, given[3:])))
