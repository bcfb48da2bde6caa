"""Who has blocked the bot is not there any more: the conversation ends, with its hooks."""

from fsmkit import Flow, Key, Timeout
from fsmkit.telegram import command, text

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
