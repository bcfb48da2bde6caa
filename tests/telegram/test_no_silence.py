"""Presses under channel posts that begin nothing there, and money that nobody takes."""

import logging

import pytest
from telegram.ext import CallbackQueryHandler, MessageHandler, filters

from fsmkit import Flow, Key, KeyBy, Reply
from fsmkit.telegram import button, command, photo, raw_button, successful_payment

CHANNEL, BEN = -9, 2


def post(bench, **texts):
    """A flow of each person whose menu button stands under a post of the channel."""
    order, shop = Flow("order", key=KeyBy.GLOBAL_USER), Flow("shop", key=KeyBy.CHAT)
    order.state("name", prompt="Your name?")
    order.texts(**texts)
    order.defstate(None, on=button("order"))(lambda event, ctx: ("transition", "name", {}))
    menu = Reply("Menu", buttons=[order.button("Order", "order"), shop.button("More", "more")])
    shop.defstate(None, on=command("menu"))(lambda event, ctx: ctx.reply(menu))
    shop.defstate(None, on=button("more"))(lambda event, ctx: ctx.reply("More."))
    bench.offline.add_chat(CHANNEL, type="channel", bot_status="administrator")
    bench.offline.add_user(BEN)
    return order, shop


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({}, "Please write to me in private."),
        ({"in_channel": {"en": "In private, please."}}, "In private, please."),
    ],
)
async def test_a_menu_button_under_a_post_is_answered_and_begins_nothing(bench, said, shown):
    order, shop = post(bench, **said)
    engine = await bench.start(order, shop)
    await bench.say("/menu", chat=CHANNEL)
    assert await bench.press("Order", chat=CHANNEL, user=BEN) == [shown]
    assert await engine.get_state(order, Key(BEN, BEN)) == (None, None)
    await bench.press("More", chat=CHANNEL, user=BEN)
    assert bench.texts(CHANNEL) == ["Menu", "More."]


async def test_a_menu_button_under_a_post_opens_a_deep_link_where_one_is_given(bench):
    link = "https://t.me/offline_bot?start=order"
    await bench.start(*post(bench, in_channel=link))
    await bench.say("/menu", chat=CHANNEL)
    await bench.press("Order", chat=CHANNEL, user=BEN)
    answer = bench.offline.calls_of("answerCallbackQuery")[-1].params
    assert (answer.get("url"), answer.get("text")) == (link, None)


def registering(**options):
    """A flow of each person, entered by a raw button or by a button of its own that was sent from outside."""
    flow = Flow("registering", **options)
    flow.state("name", prompt="Your name?")
    flow.defstate(None, on=raw_button("join") | button("Join"))(lambda event, ctx: ("transition", "name", {}))
    flow.defstate(None, on=str)(lambda event, ctx: ctx.reply(event, buttons=["Join"]))
    flow.defstate("name", on=raw_button("again"))(lambda event, ctx: ctx.answer("Still your name."))
    return flow


async def in_channel(bench, *flows):
    bench.offline.add_chat(CHANNEL, type="channel", bot_status="administrator")
    bench.offline.add_user(BEN)
    return await bench.start(*flows)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("rule", [KeyBy.USER_IN_CHAT, KeyBy.GLOBAL_USER, KeyBy.USER_IN_TOPIC])
async def test_a_raw_button_under_a_post_begins_nothing_and_is_answered(bench, rule, old):
    flow = registering(key=rule)
    await in_channel(bench, flow)
    await bench.say("A post.", chat=CHANNEL)
    said = await bench.press_data("join", chat=CHANNEL, user=BEN, old=old)
    assert (said, bench.texts(CHANNEL), bench.texts(BEN)) == (["Please write to me in private."], [], [])


async def test_a_raw_button_under_a_post_opens_a_deep_link_where_one_is_given(bench):
    flow, link = registering(), "https://t.me/offline_bot?start=join"
    flow.texts(in_channel=link)
    await in_channel(bench, flow)
    await bench.press_data("join", chat=CHANNEL, user=BEN)
    assert bench.offline.calls_of("answerCallbackQuery")[-1].params.get("url") == link


async def test_a_button_of_a_message_from_outside_begins_nothing_in_a_channel(bench):
    flow = registering()
    engine = await in_channel(bench, flow)
    await engine.send(Key(CHANNEL, BEN), "Who joins?")
    assert await bench.press("Join", chat=CHANNEL, user=BEN) == ["Please write to me in private."]
    assert (await engine.get_state(flow, Key(CHANNEL, BEN))) == (None, None)


async def test_a_conversation_that_runs_and_a_channels_own_flow_take_raw_buttons_under_a_post(bench):
    mine, ours = registering(key=KeyBy.GLOBAL_USER), Flow("ours", key=KeyBy.CHAT)
    ours.defstate(None, on=raw_button("like"))(lambda event, ctx: ctx.answer("Liked."))
    await in_channel(bench, mine, ours)
    await bench.press_data("join", user=BEN)
    assert await bench.press_data("again", chat=CHANNEL, user=BEN) == ["Still your name."]
    assert await bench.press_data("like", chat=CHANNEL, user=BEN) == ["Liked."]


async def test_a_raw_button_under_a_post_that_no_flow_would_begin_with_goes_to_the_bots_other_handlers(bench):
    seen = []

    async def other(update, context):
        seen.append(update.callback_query.data)
        await update.callback_query.answer("Mine.")

    bench.app.add_handler(CallbackQueryHandler(other), 5)
    await in_channel(bench, registering())
    assert await bench.press_data("theirs", chat=CHANNEL, user=BEN) == ["Mine."]
    assert seen == ["theirs"]


def buying():
    flow = Flow("buying")
    flow.state("on", otherwise="A photo, please.")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on", {}))
    flow.defstate("on", on=~photo())(lambda event, ctx: ctx.reply("That is no photo."))
    return flow


async def pay(bench):
    await bench.say("/start")
    bench.offline.send("successful_payment", invoice_payload="tea", currency="XTR")
    await bench.feed()


def errors(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]


async def test_money_that_no_handler_takes_is_logged_as_an_error(bench, caplog):
    await bench.start(buying())
    await pay(bench)
    (said,) = errors(caplog)
    assert ("'tea'" in said, "successful_payment()" in said, bench.texts()) == (True, True, [])


async def test_money_that_a_flow_or_another_handler_takes_is_not(bench, caplog):
    flow, taken = buying(), []
    flow.defstate("on", on=successful_payment("tea"))(lambda event, ctx: taken.append("flow"))
    await bench.start(flow)
    await pay(bench)
    assert (taken, errors(caplog)) == (["flow"], [])


async def test_money_that_a_handler_of_the_bots_own_takes_is_not_an_error(bench, caplog):
    taken = []

    async def paid(update, context):
        taken.append(update.message.successful_payment.invoice_payload)

    await bench.start(buying())
    bench.app.add_handler(MessageHandler(filters.SUCCESSFUL_PAYMENT, paid), 5)
    await pay(bench)
    assert (taken, errors(caplog)) == (["tea"], [])
