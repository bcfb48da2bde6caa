"""First and last name, in one message.

The bug: not everybody has two names.

The shortest conversation that shows it: 1. /name, 2. (one word).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import command

person = Flow("person", data=dict, ttl=600)
person.state("name", prompt="First and last name?", otherwise="First and last name, please.")
person.state("city", prompt="And the city?", otherwise="As text, please.")


@person.defstate(None, on=command("name"))
def start(event, ctx):
    return ("transition", "name", {})


@person.defstate("name")
def got_name(event, ctx):
    first, _, last = event.text[:200].partition(" ")
    return ("transition", "city", {"first": first, "last": last})


@person.defstate("city")
def got_city(event, ctx):
    ctx.reply(f"{ctx.data['last'] or ctx.data['first']}, {event.text[:100]}.")
    return ("end",)


@person.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 2
BUG = (
    (
        'first, _, last = event.text[:200].partition(" ")',
        'first, last = event.text[:200].split(" ")',
    ),
)
"""What makes the bug of it: old lines and new ones."""
