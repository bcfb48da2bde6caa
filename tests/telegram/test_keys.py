"""Whose conversation an update belongs to, by each of the five rules."""

import pytest
from telegram import Update
from telegram.ext import TypeHandler

from fsmkit import Flow, Key, KeyBy
from fsmkit.botapi import OfflineTelegram
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import attach, command

RULES = [KeyBy.USER_IN_CHAT, KeyBy.CHAT, KeyBy.GLOBAL_USER, KeyBy.USER_IN_TOPIC, KeyBy.CHAT_TOPIC]
GROUP = {"id": -5, "type": "supergroup", "title": "Chat -5"}
ANN = {"id": 1, "is_bot": False, "first_name": "Ann", "language_code": "en"}
ANONYMOUS = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
CHANNEL_BOT = {"id": 136817688, "is_bot": True, "first_name": "Channel"}
TELEGRAM = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
CHANNEL = {"id": -9, "type": "channel", "title": "News"}


def key(chat, user, thread=None, business=None):
    return Key(chat, user, thread, business, 42)


@pytest.fixture
def keys():
    return {}


@pytest.fixture
async def bench(bench, keys):
    """A flow of each rule; each notes its key and passes."""

    def watch(rule):
        flow = Flow(rule.name, key=rule)

        @flow.defstate(None, on=lambda event: True)
        def note(event, ctx):
            keys[ctx.flow] = ctx.key
            return ("pass",)

        return flow

    await bench.start(*map(watch, RULES))
    bench.offline.add_chat(-5, is_forum=True)
    return bench


def found(keys):
    return [keys.get(rule.name) for rule in RULES]


async def test_in_a_private_chat_all_rules_agree(bench, keys):
    await bench.say("a")
    assert found(keys) == [key(1, 1)] * 5


async def test_in_a_group_they_differ(bench, keys):
    await bench.say("a", chat=-5)
    assert found(keys) == [key(-5, 1), key(-5, -5), key(1, 1), key(-5, 1), key(-5, -5)]


async def test_a_forum_topic_counts_where_the_rule_says_so(bench, keys):
    await bench.say("a", chat=-5, thread=9)
    assert found(keys) == [key(-5, 1), key(-5, -5), key(1, 1), key(-5, 1, 9), key(-5, -5, 9)]


async def test_the_general_topic_is_no_topic(bench, keys):
    await bench.say("a", chat=-5, reply_to_message=None)
    assert found(keys)[3:] == [key(-5, 1), key(-5, -5)]


async def test_a_thread_of_replies_is_no_topic(bench, keys):
    bench.offline.add_chat(-6)
    await bench.say("a", chat=-6, thread=9)
    assert found(keys)[3:] == [key(-6, 1), key(-6, -6)]


async def test_a_topic_in_a_private_chat_counts_as_one(bench, keys):
    await bench.say("a", thread=3)
    assert found(keys) == [key(1, 1), key(1, 1), key(1, 1), key(1, 1, 3), key(1, 1, 3)]


async def test_a_business_connection_is_always_part_of_the_key(bench, keys):
    await bench.say("a", user=7, business="b1")
    assert found(keys) == [key(7, 7, None, "b1")] * 5


async def test_an_edited_message_belongs_where_the_message_did(bench, keys):
    update = await bench.say("a", chat=-5, thread=9)
    before = dict(keys)
    keys.clear()
    bench.offline.edit(update["message"]["message_id"], "b", chat=-5)
    await bench.feed()
    assert keys == before


async def test_a_channel_post_has_no_person_only_its_chat(bench, keys):
    bench.offline.add_chat(-9, type="channel")
    await bench.say("a", chat=-9)
    assert found(keys) == [None, key(-9, -9), None, None, key(-9, -9)]


async def test_an_edited_channel_post_has_no_person_either(bench, keys):
    bench.offline.add_chat(-9, type="channel")
    number = bench.offline.say("a", chat=-9)["channel_post"]["message_id"]
    await bench.feed()
    keys.clear()
    bench.offline.edit(number, "b", chat=-9)
    await bench.feed()
    assert found(keys) == [None, key(-9, -9), None, None, key(-9, -9)]


