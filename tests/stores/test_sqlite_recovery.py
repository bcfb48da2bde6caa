"""A bot on SQLite that is killed at its work: the next process serves the person at once."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import pytest
from bot_process import process, telegram
from cryptography.fernet import Fernet
from stores import job_worker

from fsmkit import Engine, Key
from fsmkit.engine.jobs import JobContext
from fsmkit.interpreter.row import Effect, Send

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


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "encrypted"])
async def test_what_a_killed_process_was_at_is_taken_up_at_once(sealed: bool, tmp_path: Path) -> None:
    """It does not wait for the first sweep, to which updates that have waited go first."""
    path, key = tmp_path / "bot.db", Fernet.generate_key()
    words = (sys.executable, job_worker.__file__, str(path), *([key.decode()] if sealed else []))
    worker = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    try:
        assert await asyncio.wait_for(worker.stdout.readline(), 30) == b"busy\n"
    finally:
        worker.kill()
        await worker.wait()
    sent: set[str] = set()
    attempts: list[int] = []

    async def work(data: object, job: JobContext) -> str:
        attempts.append(job.attempt)
        return "soup"

    def deliver(key: Key, effect: Effect) -> None:
        assert isinstance(effect, Send)
        sent.add(effect.text)

    store = job_worker.opened(path, key if sealed else None)
    engine = Engine(job_worker.flow_of(work), store=store, deliver=deliver)
    engine.bot = 1
    engine._sweeper._first = 3600.0  # no sweep comes to help
    try:
        async with asyncio.timeout(20), engine:
            while len(sent) < 2:  # noqa: ASYNC110 - a delivery notifies nobody
                await asyncio.sleep(0.01)
    finally:
        await store.close()
    assert sent == {"Hello.", "Done: soup."}
    assert attempts == [2]
