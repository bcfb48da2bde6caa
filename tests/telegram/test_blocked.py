"""Who has blocked the bot is not there any more: the conversation ends, with its hooks."""

import pytest

from fsmkit import Flow, Key, KeyBy, Timeout
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import command, my_chat_member, raw_button, text

ANN, BEN = Key(1, 1), Key(2, 2)


def leaving(**options):
    flow, left = Flow("f", ttl=600, **options), []
    flow.state("on")

    @flow.on_exit("on")
    def leave(ctx):
        left.append(ctx.key.user)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=text())
    def echo(event, ctx):
        ctx.reply("one")
        ctx.reply("two")

    return flow, left


async def test_blocked_by_the_user_the_conversation_ends_with_its_hooks(bench):
    flow, left = leaving()
    await bench.start(flow)
    await bench.say("/start")
    bench.offline.fail("sendMessage", status=403, times=9)
    await bench.say("hello")
    assert (left, await bench.engine.get_state(flow, ANN)) == ([1], (None, None))
    await bench.advance(100)
    assert len(bench.calls()) == 2


async def test_an_update_that_tells_of_the_block_ends_the_conversation_with_its_hooks(bench):
    flow, left = leaving()
    await bench.start(flow)
    bench.offline.add_user(2)
    await bench.say("/start")
    await bench.say("/start", user=2)
    bench.offline.block(1)
    await bench.feed()
    assert (left, await bench.engine.get_state(flow, ANN)) == ([1], (None, None))
    assert (await bench.engine.get_state(flow, BEN), bench.calls()) == (("on", {}), [])


async def test_a_user_who_comes_back_starts_anew(bench):
    flow, left = leaving()
    await bench.start(flow)
    await bench.say("/start")
    bench.offline.block(1)
    bench.offline.unblock(1)
    await bench.say("/start")
    await bench.say("hello")
    assert (left, bench.texts()) == ([1], ["one", "two"])


async def test_blocked_while_a_timeout_speaks_the_conversation_ends(bench):
    flow, left = leaving()

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        ctx.reply("Are you there?")

    await bench.start(flow)
    await bench.say("/start")
    bench.offline.fail("sendMessage", status=403)
    await bench.advance(601)
    assert (left, await bench.engine.get_state(flow, ANN)) == ([1], (None, None))


# -- groups ---------------------------------------------------------------------------------------------

GROUP, OTHER = -5, -6


async def in_group(bench, *flows, chats=(GROUP,), users=(1, 2)):
    """Everybody has a conversation in each of the groups."""
    await bench.start(*flows)
    for user in users:
        bench.offline.add_user(user)
    for chat in chats:
        bench.offline.add_chat(chat)
        for user in users:
            await bench.say("/start", chat=chat, user=user)


async def states(bench, flow, *keys):
    return [(await bench.engine.get_state(flow, key))[0] for key in keys]


@pytest.mark.parametrize("status", ["kicked", "left"])
async def test_removed_from_a_group_all_its_conversations_end_and_no_others(bench, status):
    flow, left = leaving()
    await in_group(bench, flow, chats=(GROUP, OTHER))
    await bench.say("/start")
    if status == "kicked":
        bench.offline.kick(GROUP, by=3)
    else:
        member = {"user": bench.offline._world.bot}
        change = {"chat": {"id": GROUP, "type": "supergroup", "title": "G"}, "date": 1_000_000}
        bench.offline.update(
            my_chat_member={
                **change,
                "from": bench.offline.add_user(3),
                "old_chat_member": {**member, "status": "member"},
                "new_chat_member": {**member, "status": "left"},
            }
        )
    await bench.feed()
    keys = [Key(GROUP, 1), Key(GROUP, 2), Key(OTHER, 1), Key(OTHER, 2), Key(1, 1)]
    assert await states(bench, flow, *keys) == [None, None, "on", "on", "on"]
    assert (sorted(left), bench.calls()) == ([1, 2], [])


@pytest.mark.parametrize("rule", [KeyBy.CHAT, KeyBy.CHAT_TOPIC, KeyBy.USER_IN_TOPIC])
async def test_conversations_of_all_rules_that_have_the_chat_end_with_it(bench, rule):
    flow, left = leaving(key=rule)
    await in_group(bench, flow, users=(1,))
    bench.offline.kick(GROUP, by=3)
    await bench.feed()
    assert len(left) == 1


async def test_a_person_whose_conversation_is_everywhere_goes_on_elsewhere(bench):
    flow, left = leaving(key=KeyBy.GLOBAL_USER)
    await in_group(bench, flow, users=(1,))
    await bench.say("hello")
    bench.offline.kick(GROUP, by=1)
    await bench.feed()
    await bench.say("hello")
    assert (left, bench.texts()) == ([], ["one", "two"] * 2)


