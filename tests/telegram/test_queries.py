"""What is no ordinary message: whose it is, what a handler reads of it, and its matcher."""

import re

import pytest
from telegram import Update
from telegram.ext import TypeHandler

from fsmkit import Flow, Key, KeyBy
from fsmkit.telegram import (
    animation,
    chat_join_request,
    chat_member,
    chat_shared,
    chosen_inline_result,
    command,
    dice,
    inline,
    kind,
    message,
    my_chat_member,
    poll,
    poll_answer,
    pre_checkout_query,
    purchased_paid_media,
    reaction,
    refunded_payment,
    shipping_query,
    successful_payment,
    text,
    users_shared,
    video_note,
    web_app_data,
)

ANN = {"id": 1, "is_bot": False, "first_name": "Ann", "language_code": "de"}
GROUP = {"id": -5, "type": "supergroup", "title": "Group"}
PAYMENT = {
    "currency": "XTR",
    "total_amount": 5,
    "invoice_payload": "tea",
    "telegram_payment_charge_id": "c",
    "provider_payment_charge_id": "p",
}
REFUND = {name: value for name, value in PAYMENT.items() if name != "provider_payment_charge_id"}
MEMBER = {"user": ANN, "status": "member"}
CHANGE = {"chat": GROUP, "from": ANN, "date": 1_000_007, "old_chat_member": MEMBER, "new_chat_member": MEMBER}


def everything(offline):
    """One of each, and some that are nobody's."""
    number = offline.say("hello")["message"]["message_id"]
    for what in ("animation", "video_note", "dice"):
        offline.send(what)
    question = {"id": "p", "question": "?", "options": [], "total_voter_count": 0, "type": "regular"}
    flags = ("is_closed", "is_anonymous", "allows_multiple_answers", "allows_revoting", "members_only")
    offline.send("poll", **question, **dict.fromkeys(flags, False))
    offline.send("web_app_data", data="{}", button_text="Open")
    offline.send("users_shared", request_id=1, users=[{"user_id": 7}])
    offline.send("chat_shared", request_id=1, chat_id=-7)
    offline.send("successful_payment", **PAYMENT)
    offline.send("refunded_payment", **REFUND)
    offline.update(inline_query={"id": "q", "from": ANN, "query": "cats", "offset": ""})
    offline.update(chosen_inline_result={"result_id": "r1", "from": ANN, "query": "cats"})
    vote = {"poll_id": "p", "user": ANN, "option_ids": [0], "option_persistent_ids": ["a"]}
    offline.update(poll_answer=vote)
    offline.react(number, "👍")
    offline.react(number)
    offline.checkout("tea")
    offline.ship("tea")
    offline.update(purchased_paid_media={"from": ANN, "paid_media_payload": "film"})
    offline.update(my_chat_member={**CHANGE, "chat": {"id": 1, "type": "private"}})
    offline.update(chat_member={**CHANGE, "chat": {"id": 1, "type": "private"}})
    offline.ask_to_join(-5)
    offline.connect("b1")
    offline.update(managed_bot={"user": ANN, "bot": {"id": 9, "is_bot": True, "first_name": "B"}})


