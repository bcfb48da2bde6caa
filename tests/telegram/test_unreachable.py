"""A place where the bot cannot write any more: what talks there ends, what talks elsewhere goes on."""

import pytest

from fsmkit import DeliveryFailed, Flow, Key, KeyBy
from fsmkit.telegram import command, kind, text

ANN, BEN, GROUP = 1, 2, -5


def talking(**options):
    flow, left = Flow("f", **options), []
    flow.state("on")

    @flow.on_exit("on")
    def leave(ctx):
        left.append(ctx.key)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=text())
    def echo(event, ctx):
        ctx.reply(event.text)

    return flow, left


@pytest.fixture
def group(bench):
    bench.offline.add_chat(GROUP)
    bench.offline.add_user(ANN)
    bench.offline.add_user(BEN)
    return bench


@pytest.mark.parametrize(
    "said",
    [
        "have no rights to send a message",
        "not enough rights",
        "chat not found",
        "not enough rights to send text messages to the chat",
    ],
)
async def test_a_400_that_nothing_can_be_written_there_ends_all_who_talk_there(group, said):
    flow, left = talking()
    await group.start(flow)
    for user in (ANN, BEN):
        await group.say("/start", chat=GROUP, user=user)
    await group.say("/start")
    group.offline.fail("sendMessage", status=400, description=f"Bad Request: {said}")
    await group.say("hello", chat=GROUP)
    assert [(key.chat, key.user) for key in left] == [(GROUP, ANN), (GROUP, BEN)]
    await group.say("still here")
    assert group.texts() == ["still here"]


async def test_that_no_photos_may_be_sent_is_told_to_the_conversation_which_goes_on(group):
    flow, left = talking()
    told = []
    flow.defstate("on", on=DeliveryFailed)(lambda event, ctx: told.append(event.error))
    await group.start(flow)
    await group.say("/start", chat=GROUP)
    refusal = "Bad Request: not enough rights to send photos to the chat"
    group.offline.fail("sendMessage", status=400, description=refusal)
    await group.say("hello", chat=GROUP)
    assert (left, len(told)) == ([], 1)


async def test_a_bot_that_is_restricted_and_no_member_is_gone(group):
    flow, left = talking()
    await group.start(flow)
    await group.say("/start", chat=GROUP)
    bot = {"user": group.offline._world.bot}
    rights = {f"can_{what}": False for what in RIGHTS}
    change = {"chat": {"id": GROUP, "type": "supergroup", "title": "G"}, "date": 1_000_000}
    for member in (True, False):
        new = {**bot, **rights, "status": "restricted", "is_member": member, "until_date": 0}
        old = {**bot, "status": "member"}
        who = {"from": group.offline.add_user(3), "old_chat_member": old, "new_chat_member": new}
        group.offline.update(my_chat_member={**change, **who})
        await group.feed()
        assert len(left) == (not member)


RIGHTS = [
    "send_messages",
    "send_audios",
    "send_documents",
    "send_photos",
    "send_videos",
    "send_video_notes",
    "send_voice_notes",
    "send_polls",
    "send_other_messages",
    "add_web_page_previews",
    "change_info",
    "invite_users",
    "pin_messages",
    "manage_topics",
    "edit_tag",
    "react_to_messages",
]


async def test_a_message_refused_where_the_conversation_talked_before_is_told_and_ends_nothing(group):
    """It waits for the private chat while the person goes on in the group; then that refuses it."""
    flow, left = talking(key=KeyBy.GLOBAL_USER)
    told = []
    flow.defstate("on", on=DeliveryFailed)(lambda event, ctx: told.append(event.effect.to.chat))
    await group.start(flow)
    await group.say("/start")
    group.offline.fail("sendMessage", status=429, retry_after=5)
    await group.say("one")
    await group.say("two", chat=GROUP)
    group.offline.fail("sendMessage", status=403, when=lambda p: p["chat_id"] == ANN)
    await group.advance(6)
    await group.advance(6)
    assert (left, told, group.texts(GROUP)) == ([], [ANN], ["two"])


async def test_a_revoked_connection_ends_its_conversations_and_no_others(bench):
    flow, left = talking()
    flow.defstate(None, on=kind("business_connection"))(lambda event, ctx: ("pass",))
    await bench.start(flow)
    for name in ("bc", "other"):
        bench.offline.connect(name, user=99)
        await bench.say("/start", user=7, business=name)
    await bench.say("/start", user=7)
    await bench.say("/start", user=8, business="bc")
    bench.offline.connect("bc", user=99, enabled=False)
    await bench.feed()
    assert left == [Key(7, 7, business="bc", bot=left[0].bot), Key(8, 8, business="bc", bot=left[0].bot)]
    assert (await bench.engine.get_state(flow, Key(7, 7)))[0] == "on"
