"""A program that forks with a store in its hands, as gunicorn with preload does: `fork_worker.py KIND URL NAME`.

Four children and then the parent add to one row, twenty times each, and print what the row holds in the end.
With a fifth argument the children go on in the parent's own loop, and print how the store refuses it.
"""

import asyncio
import multiprocessing
import os
import sys

from fsmkit import StoreError
from fsmkit.stores import Store
from fsmkit.stores.mongo import MongoStore
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.redis import RedisStore
from fsmkit.testing.store_contract.base import KEY, add_one

KINDS = {
    "redis": (RedisStore, "prefix"),
    "postgres": (PostgresStore, "schema"),
    "mongo": (MongoStore, "database"),
}
TIMES = 20


def make(kind: str, url: str, name: str) -> Store:
    """Return a store whose data have a name of their own."""
    kind_of_store, option = KINDS[kind]
    return kind_of_store(url, **{option: name})


async def add(store: Store) -> None:
    """Add to the row, and leave the store open as a process does that ends."""
    for _ in range(TIMES):
        await add_one(store, KEY)


def child(store: Store) -> None:
    """Add in a loop of the child's own."""
    asyncio.run(add(store))


def fork(store: Store) -> None:
    """Let four children add, and then the parent."""
    asyncio.run(add_one(store, KEY))
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=child, args=(store,)) for _ in range(4)]
    for each in children:
        each.start()
    for each in children:
        each.join()

    async def last() -> None:
        await add(store)
        os.write(1, await store.peek(KEY) or b"")
        await store.close()

    asyncio.run(last())


def go_on(store: Store) -> None:
    """Go on in the parent's loop: first in a child, which is refused, then in the parent."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(add_one(store, KEY))
    process = os.fork()
    if process == 0:
        try:
            loop.run_until_complete(store.peek(KEY))
        except StoreError as error:
            os.write(1, f"{type(error).__name__}: {error}\n".encode())
        os._exit(0)
    os.waitpid(process, 0)
    loop.run_until_complete(add_one(store, KEY))
    os.write(1, loop.run_until_complete(store.peek(KEY)) or b"")
    loop.run_until_complete(store.close())
    loop.close()


if __name__ == "__main__":
    kind, url, name, *inherited = sys.argv[1:]
    (go_on if inherited else fork)(make(kind, url, name))
