"""A parking ticket with a reminder after half an hour.

The bug: the reminder does not say for which ticket it is; after /leave and a new ticket it comes for that one.

The shortest conversation that shows it: 1. /park, 2. /leave, 3. /park, 4. (half an hour later).
"""

import attrs

from fsmkit import ANY, Flow
from fsmkit.telegram import command


@attrs.frozen
class Remind:
    ticket: str = ""


park = Flow("park", data=dict, ttl=None)
park.state("parked", prompt="Your ticket runs. /leave ends it.", otherwise="/leave ends it.")


@park.defstate(None, on=command("park"))
def start(event, ctx):
    ctx.send(ctx.key, Remind(str(event.message_id)), after=1800)
    return ("transition", "parked", {"ticket": str(event.message_id)})


@park.defstate("parked", on=Remind)
def remind(event, ctx):
    if event.ticket == ctx.data["ticket"]:
        ctx.reply("Half an hour is over.")
    return ("stay",)


@park.defstate(None, on=Remind)
def too_late(event, ctx):
    return ("stay",)


@park.defstate(ANY, on=command("leave"))
def leave(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "late-event"
SHORTEST = 4
BUG = (
    (
        """\
    if event.ticket == ctx.data["ticket"]:
        ctx.reply("Half an hour is over.")
""",
        """\
    ctx.reply("Half an hour is over.")  # BUG: whichever ticket it is for
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
