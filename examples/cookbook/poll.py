"""Polls in a group: somebody prepares one, all vote, and one message shows the result as it grows.

    fsmkit chat examples/cookbook/poll.py                talk to it in the terminal
    fsmkit graph examples/cookbook/poll.py               draw it
    BOT_TOKEN=... python examples/cookbook/poll.py       run it on Telegram

Preparing a poll is the conversation of one person. The poll itself is a conversation of the whole chat
(`KeyBy.CHAT`): anybody may press its buttons.
"""

from datetime import timedelta
from typing import Literal

import attrs

from fsmkit import ANY, Button, Context, End, Flow, Key, KeyBy, Reply, Stay, Timeout, To
from fsmkit.telegram import TelegramEvent, button, command, run, text

BAR = 10
"""How long the bar of all votes is, in characters."""


@attrs.frozen
class Draft:
    question: str = ""
    choices: tuple[str, ...] = ()


@attrs.frozen
class Publish:
    """What an author's conversation sends to that of the chat."""

    author: int | None
    question: str = attrs.field(validator=attrs.validators.min_len(1))
    choices: tuple[str, ...] = attrs.field(validator=attrs.validators.min_len(2))


@attrs.frozen
class Vote:
    """A button."""

    choice: int


@attrs.frozen
class Poll:
    author: int | None = None
    question: str = ""
    choices: tuple[str, ...] = ()
    votes: dict[int, int] = attrs.field(factory=dict)
    """The number of the choice, by the person's id."""

    def text(self) -> str:
        lines = [self.question]
        for number, choice in enumerate(self.choices):
            count = [*self.votes.values()].count(number)
            bar = "▓" * round(BAR * count / max(1, len(self.votes)))
            lines.append(f"{choice}: {count} {bar}".rstrip())
        return "\n".join(lines)

    def screen(self) -> Reply:
        choices = [[Button(choice, Vote(number))] for number, choice in enumerate(self.choices)]
        return Reply(self.text(), buttons=[*choices, ["Close the poll"]])


def next_choice(ctx: Context[Draft]) -> str:
    if not ctx.data.choices:
        return "What is the first choice?"
    return "And the next one? /done opens the poll."


# -- the author prepares it --------------------------------------------------------------------------

draft = Flow("draft", data=Draft, ttl=timedelta(minutes=30))
draft.state("question", prompt="What is the question?", otherwise="A text of up to 200 characters, please.")
draft.state("choices", prompt=next_choice, otherwise="A text of up to 40 characters, please.")


@draft.defstate(None, on=command("poll", "start", description="Make a poll"))
def begin(event: TelegramEvent, ctx: Context[Draft]) -> To[Literal["question"], Draft]:
    return ("transition", "question", Draft())


@draft.defstate("question", on=text(r".{1,200}"))
def got_question(event: TelegramEvent, ctx: Context[Draft]) -> To[Literal["choices"], Draft]:
    return ("transition", "choices", ctx.evolve(question=event.text))


@draft.defstate("choices", on=text(r".{1,40}"))
def got_choice(event: TelegramEvent, ctx: Context[Draft]) -> To[Literal["choices"], Draft]:
    return ("transition", "choices", ctx.evolve(choices=(*ctx.data.choices, event.text)))


@draft.defstate("choices", on=command("done", description="Open the poll"))
def publish(event: TelegramEvent, ctx: Context[Draft]) -> Stay | End:
    if len(ctx.data.choices) < 2:
        ctx.reply("A poll needs two choices.")
        return ("stay",)
    ctx.send(Key(ctx.key.chat, ctx.key.chat), Publish(event.user_id, ctx.data.question, ctx.data.choices))
    return ("end",)


@draft.defstate(ANY, on=command("cancel", description="Drop the poll"))
def cancel(event: TelegramEvent, ctx: Context[Draft]) -> End:
    ctx.reply("The poll is dropped.")
    return ("end",)


# -- the chat votes ----------------------------------------------------------------------------------

poll = Flow("poll", data=Poll, key=KeyBy.CHAT, ttl=timedelta(days=1))
poll.state("open")


@poll.defstate(None, "open", on=Publish, examples=[Publish(5, "Tea?", ("Yes", "No"))])
def open_poll(event: Publish, ctx: Context[Poll]) -> To[Literal["open"], Poll]:
    return ("transition", "open", Poll(event.author, event.question, event.choices))


@poll.on_enter("open")
def show(ctx: Context[Poll]) -> None:
    ctx.show(ctx.data.screen())


@poll.defstate("open", on=button(Vote))
def vote(event: TelegramEvent, ctx: Context[Poll]) -> Stay[Poll]:
    voted = ctx.evolve(votes={**ctx.data.votes, event.user_id: event.value.choice})
    ctx.answer("Thank you for your vote.")
    ctx.show(voted.screen())
    return ("stay", voted)


@poll.defstate("open", on=button("Close the poll"))
def close(event: TelegramEvent, ctx: Context[Poll]) -> Stay | End[Poll]:
    if event.user_id != ctx.data.author:
        ctx.answer("Only the author of the poll can close it.", alert=True)
        return ("stay",)
    ctx.show(f"{ctx.data.text()}\nThe poll is closed.")
    return ("end", ctx.data)


@poll.defstate("open", on=Timeout)
def nobody_votes(event: Timeout, ctx: Context[Poll]) -> End[Poll]:
    ctx.reply(f"{ctx.data.text()}\nNobody has voted for a day. The poll is closed.")
    return ("end", ctx.data)


if __name__ == "__main__":
    run(draft, poll, command_menu=True)
