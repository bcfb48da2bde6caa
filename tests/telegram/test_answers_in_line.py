"""Presses and payments that wait behind a slow handler of their chat are answered in time all the same."""

import asyncio

import pytest
from busy_bot import Busy, settle
from telegram import Update
from telegram.ext import ApplicationHandlerStop, TypeHandler

from fsmkit import ANY, Flow
from fsmkit.telegram import KeyedProcessor, button, command, pre_checkout_query, raw_button

SORRY = "Sorry, this payment cannot be made now. Please try again."


class Queue(Busy):
    """A chat whose first message is held by its handler, while more updates come in."""

    def __init__(self, offline, clock, processor=None, *, wants=True):
        self.pressed, self.paid = [], []
        self.held = asyncio.Event()
        super().__init__(offline, clock, processor or KeyedProcessor(8), self.shop(wants))

    def shop(self, wants):
        flow = Flow("shop", ttl=None)
        flow.state("open", prompt="Tea?", buttons=["Buy"])

        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            return ("transition", "open")

        @flow.defstate("open")
        async def hold(event, ctx):
            await self.held.wait()

        @flow.defstate("open", on=button("Buy"))
        def buy(event, ctx):
            self.pressed.append(event.value)
            ctx.answer("Bought.")

        if wants:

            @flow.defstate(ANY, on=pre_checkout_query())
            def check(event, ctx):
                self.paid.append(event.value)
                ctx.approve()

            @flow.defstate("open", on=raw_button("plain"))
            def plain(event, ctx):
                self.pressed.append(event.value)

        return flow

    async def __aexit__(self, *exc):
        self.held.set()
        await settle()
        await super().__aexit__(*exc)

    async def give(self, raw):
        """An update arrives."""
        self.offline.take_updates()
        await self.app.update_queue.put(Update.de_json(raw, self.app.bot))
        await settle()
        return raw

    async def hold_up(self):
        """The chat's conversation begins, and its next message takes long."""
        await self.give(self.offline.say("/start"))
        await self.give(self.offline.say("wait"))

    async def press(self, text="Buy"):
        raw = await self.give(self.offline.press(text))
        return raw["callback_query"]["id"]

    async def checkout(self):
        await self.give(self.offline.checkout("tea", amount=250))

    async def later(self, seconds):
        self.clock.advance(seconds)
        await settle()

    def answers(self, query):
        return [answer.get("text", "") for answer in self.offline.answered[query]]

    def verdicts(self):
        calls = self.offline.calls_of("answerPreCheckoutQuery")
        return [(call.params["ok"], call.params.get("error_message")) for call in calls]


async def test_a_press_that_waits_for_its_turn_is_answered_after_two_seconds_and_handled_later(
    offline, clock
):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        query = await queue.press()
        assert queue.answers(query) == []
        await queue.later(2)
        assert (queue.answers(query), queue.pressed) == ([""], [])
        queue.held.set()
        await settle()
        assert (queue.answers(query), queue.pressed) == ([""], ["Buy"])


async def test_a_press_whose_turn_comes_in_time_is_answered_by_its_handler_alone(offline, clock):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        query = await queue.press()
        queue.held.set()
        await settle()
        await queue.later(10)
        assert queue.answers(query) == ["Bought."]


async def test_a_press_that_is_refused_is_answered_at_once(offline, clock):
    async with Queue(offline, clock, KeyedProcessor(8, max_waiting=1, patience=0)) as queue:
        await queue.hold_up()
        await queue.press()
        query = await queue.press()
        assert (queue.processor.refused, queue.answers(query)) == (1, [""])


async def test_a_plain_button_of_the_users_own_is_answered_in_time_if_a_flow_wants_such(offline, clock):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        raw = await queue.give(offline.press_data("plain"))
        await queue.later(2)
        assert queue.answers(raw["callback_query"]["id"]) == [""]


async def test_a_plain_button_of_which_no_flow_knows_is_left_to_the_bots_other_handlers(offline, clock):
    async with Queue(offline, clock, wants=False) as queue:
        await queue.hold_up()
        raw = await queue.give(offline.press_data("plain"))
        await queue.later(60)
        assert queue.answers(raw["callback_query"]["id"]) == []


async def test_a_payment_that_waits_too_long_is_declined_before_telegram_gives_up(offline, clock):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        await queue.checkout()
        await queue.later(7)
        assert queue.verdicts() == []
        await queue.later(1)
        assert queue.verdicts() == [(False, SORRY)]


async def test_a_payment_that_was_declined_in_line_is_shown_to_no_handler(offline, clock):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        await queue.checkout()
        await queue.later(8)
        queue.held.set()
        await settle()
        assert (queue.paid, queue.verdicts()) == ([], [(False, SORRY)])


async def test_a_payment_whose_turn_comes_in_time_is_decided_by_its_handler(offline, clock):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        await queue.checkout()
        await queue.later(5)
        queue.held.set()
        await settle()
        await queue.later(60)
        assert (queue.paid, queue.verdicts()) == (["tea"], [(True, None)])


async def test_a_payment_that_no_flow_wants_is_left_to_the_bots_other_handlers(offline, clock):
    async with Queue(offline, clock, wants=False) as queue:
        await queue.hold_up()
        await queue.checkout()
        await queue.later(9)
        assert queue.verdicts() == []


async def test_what_a_gate_keeper_stops_is_not_answered_behind_its_back(offline, clock):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()

        async def stop(update, context):
            raise ApplicationHandlerStop

        queue.app.add_handler(TypeHandler(Update, stop), -2)
        query = await queue.press()
        queue.held.set()
        await settle()
        await queue.later(10)
        assert queue.answers(query) == []


@pytest.mark.parametrize("seconds", [0, 1])
async def test_no_task_is_left_of_presses_that_were_sent_away(offline, clock, seconds):
    async with Queue(offline, clock) as queue:
        await queue.hold_up()
        await queue.press()
        await queue.checkout()
        await queue.later(seconds)
        await queue.processor.shutdown()
        await settle()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("fsmkit answer")]
