"""A support desk: customers ask in private, the staff's group sees each question, one of the staff answers.

    fsmkit graph examples/cookbook/support.py                                     draw it
    STAFF_CHAT=-1001234 BOT_TOKEN=... python examples/cookbook/support.py         run it on Telegram

The bot is a member of the staff's group, whose id is STAFF_CHAT. Each of the staff has to /start the bot in
private once, for there they talk to their customers, to one after the other. The conversations write to each
other by `ctx.send`.
"""

import os
from datetime import timedelta
from typing import Literal

import attrs

from fsmkit import ANY, Context, End, Flow, Key, KeyBy, Reply, Stay, To
from fsmkit.telegram import TelegramEvent, TextEvent, button, command, run, text

STAFF = int(os.environ.get("STAFF_CHAT", "-100"))
DAY = timedelta(days=1)
TEXTS = "Texts only, please. /done ends our talk."
QUESTION = r"(?s).{1,1000}"


# -- what the conversations say to each other --------------------------------------------------------


NOBODY = Key(0, 0)


@attrs.frozen
class Ticket:
    """A question: who has asked it, who answers it, and which message of the group shows it."""

    customer: Key = NOBODY
    question: str = ""
    agent: Key = NOBODY
    name: str = ""
    message: Key = NOBODY


@attrs.frozen
class Asked:
    ticket: Ticket


@attrs.frozen
class Taken:
    ticket: Ticket


@attrs.frozen
class Said:
    text: str = attrs.field(validator=attrs.validators.min_len(1))


@attrs.frozen
class Closed:
    ticket: Ticket


SOME = Ticket(
    Key(5, 5), "Where is my parcel?", Key(6, 6), "Ann", Key(STAFF, STAFF, "m1")
)  # for `fsmkit test`


# -- the customer, in private ------------------------------------------------------------------------

customer = Flow("customer", data=Ticket, key=KeyBy.GLOBAL_USER, ttl=DAY)
customer.state("asked", prompt="How can we help you?", otherwise=TEXTS)
customer.state("waiting", prompt="Thank you. One of us will answer you here.", otherwise=TEXTS, ttl=3 * DAY)
customer.state("talking", otherwise=TEXTS)
customer.texts(expired="Our talk is closed. /ask opens another one.")


@customer.defstate(None, on=command("ask", "start", description="Ask us a question"))
def begin(event: TelegramEvent, ctx: Context[Ticket]) -> To[Literal["asked"], Ticket]:
    return ("transition", "asked", Ticket(customer=ctx.key))


@customer.defstate("asked", on=text(QUESTION))
def ask(event: TelegramEvent, ctx: Context[Ticket]) -> To[Literal["waiting"], Ticket]:
    ticket = ctx.evolve(question=event.text)
    ctx.send(Key(STAFF, STAFF), Asked(ticket))
    return ("transition", "waiting", ticket)


@customer.defstate("waiting", on=text(QUESTION))
def add(event: TelegramEvent, ctx: Context[Ticket]) -> Stay[Ticket]:
    ctx.reply("Thank you, I have added that.")
    return ("stay", ctx.evolve(question=f"{ctx.data.question}\n{event.text}"[:3000]))


@customer.defstate("waiting", on=Taken, examples=[Taken(SOME)])
def taken(event: Taken, ctx: Context[Ticket]) -> To[Literal["talking"], Ticket]:
    ticket = attrs.evolve(event.ticket, question=ctx.data.question)
    ctx.send(ticket.agent, Taken(ticket))
    ctx.reply(f"{ticket.name} is here now.")
    return ("transition", "talking", ticket)


@customer.defstate(None, on=Taken, examples=[Taken(SOME)])
def gone(event: Taken, ctx: Context[Ticket]) -> None:
    ctx.send(event.ticket.message, Closed(event.ticket))


@customer.defstate("talking", on=text())
def tell_agent(event: TextEvent, ctx: Context[Ticket]) -> None:
    ctx.send(ctx.data.agent, Said(event.text))
    ctx.answer()  # nothing is to be said


@customer.defstate("talking", on=Said)
def hear_agent(event: Said, ctx: Context[Ticket]) -> None:
    ctx.reply(f"{ctx.data.name}: {event.text}")


@customer.defstate("talking", on=Closed, examples=[Closed(SOME), Closed(Ticket())])
def agent_closed(event: Closed, ctx: Context[Ticket]) -> Stay | End:
    if event.ticket.message != ctx.data.message:  # an earlier talk
        return ("stay",)
    ctx.reply("We hope that this helped. /ask opens another talk.")
    return ("end",)


