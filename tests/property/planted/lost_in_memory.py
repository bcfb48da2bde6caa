"""A help desk that remembers in memory who has been promised an answer.

The bug: `PROMISED` is a set of the module, and `thanks` answers only those who stand in it (see `BUG` below). After a
restart of the bot nobody does, and the person gets no reply.

The shortest conversation that shows it: 1. /help, 2. (a question), 3. (a restart, then any text).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

desk = Flow("desk", data=dict, ttl=24 * 3600)
desk.state("question", prompt="What is it about?", otherwise="As text, please.")
desk.state("more", prompt="We will answer today. Anything to add?", otherwise="As text, please.")
desk.state("rating", prompt="Was this quick?", buttons=["Yes", "No"], otherwise="Yes or no?")
desk.state("why", prompt="What took too long?", otherwise="As text, please.")


@desk.defstate(None, on=command("help"))
def start(event, ctx):
    return ("transition", "question", {})


@desk.defstate("question")
def got_question(event, ctx):
    return ("transition", "more", {"question": event.text[:200], "promised": True})


@desk.defstate("more")
def thanks(event, ctx):
    if not ctx.data["promised"]:
        return ("stay",)
    return ("transition", "rating")


@desk.defstate("rating", on=button("Yes"))
def quick(event, ctx):
    ctx.reply("Good.")
    return ("end",)


@desk.defstate("rating", on=button("No"))
def slow(event, ctx):
    return ("transition", "why")


@desk.defstate("why")
def got_why(event, ctx):
    ctx.reply("Noted, thank you.")
    return ("end",)


@desk.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Never mind.")
    return ("end",)


FINDS = "restart"
SHORTEST = 3
BUG = (
    (
        """\
from fsmkit.telegram import button, command
""",
        """\
from fsmkit.telegram import button, command


PROMISED: set[int] = set()
""",
    ),
    (
        """\
    return ("transition", "more", {"question": event.text[:200], "promised": True})
""",
        """\
    PROMISED.add(event.user_id)
    return ("transition", "more", {"question": event.text[:200]})
""",
    ),
    (
        """\
    if not ctx.data["promised"]:
""",
        """\
    if event.user_id not in PROMISED:  # BUG: gone after a restart
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
