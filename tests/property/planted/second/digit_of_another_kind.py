"""A table at a restaurant, for a number of people.

The bug: `isdigit` takes a superscript two for a digit, and `int` does not.

The shortest conversation that shows it: 1. /table, 2. (a superscript digit).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import command

table = Flow("table", data=dict, ttl=600)
table.state("people", prompt="For how many?", otherwise="A number from 1 to 12, please.")
table.state("time", prompt="When?", otherwise="As text, please.")


@table.defstate(None, on=command("table"))
def start(event, ctx):
    return ("transition", "people", {})


@table.defstate("people")
def got_people(event, ctx):
    if not event.text.isdecimal() or not 1 <= int(event.text) <= 12:
        return ("pass",)
    return ("transition", "time", {"people": int(event.text)})


@table.defstate("time")
def got_time(event, ctx):
    ctx.reply(f"A table for {ctx.data['people']}.")
    return ("end",)


@table.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("No table.")
    return ("end",)


FINDS = "raised"
SHORTEST = 2
BUG = (
    (
        "event.text.isdecimal()",
        "event.text.isdigit()",
    ),
)
"""What makes the bug of it: old lines and new ones."""
