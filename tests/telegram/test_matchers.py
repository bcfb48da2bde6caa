"""What each matcher wants of what people do, and what it makes of it (`ctx.match`)."""

import re

import pytest
from telegram import Update
from telegram.ext import CallbackQueryHandler, CommandHandler, MessageHandler, TypeHandler, filters

from fsmkit import Flow, KeyBy
from fsmkit.telegram import (
    audio,
    button,
    command,
    contact,
    document,
    edited,
    inline,
    kind,
    location,
    message,
    photo,
    poll_answer,
    raw_button,
    sticker,
    text,
    video,
    voice,
)

USER = {"id": 1, "is_bot": False, "first_name": "Ann"}


@pytest.fixture
def play(bench):
    """Attaches one matcher, then plays all that a person can do; returns what it took and what it made of it."""

    async def play(on, do):
        flow, taken = Flow("f", key=KeyBy.CHAT), []

        @flow.defstate(None, on=on)
        def take(event, ctx):
            found = ctx.match
            taken.append(found.group() if isinstance(found, re.Match) else found)

        await bench.start(flow)
        do(bench.offline)
        await bench.feed()
        return taken

    return play


def everything(offline):
    """One of each thing that a person can do, in the private chat."""
    number = offline.say("hello")["message"]["message_id"]
    offline.say("/start now")
    offline.say("/start@other_bot")
    for what in ("photo", "document", "video", "voice", "audio", "sticker", "location", "contact", "venue"):
        offline.send(what)
    offline.edit(number, "hello again")
    offline.press_data("raw")
    offline.update(inline_query={"id": "q", "from": USER, "query": "cats", "offset": ""})
    vote = {"poll_id": "p", "user": USER, "option_ids": [0], "option_persistent_ids": ["a"]}
    offline.update(poll_answer=vote)
    offline.block(1)


@pytest.mark.parametrize(
    ("on", "wanted"),
    [
        (message(), "text photo document video voice audio sticker location contact venue"),
        (text(), "text"),
        (text("hello"), "text"),
        (command(), "command"),
        (command("start"), "command"),
        (photo(), "photo"),
        (document(), "document"),
        (video(), "video"),
        (voice(), "voice"),
        (audio(), "audio"),
        (sticker(), "sticker"),
        (location(), "location venue"),
        (contact(), "contact"),
        (edited(), "edited"),
        (raw_button(), "raw_button"),
        (raw_button("raw"), "raw_button"),
        (button(), ""),
        (inline(), "inline"),
        (inline("cats|dogs"), "inline"),
        (inline("dogs"), ""),
        (poll_answer(), "poll_answer"),
        (kind("my_chat_member", "inline"), "inline my_chat_member"),
        (text() | photo(), "text photo"),
        (message() & ~text(), "photo document video voice audio sticker location contact venue"),
        (~message(), "command"),
        (~edited(), "text command photo document video voice audio sticker location contact venue"),
        (~inline("dogs"), "inline"),
        (inline() & ~photo(), "inline"),
        (
            ~(photo() | poll_answer()),
            "text command document video voice audio sticker location contact venue",
        ),
        ((photo(), command("start")), "command photo"),
        (filters.PHOTO, "photo"),
        (text() & filters.Regex("^hel"), "text"),
    ],
    ids=repr,
)
async def test_a_matcher_wants_only_its_own(bench, on, wanted):
    flow, taken = Flow("f", key=KeyBy.CHAT), []

    @flow.defstate(None, on=on)
    def take(event, ctx):
        taken.append(event.kind)

    await bench.start(flow)
    everything(bench.offline)
    await bench.feed()
    assert taken == wanted.split()


async def test_without_a_matcher_only_new_text_is_wanted(bench):
    flow, taken = Flow("f", key=KeyBy.CHAT), []

    @flow.defstate(None)
    def take(event, ctx):
        taken.append((event.kind, ctx.match))

    await bench.start(flow)
    everything(bench.offline)
    await bench.feed()
    assert taken == [("text", "hello")]


