"""Long texts: cut into pieces that Telegram takes, which arrive in order."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsmkit import Flow
from fsmkit.telegram import command
from fsmkit.telegram.sending import split

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
def test_html_elements_longer_than_a_piece_stay_whole(text, limit):
    assert all(is_balanced(piece) for piece in split(text, limit, "HTML"))


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
