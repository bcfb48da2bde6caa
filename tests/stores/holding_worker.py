"""A process that has something of a store until it is killed: `holding_worker.py KIND URL NAME WHAT`.

`lease`: it takes a lease, says `held`, waits for a line, commits, and says `written` or `lost`. `claim`: it
commits what is to be delivered, says `claimed`, and delivers nothing. `wait`: like `claim`, and the chat has to
wait for an hour. `due`: it takes what is due, and looks at none of it. What it says after that word is what the
store knows it by. `job`: it does what `job_worker` does.
"""

import asyncio
import os
import sys
from importlib import import_module

from fsmkit import LeaseLost
from fsmkit.stores import Change, Index
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore
from fsmkit.testing.store_contract.base import KEY

KINDS = {
    "redis": (RedisStore, "prefix"),
    "postgres": (PostgresStore, "schema"),
    "mongo": (MongoStore, "database"),
}


def say(word: str) -> None:
    """Say a line, written at once."""
    os.write(1, f"{word}\n".encode())


async def main(kind: str, url: str, name: str, what: str, lease_seconds: str = "300") -> None:
    """Hold on until the end."""
    make, option = KINDS[kind]
    store = make(url, lease_seconds=float(lease_seconds), **{option: name})
    if what == "job":
        await import_module("job_worker").main(store)
    async with store.lease(KEY) as lease:
        if what == "claim":
            await lease.commit(Change(b"row", outbox=(b"one", b"two")))
            say(f"claimed {store.worker}")
        elif what == "wait":
            await lease.commit(Change(b"row", outbox=(b"one", b"two")))
            await store.extend_claim(KEY, 3600.0)
            say(f"claimed {store.worker}")
        elif what == "due":
            await lease.commit(Change(b"row", wake=1.0, index=(Index("flow", "on", 1.0),)))
            assert await store.due(KEY.bot, ["flow"], 2.0, 10) == [KEY]
            say(f"claimed {store.worker}")
        else:
            say(f"held {store.worker}")
        await asyncio.to_thread(sys.stdin.readline)
        try:
            await lease.commit(Change(b"written late"))
            say("written")
        except LeaseLost:
            say("lost")
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
