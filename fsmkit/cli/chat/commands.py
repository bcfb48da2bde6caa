"""The commands of the terminal itself, `:state`, `:wait 2h` and so on: one table, one function each."""

import difflib
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import msgspec

from fsmkit.cli.chat.durations import parse_duration, spell_duration
from fsmkit.cli.chat.session import USER, Session
from fsmkit.cli.chat.stored import stored_json
from fsmkit.cli.refusal import Refusal
from fsmkit.codec import EventCodec, Unfit, class_name
from fsmkit.diagram import mermaid
from fsmkit.errors import DefinitionError
from fsmkit.graph import graph_of
from fsmkit.matching import classes_in
from fsmkit.testing.botapi import Json


class Misused(Exception):
    """A command that cannot be carried out; the text says why."""


@attrs.frozen
class Verb:
    """A command.

    Attributes:
        run: Carries it out; takes the session and what stands after the name.
        usage: What stands after the name.
        about: What it does.
    """

    run: Callable[[Session, str], Awaitable[None]]
    usage: str
    about: str


async def carry_out(session: Session, name: str, rest: str) -> None:
    """Carries out a command.

    Raises:
        Misused: If there is none of that name, or it cannot be done.
    """
    verb = VERBS.get(name)
    if verb is None:
        near = difflib.get_close_matches(name, [*VERBS, "quit"], n=1, cutoff=0.5)
        hint = f"did you mean :{near[0]}?" if near else ":help lists them"
        raise Misused(f"there is no command :{name}; {hint} (`:say :{name}` says it to the bot)")
    await verb.run(session, rest)


async def press(session: Session, wanted: str) -> None:
    """Presses a button: by its number under the latest message that has buttons, or by its text.

    Raises:
        Misused: If there is no such button.
    """
    message = session.screen.latest_with_buttons()
    buttons = session.screen.buttons(message) if message is not None else []
    found = _button(buttons, wanted)
    if found is None:
        shown = ", ".join(f"[{n}] {button['text']}" for n, button in enumerate(buttons, 1))
        raise Misused(f"there is no button {wanted or 'without a number'}; on the screen: {shown or 'none'}")
    if "url" in found:
        session.out(f"(opens {found['url']})")
        return
    if "callback_data" not in found:
        raise Misused(f"the button {found['text']!r} does something in Telegram's own app")
    session.out(f"(presses {found['text']})")
    session.last_pressed = message
    session.offline.press_data(found["callback_data"], user=USER, message_id=message)
    await session.handle()


def may_be_a_press(session: Session, said: str) -> bool:
    """Whether it is the number of a button above the latest message, none of whose row was pressed yet."""
    message = session.screen.latest_with_buttons()
    if message is None or message == session.last_pressed or not (said.isascii() and said.isdigit()):
        return False
    return _button(session.screen.buttons(message), said) is not None


async def say(session: Session, text: str) -> None:
    """Says a text to the bot.

    Raises:
        Misused: If there is nothing to say.
    """
    if not text:
        raise Misused("say what? `:say 1` says 1 even where a button has that number")
    await _sent(session, session.offline.say(text, user=USER))


async def _sent(session: Session, update: Json) -> None:
    """Hands on a message of the person, and notes its number for `:edit`."""
    session.last_said = update["message"]["message_id"]
    await session.handle()


def _button(buttons: list[Json], wanted: str) -> Json | None:
    if wanted.isascii() and wanted.isdigit():
        return buttons[int(wanted) - 1] if 1 <= int(wanted) <= len(buttons) else None
    return next((button for button in buttons if button["text"].casefold() == wanted.casefold()), None)


async def _state(session: Session, _rest: str) -> None:
    row = await session.engine.peek(session.key)
    session.out(stored_json(row, await session.undelivered(), session.clock.now()))


async def _wait(session: Session, rest: str) -> None:
    try:
        seconds = parse_duration(rest)
    except ValueError as error:
        raise Misused(str(error)) from error
    session.out(f"({spell_duration(seconds)} later)")
    await session.watch(session.wait(seconds))


