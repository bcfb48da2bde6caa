"""The conversation's one screen, and messages that go when their state is left."""

import pytest

from fsmkit import ANY, DefinitionError, Flow, Key, Reply
from fsmkit.telegram import button, command, text


def counter():
    """A flow with a view that counts presses."""
    flow = Flow("count", ttl=600, data=dict)
    flow.state("on")

    def view(ctx, number):
        ctx.show(f"{number}", buttons=["more", "same", "photo"])
        return {"n": number}

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on", view(ctx, 0))

    @flow.defstate("on", on=button("more"))
    def more(event, ctx):
        return ("stay", view(ctx, ctx.data["n"] + 1))

    @flow.defstate("on", on=button("same") | text())
    def same(event, ctx):
        return ("stay", view(ctx, ctx.data["n"]))

    @flow.defstate("on", on=button("photo"))
    def photo(event, ctx):
        ctx.show("cat", photo="some-file-id", buttons=["more"])

    return flow


BUTTONS = ["more", "same", "photo"]


@pytest.fixture
async def shown(bench):
    await bench.start(counter())
    await bench.say("/start")
    bench.offline.calls.clear()
    return bench


async def test_a_press_of_its_button_edits_the_view(shown):
    for _ in range(3):
        await shown.press("more")
    assert (shown.texts(), shown.buttons()) == (["3"], [BUTTONS])
    assert shown.calls() == ["answerCallbackQuery", "editMessageText"] * 3


async def test_a_view_that_stays_as_it_is_is_no_failure(shown):
    await shown.press("same")
    await shown.press("more")
    assert (shown.texts(), shown.calls().count("sendMessage")) == (["1"], 0)


async def test_without_a_press_the_view_is_sent_anew_and_the_old_one_loses_its_buttons_at_once(shown):
    await shown.say("hello")
    assert (shown.texts(), shown.buttons()) == (["0", "0"], [[], BUTTONS])
    assert shown.calls() == ["sendMessage", "editMessageReplyMarkup"]


async def test_a_view_that_was_sent_anew_is_the_one_that_is_edited(shown):
    await shown.say("hello")
    await shown.press("more")
    assert (shown.texts(), shown.buttons()) == (["0", "1"], [[], BUTTONS])


async def delete_view(shown):
    """The person deletes the view, and presses a button that another phone still shows."""
    [view] = [message for message in shown.offline.messages(1) if message["from"]["is_bot"]]
    data = shown.data("more")
    await shown.app.bot.delete_message(1, view["message_id"])
    await shown.press_data(data, message_id=view["message_id"])


async def test_a_view_that_the_user_deleted_is_sent_anew(shown):
    await delete_view(shown)
    assert (shown.texts(), shown.buttons()) == (["1"], [BUTTONS])


async def test_a_view_that_was_sent_anew_after_its_deletion_is_edited_from_then_on(shown):
    await delete_view(shown)
    await shown.press("more")
    assert (shown.texts(), shown.buttons()) == (["2"], [BUTTONS])


async def test_a_photo_takes_the_place_of_a_view_of_text(shown):
    await shown.press("photo")
    assert (shown.texts(), shown.buttons()) == (["0", "cat"], [[], ["more"]])


async def test_an_old_view_that_is_gone_already_is_no_failure(shown):
    await shown.app.bot.delete_message(1, 2)
    await shown.say("hello")
    assert (shown.texts(), shown.buttons()) == (["0"], [BUTTONS])


# --- files on the screen ---


def gallery():
    """A flow whose screen shows what is pressed."""
    flow = Flow("gallery", ttl=600)
    flow.state("on")
    screens = {
        "words": Reply("words"),
        "cat": Reply("cat", photo="cat-file-id"),
        "cat again": Reply("*cat* again", photo="cat-file-id", parse_mode="MarkdownV2"),
        "cat, bad": Reply("<b>cat", photo="cat-file-id", parse_mode="HTML"),
        "dog": Reply("dog", photo="dog-file-id"),
        "film": Reply("<i>film</i>", video="film-file-id", parse_mode="HTML"),
        "film, bad": Reply("<i>film", video="film-file-id-2", parse_mode="HTML"),
        "bare": Reply(photo="cat-file-id"),
        "sticker": Reply(sticker="sticker-file-id"),
        "voice": Reply("voice", voice="voice-file-id"),
    }

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show(screens["cat"], buttons=[[name] for name in screens])
        return ("transition", "on")

    @flow.defstate("on", on=button())
    def press(event, ctx):
        ctx.show(screens[event.value], buttons=[[name] for name in screens])

    return flow


@pytest.fixture
async def pictured(bench):
    await bench.start(gallery())
    await bench.say("/start")
    bench.offline.calls.clear()
    return bench


