"""A hairdresser's appointments: a service, a day, a free time, a reminder the day before.

    fsmkit chat examples/cookbook/booking.py                talk to it in the terminal
    fsmkit graph examples/cookbook/booking.py               draw it
    BOT_TOKEN=... python examples/cookbook/booking.py       run it on Telegram

Each day of the salon is a conversation of its own, in the flow `day`. It answers the customers' questions one
after the other, so nobody gets a time that another customer has.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import attrs

from fsmkit import ANY, Context, End, Flow, Key, Result, Returned, Stay, To
from fsmkit.telegram import TelegramEvent, button, command, run
from fsmkit.telegram.widgets import Calendar, calendar

SERVICES = ("Cut", "Colour", "Beard")
TIMES = ("09:00", "11:00", "14:00", "16:00")
PRESS = "Please choose one of the buttons."
BOOK_AHEAD = timedelta(weeks=8)


# -- what a customer and a day say to each other -----------------------------------------------------


@attrs.frozen
class WhatIsFree:
    customer: Key
    day: date


@attrs.frozen
class Take:
    customer: Key
    day: date
    time: str


@attrs.frozen
class GiveBack:
    time: str


@attrs.frozen
class Answer:
    """What is free on a day, and which time is the customer's now."""

    day: date
    free: tuple[str, ...]
    taken: str = ""


# -- a day: who comes when ---------------------------------------------------------------------------

Visitors = dict[str, Key]
SOMEBODY, SOME_DAY = Key(1, 1), date(2030, 1, 1)  # of these `fsmkit test` makes events


def key_of(day: date) -> Key:
    return Key("day", day.isoformat())


def free(visitors: Visitors) -> tuple[str, ...]:
    return tuple(each for each in TIMES if each not in visitors)


day = Flow("day", data=Visitors, ttl=BOOK_AHEAD + timedelta(days=2))
day.state("open")


@day.defstate(None, "open", on=WhatIsFree, examples=[WhatIsFree(SOMEBODY, SOME_DAY)])
def say_what_is_free(event: WhatIsFree, ctx: Context[Visitors]) -> Stay:
    ctx.send(event.customer, Answer(event.day, free(ctx.data)))
    return ("stay",)


@day.defstate(None, "open", on=Take, examples=[Take(SOMEBODY, SOME_DAY, "09:00")])
def take(event: Take, ctx: Context[Visitors]) -> To[Literal["open"], Visitors]:
    visitors = {event.time: event.customer, **ctx.data}  # who was there before stays
    taken = event.time if visitors[event.time] == event.customer else ""
    ctx.send(event.customer, Answer(event.day, free(visitors), taken))
    return ("transition", "open", visitors)


@day.defstate("open", on=GiveBack)
def give_back(event: GiveBack, ctx: Context[Visitors]) -> Stay[Visitors] | End:
    visitors = {each: who for each, who in ctx.data.items() if each != event.time}
    return ("stay", visitors) if visitors else ("end",)


# -- a customer: which service, which day, which time ------------------------------------------------


@attrs.frozen
class Visit:
    """What a customer has chosen so far."""

    service: str = ""
    day: date = date.min
    time: str = ""

    def begins(self) -> float:
        """In seconds since 1970; the salon's clock is UTC."""
        return datetime.combine(self.day, time.fromisoformat(self.time), UTC).timestamp()


@attrs.frozen
class Tomorrow:
    """It is a day before a visit, which begins then."""

    begins: float


@attrs.frozen
class Begun:
    """A visit begins. It may be one that was cancelled."""

    begins: float


def which_days(ctx: Context[Visit]) -> Calendar:
    today = datetime.fromtimestamp(ctx.now, UTC).date()
    return Calendar("Which day suits you?", earliest=today + timedelta(days=2), latest=today + BOOK_AHEAD)


def booked(ctx: Context[Visit]) -> str:
    visit = ctx.data
    return f"{visit.service}, {visit.day:%A, %d %B}, {visit.time}. See you then! /cancel if you cannot come."


