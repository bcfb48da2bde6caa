"""Telegram's HTML (https://core.telegram.org/bots/api#html-style), with the errors of its own parser.

No `html.parser`: that one forgives, and a test tool must refuse what Telegram refuses.
"""

import re

import attrs

from fsmkit.botapi.entities import Output, cannot_parse
from fsmkit.botapi.errors import Json

KINDS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "tg-emoji": "custom_emoji",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
}


NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}


REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(lt|gt|amp|quot)(?![a-zA-Z0-9]));?")


SPACE = " \t\r\n\0\x0b"


@attrs.frozen
class Tag:
    """An open tag: its name, its one attribute that counts, and where it began."""

    name: str
    argument: str
    begin: int
    offset: int


def parse_html(source: str) -> tuple[str, list[Json]]:
    """Plain text and entities of an HTML text.

    Raises:
        ApiError: If Telegram would refuse it; with the byte offset.
    """
    return _HtmlParser(source).run()


class _HtmlParser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out = Output(source)
        self.open: list[Tag] = []

    def run(self) -> tuple[str, list[Json]]:
        while self.at < len(self.source):
            char = self.source[self.at]
            if char == "<":
                self._end_tag() if self._peek(1) == "/" else self._start_tag()
            elif char == "&" and (found := self._reference()):
                self.out.add(found)
            else:
                self.out.add(char)
                self.at += 1
        if self.open:
            raise cannot_parse(f'Can\'t find end tag corresponding to start tag "{self.open[-1].name}"')
        return self.out.text, self.out.entities

    def _peek(self, ahead: int = 0) -> str:
        place = self.at + ahead
        return self.source[place] if place < len(self.source) else ""

    def _skip(self, chars: str) -> None:
        while self._peek() and self._peek() in chars:
            self.at += 1

    def _until(self, chars: str) -> str:
        begin = self.at
        while self._peek() and self._peek() not in chars:
            self.at += 1
        return self.source[begin : self.at]

    def _reference(self) -> str | None:
        """Return the character that `&…;` stands for, `None` if it stands for itself."""
        match = REFERENCE.match(self.source, self.at)
        if match is None:
            return None
        hexadecimal, decimal, name = match.groups()
        code = int(hexadecimal, 16) if hexadecimal else int(decimal) if decimal else ord(NAMED[name])
        if not 0 < code < 0x10FFFF or 0xD800 <= code < 0xE000:
            return None
        self.at = match.end()
        return chr(code)

    def _start_tag(self) -> None:
        begin = self.at
        self.at += 1
        name = self._until(f"{SPACE}>").lower()
        if not self._peek():
            raise cannot_parse(f"Unclosed start tag at byte offset {self.out.byte(begin)}")
        if name not in KINDS:
            raise cannot_parse(f'Unsupported start tag "{name}" at byte offset {self.out.byte(begin)}')
        argument = self._attributes(name, begin)
        self.at += 1
        if name == "span" and argument != "spoiler":
            raise cannot_parse(
                f'Tag "span" must have class "tg-spoiler" at byte offset {self.out.byte(begin)}'
            )
        self.open.append(Tag(name, argument, begin, self.out.length))

    def _attributes(self, tag: str, begin: int) -> str:
        """Read up to the `>`; return the value of the attribute that means something for this tag."""
        argument = ""
        while True:
            self._skip(SPACE)
            if self._peek() == ">":
                return argument
            name = self._until(f"{SPACE}=>").lower()
            self._skip(SPACE)
            value = ""
            if not name and self._peek():
                raise cannot_parse(
                    f'Empty attribute name in the tag "{tag}" at byte offset {self.out.byte(begin)}'
                )
            if self._peek() == "=":
                self.at += 1
                value = self._value(tag, begin)
            elif not self._peek():
                raise cannot_parse(f'Unclosed start tag "{tag}" at byte offset {self.out.byte(begin)}')
            argument = _meaning(tag, name, value) or argument

    def _value(self, tag: str, begin: int) -> str:
        self._skip(SPACE)
        quote = self._peek()
        if not quote:
            raise cannot_parse(f'Unclosed start tag "{tag}" at byte offset {self.out.byte(begin)}')
        if quote not in "'\"":
            return self._token()
        self.at += 1
        parts: list[str] = []
        while self._peek() and self._peek() != quote:
            found = self._reference() if self._peek() == "&" else None
            if found is None:
                found = self._peek()
                self.at += 1
            parts.append(found)
        self.at += 1
        if not self._peek():
            raise cannot_parse(f"Unclosed start tag at byte offset {self.out.byte(begin)}")
        return "".join(parts)

    def _token(self) -> str:
        begin = self.at
        while re.fullmatch(r"[a-zA-Z0-9.-]", self._peek()):
            self.at += 1
        if not self._peek() or self._peek() not in f"{SPACE}>":
            raise cannot_parse(f"Unexpected end of name token at byte offset {self.out.byte(begin)}")
        return self.source[begin : self.at].lower()

    def _end_tag(self) -> None:
        begin = self.at
        place = self.out.byte(begin)
        self.at += 2
        if not self.open:
            raise cannot_parse(f"Unexpected end tag at byte offset {place}")
        name = self._until(f"{SPACE}>").lower()
        self._skip(SPACE)
        if self._peek() != ">":
            raise cannot_parse(f"Unclosed end tag at byte offset {place}")
        self.at += 1
        tag = self.open.pop()
        if name and name != tag.name:
            raise cannot_parse(
                f'Unmatched end tag at byte offset {place}, expected "</{tag.name}>", found "</{name}>"'
            )
        self._close(tag)

    def _close(self, tag: Tag) -> None:
        kind = KINDS[tag.name]
        if tag.name == "a":
            self.out.link(tag.offset, tag.argument or self.out.since(tag.offset))
        elif tag.name == "tg-emoji":
            self.out.entity(kind, tag.offset, custom_emoji_id=tag.argument)
        elif tag.name == "code" and tag.argument:
            self.out.entity(kind, tag.offset, language=tag.argument)
        elif tag.name == "blockquote" and tag.argument:
            self.out.entity("expandable_blockquote", tag.offset)
        else:
            self.out.entity(kind, tag.offset)


def _meaning(tag: str, name: str, value: str) -> str:
    """Return what an attribute says for its tag; empty for those that Telegram ignores."""
    if (tag, name) in {("a", "href"), ("tg-emoji", "emoji-id")}:
        return value
    if (tag, name) == ("code", "class") and value.startswith("language-"):
        return value.removeprefix("language-")
    if (tag, name) == ("span", "class") and value.startswith("tg-"):
        return value.removeprefix("tg-")
    return "expandable" if (tag, name) == ("blockquote", "expandable") else ""
