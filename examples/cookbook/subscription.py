"""A paid subscription: plans, payment in Telegram Stars, a reminder before it ends, renewals and refunds.

    fsmkit graph examples/cookbook/subscription.py               draw it
    BOT_TOKEN=... python examples/cookbook/subscription.py       run it on Telegram

A subscription is a conversation, too: it is stored as long as it is paid for, and its end is an event.
"""

from datetime import UTC, datetime
from typing import Literal

import attrs
from telegram.error import BadRequest

from fsmkit import Button, Context, End, Flow, Reply, Stay, To
from fsmkit.telegram import (
    TelegramEvent,
    button,
    command,
    pre_checkout_query,
    refunded_payment,
    run,
    successful_payment,
)

DAY = 86_400
REMIND = 3 * DAY
"""A subscriber is reminded so long before the end."""


@attrs.frozen
class Plan:
    title: str
    days: int
    stars: int


PLANS = {"month": Plan("A month", 30, 100), "year": Plan("A year", 365, 900)}


PAYLOAD = "|".join(PLANS)


@attrs.frozen
class Subscription:
    until: float = 0.0
    charge: str = ""

    def day(self) -> str:
        return f"{datetime.fromtimestamp(self.until, UTC):%d %B %Y}"


@attrs.frozen
class EndsSoon:
    """It is `REMIND` seconds before the end that was paid for then."""

    until: float


@attrs.frozen
class Ends:
    until: float


def offer(ctx: Context[Subscription]) -> Reply:
    plans = [[Button(f"{plan.title}, {plan.stars} ⭐", name)] for name, plan in PLANS.items()]
    return Reply("Read all our articles. Which plan would you like?", buttons=plans)


def thanks(ctx: Context[Subscription]) -> str:
    return f"Thank you! You can read everything until {ctx.data.day()}. /article has today's article."


club = Flow("club", data=Subscription, ttl=DAY)
club.state("choosing", prompt=offer, otherwise="Please choose a plan, or /cancel.")
club.state("member", prompt=thanks, otherwise="/article has today's article.", ttl=None)
club.texts(declined="This offer is no longer valid. Please /subscribe again.")


@club.defstate(None, on=command("subscribe", "start", description="Subscribe"))
def begin(event: TelegramEvent, ctx: Context[Subscription]) -> To[Literal["choosing"], Subscription]:
    return ("transition", "choosing", Subscription())


@club.defstate("choosing", "member", on=button(*PLANS))
async def send_invoice(event: TelegramEvent, ctx: Context[Subscription]) -> Stay:
    plan = PLANS[event.value]
    price = [{"label": plan.title, "amount": plan.stars}]
    await ctx.bot.send_invoice(ctx.key.chat, plan.title, "All our articles.", event.value, "XTR", price)
    ctx.answer()
    return ("stay",)


@club.defstate("choosing", "member", on=pre_checkout_query(PAYLOAD))
def may_pay(event: TelegramEvent, ctx: Context[Subscription]) -> None:
    if (event.content.currency, event.content.total_amount) == ("XTR", PLANS[ctx.match[0]].stars):
        ctx.approve()
    else:
        ctx.decline("The price has changed. Please /subscribe again.")


@club.defstate("choosing", "member", on=successful_payment(PAYLOAD))
def paid(event: TelegramEvent, ctx: Context[Subscription]) -> To[Literal["member"], Subscription]:
    until = max(ctx.now, ctx.data.until) + PLANS[ctx.match[0]].days * DAY
    ctx.send(ctx.key, EndsSoon(until), after=until - REMIND - ctx.now)
    ctx.send(ctx.key, Ends(until), after=until - ctx.now)
    return ("transition", "member", Subscription(until, event.content.telegram_payment_charge_id))


@club.defstate("member", on=command("article", description="Today's article"))
def article(event: TelegramEvent, ctx: Context[Subscription]) -> None:
    ctx.reply("Why bots forget what people have told them, and what to do about it: …")


@club.defstate(None, "choosing", on=command("article"))
def no_article(event: TelegramEvent, ctx: Context[Subscription]) -> None:
    ctx.reply("Our articles are for subscribers. /subscribe shows the plans.")


@club.defstate("member", on=command("subscribe", "start"))
def renew(event: TelegramEvent, ctx: Context[Subscription]) -> None:
    ctx.reply(Reply(f"You have paid until {ctx.data.day()}. Add more:", buttons=offer(ctx).buttons))


@club.defstate("member", on=EndsSoon)
def remind(event: EndsSoon, ctx: Context[Subscription]) -> None:
    if event.until == ctx.data.until:  # nothing was paid since
        ctx.reply(Reply(f"Your subscription ends on {ctx.data.day()}. Renew it?", buttons=offer(ctx).buttons))


@club.defstate("member", on=Ends)
def ends(event: Ends, ctx: Context[Subscription]) -> Stay | End:
    if event.until != ctx.data.until:
        return ("stay",)
    ctx.reply("Your subscription is over. Thank you for reading! /subscribe brings you back.")
    return ("end",)


@club.defstate("member", on=command("refund", description="End the subscription, money back"))
async def refund(event: TelegramEvent, ctx: Context[Subscription]) -> None:
    try:
        await ctx.bot.refund_star_payment(ctx.key.user, ctx.data.charge)  # refused where it was done before
    except BadRequest:
        ctx.reply("This payment cannot be given back.")
    else:
        ctx.reply("Your last payment is on its way back to you.")


@club.defstate("member", on=refunded_payment())
def refunded(event: TelegramEvent, ctx: Context[Subscription]) -> End:
    ctx.reply("Your subscription is over. /subscribe begins again.")
    return ("end",)


@club.defstate("choosing", on=command("cancel", description="Not now"))
def cancel(event: TelegramEvent, ctx: Context[Subscription]) -> End:
    ctx.reply("Perhaps another time. /subscribe shows the plans.")
    return ("end",)


if __name__ == "__main__":
    run(club, command_menu=True)
