"""How long people wait: while another chat is slow, and while a job of their own conversation runs."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from telegram import Update
from telegram.ext import BaseUpdateProcessor

from fsmkit import ANY, Flow
from fsmkit.botapi import OfflineTelegram
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import KeyedProcessor, attach, command
from fsmkit.testing import ManualClock
from tests.benchmarks.measuring import Comparison, Load, Measure

SLOW = 0.25
"""Seconds that a handler of the other chat takes."""
SLOTS = 4
MESSAGES = 8


def another_chat_is_slow(processor: Any) -> Measure:
    """Return what measures ms until a chat has its answer, while eight messages of a slow chat wait."""

    async def measured(load: Load) -> float:
        offline, flow = OfflineTelegram(), Flow[Any]("bot")
        answered: asyncio.Queue[float] = asyncio.Queue()
        offline.add_user(2)

        @flow.defstate(None, ANY)
        async def answer(event: Any, ctx: Any) -> None:
            if event.text == "slow":
                await asyncio.sleep(load.of(100) / 100 * SLOW)
            else:
                await ctx.bot.send_message(event.chat_id, "hello")
                answered.put_nowait(time.perf_counter())

        made = processor()
        builder = offline.builder().concurrent_updates(made)
        if isinstance(made, BaseUpdateProcessor):
            builder = builder.update_queue(made.queue)  # type: ignore[attr-defined]
        app = builder.build()
        async with app, attach(app, flow):
            await app.start()
            for _ in range(MESSAGES):
                await app.update_queue.put(Update.de_json(offline.say("slow", user=1), app.bot))
            begin = time.perf_counter()
            await app.update_queue.put(Update.de_json(offline.say("hello", user=2), app.bot))
            took = await answered.get() - begin
            await app.stop()
        return took * 1000

    return measured


async def while_a_job_runs(load: Load) -> float:
    """The conversation stands in a state whose job takes 30 seconds of a clock that stands still."""
    return await _status(load, "/start")


async def without_a_job(load: Load) -> float:
    """The conversation stands in a state without one."""
    return await _status(load, "/wait")


async def _status(load: Load, begin_with: str) -> float:
    """Return ms of processor time of a whole application on a `SQLiteStore` for an answer to `/status`."""
    clock, offline, processor = ManualClock(time.time()), OfflineTelegram(), KeyedProcessor()
    flow: Flow[Any] = Flow("slow")

    async def convert(data: Any, job: Any) -> str:
        for second in range(30):
            job.progress(second / 30, "Converting")
            await clock.sleep(1)
        return "film.mp4"

    flow.state("converting", job=convert)
    flow.state("waiting")

    @flow.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "converting")

    @flow.defstate(None, on=command("wait"))
    def wait(event: Any, ctx: Any) -> Any:
        return ("transition", "waiting")

    @flow.defstate(ANY, on=command("status"))
    def status(event: Any, ctx: Any) -> Any:
        ctx.reply("You are here.")
        return ("stay",)

    app = offline.builder().concurrent_updates(processor).update_queue(processor.queue).build()
    asked, warm = load.of(200, 5), load.of(20)
    with tempfile.TemporaryDirectory() as home:
        engine = attach(app, flow, store=SQLiteStore(Path(home) / "bot.db"), clock=clock)
        async with app, engine:
            await _said(app, offline, begin_with)
            for _ in range(warm):
                await _said(app, offline, "/status")
            begin = time.process_time()
            for _ in range(asked):
                await _said(app, offline, "/status")
            took = (time.process_time() - begin) / asked
        await engine.store.close()
    answers = offline.texts(1).count("You are here.")
    assert answers == asked + warm, f"{answers} of {asked + warm} were answered"
    return took * 1000


async def _said(app: Any, offline: OfflineTelegram, text: str) -> None:
    offline.say(text)
    await offline.feed(app)


COMPARISONS = (
    Comparison(
        "slow-chat",
        "Eight messages of another chat are slow, 0.25 s each, with four slots: ms until one's own is answered",
        "ms",
        {
            "KeyedProcessor": another_chat_is_slow(lambda: KeyedProcessor(SLOTS)),
            "concurrent_updates(4)": another_chat_is_slow(lambda: SLOTS),
            "one after the other": another_chat_is_slow(lambda: False),
        },
    ),
    Comparison(
        "status",
        "An answer while a job of the same conversation runs, on SQLite",
        "ms of processor time",
        {"fsmkit": while_a_job_runs, "without a job": without_a_job},
    ),
)
