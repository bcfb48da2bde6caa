"""Telegram's limit (429) is a chat's: all who have conversations there wait, and nobody else does."""

from fsmkit import Flow, Key
from fsmkit.telegram import command

GROUP = -100


def echo():
    flow = Flow("echo")
    flow.state("on")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on")(lambda event, ctx: ctx.reply(event.text))
    return flow


async def in_a_group(bench):
    bench.offline.add_chat(GROUP)
    await bench.start(echo())
    for user in (1, 2):
        await bench.say("/start", user=user, chat=GROUP)
    await bench.say("/start", user=3)


async def test_a_chat_that_must_wait_holds_up_the_messages_of_all_its_conversations(bench):
    await in_a_group(bench)
    bench.offline.fail("sendMessage", retry_after=30)
    await bench.say("one", user=1, chat=GROUP)
    await bench.say("two", user=2, chat=GROUP)
    await bench.say("three", user=3)
    asked = [call.params["text"] for call in bench.offline.calls_of("sendMessage")]
    assert (asked, bench.texts(GROUP), bench.texts(3)) == (["one", "three"], [], ["three"])
    await bench.advance(29)
    assert len(bench.offline.calls_of("sendMessage")) == 2
    await bench.advance(2)
    assert sorted(bench.texts(GROUP)) == ["one", "two"]


async def test_the_states_of_a_chat_that_must_wait_go_on(bench):
    await in_a_group(bench)
    bench.offline.fail("sendMessage", retry_after=30)
    await bench.say("one", user=1, chat=GROUP)
    await bench.engine.reset_state("echo", Key(GROUP, 2))
    await bench.say("/start", user=2, chat=GROUP)
    assert await bench.engine.get_state("echo", Key(GROUP, 2)) == ("on", {})
    await bench.advance(31)
    assert bench.texts(GROUP) == ["one"]
