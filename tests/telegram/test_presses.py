"""Presses: whose they are, who is offered them, and that each is answered exactly once."""

import asyncio

import pytest
from telegram.ext import CallbackQueryHandler

from fsmkit import Flow, KeyBy
from fsmkit.telegram import button, command

GROUP = -100


def asking(name="ask", **options):
    """A flow that keeps what was pressed in its state `on`; `next` moves on."""
    flow = Flow(name, **options)
    pressed = flow.pressed = []
    flow.state("on", prompt=f"{name}?", buttons=["go", "next"])
    flow.state("off")

    @flow.defstate(None, on=command(name))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=button("go"))
    def go(event, ctx):
        pressed.append(event.user_id)

    @flow.defstate("on", on=button("next"))
    def go_on(event, ctx):
        return ("transition", "off")

    return flow


def answering(function):
    """A flow whose button `go` calls a function."""
    flow = Flow("ask")
    flow.state("on", prompt="?", buttons=["go"])

    @flow.defstate(None, on=command("ask"))
    def start(event, ctx):
        return ("transition", "on")

    flow.defstate("on", on=button("go"))(function)
    return flow


async def test_somebody_elses_button_in_a_group_is_answered_with_not_yours(bench):
    flow = asking()
    bench.offline.add_chat(GROUP)
    await bench.start(flow)
    await bench.say("/ask", chat=GROUP)
    assert await bench.press("go", user=13, chat=GROUP) == ["This button is for somebody else."]
    assert (await bench.press("go", user=1, chat=GROUP), flow.pressed) == ([""], [1])


async def test_somebody_elses_button_is_not_mine_although_i_stand_there_too(bench):
    flow = asking()
    bench.offline.add_chat(GROUP)
    await bench.start(flow)
    for user in (1, 13):
        await bench.say("/ask", user=user, chat=GROUP)
    assert await bench.press("go", user=1, chat=GROUP) == ["This button is for somebody else."]
    assert (await bench.press("go", user=13, chat=GROUP), flow.pressed) == ([""], [13])


async def test_anybody_may_press_where_the_key_is_the_chat(bench):
    flow = asking(key=KeyBy.CHAT)
    bench.offline.add_chat(GROUP)
    await bench.start(flow)
    await bench.say("/ask", chat=GROUP)
    answers = [await bench.press("go", user=user, chat=GROUP) for user in (1, 13)]
    assert (answers, flow.pressed) == ([[""], [""]], [1, 13])


@pytest.mark.parametrize("key", [KeyBy.USER_IN_CHAT, KeyBy.GLOBAL_USER, KeyBy.CHAT])
async def test_a_press_is_offered_only_to_the_flow_whose_button_it_is(bench, key):
    first, second = asking("first"), asking("second", key=key)
    bench.offline.add_chat(GROUP)
    await bench.start(first, second)
    await bench.say("/first", chat=GROUP)
    of_first = bench.data("go", GROUP)
    await bench.say("/second", chat=GROUP)
    of_second = bench.data("go", GROUP)
    assert await bench.press_data(of_first, chat=GROUP) == [""]
    assert (first.pressed, second.pressed) == ([1], [])
    assert await bench.press_data(of_second, chat=GROUP) == [""]
    assert (first.pressed, second.pressed) == ([1], [1])


async def test_a_press_is_answered_by_the_handler(bench):
    def go(event, ctx):
        ctx.answer("Done.", alert=True)

    await bench.start(answering(go))
    await bench.say("/ask")
    query = bench.offline.press("go")["callback_query"]["id"]
    await bench.feed()
    [answer] = bench.offline.answered[query]
    assert (answer["text"], answer["show_alert"]) == ("Done.", True)


async def test_an_answer_that_is_too_long_is_cut_rather_than_lost(bench):
    await bench.start(answering(lambda event, ctx: ctx.answer("word " * 50)))
    await bench.say("/ask")
    assert await bench.press("go") == [("word " * 40).strip()]


async def test_a_press_is_answered_silently_after_the_step(bench):
    await bench.start(asking())
    await bench.say("/ask")
    assert await bench.press("next") == [""]


async def test_a_press_whose_handler_raises_is_answered_silently(bench):
    def go(event, ctx):
        ctx.answer("never said")
        raise ValueError("of the handler")

    await bench.start(answering(go))
    await bench.say("/ask")
    assert await bench.press("go") == [""]
    [error] = bench.errors
    bench.errors.clear()
    assert isinstance(error, ValueError)


async def test_a_press_that_passes_is_answered_once(bench):
    def go(event, ctx):
        ctx.answer("never said")
        return ("pass",)

    await bench.start(answering(go))
    await bench.say("/ask")
    assert await bench.press("go") == [""]


@pytest.fixture
def slow(bench):
    """Presses a button whose handler takes five seconds; returns the answers before, between and after."""

    async def press(result):
        async def go(event, ctx):
            await bench.clock.sleep(5)
            ctx.answer("too late to be said")
            return result

        await bench.start(answering(go))
        await bench.say("/ask")
        query = bench.offline.press("go")["callback_query"]["id"]
        fed = asyncio.create_task(bench.feed())
        await bench.advance(0)
        seen = []
        for seconds in (1.9, 0.2, 3):
            await bench.advance(seconds)
            seen.append(bench.answers(query))
        await fed
        return [*seen, bench.answers(query)]

    return press


@pytest.mark.parametrize("result", [("stay",), ("end",), ("pass",)])
async def test_a_slow_press_is_answered_after_two_seconds_and_not_again(slow, result):
    assert await slow(result) == [[], [""], [""], [""]]


async def test_a_press_that_nobody_wants_is_answered(bench):
    await bench.start(asking())
    assert await bench.press_data("whose?") == [""]


async def test_a_press_that_nobody_wants_is_left_alone_where_that_is_wished(bench):
    await bench.start(asking(), answer_unclaimed=False)
    assert await bench.press_data("whose?") == []


@pytest.mark.parametrize("group", [0, 5])
async def test_a_press_that_the_bots_own_handler_wants_is_left_to_it(bench, group):
    async def own(update, context):
        await update.callback_query.answer("mine")

    bench.app.add_handler(CallbackQueryHandler(own, pattern="^own"), group)
    await bench.start(asking())
    assert await bench.press_data("own:1") == ["mine"]
    assert await bench.press_data("other") == [""]


@pytest.mark.parametrize(
    ("lang", "told"), [("de", "Zu spät."), ("pt-br", "Tarde."), ("fr", "Too late."), ("en", "Too late.")]
)
async def test_what_a_stale_press_is_told_is_in_the_persons_language(bench, lang, told):
    bench.offline.add_user(1, language_code=lang)
    flow = asking()
    flow.texts(stale={"de": "Zu spät.", "pt": "Tarde.", "en": "Too late."})
    await bench.start(flow)
    await bench.say("/ask")
    await bench.press("next")
    assert await bench.press("go") == [told]


async def test_a_stale_press_is_answered_without_a_text_where_there_is_none(bench):
    flow = asking()
    flow.texts(stale=None)
    await bench.start(flow)
    await bench.say("/ask")
    await bench.press("next")
    assert (await bench.press("go"), flow.pressed) == ([""], [])
