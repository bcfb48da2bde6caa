"""Where a conversation talks after updates that do not say where they belong."""

import pytest

from fsmkit import Flow, Key, KeyBy, Reply
from fsmkit.telegram import button, command, inline, message, poll_answer, reaction, shipping_query

ANN, BEN, GROUP = 1, 2, -5
PERSON = {"id": ANN, "is_bot": False, "first_name": "Ann"}


def talk(on, **options):
    """Goes on from `ask` to `more` on one kind of update, and answers whatever is said there."""
    flow = Flow("talk", **options)
    flow.state("ask", prompt="Well?")
    flow.state("more", prompt="More?", remind_after=60, reminder="Still there?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "ask", {})

    @flow.defstate("ask", on=on)
    def went_on(event, ctx):
        return ("transition", "more")

    return flow


@pytest.fixture
def forum(bench):
    bench.offline.add_chat(GROUP, is_forum=True)
    bench.offline.add_user(BEN)
    return bench


def topics(bench):
    said = [m for m in bench.offline.messages(GROUP) if m.get("from", {}).get("is_bot")]
    return [(m["text"], m.get("message_thread_id")) for m in said]


HERE = [("Well?", 9), ("More?", 9), ("Still there?", 9)]


@pytest.mark.parametrize("by", ["inline", "shipping", "vote"])
async def test_what_has_no_chat_leaves_a_conversation_in_its_topic_also_for_reminders(forum, by):
    on = {"inline": inline(), "shipping": shipping_query(), "vote": poll_answer()}[by]
    await forum.start(talk(on, key=KeyBy.GLOBAL_USER))
    await forum.say("/start", chat=GROUP, thread=9)
    if by == "inline":
        forum.offline.gesture("inline", "typed", user=ANN)
    elif by == "vote":
        forum.offline.gesture("poll_answer", "0", user=ANN)
    else:
        place = dict.fromkeys(
            ("country_code", "state", "city", "street_line1", "street_line2", "post_code"), "x"
        )
        asked = {"id": "q", "from": PERSON, "invoice_payload": "tea", "shipping_address": place}
        forum.offline.update(shipping_query=asked)
    await forum.feed()
    await forum.advance(61)
    assert (topics(forum), forum.texts(ANN)) == (HERE, [])


async def test_a_reaction_which_does_not_say_its_topic_leaves_a_conversation_there(forum):
    await forum.start(talk(reaction()))
    await forum.say("/start", chat=GROUP, thread=9)
    forum.offline.react(forum.offline.messages(GROUP)[-1]["message_id"], "👍", chat=GROUP, user=ANN)
    await forum.feed()
    await forum.advance(61)
    assert topics(forum) == HERE


async def test_what_says_its_place_moves_a_conversation_there(forum):
    await forum.start(talk(message(), key=KeyBy.GLOBAL_USER))
    await forum.say("/start", chat=GROUP, thread=9)
    await forum.say("here now", chat=GROUP, thread=11)
    await forum.advance(61)
    assert topics(forum) == [("Well?", 9), ("More?", 11), ("Still there?", 11)]


async def test_buttons_that_are_somebodys_are_nobodys_where_nobody_is_known(forum):
    """A conversation of the chat with owned buttons, begun from outside: no person has spoken yet."""
    flow = Flow("desk", key=KeyBy.CHAT, buttons="owned")

    @flow.defstate(None, on=str)
    def told(event, ctx):
        ctx.reply(Reply(event, buttons=["Go"]))

    engine = await forum.start(flow)
    await engine.send(Key(GROUP, GROUP), "Ready?")
    assert await forum.press("Go", chat=GROUP, user=BEN) == ["This button is for somebody else."]


# -- presses under messages of which Telegram shows only chat and number --------------------------------


def press_old(bench, chat, user, thread=None):
    """Somebody presses the newest button (of a topic), whose message Telegram does not show any more."""
    shown = [m for m in bench.offline.messages(chat) if "reply_markup" in m]
    shown = [m for m in shown if thread is None or m.get("message_thread_id") == thread][-1]
    data = shown["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    bare = {"chat": shown["chat"], "message_id": shown["message_id"], "date": 0}
    person = {**PERSON, "id": user}
    query = {"id": "old", "from": person, "chat_instance": "1", "data": data, "message": bare}
    bench.offline.update(callback_query=query)


def order(**options):
    flow = Flow("order", ttl=None, **options)
    flow.state("sure", prompt="Sure?", buttons=["Yes"])

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "sure", {})

    @flow.defstate("sure", on=button("Yes"))
    def yes(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    return flow


@pytest.mark.parametrize("rule", [KeyBy.USER_IN_TOPIC, KeyBy.CHAT_TOPIC])
async def test_of_one_flow_in_two_topics_an_old_press_goes_to_that_of_its_button(forum, rule):
    engine = await forum.start(order(key=rule))
    await forum.say("/start", chat=GROUP, thread=9)
    await forum.say("/start", chat=GROUP, thread=11)
    press_old(forum, GROUP, ANN, thread=9)
    await forum.feed()
    user = GROUP if rule is KeyBy.CHAT_TOPIC else ANN
    assert topics(forum) == [("Sure?", 9), ("Sure?", 11), ("Done.", 9)]
    assert [(await engine.get_state("order", Key(GROUP, user, thread)))[0] for thread in (9, 11)] == [
        None,
        "sure",
    ]


async def test_an_old_press_in_a_business_chat_leaves_the_conversation_with_the_bot_itself_alone(bench):
    engine = await bench.start(order(), Flow("other", key=KeyBy.CHAT))
    await bench.say("/start")
    await bench.say("/start", business="bc")
    press_old(bench, ANN, ANN)
    await bench.feed()
    keys = Key(ANN, ANN), Key(ANN, ANN, business="bc")
    assert [(await engine.get_state("order", key))[0] for key in keys] == ["sure", None]
    sent = bench.offline.calls_of("sendMessage")[-1].params
    assert (sent["text"], sent["business_connection_id"]) == ("Done.", "bc")


async def test_an_old_press_of_a_run_that_is_over_is_stale_in_every_topic(forum):
    engine = await forum.start(order(key=KeyBy.USER_IN_TOPIC))
    await forum.say("/start", chat=GROUP, thread=9)
    await engine.reset_state("order", Key(GROUP, ANN, 9))
    await forum.say("/start", chat=GROUP, thread=11)
    press_old(forum, GROUP, ANN, thread=9)
    await forum.feed()
    assert forum.answers("old") == ["This button is no longer in use."]
    assert (await engine.get_state("order", Key(GROUP, ANN, 11)))[0] == "sure"
