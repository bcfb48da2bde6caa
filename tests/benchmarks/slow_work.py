"""How long a person waits for an answer while a job of their own conversation runs.

Run it: `python tests/benchmarks/slow_work.py [ROUNDS]`. A whole PTB application on a Telegram in memory and a
`SQLiteStore`; the conversation stands in a state whose job takes 30 seconds of a clock that stands still, and
reports its progress. Timed is each `/status`, from the update to the answer in Telegram's hands.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fsmkit import ANY, Flow
from fsmkit.botapi import OfflineTelegram
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import KeyedProcessor, attach, command
from fsmkit.testing import ManualClock

WARM = 20


def slow_flow(clock: ManualClock) -> Flow[Any]:
    """A conversation with a job of 30 seconds."""
    flow: Flow[Any] = Flow("slow")

    async def convert(data: Any, job: Any) -> str:
        for second in range(30):
            job.progress(second / 30, "Converting")
            await clock.sleep(1)
        return "film.mp4"

    flow.state("converting", job=convert)

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "converting")

    @flow.defstate(ANY, on=command("status"))
    def status(event: Any, ctx: Any) -> Any:
        ctx.reply(f"You are in {ctx.state}.")
        return ("stay",)

    return flow


async def main(rounds: int) -> None:
    """Prints the figures."""
    clock, offline, processor = ManualClock(time.time()), OfflineTelegram(), KeyedProcessor()
    app = offline.builder().concurrent_updates(processor).update_queue(processor.queue).build()
    took: list[float] = []
    with tempfile.TemporaryDirectory() as home:
        engine = attach(app, slow_flow(clock), store=SQLiteStore(Path(home) / "bot.db"), clock=clock)
        async with app, engine:
            offline.say("/start")
            await offline.feed(app)
            for number in range(rounds + WARM):
                offline.say("/status")
                begin = time.perf_counter()
                await offline.feed(app)
                if number >= WARM:
                    took.append((time.perf_counter() - begin) * 1000)
            assert offline.texts(1)[-1] == "You are in converting.", offline.texts(1)[-3:]
        await engine.store.close()
    took.sort()
    print(
        f"/status while the job runs: median {statistics.median(took):.1f} ms, 99 of 100 within "
        f"{took[len(took) * 99 // 100]:.1f} ms, slowest {took[-1]:.1f} ms ({len(took)} of them)"
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
