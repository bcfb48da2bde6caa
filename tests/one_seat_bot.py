"""A bot with one seat, sold twice: the state of the flow is right, what all chats share is not."""

import asyncio

from fsmkit import Flow
from fsmkit.telegram import command

LEFT = {"careless": 1, "careful": 1}


def booking(name, pause):
    """A flow that sells the seat."""
    flow = Flow(name, ttl=60)
    flow.state("sure", prompt="Sure?", otherwise="/yes or nothing.")

    @flow.defstate(None, on=command("book"))
    def book(event, ctx):
        return ("transition", "sure")

    @flow.defstate("sure", on=command("yes"))
    async def yes(event, ctx):
        left = LEFT[name]
        if pause:
            await asyncio.sleep(0)  # asks a payment service, for example
        LEFT[name] = left - 1
        ctx.reply("It is yours." if left > 0 else "Sold out.")
        return ("end",)

    return flow


careless = booking("careless", pause=True)
careful = booking("careful", pause=False)
