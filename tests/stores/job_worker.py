"""A bot's engine on a SQLite file that is killed at its work: `job_worker.py FILE [KEY]`.

It begins a job that never ends, for one person, and a delivery that never ends, to another; then it says `busy`.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from fsmkit import Done, Engine, Flow, Key
from fsmkit.interpreter.row import Effect
from fsmkit.stores import Store
from fsmkit.stores.encrypted import Encrypted
from fsmkit.stores.sqlite import SQLiteStore

WORKING = Key(chat=1, user=1, bot=1)
TOLD = Key(chat=2, user=2, bot=1)


def flow_of(job: Any) -> Flow[Any]:
    """Return a flow that runs a job for some and tells others something."""
    flow: Flow[Any] = Flow("busy", ttl=None)
    flow.state("work", job=job)
    flow.state("told")

    @flow.defstate(None, on=int)
    def begin(event: int, ctx: Any) -> Any:
        if event == WORKING.user:
            return ("transition", "work", {})
        ctx.reply("Hello.")
        return ("transition", "told", {})

    @flow.defstate("work", on=Done)
    def done(event: Done, ctx: Any) -> Any:
        ctx.reply(f"Done: {event.value}.")
        return ("end",)

    return flow


async def main(store: Store) -> None:
    """Get busy, and stay so."""
    working, telling = asyncio.Event(), asyncio.Event()

    async def hang(data: Any) -> None:
        working.set()
        await asyncio.sleep(3600)

    async def deliver(key: Key, effect: Effect) -> None:
        telling.set()
        await asyncio.sleep(3600)

    engine = Engine(flow_of(hang), store=store, deliver=deliver)
    engine.bot = 1
    async with engine:
        await engine.send(WORKING, WORKING.user)
        await asyncio.wait([asyncio.ensure_future(engine.send(TOLD, TOLD.user))], timeout=0.05)
        await asyncio.gather(working.wait(), telling.wait())
        os.write(1, b"busy\n")
        await asyncio.sleep(3600)


def opened(path: str | Path, key: bytes | str | None = None) -> Store:
    """Return the store, encrypted where there is a key."""
    store = SQLiteStore(path)
    return store if key is None else Encrypted(store, [key])


if __name__ == "__main__":
    asyncio.run(main(opened(*sys.argv[1:])))
