"""The inputs of a handler: actions that its matcher takes, and actions that it nearly takes."""

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from fsmkit.flow.events import ChatEvent, Internal, Timeout
from fsmkit.flow.handlers import Handler
from fsmkit.flow.matchers import Example, Matcher, Predicate, parts_of
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
from fsmkit.testing.inputs.odd_texts import odd_texts
from fsmkit.testing.inputs.reading import Clues, clues_of
from fsmkit.testing.inputs.values import instances_of, matching, near

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


MOST_ARGUMENTS = 40
"""Ways to write what stands behind a command."""

MAX_WORDS = 256
"""Characters behind a command; a person types no more."""

MAX_CAPTION = 1024
"""UTF-16 units, https://core.telegram.org/bots/api#sendphoto."""

LITERAL = re.compile(r"[\w\s|()?:-]+")
"""Patterns that are a choice of words."""


@attrs.frozen
class Inputs:
    """The inputs of a handler.

    Attributes:
        accepted: Actions that it wants, the plainest first.
        refused: Actions that it nearly wants.
        guarded: Actions that only its `when=` does not want.
        odd: Actions that it wants, and that its code may break on.
        presses: Whether it wants presses of buttons, which are found on the screen.
        waits: Whether it wants timeouts.
    """

    accepted: tuple[Action, ...]
    refused: tuple[Action, ...]
    guarded: tuple[Action, ...]
    presses: bool
    waits: bool
    odd: tuple[Action, ...] = ()

    @property
    def known(self) -> bool:
        """Whether there is a way to reach it at all, as far as it depends on the input."""
        return bool(self.accepted) or self.presses or self.waits


