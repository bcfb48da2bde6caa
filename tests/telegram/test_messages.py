"""What a message carries: files, formatting, keyboards, and where it goes."""

from pathlib import Path

import pytest
from telegram import LinkPreviewOptions
from telegram.ext import Defaults

from fsmkit import Button, DeliveryFailed, Flow, Keyboard, KeyboardButton, Reply, Timeout
from fsmkit.flow.messages import BARE_MEDIA, MEDIA
from fsmkit.telegram import button, command, text


def saying(*replies, **options):
    """A flow that says some replies on `/start`, and stays."""
    flow = Flow("f", ttl=60, **options)
    flow.state("on")
    flow.texts(expired={"en": "Too late."})

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        for reply in replies:
            ctx.reply(reply)
        return ("transition", "on")

    @flow.defstate("on", on=text())
    def echo(event, ctx):
        ctx.show(event.text, buttons=["Press"])

    @flow.defstate("on", on=button("Press"))
    def press(event, ctx):
        ctx.show("pressed")

    @flow.defstate("on", on=command("bold"))
    def bold(event, ctx):
        ctx.reply("*bold*", parse_mode="MarkdownV2")

    return flow


def asked(bench, number=-1):
    """The parameters of a request, but for the chat."""
    return {name: value for name, value in bench.offline.calls[number].params.items() if name != "chat_id"}


async def said(bench, *replies, defaults=None):
    if defaults is not None:
        bench.app = bench.offline.builder().defaults(defaults).build()
    await bench.start(saying(*replies))
    await bench.say("/start")


# --- files ---


@pytest.mark.parametrize("kind", ["photo", "document"])
@pytest.mark.parametrize("source", ["AgACAgIAAxkBAAI-file_id", "https://example.org/cat.png"])
async def test_file_ids_and_urls_are_sent_as_they_are(bench, kind, source):
    await said(bench, Reply("caption", **{kind: source}))
    assert (bench.texts(), asked(bench)) == (["caption"], {kind: source, "caption": "caption"})


@pytest.mark.parametrize("kind", ["photo", "document"])
async def test_local_files_are_uploaded(bench, tmp_path, kind):
    path = tmp_path / "cat.png"
    path.write_bytes(b"meow")
    await said(bench, Reply(**{kind: path}))
    [message] = [message for message in bench.offline.messages(1) if kind in message]
    found = message[kind][-1] if kind == "photo" else message[kind]
    assert (found["file_size"], "caption" in message) == (4, False)


@pytest.mark.parametrize("photo", [Path("gone", "missing.png"), "missing.png", "here.png"])
async def test_a_missing_file_is_refused_once_and_does_not_hold_up_the_rest(
    bench, photo, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("here.png").write_bytes(b"meow")
    flow = saying("before", Reply("caption", photo=photo), "after")
    noted = []

    @flow.defstate("on", on=DeliveryFailed)
    def note(event, ctx):
        noted.append(event.effect.text)

    await bench.start(flow)
    await bench.say("/start")
    await bench.advance(50)
    assert (bench.texts(), noted) == (["before", "after"], ["caption"])
    # Only what may be the id of a file is asked for; a text that names a file of ours is not.
    assert bench.calls().count("sendPhoto") == (1 if photo == "missing.png" else 0)


@pytest.mark.parametrize("kind", MEDIA)
async def test_each_kind_of_file_is_sent_by_its_own_method(bench, kind):
    bare = kind in BARE_MEDIA
    await said(bench, Reply("" if bare else "<b>caption</b>", parse_mode="HTML", **{kind: "some-file-id"}))
    method = "".join(["send", *(part.title() for part in kind.split("_"))])
    assert (bench.calls(), bench.texts()) == ([method], [] if bare else ["caption"])
    assert kind in bench.offline.messages(1)[-1]


async def test_a_caption_that_is_too_long_goes_on_in_messages_of_its_own(bench):
    words = " ".join(["word"] * 300)
    await said(bench, Reply(words, video="some-file-id", buttons=["x"], link_preview=False))
    assert (bench.calls(), " ".join(bench.texts()), bench.buttons()) == (
        ["sendVideo", "sendMessage"],
        words,
        [[], ["x"]],
    )


# --- options ---


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"protect_content": True}, {"protect_content": True}),
        ({"link_preview": False}, {"link_preview_options": {"is_disabled": True}}),
        ({"link_preview": True}, {"link_preview_options": {"is_disabled": False}}),
        ({"extra": {"message_effect_id": "5"}}, {"message_effect_id": "5"}),
        (
            {"extra": {"entities": [{"type": "bold", "offset": 0, "length": 2}]}},
            {"entities": [{"type": "bold", "offset": 0, "length": 2}]},
        ),
        (
            {"reply_to": 1},
            {"reply_parameters": {"message_id": 1, "allow_sending_without_reply": True}},
        ),
    ],
    ids=str,
)
async def test_what_is_asked_for_is_told(bench, options, sent):
    await said(bench, Reply("text", **options))
    assert asked(bench) == {"text": "text", **sent}


