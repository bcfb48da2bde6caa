"""A bot's worker as a program: `python redis_worker.py URL PREFIX`.

It reads events from its standard input, a line `USER NUMBER` each, gives them to the counting flow, all at
once, and answers `done USER NUMBER KIND`; of each reply that it delivers it says `sent USER NUMBER`.
"""

import asyncio
import os
import sys

from stores.store_flows import counting_flow

from fsmkit import Engine, Key, LeaseLost, StoreUnavailable
from fsmkit.stores.redis import RedisStore

LEASE_SECONDS = 1.0
CLAIM_SECONDS = 1.0


def say(*words: object) -> None:
    """One line in one write, so that a kill never cuts it."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def take(engine: Engine, user: int, number: int) -> None:
    """Gives one event to its conversation, again and again until it is taken."""
    while True:
        try:
            outcome = await engine.send(Key(1, user), number or "begin", id=number)
        except (StoreUnavailable, LeaseLost):
            await asyncio.sleep(0.05)
        else:
            say("done", user, number, outcome.kind)
            return


async def main(url: str, prefix: str) -> None:
    """Works until its input ends."""
    store = RedisStore(url, prefix=prefix, lease_seconds=LEASE_SECONDS, claim_seconds=CLAIM_SECONDS)
    engine = Engine(
        counting_flow(), store=store, deliver=lambda key, effect: say("sent", key.user, effect.text)
    )
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with engine, asyncio.TaskGroup() as tasks:
        while line := await lines.readline():
            user, number = map(int, line.split())
            tasks.create_task(take(engine, user, number))
    pipe.close()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
