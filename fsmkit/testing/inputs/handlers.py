"""The inputs of a handler: actions that its matcher takes, and actions that it nearly takes."""

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from fsmkit.flow.events import MESSAGE_KINDS, ChatEvent, Internal, Timeout
from fsmkit.flow.handlers import Handler
from fsmkit.flow.matchers import AllOf, AnyOf, CheckUpdate, Matcher, Not, OfClass, Predicate, parts_of
from fsmkit.telegram import matchers
from fsmkit.telegram.matchers import Command, OfKind, Payload, PressOf, Reaction, Text
from fsmkit.testing.harness.actions import (
    GESTURES,
    Action,
    Album,
    Content,
    EditLast,
    Gesture,
    Outside,
    PressData,
    Say,
)
from fsmkit.testing.harness.events import PAYLOADS, event_made_by
from fsmkit.testing.inputs.values import constants_of, instances_of, matching, near

TEXTS = ("Ann", "1", "12", "hello world", "2030-01-31", "ann@example.com", "+43 1 234567", "ж😀", "x" * 4096)
"""What is written where anything is taken; a longer text comes from Telegram as two messages."""
CONTENTS = (
    "photo",
    "document",
    "location",
    "contact",
    "voice",
    "video",
    "audio",
    "sticker",
    "animation",
    "dice",
)
ANYTHING: tuple[Action, ...] = (
    *(Say(text) for text in TEXTS),
    Say("/fsmkit_unknown"),
    *(Content(kind) for kind in CONTENTS),
    Content("photo", "Ann"),
    EditLast("Ann"),
    PressData("fsmkit"),
)
"""What people send to any bot at any time."""


RARE = (
    "venue",
    "video_note",
    "poll",
    "web_app_data",
    "users_shared",
    "chat_shared",
    "successful_payment",
    "refunded_payment",
)
"""What is sent only where a bot has asked for it."""


LITERAL = re.compile(r"[\w\s|()?:-]+")
"""Patterns that are a choice of words."""


@attrs.frozen
class Inputs:
    """The inputs of a handler.

    Attributes:
        accepted: Actions that it wants, the plainest first.
        refused: Actions that it nearly wants.
        guarded: Actions that only its `when=` does not want.
        presses: Whether it wants presses of buttons, which are found on the screen.
        waits: Whether it wants timeouts.
    """

    accepted: tuple[Action, ...]
    refused: tuple[Action, ...]
    guarded: tuple[Action, ...]
    presses: bool
    waits: bool

    @property
    def known(self) -> bool:
        """Whether there is a way to reach it at all, as far as it depends on the input."""
        return bool(self.accepted) or self.presses or self.waits


def inputs_of(handler: Handler) -> Inputs:
    """Return the inputs of a handler; each has been asked back.

    Args:
        handler: The handler.

    Example:
        >>> from fsmkit import Flow
        >>> from fsmkit.telegram import text
        >>> flow = Flow("f")
        >>> @flow.defstate("age", on=text(r"[0-9]"))
        ... def got_age(event, ctx): ...
        >>> inputs = inputs_of(flow.handlers[0])
        >>> inputs.accepted[0], Say("11") in inputs.refused
        (Say(user=1, text='1'), True)
    """
    texts, numbers = constants_of(handler.function, handler.when, *_predicates(handler.matcher))
    given = [_as_act(example) for example in handler.examples]
    if given:
        candidates: list[Action] = given
    else:
        candidates = [*_candidates(handler.matcher, texts, numbers)]
    said = [action.text for action in candidates if isinstance(action, Say) and wants(handler, action)]
    words = [text for text in said if text[:1] != "/"]
    close: list[Action] = [
        Say(text) for text in near(words) if text == text.strip() != "" and len(text) <= 4096
    ]
    # What is near may be accepted too: `\d` takes the digits of other scripts.
    accepted = tuple(dict.fromkeys(action for action in [*candidates, *close] if wants(handler, action)))
    refused = tuple(dict.fromkeys(action for action in [*close, *ANYTHING] if not wants(handler, action)))
    guarded: tuple[Action, ...] = ()
    if handler.when is not None:
        free = attrs.evolve(handler, when=None)
        guarded = tuple(action for action in candidates if wants(free, action) and action not in accepted)
    kinds = set(_kinds(handler.matcher))
    return Inputs(accepted, refused, guarded, "button" in kinds, "Timeout" in kinds)


