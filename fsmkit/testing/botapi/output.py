"""What the three parsers write to: the plain text, its entities, and the errors at byte offsets."""

import re
from urllib.parse import parse_qs, urlsplit

from fsmkit.testing.botapi.entities import utf16
from fsmkit.testing.botapi.errors import ApiError, bad_request
from fsmkit.testing.botapi.wire import Json


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
        """Appends plain text."""
        self._parts.append(text)
        self.length += utf16(text)

    def since(self, offset: int) -> str:
        """The plain text from an offset in UTF-16 units."""
        raw = self.text.encode("utf-16-le", "surrogatepass")
        return raw[offset * 2 :].decode("utf-16-le", "surrogatepass")

    def entity(self, kind: str, offset: int, **more: object) -> None:
        """Appends an entity from `offset` to here; an empty one is left out, as Telegram does."""
        if self.length > offset:
            self.entities.append({"type": kind, "offset": offset, "length": self.length - offset, **more})

    def link(self, offset: int, url: str) -> None:
        """Appends a link or a mention by id; an address that cannot be one is dropped, the text stays."""
        user = _mentioned(url)
        if user is not None:
            # Telegram knows the user's name here; a mention of nobody is no entity.
            self.entity("text_mention", offset, user={"id": user, "is_bot": False, "first_name": str(user)})
        elif (whole := _address(url)) is not None:
            self.entity("text_link", offset, url=whole)

    def byte(self, position: int) -> int:
        """A position in the source as a byte offset, which is how the errors tell it."""
        return len(self.source[:position].encode("utf-8", "surrogatepass"))


def cannot_parse(problem: str) -> ApiError:
    """The refusal of all three parsers."""
    return bad_request(f"can't parse entities: {problem}")


def _mentioned(url: str) -> int | None:
    parts = urlsplit(url)
    if parts.scheme.lower() != "tg" or (parts.netloc or parts.path) != "user":
        return None
    ids = parse_qs(parts.query).get("id", [""])
    return int(ids[0]) if ids[0].isdecimal() else None


def _address(url: str) -> str | None:
    """The address as Telegram writes it, `None` for one it does not take."""
    if re.match(r"(?i)(tg|ton|tonsite|mailto|tel):", url):
        return url
    whole = url if re.match(r"(?i)https?://", url) else f"http://{url}"
    parts = urlsplit(whole)
    host = parts.hostname or ""
    if "." not in host.strip(".") or re.search(r"[\s@]", parts.netloc):
        return None
    return whole if parts.path else whole.replace(parts.netloc, f"{parts.netloc}/", 1)