@pytest.mark.parametrize(
    ("on", "said", "found"),
    [
        (text(r"(\d+) cats"), ["3 cats", "3 cats!"], ["3 cats"]),
        (text(re.compile("yes", re.IGNORECASE)), ["YES", "no"], ["YES"]),
        (text(""), ["a"], []),
        (command("Start"), ["/start", "/START", "/stop", "start"], ["start", "start"]),
        (command("a", "b"), ["/a", "/b", "/c"], ["a", "b"]),
        (command("start", args=r"\d+ \w+"), ["/start 1   a", "/start 1", "/start"], ["1 a"]),
        (command("start", args=""), ["/start", "/start x"], [""]),
        (
            command("start"),
            ["/start@offline_bot", "/start@OFFLINE_bot", "/start@other_bot"],
            ["start", "start"],
        ),
        (text("a") | text("b") | command("c"), ["a", "b", "/c"], ["a", "b", "c"]),
        (text() & text("a+"), ["aa", "b"], ["aa"]),
        (text("a+") & (lambda event: len(event.text)), ["aa", "b"], [2]),
    ],
    ids=repr,
)
async def test_the_match_is_what_the_matcher_found(play, on, said, found):
    assert await play(on, lambda offline: [offline.say(words) for words in said]) == found


async def test_a_line_end_is_no_part_of_what_a_pattern_wants(play):
    def do(offline):
        # No app sends white space around a text, so it comes as an update made by hand.
        message = offline.say("dogs")["message"]
        offline.update(message={**message, "message_id": 2, "text": "3 cats\n"})

    assert await play(text(r"(\d+) cats"), do) == []


async def test_a_caption_is_no_text(play):
    assert await play(text(), lambda offline: offline.send("photo", caption="hello")) == []


async def test_a_command_in_a_caption_is_no_command(play):
    assert await play(command(), lambda offline: offline.send("photo", caption="/start")) == []


async def test_the_match_of_a_file_is_its_id(play):
    sent = []
    found = await play(document(), lambda offline: sent.append(offline.send("document")))
    assert found == [sent[0]["message"]["document"]["file_id"]]


async def test_the_match_of_a_location_is_the_location(play):
    [found] = await play(location(), lambda offline: offline.send("location", latitude=1.5, longitude=2.5))
    assert (found.latitude, found.longitude) == (1.5, 2.5)


async def test_an_edited_text_is_what_it_says_now(play):
    def do(offline):
        offline.edit(offline.say("old")["message"]["message_id"], "new")

    assert await play(edited(), do) == ["new"]


async def test_a_raw_buttons_pattern_must_match_all_of_its_data(play):
    def do(offline):
        for data in ("vote:1", "vote:12", "vote:x"):
            offline.press_data(data)

    assert await play(raw_button(r"vote:\d"), do) == ["vote:1"]


async def test_a_ptb_filter_sees_the_real_update(play):
    sent = await play(filters.ChatType.PRIVATE & filters.TEXT & ~filters.COMMAND, everything)
    assert len(sent) == 2  # PTB's filters see edited messages too


async def test_a_ptb_command_handler_wants_what_it_wants_in_ptb(play):
    found = await play(
        CommandHandler("go", print, has_args=2),
        lambda offline: [offline.say(words) for words in ("/go a b", "/go", "/go@other_bot a b", "/GO c d")],
    )
    assert [args for args, _ in found] == [["a", "b"], ["c", "d"]]


async def test_ptb_handlers_of_all_kinds_fit_in(play):
    handlers = (CallbackQueryHandler(print, "raw"), MessageHandler(filters.Sticker.ALL, print))
    assert len(await play(handlers, everything)) == 2


async def test_a_type_handler_takes_all_that_has_a_key(play):
    assert len(await play(TypeHandler(Update, print), everything)) == 17


async def test_a_predicate_sees_the_event_and_its_value_is_the_match(play):
    assert await play(lambda event: event.text and event.text[1:], everything) == [
        "ello",
        "start now",
        "start@other_bot",
        "ello again",
        "ats",
    ]
