"""A booking of seats for a workshop, in which two people get the same seat.

The bug: `book` looks up which seat is free, awaits the organiser's answer, and only then notes that the seat is taken
(see `BUG` below). Who books meanwhile is given the same one.

The shortest conversation that shows it: 1. user 1: /book, 2. user 2: /book, 3. and 4. both press [Saturday] at once.
"""

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


FINDS = "race"
SHORTEST = 4
BUG = (
    (
        """\
async def book(event, ctx):
""",
        """\
async def book(event, ctx):
    holders = ctx.resources.holders[event.value]
    seat = holders.get(event.user_id, len(holders) + 1)
""",
    ),
    (
        """\
    holders = ctx.resources.holders[event.value]
    seat = holders.setdefault(event.user_id, len(holders) + 1)
""",
        """\
    holders[event.user_id] = seat  # BUG: read before the wait, written after it
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
