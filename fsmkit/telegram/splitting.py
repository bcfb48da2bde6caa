"""Long texts in pieces that Telegram takes, cut where a reader would cut, never inside of formatting."""

import re

_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)[^>]*>")
_MARKUP = re.compile(r"\\.|```|`|\*|__|_|~|\|\||\[|\]\([^)]*\)|\]", re.DOTALL)
CODE = ("`", "```")


def split(text: str, limit: int, parse_mode: str | None) -> list[str]:
    """Cuts a text into pieces of at most `limit` UTF-16 units.

    Args:
        text: The text as it is written, markup included.
        limit: UTF-16 units of a piece.
        parse_mode: `"HTML"`, `"MarkdownV2"`, `"Markdown"` or `None`.

    Returns:
        The pieces in order, one at least. A stretch of formatting that is longer than `limit` stays whole.
    """
    if _units(text) <= limit:
        return [text]
    open_at = _inside(text, parse_mode)
    pieces: list[str] = []
    start = 0
    while _units(text[start:]) > limit:
        end = _end(text, start, limit)
        cut = _cut(text, start, end, open_at)
        pieces.append(text[start:cut].rstrip())
        start = cut
        while start < len(text) and text[start].isspace():
            start += 1
    if start < len(text):
        pieces.append(text[start:])
    return [piece for piece in pieces if piece] or [""]


def _units(text: str) -> int:
    return len(text) + sum(1 for char in text if ord(char) > 0xFFFF)


def _end(text: str, start: int, limit: int) -> int:
    """The furthest position to which `limit` units reach."""
    end, units = start, 0
    while end < len(text):
        units += 2 if ord(text[end]) > 0xFFFF else 1
        if units > limit:
            break
        end += 1
    return end


def _cut(text: str, start: int, end: int, open_at: list[bool]) -> int:
    """The best place to cut: after a paragraph, a line, a word; else anywhere outside of formatting."""
    for separator in ("\n\n", "\n", " "):
        at = text.rfind(separator, start, end)
        while at > start:
            if not open_at[at]:
                return at + len(separator)
            at = text.rfind(separator, start, at)
    for at in range(end, start, -1):
        if not open_at[at]:
            return at
    for at in range(end, len(text)):  # all of it is one stretch of formatting: Telegram decides
        if not open_at[at]:
            return at
    return len(text)


def _inside(text: str, parse_mode: str | None) -> list[bool]:
    """For each position (and the end) whether a cut there would fall inside of formatting."""
    inside = [False] * (len(text) + 1)
    if parse_mode is None:
        return inside
    spans = _html_spans(text) if parse_mode.upper() == "HTML" else _markdown_spans(text)
    for start, end in spans:
        for at in range(start + 1, end):
            inside[at] = True
    return inside


def _html_spans(text: str) -> list[tuple[int, int]]:
    spans = [found.span() for found in re.finditer(r"&[#\w]+;", text)]
    depth, begin = 0, 0
    for tag in _TAG.finditer(text):
        if tag[1]:
            depth = max(0, depth - 1)
            if depth == 0:
                spans.append((begin, tag.end()))
        else:
            begin = tag.start() if depth == 0 else begin
            depth += 1
    return [*spans, (begin, len(text))] if depth else spans


def _markdown_spans(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for mark in _MARKUP.finditer(text):
        symbol = mark[0]
        if symbol[0] == "\\":
            spans.append(mark.span())
            continue
        if stack and stack[-1][0] in CODE and symbol != stack[-1][0]:
            continue  # in code all else is only text
        opener = "[" if symbol[0] == "]" else symbol
        if stack and stack[-1][0] == opener and (opener != "[" or symbol[0] == "]"):
            spans.append((stack.pop()[1], mark.end()))
        elif symbol[0] != "]":
            stack.append((symbol, mark.start()))
    return [*spans, *((start, len(text)) for _, start in stack)]
