"""Markup as Telegram reads it; the cases are those that its own parser is known by."""

import pytest

from fsmkit.botapi import ApiError
from fsmkit.botapi.entities import settle
from fsmkit.botapi.html import parse_html
from fsmkit.botapi.markdown import parse_markdown, parse_markdown_v2


def spans(parsed):
    text, entities = parsed
    return text, [(e["type"], e["offset"], e["length"]) for e in settle(entities)]


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("a &lt;b&gt; &amp; &quot; &copy;", 'a <b> & " &copy;', []),
        ("🏟 🏟<i>🏟 &lt🏟</i>", "🏟 🏟🏟 <🏟", [("italic", 5, 6)]),
        ("<i><b> </b> <code> </code></i>", "   ", [("italic", 0, 3), ("bold", 0, 1), ("code", 2, 1)]),
        ('<span class="tg-spoiler">a</span>', "a", [("spoiler", 0, 1)]),
        ("<blockquote expandable>a</blockquote>", "a", [("expandable_blockquote", 0, 1)]),
        ("<a href=telegram.org>t</a>", "t", [("text_link", 0, 1)]),
        ("<a>nothing</a>", "nothing", []),
        ("<i    aba  =  190azAz-.   >a</i>", "a", [("italic", 0, 1)]),
        ("<b></b>", "", []),
    ],
)
def test_html_becomes_text_and_entities(source, text, entities):
    assert spans(parse_html(source)) == (text, entities)


def test_a_code_block_in_html_has_its_language():
    _, entities = parse_html('<pre><code class="language-py">x</code></pre>')
    assert settle(entities) == [{"type": "pre", "offset": 0, "length": 1, "language": "py"}]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("🏟 🏟&lt;<abacaba", "Unclosed start tag at byte offset 13"),
        ("🏟 🏟&lt;<abac aba>", 'Unsupported start tag "abac" at byte offset 13'),
        ("🏟 🏟&lt;<i   =aba>", 'Empty attribute name in the tag "i" at byte offset 13'),
        ("🏟 🏟&lt;<i    aba>", 'Can\'t find end tag corresponding to start tag "i"'),
        ("🏟 🏟&lt;<i    aba  =  ", 'Unclosed start tag "i" at byte offset 13'),
        ("🏟 🏟&lt;<i    aba  =  190azAz-.,", "Unexpected end of name token at byte offset 27"),
        ('🏟 🏟&lt;<i    aba  =  "&lt;&gt;&quot;>', "Unclosed start tag at byte offset 13"),
        ("🏟 🏟&lt;</", "Unexpected end tag at byte offset 13"),
        ("🏟 🏟&lt;<i>a</i   ", "Unclosed end tag at byte offset 17"),
        ("🏟 🏟&lt;<i>a</em   >", 'Unmatched end tag at byte offset 17, expected "</i>", found "</em>"'),
        ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_html_is_refused_with_the_place(source, problem):
    with pytest.raises(ApiError) as caught:
        parse_html(source)
    assert caught.value.description == f"Bad Request: can't parse entities: {problem}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        (r"a\.b \\ \_", r"a.b \ _", []),
        ("🏟 🏟_🏟 __🏟___", "🏟 🏟🏟 🏟", [("italic", 5, 5), ("underline", 8, 2)]),
        ("*a* ~b~ ||c||", "a b c", [("bold", 0, 1), ("strikethrough", 2, 1), ("spoiler", 4, 1)]),
        ("🏟 🏟`🏟 🏟```", "🏟 🏟🏟 🏟", [("code", 5, 5)]),
        ("🏟 🏟```🏟\n🏟```", "🏟 🏟🏟", [("pre", 5, 2)]),
        ("[telegram\\.org](telegram.dog)", "telegram.org", [("text_link", 0, 12)]),
        ("[a](tg://user?id=5)", "a", [("text_mention", 0, 1)]),
        ("![👍](tg://emoji?id=25)", "👍", [("custom_emoji", 0, 2)]),
        (">a\n>b\nc", "a\nb\nc", [("blockquote", 0, 4)]),
        (">\n**>2", "\n2", [("blockquote", 0, 1), ("blockquote", 1, 1)]),
        (">a||\nb", "a\nb", [("expandable_blockquote", 0, 2)]),
    ],
)
def test_markdown_v2_becomes_text_and_entities(source, text, entities):
    assert spans(parse_markdown_v2(source)) == (text, entities)


@pytest.mark.parametrize("char", "]()>#+-=|{}.!")
def test_markdown_v2_wants_reserved_characters_escaped(char):
    with pytest.raises(ApiError) as caught:
        parse_markdown_v2(f"a{char}")
    reserved = f"Character '{char}' is reserved and must be escaped with the preceding '\\'"
    assert caught.value.description == f"Bad Request: can't parse entities: {reserved}"
    assert parse_markdown_v2(f"a\\{char}") == (f"a{char}", [])


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("🏟 🏟_abac * asd ", "Can't find end of Bold entity at byte offset 15"),
        ("🏟 🏟__🏟 _🏟___", "Can't find end of Italic entity at byte offset 23"),
        ("🏟 🏟```a ", "Can't find end of PreCode entity at byte offset 9"),
        ("🏟 🏟```🏟 🏟`", "Can't find end of Code entity at byte offset 21"),
        ("[telegram\\.org](asd\\)", "Can't find end of a URL at byte offset 16"),
        (">*b\n>ld \n>bo\nld*\nasd\ndef", "Can't find end of Bold entity at byte offset 1"),
        ("![👍]", "Custom emoji entity must contain a tg://emoji URL"),
        ("![👍](t://emoji?id=1)", "Custom emoji URL must have scheme tg"),
    ],
)
def test_markdown_v2_is_refused_with_the_place(source, problem):
    with pytest.raises(ApiError) as caught:
        parse_markdown_v2(source)
    assert caught.value.description == f"Bad Request: can't parse entities: {problem}"


def test_the_older_markdown_has_four_marks_and_no_nesting():
    text, entities = parse_markdown("*b* _i_ `c` [l](a.io) \\_ ```py\nx```")
    assert text == "b i c l _ x"
    kinds = [("bold", 0, 1), ("italic", 2, 1), ("code", 4, 1), ("text_link", 6, 1), ("pre", 10, 1)]
    assert [(e["type"], e["offset"], e["length"]) for e in entities] == kinds


def test_the_older_markdown_refuses_a_mark_without_end():
    with pytest.raises(ApiError, match="Can't find end of the entity starting at byte offset 5"):
        parse_markdown("snake_case")
