"""PTB's conversationbot: Professor Bot asks for a gender, a photo, a location and a few words.

    BOT_TOKEN=... python examples/ptb/conversationbot.py
    fsmkit chat examples/ptb/conversationbot.py           without a token

Never stuck: another answer than was asked for repeats the question with its keyboard, /start begins anew.
"""

import logging
from typing import Literal

import attrs

from fsmkit import ANY, Context, End, Flow, Keyboard, Reply, Stay, To
from fsmkit.telegram import TelegramEvent, command, location, photo, run, text


@attrs.frozen
class Profile:
    gender: str = ""
    photo: str | None = None  # a file id
    place: tuple[float, float] | None = None  # latitude and longitude
    bio: str = ""


# -- what is said ----------------------------------------------------------------------------------

GENDERS = Keyboard(["Boy", "Girl", "Other"], one_time=True, placeholder="Boy or Girl?", resize=False)
HELLO = Reply(
    "Hi! My name is Professor Bot. I will hold a conversation with you. Send /cancel to stop talking to me."
    "\n\nAre you a boy or a girl?",
    keyboard=GENDERS,
)
PHOTO = Reply(
    "I see! Please send me a photo of yourself, so I know what you look like, "
    "or send /skip if you don't want to.",
    remove_keyboard=True,
)


def ask_location(ctx: Context[Profile]) -> str:
    if ctx.data.photo:
        return "Gorgeous! Now, send me your location please, or send /skip if you don't want to."
    return "I bet you look great! Now, send me your location please, or send /skip."


def ask_bio(ctx: Context[Profile]) -> str:
    said = "Maybe I can visit you sometime!" if ctx.data.place else "You seem a bit paranoid!"
    return f"{said} At last, tell me something about yourself."


# -- the conversation ------------------------------------------------------------------------------

conversation = Flow("conversationbot", data=Profile, ttl=None)
conversation.state("gender", prompt=HELLO, otherwise=Reply("Are you a boy or a girl?", keyboard=GENDERS))
conversation.state("photo", prompt=PHOTO, otherwise="Please send me a photo of yourself, or send /skip.")
conversation.state("location", prompt=ask_location, otherwise="Please send me your location, or send /skip.")
conversation.state("bio", prompt=ask_bio, otherwise="Please tell me something about yourself, in words.")


@conversation.defstate(None, ANY, on=command("start"))
def start(event: TelegramEvent, ctx: Context[Profile]) -> To[Literal["gender"], Profile]:
    return ("transition", "gender", Profile())


@conversation.defstate("gender", on=text("Boy|Girl|Other"))
def got_gender(event: TelegramEvent, ctx: Context[Profile]) -> To[Literal["photo"], Profile]:
    return ("transition", "photo", ctx.evolve(gender=event.text))


@conversation.defstate("photo", on=photo() | command("skip"))
def got_photo(event: TelegramEvent, ctx: Context[Profile]) -> To[Literal["location"], Profile]:
    return ("transition", "location", ctx.evolve(photo=event.file_id))


@conversation.defstate("location", on=location())
def got_location(event: TelegramEvent, ctx: Context[Profile]) -> To[Literal["bio"], Profile]:
    place = ctx.match.location if event.kind == "venue" else ctx.match
    return ("transition", "bio", ctx.evolve(place=(place.latitude, place.longitude)))


@conversation.defstate("location", on=command("skip"))
def no_location(event: TelegramEvent, ctx: Context[Profile]) -> To[Literal["bio"]]:
    return ("transition", "bio")


@conversation.defstate("bio")
def got_bio(event: TelegramEvent, ctx: Context[Profile]) -> End[Profile]:
    profile = ctx.evolve(bio=event.text)
    logging.info("%s is %s", event.user and event.user.first_name, profile)
    ctx.reply("Thank you! I hope we can talk again some day.")
    return ("end", profile)


@conversation.defstate("gender", "bio", on=command("skip"))
def no_skipping(event: TelegramEvent, ctx: Context[Profile]) -> Stay:
    ctx.reply("Just this one, please. Send /cancel to stop talking to me.")
    return ("stay",)


@conversation.defstate(ANY, on=command("cancel"))
def cancel(event: TelegramEvent, ctx: Context[Profile]) -> End:
    ctx.reply("Bye! I hope we can talk again some day.", remove_keyboard=True)
    return ("end",)


if __name__ == "__main__":
    run(conversation)