def screens(bench):
    """What stands in the chat: file kinds and captions of the messages that have buttons."""
    kinds = ("photo", "video", "sticker", "voice")
    return [
        (*(kind for kind in kinds if kind in message), message.get("text", message.get("caption")))
        for message in bench.offline.messages(1)
        if "reply_markup" in message
    ]


def edits(bench):
    return [method for method in bench.calls() if method != "answerCallbackQuery"]


@pytest.mark.parametrize(
    ("pressed", "shown", "calls"),
    [
        (["cat"], [("photo", "cat")], ["editMessageCaption"]),
        (["cat again"], [("photo", "cat again")], ["editMessageCaption"]),
        (["cat, bad"], [("photo", "<b>cat")], ["editMessageCaption"] * 2),
        (["bare"], [("photo", None)], ["editMessageCaption"]),
        (["dog"], [("photo", "dog")], ["editMessageMedia"]),
        (["dog", "cat"], [("photo", "cat")], ["editMessageMedia"] * 2),
        (["film"], [("video", "film")], ["editMessageMedia"]),
        (["film, bad"], [("video", "<i>film")], ["editMessageMedia"] * 2),
        (["words"], [("words",)], ["sendMessage", "editMessageReplyMarkup"]),
        (["sticker"], [("sticker", None)], ["sendSticker", "editMessageReplyMarkup"]),
        (["voice"], [("voice", "voice")], ["sendVoice", "editMessageReplyMarkup"]),
        (["words", "cat"], [("photo", "cat")], None),
        (["voice", "words", "words"], [("words",)], None),
        (["sticker", "sticker", "dog"], [("photo", "dog")], None),
    ],
    ids=str,
)
async def test_the_screen_is_edited_where_telegram_allows_it_and_else_sent_anew(
    pictured, pressed, shown, calls
):
    for name in pressed:
        await pictured.press(name)
    assert screens(pictured) == shown
    assert calls is None or edits(pictured) == calls


async def test_a_screen_that_was_sent_anew_takes_the_old_ones_buttons_away_once(pictured):
    await pictured.press("words")
    await pictured.press("words")
    assert edits(pictured) == ["sendMessage", "editMessageReplyMarkup", "editMessageText"]


async def test_a_local_file_on_the_screen_is_uploaded_once(bench, tmp_path):
    path = tmp_path / "cat.png"
    path.write_bytes(b"meow")
    flow = Flow("f")
    flow.state("on")
    flow.defstate(None, on=command("start"))(
        lambda event, ctx: show(ctx, 0) or ("transition", "on", {"n": 0})
    )
    flow.defstate("on", on=button("more"))(lambda event, ctx: ("stay", show(ctx, ctx.data["n"] + 1)))

    def show(ctx, number):
        ctx.show(str(number), photo=path, buttons=["more"])
        return {"n": number} if number else None

    await bench.start(flow)
    await bench.say("/start")
    for _ in range(2):
        await bench.press("more")
    assert (bench.texts(), edits(bench)) == (["2"], ["sendPhoto", "editMessageCaption", "editMessageCaption"])


# --- the screen and the end of the conversation ---


def short():
    """A conversation that shows a screen and ends with it still there."""
    flow = Flow("short")
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.show(f"screen {event.args[0]}", buttons=["bye"])
        return ("transition", "on")

    flow.defstate("on", on=command("end"))(lambda event, ctx: ("end",))
    return flow


async def test_a_screen_that_outlived_its_conversation_is_replaced_by_the_next(bench):
    await bench.start(short())
    for said in ("/start 1", "/end", "/start 2"):
        await bench.say(said)
    assert (bench.texts(), bench.buttons()) == (["screen 1", "screen 2"], [[], ["bye"]])


async def test_it_is_forgotten_with_what_the_row_remembers(bench):
    await bench.start(short(), dedupe_for=60)
    for said in ("/start 1", "/end"):
        await bench.say(said)
    assert (await bench.engine.peek(Key(1, 1, bot=42))).views["short"].message == 2
    await bench.advance(61)
    assert await bench.engine.store.peek(Key(1, 1, bot=42)) is None
    await bench.say("/start 2")
    assert bench.buttons() == [["bye"], ["bye"]]


# --- a prompt as the screen ---


def wizard():
    """States whose prompts are one screen."""
    flow = Flow("wizard")
    flow.state("one", prompt="One?", buttons=["next", "again"], otherwise="Press.", show=True)
    flow.state("two", prompt=lambda ctx: Reply("Two?", buttons=["back"]), show=True)

    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "one"))
    flow.defstate("one", on=button("next"))(lambda event, ctx: ("transition", "two"))
    flow.defstate("two", on=button("back"))(lambda event, ctx: ("back",))
    flow.defstate("two", on=text())(lambda event, ctx: ("transition", "one"))
    return flow


