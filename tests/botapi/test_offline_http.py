"""The Bot API behind a loopback port, used by PTB through its real HTTP client."""

import asyncio
import signal

import httpx
import pytest
from telegram.error import BadRequest, NetworkError, RetryAfter
from telegram.ext import Application, MessageHandler, filters

from fsmkit.botapi import OfflineTelegram


@pytest.fixture
def offline():
    offline = OfflineTelegram()
    offline.add_user(1)
    return offline


def application(url):
    builder = Application.builder().token("42:OFFLINE")
    return builder.base_url(f"{url}/bot").base_file_url(f"{url}/file/bot").build()


async def test_a_bot_polls_and_replies_over_http(offline):
    done = asyncio.Event()

    async def echo(update, context):
        await update.message.reply_html(f"<b>{update.message.text}</b>")
        done.set()

    async with offline.serve() as url, application(url) as app:
        app.add_handler(MessageHandler(filters.TEXT, echo))
        await app.start()
        await app.updater.start_polling(timeout=1)
        offline.say("hello")
        await done.wait()
        await app.updater.stop()
        await app.stop()
    assert offline.texts(1) == ["hello"]


async def test_files_travel_in_parts_and_back(offline):
    async with offline.serve() as url, application(url) as app:
        message = await app.bot.send_document(1, b"bytes", filename="a.txt", caption="c")
        content = await (await message.document.get_file()).download_as_bytearray()
    assert (bytes(content), message.document.file_name) == (b"bytes", "a.txt")


async def test_refusals_and_failures_are_those_of_the_model(offline, monkeypatch):
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with offline.serve() as url, application(url) as app:
        with pytest.raises(BadRequest, match="Chat not found"):
            await app.bot.send_message(5, "a")
        offline.fail("sendMessage", retry_after=2)
        with pytest.raises(RetryAfter):
            await app.bot.send_message(1, "a")
        async with httpx.AsyncClient() as client:
            wrong = await client.get(f"{url}/bot43:WRONG/getMe")
    assert wrong.json() == {"ok": False, "error_code": 401, "description": "Unauthorized"}


async def test_a_dropped_connection_is_a_network_error(offline):
    async with offline.serve() as url, application(url) as app:
        offline.fail("sendMessage", drop=True)
        with pytest.raises(NetworkError, match=r"httpx\."):
            await app.bot.send_message(1, "never")
        offline.fail("sendMessage", after=True)
        with pytest.raises(NetworkError, match=r"httpx\."):
            await app.bot.send_message(1, "sent")
        await app.bot.send_message(1, "next")
    assert offline.texts(1) == ["sent", "next"]


async def test_parameters_come_in_the_address_or_as_json_too(offline):
    async with offline.serve() as url, httpx.AsyncClient() as client:
        address = f"{url}/bot42:OFFLINE/sendmessage"
        got = await client.get(address, params={"chat_id": 1, "text": "a"})
        posted = await client.post(address, json={"chat_id": "1", "text": "b"})
        unknown = await client.get(f"{url}/elsewhere")
    assert [got.json()["ok"], posted.json()["ok"]] == [True, True]
    assert (unknown.status_code, unknown.json()["description"]) == (404, "Not Found")
    assert offline.texts(1) == ["a", "b"]


async def test_a_server_ends_while_a_poll_waits_and_leaves_signals_alone(offline):
    before = signal.getsignal(signal.SIGINT)
    async with httpx.AsyncClient() as client:
        async with offline.serve() as url:
            poll = asyncio.create_task(
                client.get(f"{url}/bot42:OFFLINE/getUpdates", params={"timeout": 50}, timeout=60)
            )
            await offline.polled()
            assert signal.getsignal(signal.SIGINT) is before
        assert (await poll).json() == {"ok": True, "result": []}
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/bot42:OFFLINE/getMe")
