"""Presses: whose they are, who is offered them, and that each is answered exactly once."""

import asyncio

import pytest
from telegram import Update
from telegram.ext import CallbackQueryHandler, TypeHandler

from fsmkit import DefinitionError, Flow, Key, KeyBy
from fsmkit.telegram import button, command, raw_button

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


# --- presses that are nobody's ---


async def test_a_button_of_a_flow_that_is_not_attached_any_more_is_answered_as_stale(bench):
    await bench.start(asking("gone"))
    await bench.say("/gone")
    await bench.engine.stop()
    bench.app = bench.offline.builder().build()
    flow = asking("here")
    flow.texts(stale={"en": "too late", "de": "zu spät"})
    await bench.start(flow)
    assert await bench.press("go") == ["too late"]


@pytest.mark.parametrize("data", ["~", "~~", f"~{'A' * 24}go", "~go"])
async def test_data_that_begin_with_our_mark_and_are_not_ours_are_answered_as_stale(bench, data):
    await bench.start(asking())
    assert await bench.press_data(data) == ["This button is no longer in use."]


async def test_a_forged_press_is_told_in_the_words_of_the_flow_that_it_claims(bench):
    first, second = asking("first"), asking("second")
    second.texts(stale="second says no")
    await bench.start(first, second)
    await bench.say("/second")
    assert await bench.press_data(f"{bench.data('go')}x") == ["second says no"]


async def test_a_raw_button_that_begins_with_our_mark_is_left_to_its_handler(bench):
    flow = asking()
    flow.defstate(None, on=raw_button("~mine"))(lambda event, ctx: ctx.answer("mine"))
    bench.app.add_handler(CallbackQueryHandler(lambda update, context: answered(update), pattern="^~own"))
    await bench.start(flow)
    assert await bench.press_data("~mine") == ["mine"]
    assert await bench.press_data("~own") == ["own"]


async def answered(update):
    await update.callback_query.answer("own")


async def test_our_presses_are_answered_although_another_handler_logs_all_updates(bench):
    seen = []

    async def log(update, context):
        seen.append(update)

    bench.app.add_handler(TypeHandler(Update, log), 5)
    flow = answering(lambda event, ctx: ("pass",))
    await bench.start(flow)
    await bench.say("/ask")
    assert [await bench.press("go"), await bench.press_data("~forged")] == [
        [""],
        ["This button is no longer in use."],
    ]
    assert len(seen) == 2


async def test_a_press_whose_handler_is_cancelled_is_answered(bench):
    async def go(event, ctx):
        await bench.clock.sleep(1)

    await bench.start(answering(go))
    await bench.say("/ask")
    query = bench.offline.press("go")["callback_query"]["id"]
    fed = asyncio.create_task(bench.feed())
    await bench.advance(0.5)
    fed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fed
    assert bench.answers(query) == [""]


# --- whose the buttons are ---


async def test_buttons_may_belong_to_one_person_although_the_chat_shares_the_conversation(bench):
    flow = asking(key=KeyBy.CHAT, buttons="owned")
    bench.offline.add_chat(GROUP)
    await bench.start(flow)
    await bench.say("/ask", chat=GROUP)
    answers = [await bench.press("go", user=user, chat=GROUP) for user in (13, 1)]
    assert (answers, flow.pressed) == ([["This button is for somebody else."], [""]], [1])


async def test_owned_buttons_of_nobody_in_particular_may_be_pressed_by_nobody(bench):
    flow = asking(key=KeyBy.CHAT, buttons="owned")
    flow.defstate(None, on=str)(lambda event, ctx: ("transition", "on"))
    bench.offline.add_chat(GROUP)
    await bench.start(flow)
    await bench.engine.send(Key(GROUP, GROUP), "from outside")
    await bench.feed()
    said = ["This button is for somebody else."]
    assert (await bench.press("go", user=13, chat=GROUP), flow.pressed) == (said, [])


def test_shared_buttons_need_a_key_that_is_shared():
    with pytest.raises(DefinitionError, match=r"test_presses\.py:\d+: .*shared.*KeyBy\.CHAT.*flow\.button"):
        Flow("f", buttons="shared")
    with pytest.raises(DefinitionError, match='Write "owned" or "shared"'):
        Flow("f", buttons="everybody")
    assert [Flow("f", key=key).shared for key in (KeyBy.USER_IN_CHAT, KeyBy.CHAT)] == [False, True]


# --- keys ---


async def test_buttons_of_an_older_key_are_good_until_it_is_dropped(bench):
    old, new = "the secret of last year", "the secret of this year"
    flows = [asking(), asking(), asking()]
    await bench.start(flows[0], button_keys=[old])
    await bench.say("/ask")
    answers = []
    for flow, keys in ((flows[1], [new, old]), (flows[2], [new])):
        await bench.engine.stop()
        store, bench.app = bench.engine.store, bench.offline.builder().build()
        await bench.start(flow, store=store, button_keys=keys)
        answers.append(await bench.press("go"))
    assert (answers, flows[1].pressed, flows[2].pressed) == (
        [[""], ["This button is no longer in use."]],
        [1],
        [],
    )
