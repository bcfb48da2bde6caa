"""A weather bot that asks two services and sends each forecast as it comes.

The bug: `forecast` sends the headline and the details from two tasks (see `BUG` below): which message comes first
depends on which service is faster.

The shortest conversation that shows it: 1. /weather, 2. (a place), of which the messages come in another order.
"""

import asyncio

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

weather = Flow("weather", data=dict, ttl=3600)
weather.state("place", prompt="Where?", otherwise="The place as text, please.")
weather.state("after", prompt="Anything else?", buttons=["Another place", "No"], otherwise="Press a button.")
weather.state("daily", prompt="Each morning?", buttons=["Each morning", "Never"], otherwise="Press a button.")
weather.state("hour", prompt="At what hour?", buttons=["6", "8"], otherwise="Press a button.")


async def headline(place):
    """Asks the quick service."""
    await asyncio.sleep(0.05)
    return f"{place}: fine."


async def details(place):
    """Asks the thorough service."""
    await asyncio.sleep(0.05)
    return f"In {place} 21 degrees, wind from the west."


@weather.defstate(None, on=command("weather"))
def start(event, ctx):
    return ("transition", "place", {})


@weather.defstate("place")
async def forecast(event, ctx):
    place = event.text.strip()[:40]

    for said in await asyncio.gather(headline(place), details(place)):
        await ctx.bot.send_message(event.chat_id, said)
    return ("transition", "after")


@weather.defstate("after", on=button("Another place"))
def another(event, ctx):
    return ("transition", "place")


@weather.defstate("after", on=button("No"))
def no_more(event, ctx):
    return ("transition", "daily")


@weather.defstate("daily", on=button("Each morning"))
def each_morning(event, ctx):
    return ("transition", "hour")


@weather.defstate("daily", on=button("Never"))
def never(event, ctx):
    ctx.reply("As you like.")
    return ("end",)


@weather.defstate("hour", on=button("6", "8"))
def got_hour(event, ctx):
    ctx.reply(f"At {event.value} then.")
    return ("end",)


@weather.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "race"
SHORTEST = 2
BUG = (
    (
        """\
    for said in await asyncio.gather(headline(place), details(place)):
        await ctx.bot.send_message(event.chat_id, said)
""",
        """\
    async def tell(service):
        await ctx.bot.send_message(event.chat_id, await service(place))

    await asyncio.gather(tell(headline), tell(details))  # BUG
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