booking = Flow("booking", data=Visit, ttl=timedelta(hours=1))
booking.state("service", prompt="What can we do for you?", buttons=SERVICES, show=True, otherwise=PRESS)
booking.state("day", call=calendar("which_day"), call_data=which_days)
booking.state("time", otherwise=PRESS)
booking.state("booked", prompt=booked, otherwise=booked, ttl=BOOK_AHEAD + timedelta(days=2))
booking.texts(expired="Your booking was not finished. /book begins again.")


@booking.defstate(None, on=command("book", "start", description="Book an appointment"))
def begin(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["service"], Visit]:
    return ("transition", "service", Visit())


@booking.defstate("service", on=button(*SERVICES))
def chose_service(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["day"], Visit]:
    return ("transition", "day", ctx.evolve(service=str(event.value)))


@booking.defstate("day", on=Returned)
def chose_day(event: Returned, ctx: Context[Visit]) -> To[Literal["time"], Visit]:
    ctx.send(key_of(event.result), WhatIsFree(ctx.key, event.result))
    return ("transition", "time", ctx.evolve(day=event.result))


@booking.defstate("time", on=Answer)
def answered(event: Answer, ctx: Context[Visit]) -> Result:
    if event.day != ctx.data.day or event.taken not in ("", ctx.data.time):
        return ("pass",)
    if event.taken:
        visit = ctx.data
        begins = visit.begins()
        ctx.send(ctx.key, Tomorrow(begins), after=begins - ctx.now - 86_400)
        ctx.send(ctx.key, Begun(begins), after=begins - ctx.now)
        return ("transition", "booked", visit)
    question = "Which time suits you?" if event.free else "We are fully booked on that day."
    if ctx.data.time:
        question = f"Sorry, {ctx.data.time} has just been taken. {question}"
    ctx.show(question, buttons=[[*event.free], ["Another day"]])
    return ("stay", ctx.evolve(time=""))


@booking.defstate(None, ANY, on=Answer)
def too_late(event: Answer, ctx: Context[Visit]) -> None:
    """The customer has gone on meanwhile, or away."""
    if event.taken:
        ctx.send(key_of(event.day), GiveBack(event.taken))


@booking.defstate("time", on=button(*TIMES))
def chose_time(event: TelegramEvent, ctx: Context[Visit]) -> Stay[Visit]:
    if ctx.data.time:  # pressed twice; the first answer is on its way
        return ("stay",)
    ctx.send(key_of(ctx.data.day), Take(ctx.key, ctx.data.day, str(event.value)))
    return ("stay", ctx.evolve(time=str(event.value)))


@booking.defstate("time", on=button("Another day"))
def another_day(event: TelegramEvent, ctx: Context[Visit]) -> To[Literal["day"], Visit]:
    return ("transition", "day", ctx.evolve(time=""))


@booking.defstate("booked", on=Tomorrow)
def remind(event: Tomorrow, ctx: Context[Visit]) -> None:
    if event.begins == ctx.data.begins():
        ctx.reply(f"See you tomorrow at {ctx.data.time}! /cancel if you cannot come.")


@booking.defstate("booked", on=Begun)
def begun(event: Begun, ctx: Context[Visit]) -> Stay | End[Visit]:
    return ("end", ctx.data) if event.begins == ctx.data.begins() else ("stay",)


@booking.defstate("booked", on=command("cancel", description="Give the appointment back"))
def give_up(event: TelegramEvent, ctx: Context[Visit]) -> End:
    ctx.send(key_of(ctx.data.day), GiveBack(ctx.data.time))
    ctx.reply("Your appointment is cancelled. /book makes another one.")
    return ("end",)


@booking.defstate(ANY, on=command("cancel"))
def cancel(event: TelegramEvent, ctx: Context[Visit]) -> End:
    ctx.reply("Nothing was booked. /book begins again.")
    return ("end",)


if __name__ == "__main__":
    run(booking, day, command_menu=True)
