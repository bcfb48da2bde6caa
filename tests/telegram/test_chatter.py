"""What nobody wanted in an ephemeral state goes with it, if it was said to that conversation."""

import logging

import pytest
from telegram import Update
from telegram.ext import MessageHandler, filters

from fsmkit import Flow, Key, KeyBy
from fsmkit.telegram import button, command, text

GROUP = -100


def secret(**options):
    """A flow that wants digits, says nothing to anything else, and is open afterwards."""
    flow = Flow("secret", ttl=60, **options)
    flow.state("pin", prompt="Your PIN?", ephemeral=True)
    flow.state("open")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "pin")

    @flow.defstate("pin", on=text("1234"))
    def pin(event, ctx):
        ctx.reply("Thank you.")
        return ("transition", "open")

    return flow


def said(bench, chat=1):
    return [message.get("text", "?") for message in bench.offline.messages(chat)]


async def test_unwanted_messages_of_every_kind_go_with_the_state(bench):
    await bench.start(secret())
    for words in ("/start", "hello?", "is anybody there"):
        await bench.say(words)
    bench.offline.send("sticker")
    await bench.feed()
    await bench.say("1234")
    assert said(bench) == ["/start", "Thank you."]
    assert len(bench.offline.calls_of("deleteMessages")) == 1


async def test_a_message_that_its_handler_passes_is_unwanted_too(bench):
    flow = secret()
    flow.defstate("pin", on=text())(lambda event, ctx: ("pass",))
    await bench.start(flow)
    for words in ("/start", "one", "1234"):
        await bench.say(words)
    assert said(bench) == ["/start", "Thank you."]


async def test_unwanted_messages_still_go_on_to_the_bots_other_handlers(bench):
    seen = []

    async def note(update, context):
        seen.append(update.message.text)

    await bench.start(secret())
    bench.app.add_handler(MessageHandler(filters.TEXT, note), group=5)
    for words in ("/start", "hello?", "1234"):
        await bench.say(words)
    assert seen == ["hello?"]


async def test_they_move_no_deadline(bench):
    await bench.start(secret())
    await bench.say("/start")
    await bench.advance(50)
    await bench.say("hello?")
    await bench.advance(11)
    assert said(bench) == ["/start"]


async def test_commands_and_what_is_said_in_other_states_stay(bench):
    await bench.start(secret())
    for words in ("/start", "/weather", "1234", "and now?"):
        await bench.say(words)
    assert said(bench) == ["/start", "/weather", "Thank you.", "and now?"]


async def test_a_message_that_telegram_gives_twice_is_noted_once(bench):
    await bench.start(secret())
    await bench.say("/start")
    update = await bench.say("hello?")
    await bench.app.process_update(Update.de_json(update, bench.app.bot))
    row = await bench.engine.peek(Key(1, 1, bot=42))
    assert row.snapshots["secret"].frames[0].tracked.count(3) == 1


@pytest.fixture
async def group(bench):
    bench.offline.add_user(2)
    bench.offline.add_chat(GROUP, bot_status="administrator")
    return bench


async def test_in_a_group_only_the_persons_own_messages_go(group):
    await group.start(secret())
    await group.say("/start", chat=GROUP)
    await group.say("hm", chat=GROUP)
    await group.say("a word of another", chat=GROUP, user=2)
    await group.say("1234", chat=GROUP)
    assert said(group, GROUP) == ["/start", "a word of another", "Thank you."]


@pytest.mark.parametrize(
    ("options", "left"),
    [({"buttons": "owned"}, ["/start", "a word of another", "Thank you."]), ({"buttons": "shared"}, None)],
    ids=["owned", "shared"],
)
async def test_a_groups_conversation_is_that_of_whom_it_was_spoken_with(group, options, left):
    await group.start(secret(key=KeyBy.CHAT, **options))
    await group.say("/start", chat=GROUP)
    await group.say("hm", chat=GROUP)
    await group.say("a word of another", chat=GROUP, user=2)
    await group.say("1234", chat=GROUP)
    assert said(group, GROUP) == (left or ["/start", "hm", "a word of another", "Thank you."])


async def test_otherwise_does_not_make_a_bystanders_message_the_conversations(group):
    flow = Flow("vote", key=KeyBy.CHAT)
    flow.state("on", prompt="Vote!", ephemeral=True, otherwise="Yes or no.")
    flow.defstate(None, on=command("vote"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on", on=text("yes"))(lambda event, ctx: ("end",))
    await group.start(flow)
    await group.say("/vote", chat=GROUP)
    await group.say("what is this", chat=GROUP, user=2)
    await group.say("yes", chat=GROUP)
    assert said(group, GROUP) == ["/vote", "what is this"]


async def test_what_a_person_says_in_a_group_is_not_deleted_for_a_conversation_in_private(group):
    """The number of that message is another message's in the private chat."""
    await group.start(secret(key=KeyBy.GLOBAL_USER))
    await group.say("/start")
    for words in ("a", "b", "c"):
        await group.say(words, chat=GROUP)
    await group.say("/keep")
    await group.say("1234")
    assert said(group) == ["/start", "/keep", "Thank you."]
    assert said(group, GROUP) == ["a", "b", "c"]


async def test_where_the_bot_may_not_delete_nothing_breaks_and_no_error_is_logged(bench, caplog):
    bench.offline.add_chat(GROUP)  # a plain member
    await bench.start(secret())
    with caplog.at_level(logging.WARNING):
        for words in ("/start", "hm", "1234"):
            await bench.say(words, chat=GROUP)
    assert said(bench, GROUP) == ["/start", "hm", "1234", "Thank you."]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_two_conversations_of_one_person_both_tidy_up(bench):
    """The older one is left first; the message that it deleted is no failure for the other."""
    other = Flow("other")
    other.state("on", ephemeral=True)
    other.defstate(None, on=command("other"))(lambda event, ctx: ("transition", "on"))
    other.defstate("on", on=command("end"))(lambda event, ctx: ("end",))
    other.defstate("on", on=button())(lambda event, ctx: None)
    await bench.start(secret(), other)
    for words in ("/start", "/other", "hm", "1234", "/end"):
        await bench.say(words)
    assert said(bench) == ["/start", "/other", "Thank you.", "/end"]
