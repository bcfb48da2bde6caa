"""Long texts, cut into pieces that Telegram takes, with their formatting closed and opened again.

Each parse mode has a scanner that finds the markup of a text and says what is open after each mark; where to
cut is then the same question for all of them. Only as much of each syntax is read as a cut needs: whether the
markup is right is for Telegram to say.
"""

import re
from bisect import bisect_right
from itertools import accumulate

import attrs

_HTML = re.compile(r"<tg-emoji\b.*?</tg-emoji>|<(/?)([a-zA-Z][\w-]*)[^>]*>|&[#\w]+;", re.DOTALL)

_MARKDOWN_V2 = re.compile(
    r"\\.|!\[[^\]]*\]\([^)]*\)|```|`|^\*\*>|^>|\n|\*|__|_|~|\|\||\[|\]\((?:\\.|[^)\\])*\)|\]",
    re.DOTALL | re.MULTILINE,
)

_LANGUAGE = re.compile(r"[^\s`]*\n")

_MARKDOWN = re.compile(  # the older one: nothing nests, and only an end mark of the same kind ends a stretch
    r"\\[_*`\[]|(```(?:[^\s`]*\n)?)(.*?)(```)|(`)([^`]*)(`)|(\*)([^*]*)(\*)|(_)([^_]*)(_)"
    r"|(\[)([^\]]*)(\](?:\([^)]*\))?)|[_*`\[]",
    re.DOTALL,
)

_CODE = ("`", "```")


@attrs.define(eq=False)
class _Span:
    """A stretch of formatting: how it is opened and closed, and where it begins."""

    opener: str
    closer: str
    start: int


_Open = tuple[_Span, ...]
"""The formatting that is open at a place of a text, the outermost first."""

_Mark = tuple[int, int, _Open]
"""Something that is never cut (a tag, an escaped character): from where to where, and what is open after."""


class _FormattedText:
    """A text, and for each place in it what is open there.

    Attributes:
        text: The text as it is written, markup included.
        open: By position (and for the end) the formatting that is open; `None` where no cut is possible.
        shown: By position how many characters before it are seen on the screen and no blanks.
        units: By position how many UTF-16 units are before it.
    """

    def __init__(self, text: str, parse_mode: str | None) -> None:
        self.text = text
        self.open: list[_Open | None] = []
        hidden = bytearray(len(text))
        now: _Open = ()
        for start, end, after in _marks(text, parse_mode):
            self.open += [now] * (start + 1 - len(self.open))
            self.open += [None] * (end - start - 1)
            if after != now:
                hidden[start:end] = b"\1" * (end - start)
            now = after
        self.open += [now] * (len(text) + 1 - len(self.open))
        seen = (not (hides or char.isspace()) for char, hides in zip(text, hidden, strict=True))
        self.shown = list(accumulate(seen, initial=0))
        self.units = list(accumulate((_units(char) for char in text), initial=0))

    def piece(self, start: int, end: int) -> str:
        """Return a part of the text, with its formatting opened before and closed after it."""
        before, after = self.open[start] or (), self.open[end] or ()
        body = self.text[start:end] if after else self.text[start:end].rstrip()
        return _opening(before) + body + _closing(after)

    def cut(self, start: int, limit: int) -> int:
        """Return where a piece that begins at `start` ends best.

        That is after a paragraph, a line or a word, else anywhere, but outside of formatting; where one
        stretch of formatting is too long, the same within it. A stretch whose marks alone take all the room
        stays whole.
        """
        room = limit - _units(_opening(self.open[start] or ()))
        end = bisect_right(self.units, self.units[start] + room) - 1
        for within in (False, True):
            for separator in ("\n\n", "\n", " "):
                at = self.text.rfind(separator, start, end)
                while at > start:
                    if self._may_end(start, at + len(separator), room, within=within):
                        return at + len(separator)
                    at = self.text.rfind(separator, start, at)
            for at in range(end, start, -1):
                if self._may_end(start, at, room, within=within):
                    return at
        for at in range(max(end, start + 1), len(self.text)):
            if self.open[at] == ():
                return at
        return len(self.text)

    def _may_end(self, start: int, at: int, room: int, *, within: bool) -> bool:
        after = self.open[at]
        if after is None or bool(after) is not within or self.shown[at] == self.shown[start]:
            return False
        return not within or self.units[at] - self.units[start] + _units(_closing(after)) <= room


