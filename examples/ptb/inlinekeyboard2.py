"""PTB's inlinekeyboard2: one message, whose buttons lead from screen to screen.

    BOT_TOKEN=... python examples/ptb/inlinekeyboard2.py
    fsmkit chat examples/ptb/inlinekeyboard2.py           without a token

Never stuck: a second /start takes the buttons of the first one's message away, and buttons that are left
elsewhere say that they are no longer in use.
"""

from typing import Literal

from fsmkit import ANY, Context, End, Flow, To
from fsmkit.telegram import TelegramEvent, button, command, run

Menu = Context[dict[str, str]]
AGAIN, ENOUGH = "Yes, let's do it again!", "Nah, I've had enough ..."

menu = Flow("inlinekeyboard2", ttl=None)
for name, prompt, buttons in (
    ("start", "Start handler, Choose a route", ["1", "2"]),
    ("1", "First CallbackQueryHandler, Choose a route", ["3", "4"]),
    ("2", "Second CallbackQueryHandler, Choose a route", ["1", "3"]),
    ("3", "Third CallbackQueryHandler. Do want to start over?", [AGAIN, ENOUGH]),
    ("4", "Fourth CallbackQueryHandler, Choose a route", ["2", "3"]),
):
    # `show`: the prompt edits the message whose button was pressed.
    menu.state(name, prompt=prompt, buttons=buttons, show=True, otherwise="Please press one of the buttons.")


@menu.defstate(None, ANY, on=command("start"))
@menu.defstate("3", on=button(AGAIN))
def start(event: TelegramEvent, ctx: Menu) -> To[Literal["start"]]:
    return ("transition", "start")


@menu.defstate("start", "2", on=button("1"))
def one(event: TelegramEvent, ctx: Menu) -> To[Literal["1"]]:
    return ("transition", "1")


@menu.defstate("start", "4", on=button("2"))
def two(event: TelegramEvent, ctx: Menu) -> To[Literal["2"]]:
    return ("transition", "2")


@menu.defstate("1", "2", "4", on=button("3"))
def three(event: TelegramEvent, ctx: Menu) -> To[Literal["3"]]:
    return ("transition", "3")


@menu.defstate("1", on=button("4"))
def four(event: TelegramEvent, ctx: Menu) -> To[Literal["4"]]:
    return ("transition", "4")


@menu.defstate("3", on=button(ENOUGH))
def enough(event: TelegramEvent, ctx: Menu) -> End:
    ctx.show("See you next time!")
    return ("end",)


if __name__ == "__main__":
    run(menu)
