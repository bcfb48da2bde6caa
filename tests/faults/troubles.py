"""What is no kill: a Bot API that fails, a store that is away, a process that stands still, a full disk, a flood."""

import asyncio
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import median

from bot_process import process, telegram
from faults.kills import BOT, PATIENCE, USER, Found, Round
from stores import holding_worker

from fsmkit.testing.store_contract.base import KEY, add_one

FAILURES = ("429", "500", "502", "garbage", "refused", "silence", "400", "401", "409")
"""Ways in which a request fails; see `killed_bot`."""
FINAL = ("400", "401", "409")
"""Ways after which a message is not sent again."""
AWAY_SECONDS = 5.0
LEASE_SECONDS = 2.0
FLOOD, OTHERS = 20_000, 200
"""Messages of one chat that wait, and people who write meanwhile."""


@asynccontextmanager
async def running(directory, store, **environment):
    """A bot in which one person's conversation has begun: the bot, what that person does, and its settings."""
    async with telegram(PATIENCE) as (offline, settings):
        settings = {**settings, "STORE": store, **environment}
        async with process(offline, str(BOT), cwd=directory, **settings) as bot:
            offline.say("/start", user=USER)
            await bot.answered(USER, "Ready.")
            yield bot, Round(offline, directory, "text"), settings


async def fail_at_each(directory, how, store="sqlite bot.db", most=None):
    """Let each request that a step needs fail once, in one way; return what was found.

    A reply that Telegram refuses for good is lost; there is one for each such request at most.
    """
    found, armed, injected, at = Found(), directory / "armed", directory / "injected", 0
    async with telegram(PATIENCE) as (offline, settings):
        work = Round(offline, directory, "text")
        while most is None or found.kills < most:
            environment = {"FAIL_AT": str(at), "FAIL_HOW": how, "ARMED": str(armed), "STORE": store}
            for file in (armed, injected):
                file.unlink(missing_ok=True)
            async with process(offline, str(BOT), cwd=directory, **settings, **environment) as bot:
                if not at:
                    offline.say("/start", user=USER)
                    await bot.answered(USER, "Ready.")
                armed.touch()
                rounds = 0
                while rounds < 2 or not work.is_answered():  # until the bot is seen to go on
                    already, rounds = injected.exists(), rounds + 1
                    work.act()
                    await bot.until(lambda: work.is_answered() or injected.exists() > already)  # noqa: B023
                await bot.end(signal.SIGTERM)
            if not injected.exists():
                break
            found.kills, at = found.kills + 1, at + 1
    found.compare(work.expected, work.seen())
    if how in FINAL:
        found.lost = max(0, found.lost - found.kills)
    return found


async def be_away(directory, store, leave, come_back, seconds=AWAY_SECONDS):
    """Take the store away while a person writes, and bring it back; return what was found."""
    found = Found()
    async with running(directory, store) as (bot, work, _):
        leave()
        for _ in range(3):
            work.act()
            await asyncio.sleep(seconds / 3)
        began = asyncio.get_running_loop().time()
        come_back()
        await bot.until(work.is_answered)
        found.wait(asyncio.get_running_loop().time() - began, 0)
        work.act()
        await bot.until(work.is_answered)
    found.compare(work.expected, work.seen())
    return found


class LockedFile:
    """A SQLite file that another process writes to without an end."""

    def __init__(self, path):
        self._path = path
        self._db = None

    def lock(self):
        self._db = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        self._db.execute("BEGIN IMMEDIATE")

    def unlock(self):
        self._db.execute("ROLLBACK")
        self._db.close()


async def stand_still(directory, store):
    """Stop a process in a handler for longer than its lease, with another beside it; return what was found."""
    found = Found()
    async with running(directory, store, LEASE_SECONDS=str(LEASE_SECONDS)) as (bot, work, settings):
        work.say("slow")
        await bot.until((directory / "slow").exists)
        bot.process.send_signal(signal.SIGSTOP)
        try:
            async with process(work.offline, str(BOT), cwd=directory, **settings) as other:
                began = asyncio.get_running_loop().time()
                await other.until(work.is_answered)
                found.wait(asyncio.get_running_loop().time() - began, 0)
                bot.process.send_signal(signal.SIGCONT)
                for _ in range(5):
                    work.act()
                    await other.until(work.is_answered)
                    await asyncio.sleep(LEASE_SECONDS / 5)
        finally:
            with suppress(ProcessLookupError):
                bot.process.send_signal(signal.SIGCONT)
    found.compare(work.expected, work.seen())
    return found


async def outlive(kind, url, name, what, times=5):
    """Kill a worker that has something of a store, with another beside it.

    Returns:
        After each kill, the seconds until the other one had it.
    """
    make, option = holding_worker.KINDS[kind]
    store = make(url, lease_seconds=300.0, **{option: name})
    waits, loop = [], asyncio.get_running_loop()
    for _ in range(times):
        await store.forget(KEY)
        words = (holding_worker.__file__, kind, url, name, what)
        pipe = asyncio.subprocess.PIPE
        worker = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
        await worker.stdout.readline()
        death = asyncio.Event()
        over = store.on_death(death.set)
        await store.due(KEY.bot, ["flow"], 2.0, 10)
        waiting = asyncio.ensure_future(add_one(store, KEY)) if what == "lease" else death.wait()
        worker.kill()
        began = loop.time()
        await waiting
        if what != "lease":
            assert await store.due(KEY.bot, ["flow"], 2.0, 10) == [KEY]
        waits.append(loop.time() - began)
        over()
        await worker.wait()
    await store.close()
    return sorted(waits)


async def fill_disk(directory):
    """Let there be no room on the disk for a while; return what was found."""
    full = directory / "full"
    return await be_away(directory, "sqlite bot.db", full.touch, full.unlink)


async def flood(directory, store="sqlite bot.db", messages=FLOOD, others=OTHERS):
    """Let many messages of one chat wait when others write.

    Returns:
        How many of the messages were handled, the others' median and longest wait in seconds, and by how many
        MiB the bot has grown from the first thousand messages to the last.
    """
    count, people = directory / "flood", range(10_000, 10_000 + others)
    async with telegram(PATIENCE) as (offline, settings):
        for user in people:
            offline.add_user(user)
        offline.say("/start", user=USER)
        for _ in range(messages):
            offline.say("flood", user=USER)
        waits = {}
        async with process(offline, str(BOT), cwd=directory, **settings, STORE=store) as bot:
            loop = asyncio.get_running_loop()

            def handled():
                return int(count.stat().st_size) if count.exists() else 0

            await bot.until(lambda: handled() >= min(1000, messages // 4))
            before = memory(bot)
            for user in people:
                said = loop.time()
                offline.say("/start", user=user)
                await bot.until(lambda user=user: offline.texts(user)[-1:] == ["Ready."])
                waits[user] = loop.time() - said
            await bot.until(lambda: handled() >= messages)
            grown = memory(bot) - before
            work = Round(offline, directory, "text")
            work.act()
            await bot.until(work.is_answered)
            return handled(), median(waits.values()), max(waits.values()), grown


def memory(bot):
    """MiB that a process has in memory."""
    pages = Path(f"/proc/{bot.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096 / 2**20