async def test_a_prompt_may_be_the_screen(bench):
    await bench.start(wizard())
    await bench.say("/start")
    await bench.press("next")
    assert (bench.texts(), bench.buttons()) == (["Two?"], [["back"]])
    await bench.press("back")
    assert (bench.texts(), bench.buttons()) == (["One?"], [["next", "again"]])
    await bench.press("next")
    await bench.say("on")
    assert (bench.texts(), bench.buttons()) == (["Two?", "One?"], [[], ["next", "again"]])


async def test_what_is_otherwise_said_is_not_the_screen(bench):
    await bench.start(wizard())
    await bench.say("/start")
    await bench.say("words")
    assert (bench.texts(), bench.buttons()) == (["One?", "Press."], [["next", "again"], []])
    await bench.press("next")
    assert bench.texts() == ["Two?", "Press."]


async def test_a_prompt_that_is_no_screen_is_refused_when_it_is_said(bench):
    flow = Flow("f")
    flow.state("one", prompt=lambda ctx: Reply("One?", keyboard=["A"]), show=True)
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "one"))
    await bench.start(flow)
    await bench.say("/start")
    [error] = bench.errors
    bench.errors.clear()
    assert "a screen ('One?') has no reply keyboard" in str(error)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "no prompt"),
        ({"prompt": "?", "ephemeral": True}, "Choose one"),
        ({"prompt": Reply("?", keyboard=["A"])}, "has no reply keyboard"),
    ],
)
def test_a_state_that_cannot_be_the_screen_is_refused(options, problem):
    with pytest.raises(DefinitionError, match=rf"test_views\.py:\d+: .*{problem}"):
        Flow("f").state("on", show=True, **options)


# --- what goes when the state is left ---


def tidy():
    """A flow that asks for a secret in an ephemeral state, and tracks and replies in another one."""
    flow = Flow("tidy", ttl=60)
    flow.state("secret", prompt="Your password?", otherwise="Words only.", ephemeral=True)
    flow.state("open")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "secret")

    @flow.defstate(None, on=command("open"))
    def begin(event, ctx):
        return ("transition", "open")

    @flow.defstate("secret", on=text("again"))
    def again(event, ctx):
        ctx.reply("stays")

    @flow.defstate("secret", on=text())
    def secret(event, ctx):
        ctx.reply("Thank you.")
        return ("transition", "open")

    @flow.defstate("secret", "open", on=command("end"))
    def end(event, ctx):
        return ("end",)

    @flow.defstate("open", on=text("track"))
    def track(event, ctx):
        ctx.delete_on_exit(event)
        ctx.reply("passing", ephemeral=True)

    return flow


def visible(bench):
    return [message.get("text") for message in bench.offline.messages(1)]


def deleted(bench):
    return [call.params["message_ids"] for call in bench.offline.calls_of("deleteMessages")]


async def test_prompts_and_answers_of_an_ephemeral_state_go_in_one_request(bench):
    await bench.start(tidy())
    for said in ("/start", "again", "hunter2"):
        await bench.say(said)
    assert visible(bench) == ["/start", "stays", "Thank you."]
    assert [sorted(ids) for ids in deleted(bench)] == [[2, 3, 5]]


async def test_what_is_otherwise_said_goes_with_its_cause(bench):
    await bench.start(tidy())
    await bench.say("/start")
    bench.offline.send("location")
    await bench.feed()
    await bench.say("hunter2")
    assert (visible(bench), len(deleted(bench))) == (["/start", "Thank you."], 1)


async def test_tracked_messages_and_ephemeral_replies_go_with_their_state(bench):
    await bench.start(tidy())
    for said in ("/open", "track", "track", "/end"):
        await bench.say(said)
    assert (visible(bench), len(deleted(bench))) == (["/open", "/end"], 1)


@pytest.mark.parametrize("start", ["/start", "/open"])
async def test_a_timeout_takes_them_away_too(bench, start):
    await bench.start(tidy())
    await bench.say(start)
    await bench.say("again" if start == "/start" else "track")
    await bench.advance(61)
    assert (visible(bench)[:1], len(deleted(bench))) == ([start], 1)
    assert {"Your password?", "again", "track", "passing"}.isdisjoint(visible(bench))


@pytest.mark.parametrize("fault", [{"status": 400}, {"status": 403}])
async def test_a_deletion_that_fails_is_no_matter(bench, fault):
    await bench.start(tidy())
    await bench.say("/start")
    bench.offline.fail("deleteMessages", **fault)
    await bench.say("hunter2")
    await bench.advance(10)
    assert (visible(bench)[-1], len(deleted(bench))) == ("Thank you.", 1)
    assert (await bench.engine.get_state("tidy", Key(1, 1)))[0] == "open"


