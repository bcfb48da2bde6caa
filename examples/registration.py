"""A registration: a form made of a class, with a review in which each answer can be changed.

    fsmkit chat examples/registration.py                 talk to it in the terminal
    fsmkit graph examples/registration.py                draw it
    BOT_TOKEN=... python examples/registration.py        run it on Telegram

The class says what is asked and what counts as an answer; the form adds Back, Skip, Edit, Confirm and Cancel.
"""

import enum
import re
from datetime import timedelta
from typing import Any

import attrs

from fsmkit import ANY, Context, Flow, To
from fsmkit.telegram import Question, TelegramEvent, command, form, run


class Meal(enum.Enum):
    MEAT = "Meat"
    FISH = "Fish"
    VEGAN = "Vegan"


@attrs.frozen
class Registration:
    name: str = attrs.field(validator=attrs.validators.max_len(40))
    email: str
    age: int = attrs.field(validator=[attrs.validators.ge(6), attrs.validators.le(120)])
    meal: Meal
    dinner: bool = False
    wine: bool = False

    def __attrs_post_init__(self) -> None:
        if self.wine and self.age < 16:
            raise ValueError("Wine is for guests of 16 and older. Please change one of the two.")


def thank(ctx: Context[dict[str, Any]], guest: Registration) -> None:
    ctx.reply(f"Thank you, {guest.name}! A ticket is on its way to {guest.email}.")


registration = Flow("registration", ttl=timedelta(hours=2))
first = form(
    registration,
    Registration,
    questions={
        "name": "Welcome! What's your name?",
        "email": Question(
            "Your e-mail address?",
            parse=re.compile(r"[^@\s]+@[^@\s]+\.[a-z]+", re.IGNORECASE),
            retry="An address like ann@example.org, please.",
            label="E-mail",
        ),
        "age": "How old are you?",
        "meal": "What would you like to eat?",
        "dinner": "Will you stay for dinner?",
        "wine": "A glass of wine with it?",
    },
    done=thank,
    texts={"cancelled": "Cancelled. /start begins again.", "review": "Is all of this right?"},
)
registration.texts(expired="Your registration has expired. /start begins again.")


@registration.defstate(None, ANY, on=command("start"), to=first)
def start(event: TelegramEvent, ctx: Context[dict[str, Any]]) -> To:
    return ("transition", first, {})


if __name__ == "__main__":
    run(registration)
