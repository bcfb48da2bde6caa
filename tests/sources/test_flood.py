"""Three processes give 10,000 events to 1,000 conversations while people talk: each counts once, in its order."""

import asyncio
import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("stores.redis_server")
from sources.flood_worker import BOT, TALKS_EVERY, flood  # noqa: E402

from fsmkit.interpreter.codec import DataCodec, decode_row  # noqa: E402

pytest_plugins = ["stores.redis_server"]
pytestmark = pytest.mark.thorough

EVENTS, KEYS, SOURCES = 3334, 1000, ("post", "bank", "warehouse")


async def worker(url, prefix, source):
    here = Path(__file__).parent
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(here / "flood_worker.py"), url, prefix, source, str(EVENTS), str(KEYS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=here.parent.parent,
        env={"PYTHONPATH": str(here.parent.parent), "PYTHONWARNINGS": "error"},
    )
    assert await process.stdout.readline() == b"ready\n"
    return process


async def test_all_events_count_once_and_those_of_a_source_in_their_order(redis_url, prefix, store):
    workers = [await worker(redis_url, prefix, source) for source in SOURCES]
    for process in workers:
        process.stdin.write(b"\n")
    async with asyncio.timeout(120):
        assert [(await process.communicate())[1] for process in workers] == [None] * 3
    assert [process.returncode for process in workers] == [0, 0, 0]
    seen = {}
    async for stored in store.scan(bot=BOT):
        seen[stored.key.chat] = flood_data(stored.row)
    assert len(seen) == KEYS
    for chat, data in seen.items():
        numbers = range(chat, EVENTS, KEYS)
        assert data == {
            "last": dict.fromkeys(SOURCES, numbers[-1]),
            "count": dict.fromkeys(SOURCES, len(numbers)),
            "wrong": 0,
            "talks": 3 if chat % TALKS_EVERY == 0 else 0,
        }


def flood_data(row):
    frame = decode_row(row).snapshots[flood().name].frames[0]
    return DataCodec("flood", dict, None).decode(frame.data)
