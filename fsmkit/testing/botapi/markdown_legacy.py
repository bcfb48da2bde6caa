"""Telegram's older Markdown: four marks, no nesting (https://core.telegram.org/bots/api#markdown-style)."""

from fsmkit.testing.botapi.output import Output, cannot_parse
from fsmkit.testing.botapi.wire import Json

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
    """Takes one marked stretch; the place after it."""
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
    """A block of code; a first word that ends its line is the language."""
    offset = out.length
    first, newline, rest = body.partition("\n")
    if newline and first and not any(char.isspace() for char in first):
        out.add(rest)
        out.entity("pre", offset, language=first)
    else:
        out.add(body.removeprefix("\n"))
        out.entity("pre", offset)


def _link(out: Output, offset: int, at: int) -> int:
    """The address after `[text]`; the place after it."""
    if not out.source.startswith("(", at):
        out.link(offset, out.since(offset))
        return at
    end = out.source.find(")", at)
    stop = len(out.source) if end < 0 else end
    out.link(offset, out.source[at + 1 : stop])
    return stop + 1
