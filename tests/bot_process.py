"""A bot as a process of its own, against the Bot API behind a loopback port."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from fsmkit.botapi import OfflineTelegram

ROOT = Path(__file__).parent.parent
PATIENCE = 60
"""Seconds for a whole test; nothing in it waits for a fixed time."""
PEOPLE = (1, 2, 3, 4, 5)


class Bot:
    """The process, and the Telegram that it talks to."""

    def __init__(self, offline, process):
        self.offline = offline
        self.process = process

    async def answered(self, user, text):
        """Waits until the newest message that a person sees is this one."""
        await self.until(lambda: self.offline.texts(user)[-1:] == [text])

    async def until(self, condition):
        """Waits until something is true that the bot's requests make so."""
        while not condition():
            assert self.process.returncode is None, "the bot has ended"
            await asyncio.sleep(0.005)

    async def end(self, number):
        """Sends a signal; gives the exit status and what was said on standard error."""
        self.process.send_signal(number)
        _, said = await self.process.communicate()
        return self.process.returncode, said.decode()


@asynccontextmanager
async def telegram(patience=PATIENCE):
    """A Telegram with some people, and the settings of a bot that is to talk to it."""
    offline = OfflineTelegram()
    for user in PEOPLE:
        offline.add_user(user)
    async with asyncio.timeout(patience), offline.serve() as url:
        yield offline, {"BOT_API_BASE_URL": f"{url}/bot", "BOT_API_BASE_FILE_URL": f"{url}/file/bot"}


@asynccontextmanager
async def process(offline, *command, cwd=ROOT, token="42:OFFLINE", **environment):
    """Runs Python with some arguments as a bot."""
    # All that Python would otherwise keep to itself about what was left open.
    settings = {"BOT_TOKEN": token, "PYTHONWARNINGS": "always", **environment}
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, *command),
        env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
    )
    try:
        yield Bot(offline, started)
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


def assert_clean(ending):
    """It ended as it was told to, and left nothing open."""
    status, said = ending
    assert status == 0, said
    for word in ("Traceback", "was destroyed", "never awaited", "nclosed", "Warning", "ERROR"):
        assert word not in said, said
