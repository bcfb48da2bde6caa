"""The recorder: what people do with a running bot, as actions, to be had again with its next version.

It stands at the handlers and needs neither Hypothesis nor pytest. What people write is not kept: in its
place stands something else that the same handler takes. `fsmkit.testing.replay.recordings` reads it back.
"""

import logging
import secrets
from collections import deque
from hashlib import blake2b
from pathlib import Path
from typing import Any

import attrs
import msgspec

from fsmkit.engine.engine import Engine
from fsmkit.flow.events import ChatEvent, Internal, Timeout
from fsmkit.flow.handlers import Handler
from fsmkit.keys import Key
from fsmkit.testing.harness.actions import (
    GESTURES,
    Action,
    Album,
    Content,
    Deadline,
    EditLast,
    Gesture,
    Outside,
    Press,
    PressData,
    Say,
    action_to_json,
)
from fsmkit.testing.harness.instrument import HandlerCall, watch
from fsmkit.testing.inputs.handlers import inputs_of, own_words

_log = logging.getLogger("fsmkit")

REMEMBERED = 256
"""Events of which it is known that they were recorded: one that lost its lease runs once more."""


LENGTHS = (1, 3, 8, 64, 512, 4096)
"""Where classes of lengths end, in letters."""


def record(engine: Engine, path: str | Path, *, texts: bool = False, secret: str | None = None) -> None:
    """Record what the handlers of an engine take, from now on, a JSON line for each event.

    Args:
        engine: The engine, as `attach` returns it; no event may have come yet.
        path: The file; lines are added to it.
        texts: Whether what people write is kept as it is. By default something else that the same handler
            takes stands for it, unless it is a word of the bot's own code.
        secret: Keeps a conversation together over restarts: people are told apart by a hash of it and their
            key. By default a new one each time.

    Raises:
        OSError: If the file cannot be written.
    """
    recorder = _Recorder(Path(path), texts, (secret or secrets.token_hex(32)).encode())
    watch(engine, recorder.note)


class _Recorder:
    """Writes lines; whatever goes wrong with that, no handler notices.

    Args:
        path: The file.
        texts: Whether texts are kept.
        secret: What people's names are hashed with.
    """

    def __init__(self, path: Path, texts: bool, secret: bytes) -> None:
        path.touch()  # what is wrong with it is said now
        self._path = path
        self._texts = texts
        self._secret = blake2b(secret).digest()
        self._written: deque[tuple[str, Any, str]] = deque(maxlen=REMEMBERED)
        self._broken = False

    def note(self, taken: HandlerCall) -> None:
        """Write a line for a handler that took an event."""
        if taken.kind == "pass" or taken.key is None:
            return
        try:
            self._write(taken, taken.key)
        except Exception:
            if not self._broken:
                _log.exception("an event could not be recorded; others may be missing too")
            self._broken = True

    def _write(self, taken: HandlerCall, key: Key) -> None:
        event = taken.event
        if isinstance(event, Internal) and not isinstance(event, Timeout):
            return  # it comes of itself when the conversation is had again
        who = blake2b(str(key).encode(), key=self._secret, digest_size=8).hexdigest()
        mark = (who, getattr(event, "id", None), taken.handler.name)
        if mark[1] is not None and mark in self._written:
            return
        self._written.append(mark)
        done = action = act_of(event)
        if done is not None and not self._texts:
            action = stand_in(taken.handler, done)
        line = {
            "who": who,
            "flow": taken.flow,
            "state": taken.state,
            "handler": taken.handler.name,
            "kind": taken.kind,
            "target": _target(taken),
            "act": None if action is None else action_to_json(action),
            "index": _index(event),
            "stands": action != done,
        }
        with self._path.open("ab") as file:  # each time, so that the file may be moved away meanwhile
            file.write(msgspec.json.encode(line) + b"\n")


def act_of(event: Any) -> Action | None:
    """Return what was done to make an event; `None` if no action does so."""
    if isinstance(event, Timeout):
        return Deadline()
    if not isinstance(event, ChatEvent):
        return Outside(event)
    kind = event.kind
    if kind in ("text", "command", "other_command"):
        return Say(event.text or "")
    if kind == "button":
        return Press(event.value if isinstance(event.value, str) else "")
    if kind == "raw_button":
        return PressData(str(event.value))
    if kind == "edited":
        return EditLast(event.text or "")
    if kind == "album":
        parts: Any = getattr(event, "parts", ())
        return Album(tuple(part.kind for part in parts), getattr(event, "caption", None))
    if kind in GESTURES:
        return Gesture(kind, _what(event))
    return None if kind in UNKNOWN else Content(kind, getattr(event, "caption", None))


UNKNOWN = frozenset(
    {"service", "other", "my_chat_member", "chat_member", "business_connection", "managed_bot"}
)
"""Kinds that no action makes."""


def stand_in(handler: Handler, action: Action) -> Action | None:
    """Something like what was done, in the eyes of the handler that took it, without what was written.

    Args:
        handler: The handler.
        action: What was done.
    """
    words = set(own_words(handler))
    if isinstance(action, Press):
        return action if action.button in words else Press("")
    if _text(action) in (None, "") or _text(action) in words:
        return action
    like = [other for other in inputs_of(handler).accepted if _alike(action, other)]
    return min(
        like, key=lambda other: _distance(_text(action) or "", _text(other) or ""), default=_bare(action)
    )


def _bare(action: Action) -> Action | None:
    """Return an action without its text, where it has a sense without one."""
    if isinstance(action, Content | Album):
        return attrs.evolve(action, caption="Ann")
    return attrs.evolve(action, what="") if isinstance(action, Gesture) else None


def _alike(action: Action, other: Action) -> bool:
    if type(action) is not type(other) or getattr(action, "kind", None) != getattr(other, "kind", None):
        return False
    if isinstance(action, Say) and isinstance(other, Say):
        command = [text.split()[0] if text[:1] == "/" else "" for text in (action.text, other.text)]
        return command[0] == command[1]
    return True


def _text(action: Action) -> str | None:
    """Return what was written."""
    if isinstance(action, Outside):
        return repr(action.event)
    return next(
        (getattr(action, name) for name in ("text", "caption", "what", "data") if hasattr(action, name)), None
    )


def _distance(text: str, other: str) -> tuple[bool, bool, int]:
    """How much two texts differ, told by what they are made of and how long they are."""
    return (
        _made_of(text) != _made_of(other),
        _class(text) != _class(other),
        abs(len(text.split()) - len(other.split())),
    )


def _made_of(text: str) -> str:
    if text.isdecimal():
        return "digits"
    return "letters" if all(letter.isalpha() or letter.isspace() for letter in text) else "mixed"


def _class(text: str) -> int:
    return next((number for number, most in enumerate(LENGTHS) if len(text) <= most), len(LENGTHS))


def _what(event: Any) -> str:
    """Return what a gesture is about."""
    if event.kind == "message_reaction":
        return str(next(iter(event.reactions), ""))
    if event.kind == "poll_answer":
        return str(next(iter(event.content.option_ids), ""))
    return str(event.text if event.text is not None else event.value or "")


def _target(taken: HandlerCall) -> list[str | None] | None:
    return None if taken.target is None else [taken.target.flow, taken.target.state]


def _index(event: Any) -> int | None:
    """Which button of its message was pressed, row by row from 0; `None` if that is not known."""
    query = getattr(getattr(event, "update", None), "callback_query", None)
    if query is None:
        return None
    rows: Any = getattr(getattr(query.message, "reply_markup", None), "inline_keyboard", ())
    data = [button.callback_data for row in rows for button in row]
    return data.index(query.data) if query.data in data else None
