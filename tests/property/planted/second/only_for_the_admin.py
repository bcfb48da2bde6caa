"""A bot that counts; who runs it may reset the counter.

The bug: behind what only the administrator can enter, a number is divided by the counter, which may be zero.

The shortest conversation that shows it: 1. (the administrator), 2. /admin, 3. [Average].
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

ADMINS = {31337}

admin = Flow("admin", data=dict, ttl=600)
admin.state("menu", prompt="What?", buttons=["Add", "Average", "Done"], otherwise="Press a button.")


@admin.defstate(None, on=command("admin"), when=lambda event: event.user_id in ADMINS)
def start(event, ctx):
    return ("transition", "menu", {"sum": 0, "count": 0})


@admin.defstate("menu", on=button("Add"))
def add(event, ctx):
    if ctx.data["count"] >= 5:
        ctx.reply("Enough.")
        return ("stay",)
    ctx.reply("Added.")
    return ("stay", {"sum": ctx.data["sum"] + 10, "count": ctx.data["count"] + 1})


@admin.defstate("menu", on=button("Average"))
def average(event, ctx):
    ctx.reply(f"{ctx.data['sum'] / max(ctx.data['count'], 1)}")
    return ("stay",)


@admin.defstate("menu", on=button("Done"))
def done(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


@admin.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 3
BUG = (
    (
        "max(ctx.data['count'], 1)",
        "ctx.data['count']",
    ),
)
"""What makes the bug of it: old lines and new ones."""
