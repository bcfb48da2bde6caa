"""Cuts the bytes of a `getUpdates` reply into updates, without parsing them.

A JSON parser takes a reply as a whole or not at all: one lone surrogate, one number of 5,000 digits or one
value that is nested too deep, and all updates of the reply are lost with it. So the scanner knows only
strings, escapes and depth. It finds where each update begins and ends, and reads three numbers where they can
be read; what the rest means is found out later, update by update.

Telegram's replies look all alike, so a guess is tried first: that an update ends where the next
`,{"update_id":` stands. If what lies between is JSON, which msgspec tells in a microsecond, the guess was
right; anything else is scanned.

An update whose brackets or quotes do not match has no end. The next one is found all the same: inside of a
JSON string a quote is always escaped, so that the bytes `{"update_id":` are the beginning of an update
wherever they stand.
"""

import json
import re

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder

_RESULT = re.compile(rb'"result"\s*+:\s*+\[')

_SPACE = re.compile(rb"[\s,]*+")

_STRINGS = rb'[^"{}\[\]]*+(?:"(?:[^"\\]|\\.)*+"[^"{}\[\]]*+)*+'
"""All up to the next bracket that stands outside of strings."""

_BRACKET = re.compile(_STRINGS + rb"([{}\[\]])", re.DOTALL)

_SCALAR = re.compile(rb'(?:"(?:[^"\\]|\\.)*+"|[^"{}\[\],])++', re.DOTALL)

_TOKEN = re.compile(rb'("(?:[^"\\]|\\.)*+")(\s*+:)?|[{}\[\]]', re.DOTALL)

_NAME = b'"update_id"'

_USUAL = b',{"update_id":'

_skip = Decoder(Raw).decode

_START = re.compile(rb'\{\s*+"update_id"\s*+:')

_FIRST = re.compile(rb'\{\s*+"update_id"\s*+:\s*+([0-9]{1,10})\s*+[,}]')
"""An update that begins with its id, as Telegram's do."""

_NUMBER = re.compile(rb"\s*+([0-9]{1,10})\s*+[,}]")

MOST_ID = 2**31 - 1
"""Ids of updates are positive numbers of 32 bits, https://core.telegram.org/bots/api#update. What is no such
number must not become an offset: Telegram would give nothing more.
"""

_CHAT = re.compile(rb'"chat"\s*+:\s*+\{[^{}]*?"id"\s*+:\s*+(-?[0-9]{1,18})\s*+[,}]')

_USER = re.compile(rb'"(?:from|user)"\s*+:\s*+\{[^{}]*?"id"\s*+:\s*+(-?[0-9]{1,18})\s*+[,}]')


class ScannedUpdate(Struct, frozen=True):
    """An update as it stands in the reply.

    Attributes:
        id: Its `update_id`, `None` if it cannot be read.
        chat: The chat's id, 0 if there is none or it cannot be read.
        user: The user's id, likewise.
        body: Its bytes.
    """

    id: int | None
    chat: int
    user: int
    body: bytes


class ScannedReply(Struct, frozen=True):
    """A reply, cut into updates.

    Attributes:
        updates: The updates, in order.
        rest: What follows the last of them where it should not: the beginning of one whose end was not found,
            or all of a reply that is none. Empty for a whole reply.
    """

    updates: tuple[ScannedUpdate, ...]
    rest: bytes = b""


def scan(reply: bytes) -> ScannedReply:
    """Cut a reply into updates; whatever the bytes are, this returns.

    Example:
        >>> scan(b'{"ok":true,"result":[{"update_id":7,"poll":{}}]}').updates
        (ScannedUpdate(id=7, chat=0, user=0, body=b'{"update_id":7,"poll":{}}'),)
    """
    begun = _RESULT.search(reply)
    if begun is None:
        return ScannedReply((), reply)
    found: list[ScannedUpdate] = []
    start = at = begun.end()
    while True:
        at = _space(reply, at)
        if reply[at : at + 1] == b"]":
            following = _START.search(reply, at)
            if following is None:
                return ScannedReply(tuple(found))
            if found:  # a bracket too many in the update before: all up to the next one belongs to it
                found.pop()
                at = start
            end: int | None = following.start()
        else:
            end = _guess(reply, at) or _end(reply, at)
        if end is None:
            following = _START.search(reply, at + 1)
            if following is None:
                return ScannedReply(tuple(found), reply[at:] or reply[-1:])
            end = following.start()
        found.append(read(reply[at:end].rstrip(b", \t\r\n")))
        start, at = at, end


def read(body: bytes) -> ScannedUpdate:
    """Read an update's numbers, as far as that is possible without parsing it."""
    first = _FIRST.match(body)
    if first is not None and body.find(_NAME, first.end()) < 0:
        ident: int | None = int(first[1])
    else:
        ident = _id_at_depth_one(body)
    chat, user = _CHAT.search(body), _USER.search(body)
    if ident is not None and not 0 < ident <= MOST_ID:
        ident = None
    return ScannedUpdate(ident, int(chat[1]) if chat else 0, int(user[1]) if user else 0, body)


def _space(reply: bytes, at: int) -> int:
    space = _SPACE.match(reply, at)
    return space.end() if space is not None else at


def _guess(reply: bytes, start: int) -> int | None:
    """Return where an update ends that looks as usual."""
    end = reply.find(_USUAL, start + len(_USUAL))
    if end < 0:
        end = reply.rfind(b"]")
    try:
        _skip(reply[start:end])
    except (DecodeError, RecursionError):
        return None
    return end


def _end(reply: bytes, start: int) -> int | None:
    """Return where the value at `start` ends; `None` where it is none, or swallows what follows it."""
    if reply[start : start + 1] not in (b"{", b"["):
        scalar = _SCALAR.match(reply, start)
        end = None if scalar is None else scalar.end()
    else:
        end = _closed(reply, start)
    if end is None or reply[_blank(reply, end) :][:1] not in (b",", b"]"):
        return None
    following = _START.search(reply, start + 1, end)
    return end if following is None or _is_json(reply[start:end]) else None


def _blank(reply: bytes, at: int) -> int:
    while reply[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    return at


def _closed(reply: bytes, at: int) -> int | None:
    """Return where the bracket at `at` is closed."""
    depth = 0
    while (found := _BRACKET.match(reply, at)) is not None:
        at = found.end()
        depth += 1 if found[1] in b"{[" else -1
        if depth == 0:
            return at
    return None


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True


def _id_at_depth_one(body: bytes) -> int | None:
    """Return the id wherever it stands in an update; of several the last one, as `json` takes it."""
    depth, ident = 0, None
    for token in _TOKEN.finditer(body):
        bracket = token[0]
        if bracket in (b"{", b"["):
            depth += 1
        elif bracket in (b"}", b"]"):
            depth -= 1
        elif depth == 1 and token[2] and token[1] == _NAME:
            number = _NUMBER.match(body, token.end())
            ident = int(number[1]) if number else None
    return ident
