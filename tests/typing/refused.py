"""What mypy --strict and basedpyright refuse: each line that ends in `# refused`, and no other."""

from typing import Literal

import attrs

from fsmkit import Context, End, Flow, Result, Stay, To, transition
from fsmkit.telegram import TelegramEvent


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
