"""A sign-up: a name, an age, and a last look before it counts.

fsmkit chat examples/signup.py                talk to it in the terminal
fsmkit graph examples/signup.py               draw it
BOT_TOKEN=... python examples/signup.py       run it on Telegram
"""

import attrs

from fsmkit import ANY, Context, Flow, Result
from fsmkit.telegram import TelegramEvent, button, command, run, text


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0


def summary(ctx: Context[Form]) -> str:
    return f"{ctx.data.name}, aged {ctx.data.age}. Is that right?"


signup = Flow("signup", data=Form, ttl=3600)
signup.state("name", prompt="What's your name?", otherwise="Up to 40 characters of text, please.")
signup.state("age", prompt="How old are you?", otherwise="Digits, please.")
signup.state(
    "confirm",
    prompt=summary,
    buttons=[["Yes", "No"], ["Change name"]],
    otherwise="Please press one of the buttons.",
)


@signup.defstate(None, ANY, on=command("start"))
def start(event: TelegramEvent, ctx: Context[Form]) -> Result:
    return ("transition", "name", Form())


@signup.defstate("name", on=text(r".{1,40}"))
def got_name(event: TelegramEvent, ctx: Context[Form]) -> Result:
    form = ctx.evolve(name=event.text)
    if form.age:  # known already: only the name was to be changed
        return ("transition", "confirm", form)
    return ("transition", "age", form)


@signup.defstate("age", on=text(r"[0-9]{1,3}"))
def got_age(event: TelegramEvent, ctx: Context[Form]) -> Result:
    age = int(ctx.match[0])
    if not 1 <= age <= 130:
        return ("pass",)  # nobody else wants it, so what is said is `otherwise`
    return ("transition", "confirm", ctx.evolve(age=age))


@signup.defstate("confirm", on=button("Yes"))
def confirmed(event: TelegramEvent, ctx: Context[Form]) -> Result:
    ctx.reply(f"Welcome, {ctx.data.name}!")
    return ("end", ctx.data)


@signup.defstate("confirm", on=button("No"))
def start_over(event: TelegramEvent, ctx: Context[Form]) -> Result:
    ctx.reply("Then once more from the beginning.")
    return ("transition", "name", Form())


@signup.defstate("confirm", on=button("Change name"))
def change_name(event: TelegramEvent, ctx: Context[Form]) -> Result:
    return ("transition", "name")


@signup.defstate(ANY, on=command("cancel"))
def cancel(event: TelegramEvent, ctx: Context[Form]) -> Result:
    ctx.reply("Cancelled. /start begins anew.")
    return ("end",)


if __name__ == "__main__":
    run(signup)
