"""An order: a cart, an address asked for by a flow of its own, and a payment that comes from outside.

    fsmkit chat examples/order.py                 talk to it in the terminal
    fsmkit graph examples/order.py                draw it
    BOT_TOKEN=... python examples/order.py        run it on Telegram

In the terminal, `:event Paid {"amount": 10}` pays and `:wait 20m` lets time pass. In a bot of your own, the
payment provider's webhook does it: `await engine.send(key, Paid(amount), id=payment_id)`.
"""

from datetime import timedelta
from typing import Literal

import attrs

from fsmkit import ANY, Back, Button, Context, End, Flow, Reply, Result, Returned, Stay, Timeout, To
from fsmkit.telegram import TelegramEvent, button, command, run

PRICES = {"Tea": 3, "Cake": 7}


@attrs.frozen
class Address:
    street: str = ""
    city: str = ""


@attrs.frozen
class Order:
    items: tuple[str, ...] = ()
    address: Address = Address()

    @property
    def total(self) -> int:
        return sum(PRICES[item] for item in self.items)


@attrs.frozen
class Paid:
    """What the payment provider reports."""

    amount: int


# -- the address: a flow that any other may call ---------------------------------------------------

address = Flow("address", data=Address)
address.state("street", prompt="Street and number?", otherwise="In words, please. /back goes back.")
address.state("city", prompt="And the city?", otherwise="In words, please. /back goes back.")


@address.defstate("street")
def got_street(event: TelegramEvent, ctx: Context[Address]) -> To[Literal["city"], Address]:
    return ("transition", "city", ctx.evolve(street=event.text))


@address.defstate("city")
def got_city(event: TelegramEvent, ctx: Context[Address]) -> End[Address]:
    return ("end", ctx.evolve(city=event.text))


@address.defstate("city", on=command("back"))
def back_to_street(event: TelegramEvent, ctx: Context[Address]) -> Back:
    return ("back",)


@address.defstate("street", on=command("back"))
def no_address(event: TelegramEvent, ctx: Context[Address]) -> End:
    return ("end",)


# -- the order -------------------------------------------------------------------------------------


def cart_of(order: Order) -> Reply:
    things = [Button(f"{item}, {price} €", item) for item, price in PRICES.items()]
    content = f"{', '.join(order.items)}: {order.total} €" if order.items else "Your cart is empty."
    return Reply(content, buttons=[things, [Button("Check out")]])


def payment_request(ctx: Context[Order]) -> str:
    return f"{ctx.data.total} € to {ctx.data.address.city}: please pay within 15 minutes."


order = Flow("order", data=Order, ttl=timedelta(hours=1))
order.state("cart", otherwise="Please press one of the buttons. /cancel forgets the order.")
order.state(
    "payment",
    prompt=payment_request,
    buttons=["Change the order"],
    otherwise="I am waiting for your payment. /cancel forgets the order.",
    ttl=timedelta(minutes=15),
)
order.state(
    "last call",
    prompt="Still there? I keep your order for another 10 minutes.",
    otherwise="I am waiting for your payment. /cancel forgets the order.",
    ttl=timedelta(minutes=10),
)
order.texts(expired="Your order has expired. /order begins another one.")


@order.defstate(None, ANY, on=command("start", "order"))
def begin(event: TelegramEvent, ctx: Context[Order]) -> To[Literal["cart"], Order]:
    return ("transition", "cart", Order())


@order.on_enter("cart")
def show_cart(ctx: Context[Order]) -> None:
    ctx.show(cart_of(ctx.data))


@order.defstate("cart", on=button(*PRICES))
def add(event: TelegramEvent, ctx: Context[Order]) -> Stay[Order]:
    filled = ctx.evolve(items=(*ctx.data.items, str(event.value)))
    ctx.show(cart_of(filled))
    return ("stay", filled)


@order.defstate("cart", on=button("Check out"))
def check_out(event: TelegramEvent, ctx: Context[Order]) -> Result:
    if not ctx.data.items:
        ctx.answer("There is nothing in your cart.", alert=True)
        return ("stay",)
    return ("call", address, ctx.data.address)


@order.defstate("cart", on=Returned)
def got_address(event: Returned, ctx: Context[Order]) -> To[Literal["cart", "payment"], Order]:
    if event.result is None:
        return ("transition", "cart")
    return ("transition", "payment", ctx.evolve(address=event.result))


@order.defstate("payment", on=button("Change the order"))
def change(event: TelegramEvent, ctx: Context[Order]) -> Back:
    return ("back",)


@order.defstate("payment", on=Timeout)
def remind(event: Timeout, ctx: Context[Order]) -> To[Literal["last call"]]:
    return ("transition", "last call")


@order.defstate("payment", "last call", on=Paid)
def paid(event: Paid, ctx: Context[Order]) -> Stay | End[Order]:
    if event.amount < ctx.data.total:
        ctx.reply(f"{event.amount} € came in, {ctx.data.total} € are needed.")
        return ("stay",)
    ctx.reply(f"Thank you! {', '.join(ctx.data.items)} will be at {ctx.data.address.street} soon.")
    return ("end", ctx.data)


@order.defstate(ANY, on=command("cancel"))
def cancel(event: TelegramEvent, ctx: Context[Order]) -> End:
    ctx.reply("Cancelled. /order begins another one.")
    return ("end",)


if __name__ == "__main__":
    run(order)
