"""A birthday that is congratulated on in the year after next.

The bug: the 29th of February is there in leap years only.

The shortest conversation that shows it: 1. /birthday, 2. (29.02.2028).
"""

from datetime import UTC, datetime

from fsmkit import ANY, Flow
from fsmkit.telegram import command

birthday = Flow("birthday", data=dict, ttl=600)
birthday.state("day", prompt="When were you born? Like 31.12.1999", otherwise="Like 31.12.1999, please.")


@birthday.defstate(None, on=command("birthday"))
def start(event, ctx):
    return ("transition", "day", {})


@birthday.defstate("day")
def got_day(event, ctx):
    try:
        born = datetime.strptime(event.text, "%d.%m.%Y").replace(tzinfo=UTC)
    except ValueError:
        return ("pass",)
    party = born.replace(year=2030, month=born.month, day=min(born.day, 28))
    ctx.reply(f"We will write on {party:%d.%m.%Y}.")
    return ("end",)


@birthday.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 2
BUG = (
    (
        "day=min(born.day, 28)",
        "day=born.day",
    ),
)
"""What makes the bug of it: old lines and new ones."""
