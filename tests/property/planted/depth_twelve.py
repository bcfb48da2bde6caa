"""A course of vocabulary; at the twelfth right answer in a row it breaks.

The bug: the twelfth right answer brings a medal, and `MEDALS` has no such medal (see `BUG` below). A wrong answer
starts the count anew.

The shortest conversation that shows it: 1. /learn, then 2. to 13. twelve times the right answer.
"""

from types import MappingProxyType

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

WORDS = (("Hund", "dog"), ("Katze", "cat"), ("Baum", "tree"))
MEDALS = MappingProxyType({4: "bronze", 8: "silver", 12: "gold"})

learn = Flow("learn", data=dict, ttl=3600)
learn.state(
    "question",
    prompt=lambda ctx: f"What is {WORDS[ctx.data['word']][0]}?",
    buttons=[english for _, english in WORDS],
    otherwise="Press a word. /stop?",
)
learn.state("hint", prompt="It is an animal or a plant. /question to go on.", otherwise="/question to go on.")
learn.state("pause", prompt="Have a rest. /question to go on.", otherwise="/question to go on.")
learn.state("stopping", prompt="How did you like it?", otherwise="As text, please.")


@learn.defstate(None, on=command("learn"))
def start(event, ctx):
    return ("transition", "question", {"word": 0, "row": 0})


@learn.defstate("question", on=button(*(english for _, english in WORDS)))
def answered(event, ctx):
    row = ctx.data["row"] + 1 if event.value == WORDS[ctx.data["word"]][1] else 0
    if row and row % 4 == 0:
        ctx.reply(f"{row} in a row: a medal of {MEDALS[row]}!")
    ctx.reply("Right." if row else "Wrong.")
    return ("transition", "question", {"word": (ctx.data["word"] + 1) % len(WORDS), "row": row % 12})


@learn.defstate("question", on=command("hint"))
def hint(event, ctx):
    return ("transition", "hint")


@learn.defstate("question", on=command("pause"))
def pause(event, ctx):
    return ("transition", "pause")


@learn.defstate("hint", "pause", on=command("question"))
def go_on(event, ctx):
    return ("transition", "question")


@learn.defstate("question", "hint", "pause", on=command("stop"))
def stop(event, ctx):
    return ("transition", "stopping")


@learn.defstate("stopping")
def stopped(event, ctx):
    ctx.reply("Thank you.")
    return ("end",)


@learn.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 13
BUG = (
    (
        """\
MEDALS = MappingProxyType({4: "bronze", 8: "silver", 12: "gold"})
""",
        """\
MEDALS = MappingProxyType({4: "bronze", 8: "silver"})
""",
    ),
    (
        """\
        ctx.reply(f"{row} in a row: a medal of {MEDALS[row]}!")
""",
        """\
        ctx.reply(f"{row} in a row: a medal of {MEDALS[row]}!")  # BUG: none of gold
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
