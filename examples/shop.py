"""A shop: an order, a payment that another server reports, a receipt that takes its time, and a parcel.

    fsmkit chat examples/shop.py                     talk to it in the terminal
    fsmkit graph examples/shop.py                    draw it
    python examples/shop.py ship KEY PARCEL          say that a parcel is on its way; KEY: the order's number

In the terminal, `:event Paid {"amount": 10}` pays, `:event Shipped {"parcel": "RR1"}` ships, and `:wait 10m`
lets time pass. On Telegram both come from outside, as the function `sources` says:

    BOT_TOKEN=... PAYMENT_SECRET=... python examples/shop.py

Then the payment provider calls /payments on port 8080 (through a web server that speaks HTTPS), signing with
PAYMENT_SECRET, and the warehouse writes to the stream `shipments` of the Redis at REDIS_URL. That needs
`pip install 'fsmkit[redis,webhook]'`.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import attrs

from fsmkit import ANY, Button, Context, Done, End, Failed, Flow, JobContext, Key, Reply, Result, Stay, To
from fsmkit.sources import Incoming, Source
from fsmkit.telegram import TelegramEvent, button, command, run

PRICES = {"Tea": 3, "Cake": 7}
LINE_SECONDS = float(os.environ.get("LINE_SECONDS", "0.2"))
"""How long one line of a receipt takes."""


@attrs.frozen
class Order:
    items: tuple[str, ...] = ()
    receipt: str = ""

    @property
    def total(self) -> int:
        return sum(PRICES[item] for item in self.items)


@attrs.frozen
class Paid:
    """What the payment provider reports."""

    amount: int


@attrs.frozen
class Shipped:
    """What the warehouse reports."""

    parcel: str


# -- what takes long -------------------------------------------------------------------------------


async def write_receipt(order: Order, job: JobContext) -> str:
    """Runs while the conversation stands in "receipt", and again after a crash, with the same `job.id`."""
    lines: list[str] = []
    for number, item in enumerate(order.items, 1):
        await asyncio.sleep(LINE_SECONDS)
        lines.append(f"{item} {PRICES[item]} €")
        job.progress(number / len(order.items), "Writing your receipt")
    return f"{', '.join(lines)}: {order.total} €, paid."


# -- the conversation ------------------------------------------------------------------------------


def cart_of(order: Order) -> Reply:
    things = [Button(f"{item}, {price} €", item) for item, price in PRICES.items()]
    content = f"{', '.join(order.items)}: {order.total} €" if order.items else "Your cart is empty."
    return Reply(content, buttons=[things, [Button("Pay")]])


def payment_request(ctx: Context[Order]) -> str:
    return f"{ctx.data.total} €, please. Your order is number {ctx.key}."


shop = Flow("shop", data=Order, ttl=timedelta(hours=1))
shop.state("cart", otherwise="Please press one of the buttons. /cancel forgets the order.")
shop.state(
    "payment",
    prompt=payment_request,
    otherwise="I am waiting for your payment. /cancel forgets the order.",
    remind_after=timedelta(minutes=10),
    reminder="Still there? I keep your order for an hour.",
)
shop.state(
    "receipt",
    prompt="Writing your receipt …",
    show=True,  # as the conversation's screen, in which progress and the receipt itself are shown
    job=write_receipt,
    job_timeout=timedelta(minutes=5),
    job_retries=3,
    otherwise="One moment, please.",
)
shop.state("parcel", otherwise="It is not on its way yet. /status tells more.", ttl=timedelta(days=14))
shop.texts(expired="Your order has expired. /order begins another one.")


@shop.defstate(None, on=command("start", "order"))
def begin(event: TelegramEvent, ctx: Context[Order]) -> To[Literal["cart"], Order]:
    return ("transition", "cart", Order())


@shop.on_enter("cart")
def show_cart(ctx: Context[Order]) -> None:
    ctx.show(cart_of(ctx.data))


@shop.defstate("cart", on=button(*PRICES))
def add(event: TelegramEvent, ctx: Context[Order]) -> Stay[Order]:
    filled = ctx.evolve(items=(*ctx.data.items, str(event.value)))
    ctx.show(cart_of(filled))
    return ("stay", filled)


@shop.defstate("cart", on=button("Pay"))
def pay(event: TelegramEvent, ctx: Context[Order]) -> Stay | To[Literal["payment"]]:
    if not ctx.data.items:
        ctx.answer("There is nothing in your cart.", alert=True)
        return ("stay",)
    return ("transition", "payment")


@shop.defstate("payment", on=Paid)
def paid(event: Paid, ctx: Context[Order]) -> Stay | To[Literal["receipt"]]:
    if event.amount < ctx.data.total:
        ctx.reply(f"{event.amount} € came in, {ctx.data.total} € are needed.")
        return ("stay",)
    return ("transition", "receipt")


@shop.defstate("receipt", on=Done)
def receipt_written(event: Done, ctx: Context[Order]) -> To[Literal["parcel"], Order]:
    ctx.show(f"Your receipt: {event.value}")
    return ("transition", "parcel", ctx.evolve(receipt=event.value))


@shop.defstate("receipt", on=Failed)
def no_receipt(event: Failed, ctx: Context[Order]) -> To[Literal["parcel"]]:
    ctx.reply("Your receipt will come by post.")
    return ("transition", "parcel")


@shop.defstate("receipt", "parcel", on=Shipped)
def shipped(event: Shipped, ctx: Context[Order]) -> End:
    ctx.reply(f"{', '.join(ctx.data.items)}: on its way to you, parcel {event.parcel}.")
    return ("end",)


@shop.defstate(ANY, on=command("status"))
def status(event: TelegramEvent, ctx: Context[Order]) -> Stay:
    where = {
        "payment": "not paid yet",
        "receipt": "paid, its receipt is being written",
        "parcel": "being packed",
    }
    ctx.reply(
        f"{', '.join(ctx.data.items) or 'An empty cart'}: {where.get(str(ctx.state), 'not ordered yet')}."
    )
    return ("stay",)


@shop.defstate("cart", "payment", on=command("cancel"))
def cancel(event: TelegramEvent, ctx: Context[Order]) -> Result:
    ctx.reply("Cancelled. /order begins another one.")
    return ("end",)


# -- the world outside -----------------------------------------------------------------------------


def read_payment(body: bytes, headers: Mapping[str, str]) -> Incoming | None:
    """Reads `{"id": "evt_1", "type": "paid", "order": "7:7:-:-:42", "amount": 10}`; no other type matters."""
    told = json.loads(body)
    if told["type"] != "paid":
        return None
    return Incoming(Key.parse(told["order"]), Paid(told["amount"]), told["id"])


def shipments() -> Any:
    from fsmkit.sources.redis_stream import RedisStream

    return RedisStream(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"), "shipments", "shop")


def sources() -> list[Source]:
    """What `fsmkit run` listens to; `fsmkit chat` does without."""
    from fsmkit.sources.signatures import timestamped_signature
    from fsmkit.sources.webhook import Webhook

    verify = timestamped_signature(os.environ["PAYMENT_SECRET"])
    port = int(os.environ.get("PORT", "8080"))
    return [Webhook("/payments", parse=read_payment, verify=verify, port=port), shipments()]


async def ship(key: str, parcel: str) -> None:
    async with shipments() as stream:
        # The parcel's number is the event's id: said twice, it is one event.
        await stream.send(Key.parse(key), Shipped(parcel), id=parcel)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ship", key, parcel]:
            asyncio.run(ship(key, parcel))
        case []:
            run(shop, sources=sources)
        case _:
            sys.exit("usage: python examples/shop.py [ship KEY PARCEL]")
