"""News for subscribers: an admin writes it and looks at a preview; a job sends it and shows its progress.

    ADMINS=42 BOT_TOKEN=... python examples/cookbook/broadcast.py            run it on Telegram
    fsmkit test examples/cookbook/broadcast.py --resources PostOfTests      test it
    fsmkit graph examples/cookbook/broadcast.py                              draw it

A subscriber is a conversation in the state "subscribed". There is no other list: who unsubscribes, or blocks
the bot, has no conversation any more.
"""

import os
from typing import Any, Literal

import attrs
from telegram.ext import Application

from fsmkit import Context, Done, End, Engine, Failed, Flow, JobContext, Key, Pass, Reply, To, fan_out
from fsmkit.stores import Store, open_store
from fsmkit.telegram import (
    KeyedProcessor,
    Receiver,
    TelegramEvent,
    TextEvent,
    attach,
    button,
    command,
    photo,
    text,
)

CHUNK = 100


@attrs.frozen
class News:
    """What everybody gets. A photo is its file id: Telegram has the file already."""

    text: str = attrs.field(validator=attrs.validators.min_len(1))
    photo: str | None = None


def message_of(news: News) -> Reply:
    return Reply(news.text, photo=news.photo)


# -- subscribers -------------------------------------------------------------------------------------

subscription = Flow("subscription", ttl=None)
subscription.state(
    "subscribed", prompt="You will hear from us. /stop ends it.", otherwise="/stop ends the news."
)


@subscription.defstate(None, "subscribed", on=command("subscribe", "start", description="Get our news"))
def subscribe(event: TelegramEvent, ctx: Context[dict[str, Any]]) -> To[Literal["subscribed"]]:
    return ("transition", "subscribed")


@subscription.defstate("subscribed", on=News)
def hear(event: News, ctx: Context[dict[str, Any]]) -> None:
    ctx.reply(message_of(event))


@subscription.defstate("subscribed", on=command("stop", description="No more news"))
def unsubscribe(event: TelegramEvent, ctx: Context[dict[str, Any]]) -> End:
    ctx.reply("You will hear no more from us. /subscribe if you miss it.")
    return ("end",)


# -- the admin ---------------------------------------------------------------------------------------


async def tell_everybody(news: News, job: JobContext) -> int:
    """Runs again after a crash; by `job.id` those who were told before are left out."""
    told, keys = 0, await job.resources.subscribers()
    for start in range(0, len(keys), CHUNK):
        job.progress(start / len(keys), "Sending")
        told += await job.resources.tell(keys[start : start + CHUNK], news, job.id)
    return told


def preview(ctx: Context[News]) -> Reply:
    return Reply(ctx.data.text, photo=ctx.data.photo, buttons=["Send it", "Write it anew"])


broadcast = Flow("broadcast", data=News, ttl=3600)
broadcast.state(
    "writing", prompt="What is the news? A text, or a photo with one.", otherwise="A text or a photo."
)
broadcast.state("preview", prompt=preview, otherwise="Please press a button, or /cancel.")
broadcast.state(
    "sending", prompt="Sending …", show=True, job=tell_everybody, otherwise="I am still sending.", ttl=None
)


@broadcast.defstate(None, on=command("broadcast"))
def begin(event: TelegramEvent, ctx: Context[News]) -> To[Literal["writing"], News] | Pass:
    if event.user_id not in ctx.resources.admins:
        return ("pass",)
    return ("transition", "writing", News("…"))


@broadcast.defstate("writing", on=text(r"(?s).{1,4000}"))
def got_text(event: TextEvent, ctx: Context[News]) -> To[Literal["preview"], News]:
    return ("transition", "preview", News(event.text))


@broadcast.defstate("writing", on=photo())
def got_photo(event: TelegramEvent, ctx: Context[News]) -> To[Literal["preview"], News]:
    return ("transition", "preview", News(event.caption or "News", event.file_id))


@broadcast.defstate("preview", on=button("Write it anew"))
def write_anew(event: TelegramEvent, ctx: Context[News]) -> To[Literal["writing"]]:
    return ("transition", "writing")


@broadcast.defstate("preview", on=button("Send it"))
def send(event: TelegramEvent, ctx: Context[News]) -> To[Literal["sending"]]:
    return ("transition", "sending")


@broadcast.defstate("sending", on=Done)
def sent(event: Done, ctx: Context[News]) -> End:
    ctx.show(f"Sent. Subscribers who have it: {event.value}.")
    return ("end",)


@broadcast.defstate("sending", on=Failed)
def not_sent(event: Failed, ctx: Context[News]) -> To[Literal["preview"]]:
    ctx.reply(f"Not everybody has it: {event.error}. Shall I try again?")
    return ("transition", "preview")


@broadcast.defstate("writing", "preview", on=command("cancel"))
def cancel(event: TelegramEvent, ctx: Context[News]) -> End:
    ctx.reply("Nothing was sent.")
    return ("end",)


# -- running it --------------------------------------------------------------------------------------


class Post:
    """Who may send, who subscribes (by the store), and how they are told."""

    engine: Engine

    def __init__(self, store: Store, admins: set[int]) -> None:
        self.store = store
        self.admins = admins

    async def subscribers(self) -> list[Key]:
        rows = self.store.scan(bot=self.engine.bot, flow="subscription", state="subscribed")
        return [row.key async for row in rows]

    async def tell(self, keys: list[Key], news: News, id_: str) -> int:
        outcomes = await fan_out(self.engine, keys, news, id=id_, flow="subscription")
        return outcomes["handled"] + outcomes["duplicate"]


class PostOfTests:
    """Fails the first time, then has nobody to tell."""

    admins = range(1_000_000)
    calls = 0

    async def subscribers(self) -> list[Key]:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("the line is busy")
        return []


def build(builder: Any, store: Store, admins: set[int]) -> tuple[Any, Engine]:
    post = Post(store, admins)
    app = builder.build()
    post.engine = attach(app, broadcast, subscription, store=store, resources=post, command_menu=True)
    return app, post.engine


if __name__ == "__main__":
    processor = KeyedProcessor(64)
    builder = Application.builder().token(os.environ["BOT_TOKEN"])
    builder = builder.concurrent_updates(processor).update_queue(processor.queue)
    admins = {int(user) for user in os.environ["ADMINS"].split(",")}
    Receiver(*build(builder, open_store("sqlite:broadcast.db"), admins)).run_polling()
