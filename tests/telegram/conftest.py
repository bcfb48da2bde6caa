"""A bench for bots: a real PTB application over `OfflineTelegram`, on a clock that the test moves."""

import asyncio

import pytest

from fsmkit import Key
from fsmkit.botapi import OfflineTelegram
from fsmkit.telegram import attach
from fsmkit.testing import ManualClock

START = 1_000_000.0


async def settle():
    """Lets background tasks run until they wait for the clock or for somebody."""
    for _ in range(60):
        await asyncio.sleep(0)


class Bench:
    """One bot under test.

    Attributes:
        offline: The Bot API in memory.
        clock: Moved by the tests only.
        app: The application.
        engine: What `attach` returned.
        errors: What the application's error handler was given; a test that expects some takes them out.
    """

    def __init__(self, offline, clock):
        self.offline = offline
        self.clock = clock
        self.app = offline.builder().build()
        self.engine = None
        self.errors = []

    def attach(self, *flows, **options):
        """Puts flows onto the application; the first update or `start` begins."""
        self.engine = attach(self.app, *flows, clock=self.clock, **options)
        return self.engine

    async def start(self, *flows, **options):
        """Attaches and starts."""
        engine = self.attach(*flows, **options)

        async def note(_update, context):
            self.errors.append(context.error)

        self.app.add_error_handler(note)
        await self.app.initialize()
        await engine.start()
        return engine

    async def feed(self):
        """Gives what waits to the application, and lets what follows from it happen."""
        count = await self.offline.feed(self.app)
        await settle()
        return count

    async def say(self, text, **where):
        """Somebody writes; returns the update."""
        update = self.offline.say(text, **where)
        await self.feed()
        return update

    async def press(self, button, **where):
        """Somebody presses a button; returns the texts that the press was answered with."""
        query = self.offline.press(button, **where)["callback_query"]["id"]
        await self.feed()
        return self.answers(query)

    async def press_data(self, data, **where):
        """Somebody presses a button of any data; returns the texts that the press was answered with."""
        query = self.offline.press_data(data, **where)["callback_query"]["id"]
        await self.feed()
        return self.answers(query)

    def answers(self, query):
        """The texts that a press was answered with."""
        return [answer.get("text", "") for answer in self.offline.answered[query]]

    async def advance(self, seconds):
        """Moves the clock, and lets the sweeper and all who slept do their work."""
        self.clock.advance(seconds)
        await settle()

    def key(self, chat=1, user=1):
        """The key of somebody in a chat."""
        return Key(chat, user)

    def texts(self, chat=1):
        """What the bot shows in a chat."""
        return self.offline.texts(chat)

    def calls(self):
        """The bot's requests so far, by method, but for its own account."""
        return [call.method for call in self.offline.calls if call.method != "getMe"]

    def data(self, text, chat=1):
        """The callback data of the newest button with a text."""
        for message in reversed(self.offline.messages(chat)):
            for row in message.get("reply_markup", {}).get("inline_keyboard", ()):
                for button in row:
                    if button["text"] == text:
                        return button["callback_data"]
        raise LookupError(text)

    def buttons(self, chat=1):
        """The texts of the inline buttons under each of the bot's messages."""
        return [
            [button["text"] for row in message["reply_markup"]["inline_keyboard"] for button in row]
            if "reply_markup" in message
            else []
            for message in self.offline.messages(chat)
            if message.get("from", {}).get("is_bot")
        ]

    async def close(self):
        """Ends everything; what still waits for the clock gets its time."""
        if self.engine is not None:
            for _ in range(5):
                await self.advance(60)
            await self.engine.stop()
        await self.app.shutdown()


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def offline(clock):
    offline = OfflineTelegram(clock=clock)
    offline.add_user(1)
    return offline


@pytest.fixture
async def bench(offline, clock, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    bench = Bench(offline, clock)
    yield bench
    await bench.close()
    assert bench.errors == []
