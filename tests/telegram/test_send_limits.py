"""`SendLimits`: messages wait until Telegram will take them, each chat for itself."""

import asyncio
import sys

import pytest

from fsmkit import Flow, RetryLater
from fsmkit.botapi import OfflineTelegram
from fsmkit.telegram import attach, text
from fsmkit.telegram.run import _installed_limits
from fsmkit.telegram.send_limits import BURST, IN_GROUP, OVER_ALL, SendLimits


async def sent(limits, chats, counted):
    """What the outbox does with what has to wait."""
    for chat in chats:
        while True:
            try:
                await limits.wait(chat)
                break
            except RetryLater as later:
                await asyncio.sleep(later.seconds)
        counted.append(chat)


async def turns():
    for _ in range(200):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("chat", "at_once", "seconds"), [(7, BURST, 1.05), (-7, IN_GROUP, 3.05), ("@news", IN_GROUP, 3.05)]
)
async def test_a_chat_gets_a_burst_and_then_one_after_the_other(chat, at_once, seconds, monkeypatch):
    limits, counted, moved = SendLimits(), [], 0.0
    loop = asyncio.get_running_loop()
    begun = loop.time()
    monkeypatch.setattr(loop, "time", lambda: begun + moved)  # it stands still
    task = asyncio.ensure_future(sent(limits, [chat] * (at_once + 2), counted))
    await turns()
    assert len(counted) == at_once
    other = []
    await sent(limits, [8], other)
    assert other == [8]
    for more in (1, 2):
        moved += seconds
        await turns()
        assert len(counted) == at_once + more
    await task


async def test_over_all_chats_no_more_go_out_than_telegram_takes(monkeypatch):
    limits, counted, moved = SendLimits(), [], 0.0
    loop = asyncio.get_running_loop()
    begun = loop.time()
    monkeypatch.setattr(loop, "time", lambda: begun + moved)  # it stands still
    tasks = [asyncio.ensure_future(sent(limits, [chat], counted)) for chat in range(1, OVER_ALL + 11)]
    await turns()
    assert len(counted) == OVER_ALL
    moved += 1.0
    await turns()
    assert len(counted) == OVER_ALL + 10
    await asyncio.gather(*tasks)


async def test_what_waits_is_sent_in_its_order_and_holds_up_no_other_chat():
    flow, offline = Flow("f"), OfflineTelegram()
    offline.add_user(1)
    offline.add_user(2)

    @flow.defstate(None, on=text(r".*"))
    def several(event, ctx):
        for number in range(int(event.text)):
            ctx.reply(str(number))

    app = offline.builder().build()
    async with app, attach(app, flow, send_limits=SendLimits()) as engine:
        offline.say(str(BURST + 3), user=1)
        feeding = asyncio.ensure_future(offline.feed(app))
        while len(offline.texts(1)) < BURST:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await turns()
        assert offline.texts(1) == [str(number) for number in range(BURST)]
        await engine.stop(drain=0)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def test_messages_that_wait_hold_up_no_update_of_their_chat():
    flow, offline, heard = Flow("f"), OfflineTelegram(), []
    offline.add_user(1)

    @flow.defstate(None, on=text(r".*"))
    def several(event, ctx):
        heard.append(event.text)
        for number in range(int(event.text)):
            ctx.reply(str(number))

    app = offline.builder().build()
    async with app, attach(app, flow, send_limits=SendLimits()) as engine:
        offline.say(str(BURST + 3), user=1)
        offline.say("1", user=1)
        await asyncio.wait_for(offline.feed(app), 0.9)  # the next message may go after a second
        assert heard == [str(BURST + 3), "1"]
        assert len(offline.texts(1)) == BURST
        await engine.stop(drain=0)


def test_run_keeps_them_where_they_are_installed(monkeypatch):
    assert isinstance(_installed_limits(), SendLimits)
    monkeypatch.setitem(sys.modules, "aiolimiter", None)
    monkeypatch.delitem(sys.modules, "fsmkit.telegram.send_limits")
    assert _installed_limits() is None