async def test_a_reply_to_a_message_that_is_gone_is_sent_all_the_same(bench):
    await said(bench, Reply("text", reply_to=77))
    assert bench.texts() == ["text"]


async def test_only_the_first_piece_of_a_long_text_is_a_reply(bench):
    await said(bench, Reply(" ".join(["word"] * 2000), reply_to=1))
    assert ["reply_to_message" in message for message in bench.offline.messages(1)[1:]] == [
        True,
        False,
        False,
    ]


async def test_without_a_word_about_previews_the_defaults_count(bench):
    defaults = Defaults(link_preview_options=LinkPreviewOptions(is_disabled=True), protect_content=True)
    await said(bench, "a", Reply("b", link_preview=True), defaults=defaults)
    previews = [asked(bench, number)["link_preview_options"]["is_disabled"] for number in (-2, -1)]
    assert (previews, asked(bench)["protect_content"]) == ([True, False], True)


async def test_an_edit_has_the_options_that_an_edit_can_have(bench):
    flow = saying()
    flow.defstate("on", on=button("again"))(
        lambda event, ctx: ctx.show("later", link_preview=False, extra={"entities": []}, silent=True)
    )
    flow.defstate("on", on=command("show"))(lambda event, ctx: ctx.show("first", buttons=["again"]))
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("/show")
    await bench.press("again")
    [edit] = bench.offline.calls_of("editMessageText")
    assert {"link_preview_options", "entities", "text"} <= set(edit.params)
    assert "disable_notification" not in edit.params


# --- formatting ---


async def test_a_parse_mode_is_told(bench):
    await said(bench, Reply("<b>bold</b>", parse_mode="HTML"))
    assert (bench.texts(), asked(bench)["parse_mode"]) == (["bold"], "HTML")


async def test_refused_formatting_is_sent_once_more_as_plain_text(bench):
    await said(bench, Reply("<b>a < b", parse_mode="HTML"), "after")
    assert (bench.texts(), bench.calls()) == (["<b>a < b", "after"], ["sendMessage"] * 3)


async def test_refused_formatting_of_a_long_text_is_sent_as_plain_text_in_pieces(bench):
    words = "<b>" + "word " * 1000 + "end"
    await said(bench, Reply(words, buttons=["Yes"], parse_mode="HTML"), "after")
    *pieces, after = bench.texts()
    assert (" ".join(pieces), after, bench.buttons()) == (words, "after", [[], ["Yes"], []])


async def test_refused_formatting_of_a_caption_is_sent_once_more_as_plain_text(bench):
    await said(bench, Reply("<b>a < b", parse_mode="HTML", photo="some-file-id"))
    assert (bench.texts(), bench.calls()) == (["<b>a < b"], ["sendPhoto"] * 2)


async def test_the_applications_defaults_count_where_nothing_is_said(bench):
    defaults = Defaults(parse_mode="HTML", disable_notification=True)
    await said(bench, "<b>bold</b>", defaults=defaults)
    wanted = {"text": "<b>bold</b>", "parse_mode": "HTML", "disable_notification": True}
    assert (bench.texts(), asked(bench)) == (["bold"], wanted)


