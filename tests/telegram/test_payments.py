"""Payments: Telegram's questions are answered in time, once, and with a yes only where a handler said it."""

import asyncio

import pytest
from telegram import ShippingOption, Update
from telegram.ext import PreCheckoutQueryHandler, TypeHandler

from fsmkit import ANY, Crashed, Flow, Key, KeyBy
from fsmkit.telegram import (
    command,
    pre_checkout_query,
    refunded_payment,
    shipping_query,
    successful_payment,
    text,
)
from tests.telegram.conftest import settle

SORRY = "Sorry, this payment cannot be made now. Please try again."


def shop(check):
    """A flow that waits for a payment; `check` is asked before it."""
    flow = Flow("shop", ttl=600)
    flow.state("paying")
    flow.state("paid", prompt="Thank you.")

    @flow.defstate(None, on=command("buy"))
    def buy(event, ctx):
        return ("transition", "paying", {})

    flow.defstate(ANY, on=pre_checkout_query())(check)

    @flow.defstate("paying", on=successful_payment("tea"))
    def paid(event, ctx):
        payment = event.content
        return ("transition", "paid", {"paid": payment.total_amount, "for": event.value})

    return flow


def verdicts(bench, method="answerPreCheckoutQuery"):
    return [(call.params["ok"], call.params.get("error_message")) for call in bench.offline.calls_of(method)]


async def test_an_approved_payment_is_made_and_the_conversation_goes_on(bench):
    def check(event, ctx):
        ctx.approve()

    flow = shop(check)
    await bench.start(flow)
    await bench.say("/buy")
    bench.offline.checkout("tea", amount=250)
    await bench.feed()
    assert verdicts(bench) == [(True, None)]
    assert await bench.engine.get_state(flow, Key(1, 1)) == ("paid", {"paid": 250, "for": "tea"})
    assert bench.texts() == ["Thank you."]


async def test_a_declined_payment_says_why(bench):
    def check(event, ctx):
        ctx.decline("Sold out.")

    await bench.start(shop(check))
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert verdicts(bench) == [(False, "Sold out.")]


async def test_of_several_verdicts_the_last_counts(bench):
    def check(event, ctx):
        ctx.approve()
        ctx.decline("No.")

    await bench.start(shop(check))
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert verdicts(bench) == [(False, "No.")]


async def test_a_handler_that_says_nothing_takes_no_money(bench):
    flow = shop(lambda event, ctx: None)
    flow.texts(declined={"en": "Not now.", "de": "Jetzt nicht."})
    await bench.start(flow)
    bench.offline.add_user(1, language_code="de")
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert verdicts(bench) == [(False, "Jetzt nicht.")]


async def test_a_handler_that_raises_takes_no_money(bench):
    def check(event, ctx):
        ctx.approve()
        raise ValueError("no stock list")

    await bench.start(shop(check))
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert (verdicts(bench), [str(error) for error in bench.errors]) == ([(False, SORRY)], ["no stock list"])
    bench.errors.clear()


async def test_a_step_that_cannot_be_stored_takes_no_money(bench):
    def check(event, ctx):
        ctx.approve()
        return ("stay", {"bad": {1, 2}})

    await bench.start(shop(check))
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert (verdicts(bench), len(bench.errors)) == ([(False, SORRY)], 1)
    bench.errors.clear()


async def test_a_crashed_handler_that_is_caught_may_still_decide(bench):
    def check(event, ctx):
        raise ValueError("no stock list")

    flow = shop(check)

    @flow.defstate(ANY, on=Crashed)
    def crashed(event, ctx):
        ctx.reply("We look into it.")

    await bench.start(flow)
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert (verdicts(bench), bench.texts()) == ([(False, SORRY)], ["We look into it."])


async def test_a_slow_handler_is_overtaken_by_a_no_before_telegram_gives_up(bench):
    go = asyncio.Event()

    async def check(event, ctx):
        await go.wait()
        ctx.approve()

    await bench.start(shop(check))
    await bench.say("/buy")
    update = Update.de_json(bench.offline.checkout("tea"), bench.app.bot)
    bench.offline._world.queue.take_all()
    task = asyncio.create_task(bench.app.process_update(update))
    await settle()
    await bench.advance(8.5)
    assert verdicts(bench) == [(False, SORRY)]
    go.set()
    await task
    assert verdicts(bench) == [(False, SORRY)]


