"""A photo with its caption.

The bug: a photo may come without one.

The shortest conversation that shows it: 1. /photo, 2. (photo).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import command, photo

album = Flow("gallery", data=dict, ttl=600)
album.state("photo", prompt="Send a photo.", otherwise="A photo, please.")


@album.defstate(None, on=command("photo"))
def start(event, ctx):
    return ("transition", "photo", {})


@album.defstate("photo", on=photo())
def got_photo(event, ctx):
    words = (event.caption or "").split()
    ctx.reply(f"A photo with {len(words)} words.")
    return ("end",)


@album.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("No photo.")
    return ("end",)


FINDS = "raised"
SHORTEST = 2
BUG = (
    (
        '(event.caption or "").split()',
        "event.caption.split()",
    ),
)
"""What makes the bug of it: old lines and new ones."""