def inputs_of(handler: Handler, resources: Any = None) -> Inputs:
    """Return the inputs of a handler; each has been asked back.

    Args:
        handler: The handler.
        resources: What it finds in `ctx.resources`, whose values it may compare an input with.

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
    clues = clues_of(handler.function, handler.when, *_predicates(handler.matcher), resources=resources)
    given = [_as_act(example) for example in handler.examples]
    if given:
        candidates: list[Action] = given
    else:
        candidates = [*_candidates(handler.matcher, clues)]
    said = [action.text for action in candidates if isinstance(action, Say) and wants(handler, action)]
    words = [text for text in said if text[:1] != "/"]
    close: list[Action] = [Say(text) for text in near(words) if _comes_as_it_is(text)]
    # What is near may be accepted too: `\d` takes the digits of other scripts.
    accepted = tuple(dict.fromkeys(action for action in [*candidates, *close] if wants(handler, action)))
    refused = tuple(dict.fromkeys(action for action in [*close, *ANYTHING] if not wants(handler, action)))
    guarded: tuple[Action, ...] = ()
    if handler.when is not None:
        free = attrs.evolve(handler, when=None)
        guarded = tuple(action for action in candidates if wants(free, action) and action not in accepted)
    examples = [*handler.matcher.examples()]
    odd = tuple(
        dict.fromkeys(
            action
            for example in examples
            if isinstance(example, Example)
            for action in _odd_for(example, clues)
            if action not in accepted and wants(handler, action)
        )
    )
    return Inputs(accepted, refused, guarded, any(map(_presses, examples)), any(map(_waits, examples)), odd)


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
    clues = clues_of(handler.function, handler.when, *_predicates(handler.matcher))
    texts = list(clues.texts)
    for example in handler.matcher.examples():
        match example:
            case Example("command", str(name)):
                texts.append(f"/{name}")
            case Example(_, str(value)) | str(value):
                texts.append(value)
            case Example("text", re.Pattern() as pattern) if LITERAL.fullmatch(pattern.pattern):
                texts += matching(pattern)
            case _:
                continue
    return [*texts, *(example for example in handler.examples if isinstance(example, str))]


def _comes_as_it_is(text: str) -> bool:
    """Whether Telegram delivers a text as it was written: trimmed, and in one message."""
    return 0 < len(text) <= 4096 and text == text.strip()


def _as_act(example: Any) -> Action:
    if isinstance(example, Action):
        return example
    return Say(example) if isinstance(example, str) else Outside(example)


def _odd_for(example: Example, clues: Clues) -> Iterator[Action]:
    """Yield what people do that may be what an example outlines, and that code may break on."""
    match example.kind:
        case None | "message" | "text":
            yield from map(Say, odd_texts(clues))
        case "command" if example.args is None:
            names = [example.value] if isinstance(example.value, str) else []
            words = [text for text in odd_texts(clues) if "\n" not in text and len(text) < MAX_WORDS]
            yield from (Say(f"/{name} {text}") for name in names for text in words)
        case "photo" | "document" | "video" if "caption" in clues.names:
            yield from (Content(example.kind, text) for text in odd_texts(clues) if len(text) <= MAX_CAPTION)
        case "edited":
            yield from map(EditLast, odd_texts(clues))
        case _:
            return


def _candidates(matcher: Matcher, clues: Clues) -> Iterator[Action]:
    """Yield what a matcher may want, by its examples."""
    texts, numbers = list(clues.texts), list(clues.numbers)
    written = [*_written(texts, numbers)]
    for example in matcher.examples():
        if isinstance(example, Example):
            yield from _done_for(example, written, texts[:4])
        elif not isinstance(example, type):
            yield _as_act(example)
        elif not issubclass(example, Internal):
            yield from map(Outside, instances_of(example, texts, numbers))


def _done_for(example: Example, written: list[str], hints: list[str]) -> Iterator[Action]:
    """Yield what people do that may be what an example outlines."""
    kind, value = example.kind, example.value
    said = [] if value is None else matching(value) if isinstance(value, re.Pattern) else [value]
    match kind:
        case None | "message":
            yield from (*map(Say, [*TEXTS[:2], *written]), *ANYTHING)
        case "text":
            yield from map(Say, [*said, *written] if said else [*TEXTS[:2], *written, *TEXTS])
        case "command":
            for name in said or ("start", "help"):
                yield from map(Say, _commands(name, example.args, written))
        case "raw_button":
            yield from map(PressData, said or ["data"])
        case "album":
            yield from (Album(), Album(("photo", "video", "photo"), "Ann"))
        case "edited":
            yield from map(EditLast, ["Ann", *hints])
        case "inline":
            yield from (Gesture(kind, what) for what in said or ["", *hints])
        case _ if kind in GESTURES:
            yield from (Gesture(kind, what) for what in said or [""])
        case _ if kind in PAYLOADS and said:
            yield from (Content(kind, fields={PAYLOADS[kind]: what}) for what in said)
        case _ if kind in CONTENTS or kind in RARE:
            yield from (Content(kind, caption) for caption in (None, *hints))
        case _:  # a button of fsmkit's own is found on the screen; other kinds nobody makes by hand
            return


def _written(texts: Iterable[str], numbers: Iterable[int | float]) -> Iterator[str]:
    """Constants as somebody would write them, and the numbers beside."""
    yield from (text for text in texts if text.strip())
    for number in numbers:
        yield from (str(number + step) for step in (0, 1, -1))


def _commands(name: str, args: re.Pattern[str] | None, written: list[str]) -> list[str]:
    """Return ways to write a command."""
    if args is not None:
        return [*(f"/{name} {words}" for words in matching(args)), f"/{name}"]
    return [f"/{name}", *(f"/{name} {words}" for words in ["1", "a b", *written][:MOST_ARGUMENTS])]


def _predicates(matcher: Matcher) -> list[Any]:
    return [part.function for part in parts_of([matcher]) if isinstance(part, Predicate)]


def _presses(example: Any) -> bool:
    return isinstance(example, Example) and example.kind in (None, "button")


def _waits(example: Any) -> bool:
    return issubclass(Timeout, example) if isinstance(example, type) else example == Example("Timeout")
