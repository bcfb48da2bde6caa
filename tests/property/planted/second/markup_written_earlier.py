"""A note that is shown before it is kept, in bold.

The bug: what was written two questions earlier is not escaped.

The shortest conversation that shows it: 1. /note, 2. (a text with a `<`), 3. (a place).
"""

import html

from fsmkit import ANY, Flow, Reply
from fsmkit.telegram import button, command

note = Flow("note", data=dict, ttl=600)
note.state("title", prompt="The title?", otherwise="As text, please.")
note.state("place", prompt="The place?", otherwise="As text, please.")
note.state(
    "keep",
    prompt=lambda ctx: Reply(
        f"Keep <b>{html.escape(ctx.data['title'])}</b>?", parse_mode="HTML", buttons=["Yes", "No"]
    ),
    otherwise="Yes or no?",
)


@note.defstate(None, on=command("note"))
def start(event, ctx):
    return ("transition", "title", {})


@note.defstate("title")
def got_title(event, ctx):
    return ("transition", "place", {"title": event.text[:200]})


@note.defstate("place")
def got_place(event, ctx):
    return ("transition", "keep", ctx.evolve(place=event.text[:200]))


@note.defstate("keep", on=button("Yes", "No"))
def done(event, ctx):
    ctx.reply("Kept." if event.value == "Yes" else "Gone.")
    return ("end",)


@note.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Gone.")
    return ("end",)


FINDS = "refused-message"
SHORTEST = 3
BUG = (
    (
        "{html.escape(ctx.data['title'])}",
        "{ctx.data['title']}",
    ),
)
"""What makes the bug of it: old lines and new ones."""
