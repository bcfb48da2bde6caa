"""A shopping list whose items are crossed off by buttons that the bot makes itself.

`cross_off` looks whether the item of an old button is still there, and says so if not.

The bug: the callback data of a button is the item's place in the list (`off:1`), and `cross_off` takes it at its
word (see `BUG` below). Buttons of older messages, and everybody who can send data, name places that are gone.
fsmkit's own buttons (`Reply(buttons=...)`) cannot be stale; these are sent as `reply_markup`.

The shortest conversation that shows it: 1. /list, 2. [data 'off:0']: there is no such item.
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import command, raw_button

shopping = Flow("shopping", data=dict, ttl=3600)
shopping.state(
    "shopping", prompt="What do you need? /shop when that is all, /close to throw it away.", otherwise="?"
)
shopping.state(
    "in the shop", prompt="Press what you have found. /paid at the till.", otherwise="Press, or /paid."
)
shopping.state("paying", prompt="How much was it?", otherwise="As a number, please.")
shopping.state(
    "sharing", prompt="Who shares the bill with you? /nobody if nobody does.", otherwise="A name, please."
)


def as_keyboard(items):
    """What Telegram calls an inline keyboard, one button an item."""
    rows = [[{"text": item, "callback_data": f"off:{place}"}] for place, item in enumerate(items)]
    return {"reply_markup": {"inline_keyboard": rows}}


@shopping.defstate(None, on=command("list"))
def start(event, ctx):
    return ("transition", "shopping", {"items": [], "paid": 0})


@shopping.defstate("shopping")
def add(event, ctx):
    items = [*ctx.data["items"], event.text[:30]][-8:]
    ctx.reply("On the list.", extra=as_keyboard(items))
    return ("stay", ctx.evolve(items=items))


@shopping.defstate(ANY, on=raw_button(r"off:(\d+)"))
def cross_off(event, ctx):
    items = list(ctx.data["items"])
    place = int(ctx.match[1])
    if place >= len(items):
        ctx.reply("That one is off the list.", extra=as_keyboard(items))
        return ("stay",)
    found = items.pop(place)
    ctx.reply(f"Found {found}; {len(items)} left.", extra=as_keyboard(items))
    return ("stay", ctx.evolve(items=items))


@shopping.defstate("shopping", on=command("shop"))
def shop(event, ctx):
    return ("transition", "in the shop")


@shopping.defstate("in the shop", on=command("paid"))
def at_the_till(event, ctx):
    return ("transition", "paying")


@shopping.defstate("paying")
def paid(event, ctx):
    digits = event.text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 6):
        return ("pass",)
    return ("transition", "sharing", ctx.evolve(paid=int(digits)))


@shopping.defstate("sharing")
def share(event, ctx):
    ctx.reply(f"{event.text[:30]} owes you {ctx.data['paid'] / 2:.2f}.")
    return ("end",)


@shopping.defstate("sharing", on=command("nobody"))
def alone(event, ctx):
    ctx.reply("All yours.")
    return ("end",)


@shopping.defstate(ANY, on=command("close"))
def close(event, ctx):
    ctx.reply("Thrown away.")
    return ("end",)


FINDS = "raised"
SHORTEST = 2
BUG = (
    (
        """\
    place = int(ctx.match[1])
    if place >= len(items):
        ctx.reply("That one is off the list.", extra=as_keyboard(items))
        return ("stay",)
    found = items.pop(place)
""",
        """\
    found = items.pop(int(ctx.match[1]))  # BUG
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