async def test_where_one_message_cannot_be_deleted_the_others_go_all_the_same(bench):
    bench.offline.add_chat(-100)  # the bot is a plain member: it may delete its own messages only
    await bench.start(tidy())
    for said in ("/start", "hunter2"):
        await bench.say(said, chat=-100)
    shown = [message.get("text") for message in bench.offline.messages(-100)]
    assert shown == ["/start", "hunter2", "Thank you."]


async def test_several_states_that_are_left_at_once_are_tidied_in_one_request(bench):
    outer, inner = Flow("outer"), Flow("inner")
    outer.state("a", prompt="Outer?", ephemeral=True)
    inner.state("b", prompt="Inner?", ephemeral=True)
    outer.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "a"))
    outer.defstate("a")(lambda event, ctx: ("call", inner))
    outer.defstate(ANY, on=command("cancel"))(lambda event, ctx: ("end",))
    await bench.start(outer, inner)
    for said in ("/start", "call", "/cancel"):
        await bench.say(said)
    assert (visible(bench), [sorted(ids) for ids in deleted(bench)]) == (["/start", "/cancel"], [[2, 3, 4]])


async def test_in_a_business_chat_messages_go_through_the_connection(bench):
    await bench.start(tidy())
    for said in ("/start", "hunter2"):
        await bench.say(said, business="link")
    assert visible(bench) == ["/start", "Thank you."]
    [call] = bench.offline.calls_of("deleteBusinessMessages")
    assert (call.params["business_connection_id"], sorted(call.params["message_ids"])) == ("link", [2, 3])


async def test_a_business_chat_that_refuses_is_asked_for_each_message(bench):
    await bench.start(tidy())
    await bench.say("/start", business="link")
    bench.offline.fail("deleteBusinessMessages", status=400)
    await bench.say("hunter2", business="link")
    assert [len(call.params["message_ids"]) for call in bench.offline.calls_of("deleteBusinessMessages")] == [
        2,
        1,
        1,
    ]
    assert visible(bench) == ["/start", "Thank you."]


async def test_a_state_remembers_only_so_many_messages(bench, monkeypatch):
    monkeypatch.setattr("fsmkit.interpreter.effects.MAX_TRACKED", 3)
    await bench.start(tidy())
    for said in ("/start", "again", "again", "again", "hunter2"):
        await bench.say(said)
    assert [len(ids) for ids in deleted(bench)] == [3]


async def test_a_message_sent_after_its_state_had_been_left_is_tidied_up_at_once(bench):
    await bench.start(tidy())
    bench.offline.fail("sendMessage", retry_after=10)
    await bench.say("/start")
    await bench.say("hunter2")
    await bench.advance(10)
    assert visible(bench) == ["/start", "Thank you."]
    await bench.say("track")
    assert visible(bench) == ["/start", "Thank you.", "track", "passing"]


def plain(*, buttons=()):
    """A flow whose screens are sent anew whenever the person writes; the first one has buttons or none."""
    flow = Flow("plain", ttl=600)
    flow.state("one", prompt="one", buttons=list(buttons), show=True)
    flow.state("two", prompt="two", show=True)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "one")

    @flow.defstate("one")
    def on(event, ctx):
        return ("transition", "two")

    @flow.defstate("one", on=button())
    def pressed(event, ctx):
        return ("transition", "two")

    @flow.defstate("two")
    def back(event, ctx):
        return ("transition", "one")

    return flow


async def test_no_buttons_are_taken_from_a_screen_that_has_none(bench):
    await bench.start(plain())
    for said in ("/start", "hello", "hello"):
        await bench.say(said)
    assert bench.calls() == ["sendMessage"] * 3


async def test_no_buttons_are_taken_from_a_screen_that_has_lost_them_by_an_edit(bench):
    await bench.start(plain(buttons=["Next"]))
    await bench.say("/start")
    await bench.press("Next")
    await bench.say("hello")
    assert bench.calls() == ["sendMessage", "answerCallbackQuery", "editMessageText", "sendMessage"]


async def test_of_screens_in_turn_those_that_have_buttons_lose_them(bench):
    await bench.start(plain(buttons=["Next"]))
    for said in ("/start", "hello", "hello", "hello"):
        await bench.say(said)
    assert bench.calls() == [
        "sendMessage",  # one, with a button
        *("sendMessage", "editMessageReplyMarkup"),  # two, without
        "sendMessage",  # one
        *("sendMessage", "editMessageReplyMarkup"),
    ]
