"""Delivery: what waits, what is tried again, and what is refused."""

import asyncio

from fsmkit import DeliveryFailed, Flow, Key
from fsmkit.botapi.request import OfflineRequest
from fsmkit.telegram import command, text

ANN = Key(1, 1)


def speaker(**commands):
    """A flow that answers commands by functions of `ctx`, and repeats texts."""
    flow = Flow("f", ttl=600)
    flow.state("on")
    flow.state("other")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=command("go"))
    def go(event, ctx):
        ctx.reply("going")
        return ("transition", "other")

    @flow.defstate("on", "other", on=text())
    def echo(event, ctx):
        ctx.reply(event.text)

    for name, say in commands.items():

        def handler(event, ctx, say=say):
            say(ctx)

        flow.defstate("on", on=command(name))(handler)
    return flow


def refusals(flow):
    """Notes the `DeliveryFailed` events of a flow."""
    noted = []

    @flow.defstate("on", on=DeliveryFailed)
    def note(event, ctx):
        noted.append((event.effect.text, event.error))

    return noted


async def sent(bench, *users):
    """Starts a speaker for some users."""
    for user in users:
        await bench.say("/start", user=user)


# --- waiting ---


async def test_a_chat_that_must_wait_gets_its_messages_in_order_when_the_time_has_come(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=30)
    for word in ("one", "two", "three"):
        await bench.say(word)
    await bench.advance(29)
    assert (bench.texts(), bench.calls()) == ([], ["sendMessage"])
    await bench.advance(1)
    assert (bench.texts(), len(bench.calls())) == (["one", "two", "three"], 4)


async def test_the_state_of_a_chat_that_must_wait_goes_on(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=30)
    await bench.say("/go")
    assert (await bench.engine.get_state("f", ANN), bench.texts()) == (("other", {}), [])


async def test_the_timeout_of_a_chat_that_must_wait_fires(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=5000)
    await bench.say("one")
    await bench.advance(700)
    assert (await bench.engine.get_state("f", ANN), bench.texts()) == ((None, None), [])
    await bench.advance(5000)
    assert bench.texts() == ["one"]


async def test_other_chats_are_answered_while_one_must_wait(bench):
    await bench.start(speaker())
    bench.offline.add_user(2)
    await sent(bench, 1, 2)
    bench.offline.fail("sendMessage", retry_after=30, when=lambda params: params["chat_id"] == 1)
    await bench.say("mine", user=1)
    await bench.say("his", user=2)
    assert (bench.texts(1), bench.texts(2)) == ([], ["his"])


async def test_a_chat_that_must_wait_again_waits_again(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=10, times=2)
    await bench.say("one")
    await bench.advance(10)
    assert bench.texts() == []
    await bench.advance(10)
    assert bench.texts() == ["one"]


async def test_the_messages_of_one_step_leave_in_order(bench):
    await bench.start(speaker(many=lambda ctx: [ctx.reply(str(n)) for n in range(20)]))
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=1, when=lambda params: params["text"] == "7")
    await bench.say("/many")
    assert bench.texts() == [str(n) for n in range(7)]
    await bench.advance(1)
    assert bench.texts() == [str(n) for n in range(20)]


# --- trying again ---


