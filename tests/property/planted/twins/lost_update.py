"""A booking of seats for a workshop: the correct twin, which waits before it looks."""

import asyncio

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

RESOURCES = "Seats"


class Seats:
    """Who has which seat, by day; a table of the database in the real bot."""

    def __init__(self) -> None:
        self.holders: dict[str, dict[int, int]] = {"Saturday": {}, "Sunday": {}}

    async def ask_organiser(self) -> None:
        """Asks whether the day is still on."""
        await asyncio.sleep(0.1)


workshop = Flow("workshop", data=dict, ttl=3600)
workshop.state("day", prompt="Which day?", buttons=["Saturday", "Sunday"], otherwise="Press a day.")
workshop.state("name", prompt="Whose name stands on it?", otherwise="As text, please.")
workshop.state("food", prompt="Meat?", buttons=["Yes", "No"], otherwise="Yes or no?")
workshop.state(
    "review",
    prompt=lambda ctx: f"{ctx.data['name']}, {ctx.data['day']}.",
    buttons=["Right", "Wrong"],
    otherwise="Press a button.",
)


@workshop.defstate(None, on=command("book"))
def start(event, ctx):
    return ("transition", "day", {})


@workshop.defstate("day", on=button("Saturday", "Sunday"))
async def book(event, ctx):
    await ctx.resources.ask_organiser()
    holders = ctx.resources.holders[event.value]
    seat = holders.setdefault(event.user_id, len(holders) + 1)
    ctx.reply(f"Your seat is number {seat}.")
    return ("transition", "name", {"day": event.value})


@workshop.defstate("name")
def got_name(event, ctx):
    return ("transition", "food", ctx.evolve(name=event.text[:40]))


@workshop.defstate("food", on=button("Yes", "No"))
def got_food(event, ctx):
    return ("transition", "review", ctx.evolve(meat=event.value == "Yes"))


@workshop.defstate("review", on=button("Right"))
def right(event, ctx):
    ctx.reply("See you there.")
    return ("end",)


@workshop.defstate("review", on=button("Wrong"))
def wrong(event, ctx):
    return ("transition", "day", {})


@workshop.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Nobody goes.")
    return ("end",)
