"""A classified ad with photos; the second photo breaks it.

The bug: `another_photo` takes the stored photos for a list, but `first_photo` stores a single one, as a text (line
marked BUG). With one photo all is well.

The shortest conversation that shows it: 1. /sell, 2. (a title), 3. (photo), 4. (photo).
"""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command, photo, text

ad = Flow("ad", data=dict, ttl=7200)
ad.state("title", prompt="What do you sell?", otherwise="As text, please.")
ad.state("photo", prompt="Send a photo of it.", otherwise="A photo, please.")
ad.state("more", prompt="Another photo, or the price?", otherwise="A photo, or a number for the price.")
ad.state(
    "review",
    prompt=lambda ctx: f"{ctx.data['title']}, {ctx.data['price']} euros.",
    buttons=["Publish", "Start over"],
    otherwise="Publish it?",
)


@ad.defstate(None, on=command("sell"))
def start(event, ctx):
    return ("transition", "title", {})


@ad.defstate("title")
def got_title(event, ctx):
    return ("transition", "photo", {"title": event.text[:60]})


@ad.defstate("photo", on=photo())
def first_photo(event, ctx):
    return ("transition", "more", ctx.evolve(photos=[ctx.match]))


@ad.defstate("more", on=photo())
def another_photo(event, ctx):
    photos = ctx.data["photos"]
    if len(photos) == 5:
        ctx.reply("Five are enough.")
        return ("stay",)
    photos.append(ctx.match)
    ctx.reply(f"That makes {len(photos)}.")
    return ("stay", ctx.evolve(photos=photos))


@ad.defstate("more", on=text(r"[1-9][0-9]{0,4}"))
def got_price(event, ctx):
    return ("transition", "review", ctx.evolve(price=int(event.text)))


@ad.defstate("review", on=button("Publish"))
def publish(event, ctx):
    ctx.reply("It is published.")
    return ("end",)


@ad.defstate("review", on=button("Start over"))
def start_over(event, ctx):
    return ("transition", "title", {})


@ad.defstate(ANY, on=command("cancel"))
def cancel(event, ctx):
    ctx.reply("Not published.")
    return ("end",)


FINDS = "raised"
SHORTEST = 4
BUG = (
    (
        """\
    return ("transition", "more", ctx.evolve(photos=[ctx.match]))
""",
        """\
    return ("transition", "more", ctx.evolve(photos=ctx.match))  # BUG: [ctx.match]
""",
    ),
)
"""What makes the bug of it: old lines and new ones."""