async def test_a_payment_that_was_declined_while_its_conversation_was_busy_is_shown_to_no_handler(bench):
    go, asked = asyncio.Event(), []

    async def check(event, ctx):
        asked.append(event.value)
        ctx.approve()

    flow = shop(check)

    @flow.defstate("paying")
    async def busy(event, ctx):
        await go.wait()

    await bench.start(flow)
    await bench.say("/buy")
    given = [bench.offline.say("hello"), bench.offline.checkout("tea")]
    bench.offline.take_updates()
    tasks = []
    for update in given:
        made = bench.app.process_update(Update.de_json(update, bench.app.bot))
        tasks.append(asyncio.create_task(made))
        await settle()
    await bench.advance(8)
    go.set()
    await asyncio.gather(*tasks)
    assert (asked, verdicts(bench)) == ([], [(False, SORRY)])


async def test_what_no_flow_wants_goes_on_to_the_bots_other_handlers(bench):
    async def mine(update, context):
        await update.pre_checkout_query.answer(ok=True)

    bench.app.add_handler(PreCheckoutQueryHandler(mine))
    await bench.start(shop(lambda event, ctx: ("pass",)))
    await bench.say("/buy")
    bench.offline.checkout("tea")
    await bench.feed()
    assert verdicts(bench) == [(True, None)]


@pytest.mark.parametrize("ask", ["checkout", "ship"])
async def test_what_nobody_wants_is_declined(bench, ask):
    flow = Flow("other")
    flow.defstate(None, on=command("start"))(lambda event, ctx: None)
    await bench.start(flow)
    getattr(bench.offline, ask)("tea")
    await bench.feed()
    method = "answerPreCheckoutQuery" if ask == "checkout" else "answerShippingQuery"
    assert verdicts(bench, method) == [(False, SORRY)]


@pytest.mark.parametrize("then", ["returns", "raises", "dawdles"])
async def test_a_handler_that_answers_through_ptb_is_not_contradicted(bench, then):
    async def check(event, ctx):
        await event.content.answer(ok=True)
        if then == "raises":
            raise ValueError("too late")
        if then == "dawdles":
            await ctx.telegram.application.bot_data["clock"].sleep(9)

    await bench.start(shop(check))
    bench.app.bot_data["clock"] = bench.clock
    await bench.say("/buy")
    update = Update.de_json(bench.offline.checkout("tea"), bench.app.bot)
    bench.offline._world.queue.take_all()
    task = asyncio.create_task(bench.app.process_update(update))
    await settle()
    await bench.advance(9)
    await task
    assert verdicts(bench) == [(True, None)]
    bench.errors.clear()


async def test_who_logs_all_updates_answers_no_payment(bench):
    async def log(update, context):
        return None

    bench.app.add_handler(TypeHandler(Update, log))
    flow = Flow("other")
    flow.defstate(None, on=command("start"))(lambda event, ctx: None)
    await bench.start(flow)
    bench.offline.checkout("tea")
    await bench.feed()
    assert verdicts(bench) == [(False, SORRY)]


async def test_a_query_that_comes_twice_is_answered_once(bench):
    def check(event, ctx):
        ctx.approve()

    await bench.start(shop(check))
    await bench.say("/buy")
    update = bench.offline.checkout("tea")
    await bench.feed()
    await bench.app.process_update(Update.de_json(update, bench.app.bot))
    assert verdicts(bench) == [(True, None)]


async def test_the_verdict_goes_out_before_messages_that_have_to_wait(bench):
    def check(event, ctx):
        ctx.reply("One moment.")
        ctx.approve()

    await bench.start(shop(check))
    await bench.say("/buy")
    bench.offline.fail("sendMessage", status=429, retry_after=30)
    bench.offline.checkout("tea")
    await bench.feed()
    calls = bench.calls()
    assert calls.index("answerPreCheckoutQuery") < calls.index("sendMessage")


