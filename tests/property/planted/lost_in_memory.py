"""A help desk that remembers in memory who has been promised an answer.

The bug: `PROMISED` is a set of the module, and `thanks` answers only those who stand in it (line marked BUG). After a
restart of the bot nobody does, and the person gets no reply.

The shortest conversation that shows it: 1. /help, 2. (a question), 3. (a restart, then any text).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

FINDS = "restart"
SHORTEST = 3

PROMISED: set[int] = set()

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
    PROMISED.add(event.user_id)
    return ("transition", "more", {"question": event.text[:200]})


@desk.defstate("more")
def thanks(event, ctx):
    if event.user_id not in PROMISED:  # BUG: gone after a restart
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