async def _edit(session: Session, rest: str) -> None:
    if session.last_said is None or not rest:
        raise Misused("nothing has been said yet" if rest else "edit it to what? `:edit Ann`")
    try:
        session.offline.edit(session.last_said, rest, user=USER)
    except LookupError:
        raise Misused("your last message has been deleted") from None
    await session.handle()


async def _event(session: Session, rest: str) -> None:
    name, _, body = rest.partition(" ")
    handlers = (h for table in session.engine.flows.tables.values() for h in table.flow.handlers)
    classes = {kind.__name__: kind for kind in classes_in(handler.matcher for handler in handlers)}
    if name not in classes:
        known = ", ".join(classes) or "none: no handler names a class of yours in on="
        raise Misused(f"there is no event {name!r}; the handlers know {known}")
    event = _made(classes[name], body)
    await session.watch(_receive(session, event), silence="(no answer)")


async def _receive(session: Session, event: Any) -> None:
    outcome = await session.engine.send(session.key, event)
    if outcome.kind == "passed":
        session.out("(no handler wants it now)")


def _made(kind: type, body: str) -> Any:
    """An event, from JSON, by the same rules as one that comes from the store."""
    try:
        raw = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(body.strip() or "{}")))
        return EventCodec([kind]).decode(class_name(kind), raw)
    except (msgspec.DecodeError, Unfit) as error:
        raise Misused(f"this makes no {kind.__name__}: {error}") from error


async def _restart(session: Session, _rest: str) -> None:
    try:
        await session.restart()
    except Refusal as error:
        raise Misused(f"{error.message} (the old code goes on)") from error
    except DefinitionError as error:
        raise Misused(f"{error} (the old code goes on)") from error
    session.out("(restarted)")


async def _graph(session: Session, _rest: str) -> None:
    session.out(mermaid(graph_of(*session.flows)).rstrip())


async def _help(session: Session, _rest: str) -> None:
    for line in HELP:
        session.out(line)


def _sender(kind: str) -> Callable[[Session, str], Awaitable[None]]:
    async def send(session: Session, rest: str) -> None:
        await _sent(session, session.offline.send(kind, user=USER, caption=rest or None))

    return send


async def _location(session: Session, rest: str) -> None:
    point: dict[str, Any] = {}
    if rest:
        try:
            latitude, longitude = map(float, rest.replace(",", " ").split())
        except ValueError:
            raise Misused(f"{rest!r} is no place: write `:location 48.2 16.37`") from None
        point = {"latitude": latitude, "longitude": longitude}
    await _sent(session, session.offline.send("location", user=USER, **point))


async def _contact(session: Session, rest: str) -> None:
    person: dict[str, Any] = {"first_name": rest} if rest else {}
    await _sent(session, session.offline.send("contact", user=USER, **person))


VERBS = {
    "press": Verb(press, "1", "press a button by number or text; so do `:1`, `#1`, and often a bare `1`"),
    "say": Verb(say, "TEXT", "say what would mean something else: `:say 1`, `:say :state`"),
    "edit": Verb(_edit, "TEXT", "edit your last message"),
    "photo": Verb(_sender("photo"), "[CAPTION]", "send a photo"),
    "document": Verb(_sender("document"), "[CAPTION]", "send a file"),
    "location": Verb(_location, "[LAT LON]", "send a place"),
    "contact": Verb(_contact, "[NAME]", "send a contact"),
    "event": Verb(_event, "NAME {JSON}", "send an event from outside, of a class named in some on="),
    "wait": Verb(_wait, "2h", "let time pass (90s, 1h30m, 3d); timeouts fire on the way"),
    "state": Verb(_state, "", "show what is stored"),
    "graph": Verb(_graph, "", "print the graph of the flows, for Mermaid"),
    "restart": Verb(_restart, "", "read the file anew and go on with what is stored"),
    "help": Verb(_help, "", "this list"),
}
HELP = [
    "What you type is said to the bot; /words are its commands. Besides:",
    *(f"  {f':{name} {verb.usage}'.strip():<20}{verb.about}" for name, verb in VERBS.items()),
    f"  {':quit':<20}leave, as does the end of the input",
]
