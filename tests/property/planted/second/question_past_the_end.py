"""A quiz of seven questions, each answered by a button.

The bug: after the last answer it looks for one question more.

The shortest conversation that shows it: 1. /quiz, 2.-8. [True].
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command

QUESTIONS = (
    "Ice swims.",
    "Iron swims.",
    "Wood swims.",
    "Gold swims.",
    "Cork swims.",
    "Lead swims.",
    "Wax swims.",
)

quiz = Flow("quiz", data=dict, ttl=600)
quiz.state(
    "question",
    prompt=lambda ctx: QUESTIONS[ctx.data["n"]],
    buttons=["True", "False"],
    otherwise="True or false?",
)


@quiz.defstate(None, on=command("quiz"))
def start(event, ctx):
    return ("transition", "question", {"n": 0})


@quiz.defstate("question", on=button("True", "False"))
def answered(event, ctx):
    following = ctx.data["n"] + 1
    if following < len(QUESTIONS):
        return ("transition", "question", {"n": following})
    ctx.reply("That was all.")
    return ("end",)


@quiz.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Bye.")
    return ("end",)


FINDS = "raised"
SHORTEST = 8
BUG = (
    (
        "following < len(QUESTIONS)",
        "following <= len(QUESTIONS)",
    ),
)
"""What makes the bug of it: old lines and new ones."""
