"""PTB's conversationbot2: Doctor Botter collects facts about a person, who chooses what about.

    BOT_TOKEN=... python examples/ptb/conversationbot2.py
    fsmkit chat examples/ptb/conversationbot2.py           without a token

Never stuck: what is no choice brings the keyboard again, /start begins anew, facts too long for one message
are told in several.
"""

from typing import Literal

import attrs

from fsmkit import ANY, Context, End, Flow, Keyboard, Reply, To
from fsmkit.telegram import TelegramEvent, command, run, text


@attrs.frozen
class Talk:
    facts: dict[str, str] = attrs.Factory(dict)
    category: str = ""

    def __str__(self) -> str:
        return "\n".join(["", *(f"{category} - {fact}" for category, fact in self.facts.items()), ""])


# -- what is said ----------------------------------------------------------------------------------

CHOICES = Keyboard(
    [["Age", "Favourite colour"], ["Number of siblings", "Something else..."], ["Done"]],
    one_time=True,
    resize=False,
)
HELLO = (
    "Hi! My name is Doctor Botter. I will hold a more complex conversation with you. "
    "Why don't you tell me something about yourself?"
)


def ask_choice(ctx: Context[Talk]) -> Reply:
    if not ctx.data.facts:
        return Reply(HELLO, keyboard=CHOICES)
    return Reply(
        f"Neat! Just so you know, this is what you already told me:{ctx.data}"
        "You can tell me more, or change your opinion on something.",
        keyboard=CHOICES,
    )


def ask_fact(ctx: Context[Talk]) -> str:
    return f"Your {ctx.data.category.lower()}? Yes, I would love to hear about that!"


# -- the conversation ------------------------------------------------------------------------------

conversation = Flow("conversationbot2", data=Talk, ttl=None)
conversation.state("choice", prompt=ask_choice, otherwise=Reply("What about?", keyboard=CHOICES))
conversation.state(
    "category",
    prompt='Alright, please send me the category first, for example "Most impressive skill"',
    otherwise="In words, please.",
)
conversation.state("fact", prompt=ask_fact, otherwise="In words, please.")
conversation.texts(crash="Sorry, that is more than I can keep in mind. Is there a shorter way to say it?")


@conversation.defstate(None, ANY, on=command("start"))
def start(event: TelegramEvent, ctx: Context[Talk]) -> To[Literal["choice"], Talk]:
    return ("transition", "choice", Talk())


# Stands before the handlers that take any text: of one state, the first that wants an event has it.
@conversation.defstate("choice", "category", "fact", on=text("Done"))
def done(event: TelegramEvent, ctx: Context[Talk]) -> End[dict[str, str]]:
    ctx.reply(f"I learned these facts about you: {ctx.data}Until next time!", remove_keyboard=True)
    return ("end", ctx.data.facts)


@conversation.defstate("choice", on=text("Age|Favourite colour|Number of siblings"))
@conversation.defstate("category")
def chosen(event: TelegramEvent, ctx: Context[Talk]) -> To[Literal["fact"], Talk]:
    return ("transition", "fact", ctx.evolve(category=event.text))


@conversation.defstate("choice", on=text(r"Something else\.\.\."))
def something_else(event: TelegramEvent, ctx: Context[Talk]) -> To[Literal["category"]]:
    return ("transition", "category")


@conversation.defstate("fact")
def told(event: TelegramEvent, ctx: Context[Talk]) -> To[Literal["choice"], Talk]:
    return ("transition", "choice", Talk({**ctx.data.facts, ctx.data.category: event.text or ""}))


if __name__ == "__main__":
    run(conversation)
