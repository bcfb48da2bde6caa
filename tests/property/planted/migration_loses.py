"""A library that registers readers, in its second version; the deploy loses what was stored.

The bug: version 2 has a full name instead of two, and `to_version_2` makes the data anew and forgets the phone number (line
marked BUG). Whoever has given it in version 1 has none any more.

The shortest conversation that shows it: 1. (version 1 has stored 'street' with a phone number).
"""

import attrs

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command, text


@attrs.frozen
class Reader:
    name: str = ""
    phone: str = ""
    street: str = ""
    newsletter: bool = False


reader = Flow("reader", data=Reader, ttl=24 * 3600, version=2)
reader.state("name", prompt="Welcome to the library. Your name?", otherwise="As text, please.")
reader.state("phone", prompt="Your phone number?", otherwise="6 to 12 digits, please.")
reader.state("street", prompt="Street and number?", otherwise="As text, please.")
reader.state("newsletter", prompt="News by mail?", buttons=["Yes", "No"], otherwise="Yes or no?")
reader.state(
    "review",
    prompt=lambda ctx: f"{ctx.data.name}, {ctx.data.phone}, {ctx.data.street}.",
    buttons=["Right", "Start over"],
    otherwise="Is it right?",
)


@reader.migrate(
    1,
    examples=[
        ("phone", {"first": "Ann", "last": "Lee"}),
        ("street", {"first": "Ann", "last": "Lee", "phone": "4312345"}),
    ],
)
def to_version_2(state, data):
    name = f"{data.pop('first')} {data.pop('last')}"
    return state, {**data, "name": name}


@reader.defstate(None, on=command("register"))
def start(event, ctx):
    return ("transition", "name", Reader())


@reader.defstate("name")
def got_name(event, ctx):
    return ("transition", "phone", ctx.evolve(name=event.text[:60]))


@reader.defstate("phone", on=text(r"[0-9]{6,12}"))
def got_phone(event, ctx):
    return ("transition", "street", ctx.evolve(phone=event.text))


@reader.defstate("street")
def got_street(event, ctx):
    return ("transition", "newsletter", ctx.evolve(street=event.text[:60]))


@reader.defstate("newsletter", on=button("Yes", "No"))
def got_newsletter(event, ctx):
    return ("transition", "review", ctx.evolve(newsletter=event.value == "Yes"))


@reader.defstate("review", on=button("Right"))
def right(event, ctx):
    ctx.reply("Your card is ready.")
    return ("end",)


@reader.defstate("review", on=button("Start over"))
def start_over(event, ctx):
    return ("transition", "name", Reader())


@reader.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Not registered.")
    return ("end",)


FINDS = "migration"
SHORTEST = 1
BUG = (
    (
        """\
    name = f"{data.pop('first')} {data.pop('last')}"
    return state, {**data, "name": name}
""",
        """\
    return state, {"name": f"{data['first']} {data['last']}"}  # BUG: the phone number
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