MATCHERS = [
    (animation(), "animation"),
    (video_note(), "video_note"),
    (dice(), "dice"),
    (poll(), "poll"),
    (web_app_data(), "web_app_data"),
    (web_app_data(r"\{.*\}"), "web_app_data"),
    (web_app_data("x"), ""),
    (users_shared(), "users_shared"),
    (chat_shared(), "chat_shared"),
    (successful_payment(), "successful_payment"),
    (successful_payment("tea|coffee"), "successful_payment"),
    (successful_payment("te"), ""),
    (refunded_payment(), "refunded_payment"),
    (refunded_payment("coffee"), ""),
    (inline(), "inline"),
    (chosen_inline_result(), "chosen_inline_result"),
    (chosen_inline_result(r"r\d"), "chosen_inline_result"),
    (chosen_inline_result("cats"), ""),
    (poll_answer(), "poll_answer"),
    (reaction(), "message_reaction"),
    (reaction("👍"), "message_reaction"),
    (reaction("👎"), ""),
    (kind("message_reaction"), "message_reaction message_reaction"),
    (pre_checkout_query(), "pre_checkout_query"),
    (pre_checkout_query("t.a"), "pre_checkout_query"),
    (pre_checkout_query("coffee"), ""),
    (shipping_query(), "shipping_query"),
    (shipping_query("coffee"), ""),
    (purchased_paid_media("film"), "purchased_paid_media"),
    (my_chat_member(), "my_chat_member"),
    (chat_member(), "chat_member"),
    (chat_join_request(), "chat_join_request"),
    (kind("business_connection", "managed_bot"), "business_connection managed_bot"),
    (
        message(),
        "text animation video_note dice poll web_app_data users_shared chat_shared",
    ),
]


@pytest.mark.parametrize(("on", "wanted"), MATCHERS, ids=[repr(on) for on, _ in MATCHERS])
async def test_a_matcher_wants_only_its_own(bench, on, wanted):
    flow, taken = Flow("f", key=KeyBy.CHAT), []

    @flow.defstate(None, on=on)
    def take(event, ctx):
        taken.append(event.kind)
        if event.kind in ("pre_checkout_query", "shipping_query"):
            ctx.decline("Test")

    await bench.start(flow)
    everything(bench.offline)
    await bench.feed()
    assert taken == wanted.split()


@pytest.fixture
def read(bench):
    """Feeds one update; returns its event and what its matcher made of it, or `None` if nobody saw it."""

    async def read(on, do):
        flow, seen = Flow("f", key=KeyBy.CHAT), []

        @flow.defstate(None, on=on)
        def take(event, ctx):
            seen.append((event, ctx.match))
            return ("pass",)

        await bench.start(flow)
        do(bench.offline)
        await bench.feed()
        return seen[-1] if seen else None

    return read


def fields(event):
    return (
        event.text,
        event.value,
        event.chat_id,
        event.user_id,
        event.thread_id,
        event.message_id,
        event.date,
    )


async def test_a_reaction_has_its_message_its_chat_and_its_emoji(bench, read):
    def do(offline):
        offline.add_chat(-5)
        number = offline.say("hello", chat=-5)["message"]["message_id"]
        offline.react(number, "👍", chat=-5, user=7)
        bench.clock.advance(3)
        offline.react(number, "👍", "🔥", "👎", chat=-5, user=7)

    event, found = await read(reaction("👎", "🔥"), do)
    assert (found, event.reactions, event.address.chat) == ("🔥", ("🔥", "👎"), -5)
    assert fields(event) == (None, None, -5, 7, None, 1, 1_000_003.0)


@pytest.mark.parametrize(
    ("given", "name"),
    [({"type": "custom_emoji", "custom_emoji_id": "c1"}, "c1"), ({"type": "paid"}, "paid")],
    ids=["custom", "paid"],
)
async def test_a_reaction_of_another_kind_has_a_name_too(read, given, name):
    change = {
        "chat": GROUP,
        "message_id": 3,
        "user": ANN,
        "date": 1,
        "old_reaction": [],
        "new_reaction": [given],
    }
    event, found = await read(reaction(name), lambda offline: offline.update(message_reaction=change))
    assert (found, event.reactions) == (name, (name,))


async def test_a_reaction_as_a_chat_is_nobodys(bench):
    flow, keys = Flow("f"), []
    flow.defstate(None, on=reaction())(lambda event, ctx: keys.append(ctx.key))
    change = {"chat": GROUP, "message_id": 3, "actor_chat": GROUP, "date": 1, "old_reaction": []}
    bench.offline.update(message_reaction={**change, "new_reaction": [{"type": "emoji", "emoji": "👍"}]})
    await bench.start(flow)
    await bench.feed()
    assert keys == []


