"""Presses under channel posts that begin nothing there, and money that nobody takes."""

import logging

import pytest
from telegram.ext import MessageHandler, filters

from fsmkit import Flow, Key, KeyBy, Reply
from fsmkit.telegram import button, command, photo, successful_payment

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
