"""The conversation's one screen, and messages that go when their state is left."""

import pytest

from fsmkit import Flow, Key
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
        ctx.track(event)
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


async def test_a_message_sent_after_its_state_had_been_left_is_tidied_with_the_next_event(bench):
    await bench.start(tidy())
    bench.offline.fail("sendMessage", retry_after=10)
    await bench.say("/start")
    await bench.say("hunter2")
    await bench.advance(10)
    assert visible(bench) == ["/start", "Your password?", "Thank you."]
    await bench.say("track")
    assert visible(bench) == ["/start", "Thank you.", "track", "passing"]
