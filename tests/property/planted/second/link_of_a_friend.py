"""A link that friends pass on, with the number of who sent it.

The bug: what stands in the link is taken for a number.

The shortest conversation that shows it: 1. /start ref_(no number).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import command

friends = Flow("friends", data=dict, ttl=600)
friends.state("name", prompt="Your name?", otherwise="As text, please.")


@friends.defstate(None, on=command("start"))
def start(event, ctx):
    sender = 0
    if event.args and event.args[0].startswith("ref_"):
        number = event.args[0].removeprefix("ref_")
        sender = int(number) if number.isdecimal() and len(number) < 15 else 0
    return ("transition", "name", {"sender": sender})


@friends.defstate("name")
def got_name(event, ctx):
    ctx.reply("Welcome.")
    return ("end",)


@friends.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 1
BUG = (
    (
        "int(number) if number.isdecimal() and len(number) < 15 else 0",
        "int(number)",
    ),
)
"""What makes the bug of it: old lines and new ones."""
