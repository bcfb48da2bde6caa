"""Kills a bot at each operation of a step, and starts it again: what is lost, done twice, or sent twice."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import attrs
from bot_process import process, telegram

BOT = Path(__file__).with_name("killed_bot.py")
USER = 1
PATIENCE = 3600
"""Seconds for all starts of a bot together."""
QUIET_SECONDS = 0.5
"""A bot that has answered and lives for so long has no operation left at which it could be killed."""


@attrs.define
class Found:
    """What the kills have shown.

    Attributes:
        kills: How often the bot was killed.
        steps: How many things were to count.
        lost: Replies that never came: of updates that were lost, or lost themselves.
        twice: Replies of steps that were not to be: something has counted twice.
        disordered: Replies that came before one that was to come earlier.
        doubled: Replies that came twice.
        waits: After each kill that had left something: seconds from the new process's first request to the
            first answer.
        slowest: The longest of these, and the operation at which the kill was.
    """

    kills: int = 0
    steps: int = 0
    lost: int = 0
    twice: int = 0
    disordered: int = 0
    doubled: int = 0
    waits: list[float] = attrs.field(factory=list)
    slowest: tuple[float, int] = (0.0, 0)

    def wait(self, seconds: float, at: int) -> None:
        """Count the wait for the first answer after a kill at an operation."""
        self.waits.append(seconds)
        self.slowest = max(self.slowest, (seconds, at))

    def compare(self, expected: list[str], seen: list[str]) -> None:
        """Count what a person has seen beside what was to be seen."""
        once = [said for said in dict.fromkeys(seen) if said in set(expected)]
        came = [expected.index(said) for said in once]
        self.steps += len(expected)
        self.lost += len(expected) - len(once)
        self.twice += len(set(seen) - set(expected))
        self.disordered += sum(after < before for before, after in pairwise(came))
        self.doubled += len(seen) - len(set(seen))

    def add(self, other: "Found") -> None:
        """Count what another one has found too."""
        self.slowest = max(self.slowest, other.slowest)
        for name in attrs.asdict(self, filter=attrs.filters.exclude("slowest")):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def is_well(self) -> bool:
        """Whether nothing has happened that must not."""
        return not (self.lost or self.twice or self.disordered)

    def __str__(self) -> str:
        waits = sorted(self.waits) or [0.0]
        return (
            f"{self.kills:4} kills, {self.steps:5} steps, lost {self.lost}, twice {self.twice}, "
            f"out of order {self.disordered}, replies doubled {self.doubled:3}, "
            f"first answer {waits[len(waits) // 2]:.2f} s (at most {waits[-1]:.2f} s, operation {self.slowest[1]})"
        )


def text(offline, spool):
    """Two texts in a row."""
    offline.say("first", user=USER)
    offline.say("second", user=USER)
    return ["first", "second"]


def press(offline, spool):
    """A press of a button."""
    offline.press("Add", user=USER)
    return ["Add"]


def subflow(offline, spool):
    """A sub-flow that is called, and one that returns."""
    offline.say("sub", user=USER)
    offline.say("inside", user=USER)
    return ["inside"]


def timer(offline, spool):
    """A state that is entered, and its timeout."""
    offline.say("timer", user=USER)
    return ["armed", "rang"]


def job(offline, spool):
    """A state with a job, and the job's outcome."""
    offline.say("job", user=USER)
    return ["begun", "worked"]


def outside(offline, spool):
    """An event from outside."""
    names = sorted(int(name) for name in spool.with_suffix(".names").read_text().split() or ["0"])
    name = str(names[-1] + 1)
    spool.with_suffix(".names").write_text(name)
    spool.mkdir(exist_ok=True)
    (spool / name).touch()
    return [name]


def pictures(offline, spool):
    """An album of two pictures, and a text that completes it."""
    group = f"album {offline.say('before', user=USER)['update_id']}"
    offline.send("photo", user=USER, group=group)
    offline.send("photo", user=USER, group=group)
    offline.say("after", user=USER)
    return ["before", "2 pictures", "after"]


SITUATIONS: dict[str, Callable] = {
    "text": text,
    "press": press,
    "sub-flow": subflow,
    "timer": timer,
    "job": job,
    "outside event": outside,
    "album": pictures,
}


QUICK = ("text", "press", "job")
"""What CI does as a program."""


class Round:
    """What one person does while a bot is to be killed.

    Each reply says how many things have counted so far. One that is lost, or counts twice, shows in all that
    come after it.
    """

    def __init__(self, offline, directory, situation):
        self.offline = offline
        self.spool = directory / "spool"
        self.spool.with_suffix(".names").touch()
        self.situation = SITUATIONS[situation]
        self.expected = []

    def say(self, text):
        """Says something that counts."""
        self.offline.say(text, user=USER)
        self.expected.append(f"{len(self.expected) + 1}: {text}")

    def act(self):
        for what in self.situation(self.offline, self.spool):
            self.expected.append(f"{len(self.expected) + 1}: {what}")

    def seen(self):
        return [said for said in self.offline.texts(USER) if said[:1].isdigit()]

    def is_answered(self):
        return not self.expected or self.expected[-1] in self.seen()


def first_answer(calls):
    """Seconds from a process's first request, of these, to its first answer; `None`: there is none.

    A request of the process before may stand among them: Telegram notices late that nobody waits for it.
    """
    began = next((call.at for call in calls if call.method == "getMe"), None)
    answers = [call.at for call in calls if call.method == "sendMessage"]
    return answers[0] - began if answers and began is not None else None


async def kill_at_each(directory, situation="text", every=1, store="sqlite bot.db", most=None):
    """Kill at each operation (or each of some) of a step until one comes through; return what was found.

    Args:
        directory: Where the bot runs.
        situation: What a person does, one of `SITUATIONS`.
        every: Each of how many operations.
        store: Where the bot keeps its conversations.
        most: How many kills at most.
    """
    found, armed = Found(), directory / "armed"
    async with telegram(PATIENCE) as (offline, settings):
        work, at, through, before = Round(offline, directory, situation), 0, False, 0
        while not through and (most is None or found.kills < most):
            environment = {**settings, "KILL_AT": str(at), "ARMED": str(armed), "STORE": store}
            armed.unlink(missing_ok=True)
            left, since = not work.is_answered(), len(offline.calls)
            async with process(offline, str(BOT), cwd=directory, **environment) as bot:
                if not at:
                    offline.say("/start", user=USER)
                    await bot.answered(USER, "Ready.")
                await bot.until(work.is_answered)  # what the bot before has left
                if left:
                    found.wait(first_answer(offline.calls[since:]) or 0.0, before)
                armed.touch()
                work.act()
                through = await survives(bot, work)
                found.kills += not through
            before, at = at, at + every
        if not work.is_answered():
            async with process(offline, str(BOT), cwd=directory, **settings, STORE=store) as bot:
                await bot.until(work.is_answered)
        found.compare(work.expected, work.seen())
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