def wants(handler: Handler, action: Action) -> bool:
    """Whether a handler wants the event that an action makes; or its predicate cannot bear it: the
    conversation that gives it will tell.
    """
    event = action.event if isinstance(action, Outside) else event_of(action)
    return event is not None and handler.wants(event) is not None


@functools.lru_cache(maxsize=4096)
def event_of(action: Action) -> ChatEvent | None:
    """Return the event that an action makes, whoever does it wherever; `None` if it is not known before."""
    try:
        return event_made_by(action)
    except LookupError:
        return None


def own_words(handler: Handler) -> list[str]:
    """Texts that a handler's own code or matcher names: words of the bot's, not of who says them."""
    texts, _ = constants_of(handler.function, handler.when, *_predicates(handler.matcher))
    for part in parts_of([handler.matcher]):
        if isinstance(part, PressOf):
            texts += [value for value in part.values if isinstance(value, str)]
        elif isinstance(part, Command):
            texts += [f"/{name}" for name in part.names]
        elif isinstance(part, Reaction):
            texts += part.wanted
        elif isinstance(part, Text) and LITERAL.fullmatch(part.pattern.pattern):
            texts += matching(part.pattern)
    return [*texts, *(example for example in handler.examples if isinstance(example, str))]


def _as_act(example: Any) -> Action:
    if isinstance(example, Action):
        return example
    return Say(example) if isinstance(example, str) else Outside(example)


def _candidates(matcher: Matcher, texts: list[str], numbers: list[int | float]) -> Iterator[Action]:
    """Yield what a matcher may want; a guess, from its class."""
    if isinstance(matcher, AnyOf | AllOf):
        for part in matcher.matchers:
            yield from _candidates(part, texts, numbers)
        if matcher.kinds == frozenset({"inline"}):
            yield from (Gesture("inline", what) for part in _closed_over(matcher) for what in matching(part))
    elif isinstance(matcher, matchers.AlbumOf):
        yield from (Album(), Album(("photo", "video", "photo"), "Ann"))
    elif isinstance(matcher, Text):
        yield from map(Say, [*matching(matcher.pattern), *_written(texts, numbers)])
    elif isinstance(matcher, Command):
        yield from _commands(matcher, texts, numbers)
    elif isinstance(matcher, Payload):
        yield from (_about(matcher.kind, what) for what in matching(matcher.pattern))
    elif isinstance(matcher, Reaction):
        wanted = matcher.wanted or ("\N{THUMBS UP SIGN}",)
        yield from (Gesture("message_reaction", emoji) for emoji in wanted)
    elif isinstance(matcher, PressOf):
        yield from map(PressData, _data(matcher))
    elif isinstance(matcher, OfClass):
        if not issubclass(matcher.wanted, Internal | ChatEvent):
            yield from map(Outside, instances_of(matcher.wanted, texts, numbers))
        elif issubclass(matcher.wanted, ChatEvent):
            yield from ANYTHING
    elif isinstance(matcher, OfKind) and matcher.kinds is not None and "text" not in matcher.kinds:
        for kind in (*CONTENTS, *RARE):
            yield from (Content(kind, caption) for caption in (None, *texts[:4]) if kind in matcher.kinds)
        yield from (Gesture(kind) for kind in GESTURES if kind in matcher.kinds)
        yield from (Gesture("inline", what) for what in texts[:4] if "inline" in matcher.kinds)
        yield from (EditLast(text) for text in ("Ann", *texts[:4]) if "edited" in matcher.kinds)
    else:  # any text, a predicate, a PTB filter, a matcher of the user's own
        yield from _of_ptb(matcher)
        yield from map(Say, TEXTS[:2])
        yield from map(Say, _written(texts, numbers))
        yield from ANYTHING


