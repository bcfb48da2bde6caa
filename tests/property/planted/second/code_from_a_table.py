"""A lock with codes of people; the guest's code opens a menu that breaks.

The bug: the guest has no entry in the table of greetings. Only who types one of the codes, which stand in a table beside
the handler, gets there.

The shortest conversation that shows it: 1. /open, 2. (the guest's code), 3. [Greet].
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

CODES = {"4711-k": "owner", "0815-m": "guest"}
GREETINGS = {"owner": "Welcome home.", "guest": "Good evening."}

lock = Flow("lock", data=dict, ttl=600)
lock.state("code", prompt="The code?", otherwise="As text, please.")
lock.state("inside", prompt="You are in.", buttons=["Greet", "Leave"], otherwise="Press a button.")


@lock.defstate(None, on=command("open"))
def start(event, ctx):
    return ("transition", "code", {})


@lock.defstate("code")
def got_code(event, ctx):
    role = CODES.get(event.text)
    if role is None:
        ctx.reply("Wrong.")
        return ("stay",)
    return ("transition", "inside", {"role": role})


@lock.defstate("inside", on=button("Greet"))
def greet(event, ctx):
    ctx.reply(GREETINGS[ctx.data["role"]])
    return ("stay",)


@lock.defstate("inside", on=button("Leave"))
def leave(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


@lock.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Closed.")
    return ("end",)


FINDS = "raised"
SHORTEST = 3
BUG = (
    (
        """\
GREETINGS = {"owner": "Welcome home.", "guest": "Good evening."}
""",
        """\
GREETINGS = {"owner": "Welcome home."}  # BUG: and the guest
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
