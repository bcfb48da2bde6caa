"""The commands of the terminal itself, `:state`, `:wait 2h` and so on: one table, one function each."""

import difflib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import msgspec

from fsmkit.botapi.errors import Json
from fsmkit.cli.chat.session import USER, ChatSession
from fsmkit.errors import FsmkitError
from fsmkit.flow.matchers import classes_in
from fsmkit.graph.diagram import mermaid
from fsmkit.graph.graph import graph_of
from fsmkit.interpreter.codec import EventCodec, Unfit, class_name
from fsmkit.interpreter.row import Frame, Row, Snapshot, timeout_at

UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}


LONGEST = 10 * 365 * 86400
"""Seconds; beyond it a date may not exist any more."""

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([wdhms])", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds of a duration; a bare number is seconds.

    Raises:
        ValueError: If it is none, or longer than ten years.

    Example:
        >>> parse_duration("1h30m"), parse_duration("90")
        (5400.0, 90.0)
    """
    plain = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", plain, re.ASCII):
        seconds = float(plain)
    elif plain and not _PART.sub("", plain).strip():
        seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(plain))
    else:
        raise ValueError(f"{text!r} is not a duration: write it like 90s, 2h, 1h30m or 3d")
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is too long: ten years at most")
    return seconds


def spell_duration(seconds: float) -> str:
    """Return a duration as it would be typed.

    Example:
        >>> spell_duration(5400), spell_duration(0)
        ('1h30m', '0s')
    """
    left = round(seconds)
    parts: list[str] = []
    for unit, size in UNITS.items():
        if unit != "w" and left >= size:
            parts.append(f"{left // size}{unit}")
            left %= size
    return "".join(parts) or "0s"


def spell_time(seconds: float) -> str:
    """Return a time, in seconds since 1970, as date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def stored_json(row: Row, undelivered: int, now: float) -> str:
    """Return the row as JSON: the conversation that runs, what waits for it, and the others.

    Args:
        row: What is stored.
        undelivered: How many effects wait in the outbox.
        now: The time, in seconds since 1970.
    """
    shown: dict[str, Any] = {"flow": None, "state": None}
    # The flow entered last stands last; a draft, which has no state, comes after those that run.
    latest = list(reversed(row.snapshots.values()))
    latest.sort(key=lambda snapshot: not snapshot.active)
    if latest:
        shown = _conversation(latest[0], now)
        if len(latest) > 1:
            shown["others"] = [_conversation(other, now) for other in latest[1:]]
    if row.later:
        shown["later"] = [
            {"event": mail.event, "data": msgspec.json.decode(mail.body), "due": _when(mail.due, now)}
            for mail in row.later
        ]
    shown["undelivered"] = undelivered
    return msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()


def _conversation(snapshot: Snapshot, now: float) -> dict[str, Any]:
    shown = _frame(snapshot.frames[-1])
    deadline = timeout_at(snapshot)
    shown["deadline"] = None if deadline is None else _when(deadline, now)
    if snapshot.remind is not None:
        shown["reminder"] = _when(snapshot.remind, now)
    if len(snapshot.frames) > 1:
        shown["called by"] = [_frame(frame) for frame in reversed(snapshot.frames[:-1])]
    return shown


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "flow": frame.flow,
        "state": frame.state,
        "data": msgspec.json.decode(frame.data),
        "history": frame.history,
    }


def _when(time: float, now: float) -> str:
    return f"{spell_time(time)}, in {spell_duration(max(0.0, time - now))}"


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

    run: Callable[[ChatSession, str], Awaitable[None]]
    usage: str
    about: str


async def carry_out(session: ChatSession, name: str, rest: str) -> None:
    """Carries out a command.

    Raises:
        Misused: If there is none of that name, or it cannot be done.
    """
    verb = VERBS.get(name)
    if verb is None:
        near = difflib.get_close_matches(name, [*VERBS, "quit"], n=1, cutoff=0.5)
        hint = f"did you mean :{near[0]}?" if near else ":help lists them"
        raise Misused(f"there is no command :{name}; {hint} (`:say :{name}` sends it to the bot)")
    await verb.run(session, rest)


async def press(session: ChatSession, wanted: str) -> None:
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
        raise Misused(f"the button {found['text']!r} works only in Telegram's own app")
    session.out(f"(presses {found['text']})")
    session.last_pressed = message
    session.offline.press_data(found["callback_data"], user=USER, message_id=message)
    await session.handle()


def may_be_a_press(session: ChatSession, said: str) -> bool:
    """Whether it is the number of a button above the latest message, none of whose row was pressed yet."""
    message = session.screen.latest_with_buttons()
    if message is None or message == session.last_pressed or not (said.isascii() and said.isdigit()):
        return False
    return _button(session.screen.buttons(message), said) is not None


async def say(session: ChatSession, text: str) -> None:
    """Says a text to the bot.

    Raises:
        Misused: If there is nothing to say.
    """
    if not text:
        raise Misused("say what? `:say 1` says 1 even where a button has that number")
    await _sent(session, session.offline.say(text, user=USER))