async def test_a_parse_mode_of_its_own_outdoes_the_defaults(bench):
    await said(bench, defaults=Defaults(parse_mode="HTML"))
    await bench.say("/bold")
    assert (bench.texts(), asked(bench)["parse_mode"]) == (["bold"], "MarkdownV2")


async def test_refused_formatting_of_the_defaults_is_sent_once_more_as_plain_text(bench):
    await said(bench, "a < b", Reply("a_b", parse_mode="MarkdownV2"), defaults=Defaults(parse_mode="HTML"))
    assert bench.texts() == ["a < b", "a_b"]


async def test_long_texts_in_the_formatting_of_the_defaults_are_cut_outside_of_it(bench):
    long = " ".join(f"<b>word {number}</b>" for number in range(600))
    await said(bench, long, defaults=Defaults(parse_mode="HTML"))
    assert " ".join(bench.texts()) == long.replace("<b>", "").replace("</b>", "")


# --- keyboards and sound ---


async def test_silent_messages_make_no_sound(bench):
    await said(bench, Reply("hush", silent=True), "loud")
    assert [asked(bench, number) for number in (-2, -1)] == [
        {"text": "hush", "disable_notification": True},
        {"text": "loud"},
    ]


async def test_a_reply_keyboard_comes_and_goes(bench):
    await said(bench, Reply("Which?", keyboard=[["A", "B"], ["C"]]), Reply("Thanks", remove_keyboard=True))
    assert [asked(bench, number)["reply_markup"] for number in (-2, -1)] == [
        {"keyboard": [[{"text": "A"}, {"text": "B"}], [{"text": "C"}]], "resize_keyboard": True},
        {"remove_keyboard": True},
    ]


# --- places ---


async def in_topic(bench, flow):
    bench.offline.add_chat(-5, is_forum=True)
    await bench.start(flow)
    await bench.say("/start", chat=-5, thread=7)
    await bench.advance(61)
    sent = [call.params for call in bench.offline.calls_of("sendMessage")]
    return [(call["text"], call.get("message_thread_id")) for call in sent]


async def test_answers_and_timeouts_stay_in_their_topic(bench):
    flow = saying("hello")

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        ctx.reply("Are you there?")

    assert await in_topic(bench, flow) == [("hello", 7), ("Are you there?", 7)]


async def test_the_last_words_of_a_timeout_stay_in_their_topic(bench):
    assert await in_topic(bench, saying("hello")) == [("hello", 7), ("Too late.", 7)]


async def test_edits_go_through_the_business_connection(bench):
    await bench.start(saying())
    await bench.say("/start", business="link")
    await bench.say("view", business="link")
    flow_view = bench.offline.messages(1)[-1]
    await bench.press_data(bench.data("Press"), message_id=flow_view["message_id"])
    [edit] = bench.offline.calls_of("editMessageText")
    assert edit.params["business_connection_id"] == "link"


async def test_answers_and_timeouts_stay_on_their_business_connection(bench):
    await bench.start(saying("hello"))
    await bench.say("/start", business="link")
    await bench.say("view", business="link")
    await bench.say("other view", business="link")
    await bench.advance(61)
    sent = [call.params for call in bench.offline.calls_of("sendMessage")]
    assert [(call["text"], call["business_connection_id"]) for call in sent] == [
        ("hello", "link"),
        ("view", "link"),
        ("other view", "link"),
        ("Too late.", "link"),
    ]


async def test_an_old_view_loses_its_buttons_through_the_business_connection(bench):
    await bench.start(saying())
    await bench.say("/start", business="link")
    await bench.say("view", business="link")
    await bench.say("other view", business="link")
    [edit] = bench.offline.calls_of("editMessageReplyMarkup")
    assert edit.params["business_connection_id"] == "link"


# --- buttons that Telegram refuses ---

SITE, DOCS = Button("Site", url="http://localhost"), Button("Docs", url="https://example.org")
FRIEND = Button("Friend", url="tg://user?id=7")
INVALID = "Bad Request: BUTTON_URL_INVALID"
PRIVATE = "Bad Request: BUTTON_USER_PRIVACY_RESTRICTED"


