"""The bench of the receiver's tests."""

import logging

import pytest
from polled_bot import Bench


@pytest.fixture
async def bench(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    caplog.set_level(logging.INFO, "fsmkit")
    return Bench(tmp_path / "bot.db")