async def _sent(session: ChatSession, update: Json) -> None:
    """Hands on a message of the person, and notes its number for `:edit`."""
    session.last_said = update["message"]["message_id"]
    await session.handle()


def _button(buttons: list[Json], wanted: str) -> Json | None:
    if wanted.isascii() and wanted.isdigit():
        return buttons[int(wanted) - 1] if 1 <= int(wanted) <= len(buttons) else None
    return next((button for button in buttons if button["text"].casefold() == wanted.casefold()), None)


async def _state(session: ChatSession, _rest: str) -> None:
    row = await session.engine.peek(session.key)
    session.out(stored_json(row, await session.undelivered(), session.clock.now()))


async def _wait(session: ChatSession, rest: str) -> None:
    try:
        seconds = parse_duration(rest)
    except ValueError as error:
        raise Misused(str(error)) from error
    session.out(f"({spell_duration(seconds)} later)")
    await session.watch(session.wait(seconds))


async def _edit(session: ChatSession, rest: str) -> None:
    if session.last_said is None or not rest:
        raise Misused("you have not sent anything yet" if rest else "edit it to what? `:edit Ann`")
    try:
        session.offline.edit(session.last_said, rest, user=USER)
    except LookupError:
        raise Misused("your last message has been deleted") from None
    await session.handle()


async def _event(session: ChatSession, rest: str) -> None:
    name, _, body = rest.partition(" ")
    handlers = (h for table in session.engine.flows.tables.values() for h in table.flow.handlers)
    classes = {kind.__name__: kind for kind in classes_in(handler.matcher for handler in handlers)}
    if name not in classes:
        known = ", ".join(classes) or "none: no handler names a class of yours in on="
        raise Misused(f"there is no event {name!r}; the handlers know {known}")
    event = _made(classes[name], body)
    await session.watch(_receive(session, event), silence="(no answer)")


async def _receive(session: ChatSession, event: Any) -> None:
    outcome = await session.engine.send(session.key, event)
    if outcome.kind == "passed":
        session.out("(no handler takes it now)")


def _made(kind: type, body: str) -> Any:
    """Return an event, from JSON, by the same rules as one that comes from the store."""
    try:
        raw = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(body.strip() or "{}")))
        return EventCodec([kind]).decode(class_name(kind), raw)
    except (msgspec.DecodeError, Unfit) as error:
        raise Misused(f"this is not a {kind.__name__}: {error}") from error


async def _restart(session: ChatSession, _rest: str) -> None:
    try:
        await session.restart()
    except FsmkitError as error:
        raise Misused(f"{error} (the old code goes on)") from error
    session.out("(restarted)")


async def _graph(session: ChatSession, _rest: str) -> None:
    session.out(mermaid(graph_of(*session.flows)).rstrip())


async def _help(session: ChatSession, _rest: str) -> None:
    for line in HELP:
        session.out(line)


def _sender(kind: str) -> Callable[[ChatSession, str], Awaitable[None]]:
    async def send(session: ChatSession, rest: str) -> None:
        await _sent(session, session.offline.send(kind, user=USER, caption=rest or None))

    return send


async def _location(session: ChatSession, rest: str) -> None:
    point: dict[str, Any] = {}
    if rest:
        try:
            latitude, longitude = map(float, rest.replace(",", " ").split())
        except ValueError:
            raise Misused(f"{rest!r} is not a location: write `:location 48.2 16.37`") from None
        point = {"latitude": latitude, "longitude": longitude}
    await _sent(session, session.offline.send("location", user=USER, **point))


async def _contact(session: ChatSession, rest: str) -> None:
    person: dict[str, Any] = {"first_name": rest} if rest else {}
    await _sent(session, session.offline.send("contact", user=USER, **person))


VERBS = {
    "press": Verb(press, "1", "press a button by number or text; so do `:1`, `#1`, and often a bare `1`"),
    "say": Verb(say, "TEXT", "send a text that would be a command here: `:say 1`, `:say :state`"),
    "edit": Verb(_edit, "TEXT", "edit your last message"),
    "photo": Verb(_sender("photo"), "[CAPTION]", "send a photo"),
    "document": Verb(_sender("document"), "[CAPTION]", "send a file"),
    "location": Verb(_location, "[LAT LON]", "send a location"),
    "contact": Verb(_contact, "[NAME]", "send a contact"),
    "event": Verb(_event, "NAME {JSON}", "send an event from outside; its class is named in some on="),
    "wait": Verb(_wait, "2h", "let time pass (90s, 1h30m, 3d); timeouts fire meanwhile"),
    "state": Verb(_state, "", "show what is stored"),
    "graph": Verb(_graph, "", "print the graph of the flows, for Mermaid"),
    "restart": Verb(_restart, "", "load the file again and go on with what is stored"),
    "help": Verb(_help, "", "this list"),
}


HELP = [
    "What you type is sent to the bot, /commands too. These commands are for the terminal:",
    *(f"  {f':{name} {verb.usage}'.strip():<20}{verb.about}" for name, verb in VERBS.items()),
    f"  {':quit':<20}leave; so does the end of the input",
]
