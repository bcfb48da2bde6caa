"""What mypy --strict and basedpyright refuse: each line that ends in `# refused`, and no other."""

from typing import Literal

import attrs

from fsmkit import Context, End, Flow, Result, Stay, To, transition
from fsmkit.telegram import PressEvent, TelegramEvent, TextEvent, button, photo, text


@attrs.frozen
class Form:
    name: str = ""


signup = Flow("signup", data=Form)


@signup.defstate("name")
def misspelt_target(event: TelegramEvent, ctx: Context[Form]) -> To[Literal["age"], Form] | Stay:
    return ("transition", "agee", ctx.data)  # refused


@signup.defstate("name")
def misspelt_tag(event: TelegramEvent, ctx: Context[Form]) -> Result:
    return ("transitoin", "age")  # refused


@signup.defstate("name")
def wrong_data(event: TelegramEvent, ctx: Context[Form]) -> To[Literal["age"], Form]:
    return ("transition", "age", {"name": "Ann"})  # refused


@signup.defstate("name")
def wrong_data_of_a_constructor(event: TelegramEvent, ctx: Context[Form]) -> To[Literal["age"], Form]:
    return transition("age", 5)  # refused


@signup.defstate("name")
def wrong_result(event: TelegramEvent, ctx: Context[Form]) -> End[Form] | Stay:
    return ("end", 5)  # refused


@signup.defstate("name")  # refused
def no_context(event: TelegramEvent) -> Result:
    return None


@signup.defstate("name")  # refused
def one_too_many(event: TelegramEvent, ctx: Context[Form], extra: int) -> Result:
    return None


@signup.defstate("name")  # refused
def no_result(event: TelegramEvent, ctx: Context[Form]) -> int:
    return 5


@signup.on_enter("name")  # refused
def hook_of_an_event(event: TelegramEvent, ctx: Context[Form]) -> None:
    return None


def misspelt_options(event: TelegramEvent, ctx: Context[Form]) -> None:
    ctx.reply("Here.", phto="file-id")  # refused
    ctx.show("Here.", keyboard=["A"])  # refused
    ctx.reply("Here.", buttons=[5])  # refused
    signup.state("photo", prmpt="Your photo?")  # refused


@signup.defstate("name", on=button(int))  # refused
def wrong_value(event: PressEvent[str], ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(event.value))


@signup.defstate("name", on=text())
def no_press(event: TextEvent, ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(event.txt))  # refused


@signup.defstate("name", on=photo())  # refused
def no_text(event: TextEvent, ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(event.text))


@signup.defstate("name", on=text())  # refused
def data_of_another_flow(event: TelegramEvent, ctx: Context[int]) -> Stay[int]:
    return ("stay", ctx.data + 1)


@signup.defstate("name", on=int)  # refused
def wrong_class(event: str, ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(event))
