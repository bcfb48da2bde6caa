"""Places where conversations happen: topics, groups, channels, business accounts, comments."""

import pytest

from fsmkit import Flow, Key, KeyBy, Timeout
from fsmkit.telegram import command, message, text

ANN, BEN, GROUP, CHANNEL = 1, 2, -5, -9
RULES = [rule for rule in KeyBy if not rule.by_message]


def wizard(**options):
    """Asks two questions and says what it heard."""
    flow = Flow("wizard", ttl=600, **options)
    flow.state("name", prompt="Name?", otherwise="Text, please.")
    flow.state("age", prompt="Age?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", {})

    @flow.defstate("name")
    def named(event, ctx):
        return ("transition", "age", {"name": event.text})

    @flow.defstate("name", on=Timeout)
    def late(event, ctx):
        ctx.reply("Too late.")
        return ("end",)

    @flow.defstate("age")
    def aged(event, ctx):
        ctx.reply(f"{ctx.data['name']}, {event.text}.")
        return ("end",)

    return flow


def topics(bench, chat=GROUP):
    """What the bot said, by topic; `None` is the General topic."""
    said = {}
    for sent in bench.offline.messages(chat):
        if sent.get("from", {}).get("is_bot"):
            said.setdefault(sent.get("message_thread_id"), []).append(sent["text"])
    return said


@pytest.fixture
def forum(bench):
    bench.offline.add_chat(GROUP, is_forum=True)
    bench.offline.add_user(BEN)
    return bench


# -- topics ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("thread", [9, None], ids=["a topic", "General"])
async def test_a_wizard_is_played_and_answered_in_its_topic(forum, rule, thread):
    await forum.start(wizard(key=rule))
    for words in ("/start", "Ann", "33"):
        await forum.say(words, chat=GROUP, thread=thread)
    assert topics(forum) == {thread: ["Name?", "Age?", "Ann, 33."]}


@pytest.mark.parametrize("rule", RULES)
async def test_a_reply_in_a_topic_belongs_to_the_topic(forum, rule):
    await forum.start(wizard(key=rule))
    await forum.say("/start", chat=GROUP, thread=9)
    asked = forum.offline.messages(GROUP)[-1]["message_id"]
    await forum.say("Ann", chat=GROUP, thread=9, reply_to_message=asked)
    assert topics(forum) == {9: ["Name?", "Age?"]}


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (KeyBy.USER_IN_TOPIC, {8: ["Name?", "Age?"], 9: ["Name?"]}),
        (KeyBy.CHAT_TOPIC, {8: ["Name?", "Age?"], 9: ["Name?"]}),
        # One conversation for both topics: the second /start is no answer to "Name?".
        (KeyBy.USER_IN_CHAT, {8: ["Name?", "Age?"], 9: ["Text, please."]}),
        (KeyBy.CHAT, {8: ["Name?", "Age?"], 9: ["Text, please."]}),
        (KeyBy.GLOBAL_USER, {8: ["Name?", "Age?"], 9: ["Text, please."]}),
    ],
)
async def test_two_topics_have_two_conversations_where_the_rule_says_so(forum, rule, said):
    await forum.start(wizard(key=rule))
    await forum.say("/start", chat=GROUP, thread=8)
    await forum.say("/start", chat=GROUP, thread=9)
    await forum.say("Ann", chat=GROUP, thread=8)
    assert topics(forum) == said


@pytest.mark.parametrize("rule", RULES)
async def test_a_timeout_speaks_in_the_topic(forum, rule):
    await forum.start(wizard(key=rule))
    await forum.say("/start", chat=GROUP, thread=9)
    await forum.advance(601)
    assert topics(forum) == {9: ["Name?", "Too late."]}


async def test_otherwise_is_said_in_the_topic(forum):
    await forum.start(wizard(key=KeyBy.USER_IN_TOPIC))
    await forum.say("/start", chat=GROUP, thread=9)
    forum.offline.send("dice", chat=GROUP, thread=9)
    await forum.feed()
    assert topics(forum) == {9: ["Name?", "Text, please."]}


