"""Registration for a conference; whoever goes back from the badge to the company loses the name.

The bug: `back_to_company` gives `back` the data of a new registration with only the company in it (line marked
BUG), so that the badge is printed without a name. `back` keeps the data by itself.

The shortest conversation that shows it: 1. /register, 2. Ann, 3. (any company), 4. [Other company],
5. (any company): the invariant of `badge` does not hold.
"""

import attrs

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command


@attrs.frozen
class Registration:
    name: str = ""
    company: str = ""
    talks: tuple[str, ...] = ()


register = Flow("register", data=Registration, ttl=3600)
register.state("name", prompt="Welcome to the conference. Your name?", otherwise="Your name as text, please.")
register.state("company", prompt="Which company?", otherwise="The company's name as text, please.")
register.state(
    "badge",
    prompt=lambda ctx: f"Your badge: {ctx.data.name}, {ctx.data.company}. Right?",
    buttons=["Right", "Other company"],
    otherwise="Please press a button.",
)
register.state("talk", prompt="Which talk would you like to hear? /enough if that is all.", otherwise="?")
register.state(
    "mail", prompt="Shall we write to you about it?", buttons=["Yes", "No"], otherwise="Yes or no?"
)


@register.invariant(states="badge")
def badge_has_a_name(ctx):
    assert ctx.data.name, "a badge without a name"


@register.defstate(None, on=command("register"))
def start(event, ctx):
    return ("transition", "name", Registration())


@register.defstate("name")
def got_name(event, ctx):
    return ("transition", "company", ctx.evolve(name=event.text.strip()[:40]))


@register.defstate("company")
def got_company(event, ctx):
    return ("transition", "badge", ctx.evolve(company=event.text.strip()[:40]))


@register.defstate("badge", on=button("Right"))
def right(event, ctx):
    return ("transition", "talk")


@register.defstate("badge", on=button("Other company"))
def back_to_company(event, ctx):
    return ("back",)


@register.defstate("talk")
def got_talk(event, ctx):
    ctx.reply("Noted. Another one? /enough if not.")
    return ("stay", ctx.evolve(talks=(*ctx.data.talks, event.text[:80])[-3:]))


@register.defstate("talk", on=command("enough"))
def enough(event, ctx):
    return ("transition", "mail")


@register.defstate("mail", on=button("Yes", "No"))
def got_mail(event, ctx):
    ctx.reply(f"See you there, {ctx.data.name}.")
    return ("end",)


@register.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Not registered.")
    return ("end",)


FINDS = "invariant"
SHORTEST = 5
BUG = (
    (
        """\
    return ("back",)
""",
        """\
    return ("back", 1, Registration(company=ctx.data.company))  # BUG
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
