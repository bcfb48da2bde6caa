"""The watchdog: who blocks the event loop is named, and a stop comes to its end whatever handlers do."""

import asyncio
import signal
import time

import pytest
from bot_process import process, telegram

from fsmkit import Engine, Flow
from fsmkit.telegram.receiver.receiver import REST_SECONDS
from fsmkit.telegram.receiver.watchdog import LoopWatchdog, handler_names


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("fsmkit.telegram.receiver.watchdog.BEAT_SECONDS", 0.01)


def blocking():
    flow = Flow("blocking")

    @flow.defstate(None, on=str)
    async def blocks(event, ctx):
        time.sleep(0.2)  # noqa: ASYNC251 - what a handler must not do

    @flow.defstate(None, on=int)
    async def waits(event, ctx):
        await asyncio.sleep(0.1)

    return flow


async def test_who_blocks_the_event_loop_is_named_with_the_line_at_which_it_stands(quick, caplog):
    flow = blocking()
    function = flow.handlers[0].function
    engine = Engine(flow)
    with LoopWatchdog(handler_names(engine), seconds=0.05).watching():
        await asyncio.sleep(0.02)
        await function("event", None)
        while "goes on" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert f"handler {flow.handlers[0].name} ({flow.handlers[0].place}) blocks the event loop" in caplog.text
    assert f"at {__file__}:{function.__code__.co_firstlineno + 2}" in caplog.text
    assert caplog.text.count("nobody has been answered") == 1


async def test_what_is_no_handler_of_a_flow_is_named_by_its_line(quick, caplog):
    with LoopWatchdog({}, seconds=0.05).watching():
        await asyncio.sleep(0.02)
        time.sleep(0.2)  # noqa: ASYNC251
        await asyncio.sleep(0.02)
    assert "the event loop is blocked at" in caplog.text
    assert "test_watchdog.py" in caplog.text


async def test_who_waits_blocks_nobody(quick, caplog):
    flow = blocking()
    with LoopWatchdog(handler_names(Engine(flow)), seconds=0.05).watching():
        await flow.handlers[1].function(1, None)
    assert caplog.text == ""


BOT = """
import asyncio, logging, time
from telegram.ext import Application
from fsmkit import Flow
from fsmkit.telegram import KeyedProcessor, Receiver, attach, text

flow = Flow("flow")


@flow.defstate(None, on=text("block"))
def block_for_ever(event, ctx):
    print("blocks", flush=True)
    while True:
        time.sleep(1)


@flow.defstate(None, on=text("deaf"))
async def deaf_for_ever(event, ctx):
    print("blocks", flush=True)
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


@flow.defstate(None, on=text("thread"))
async def thread_for_ever(event, ctx):
    print("blocks", flush=True)
    await asyncio.to_thread(time.sleep, 3600)


if __name__ == "__main__":
    import os
    logging.basicConfig(level=logging.INFO)
    app = Application.builder().token("42:OFFLINE").base_url(os.environ["BOT_API_BASE_URL"])
    app = app.concurrent_updates(KeyedProcessor()).build()
    Receiver(app, attach(app, flow, store="sqlite:bot.db"), drain=0.3).run_polling()
"""


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["block", "deaf", "thread"])
async def test_a_handler_that_takes_no_notice_of_a_stop_is_ended_with_the_process(tmp_path, how):
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    async with telegram() as (offline, settings):
        offline.say(how, user=1)
        async with process(offline, "bot.py", cwd=tmp_path, **settings) as bot:
            assert await bot.process.stdout.readline() == b"blocks\n"
            begun = time.monotonic()
            status, said = await bot.end(signal.SIGTERM)
            assert time.monotonic() - begun < 10 + (REST_SECONDS if how == "thread" else 0)
    assert status == 1
    shown = "concurrent/futures/thread.py" if how == "thread" else f"in {how}_for_ever"
    assert shown in said or f"taking no notice: handler {how}_for_ever" in said