@pytest.mark.parametrize(
    "sender",
    [
        {"from": ANONYMOUS, "sender_chat": GROUP},
        {"from": CHANNEL_BOT, "sender_chat": CHANNEL},
        {"from": TELEGRAM, "sender_chat": CHANNEL, "is_automatic_forward": True},
    ],
    ids=["anonymous admin", "channel sender", "linked post"],
)
async def test_shared_accounts_are_nobody(bench, keys, sender):
    message = {"message_id": 8, "date": 1_000_000, "chat": GROUP, "text": "a", **sender}
    bench.offline.update(message=message)
    await bench.feed()
    assert found(keys) == [None, key(-5, -5), None, None, key(-5, -5)]


async def test_where_there_is_no_chat_the_person_stands_for_it(bench, keys):
    bench.offline.update(inline_query={"id": "q", "from": ANN, "query": "", "offset": ""})
    await bench.feed()
    assert found(keys) == [key(1, 1)] * 5


async def test_a_vote_belongs_to_the_voter(bench, keys):
    vote = {"poll_id": "p", "user": ANN, "option_ids": [0], "option_persistent_ids": ["a"]}
    bench.offline.update(poll_answer=vote)
    await bench.feed()
    assert found(keys) == [key(1, 1)] * 5


@pytest.mark.parametrize("shared", [{}, {"user": CHANNEL_BOT}], ids=["no user", "the shared account"])
async def test_a_vote_as_a_chat_is_nobodys(bench, keys, shared):
    vote = {"poll_id": "p", "voter_chat": GROUP, "option_ids": [0], "option_persistent_ids": ["a"]}
    bench.offline.update(poll_answer={**vote, **shared})
    await bench.feed()
    assert keys == {}


async def test_a_press_belongs_to_the_chat_of_its_message(bench, keys):
    sent = await bench.app.bot.send_message(-5, "menu")
    await bench.press_data("x", chat=-5, message_id=sent.message_id)
    assert found(keys) == [key(-5, 1), key(-5, -5), key(1, 1), key(-5, 1), key(-5, -5)]


async def test_a_press_in_a_topic_belongs_to_the_topic(bench, keys):
    await bench.say("a", chat=-5, thread=9)
    sent = await bench.app.bot.send_message(-5, "menu", message_thread_id=9)
    await bench.press_data("x", chat=-5, message_id=sent.message_id)
    assert found(keys) == [key(-5, 1), key(-5, -5), key(1, 1), key(-5, 1, 9), key(-5, -5, 9)]


async def test_a_press_under_an_inline_message_is_nobodys_conversation(bench, keys):
    answers = await bench.press_data("x", inline_message_id="abc")
    assert (keys, answers) == ({}, [""])


async def test_a_press_of_an_anonymous_admin_is_their_own(bench, keys):
    sent = await bench.app.bot.send_message(-5, "menu")
    await bench.press_data("x", user=3, chat=-5, message_id=sent.message_id)
    assert keys["USER_IN_CHAT"] == key(-5, 3)


async def test_a_change_of_membership_belongs_to_who_made_it(bench, keys):
    bench.offline.kick(-5, by=3)
    await bench.feed()
    assert keys["USER_IN_CHAT"] == key(-5, 3)


async def test_a_request_to_join_is_a_conversation_with_the_person(bench, keys):
    bench.offline.update(chat_join_request={"chat": GROUP, "from": ANN, "user_chat_id": 1, "date": 1_000_000})
    await bench.feed()
    assert found(keys) == [key(1, 1)] * 5


async def test_an_update_of_nobody_goes_on_to_the_bots_other_handlers(bench, keys):
    others = []

    async def note(update, context):
        others.append(update.update_id)

    bench.app.add_handler(TypeHandler(Update, note))
    counted = {"chat": GROUP, "message_id": 1, "date": 1_000_000, "reactions": []}
    update = bench.offline.update(message_reaction_count=counted)
    await bench.feed()
    assert (keys, others) == ({}, [update["update_id"]])


async def test_two_bots_in_one_store_never_meet(bench, clock):
    store = MemoryStore(clock)
    other = OfflineTelegram("43:OTHER", clock=clock)
    apps = [OfflineTelegram("44:THIRD", clock=clock), other]
    engines = []
    for offline in apps:
        flow = Flow("same")

        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            return ("transition", "on")

        flow.state("on")
        app = offline.builder().build()
        engine = attach(app, flow, store=store, clock=clock)
        engines.append((flow, engine))
        if offline is other:
            offline.say("/start")
        async with app, engine:
            await offline.feed(app)
    states = [await engine.get_state(flow, Key(1, 1)) for flow, engine in engines]
    rows = [row.key async for row in store.scan()]
    assert states == [(None, None), ("on", {})]
    assert rows == [Key(1, 1, None, None, 43)]
