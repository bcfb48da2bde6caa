"""How long one chat waits for another, and what keeping chats in order costs, beside PTB's own processors.

Run it: `python tests/benchmarks/concurrency.py [ROUNDS]`. The first table: eight messages of one chat whose
handler takes 1.5 seconds each, then a message of another chat, with four slots; milliseconds until the other
chat has its answer. The second: microseconds for one update through the application's queue, where no
handler has anything to wait for, medians over the rounds, contenders taking turns.
"""

import asyncio
import statistics
import sys
import time
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from fsmkit import ANY, Flow
from fsmkit.botapi import OfflineTelegram
from fsmkit.telegram import KeyedProcessor, attach

SLOW = 1.5
SLOTS = 4
CHATS = 50
MESSAGES = 20
CONTENDERS = {
    "KeyedProcessor": lambda: KeyedProcessor(SLOTS),
    "concurrent_updates(4)": lambda: SLOTS,
    "one after the other": lambda: False,
}


def bot(processor: Any) -> tuple[OfflineTelegram, Any, "asyncio.Queue[float]"]:
    """A bot that answers, slowly where it is told so, and when it has said hello."""
    offline, flow = OfflineTelegram(), Flow("bot")
    answered: asyncio.Queue[float] = asyncio.Queue()
    for user in range(1, CHATS + 1):
        offline.add_user(user)

    @flow.defstate(None, ANY)
    async def answer(event: Any, ctx: Any) -> None:
        if event.text == "slow":
            await asyncio.sleep(SLOW)
        elif event.text == "hello":
            await ctx.bot.send_message(event.chat_id, "hello")
            answered.put_nowait(time.perf_counter())

    builder = offline.builder().concurrent_updates(processor)
    if isinstance(processor, BaseUpdateProcessor):
        builder = builder.update_queue(processor.queue)
    app = builder.build()
    attach(app, flow)
    return offline, app, answered


async def latency(processor: Any) -> float:
    """Milliseconds until a chat has its answer while another one is slow."""
    offline, app, answered = bot(processor)
    await app.initialize()
    await app.start()
    for _ in range(8):
        await app.update_queue.put(Update.de_json(offline.say("slow", user=1), app.bot))
    begin = time.perf_counter()
    await app.update_queue.put(Update.de_json(offline.say("hello", user=2), app.bot))
    end = await answered.get()
    await app.stop()
    await app.shutdown()
    return (end - begin) * 1000


async def throughput(processor: Any) -> float:
    """Microseconds for one update."""
    offline, app, _ = bot(processor)
    users = [user for _ in range(MESSAGES) for user in range(1, CHATS + 1)]
    updates = [Update.de_json(offline.say("quick", user=user), app.bot) for user in users]
    await app.initialize()
    await app.start()
    begin = time.perf_counter()
    for update in updates:
        await app.update_queue.put(update)
    await app.update_queue.join()
    took = (time.perf_counter() - begin) / len(updates) * 1e6
    await app.stop()
    await app.shutdown()
    return took


async def main(rounds: int) -> None:
    """Prints both tables."""
    for name, processor in CONTENDERS.items():
        print(f"{name:24} {await latency(processor()):8.1f} ms until the other chat is answered")
    took: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name, processor in CONTENDERS.items():
            took[name].append(await throughput(processor()))
    for name, times in took.items():
        print(f"{name:24} {statistics.median(times):8.1f} µs for one update")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 9))