@customer.defstate(ANY, on=command("done", "cancel", description="End the talk"))
def done(event: TelegramEvent, ctx: Context[Ticket]) -> End:
    ctx.reply("Thank you for writing to us.")
    return ("end",)


@customer.on_exit("talking")
def leave(ctx: Context[Ticket]) -> None:
    ctx.send(ctx.data.agent, Closed(ctx.data))


# -- the group: the message with a question is a conversation of its own -----------------------------

desk = Flow("desk")
message = Flow("message", data=str, key=KeyBy.MESSAGE, ttl=7 * DAY)
message.state("taken")


@desk.defstate(None, on=Asked, examples=[Asked(SOME)])
def show_question(event: Asked, ctx: Context[dict[str, str]]) -> None:
    ctx.reply(Reply(event.ticket.question, buttons=[message.button("Answer", event.ticket.customer.user)]))


@message.defstate(None, on=button(int))
def take(event: TelegramEvent, ctx: Context[str]) -> To[Literal["taken"], str]:
    name = event.user.first_name if event.user else "Somebody"
    customer, agent = (Key(user, user) for user in (event.value, event.user_id or 0))
    ctx.send(customer, Taken(Ticket(customer, "", agent, name, ctx.key)))
    ctx.show(f"{name} is talking to the customer.")
    return ("transition", "taken", name)


@message.defstate("taken", on=Closed, examples=[Closed(SOME)])
def closed(event: Closed, ctx: Context[str]) -> End:
    ctx.show(f"{ctx.data} has answered.")
    return ("end",)


# -- one of the staff, in private --------------------------------------------------------------------

Tickets = tuple[Ticket, ...]
agent = Flow("agent", data=Tickets, key=KeyBy.GLOBAL_USER, ttl=DAY)
agent.state("talking", otherwise=TEXTS)


@agent.defstate(None, on=Taken, examples=[Taken(SOME)])
def talk(event: Taken, ctx: Context[Tickets]) -> To[Literal["talking"], Tickets]:
    return ("transition", "talking", (event.ticket,))


@agent.on_enter("talking")
def show_first(ctx: Context[Tickets]) -> None:
    ctx.reply(f"A customer asks:\n{ctx.data[0].question}\n\nWrite your answer. /done ends the talk.")


@agent.defstate("talking", on=Taken, examples=[Taken(SOME)])
def queue(event: Taken, ctx: Context[Tickets]) -> Stay[Tickets]:
    ctx.reply("One more customer waits for you. /done leads to the next one.")
    return ("stay", (*ctx.data, event.ticket))


@agent.defstate("talking", on=text())
def tell_customer(event: TextEvent, ctx: Context[Tickets]) -> None:
    ctx.send(ctx.data[0].customer, Said(event.text))
    ctx.answer()


@agent.defstate("talking", on=Said)
def hear_customer(event: Said, ctx: Context[Tickets]) -> None:
    ctx.reply(f"Customer: {event.text}")


@agent.defstate("talking", on=Closed, examples=[Closed(SOME)])
def customer_closed(
    event: Closed, ctx: Context[Tickets]
) -> To[Literal["talking"], Tickets] | Stay[Tickets] | End:
    if event.ticket != ctx.data[0]:  # one of those who wait has gone
        return ("stay", tuple(each for each in ctx.data if each != event.ticket))
    ctx.reply("The customer has ended the talk.")
    return next_one(ctx)


@agent.defstate("talking", on=command("done", description="End the talk with a customer"))
def agent_done(event: TelegramEvent, ctx: Context[Tickets]) -> To[Literal["talking"], Tickets] | End:
    return next_one(ctx)


def next_one(ctx: Context[Tickets]) -> To[Literal["talking"], Tickets] | End:
    if rest := ctx.data[1:]:
        return ("transition", "talking", rest)
    ctx.reply("Nobody else is waiting for you.")
    return ("end",)


@agent.on_exit("talking")
def close(ctx: Context[Tickets]) -> None:
    """However the talk ends: by /done, after a day of silence, or because the agent has blocked the bot."""
    for each in ctx.data[:1]:
        ctx.send(each.customer, Closed(each))
        ctx.send(each.message, Closed(each))


if __name__ == "__main__":
    run(agent, customer, message, desk, command_menu=True)
