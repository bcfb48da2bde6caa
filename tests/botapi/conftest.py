"""An in-memory Telegram, and a real PTB bot that talks to it."""

import pytest

from fsmkit.botapi import OfflineTelegram
from fsmkit.testing import ManualClock


@pytest.fixture
def clock():
    return ManualClock(1_000_000)


@pytest.fixture
def offline(clock):
    return OfflineTelegram(clock=clock)


@pytest.fixture
async def app(offline):
    async with offline.builder().build() as application:
        yield application


@pytest.fixture
async def bot(offline, app):
    offline.add_user(1)
    return app.bot
