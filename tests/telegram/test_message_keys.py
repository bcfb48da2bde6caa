"""Conversations that belong to one message with buttons: `KeyBy.MESSAGE` and `KeyBy.USER_IN_MESSAGE`."""

import pytest

from fsmkit import DefinitionError, Engine, Flow, Key, KeyBy, Timeout
from fsmkit.telegram import button, command

GROUP = -100
STALE = "This button is no longer in use."
NOT_YOURS = "This button is for somebody else."


def vote(key, **options):
    """A post with a menu button, under which each post has a vote of its own."""
    flow = Flow("vote", key=key, ttl=60, **options)
    post = Flow("post", key=KeyBy.CHAT)

    @post.defstate(None, on=command("post"))
    def publish(event, ctx):
        ctx.reply("A post.", buttons=[flow.button("Vote", "vote")])

    flow.state("open", prompt="For or against?", buttons=["For", "Against"], show=True)

    @flow.defstate(None, on=button("vote"))
    def begin(event, ctx):
        return ("transition", "open", {"votes": 0})

    @flow.defstate("open", on=button("For", "Against"))
    def count(event, ctx):
        votes = ctx.data["votes"] + 1
        ctx.show(f"{votes} votes", buttons=["For", "Against"])
        return ("stay", {"votes": votes})

    @flow.defstate("open", on=Timeout)
    def over(event, ctx):
        ctx.show(f"Over, with {ctx.data['votes']} votes.")
        return ("end",)

    return post, flow


async def begun(bench, key, **options):
    """Two posts in a group; the vote under the first is open."""
    bench.offline.add_user(2)
    post, flow = vote(key, **options)
    await bench.start(post, flow)
    await bench.say("/post", chat=GROUP)
    first = bench.data("Vote", GROUP)
    await bench.press("Vote", chat=GROUP)
    return flow, first


def shown(bench):
    return bench.texts(GROUP)


@pytest.mark.parametrize("key", [KeyBy.MESSAGE, KeyBy.USER_IN_MESSAGE])
async def test_the_prompt_of_a_state_edits_the_message_that_was_pressed(bench, key):
    await begun(bench, key)
    assert shown(bench) == ["For or against?"]


async def test_all_who_press_a_message_share_its_conversation_by_message(bench):
    await begun(bench, KeyBy.MESSAGE)
    assert await bench.press("For", chat=GROUP) == [""]
    assert await bench.press("Against", chat=GROUP, user=2) == [""]
    assert shown(bench) == ["2 votes"]


async def test_owned_buttons_are_the_persons_for_whom_they_were_shown(bench):
    await begun(bench, KeyBy.MESSAGE, buttons="owned")
    assert await bench.press("For", chat=GROUP, user=2) == [NOT_YOURS]
    assert await bench.press("For", chat=GROUP) == [""]


async def test_by_user_in_message_another_person_is_told_whose_buttons_they_are(bench):
    await begun(bench, KeyBy.USER_IN_MESSAGE)
    assert await bench.press("For", chat=GROUP, user=2) == [NOT_YOURS]
    assert await bench.press("For", chat=GROUP) == [""]
    assert shown(bench) == ["1 votes"]


async def test_two_messages_have_two_conversations(bench):
    flow, _ = await begun(bench, KeyBy.MESSAGE)
    await bench.press("For", chat=GROUP)
    await bench.say("/post", chat=GROUP)
    await bench.press("Vote", chat=GROUP)
    assert shown(bench) == ["1 votes", "For or against?"]
    first, second = [m["message_id"] for m in bench.offline.messages(GROUP) if m["from"]["is_bot"]]
    assert [
        (await bench.engine.get_state(flow, Key(GROUP, GROUP, f"m{message}")))[1]
        for message in (first, second)
    ] == [{"votes": 1}, {"votes": 0}]


async def test_a_timeout_edits_the_message_too_and_sends_nothing(bench):
    await begun(bench, KeyBy.MESSAGE)
    await bench.press("For", chat=GROUP)
    await bench.advance(61)
    assert shown(bench) == ["Over, with 1 votes."]
    assert bench.calls().count("sendMessage") == 1


async def test_a_button_of_the_post_may_begin_the_vote_once_more_after_its_end(bench):
    _, menu = await begun(bench, KeyBy.MESSAGE)
    await bench.advance(61)
    message = bench.offline.messages(GROUP)[-1]["message_id"]
    await bench.press_data(menu, chat=GROUP, message_id=message)
    assert shown(bench) == ["For or against?"]


async def test_buttons_of_a_state_that_no_press_could_bring_back_are_refused():
    flow = Flow("vote", key=KeyBy.MESSAGE)
    flow.state("open", prompt="For?", buttons=["For"])

    @flow.defstate(None, on=button("vote"))
    def begin(event, ctx):
        return ("transition", "open")

    with pytest.raises(DefinitionError, match=r"test_message_keys\.py:\d+.*state 'open'.*show=True"):
        Engine(flow)