async def test_a_person_who_goes_on_in_another_topic_is_answered_there(forum):
    await forum.start(wizard())
    await forum.say("/start", chat=GROUP, thread=8)
    await forum.say("Ann", chat=GROUP, thread=9)
    assert topics(forum) == {8: ["Name?"], 9: ["Age?"]}


async def test_replies_in_a_group_without_topics_are_answered_in_the_group(bench):
    bench.offline.add_chat(GROUP)
    await bench.start(wizard(key=KeyBy.USER_IN_TOPIC))
    await bench.say("/start", chat=GROUP, thread=77)
    await bench.say("Ann", chat=GROUP)
    assert topics(bench) == {None: ["Name?", "Age?"]}


# -- groups ---------------------------------------------------------------------------------------------


async def test_two_people_play_the_same_wizard_in_one_group(forum):
    flow = wizard()
    await forum.start(flow)
    for user, words in [
        (ANN, "/start"),
        (BEN, "/start"),
        (ANN, "Ann"),
        (BEN, "Ben"),
        (BEN, "22"),
        (ANN, "33"),
    ]:
        await forum.say(words, user=user, chat=GROUP)
    assert topics(forum) == {None: ["Name?", "Name?", "Age?", "Age?", "Ben, 22.", "Ann, 33."]}


async def test_a_group_plays_one_wizard_together_where_the_key_is_the_chat(forum):
    await forum.start(wizard(key=KeyBy.CHAT))
    for user, words in [(ANN, "/start"), (BEN, "Ben"), (ANN, "33")]:
        await forum.say(words, user=user, chat=GROUP)
    assert topics(forum) == {None: ["Name?", "Age?", "Ben, 33."]}


