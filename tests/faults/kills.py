"""Kills a bot at each operation of a step, and starts it again: what is lost, done twice, or sent twice."""

import asyncio
from contextlib import suppress
from pathlib import Path

import attrs
from bot_process import process, telegram

BOT = Path(__file__).with_name("killed_bot.py")
USER = 1
PATIENCE = 600
"""Seconds for all starts of a bot together."""
QUIET_SECONDS = 1.0
"""A bot that has answered and lives for so long has no operation left at which it could be killed."""


@attrs.define
class Found:
    """What the kills have shown.

    Attributes:
        kills: How often the bot was killed.
        steps: How many updates were sent.
        doubled: Replies that came twice.
    """

    kills: int = 0
    steps: int = 0
    doubled: int = 0


class Round:
    """What one person does while a bot is to be killed: two texts in a row, or a press.

    Each reply says how many updates have counted so far. One that is lost, or counts twice, shows in all that
    come after it.
    """

    def __init__(self, offline, press):
        self.offline = offline
        self.press = press
        self.expected = []

    def act(self):
        count = len(self.expected)
        if self.press:
            self.offline.press("Add", user=USER)
            self.expected.append(f"{count + 1}: Add")
            return
        for word in ("first", "second"):
            count += 1
            self.offline.say(f"{word}{count}", user=USER)
            self.expected.append(f"{count}: {word}{count}")

    def seen(self):
        return [said for said in self.offline.texts(USER) if said[:1].isdigit()]

    def is_answered(self):
        return not self.expected or self.expected[-1] in self.seen()


async def kill_at_each(directory, press, every=1):
    """Kill at each operation (or each of some) of a step until one comes through; return what was found."""
    found, armed = Found(), directory / "armed"
    async with telegram(PATIENCE) as (offline, settings):
        work, at, through = Round(offline, press), 0, False
        while not through:
            environment = {**settings, "KILL_AT": str(at), "ARMED": str(armed)}
            armed.unlink(missing_ok=True)
            async with process(offline, str(BOT), cwd=directory, **environment) as bot:
                if not at:
                    offline.say("/start", user=USER)
                    await bot.answered(USER, "Ready.")
                await bot.until(work.is_answered)  # what the bot before has left
                armed.touch()
                work.act()
                through = await survives(bot, work)
                found.kills += not through
            at += every
        found.steps = len(work.expected)
        seen = work.seen()
        assert list(dict.fromkeys(seen)) == work.expected, seen
        found.doubled = len(seen) - len(work.expected)
    return found


async def survives(bot, work):
    """Return whether the bot answers and goes on; `False`: it was killed."""
    ended = asyncio.ensure_future(bot.process.wait())
    try:
        while not work.is_answered():
            if ended.done():
                return False
            await asyncio.sleep(0.005)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ended), QUIET_SECONDS)
        return not ended.done()
    finally:
        ended.cancel()