@pytest.mark.parametrize("place", ["group", "topic", "channel"])
async def test_a_persons_conversation_ends_at_once_with_the_place_that_it_talks_in(bench, place):
    """Ben's was begun there and has gone on in private; Cid's never was there."""
    flow, left = leaving(key=KeyBy.GLOBAL_USER)

    @flow.defstate("on", on=raw_button("here"))
    def here(event, ctx):
        return ("stay",)

    await bench.start(flow)
    options = {"type": "channel"} if place == "channel" else {"is_forum": place == "topic"}
    bench.offline.add_chat(GROUP, **options)
    for user in (2, 3):
        bench.offline.add_user(user)
    if place == "channel":  # a post has no person: who presses under it has
        for user in (1, 2):
            await bench.say("/start", user=user)
            await bench.press_data("here", chat=GROUP, user=user)
    else:
        where = {"thread": 9} if place == "topic" else {}
        for user in (1, 2):
            await bench.say("/start", chat=GROUP, user=user, **where)
    await bench.say("/start", user=3)
    await bench.say("hello", user=2)
    bench.offline.kick(GROUP, by=3)
    await bench.feed()
    assert await states(bench, flow, Key(1, 1), Key(2, 2), Key(3, 3)) == [None, "on", "on"]
    assert left == [1]


async def test_a_conversation_that_an_earlier_process_stored_ends_with_its_group_too(bench):
    flow, left = leaving(key=KeyBy.GLOBAL_USER)
    store = MemoryStore(bench.clock)
    await bench.start(flow, store=store)
    bench.offline.add_chat(GROUP)
    await bench.say("/start", chat=GROUP)
    await bench.engine.stop()
    later = type(bench)(bench.offline, bench.clock)
    await later.start(flow, store=store)
    later.offline.kick(GROUP, by=3)
    await later.feed()
    assert (await states(later, flow, ANN), left) == ([None], [1])
    await later.close()


async def test_a_group_that_has_moved_ends_no_conversation_that_has_gone_along(bench):
    """The old group is left by the bot when it becomes a supergroup: that is no removal."""
    flow, left = leaving(key=KeyBy.GLOBAL_USER)
    await bench.start(flow)
    bench.offline.add_chat(GROUP, type="group")
    await bench.say("/start", chat=GROUP)
    bench.offline.migrate(GROUP, -1005)
    bench.offline.kick(GROUP, by=1)
    await bench.feed()
    assert (await states(bench, flow, ANN), left) == (["on"], [])


async def test_a_refusal_by_a_group_ends_all_of_its_conversations(bench):
    flow, left = leaving()
    await in_group(bench, flow)
    bench.offline.fail("sendMessage", status=403, description="Forbidden: bot was kicked from the group chat")
    await bench.say("hello", chat=GROUP)
    assert await states(bench, flow, Key(GROUP, 1), Key(GROUP, 2)) == [None, None]
    assert sorted(left) == [1, 2]


async def test_an_exit_hook_that_raises_is_reported_and_keeps_no_conversation_alive(bench):
    flow, left = leaving()

    @flow.on_exit("on")
    def broken(ctx):
        if ctx.key.user == 1:
            raise ValueError("broken hook")

    await in_group(bench, flow)
    bench.offline.kick(GROUP, by=3)
    await bench.feed()
    assert ([str(error) for error in bench.errors], sorted(left)) == (["broken hook"], [1, 2])
    assert await states(bench, flow, Key(GROUP, 1), Key(GROUP, 2)) == [None, None]
    bench.errors.clear()


async def test_added_again_a_group_starts_anew(bench):
    flow, left = leaving()
    await in_group(bench, flow)
    bench.offline.kick(GROUP, by=3)
    bench.offline.unblock(GROUP)
    await bench.say("hello", chat=GROUP)
    assert bench.texts(GROUP) == []
    await bench.say("/start", chat=GROUP)
    await bench.say("hello", chat=GROUP)
    assert (sorted(left), bench.texts(GROUP)) == ([1, 2], ["one", "two"])


async def test_a_flow_may_take_part_in_its_own_end(bench):
    """The event is offered first; what it says to a group that has removed the bot is not sent."""
    flow, left = leaving()

    @flow.defstate("on", on=my_chat_member())
    def gone(event, ctx):
        left.append("told")

    await in_group(bench, flow, users=(3,))
    bench.offline.kick(GROUP, by=3)
    await bench.feed()
    assert left == ["told", 3]
