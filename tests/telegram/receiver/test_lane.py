"""The receiver has texts and presses handled on the fast lane, in the turns that `KeyedProcessor` gives."""

import asyncio
import json

import pytest
from polled_bot import update
from telegram import Update
from telegram.ext import MessageHandler, TypeHandler, filters

from fsmkit import Flow, Key, KeyBy, LeaseLost
from fsmkit.stores.sqlite.store import SQLiteLease
from fsmkit.telegram import KeyedProcessor, button, text


@pytest.fixture
def parsed(monkeypatch):
    """The numbers of the updates of which PTB's object was made."""
    numbers, de_json = [], Update.de_json

    def counted(data, bot=None):
        numbers.append(data["update_id"])
        return de_json(data, bot)

    monkeypatch.setattr(Update, "de_json", counted)
    return numbers


def slow_menu(gate):
    """A flow whose texts wait for a gate, with a button."""
    flow, seen = Flow("menu", key=KeyBy.GLOBAL_USER), []
    flow.state("on", prompt="Press", buttons=["go"])

    @flow.defstate(None, "on", on=text(r".*"))
    async def take(event, ctx):
        seen.append(event.text)
        if event.text == "slow":
            await gate.wait()
            return ("stay",)
        return ("transition", "on")

    @flow.defstate("on", on=button("go"))
    def go(event, ctx):
        seen.append("go")
        ctx.answer("went")
        return ("stay",)

    return flow, seen


async def test_a_press_that_waits_for_its_turn_is_answered_in_time_and_handled_in_order(bench, parsed):
    gate = asyncio.Event()
    flow, seen = slow_menu(gate)
    async with bench.running(flow):
        bench.wire.put(update(1, "hi"))
        await bench.until(lambda: bench.offline.texts(1) == ["Press"])
        pressed = {**bench.offline.press("go"), "update_id": 3}
        bench.offline.take_updates()
        bench.wire.put(update(2, "slow"), json.dumps(pressed).encode())
        query = pressed["callback_query"]["id"]
        await bench.advance_until(lambda: bench.offline.answered[query])
        assert seen == ["hi", "slow"]
        assert bench.app.update_processor.awaited(Key(1, 1))
        gate.set()
        await bench.until_handled(1, 2, 3)
        assert not bench.app.update_processor.awaited(Key(1, 1))
    assert seen == ["hi", "slow", "go"]
    assert [answer.get("text", "") for answer in bench.offline.answered[query]] == [""]
    assert parsed == []


async def test_what_no_flow_takes_goes_on_in_the_same_turn_and_is_struck_afterwards(bench):
    flow, others = Flow("nothing"), []
    flow.defstate(None, on=text("wanted"))(lambda event, ctx: ("end",))

    async def other(given, context):
        others.append(given.update_id)

    async with bench.running(flow, add=lambda app: app.add_handler(MessageHandler(filters.ALL, other))):
        bench.wire.put(update(1, "a"), update(2, "wanted"), update(3, "b"))
        await bench.until_handled(1, 2, 3)
    assert others == [1, 3]


async def test_an_update_whose_lease_was_lost_is_taken_again(bench, monkeypatch):
    flow, seen = Flow("one", data=dict), []

    @flow.defstate(None, on=text(r".*"))
    def take(event, ctx):
        seen.append(event.text)
        return ("transition", "on", {})

    flow.state("on")
    commit, failures = SQLiteLease.commit, [1, 1, 1]

    async def failing(self, change, **options):
        if failures:
            failures.pop()
            raise LeaseLost("lost")
        return await commit(self, change, **options)

    monkeypatch.setattr(SQLiteLease, "commit", failing)
    async with bench.running(flow):
        bench.wire.put(update(1, "a"))
        await bench.advance_until(lambda: not failures)
        await bench.until_handled(1)
        assert (await bench.engine.get_state(flow, Key(1, 1)))[0] == "on"
    assert seen == ["a"] * 4
    assert bench.errors == []


async def test_the_log_says_at_the_start_why_updates_do_not_take_it(bench, parsed, caplog):
    flow, _ = slow_menu(asyncio.Event())

    async def look(given, context):
        """Look at each update."""

    async with bench.running(flow, add=lambda app: app.add_handler(TypeHandler(Update, look), -5)):
        assert "goes through PTB: the handlers of group -5 come before the flows" in caplog.text
        bench.wire.put(update(1, "hi"), update(2, "hi"))
        await bench.until_handled(1, 2)
    assert parsed == [1, 2]
    assert caplog.text.count("goes through PTB") == 1


async def test_nothing_is_said_where_they_do(bench, parsed, caplog):
    flow, seen = slow_menu(asyncio.Event())
    async with bench.running(flow):
        bench.wire.put(update(1, "hi"), update(2, "ho"))
        await bench.until_handled(1, 2)
    assert (seen, parsed) == (["hi", "ho"], [])
    assert "goes through PTB" not in caplog.text


async def test_too_many_of_one_chat_are_refused_and_their_presses_answered(bench):
    gate = asyncio.Event()
    flow, seen = slow_menu(gate)
    processor = KeyedProcessor(max_waiting=1)
    async with bench.running(flow, processor=processor):
        processor._max_waiting = 1  # which a receiver lifts, since its inbox keeps the rest
        bench.wire.put(update(1, "hi"))
        await bench.until(lambda: bench.offline.texts(1) == ["Press"])
        pressed = {**bench.offline.press("go"), "update_id": 4}
        bench.offline.take_updates()
        bench.wire.put(update(2, "slow"), update(3, "ho"), json.dumps(pressed).encode())
        query = pressed["callback_query"]["id"]
        await bench.until(lambda: bench.offline.answered[query])
        gate.set()
        await bench.until_handled(1, 2, 3, 4)
    assert seen == ["hi", "slow", "ho"]
    assert processor.refused == 1