def split(text: str, limit: int, parse_mode: str | None) -> list[str]:
    """Cut a text into pieces of at most `limit` UTF-16 units.

    Args:
        text: The text as it is written, markup included.
        limit: UTF-16 units of a piece.
        parse_mode: `"HTML"`, `"MarkdownV2"`, `"Markdown"` or `None`.

    Returns:
        The pieces in order, one at least. Formatting that is longer than a piece is closed at its end and
        opened again in the next one; formatting that is never closed stays whole: Telegram refuses it anyway.
    """
    if _units(text) <= limit:
        return [text]
    formatted = _FormattedText(text, parse_mode)
    pieces: list[str] = []
    start = 0
    while _units(formatted.piece(start, len(text))) > limit:
        cut = formatted.cut(start, limit)
        pieces.append(formatted.piece(start, cut))
        start = cut
        while start < len(text) and formatted.open[start] == () and text[start].isspace():
            start += 1
    if formatted.shown[start] < formatted.shown[-1]:
        pieces.append(formatted.piece(start, len(text)))
    return [piece for piece in pieces if piece] or [""]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _opening(spans: _Open) -> str:
    return "".join(span.opener for span in spans)


def _closing(spans: _Open) -> str:
    return "".join(span.closer for span in reversed(spans))


def _marks(text: str, parse_mode: str | None) -> list[_Mark]:
    """Return the markup of a text; formatting that never ends is one mark to the end of the text."""
    if parse_mode is None:
        return []
    scan = {"HTML": _html_marks, "MARKDOWN": _markdown_marks}.get(parse_mode.upper(), _markdown_v2_marks)
    marks, unclosed = scan(text)
    if not unclosed:
        return marks
    start = unclosed[0].start
    return [*(mark for mark in marks if mark[0] < start), (start, len(text), ())]


def _html_marks(text: str) -> tuple[list[_Mark], list[_Span]]:
    marks: list[_Mark] = []
    stack: list[_Span] = []
    for found in _HTML.finditer(text):
        closes, name = found[1], found[2]
        if name and not closes:
            stack.append(_Span(found[0], f"</{name}>", found.start()))
        elif name and stack:
            stack.pop()
        marks.append((*found.span(), tuple(stack)))
    return marks, stack


def _markdown_marks(text: str) -> tuple[list[_Mark], list[_Span]]:
    marks: list[_Mark] = []
    for found in _MARKDOWN.finditer(text):
        parts = [part for part in found.groups() if part is not None]
        start, end = found.span()
        if parts:
            opener, _, closer = parts
            marks.append((start, start + len(opener), (_Span(opener, closer, start),)))
            marks.append((end - len(closer), end, ()))
        elif len(found[0]) == 1:  # a mark that nothing ends
            return marks, [_Span(found[0], "", start)]
        else:
            marks.append((start, end, ()))
    return marks, []


def _markdown_v2_marks(text: str) -> tuple[list[_Mark], list[_Span]]:
    marks: list[_Mark] = []
    stack: list[_Span] = []
    for found in _MARKDOWN_V2.finditer(text):
        symbol, (start, end) = found[0], found.span()
        if marks and start < marks[-1][1]:  # the language of a block of code
            continue
        top = stack[-1] if stack else _Span("", "", start)
        if top.closer in _CODE and symbol != top.closer and symbol[0] != "\\":
            continue  # in code all else is only text
        if symbol == "\n":
            stack = [span for span in stack if span.opener != ">"]
        elif symbol[0] == "]":
            if top.opener != "[":
                continue
            stack.pop().closer = symbol
        elif symbol in (">", "**>"):
            stack.append(_Span(">", "", start))
        elif symbol == top.closer:
            stack.pop()
        elif symbol in _CLOSERS and not (symbol == "||" and top.opener == ">" and _ends_line(text, end)):
            language = _LANGUAGE.match(text, end) if symbol == "```" else None
            end = end if language is None else language.end()
            stack.append(_Span(text[start:end], _CLOSERS[symbol], start))
        marks.append((start, end, tuple(stack)))
    return marks, [span for span in stack if span.opener != ">"]


_CLOSERS = {mark: mark for mark in ("```", "`", "*", "__", "_", "~", "||")} | {"[": "]"}


def _ends_line(text: str, at: int) -> bool:
    """Return whether a line ends here; `||` there says that the quotation can be folded."""
    return text[at : at + 1] in ("", "\n")
