"""Telegram's MarkdownV2 and its older Markdown, as strict as Telegram about what must be escaped.

https://core.telegram.org/bots/api#markdownv2-style, https://core.telegram.org/bots/api#markdown-style
"""

from urllib.parse import parse_qs, urlsplit

import attrs

from fsmkit.botapi.entities import Output, cannot_parse
from fsmkit.botapi.errors import Json

RESERVED = frozenset("_*[]()~`>#+-=|{}.!\n")


CLOSERS = {
    "Bold": "*",
    "Italic": "_",
    "Underline": "__",
    "Strikethrough": "~",
    "Spoiler": "||",
    "Code": "`",
    "Pre": "```",
    "PreCode": "```",
    "TextUrl": "]",
    "CustomEmoji": "]",
}


OPENERS = (
    ("```", "Pre"),
    ("__", "Underline"),
    ("||", "Spoiler"),
    ("![", "CustomEmoji"),
    ("_", "Italic"),
    ("*", "Bold"),
    ("~", "Strikethrough"),
    ("`", "Code"),
    ("[", "TextUrl"),
)
"""Longer marks first: `__` is an underline before it is two italics."""

VERBATIM = frozenset({"Code", "Pre", "PreCode"})


@attrs.frozen
class Mark:
    """A mark that was opened: its kind, its place in the source, its offset in the output."""

    kind: str
    begin: int
    offset: int
    language: str = ""


def parse_markdown_v2(source: str) -> tuple[str, list[Json]]:
    """Plain text and entities of a MarkdownV2 text.

    Raises:
        ApiError: If Telegram would refuse it.
    """
    return _MarkdownParser(source).run()


