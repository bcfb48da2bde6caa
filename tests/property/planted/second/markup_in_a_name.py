"""A badge with the name of who asks for it, in bold.

The bug: the name is not escaped, and Telegram refuses the message if there is a `<` in it.

The shortest conversation that shows it: 1. (somebody called Tom <b>), 2. /badge.
"""

import html

from fsmkit import ANY, Flow, Reply
from fsmkit.telegram import command

badge = Flow("badge", data=dict, ttl=600)
badge.state(
    "title",
    prompt=lambda ctx: Reply(
        f"A badge for <b>{html.escape(ctx.data['name'])}</b>. Your title?", parse_mode="HTML"
    ),
    otherwise="As text, please.",
)


@badge.defstate(None, on=command("badge"))
def start(event, ctx):
    return ("transition", "title", {"name": event.user.first_name})


@badge.defstate("title")
def got_title(event, ctx):
    ctx.reply("It will be printed.")
    return ("end",)


@badge.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("No badge.")
    return ("end",)


FINDS = "refused-message"
SHORTEST = 2
BUG = (
    (
        "{html.escape(ctx.data['name'])}",
        "{ctx.data['name']}",
    ),
)
"""What makes the bug of it: old lines and new ones."""