async def test_a_vote_tells_who_voted_for_what(bench):
    flow, votes = Flow("f"), []

    @flow.defstate(None, on=command("poll"))
    async def ask(event, ctx):
        sent = await ctx.bot.send_poll(event.chat_id, "Tea?", ["Yes", "No"], is_anonymous=False)
        return ("transition", "asked", {"poll": sent.poll.id})

    @flow.defstate("asked", on=poll_answer())
    def voted(event, ctx):
        votes.append((event.user_id, ctx.match.option_ids, ctx.match.poll_id == ctx.data["poll"], event.date))

    await bench.start(flow)
    await bench.say("/poll")
    bench.offline.vote(2, 1)
    await bench.feed()
    assert votes == [(1, (1,), True, None)]


async def test_the_count_of_a_poll_goes_on_to_other_handlers(bench):
    others = []

    async def note(update, context):
        if update.poll is not None:
            others.append(update.poll.total_voter_count)

    bench.app.add_handler(TypeHandler(Update, note))
    flow = Flow("f", key=KeyBy.CHAT)
    flow.defstate(None, on=lambda event: True)(lambda event, ctx: ("pass",))
    await bench.start(flow)
    sent = await bench.app.bot.send_poll(1, "Tea?", ["Yes", "No"])
    bench.offline.vote(sent.message_id, 0)
    await bench.feed()
    assert others == [1]


async def test_a_web_apps_data_are_its_value(read):
    event, found = await read(
        web_app_data(r"(\w+)=1"), lambda offline: offline.send("web_app_data", data="a=1", button_text="Open")
    )
    assert (found.group(1), event.value, event.content.button_text) == ("a", "a=1", "Open")
    assert isinstance(found, re.Match)


async def test_a_shared_user_is_the_match(read):
    _event, found = await read(
        users_shared(), lambda offline: offline.send("users_shared", request_id=3, users=[{"user_id": 7}])
    )
    assert (found.request_id, found.users[0].user_id) == (3, 7)


async def test_a_chosen_result_has_its_query_and_its_id(read):
    chosen = {"result_id": "r1", "from": ANN, "query": "cats", "inline_message_id": "m"}
    event, found = await read(
        chosen_inline_result("r1"), lambda offline: offline.update(chosen_inline_result=chosen)
    )
    assert (found.group(), fields(event)) == ("r1", ("cats", "r1", None, 1, None, None, None))


async def test_an_inline_query_is_answered_at_once_and_goes_on_with_the_person(bench):
    from telegram import InlineQueryResultArticle, InputTextMessageContent

    flow = Flow("search")

    @flow.defstate(None, on=inline())
    async def search(event, ctx):
        found = InlineQueryResultArticle("1", event.text, InputTextMessageContent(event.text))
        await event.content.answer([found])
        return ("transition", "searched", {"query": event.text})

    @flow.defstate("searched", on=chosen_inline_result())
    def chosen(event, ctx):
        ctx.reply(f"You sent {ctx.data['query']}.")

    await bench.start(flow)
    bench.offline.update(inline_query={"id": "q", "from": ANN, "query": "cats", "offset": ""})
    bench.offline.update(chosen_inline_result={"result_id": "1", "from": ANN, "query": "cats"})
    await bench.feed()
    assert (len(bench.offline.calls_of("answerInlineQuery")), bench.texts()) == (1, ["You sent cats."])


async def test_a_request_to_join_begins_a_conversation_with_the_person_and_not_in_the_group(bench):
    flow = Flow("door", ttl=600)
    flow.state("asked", prompt="How much is two and two?", otherwise="A number, please.")

    @flow.defstate(None, on=chat_join_request())
    def asks(event, ctx):
        return ("transition", "asked", {"group": ctx.match.chat.id})

    @flow.defstate("asked", on=text("4"))
    async def right(event, ctx):
        await ctx.bot.approve_chat_join_request(ctx.data["group"], event.user_id)
        ctx.reply("Welcome.")
        return ("end",)

    await bench.start(flow)
    bench.offline.add_chat(-5)
    bench.offline.ask_to_join(-5, user=7)
    await bench.feed()
    await bench.say("five", user=7)
    await bench.say("4", user=7)
    assert bench.texts(7) == ["How much is two and two?", "A number, please.", "Welcome."]
    [approved] = bench.offline.calls_of("approveChatJoinRequest")
    assert (approved.params, approved.error, bench.texts(-5)) == ({"chat_id": -5, "user_id": 7}, None, [])


