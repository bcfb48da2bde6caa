"""A gym that books until the same day of the next month.

The bug: after December comes month 13.

The shortest conversation that shows it: 1. (it is December), 2. /join.
"""

from datetime import UTC, datetime

from fsmkit import ANY, Flow
from fsmkit.telegram import command

gym = Flow("gym", data=dict, ttl=600)
gym.state("name", prompt="Your name?", otherwise="As text, please.")


@gym.defstate(None, on=command("join"))
def start(event, ctx):
    today = datetime.fromtimestamp(ctx.now, UTC)
    month = today.replace(day=1, month=today.month % 12 + 1)
    return ("transition", "name", {"until": month.strftime("%B")})


@gym.defstate("name")
def got_name(event, ctx):
    ctx.reply(f"Until {ctx.data['until']}.")
    return ("end",)


@gym.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 2
BUG = (
    (
        "today.month % 12 + 1",
        "today.month + 1",
    ),
)
"""What makes the bug of it: old lines and new ones."""