@pytest.mark.parametrize("plain", [True, False])
async def test_shipping_is_offered_with_its_prices(bench, plain):
    from telegram import LabeledPrice

    flow = Flow("shop")
    option = ("post", "By post", [("Post", 500)])
    made = ShippingOption("post", "By post", [LabeledPrice("Post", 500)])

    @flow.defstate(None, on=shipping_query("tea"))
    def ship(event, ctx):
        assert event.content.shipping_address.city == "Wien"
        ctx.approve(shipping=[option if plain else made])

    await bench.start(flow)
    bench.offline.ship("tea")
    await bench.feed()
    [call] = bench.offline.calls_of("answerShippingQuery")
    prices = [{"label": "Post", "amount": 500}]
    assert call.params["shipping_options"] == [{"id": "post", "title": "By post", "prices": prices}]


async def test_an_answer_that_telegram_refuses_breaks_nothing(bench, caplog):
    def check(event, ctx):
        ctx.approve()

    flow = shop(check)
    await bench.start(flow)
    await bench.say("/buy")
    bench.offline.fail("answerPreCheckoutQuery", status=400)
    bench.offline.checkout("tea")
    await bench.feed()
    assert await bench.engine.get_state(flow, Key(1, 1)) == ("paying", {})
    assert "could not be answered" in caplog.text


@pytest.mark.parametrize("verdict", ["approve", "decline"])
async def test_a_verdict_where_nothing_is_asked_is_refused(bench, verdict):
    flow = Flow("shop")

    @flow.defstate(None, on=text())
    def say(event, ctx):
        getattr(ctx, verdict)()

    await bench.start(flow)
    await bench.say("hello")
    [error] = bench.errors
    assert isinstance(error, TypeError)
    assert f"ctx.{verdict}() answers pre_checkout_query()" in str(error)
    bench.errors.clear()


async def test_a_refund_has_its_payload(bench):
    flow, seen = Flow("shop"), []

    @flow.defstate(None, on=refunded_payment())
    def refunded(event, ctx):
        seen.append((ctx.match, event.content.total_amount, event.is_new_message))

    await bench.start(flow)
    refund = {
        "currency": "XTR",
        "total_amount": 5,
        "invoice_payload": "tea",
        "telegram_payment_charge_id": "c",
    }
    bench.offline.send("refunded_payment", **refund)
    await bench.feed()
    assert seen == [("tea", 5, False)]


async def test_a_payment_is_no_message_that_otherwise_answers(bench):
    flow = Flow("asking")
    flow.state("name", otherwise="Your name, please.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    await bench.start(flow)
    await bench.say("/start")
    payment = {"currency": "XTR", "total_amount": 5, "invoice_payload": "tea"}
    charges = {"telegram_payment_charge_id": "c", "provider_payment_charge_id": "p"}
    bench.offline.send("successful_payment", **payment, **charges)
    await bench.feed()
    assert bench.texts() == []


async def test_a_group_order_is_paid_where_the_key_is_the_person(bench):
    """A question before a payment has no chat: only a key without one leads from a group to it."""
    flow = Flow("order", key=KeyBy.GLOBAL_USER)
    flow.state("paying")

    @flow.defstate(None, on=command("buy"))
    def buy(event, ctx):
        return ("transition", "paying", {"group": event.chat_id})

    @flow.defstate("paying", on=pre_checkout_query("tea|coffee"))
    def check(event, ctx):
        ctx.approve()
        return ("stay", {**ctx.data, "asked": ctx.match.group()})

    await bench.start(flow)
    bench.offline.add_chat(-5)
    await bench.say("/buy", chat=-5)
    bench.offline.checkout("coffee")
    await bench.feed()
    assert await bench.engine.get_state(flow, Key(1, 1)) == ("paying", {"group": -5, "asked": "coffee"})


async def test_other_handlers_never_see_a_question_that_a_flow_took(bench):
    others = []

    async def note(update, context):
        others.append(update.pre_checkout_query)

    bench.app.add_handler(TypeHandler(Update, note))
    flow = Flow("shop")
    flow.defstate(None, on=pre_checkout_query())(lambda event, ctx: ctx.approve())
    await bench.start(flow)
    bench.offline.checkout("tea")
    await bench.feed()
    assert (others, verdicts(bench)) == ([None], [(True, None)])  # only the message that it was paid
