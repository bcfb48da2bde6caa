"""One of many processes on one store: `python -m tests.benchmarks.worker URL FIRST COUNT`.

Prints the processor time of a step in µs; its imports and the opening of the store are not in it.
"""

import asyncio
import sys
import time

from fsmkit.stores import open_store
from tests.benchmarks.stores import opened, written

CHATS = 16


async def main(url: str, first: int, count: int) -> float:
    """Write for chats that no other worker has."""
    async with opened(open_store(url)) as write:
        await written(write, CHATS, CHATS, first)
        begin = time.process_time()
        await written(write, CHATS, count, first)
        return (time.process_time() - begin) / count * 1e6


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
