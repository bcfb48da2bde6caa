"""Kills a bot at random moments while many people talk to it."""

import asyncio
from random import Random

from bot_process import process, telegram
from faults.kills import BOT, PATIENCE, Found, first_answer

TEXTS_AT_ONCE = 3
"""Texts that a person sends before he waits for the answers."""


class Person:
    """Somebody who says one thing after the other, and can tell what has become of each."""

    def __init__(self, offline, user):
        self.offline = offline
        self.user = user
        self.said = []

    def say(self, count):
        for _ in range(count):
            number = len(self.said) + 1
            self.said.append(f"{number}: word{number}")
            self.offline.say(f"word{number}", user=self.user)

    def seen(self):
        return [said for said in self.offline.texts(self.user) if said[:1].isdigit()]

    def is_answered(self):
        return not self.said or self.said[-1] in self.seen()


async def kill_at_random(directory, kills, people=50, store="sqlite bot.db", seed=1):
    """Kill a bot so often, while people talk to it; return what was found."""
    found, chance = Found(), Random(seed)
    async with telegram(PATIENCE) as (offline, settings):
        crowd = [Person(offline, 1000 + n) for n in range(people)]
        for person in crowd:
            offline.add_user(person.user)
            offline.say("/start", user=person.user)
        async with process(offline, str(BOT), cwd=directory, **settings, STORE=store) as bot:
            await bot.until(lambda: all(offline.texts(person.user)[-1:] == ["Ready."] for person in crowd))
        while found.kills < kills:
            since = len(offline.calls)
            async with process(offline, str(BOT), cwd=directory, **settings, STORE=store) as bot:
                await bot.until(lambda since=since: offline.calls[since:])
                end = asyncio.get_running_loop().time() + chance.uniform(0.05, 1.0)
                while asyncio.get_running_loop().time() < end:
                    for person in chance.sample(crowd, 5):
                        if person.is_answered():
                            person.say(chance.randint(1, TEXTS_AT_ONCE))
                    await asyncio.sleep(0.005)
                bot.process.kill()
                await bot.process.wait()
                found.kills += 1
            if (waited := first_answer(offline.calls[since:])) is not None:
                found.wait(waited, found.kills)
        async with process(offline, str(BOT), cwd=directory, **settings, STORE=store) as bot:
            await bot.until(lambda: all(person.is_answered() for person in crowd))
    for person in crowd:
        found.compare(person.said, person.seen())
    return found