async def test_a_request_to_join_is_answered_where_telegram_allows_it(read):
    """`user_chat_id` is the person's chat; the bot may write there although nobody has started it."""
    request = {"chat": GROUP, "from": ANN, "user_chat_id": 77, "date": 1_000_009}
    event, _found = await read(chat_join_request(), lambda offline: offline.update(chat_join_request=request))
    assert (event.address.chat, event.address.lang) == (77, "de")
    assert fields(event) == (None, None, None, 1, None, None, 1_000_009.0)


async def test_a_change_of_a_member_has_its_chat_and_its_date(read):
    event, found = await read(chat_member(), lambda offline: offline.update(chat_member=CHANGE))
    assert (found.new_chat_member.status, fields(event)) == (
        "member",
        (None, None, -5, 1, None, None, 1_000_007.0),
    )


async def test_a_question_before_a_payment_has_its_payload_and_no_chat(read):
    event, found = await read(
        pre_checkout_query("t.*"), lambda offline: offline.checkout("tea", amount=7, user=3)
    )
    assert (found.group(), event.content.total_amount) == ("tea", 7)
    assert fields(event) == (None, "tea", None, 3, None, None, None)


async def test_a_business_connection_is_its_owners(bench):
    flow, seen = Flow("f"), []

    @flow.defstate(None, on=kind("business_connection"))
    def connected(event, ctx):
        seen.append((ctx.key[:4], event.content.is_enabled))
        ctx.reply("Connected." if event.content.is_enabled else "Good-bye.")

    await bench.start(flow)
    bench.offline.connect("b1", user=3)
    await bench.feed()
    bench.offline.connect("b1", user=3, enabled=False)
    await bench.feed()
    assert seen == [((3, 3, None, None), True), ((3, 3, None, None), False)]
    assert bench.texts(3) == ["Connected.", "Good-bye."]


async def test_what_nobody_did_reaches_no_flow_and_goes_on(bench):
    flow, seen, others = Flow("f", key=KeyBy.CHAT), [], []
    flow.defstate(None, on=lambda event: True)(lambda event, ctx: seen.append(event))

    async def note(update, context):
        others.append(update.update_id)

    bench.app.add_handler(TypeHandler(Update, note))
    await bench.start(flow)
    deleted = {"business_connection_id": "b1", "chat": {"id": 7, "type": "private"}, "message_ids": [1]}
    premium = {"source": "premium", "user": ANN}
    boost = {"boost_id": "b", "add_date": 1, "expiration_date": 2, "source": premium}
    counted = {"chat": GROUP, "message_id": 1, "date": 1, "reactions": []}
    removed = {"chat": GROUP, "boost_id": "b", "remove_date": 1, "source": premium}
    bench.offline.update(deleted_business_messages=deleted)
    bench.offline.update(chat_boost={"chat": GROUP, "boost": boost})
    bench.offline.update(removed_chat_boost=removed)
    bench.offline.update(message_reaction_count=counted)
    await bench.feed()
    assert (seen, len(others)) == ([], 4)


def test_a_reaction_is_given_as_a_text():
    with pytest.raises(TypeError, match="emoji"):
        reaction(1)


def test_matchers_say_what_they_are():
    shown = [repr(reaction("👍")), repr(pre_checkout_query("a")), repr(pre_checkout_query())]
    assert shown == ["reaction('👍')", "pre_checkout_query('a')", "pre_checkout_query()"]


def test_a_person_has_one_key_for_all_that_has_no_chat():
    assert KeyBy.USER_IN_CHAT.key(chat=None, user=1) == Key(1, 1)