async def test_an_anonymous_admin_takes_part_only_where_the_key_is_the_chat(bench):
    bench.offline.add_chat(GROUP)
    alone, together = wizard(), Flow("together", key=KeyBy.CHAT)

    @together.defstate(None, on=text())
    def heard(event, ctx):
        ctx.reply(f"{event.user} said {event.text}")

    await bench.start(alone, together)
    group = bench.offline.add_chat(GROUP)
    anonymous = {"from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}, "sender_chat": group}
    for number, words in enumerate(["/start", "hello"]):
        base = {"message_id": 70 + number, "date": 1_000_000, "chat": group, "text": words}
        bench.offline.update(message={**base, **anonymous})
    await bench.feed()
    assert bench.texts(GROUP) == ["None said hello"]


# -- channels -------------------------------------------------------------------------------------------


async def test_a_channel_has_a_conversation_only_where_the_key_is_the_chat(bench):
    bench.offline.add_chat(CHANNEL, type="channel", bot_status="administrator")
    alone, together = wizard(), Flow("desk", key=KeyBy.CHAT)

    @together.defstate(None, on=command("draft"))
    def draft(event, ctx):
        ctx.reply("Post the text.")
        return ("transition", "open")

    @together.defstate("open", on=message())
    def posted(event, ctx):
        ctx.reply(f"Got {event.text!r} from user {event.user}.")
        return ("end",)

    await bench.start(alone, together)
    for words in ("/start", "/draft", "News"):
        await bench.say(words, chat=CHANNEL)
    assert bench.texts(CHANNEL) == ["Post the text.", "Got 'News' from user None."]
    assert await bench.engine.get_state(alone, Key(CHANNEL, ANN)) == (None, None)


async def test_a_channels_post_in_its_discussion_group_is_nobodys(bench):
    flow = Flow("f")
    flow.defstate(None, on=text())(lambda event, ctx: ctx.reply("A person!"))
    await bench.start(flow)
    group = bench.offline.add_chat(GROUP)
    channel = bench.offline.add_chat(CHANNEL, type="channel")
    post = {"message_id": 70, "date": 1_000_000, "chat": group, "text": "News", "is_automatic_forward": True}
    telegram = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
    bench.offline.update(message={**post, "from": telegram, "sender_chat": channel})
    await bench.feed()
    assert bench.texts(GROUP) == []


async def test_a_comment_on_a_linked_post_is_the_persons(bench):
    bench.offline.add_chat(GROUP)
    await bench.start(wizard(key=KeyBy.USER_IN_TOPIC))
    await bench.say("/start", chat=GROUP, thread=70)  # a thread of comments is no topic
    await bench.say("Ann", chat=GROUP, thread=71)
    assert topics(bench) == {None: ["Name?", "Age?"]}


# -- business accounts ----------------------------------------------------------------------------------


async def test_a_customer_is_answered_through_the_connection(bench):
    flow = wizard()
    await bench.start(flow)
    bench.offline.connect("b1", user=3)
    for words in ("/start", "Ann", "33"):
        await bench.say(words, user=7, business="b1")
    sent = bench.offline.calls_of("sendMessage")
    assert [call.params.get("business_connection_id") for call in sent] == ["b1"] * 3
    assert [call.error for call in sent] == [None] * 3
    assert bench.texts(7) == ["Name?", "Age?", "Ann, 33."]


@pytest.mark.parametrize("rule", RULES)
async def test_a_customer_of_a_business_and_of_the_bot_itself_has_two_conversations(bench, rule):
    flow = wizard(key=rule)
    await bench.start(flow)
    await bench.say("/start", user=7)
    await bench.say("Private", user=7)
    await bench.say("/start", user=7, business="b1")
    states = [
        await bench.engine.get_state(flow, Key(7, 7, None, business)) for business in (None, "b1", "b2")
    ]
    assert states == [("age", {"name": "Private"}), ("name", {}), (None, None)]


async def test_a_timeout_of_a_customer_speaks_through_the_connection(bench):
    await bench.start(wizard())
    await bench.say("/start", user=7, business="b1")
    await bench.advance(601)
    last = bench.offline.calls_of("sendMessage")[-1].params
    assert (last["text"], last["business_connection_id"]) == ("Too late.", "b1")


async def test_an_edited_business_message_is_no_answer(bench):
    flow = wizard()
    await bench.start(flow)
    number = (await bench.say("/start", user=7, business="b1"))["business_message"]["message_id"]
    bench.offline.edit(number, "Ann", user=7)
    await bench.feed()
    assert await bench.engine.get_state(flow, Key(7, 7, None, "b1")) == ("name", {})


async def test_deleted_and_read_business_messages_change_nothing(bench):
    flow = wizard()
    await bench.start(flow)
    await bench.say("/start", user=7, business="b1")
    chat = {"id": 7, "type": "private"}
    bench.offline.update(
        deleted_business_messages={"business_connection_id": "b1", "chat": chat, "message_ids": [1]}
    )
    await bench.feed()
    assert await bench.engine.get_state(flow, Key(7, 7, None, "b1")) == ("name", {})


async def test_what_the_bot_sent_for_the_business_is_no_event(bench):
    flow = Flow("echo", key=KeyBy.CHAT)
    flow.defstate(None, on=text())(lambda event, ctx: ctx.reply("Echo"))
    await bench.start(flow)
    own = {
        "business_connection_id": "b1",
        "sender_business_bot": {"id": 42, "is_bot": True, "first_name": "B"},
    }
    owner = {"id": 3, "is_bot": False, "first_name": "Owner"}
    base = {"message_id": 70, "date": 1_000_000, "chat": {"id": 7, "type": "private"}, "text": "Echo"}
    bench.offline.update(business_message={**base, **own, "from": owner})
    await bench.feed()
    assert bench.calls() == []


async def test_a_customer_who_blocks_the_bot_is_still_the_businesss_customer(bench):
    flow = wizard()
    await bench.start(flow)
    await bench.say("/start", user=7)
    await bench.say("/start", user=7, business="b1")
    bench.offline.block(7)
    await bench.feed()
    states = [await bench.engine.get_state(flow, Key(7, 7, None, business)) for business in (None, "b1")]
    assert states == [(None, None), ("name", {})]
