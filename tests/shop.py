"""A shop whose conversations are looked at in a store: a called flow, a draft, letters, two bots."""

import asyncio

from chat_events import said

from fsmkit import Key
from fsmkit.stores import Change, Index
from fsmkit.stores.sqlite import SQLiteStore

SHOP = """
import attrs

@attrs.frozen
class Ring:
    loud: bool = True

pay = Flow("pay")
pay.state("card", prompt="Which card?")

shop = Flow("shop", ttl=7200)
shop.state("menu", prompt="What?")
shop.state("cart", ttl=None)

@shop.defstate(None)
def start(event, ctx):
    if event.text == "later":
        ctx.send(ctx.key, Ring(), after=300)
        return ("end",)
    return ("transition", "menu", {"first": event.text})

@shop.defstate(ANY, on=Ring)
def ring(event, ctx):
    return ("stay",)

@shop.defstate("menu")
def menu(event, ctx):
    return ("call", pay) if event.text == "pay" else ("transition", "cart")

@pay.defstate("card")
def card(event, ctx):
    return ("end",)

@shop.defstate("cart")
def cart(event, ctx):
    return ("end",)
"""
ANN = Key(chat=1, user=1, bot=42)
BEN = Key(chat=-100, user=2, bot=42)
CAT = Key(chat=3, user=3, bot=43)
DAN = Key(chat=4, user=4, bot=42)
STORE = "sqlite:bot.db"


async def talk(engine):
    """Ann pays, Ben has a cart, Cat (of another bot) looks at the menu, Dan has left a draft."""
    for number, (key, text) in enumerate([(ANN, "a"), (ANN, "pay"), (BEN, "b"), (BEN, "x"), (CAT, "c")]):
        await engine.send(key, said(text), id=("tg", number))
    await engine.at("shop", DAN).set_data({"half": True})


def corrupt(key):
    """Stores bytes that are no row."""

    async def write():
        store = SQLiteStore("bot.db")
        async with store.lease(key) as lease:
            await lease.commit(Change(b"{", index=(Index("shop", "odd", None),)))
        await store.close()

    asyncio.run(write())
