"""PTB's nestedconversationbot: Family Bot, whose menus are flows that call one another.

    BOT_TOKEN=... python examples/ptb/nestedconversationbot.py
    fsmkit chat examples/ptb/nestedconversationbot.py           without a token

Never stuck: /start and /stop work at every depth, a text beside the buttons is answered, and buttons of
earlier runs say that they are no longer in use.
"""

from typing import Any, Literal

import attrs

from fsmkit import ANY, Button, Context, End, Flow, Result, Returned, To
from fsmkit.telegram import TelegramEvent, button, command, run

YOURSELF, PARENTS, CHILDREN = ("Yourself",), ("Father", "Mother"), ("Brother", "Sister")
PRESS = "Please press one of the buttons. To abort, simply type /stop."


@attrs.frozen
class Person:
    relation: str = YOURSELF[0]
    name: str = "-"
    age: str = "-"

    def __str__(self) -> str:
        about = f"Name: {self.name}, Age: {self.age}"
        return about if self.relation in YOURSELF else f"{self.relation}: {about}"


@attrs.frozen
class Family:
    people: tuple[Person, ...] = ()

    def __str__(self) -> str:
        groups = (("Yourself", YOURSELF), ("Parents", PARENTS), ("Children", CHILDREN))
        return "\n\n".join(f"{title}:{self.those(relations)}" for title, relations in groups)

    def those(self, relations: tuple[str, ...]) -> str:
        found = [str(person) for person in self.people if person.relation in relations]
        return "\n" + "\n".join(found or ["No information yet."])


# Who was told of: data without states, which outlive conversations.
memory = Flow("people", data=Family)


def remember(ctx: Context[Any], person: Person) -> None:
    people = ctx.at(memory)
    people.set_data(Family((*people.get_data().people, person)))


# -- a person: what is known of them ---------------------------------------------------------------


def ask_feature(ctx: Context[Person]) -> str:
    got = "Got it! " if ctx.previous in ("name", "age") else ""
    return f"{got}Please select a feature to update."


person = Flow("person", data=Person)
person.state(
    "feature",
    prompt=ask_feature,
    buttons=[Button("Name", "name"), Button("Age", "age"), "Done"],
    show=True,
    otherwise=PRESS,
)
person.state("name", prompt="Okay, tell me.", show=True, otherwise="In words, please.")
person.state("age", prompt="Okay, tell me.", show=True, otherwise="In words, please.")


@person.defstate("feature", on=button("name", "age"))
def ask(event: TelegramEvent, ctx: Context[Person]) -> To[Literal["name", "age"]]:
    return ("transition", event.value)


@person.defstate("name", "age")
def told(event: TelegramEvent, ctx: Context[Person]) -> To[Literal["feature"], Person]:
    return ("transition", "feature", ctx.evolve(**{str(ctx.state): event.text}))


@person.defstate("feature", on=button("Done"))
def described(event: TelegramEvent, ctx: Context[Person]) -> End[Person]:
    return ("end", ctx.data)


# -- members of the family, one after the other ----------------------------------------------------

member = Flow("member")
member.state(
    "level",
    prompt="You may add a parent or a child. Also you can show the gathered data or go back.",
    buttons=[[Button("Add parent", "parent"), Button("Add child", "child")], ["Show data", "Back"]],
    show=True,
    otherwise=PRESS,
)
for level, relations in (("parent", PARENTS), ("child", CHILDREN)):
    member.state(
        level,
        prompt="Please choose, whom to add.",
        buttons=[[Button(f"Add {who}", who) for who in relations], ["Show data", "Back"]],
        show=True,
        otherwise=PRESS,
    )


@member.defstate("level", on=button("parent", "child"))
def choose(event: TelegramEvent, ctx: Context[Any]) -> To[Literal["parent", "child"]]:
    return ("transition", event.value)


@member.defstate("parent", "child", on=button(*PARENTS, *CHILDREN))
def describe(event: TelegramEvent, ctx: Context[Any]) -> Result:
    return ("call", person, Person(event.value))


@member.defstate("parent", "child", on=Returned)
def add(event: Returned, ctx: Context[Any]) -> To[Literal["level"]]:
    remember(ctx, event.result)
    return ("transition", "level")


@member.defstate(ANY, on=button("Back"))
def leave(event: TelegramEvent, ctx: Context[Any]) -> End:
    return ("end",)


# -- the whole -------------------------------------------------------------------------------------


def gathered(ctx: Context[Any]) -> str:
    return str(ctx.at(memory).get_data())


family = Flow("family", ttl=None)
family.state(
    "menu",
    prompt="You may choose to add a family member, yourself, show the gathered data, or end the "
    "conversation. To abort, simply type /stop.",
    buttons=[["Add family member", "Add yourself"], ["Show data", "Done"]],
    show=True,
    otherwise=PRESS,
)
family.state(
    "yourself",
    prompt="Okay, please tell me about yourself.",
    buttons=["Add info"],
    show=True,
    otherwise=PRESS,
)
family.state("data", prompt=gathered, buttons=["Back"], show=True, otherwise=PRESS)
for flow in (family, member, person):
    flow.texts(crash="Sorry, that is more than I can keep in mind. To abort, simply type /stop.")


@family.defstate(None, ANY, on=command("start"))
def start(event: TelegramEvent, ctx: Context[Any]) -> To[Literal["menu"]]:
    ctx.reply("Hi, I'm Family Bot and I'm here to help you gather information about your family.")
    return ("transition", "menu")


@family.defstate("menu", on=button("Add family member"))
def add_member(event: TelegramEvent, ctx: Context[Any]) -> Result:
    return ("call", member)


@family.defstate("menu", on=button("Add yourself"))
def add_yourself(event: TelegramEvent, ctx: Context[Any]) -> To[Literal["yourself"]]:
    return ("transition", "yourself")


@family.defstate("yourself", on=button("Add info"))
def describe_yourself(event: TelegramEvent, ctx: Context[Any]) -> Result:
    return ("call", person, Person())


@family.defstate("yourself", on=Returned)
def got_yourself(event: Returned, ctx: Context[Any]) -> To[Literal["menu"]]:
    remember(ctx, event.result)
    return ("transition", "menu")


# Under the members' menus too: what a called flow does not take comes to the `ANY` handlers of its caller.
@family.defstate(ANY, on=button("Show data"))
def show_data(event: TelegramEvent, ctx: Context[Any]) -> To[Literal["data"]]:
    return ("transition", "data")


@family.defstate("data", on=button("Back"))
def back_to_menu(event: TelegramEvent, ctx: Context[Any]) -> To[Literal["menu"]]:
    return ("transition", "menu")


@family.defstate("menu", on=button("Done"))
def done(event: TelegramEvent, ctx: Context[Any]) -> End:
    ctx.show("See you around!")
    return ("end",)


@family.defstate(ANY, on=command("stop"))
def stop(event: TelegramEvent, ctx: Context[Any]) -> End:
    ctx.reply("Okay, bye.")
    return ("end",)


if __name__ == "__main__":
    run(family, memory)
