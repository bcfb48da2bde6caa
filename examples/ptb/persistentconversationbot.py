"""PTB's persistentconversationbot: Doctor Botter remembers what he was told, after a restart too.

    BOT_TOKEN=... python examples/ptb/persistentconversationbot.py
    fsmkit chat --store sqlite:facts.db examples/ptb/persistentconversationbot.py     without a token

Never stuck: what is no choice brings the keyboard again, /start works in the middle too.
"""

from typing import Literal

import attrs

from fsmkit import ANY, Context, End, Flow, Keyboard, Reply, Stay, To
from fsmkit.telegram import TelegramEvent, command, run, text

CHOICES = Keyboard(
    [["Age", "Favourite colour"], ["Number of siblings", "Something else..."], ["Done"]],
    one_time=True,
    resize=False,
)

# What is known of a person has no states: data that stand whether a conversation runs or not.
memory = Flow("memory")


@attrs.frozen
class Topic:
    category: str = ""


def facts_of(ctx: Context[Topic]) -> dict[str, str]:
    return dict(ctx.at(memory).get_data())


def told_so_far(ctx: Context[Topic]) -> str:
    return "\n".join(["", *(f"{category} - {fact}" for category, fact in facts_of(ctx).items()), ""])


def ask_fact(ctx: Context[Topic]) -> str:
    known = facts_of(ctx).get(ctx.data.category)
    if known:
        return f"Your {ctx.data.category}? I already know the following about that: {known}"
    return f"Your {ctx.data.category}? Yes, I would love to hear about that!"


conversation = Flow("persistentconversationbot", data=Topic, ttl=None)
conversation.state("choice", otherwise=Reply("What about?", keyboard=CHOICES))
conversation.state(
    "category",
    prompt='Alright, please send me the category first, for example "Most impressive skill"',
    otherwise="In words, please.",
)
conversation.state("fact", prompt=ask_fact, otherwise="In words, please.")
conversation.texts(crash="Sorry, that is more than I can keep in mind. Is there a shorter way to say it?")


@conversation.defstate(None, ANY, on=command("start"))
def start(event: TelegramEvent, ctx: Context[Topic]) -> To[Literal["choice"]]:
    known = ", ".join(facts_of(ctx))
    if known:
        more = (
            f"You already told me your {known}. Why don't you tell me something more about yourself? "
            "Or change anything I already know."
        )
    else:
        more = (
            "I will hold a more complex conversation with you. "
            "Why don't you tell me something about yourself?"
        )
    ctx.reply(f"Hi! My name is Doctor Botter. {more}", keyboard=CHOICES)
    return ("transition", "choice")


# Stands before the handlers that take any text: of one state, the first that wants an event has it.
@conversation.defstate("choice", "category", "fact", on=text("Done"))
def done(event: TelegramEvent, ctx: Context[Topic]) -> End:
    ctx.reply(f"I learned these facts about you: {told_so_far(ctx)}Until next time!", remove_keyboard=True)
    return ("end",)


@conversation.defstate("choice", on=text("Age|Favourite colour|Number of siblings"))
@conversation.defstate("category")
def chosen(event: TelegramEvent, ctx: Context[Topic]) -> To[Literal["fact"], Topic]:
    return ("transition", "fact", Topic((event.text or "").lower()))


@conversation.defstate("choice", on=text(r"Something else\.\.\."))
def something_else(event: TelegramEvent, ctx: Context[Topic]) -> To[Literal["category"]]:
    return ("transition", "category")


@conversation.defstate("fact")
def told(event: TelegramEvent, ctx: Context[Topic]) -> To[Literal["choice"]]:
    ctx.at(memory).update_data({ctx.data.category: (event.text or "").lower()})
    ctx.reply(
        f"Neat! Just so you know, this is what you already told me:{told_so_far(ctx)}"
        "You can tell me more, or change your opinion on something.",
        keyboard=CHOICES,
    )
    return ("transition", "choice")


@conversation.defstate(None, ANY, on=command("show_data"))
def show_data(event: TelegramEvent, ctx: Context[Topic]) -> Stay:
    ctx.reply(f"This is what you already told me: {told_so_far(ctx)}")
    return ("stay",)


if __name__ == "__main__":
    run(conversation, memory)