@pytest.mark.parametrize(
    ("buttons", "bad", "description", "left"),
    [
        ([[SITE], ["Next"]], "localhost", INVALID, ["Next"]),
        ([[DOCS, SITE], ["Next"]], "localhost", INVALID, ["Docs", "Next"]),
        ([[DOCS, FRIEND], ["Next"]], "tg://user", PRIVATE, ["Docs", "Next"]),
        ([[SITE, DOCS, FRIEND]], "localhost|tg://user", INVALID, ["Docs"]),
        ([[DOCS, FRIEND], ["Next"]], "example|tg://user", PRIVATE, ["Next"]),
        ([[SITE]], "localhost", INVALID, []),
        ([["Next"]], "Next", "Bad Request: REPLY_MARKUP_INVALID", []),
        (
            [[Button("App", web_app="https://a.example"), DOCS], ["Next"]],
            "a.example",
            "Bad Request: inline keyboard button Web App URL 'https://a.example' is invalid: Only HTTPS links",
            ["Docs", "Next"],
        ),
    ],
)
@pytest.mark.parametrize("options", [{}, {"photo": "some-file-id"}], ids=["text", "photo"])
async def test_a_message_is_sent_without_the_button_that_telegram_refuses(
    bench, caplog, buttons, bad, description, left, options
):
    words = bad.split("|")
    for method in ("sendMessage", "sendPhoto"):
        bench.offline.fail(
            method,
            status=400,
            description=description,
            times=99,
            when=lambda params: any(word in str(params.get("reply_markup")) for word in words),
        )
    await said(bench, Reply("Look.", buttons=buttons, **options))
    assert (bench.texts(), bench.buttons()) == (["Look."], [left])
    assert "Telegram refused a button" in caplog.text


async def test_only_the_last_piece_of_a_long_text_is_sent_again_without_the_refused_button(bench):
    bench.offline.fail(
        "sendMessage", status=400, description=INVALID, times=9, when=lambda p: "localhost" in str(p)
    )
    await said(bench, Reply("word " * 1500, buttons=[[SITE], ["Next"]]))
    assert [len(row) for row in bench.buttons()] == [0, 1]
    assert " ".join(bench.texts()).split() == ["word"] * 1500


async def test_a_screen_is_edited_without_the_button_that_telegram_refuses(bench):
    flow = Flow("f")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show("One", buttons=["Next"])
        return ("stay",)

    @flow.defstate(None, on=button("Next"))
    def on(event, ctx):
        ctx.show("Two", buttons=[[SITE], ["Next"]])
        return ("stay",)

    flow.state("s")
    bench.offline.fail(
        "editMessageText", status=400, description=INVALID, times=9, when=lambda p: "localhost" in str(p)
    )
    await bench.start(flow)
    await bench.say("/start")
    await bench.press("Next")
    assert (bench.texts(), bench.buttons()) == (["Two"], [["Next"]])


async def test_keys_that_a_chat_does_not_allow_are_left_out_of_a_reply_keyboard(bench):
    bench.offline.fail(
        "sendMessage",
        status=400,
        description="Bad Request: phone number can be requested in private chats only; keyboard",
        when=lambda params: "request_contact" in str(params.get("reply_markup")),
    )
    keys = Keyboard([[KeyboardButton("Number", request_contact=True), "Skip"]], placeholder="Yours")
    await said(bench, Reply("Your number?", keyboard=keys))
    assert asked(bench)["reply_markup"]["keyboard"] == [[{"text": "Skip"}]]
    assert asked(bench)["reply_markup"]["input_field_placeholder"] == "Yours"


async def test_what_is_refused_for_something_else_keeps_its_buttons_to_the_end(bench):
    bench.offline.fail("sendMessage", status=400, description="Bad Request: chat not found", times=9)
    await said(bench, Reply("Look.", buttons=[[SITE], ["Next"]]))
    assert len(bench.offline.calls_of("sendMessage")) == 1
