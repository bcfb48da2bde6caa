"""What mypy --strict and basedpyright accept. Checked, never run."""

from typing import Any, Literal, assert_never

import attrs

from fsmkit import (
    ANY,
    END,
    Button,
    Context,
    End,
    Flow,
    Keyboard,
    KeyboardButton,
    Reply,
    Result,
    Stay,
    To,
    back,
    call,
    end,
    error,
    pass_,
    stay,
    transition,
)
from fsmkit.telegram import CommandEvent, PressEvent, TelegramEvent, TextEvent, button, command, photo, text


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0


signup = Flow("signup", data=Form, ttl=3600)
address = Flow("address")
signup.state("name", prompt="What's your name?")
signup.state("age", prompt=lambda ctx: f"How old are you, {ctx.data.name}?")


@signup.defstate(None, ANY, on=command("start"))
def start(event: TelegramEvent, ctx: Context[Form]) -> To[Literal["name"], Form]:
    return ("transition", "name", Form())


@signup.defstate("name", to=["age", END])
async def got_name(event: TelegramEvent, ctx: Context[Form]) -> To[Literal["age"], Form] | Stay:
    if not event.text:
        return None
    return ("transition", "age", ctx.evolve(name=event.text))


@signup.defstate("age", on=text(r"[0-9]+"))
def got_age(event: TelegramEvent, ctx: Context[Form]) -> End[Form] | Stay[Form]:
    form: Form = ctx.data
    if form.age:
        return ("stay", form)
    return end(ctx.evolve(age=int(event.text or "0")))


@signup.defstate("age")
def constructors(event: TelegramEvent, ctx: Context[Form]) -> Result:
    if event.user_id == 1:
        return transition("name", Form())
    if event.user_id == 2:
        return back(2)
    if event.user_id == 3:
        return call(address, {})
    if event.user_id == 4:
        return error("no")
    if event.user_id == 5:
        return pass_()
    return stay(ctx.data)


@signup.on_enter("age")
def entered(ctx: Context[Form]) -> None:
    ctx.reply(f"Thank you, {ctx.data.name}.", buttons=["Back"])


def every_result(result: Result) -> str:
    if result is END:
        return "end"
    match result:
        case None:
            return "stay"
        case ("transition", state):
            return str(state)
        case ("transition", state, _):
            return str(state)
        case ("stay",) | ("stay", _):
            return "stay"
        case ("back",) | ("back", _) | ("back", _, _):
            return "back"
        case ("call", flow) | ("call", flow, _):
            return str(flow)
        case ("end",) | ("end", _):
            return "end"
        case ("pass",):
            return "pass"
        case ("error", reason):
            return str(reason)
        case _:
            assert_never(result)


@signup.defstate("age")
def ended(event: TelegramEvent, ctx: Context[Form]) -> Result:
    return END


@signup.defstate("age")
def ended_or_not(event: TelegramEvent, ctx: Context[Form]) -> End[Form] | Stay:
    return END if ctx.data.age else None


def messages(event: TelegramEvent, ctx: Context[Form]) -> None:
    reply = Reply("Sure?", buttons=[[Button("Yes", 1), "No"]], keyboard=[KeyboardButton("Me"), "Skip"])
    ctx.reply(reply, silent=True, ephemeral=True, extra={"message_effect_id": "5"})
    ctx.reply("Which?", keyboard=Keyboard([["A"], ["B"]], one_time=True), protect_content=True)
    ctx.show("Here.", photo="file-id", link_preview=False, buttons=["Back"])
    signup.state("photo", prompt="Your photo?", show=True, buttons=[Button("Skip", None)])


def untyped_data(event: Any, ctx: Context[dict[str, Any]]) -> Result:
    return ("transition", "name", ctx.evolve(name="Ann"))


@attrs.frozen
class Item:
    id: int


@signup.defstate("age", on=text(r"[0-9]+"))
def typed_text(event: TextEvent, ctx: Context[Form]) -> End[Form]:
    return end(ctx.evolve(age=int(event.text)))


@signup.defstate("age")
def any_text(event: TextEvent, ctx: Context) -> Result:
    return ("stay", Form(event.text.strip()))


@signup.defstate("age", on=button(Item))
async def typed_press(event: PressEvent[Item], ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(age=event.value.id))


@signup.defstate("age", on=button("yes", "no"))
def typed_word(event: PressEvent[str], ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(name=event.value.upper()))


@signup.defstate("age", on=text() | command())
def text_or_command(event: TextEvent | CommandEvent, ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(name=event.text))


@signup.defstate("age", on=[photo(), text()])
def several(event: TelegramEvent, ctx: Context[Form]) -> Stay[Form]:
    return ("stay", Form(name=event.text or ""))


@address.defstate(None, on=int)
def outside(event: int, ctx: Context) -> Result:
    return ("stay", {"street": event})
