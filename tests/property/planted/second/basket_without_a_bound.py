"""A shopping list that grows with each message.

The bug: nothing bounds it, and after some long messages it fits no row.

The shortest conversation that shows it: 1. /list, 2.-7. (a text as long as can be).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import command

shopping = Flow("shopping", data=dict, ttl=600)
shopping.state("things", prompt="What do you need? /done if that is all.", otherwise="As text, please.")


@shopping.defstate(None, on=command("list"))
def start(event, ctx):
    return ("transition", "things", {"things": []})


@shopping.defstate("things")
def thing(event, ctx):
    if len(ctx.data["things"]) >= 20:
        ctx.reply("That is enough.")
        return ("stay",)
    ctx.reply("Noted.")
    return ("stay", {"things": [*ctx.data["things"], event.text[:100]]})


@shopping.defstate("things", on=command("done"))
def done(event, ctx):
    ctx.reply(f"{len(ctx.data['things'])} things.")
    return ("end",)


@shopping.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Nothing.")
    return ("end",)


FINDS = "raised"
SHORTEST = 7
BUG = (
    (
        "event.text[:100]",
        "event.text",
    ),
)
"""What makes the bug of it: old lines and new ones."""