def _closed_over(matcher: Matcher) -> Iterator[re.Pattern[str]]:
    """Yield the patterns that the predicates of a matcher look at, as that of `inline(pattern)` does."""
    for function in _predicates(matcher):
        for cell in getattr(function, "__closure__", None) or ():
            if isinstance(cell.cell_contents, re.Pattern):
                yield cell.cell_contents


def _about(kind: str, what: str) -> Action:
    """Return what is done with a payload, or with a text that was typed."""
    if kind in PAYLOADS:
        return Content(kind, fields={PAYLOADS[kind]: what})
    return Gesture(kind, what)


def _of_ptb(matcher: Matcher) -> Iterator[Action]:
    """Commands and callback data that a PTB handler names, for a matcher that asks one."""
    handler = getattr(matcher, "checker", None) or getattr(matcher, "handler", None)
    for name in sorted(getattr(handler, "commands", ())):
        yield from (Say(f"/{name}"), Say(f"/{name} 1"), Say(f"/{name} a b"))
    pattern = getattr(handler, "pattern", None)
    if isinstance(pattern, re.Pattern):
        yield from map(PressData, matching(pattern))


def _written(texts: Iterable[str], numbers: Iterable[int | float]) -> Iterator[str]:
    """Constants as somebody would write them, and the numbers beside."""
    yield from (text for text in texts if text.strip())
    for number in numbers:
        yield from (str(number + step) for step in (0, 1, -1))


def _commands(matcher: Command, texts: list[str], numbers: list[int | float]) -> Iterator[Action]:
    for name in matcher.names or ("start", "help"):
        if matcher.args is not None:
            yield from (Say(f"/{name} {words}") for words in matching(matcher.args))
        yield Say(f"/{name}")
        if matcher.args is None:
            yield from (Say(f"/{name} {words}") for words in ["1", "a b", *_written(texts, numbers)][:8])


def _data(matcher: PressOf) -> Iterator[str]:
    """Yield callback data of buttons that the bot made itself; fsmkit's own are found on the screen."""
    if matcher.kind != "raw_button":
        return
    for value in matcher.values or ("data",):
        yield from [value] if isinstance(value, str) else matching(value)


def _kinds(matcher: Matcher) -> Iterator[str]:
    if isinstance(matcher, AnyOf | AllOf):
        for part in matcher.matchers:
            yield from _kinds(part)
    elif isinstance(matcher, OfClass) and issubclass(Timeout, matcher.wanted):
        yield "Timeout"
    elif isinstance(matcher, OfClass) and not issubclass(matcher.wanted, ChatEvent):
        return
    elif isinstance(matcher, CheckUpdate | Predicate | Not):
        yield "button"
    elif matcher.kinds is None or (isinstance(matcher, OfClass) and issubclass(matcher.wanted, ChatEvent)):
        yield from (*MESSAGE_KINDS, "button")
    else:
        yield from matcher.kinds


def _predicates(matcher: Matcher) -> Iterator[Any]:
    if isinstance(matcher, Predicate):
        yield matcher.function
    elif isinstance(matcher, AnyOf | AllOf):
        for part in matcher.matchers:
            yield from _predicates(part)
    elif isinstance(matcher, Not):
        yield from _predicates(matcher.matcher)


def patterns_of(matcher: Matcher) -> Iterator[re.Pattern[str]]:
    """Yield the patterns of texts that a matcher has."""
    if isinstance(matcher, Text):
        yield matcher.pattern
    elif isinstance(matcher, AnyOf | AllOf):
        for part in matcher.matchers:
            yield from patterns_of(part)
