"""What must be so of what people see, and of what comes by itself: messages, markup, buttons, late events."""

import re
from collections.abc import Iterator, Sequence

from fsmkit.flow.events import ChatEvent, Internal
from fsmkit.interpreter.codec import class_name
from fsmkit.interpreter.row import Row
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import EditLast, Persona, Refused, Say, shortened
from fsmkit.testing.harness.instrument import HandlerCall
from fsmkit.testing.harness.observation import Observation, stored_in

BARE = re.compile(r"<(b|i|u|s|strong|em|code|pre|tg-spoiler|blockquote|a)(?: [^<>]*)?>[^<>]*</\1>")
"""Markup of Telegram's HTML."""

_OF_A_MADE_UP_FILE = "wrong file identifier"
"""What Telegram says of a file's id that a generated event has brought."""


def nothing_refused(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that Telegram takes each message as it is: fsmkit sends one with broken markup as plain text."""
    last = observations[-1]
    if isinstance(last.action, Refused):
        return
    for error in dict.fromkeys(last.refused):
        if _OF_A_MADE_UP_FILE in error:
            continue
        message = f"Telegram refuses what the bot says: {error}"
        if "parse entities" in error:
            message += ". Escape what people write, `html.escape(...)` or `escape_markdown(...)`"
        yield Problem("refused-message", message, _place(last))


def no_bare_markup(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that nobody reads tags: of a text with markup that is sent without `parse_mode=`."""
    last = observations[-1]
    said = "\n".join(
        text
        for observation in observations
        for text in (
            observation.action.text
            if isinstance(observation.action, Say | EditLast)
            else observation.action.name
            if isinstance(observation.action, Persona)
            else "",
        )
    )
    for line in last.shown:
        for found in BARE.finditer(line):
            if found[0] not in said and f"<{found[1]}" not in said:
                message = f"the bot shows bare tags: {shortened(found[0])!r}. Add parse_mode='HTML'"
                yield Problem("bare-tags", message, _place(last))
                return


def events_in_time(observations: Sequence[Observation]) -> Iterator[Problem]:
    """Check that what a conversation has scheduled for itself does not come to the one after it."""
    last = observations[-1]
    calls = sum(not isinstance(taken.event, ChatEvent | Internal) for taken in last.taken)
    if len(last.shown) < calls and stored_in(last.before) == stored_in(last.after):
        return  # one of them has seen that it is not meant for this conversation
    gone = {mail.id for mail in last.before.later} - {mail.id for mail in last.after.later}
    for mail in last.before.later if gone else ():
        if mail.id not in gone or mail.expect is not None:
            continue
        sender = next((o for o in observations if any(m.id == mail.id for m in o.after.later)), last)
        for taken in last.taken:
            if not _is_of(taken, mail.event) or taken.state is None or taken.flow not in _flows(sender):
                continue
            then, now = (
                _run(sender.after, taken.flow) or _run(sender.before, taken.flow),
                _run(last.before, taken.flow),
            )
            if then and now and then != now:
                message = (
                    f"{taken.handler.name} got {type(taken.event).__name__} that an earlier conversation had "
                    "scheduled, which is over. Put what tells them apart into the event, and look at it"
                )
                yield Problem("late-event", message, taken.handler.place)


def _is_of(taken: HandlerCall, name: str) -> bool:
    kind = type(taken.event)
    return not issubclass(kind, ChatEvent | Internal) and class_name(kind) == name and taken.kind != "pass"


def _flows(observation: Observation) -> set[str]:
    return {taken.flow for taken in observation.taken}


def _run(row: Row, flow: str) -> int:
    """Return the number of a flow's run, 0 where none runs."""
    for snapshot in row.snapshots.values():
        if snapshot.active and any(frame.flow == flow for frame in snapshot.frames):
            return snapshot.run
    return 0


def _place(observation: Observation) -> str | None:
    return observation.taken[-1].handler.place if observation.taken else None