async def test_network_errors_are_tried_again_with_growing_delay(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    begin = bench.clock.now()
    bench.offline.fail("sendMessage", times=7)
    await bench.say("one")
    for _ in range(120):
        await bench.advance(1)
    times = [call.at - begin for call in bench.offline.calls_of("sendMessage")]
    assert (times, bench.texts()) == ([0, 1, 3, 8, 18, 48, 78, 108], ["one"])


async def test_the_delay_is_short_again_after_a_success(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    for word in ("one", "two"):
        bench.offline.fail("sendMessage", drop=True, times=2)
        await bench.say(word)
        await bench.advance(1)
        await bench.advance(2)
    assert bench.texts() == ["one", "two"]


async def test_a_success_that_is_no_answer_of_the_bot_api_is_tried_again(bench, monkeypatch):
    await bench.start(speaker())
    await sent(bench, 1)
    do_request, broken = OfflineRequest.do_request, [b"<html>", b'{"ok":tr']

    async def through_a_proxy(self, url, *given, **more):
        if url.endswith("sendMessage") and broken:
            return 200, broken.pop()
        return await do_request(self, url, *given, **more)

    monkeypatch.setattr(OfflineRequest, "do_request", through_a_proxy)
    await bench.say("one")
    await bench.advance(1)
    await bench.advance(2)
    assert bench.texts() == ["one"]


async def test_a_bad_request_is_not_tried_again(bench):
    flow = speaker()
    noted = refusals(flow)
    await bench.start(flow)
    await sent(bench, 1)
    bench.offline.fail("sendMessage", status=400, description="Bad Request: no")
    await bench.say("one")
    await bench.advance(100)
    assert (len(bench.calls()), bench.texts(), noted) == (1, [], [("one", "BadRequest: No")])


async def test_a_file_that_is_too_large_is_not_tried_again(bench):
    flow = speaker(file=lambda ctx: ctx.reply("big", document="a-file-id"))
    noted = refusals(flow)
    await bench.start(flow)
    await sent(bench, 1)
    bench.offline.fail("sendDocument", status=413, description="Request Entity Too Large", times=9)
    await bench.say("/file")
    await bench.advance(100)
    assert (bench.calls(), noted) == (["sendDocument"], [("big", "NetworkError: Request Entity Too Large")])


# --- refusals ---


async def test_one_refused_message_does_not_lose_the_others(bench):
    await bench.start(speaker(many=lambda ctx: [ctx.reply(word) for word in ("one", "two", "three")]))
    await sent(bench, 1)
    bench.offline.fail("sendMessage", status=400, when=lambda params: params["text"] == "two")
    await bench.say("/many")
    assert bench.texts() == ["one", "three"]


async def test_a_conversation_may_answer_to_a_refusal(bench):
    flow = speaker()

    @flow.defstate("on", on=DeliveryFailed)
    def sorry(event, ctx):
        ctx.reply("in other words")
        return ("transition", "other")

    await bench.start(flow)
    await sent(bench, 1)
    bench.offline.fail("sendMessage", status=400)
    await bench.say("one")
    assert (bench.texts(), await bench.engine.get_state("f", ANN)) == (["in other words"], ("other", {}))


async def test_a_conversation_whose_every_answer_is_refused_is_told_three_times(bench):
    flow, told = speaker(), []

    @flow.defstate("on", on=DeliveryFailed)
    def sorry(event, ctx):
        told.append(event.effect.text)
        ctx.reply(f"sorry {len(told)}")

    await bench.start(flow)
    await sent(bench, 1)
    bench.offline.fail("sendMessage", status=400, times=50)
    await bench.say("one")
    assert (told, len(bench.calls())) == (["one", "sorry 1", "sorry 2"], 4)


# --- the end ---


async def test_stopping_waits_for_what_is_on_its_way(bench):
    await bench.start(speaker())
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=2)
    await bench.say("one")
    await bench.say("two")
    stopping = asyncio.create_task(bench.engine.stop())
    await bench.advance(1)
    assert not stopping.done()
    await bench.advance(1)
    await stopping
    assert bench.texts() == ["one", "two"]


async def test_stopping_gives_up_on_a_chat_that_must_wait_too_long(bench, monkeypatch, caplog):
    monkeypatch.setattr("fsmkit.engine.engine.DRAIN_SECONDS", 0)
    await bench.start(speaker())
    await sent(bench, 1)
    bench.offline.fail("sendMessage", retry_after=5000)
    await bench.say("one")
    await bench.engine.stop()
    await bench.advance(6000)
    assert (bench.texts(), "1 chats have undelivered messages" in caplog.text) == ([], True)
