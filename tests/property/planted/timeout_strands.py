"""A taxi that is ordered; who lets the offer expire stands there without a way on.

The bug: the timeout leads from the offer to `expired`, where `again` asks for an offer that is still there (line marked
BUG): the timeout has just taken it away. The flow has no time limit but for the offer, and no /cancel.

The shortest conversation that shows it: 1. /taxi, 2. (location), 3. (the next deadline).
"""

from fsmkit import Flow, Timeout
from fsmkit.telegram import button, command, location, text

taxi = Flow("taxi", data=dict, ttl=None)
taxi.state("from", prompt="Where are you?", otherwise="Send your location, please.")
taxi.state(
    "offer", prompt="A taxi for 12 euros, 4 minutes away.", buttons=["Take it"], ttl=120, otherwise="Take it?"
)
taxi.state("expired", prompt="The offer is gone. /again for another one?", otherwise="/again?")
taxi.state("coming", prompt="It is coming. Tell us when you are in: /in", otherwise="/in when you are in.")
taxi.state("stars", prompt="How was it? 1 to 5 stars.", otherwise="1 to 5, please.")


@taxi.defstate(None, on=command("taxi"))
def start(event, ctx):
    return ("transition", "from", {})


@taxi.defstate("from", on=location())
def offer(event, ctx):
    return ("transition", "offer", {"price": 12})


@taxi.defstate("offer", on=button("Take it"))
def take(event, ctx):
    return ("transition", "coming")


@taxi.defstate("offer", on=Timeout)
def expire(event, ctx):
    return ("transition", "expired", {})


@taxi.defstate("expired", on=command("again"))
def again(event, ctx):
    return ("transition", "offer", {"price": 12})


@taxi.defstate("coming", on=command("in"))
def got_in(event, ctx):
    return ("transition", "stars")


@taxi.defstate("stars", on=text(r"[1-5]"))
def rate(event, ctx):
    ctx.reply("Thank you.")
    return ("end",)


FINDS = "stuck"
SHORTEST = 3
BUG = (
    (
        """\
def again(event, ctx):
    return ("transition", "offer", {"price": 12})
""",
        """\
def again(event, ctx):
    if "price" not in ctx.data:  # BUG: it never is, here
        ctx.reply("There is no offer.")
        return ("stay",)
    return ("transition", "offer")
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
