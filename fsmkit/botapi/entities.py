"""Entities: what Telegram finds in a plain text by itself, how they are measured and put in order.

Offsets and lengths count UTF-16 code units (https://core.telegram.org/api/entities#entity-length).
`Output` is what the three parsers of markup write into.
"""

import re
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from fsmkit.botapi.errors import ApiError, Json, bad_request

DETECTED = (
    ("bot_command", re.compile(r"(?<![\w/@<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
    ("url", re.compile(r"(?:https?://|www\.|t\.me/)[^\s<>\"]+[^\s<>\".,!?:;)]", re.IGNORECASE)),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")),
    ("mention", re.compile(r"(?<![\w@/.])@[A-Za-z][A-Za-z0-9_]{3,31}(?!\w)")),
    ("hashtag", re.compile(r"(?<![\w#])#(?=\w*[^\W\d])\w+")),
)
"""In order of precedence: what an earlier pattern took, a later one leaves alone."""

CODE = frozenset({"code", "pre"})


def utf16(text: str) -> int:
    """Return the length of a text in UTF-16 code units, which is how Telegram counts."""
    return len(text) + sum(ord(char) > 0xFFFF for char in text)


def detect(text: str) -> list[Json]:
    """Return the entities that Telegram adds to a text by itself."""
    found: list[Json] = []
    for kind, pattern in DETECTED:
        for match in pattern.finditer(text):
            entity = {
                "type": kind,
                "offset": utf16(text[: match.start()]),
                "length": utf16(match.group()),
            }
            if not any(_overlap(entity, other) for other in found):
                found.append(entity)
    return sorted(found, key=_place)


def with_detected(text: str, entities: Sequence[Json]) -> list[Json]:
    """Return entities that were given, and those that Telegram finds where none of them is in the way."""
    closed = [entity for entity in entities if entity["type"] in CODE | {"text_link", "text_mention"}]
    free = [found for found in detect(text) if not any(_overlap(found, other) for other in closed)]
    return sorted([*entities, *free], key=_place)


def settle(entities: Sequence[Json]) -> list[Json]:
    """Return the entities of a parsed text in Telegram's order, without those that code may not contain."""
    merged = _merge_code_blocks(entities)
    blocks = [entity for entity in merged if entity["type"] in CODE]
    kept = [entity for entity in merged if not any(_inside(entity, block) for block in blocks)]
    return sorted(kept, key=_place)


def trim(text: str, entities: Sequence[Json]) -> tuple[str, list[Json]]:
    """Take the white space around a text away, as the server does, and move the entities along.

    White space at the front stays where an entity begins with it.
    """
    text = text.rstrip()
    first = min((entity["offset"] for entity in entities), default=len(text))
    lead = 0
    while lead < len(text) and lead < first and text[lead] in " \n":
        lead += 1
    end = utf16(text)
    moved = [
        {
            **entity,
            "offset": entity["offset"] - lead,
            "length": min(entity["length"], end - entity["offset"]),
        }
        for entity in entities
    ]
    return text[lead:], [entity for entity in moved if entity["length"] > 0]


def clean(text: str) -> str:
    """Return a text as the server keeps it: control characters become spaces, carriage returns go."""
    return re.sub(r"[\x00-\x09\x0b\x0c\x0e-\x1f]", " ", text.replace("\r", ""))


def _merge_code_blocks(entities: Sequence[Json]) -> list[Json]:
    """`<pre><code class="language-x">` is one block with a language, if both cover the same text."""
    pres = [(e["offset"], e["length"]) for e in entities if e["type"] == "pre"]
    languages = {
        (e["offset"], e["length"]): e["language"]
        for e in entities
        if e["type"] == "code" and "language" in e and (e["offset"], e["length"]) in pres
    }
    merged: list[Json] = []
    for entity in entities:
        place = (entity["offset"], entity["length"])
        if entity["type"] == "pre" and place in languages:
            merged.append({**entity, "language": languages[place]})
        elif entity["type"] == "code":
            if place not in pres:
                merged.append({name: value for name, value in entity.items() if name != "language"})
        else:
            merged.append(entity)
    return merged


def _place(entity: Json) -> tuple[int, int]:
    return entity["offset"], -entity["length"]


def _overlap(one: Json, other: Json) -> bool:
    return bool(
        one["offset"] < other["offset"] + other["length"] and other["offset"] < one["offset"] + one["length"]
    )


def _inside(one: Json, block: Json) -> bool:
    """Whether an entity lies in a block of code that is not itself, and not a quote around it."""
    if one is block or not _overlap(one, block):
        return False
    if one["type"] in {"blockquote", "expandable_blockquote"}:
        return False
    return bool(
        one["offset"] >= block["offset"]
        and one["offset"] + one["length"] <= block["offset"] + block["length"]
    )


class Output:
    """The text so far and its entities.

    Args:
        source: The text with its markup; errors tell places in it.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.length = 0
        self.entities: list[Json] = []
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """The plain text."""
        return "".join(self._parts)

    def add(self, text: str) -> None:
        """Append plain text."""
        self._parts.append(text)
        self.length += utf16(text)

    def since(self, offset: int) -> str:
        """Return the plain text from an offset in UTF-16 units."""
        raw = self.text.encode("utf-16-le", "surrogatepass")
        return raw[offset * 2 :].decode("utf-16-le", "surrogatepass")

    def entity(self, kind: str, offset: int, **more: object) -> None:
        """Append an entity from `offset` to here; an empty one is left out, as Telegram does."""
        if self.length > offset:
            self.entities.append({"type": kind, "offset": offset, "length": self.length - offset, **more})

    def link(self, offset: int, url: str) -> None:
        """Append a link or a mention by id; an address that cannot be one is dropped, the text stays."""
        user = _mentioned(url)
        if user is not None:
            # Telegram knows the user's name here; a mention of nobody is no entity.
            self.entity("text_mention", offset, user={"id": user, "is_bot": False, "first_name": str(user)})
        elif (whole := _address(url)) is not None:
            self.entity("text_link", offset, url=whole)

    def byte(self, position: int) -> int:
        """Return a position in the source as a byte offset, which is how the errors tell it."""
        return len(self.source[:position].encode("utf-8", "surrogatepass"))


def cannot_parse(problem: str) -> ApiError:
    """Return the refusal of all three parsers."""
    return bad_request(f"can't parse entities: {problem}")


def _mentioned(url: str) -> int | None:
    parts = urlsplit(url)
    if parts.scheme.lower() != "tg" or (parts.netloc or parts.path) != "user":
        return None
    ids = parse_qs(parts.query).get("id", [""])
    return int(ids[0]) if ids[0].isdecimal() else None


def _address(url: str) -> str | None:
    """Return the address as Telegram writes it, `None` for one it does not take."""
    if re.match(r"(?i)(tg|ton|tonsite|mailto|tel):", url):
        return url
    whole = url if re.match(r"(?i)https?://", url) else f"http://{url}"
    parts = urlsplit(whole)
    host = parts.hostname or ""
    if "." not in host.strip(".") or re.search(r"[\s@]", parts.netloc):
        return None
    return whole if parts.path else whole.replace(parts.netloc, f"{parts.netloc}/", 1)
