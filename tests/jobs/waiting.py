"""Waiting in tests, without time."""

import asyncio


async def settle():
    """Lets tasks run until they wait for the clock or for somebody."""
    for _ in range(60):
        await asyncio.sleep(0)


async def until(condition):
    """Lets tasks and threads run until something is so."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a thread tells nobody
            await asyncio.sleep(0)
