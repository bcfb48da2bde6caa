"""A parcel service; who chooses express and then a pick-up station cannot go on any more.

The bug: `pay` refuses express to a station, and `insure` sends such parcels back to the payment (see `BUG` below): each of
them is right where it stands, but after this pair of choices no input leads to an end. There is no /cancel.

The shortest conversation that shows it: 1. /send, 2. [Small], 3. [Express], 4. (an address), 5. [To a station].
"""

from fsmkit import Flow
from fsmkit.telegram import button, command, text

parcel = Flow("parcel", data=dict, ttl=None)
parcel.state("size", prompt="How large is it?", buttons=["Small", "Large"], otherwise="Press a button.")
parcel.state("weight", prompt="How many kilograms?", otherwise="1 to 30, in digits.")
parcel.state("speed", prompt="How fast?", buttons=["Normal", "Express"], otherwise="Press a button.")
parcel.state("address", prompt="Where to?", otherwise="The address as text, please.")
parcel.state(
    "where", prompt="To the door?", buttons=["To the door", "To a station"], otherwise="Press a button."
)
parcel.state("floor", prompt="Which floor?", otherwise="0 to 9.")
parcel.state(
    "insurance", prompt="Insurance?", buttons=["Insurance", "No insurance"], otherwise="Press a button."
)
parcel.state("value", prompt="What is it worth?", otherwise="In euros, digits only.")
parcel.state(
    "paying", prompt="Shall we charge your card?", buttons=["Pay", "Later"], otherwise="Press a button."
)
parcel.state("later", prompt="Write /pay when you are ready.", otherwise="/pay when you are ready.")
parcel.state(
    "receipt", prompt="Paid. A receipt?", buttons=["Receipt", "No receipt"], otherwise="Press a button."
)


@parcel.defstate(None, on=command("send"))
def start(event, ctx):
    return ("transition", "size", {"express": False, "station": False})


@parcel.defstate("size", on=button("Small"))
def small(event, ctx):
    return ("transition", "speed")


@parcel.defstate("size", on=button("Large"))
def large(event, ctx):
    return ("transition", "weight")


@parcel.defstate("weight", on=text(r"[1-9]|[12][0-9]|30"))
def got_weight(event, ctx):
    return ("transition", "speed")


@parcel.defstate("speed", on=button("Normal", "Express"))
def got_speed(event, ctx):
    return ("transition", "address", ctx.evolve(express=event.value == "Express"))


@parcel.defstate("address")
def got_address(event, ctx):
    return ("transition", "where")


@parcel.defstate("where", on=button("To the door"))
def door(event, ctx):
    return ("transition", "floor", ctx.evolve(station=False))


@parcel.defstate("where", on=button("To a station"))
def station(event, ctx):
    return ("transition", "insurance", ctx.evolve(station=True))


@parcel.defstate("floor", on=text(r"[0-9]"))
def got_floor(event, ctx):
    return ("transition", "insurance")


@parcel.defstate("insurance", on=button("Insurance"))
def insure(event, ctx):
    if ctx.data["express"] and ctx.data["station"]:
        ctx.reply("Parcels to a station are not insured.")
        return ("transition", "paying")
    return ("transition", "value")


@parcel.defstate("insurance", on=button("No insurance"))
def no_insurance(event, ctx):
    return ("transition", "paying")


@parcel.defstate("value", on=text(r"[1-9][0-9]{0,3}"))
def got_value(event, ctx):
    return ("transition", "paying")


@parcel.defstate("paying", on=button("Pay"))
@parcel.defstate("later", on=command("pay"))
def pay(event, ctx):
    if ctx.data["express"] and ctx.data["station"]:
        ctx.reply("Express is not available for stations; it goes as a normal parcel.")
    return ("transition", "receipt")


@parcel.defstate("paying", on=button("Later"))
def later(event, ctx):
    return ("transition", "later")


@parcel.defstate("receipt", on=button("Receipt", "No receipt"))
def done(event, ctx):
    ctx.reply("Your parcel will be fetched.")
    return ("end",)


FINDS = "stuck"
SHORTEST = 5
BUG = (
    (
        """\
        ctx.reply("Parcels to a station are not insured.")
""",
        """\
        ctx.reply("Parcels to a station are not insured.")  # BUG
""",
    ),
    (
        """\
        ctx.reply("Express is not available for stations; it goes as a normal parcel.")
""",
        """\
        ctx.reply("Express is not available for stations.")  # BUG
        return ("stay",)
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
