"""A bot on SQLite that is killed at its work: the next process serves the person at once."""

import signal
import time
from pathlib import Path

import pytest
from bot_process import process, telegram

BOT = """
import asyncio
from pathlib import Path

from fsmkit import Flow
from fsmkit.telegram import command

flow = Flow("signup")
flow.state("name", prompt="Your name?")


@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name", {})


@flow.defstate("name")
async def named(event, ctx):
    if event.text == "hang" and not Path("hung").exists():
        Path("hung").touch()
        await asyncio.sleep(3600)
    ctx.reply(f"Hello, {event.text}.")
"""
RUN = ("-m", "fsmkit", "run", "bot.py", "--store", "sqlite:bot.db")
BAR = 5.0
"""Seconds from the new process's start to its answer; a tenth of one where the machine has nothing else to do."""


@pytest.mark.parametrize("moment", ["a delivery", "a handler"])
async def test_a_new_message_after_a_kill_is_answered_at_once(moment: str, tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(BOT, encoding="utf-8")
    async with telegram() as (offline, settings):

        def starts() -> int:
            return sum(call.method == "getMe" for call in offline.calls)

        async with process(offline, *RUN, cwd=tmp_path, **settings) as bot:
            offline.say("/start")
            # Telegram has the message; whether the bot knows that, only its next commit would tell.
            await bot.until(lambda: offline.texts(1) == ["Your name?"])
            if moment == "a handler":
                offline.say("hang")
                await bot.until((tmp_path / "hung").exists)
            await bot.end(signal.SIGKILL)
        before = starts()
        async with process(offline, *RUN, cwd=tmp_path, **settings) as bot:
            await bot.until(lambda: starts() > before)
            began = time.monotonic()
            offline.say("Ann")
            await bot.until(lambda: "Hello, Ann." in offline.texts(1))
            waited = time.monotonic() - began
            await bot.end(signal.SIGTERM)
    assert waited < BAR
