"""The shop as a process of its own: payments by HTTP, parcels by a stream, a stop while a receipt is written."""

import asyncio
import hashlib
import hmac
import json
import signal
import socket
import sys
import time

import httpx
import pytest

pytest.register_assert_rewrite("stores.redis_server")
from bot_process import ROOT, assert_clean  # noqa: E402
from test_end_to_end import running  # noqa: E402

pytest_plugins = ["stores.redis_server"]

SECRET = "whsec_shop"
KEY = "1:1:-:-:42"


class Provider:
    """The payment provider's server, which calls the shop's."""

    def __init__(self, port):
        self.port = port

    async def post(self, told, secret=SECRET):
        body, now = json.dumps(told).encode(), str(int(time.time()))
        sign = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Stripe-Signature": f"t={now},v1={sign}"}
        async with httpx.AsyncClient() as client:
            answer = await client.post(
                f"http://127.0.0.1:{self.port}/payments", content=body, headers=headers
            )
            return answer.status_code


@pytest.fixture
def provider():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Provider(probe.getsockname()[1])


@pytest.fixture
def shop(redis_server, provider, tmp_path):
    """Starts the shop; on the same store each time."""

    def start(**environment):
        settings = {"REDIS_URL": redis_server.url, "PAYMENT_SECRET": SECRET, "PORT": str(provider.port)}
        store = ("--store", f"sqlite:{tmp_path / 'shop.db'}")
        return running("examples/shop.py", *store, **{**settings, **environment})

    return start


async def order(bot):
    bot.offline.say("/order")
    await bot.answered(1, "Your cart is empty.")
    for item in ("Tea, 3 €", "Cake, 7 €"):
        bot.offline.press(item)
    await bot.answered(1, "Tea, Cake: 10 €")
    bot.offline.press("Pay")
    await bot.answered(1, f"10 €, please. Your order is number {KEY}.")


async def ship(redis_server, parcel):
    """What the warehouse types."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "examples/shop.py", "ship", KEY, parcel),
        env={"REDIS_URL": redis_server.url, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")


async def test_an_order_is_paid_by_webhook_and_shipped_by_a_stream(shop, provider, redis_server):
    paid = {"id": "evt_1", "type": "paid", "order": KEY, "amount": 10}
    async with shop(LINE_SECONDS="0.05") as bot:
        await order(bot)
        assert await provider.post(paid, secret="somebody else's") == 401
        assert await provider.post({"type": "refund"}) == 200
        assert await provider.post({**paid, "id": "evt_0", "amount": 3}) == 200
        await bot.answered(1, "3 € came in, 10 € are needed.")
        assert [await provider.post(paid) for _ in range(2)] == [200, 200]
        await bot.answered(1, "Your receipt: Tea 3 €, Cake 7 €: 10 €, paid.")
        for _ in range(2):
            await ship(redis_server, "RR1")
        await bot.answered(1, "Tea, Cake: on its way to you, parcel RR1.")
        assert_clean(await bot.end(signal.SIGTERM))
        texts = bot.offline.texts(1)
    assert texts.count("Your receipt: Tea 3 €, Cake 7 €: 10 €, paid.") == 1
    assert texts.count("Tea, Cake: on its way to you, parcel RR1.") == 1


async def test_a_receipt_whose_shop_was_stopped_meanwhile_is_written_after_all(shop, provider):
    async with shop(LINE_SECONDS="3600") as bot:
        await order(bot)
        assert await provider.post({"id": "evt_1", "type": "paid", "order": KEY, "amount": 10}) == 200
        await bot.answered(1, "Writing your receipt …")
        bot.offline.say("/status")
        await bot.answered(1, "Tea, Cake: paid, its receipt is being written.")
        assert_clean(await bot.end(signal.SIGTERM))
    async with shop(LINE_SECONDS="0.05") as bot:
        await bot.answered(1, "Your receipt: Tea 3 €, Cake 7 €: 10 €, paid.")
        assert_clean(await bot.end(signal.SIGTERM))
