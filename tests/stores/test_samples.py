"""What an older version stored is read by this one, and its conversations go on: `samples/write.py` wrote it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from stores.sample_bot import START, flows

from fsmkit import Key
from fsmkit.botapi import OfflineTelegram
from fsmkit.stores import Store
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import attach
from fsmkit.testing import ManualClock

pytest_plugins = ["stores.redis_server"]
SAMPLES = Path(__file__).with_name("samples")
SQLITE = SAMPLES / "killed_bot.sqlite3"
REDIS = SAMPLES / "killed_bot.redis.json"


class Bot:
    """The bot of the samples in this version, as it comes back a minute after the kill."""

    def __init__(self, store: Store, sample: Path) -> None:
        self.clock = ManualClock(START + 60)
        self.offline = OfflineTelegram(clock=self.clock)
        self.app = self.offline.builder().build()
        self.engine = attach(self.app, *flows(), store=store, clock=self.clock)
        self.store = store
        self.buttons = json.loads(Path(f"{sample}.buttons").read_text())
        for user in range(1, 7):
            self.offline.add_user(user)

    async def begin(self) -> None:
        """Starts, after more updates than the samples remember the numbers of."""
        await self.engine.start()
        for _ in range(20):
            await self.say(6, "noise")

    async def until(self, condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - the world in memory notifies nobody
                await asyncio.sleep(0.005)

    async def say(self, user: int, text: str) -> None:
        self.offline.say(text, user=user)
        await self.offline.feed(self.app)

    async def ends(self, user: int, text: str) -> None:
        """Waits until somebody has been told this last."""
        await self.until(lambda: self.offline.texts(user)[-1:] == [text])


async def running(store: Store, sample: Path) -> AsyncIterator[Bot]:
    bot = Bot(store, sample)
    async with bot.app:
        await bot.begin()
        yield bot
        await bot.engine.stop()
    await store.close()


def loaded(url: str, prefix: str) -> None:
    """Puts a sample onto a server, under a prefix of its own."""
    with redis.Redis.from_url(url) as client:
        for name, key, *parts in json.loads(REDIS.read_text()):
            words = [part.encode("latin-1") for part in parts]
            client.execute_command(name, key.replace("{sample:", f"{{{prefix}:"), *words)


@pytest.fixture(params=["sqlite", "redis"])
async def bot(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bot]:
    if request.param == "sqlite":
        shutil.copy(SQLITE, tmp_path / "bot.db")
        store, sample = SQLiteStore(tmp_path / "bot.db"), SQLITE
    else:
        url, prefix = (request.getfixturevalue(name) for name in ("redis_url", "prefix"))
        loaded(url, prefix)
        store, sample = RedisStore(url, prefix=prefix), REDIS
    async for running_bot in running(store, sample):
        yield running_bot


async def test_the_rows_are_those_that_were_written(bot: Bot) -> None:
    rows = [stored async for stored in bot.store.scan() if stored.index]
    assert [(stored.key.user, stored.index[0].flow, stored.index[0].state) for stored in rows] == [
        (1, "signup", "age"),
        (2, "signup", "confirm"),
        (3, "address", "street"),
        (4, "tea", "drawing"),
        (5, "signup", "name"),
    ]


async def test_what_was_asked_is_answered(bot: Bot) -> None:
    await bot.say(1, "30")
    await bot.ends(1, "Ann, 30?")


async def test_a_button_of_that_time_is_pressed(bot: Bot) -> None:
    bot.offline.press_data(bot.buttons["Yes"], user=2)
    await bot.offline.feed(bot.app)
    await bot.ends(2, "Done: Bob, 42, nowhere.")


async def test_a_sub_flow_returns_to_its_caller(bot: Bot) -> None:
    await bot.say(3, "Main Street")
    await bot.ends(3, "Cid, 7?")
    bot.offline.press("Yes", user=3)
    await bot.offline.feed(bot.app)
    await bot.ends(3, "Done: Cid, 7, Main Street.")


async def test_a_scheduled_event_comes(bot: Bot) -> None:
    assert bot.offline.texts(4) == []
    bot.clock.advance(240.0)
    await bot.ends(4, "Your tea is ready.")


async def test_what_is_owed_is_sent_and_the_conversation_goes_on(bot: Bot) -> None:
    bot.clock.advance(60.0)  # the sweeper looks
    await bot.until(lambda: bot.offline.texts(5) == ["Welcome.", "Your name?"])
    await bot.say(5, "Eve")
    await bot.ends(5, "Your age?")


async def test_a_deadline_of_that_time_ends_the_conversation(bot: Bot) -> None:
    bot.clock.advance(3600.0)
    await bot.say(1, "30")
    assert await bot.engine.get_state("signup", Key(1, 1, bot=42)) == (None, None)
