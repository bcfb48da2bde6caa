"""A small bot for the tests of the test tools: it has a module of its own, which can be run again."""

import attrs

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

KNOWN = []
"""What a bot must not do: it remembers something beside the store."""


@attrs.frozen
class Rained:
    """What the weather station reports."""

    mm: int


garden = Flow("garden", ttl=3600)
garden.state("plant", prompt="Which plant?", otherwise="A word, please.")
garden.state(
    "water",
    prompt=lambda ctx: f"Water {ctx.data['plant']}?",
    buttons=["Yes", "No"],
    otherwise="Press a button.",
)


@garden.defstate(None, ANY, on=command("start"))
def start(event, ctx):
    return ("transition", "plant", {})


@garden.defstate("plant")
def got_plant(event, ctx):
    if event.text == "Triffid":
        raise ValueError("no such plant")
    KNOWN.append(event.text)
    return ("transition", "water", {"plant": event.text})


@garden.defstate("water", on=button("Yes"))
def water(event, ctx):
    ctx.reply(f"{ctx.data['plant']} is wet.")
    return ("end",)


@garden.defstate("water", on=button("No"))
def not_now(event, ctx):
    return ("transition", "plant", {})


@garden.defstate("water", on=Rained)
def rained(event, ctx):
    ctx.reply(f"{event.mm} mm of rain, no need.")
    return ("end",)


@garden.defstate(ANY, on=command("known"))
def known(event, ctx):
    ctx.reply(f"known: {', '.join(KNOWN) or 'nothing'}")
