"""A list of things, each with a button that takes it away.

The bug: the button has the place of its thing in the list, which is shorter when it is pressed again.

The shortest conversation that shows it: 1. /things, 2. [Drop pen], 3. [Drop pen] (an old one).
"""

from fsmkit import ANY, Button, Flow
from fsmkit.telegram import button, command

things = Flow("things", data=dict, ttl=600)
things.state(
    "list",
    prompt="Your things: pen, cup.",
    otherwise="Press a button.",
    buttons=[[Button("Drop cup", "0"), Button("Drop pen", "1")], [Button("Done", "done")]],
)


@things.defstate(None, on=command("things"))
def start(event, ctx):
    return ("transition", "list", {"left": ["cup", "pen"]})


@things.defstate("list", on=button("0", "1"))
def drop(event, ctx):
    number = int(event.value)
    if number >= len(ctx.data["left"]):
        ctx.reply("It is gone already.")
        return ("stay",)
    gone = ctx.data["left"][number]
    ctx.reply(f"Dropped {gone}.")
    return ("stay", {"left": [thing for thing in ctx.data["left"] if thing != gone]})


@things.defstate("list", on=button("done"))
def done(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


@things.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 3
BUG = (
    (
        """\
    if number >= len(ctx.data["left"]):
        ctx.reply("It is gone already.")
        return ("stay",)
""",
        "",
    ),
)
"""What makes the bug of it: old lines and new ones."""
