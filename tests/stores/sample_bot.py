"""The bot whose conversations `samples/` holds: a form with buttons and a sub-flow, and a reminder to oneself."""

from typing import Any

import attrs

from fsmkit import Flow, Returned
from fsmkit.telegram import button, command, text

START = 1_700_000_000.0
"""When the samples were written, by the engine's clock."""


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0
    street: str = ""


@attrs.frozen
class Nudge:
    about: str


def flows() -> tuple[Flow[Any], ...]:
    """The flows, of a bot that is made anew."""
    signup = Flow("signup", data=Form, ttl=3600)
    signup.state("name", prompt="Your name?")
    signup.state("age", prompt="Your age?")
    signup.state("confirm", prompt=lambda ctx: f"{ctx.data.name}, {ctx.data.age}?", buttons=["Yes", "Move"])
    address: Flow[dict[str, Any]] = Flow("address", ttl=3600)
    address.state("street", prompt="Your street?")
    tea: Flow[dict[str, Any]] = Flow("tea", ttl=None)
    tea.state("drawing")

    @signup.defstate(None, on=command("start"))
    def start(event: Any, ctx: Any) -> Any:
        ctx.reply("Welcome.")
        return ("transition", "name", Form())

    @signup.defstate("name", on=text())
    def got_name(event: Any, ctx: Any) -> Any:
        return ("transition", "age", ctx.evolve(name=event.text))

    @signup.defstate("age", on=text(r"[0-9]+"))
    def got_age(event: Any, ctx: Any) -> Any:
        return ("transition", "confirm", ctx.evolve(age=int(event.text)))

    @signup.defstate("confirm", on=button("Yes"))
    def confirmed(event: Any, ctx: Any) -> Any:
        ctx.reply(f"Done: {ctx.data.name}, {ctx.data.age}, {ctx.data.street or 'nowhere'}.")
        return ("end",)

    @signup.defstate("confirm", on=button("Move"))
    def move(event: Any, ctx: Any) -> Any:
        return ("call", address)

    @signup.defstate("confirm", on=Returned)
    def moved(event: Any, ctx: Any) -> Any:
        return ("transition", "confirm", ctx.evolve(street=event.result))

    @address.defstate(None)
    def ask(event: Any, ctx: Any) -> Any:
        return ("transition", "street", {})

    @address.defstate("street", on=text())
    def got_street(event: Any, ctx: Any) -> Any:
        return ("end", event.text)

    @tea.defstate(None, on=command("tea"))
    def brew(event: Any, ctx: Any) -> Any:
        ctx.send(ctx.key, Nudge("tea"), after=240)
        return ("transition", "drawing", {})

    @tea.defstate("drawing", on=Nudge)
    def ready(event: Any, ctx: Any) -> Any:
        ctx.reply(f"Your {event.about} is ready.")
        return ("end",)

    return signup, address, tea
