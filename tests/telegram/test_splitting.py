"""Long texts: cut into pieces that Telegram takes, which arrive in order."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fsmkit import Flow, Reply
from fsmkit.botapi.formatting import formatted_text
from fsmkit.botapi.params import Params
from fsmkit.telegram import command
from fsmkit.telegram.splitting import split

TAG = re.compile(r"<(/?)(\w+)>")
LETTERS = st.sampled_from("ab é😀\n\t\u2003<&*_`[]().\\")
PLAIN = st.text(LETTERS | st.characters(codec="utf-8"), max_size=300)
LIMITS = st.integers(2, 60)
WORDS = st.text("ab 😀\n", min_size=1, max_size=8)
NAMES = st.sampled_from(["b", "i", "code"])
INNER = WORDS | st.just("&amp;") | st.builds("<{0}>{1}</{0}>".format, st.sampled_from(["u", "s"]), WORDS)
ELEMENTS = st.builds("<{0}>{1}{2}</{0}>".format, NAMES, INNER, INNER)
HTML = st.lists(WORDS | st.just("&lt;") | ELEMENTS, max_size=40).map("".join)


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def dense(text):
    return "".join(text.split())


def is_balanced(html):
    open_tags = []
    for closing, name in TAG.findall(html):
        if not closing:
            open_tags.append(name)
        elif not open_tags or open_tags.pop() != name:
            return False
    return not open_tags and not re.search(r"&\w*$|^\w*;", html)


@given(PLAIN, LIMITS)
@example("00 ", 2)  # what fits only without the blank at its end
def test_every_piece_of_a_plain_text_fits(text, limit):
    assert all(units(piece) <= limit for piece in split(text, limit, None))


@given(PLAIN, LIMITS)
def test_the_pieces_keep_every_character_in_order_but_for_spaces(text, limit):
    assert dense("".join(split(text, limit, None))) == dense(text)


@given(PLAIN, LIMITS)
def test_no_piece_is_empty_unless_there_is_nothing_to_say(text, limit):
    assert all(piece.strip() for piece in split(text, limit, None)) or not text.strip()


@given(HTML, st.integers(80, 160))
def test_pieces_of_html_are_balanced_and_fit(text, limit):
    pieces = split(text, limit, "HTML")
    assert all(is_balanced(piece) and units(piece) <= limit for piece in pieces)
    assert dense("".join(pieces)) == dense(text)


@given(HTML, LIMITS)
def test_pieces_of_html_are_balanced_even_where_the_tags_alone_are_longer_than_a_piece(text, limit):
    assert all(is_balanced(piece) for piece in split(text, limit, "HTML"))


def shown(text, parse_mode):
    """Each character that a person sees, blanks apart, with the kinds of formatting that it has."""
    message = formatted_text(Params({"text": text, "parse_mode": parse_mode}))
    units, entities = message["text"].encode("utf-16-le"), message.get("entities", [])
    found = []
    for at in range(0, len(units), 2):
        kinds = {e["type"] for e in entities if e["offset"] <= at // 2 < e["offset"] + e["length"]}
        found.append((units[at : at + 2], frozenset(kinds)))
    return [each for each in found if each[0].decode("utf-16-le", "replace").strip()]


LINES = "\n".join(f"  line {number:02} of the code" for number in range(40))
FORMATTED = {
    "pre": ("HTML", f"<pre>{LINES}</pre>"),
    "code in pre": ("HTML", f'<pre><code class="language-py">{LINES}</code></pre>'),
    "nested": ("HTML", f"Look: <b>bold {LINES} <i>both &amp; {LINES}</i> bold again</b> and plain"),
    "link": ("HTML", f'<a href="http://a.b/?c=d">{LINES}</a>'),
    "without a blank": ("HTML", "<b>" + "x😀" * 300 + "</b>"),
    "quotation": ("HTML", f"<blockquote expandable>{LINES}</blockquote>"),
    "block": ("MarkdownV2", f"```python\n{LINES} *x*\\` y_z\n```"),
    "bold": ("MarkdownV2", f"Before *{LINES} __under__ ~away~* after\\."),
    "label": ("MarkdownV2", f"[{LINES}](http://a.b/c_d)"),
    "quoted lines": ("MarkdownV2", "\n".join(f">{line}" for line in LINES.split("\n"))),
    "quoted at length": ("MarkdownV2", f">{LINES.replace(chr(10), ' ')}\nafter"),
    "far-apart underscores": ("Markdown", f"snake_case {LINES} snake_case"),
    "older block": ("Markdown", f"```\n{LINES} * _ [\n``` ~ || \\_"),
    "older link": ("Markdown", f"*short* [{LINES}](http://a.b/c_d)"),
}


@pytest.mark.parametrize("limit", [60, 97, 250])
@pytest.mark.parametrize(("parse_mode", "text"), FORMATTED.values(), ids=FORMATTED)
def test_long_formatting_is_closed_and_opened_again_so_that_every_character_keeps_its_looks(
    parse_mode, text, limit
):
    pieces = split(text, limit, parse_mode)
    assert all(units(piece) <= limit for piece in pieces)
    assert [char for piece in pieces for char in shown(piece, parse_mode)] == shown(text, parse_mode)


@pytest.mark.parametrize("limit", [60, 97])
def test_lines_of_code_keep_their_indentation(limit):
    pieces = split(f"<pre>{LINES}</pre>", limit, "HTML")
    assert [line for piece in pieces for line in re.sub("</?pre>", "", piece).rstrip().split("\n")] == (
        LINES.split("\n")
    )


@pytest.mark.parametrize(
    ("parse_mode", "text"), [("HTML", f"<b>{LINES}"), ("MarkdownV2", f"*{LINES}"), ("Markdown", f"_{LINES}")]
)
def test_formatting_that_never_ends_is_left_for_telegram_to_refuse(parse_mode, text):
    assert split(f"Before\n{text}", 100, parse_mode) == ["Before", text]


def test_a_text_that_fits_stays_as_it_is():
    assert split("  a\n\n b ", 8, None) == ["  a\n\n b "]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("one two\nthree\n\nfour five", ["one two\nthree", "four five"]),
        ("one two\nthree four five", ["one two", "three four five"]),
        ("one two three four five", ["one two three", "four five"]),
        ("onetwothreefourfivesix", ["onetwothreefour", "fivesix"]),
    ],
)
def test_a_text_is_cut_where_a_reader_would_cut(text, pieces):
    assert split(text, 15, None) == pieces


def test_a_text_of_nothing_but_spaces_is_empty():
    assert split(" " * 100, 10, None) == [""]


@pytest.mark.parametrize(
    "mark", ["*{}*", "_{}_", "__{}__", "~{}~", "||{}||", "`{}`", "```{}```", "[{}](http://a.b)"]
)
def test_markdown_is_cut_outside_of_formatting(mark):
    word = mark.format("two words")
    pieces = split(" ".join([word] * 40), 100, "MarkdownV2")
    assert set(" ".join(pieces).replace(word, "").split()) == set()
    assert all(len(piece) <= 100 and piece.count("two words") * len(word) <= len(piece) for piece in pieces)


@pytest.mark.parametrize("code", ["`snake_case`", "`a*b`", "```py\nx = [1]```"])
def test_marks_in_code_are_only_text(code):
    pieces = split(" ".join([code] * 40), 100, "MarkdownV2")
    assert all(
        len(piece) <= 100 and piece.count("`") == piece.count(code) * code.count("`") for piece in pieces
    )


# --- end to end ---

CODE = "\n".join(f"line {number:04}" for number in range(900))
"""9,000 characters."""


@pytest.mark.parametrize(
    ("parse_mode", "text"),
    [
        ("HTML", f"<pre>{CODE}</pre>"),
        ("HTML", f"<b>{CODE}"),
        ("HTML", f'<a href="http://a.b/{"c" * 4200}">{CODE}</a>'),
        ("MarkdownV2", f"```\n{CODE}```"),
        ("MarkdownV2", f"*{CODE}"),
        ("Markdown", f"a_b {CODE} c_d"),
        ("Markdown", f"a_b {CODE}"),
    ],
)
async def test_no_line_of_a_long_formatted_text_is_lost(bench, parse_mode, text):
    flow = Flow("code")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.reply(Reply(text, parse_mode=parse_mode, buttons=["Yes"]))

    await bench.start(flow)
    await bench.say("/start")
    assert re.findall(r"line \d{4}", "\n".join(bench.texts())) == CODE.split("\n")
    assert [row for row in bench.buttons() if row] == [["Yes"]]


LONG = " ".join(f"word{number:05}" for number in range(1000))
"""10,000 characters, less one."""


def long_flow():
    flow = Flow("long")
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.reply(LONG, buttons=["Yes", "No"])
        ctx.reply("after")
        return ("transition", "on")

    @flow.defstate(None, on=command("photo"))
    def photo(event, ctx):
        ctx.reply(LONG, photo="some-file-id", buttons=["Yes"])
        return ("transition", "on")

    return flow


async def test_a_long_reply_arrives_in_order_with_its_buttons_under_the_last_piece(bench):
    await bench.start(long_flow())
    await bench.say("/start")
    assert bench.buttons() == [[], [], ["Yes", "No"], []]
    *pieces, after = bench.texts()
    assert (" ".join(pieces), after) == (LONG, "after")


async def test_a_long_caption_goes_on_in_messages(bench):
    await bench.start(long_flow())
    await bench.say("/photo")
    assert (" ".join(bench.texts()), bench.buttons()[-1]) == (LONG, ["Yes"])
    assert set(bench.calls()[1:]) == {"sendMessage"}


@pytest.mark.parametrize("fault", [{"retry_after": 1}, {"status": 502}, {"drop": True}])
async def test_trying_again_in_the_middle_does_not_repeat_the_first_piece(bench, fault):
    await bench.start(long_flow())
    seen = []

    def second(params):
        seen.append(params["text"])
        return len(seen) == 2

    bench.offline.fail("sendMessage", when=second, **fault)
    await bench.say("/start")
    assert len(bench.texts()) == 1
    await bench.advance(1)
    *pieces, after = bench.texts()
    assert (" ".join(pieces), after) == (LONG, "after")


@pytest.mark.parametrize("status", [400, 409])
async def test_a_piece_that_is_refused_ends_the_long_reply_but_not_the_others(bench, status):
    await bench.start(long_flow())
    bench.offline.fail("sendMessage", status=status, when=lambda params: "word00500" in params["text"])
    await bench.say("/start")
    first, after = bench.texts()
    assert (LONG.startswith(first), after) == (True, "after")
