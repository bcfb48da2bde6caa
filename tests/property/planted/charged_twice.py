"""A shop that charges a card; an update that comes twice charges it twice.

The number is that of the update, which is the same when it comes again.

The bug: `pay` charges at once, before its step is stored (see `BUG` below). If the bot is killed in between,
Telegram sends the press again, and the card is charged once more. The wallet knows orders by their number, but is given none.

The shortest conversation that shows it: 1. /buy, 2. [Tea], 3. [Pay], while the bot is killed before it has stored the step.
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command, text

RESOURCES = "Wallet"

PRICES = (("Tea", 4), ("Coffee", 6))


class Wallet:
    """What has been charged, by order; the payment provider in the real bot."""

    def __init__(self) -> None:
        self.charges: dict[str, int] = {}

    def charge(self, amount: int, order: str | None = None) -> int:
        """Charges a card, an order only once; what has been charged in all."""
        self.charges.setdefault(order or f"charge {len(self.charges)}", amount)
        return sum(self.charges.values())


shop = Flow("shop", data=dict, ttl=3600)
shop.state(
    "what", prompt="What would you like?", buttons=[name for name, _ in PRICES], otherwise="Tea or coffee?"
)
shop.state("pay", prompt="Shall we charge your card?", buttons=["Pay", "Something else"], otherwise="Pay?")
shop.state("address", prompt="Where do you live?", otherwise="As text, please.")
shop.state(
    "phone", prompt="Your phone number? /none if you have none.", otherwise="6 to 12 digits, or /none."
)


@shop.defstate(None, on=command("buy"))
def start(event, ctx):
    return ("transition", "what", {})


@shop.defstate("what", on=button("Tea", "Coffee"))
def got_what(event, ctx):
    return ("transition", "pay", {"price": dict(PRICES)[event.value]})


@shop.defstate("pay", on=button("Pay"))
def pay(event, ctx):
    total = ctx.resources.charge(ctx.data["price"], order=f"{event.user_id}:{event.id}")
    ctx.reply(f"Charged. You have paid {total} euros so far.")
    return ("transition", "address")


@shop.defstate("pay", on=button("Something else"))
def something_else(event, ctx):
    return ("back",)


@shop.defstate("address")
def got_address(event, ctx):
    return ("transition", "phone", ctx.evolve(address=event.text[:100]))


@shop.defstate("phone", on=text(r"[0-9]{6,12}"))
def got_phone(event, ctx):
    ctx.reply("We will call you.")
    return ("end",)


@shop.defstate("phone", on=command("none"))
def no_phone(event, ctx):
    ctx.reply("It will come by post.")
    return ("end",)


@shop.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Nothing more will be charged.")
    return ("end",)


FINDS = "restart"
SHORTEST = 3
BUG = (
    (
        """\
    total = ctx.resources.charge(ctx.data["price"], order=f"{event.user_id}:{event.id}")
""",
        """\
    total = ctx.resources.charge(ctx.data["price"])  # BUG: without the number of the order
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