class _MarkdownParser:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.out = Output(source)
        self.open: list[Mark] = []
        self.line_start = True

    def run(self) -> tuple[str, list[Json]]:
        while self.at < len(self.source):
            self._step()
        if self._in_quote():
            self._close_quote("blockquote")
        if self.open:
            raise self._no_end(self.open[-1])
        return self.out.text, self.out.entities

    def _step(self) -> None:
        char = self.source[self.at]
        after = self.source[self.at + 1 : self.at + 2]
        if char == "\\" and after and 0 < ord(after) < 127:
            self._plain(after, 2)
        elif char not in (RESERVED if self._kind() not in VERBATIM else "`"):
            self._plain(char)
        elif char == "\n":
            self._newline()
        elif not (self._closes() or self._opens()):
            raise cannot_parse(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")

    def _kind(self) -> str:
        return self.open[-1].kind if self.open else ""

    def _in_quote(self) -> bool:
        return any(mark.kind == "BlockQuote" for mark in self.open)

    def _plain(self, text: str, taken: int = 1) -> None:
        self.out.add(text)
        self.at += taken
        self.line_start = text in "\n\r" and (self.line_start or text == "\n")

    def _newline(self) -> None:
        quoted = self._in_quote()
        self._plain("\n")
        if not quoted:
            return
        if self.source.startswith(">", self.at):
            self.at += 1
            self.line_start = False
        else:
            self._close_quote("blockquote")

    def _closes(self) -> bool:
        """Whether the mark here ends the innermost one; if so, it is ended."""
        mark = self.open[-1] if self.open else None
        if mark is None or mark.kind == "BlockQuote":
            return False
        closer = CLOSERS[mark.kind]
        if not self.source.startswith(closer, self.at):
            return False
        if mark.kind == "Italic" and self.source.startswith("__", self.at):
            return False
        self.at += len(closer)
        self.open.pop()
        self._close(mark)
        return True

    def _close(self, mark: Mark) -> None:
        if mark.kind == "TextUrl":
            self.out.link(mark.offset, self._url("a URL") or self.out.since(mark.offset))
        elif mark.kind == "CustomEmoji":
            self.out.entity(
                "custom_emoji", mark.offset, custom_emoji_id=_emoji_id(self._url("a custom emoji URL"))
            )
        elif mark.kind == "PreCode":
            self.out.entity("pre", mark.offset, language=mark.language)
        else:
            self.out.entity(mark.kind.lower(), mark.offset)

    def _opens(self) -> bool:
        """Whether a mark begins here; if so, it is opened."""
        if self._kind() in VERBATIM:
            # A single ` in a block of ``` is neither its end nor a character of it.
            self.open.append(Mark("Code", self.at, self.out.length))
            self.at += 1
            return True
        if self.source.startswith(">", self.at) and self.line_start and not self._in_quote():
            self._open("BlockQuote", 1)
            self.line_start = False
            return True
        if self._ends_expandable():
            self.at += 2
            self._close_expandable()
            return True
        for opener, kind in OPENERS:
            if self.source.startswith(opener, self.at):
                self._open(kind, len(opener))
                return True
        return False

    def _open(self, kind: str, taken: int) -> None:
        begin = self.at
        self.at += taken
        language = self._language() if kind == "Pre" else ""
        self.open.append(Mark("PreCode" if language else kind, begin, self.out.length, language))

    def _language(self) -> str:
        """Return the language of a block of code, and the line end after it."""
        end = self.at
        while end < len(self.source) and not self.source[end].isspace() and self.source[end] != "`":
            end += 1
        language = self.source[self.at : end]
        if end >= len(self.source) or self.source[end] == "`":
            return ""
        self.at = end
        if self.source[self.at : self.at + 2] in {"\r\n", "\n\r"}:
            self.at += 2
        elif self.source[self.at] in "\r\n":
            self.at += 1
        return language

    def _ends_expandable(self) -> bool:
        """`||` at the end of a quote's last line makes it an expandable one."""
        rest = self.source[self.at + 2 : self.at + 4].removeprefix("\r")
        return (
            self._kind() == "BlockQuote"
            and self.source.startswith("||", self.at)
            and (not self.source[self.at + 2 :] or rest.startswith("\n"))
        )

    def _close_expandable(self) -> None:
        if self.at < len(self.source):
            for char in "\r\n":
                if self.source.startswith(char, self.at):
                    self._plain(char)
        self._close_quote("expandable_blockquote")

    def _close_quote(self, kind: str) -> None:
        mark = self.open[-1]
        if mark.kind != "BlockQuote":
            raise self._no_end(mark)
        self.open.pop()
        self.out.entity(kind, mark.offset)

    def _url(self, what: str) -> str:
        """Return the address in parentheses after `]`, empty if there are none."""
        if not self.source.startswith("(", self.at):
            return ""
        self.at += 1
        begin = self.at
        url = ""
        while self.at < len(self.source) and self.source[self.at] != ")":
            if self.source[self.at] == "\\" and self.at + 1 < len(self.source):
                self.at += 1
            url += self.source[self.at]
            self.at += 1
        if self.at >= len(self.source):
            raise cannot_parse(f"Can't find end of {what} at byte offset {self.out.byte(begin)}")
        self.at += 1
        return url

    def _no_end(self, mark: Mark) -> Exception:
        return cannot_parse(
            f"Can't find end of {mark.kind} entity at byte offset {self.out.byte(mark.begin)}"
        )


def _emoji_id(url: str) -> str:
    if not url:
        raise cannot_parse("Custom emoji entity must contain a tg://emoji URL")
    parts = urlsplit(url)
    if parts.scheme.lower() != "tg":
        raise cannot_parse("Custom emoji URL must have scheme tg")
    if (parts.netloc or parts.path).lower() != "emoji":
        raise cannot_parse('Custom emoji URL must have host "emoji"')
    ids = parse_qs(parts.query).get("id")
    if not ids:
        raise cannot_parse("Custom emoji URL must have an emoji identifier")
    if not ids[0].isdecimal() or ids[0].startswith("0"):
        raise cannot_parse("Invalid custom emoji identifier specified")
    return ids[0]


KINDS = {"_": "italic", "*": "bold", "`": "code", "[": "text_link"}


def parse_markdown(source: str) -> tuple[str, list[Json]]:
    """Plain text and entities of a text in the older Markdown.

    Raises:
        ApiError: If a mark has no end.
    """
    out = Output(source)
    at = 0
    while at < len(source):
        char = source[at]
        if char == "\\" and source[at + 1 : at + 2] in KINDS:
            out.add(source[at + 1])
            at += 2
        elif char in KINDS:
            at = _marked(out, at)
        else:
            out.add(char)
            at += 1
    return out.text, out.entities


def _marked(out: Output, begin: int) -> int:
    """Take one marked stretch; return the place after it."""
    source = out.source
    mark = "```" if source.startswith("```", begin) else source[begin]
    closer = "]" if mark == "[" else mark
    start = begin + len(mark)
    end = source.find(closer, start)
    if end < 0:
        raise cannot_parse(f"Can't find end of the entity starting at byte offset {out.byte(begin)}")
    offset = out.length
    after = end + len(closer)
    if mark == "```":
        _block(out, source[start:end])
    else:
        out.add(source[start:end])
    if mark == "[":
        return _link(out, offset, after)
    if mark != "```":
        out.entity(KINDS[mark], offset)
    return after


def _block(out: Output, body: str) -> None:
    """Take a block of code; a first word that ends its line is the language."""
    offset = out.length
    first, newline, rest = body.partition("\n")
    if newline and first and not any(char.isspace() for char in first):
        out.add(rest)
        out.entity("pre", offset, language=first)
    else:
        out.add(body.removeprefix("\n"))
        out.entity("pre", offset)


def _link(out: Output, offset: int, at: int) -> int:
    """Take the address after `[text]`; return the place after it."""
    if not out.source.startswith("(", at):
        out.link(offset, out.since(offset))
        return at
    end = out.source.find(")", at)
    stop = len(out.source) if end < 0 else end
    out.link(offset, out.source[at + 1 : stop])
    return stop + 1
