"""The fast lane: what takes it, what closes it, and when PTB's objects are made after all."""

import asyncio
import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from busy_bot import settle
from telegram import Update
from telegram.ext import (
    Application,
    BaseUpdateProcessor,
    CallbackContext,
    ContextTypes,
    Defaults,
    DictPersistence,
    ExtBot,
    MessageHandler,
    TypeHandler,
    filters,
)

from fsmkit import Flow, LeaseLost
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import KeyedProcessor, attach, button, command, text
from fsmkit.telegram.fast_lane import FastLane
from fsmkit.telegram.raw_update import RawUpdate


def talking(**on):
    """A flow that keeps what it is told, with the list of its events."""
    flow, seen = Flow("talking", data=dict), []
    flow.state("on")

    @flow.defstate(None, "on", **on)
    def take(event, ctx):
        seen.append(event)
        return ("transition", "on", {"text": event.text})

    return flow, seen


def said(number, text="hi", chat=1, **more):
    """A message as Telegram writes it."""
    message = {
        "message_id": number,
        "from": {"id": chat, "is_bot": False, "first_name": "Ann"},
        "chat": {"id": chat, "type": "private"},
        "date": 1_000_000,
        "text": text,
        **more,
    }
    return json.dumps({"update_id": number, "message": message}).encode()


def lane_of(app):
    """The lane of an application with flows."""
    [handler] = [each for group in app.handlers.values() for each in group if hasattr(each, "engine")]
    return FastLane(app, handler)


async def give(lane, body):
    """Handle an update that takes the lane."""
    event = lane.read(body)
    assert event is not None
    await lane.handle(event)
    return event


async def press(bench, lane, label, user=1):
    """Press a button on the lane; return the texts that the press was answered with."""
    query = bench.offline.press(label, user=user)["callback_query"]["id"]
    [update] = bench.offline.take_updates()
    await give(lane, json.dumps(update).encode())
    await settle()
    return bench.answers(query)


@pytest.fixture
def parsed(monkeypatch):
    """The numbers of the updates of which PTB's object was made."""
    numbers, de_json = [], Update.de_json

    def counted(data, bot=None):
        numbers.append(data["update_id"])
        return de_json(data, bot)

    monkeypatch.setattr(Update, "de_json", counted)
    return numbers


# -- when PTB's objects are made ---------------------------------------------------------------------


async def test_no_object_of_ptbs_is_made_of_texts_and_commands(bench, parsed, monkeypatch):
    flow, seen = talking(on=text("Ann") | command("start"))
    await bench.start(flow)
    lane = lane_of(bench.app)
    monkeypatch.setattr(RawUpdate, "context", property(lambda raw: pytest.fail("nobody has asked")))
    for body in (said(1, "/start"), said(2, "Ann")):
        await give(lane, body)
    assert [(event.kind, event.text, event.date) for event in seen] == [
        ("command", "/start", 1_000_000.0),
        ("text", "Ann", 1_000_000.0),
    ]
    assert parsed == []


async def test_they_are_made_once_where_a_handler_asks_for_them(bench, parsed):
    flow, seen = talking(on=text("Ann"))
    await bench.start(flow)
    event = await give(lane_of(bench.app), said(1, "Ann"))
    assert event.message is event.update.message
    assert event.user is event.message.from_user
    assert event.user.first_name == "Ann"
    assert seen == [event]
    assert parsed == [1]


async def test_a_filter_of_ptbs_sees_a_whole_update(bench, parsed):
    flow, seen = talking(on=filters.Regex("^A") & filters.ChatType.PRIVATE)
    await bench.start(flow)
    lane = lane_of(bench.app)
    for number, word in enumerate(("Ann", "Bob"), 1):
        await give(lane, said(number, word))
    assert [event.text for event in seen] == ["Ann"]
    assert parsed == [1, 2]


async def test_ctx_telegram_is_ptbs_context_of_the_update_and_made_when_asked_for(bench):
    flow, found = Flow("asking"), []

    @flow.defstate(None, on=text("a"))
    def ask(event, ctx):
        ctx.telegram.chat_data["a"] = ctx.telegram.user_data["a"] = 1
        found.extend([ctx.telegram, ctx.telegram, ctx.bot])
        return ("end",)

    await bench.start(flow)
    await give(lane_of(bench.app), said(1, "a", chat=7))
    first, second, bot = found
    assert first is second
    assert type(first) is CallbackContext
    assert bot is bench.app.bot
    assert (bench.app.chat_data[7], bench.app.user_data[7]) == ({"a": 1}, {"a": 1})


@pytest.mark.parametrize(
    "body",
    [
        said(1, photo=[]),
        said(1, unheard_of=1),
        said(1, date=0),
        said(1, date="now"),
        said(1, text=5),
        said(1, **{"from": None}),
        said(1, **{"from": {"id": 1, "is_bot": True, "first_name": "B"}}),
        said(1, sender_chat={"id": -1, "type": "group"}),
        said(1, forward_date=5),
        said(1, entities=[{"type": "bold", "offset": 0}]),
        said(1).replace(b'"hi"', b'"\\ud83d"'),
        said(1).replace(b'"hi"', b'"\xff"'),
        said(1)[:-1],
        said(1) + b"}",
        b"[]",
        b"",
        b'{"update_id":1,"poll":{}}',
        b'{"update_id":1}',
        b"[" * 5000,
    ],
)
async def test_what_is_no_plain_text_and_no_press_is_not_read_here(bench, body):
    bench.attach(talking()[0])
    lane = lane_of(bench.app)
    assert lane.read(said(1)) is not None
    assert lane.read(body) is None


async def test_a_new_field_of_people_is_named_in_the_log_once(bench, caplog):
    caplog.set_level(logging.INFO, "fsmkit")
    bench.attach(talking()[0])
    lane = lane_of(bench.app)
    for number in (1, 2):
        assert (
            lane.read(said(number, **{"from": {"id": 1, "is_bot": False, "first_name": "A", "aura": 5}}))
            is None
        )
    assert lane.read(said(3, surprise=1)) is None
    [line] = [record.getMessage() for record in caplog.records]
    assert "'from' has the field 'aura'" in line


@pytest.mark.parametrize(
    "more",
    [
        {"photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}], "caption": "Which?"},
        {"text": "Which?", "entities": [{"type": "bold", "offset": 0, "length": 5}], "edit_date": 1_000_001},
    ],
    ids=["photo", "text"],
)
async def test_a_press_under_a_text_or_a_photo_is_read_here(bench, more):
    await bench.start(menu())
    await bench.say("/start")
    bench.offline.press("go")
    [update] = bench.offline.take_updates()
    shown = update["callback_query"]["message"]
    del shown["text"]
    shown |= more
    event = lane_of(bench.app).read(json.dumps(update).encode())
    assert event.message.to_dict() == Update.de_json(update, bench.app.bot).callback_query.message.to_dict()


async def test_a_text_that_replies_to_another_is_read_here(bench):
    bench.attach(talking()[0])
    asked = json.loads(said(1, "Name?"))["message"]
    event = lane_of(bench.app).read(said(2, "Ann", reply_to_message=asked))
    assert (event.text, event.message.reply_to_message.text) == ("Ann", "Name?")


async def test_presses_of_other_buttons_take_the_ordinary_way(bench):
    flow, _ = talking(on=command("start"))
    await bench.start(flow)
    await bench.app.bot.send_message(
        1, "?", reply_markup={"inline_keyboard": [[{"text": "x", "callback_data": "x"}]]}
    )
    bench.offline.press("x")
    [update] = bench.offline.take_updates()
    assert lane_of(bench.app).read(json.dumps(update).encode()) is None


# -- what closes it ----------------------------------------------------------------------------------


class OwnContext(CallbackContext):
    """A context class of the bot's."""


class OwnApplication(Application):
    """An application that looks at each update first."""

    async def process_update(self, update):
        """Look at it."""
        await super().process_update(update)


class OwnProcessor(BaseUpdateProcessor):
    """A processor that looks at updates."""

    async def initialize(self):
        """Nothing."""

    async def shutdown(self):
        """Nothing."""

    async def do_process_update(self, update, coroutine):
        """Look at it."""
        await coroutine


class KeyedByTheBot(KeyedProcessor):
    """A `KeyedProcessor` that may do anything besides."""


async def ignore(update, context):
    """Do nothing."""


CLOSED = {
    "a context class of its own": lambda builder: builder.context_types(ContextTypes(context=OwnContext)),
    "a persistence": lambda builder: builder.persistence(DictPersistence()),
    "process_update is overridden": lambda builder: builder.application_class(OwnApplication),
    "update processor is a OwnProcessor": lambda builder: builder.concurrent_updates(OwnProcessor(4)),
    "update processor is a KeyedByTheBot": lambda builder: builder.concurrent_updates(KeyedByTheBot()),
}


@pytest.mark.parametrize("why", CLOSED)
async def test_what_looks_at_updates_closes_it_and_the_log_says_so_once(offline, clock, caplog, why):
    caplog.set_level(logging.INFO, "fsmkit")
    flow, _ = talking()
    app = CLOSED[why](offline.builder()).build()
    attach(app, flow, clock=clock)
    lane = lane_of(app)
    assert [lane.read(said(number)) for number in (1, 2)] == [None, None]
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("every update is parsed as a whole and goes through PTB: ")
    assert why in line


async def test_a_cache_of_callback_data_closes_it(bench, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "fsmkit")
    bench.attach(talking()[0])  # which refuses `arbitrary_callback_data` by itself
    monkeypatch.setattr(ExtBot, "callback_data_cache", object())
    assert lane_of(bench.app).read(said(1)) is None
    assert "the bot has a callback_data_cache" in caplog.text


async def test_a_process_update_that_was_wrapped_on_the_class_closes_it(bench, monkeypatch):
    bench.attach(talking()[0])
    before = Application.process_update

    async def wrapped(self, update):
        await before(self, update)

    monkeypatch.setattr(Application, "process_update", wrapped)
    assert lane_of(bench.app).read(said(1)) is None


async def test_a_handler_before_the_flows_closes_it_at_the_start(bench, caplog):
    caplog.set_level(logging.INFO, "fsmkit")
    bench.attach(talking()[0])
    bench.app.add_handler(TypeHandler(Update, ignore), -2)
    assert lane_of(bench.app).read(said(1)) is None
    assert "the handlers of group -2 come before the flows" in caplog.text


async def test_a_handler_that_is_put_before_the_flows_later_sees_all_from_then_on(bench):
    flow, seen = talking()
    await bench.start(flow)
    lane, looked = lane_of(bench.app), []

    async def look(update, context):
        looked.append(update.update_id)

    event = lane.read(said(1))
    bench.app.add_handler(TypeHandler(Update, look), -2)
    await lane.handle(event)  # it had been read before
    assert lane.read(said(2)) is None
    assert looked == [1]
    assert [each.number for each in seen] == [1]


@pytest.mark.parametrize(
    "change",
    [
        lambda builder: builder.context_types(ContextTypes(user_data=dict, bot_data=dict)),
        lambda builder: builder.defaults(Defaults(block=False, disable_notification=True)),
        lambda builder: builder.concurrent_updates(8),
        lambda builder: builder.concurrent_updates(KeyedProcessor()),
    ],
)
async def test_what_looks_at_no_update_leaves_it_open(offline, clock, change):
    app = change(offline.builder()).build()
    attach(app, talking()[0], clock=clock)
    app.add_handler(MessageHandler(filters.ALL, ignore))
    app.add_error_handler(ignore)
    assert lane_of(app).read(said(1)) is not None


# -- the same contract as with PTB's own dispatch -------------------------------------------------------


async def test_what_no_flow_takes_goes_to_the_bots_handlers_and_the_flows_are_asked_once(bench):
    flow, asked, others = Flow("passing"), [], []

    @flow.defstate(None, on=text(".*"))
    def passing(event, ctx):
        asked.append(event.text)
        ctx.telegram.left = event.text
        return ("pass",)

    await bench.start(flow)

    async def other(update, context):
        others.append((update.message.text, context.left))

    bench.app.add_handler(MessageHandler(filters.ALL, other))
    lane = lane_of(bench.app)
    await give(lane, said(1, "a"))
    await give(lane, said(2, "b"))
    assert asked == ["a", "b"]
    assert others == [("a", "a"), ("b", "b")]


async def test_what_a_flow_has_taken_reaches_no_other_handler(bench):
    flow, _ = talking()
    await bench.start(flow)
    bench.app.add_handler(MessageHandler(filters.ALL, lambda update, context: pytest.fail("it was taken")))
    await give(lane_of(bench.app), said(1, "a"))


async def test_error_handlers_are_given_what_a_handler_raises_and_the_update(bench):
    flow, found, others = Flow("failing"), [], []

    @flow.defstate(None, on=text(".*"))
    def failing(event, ctx):
        raise ValueError(event.text)

    await bench.start(flow)

    async def note(update, context):
        found.append((update, context.error, context.chat_data))

    async def other(update, context):
        others.append(update)

    bench.app.add_error_handler(note)
    bench.app.add_handler(MessageHandler(filters.ALL, other))
    event = await give(lane_of(bench.app), said(1, "a"))
    [(update, error, chat_data)] = found
    assert update is event.update
    assert (str(error), chat_data) == ("a", {})
    assert any("flow 'failing'" in note for note in error.__notes__)
    assert others == []
    assert bench.errors.pop() is error


async def test_a_matcher_that_raises_is_reported_as_ever(bench):
    flow = Flow("failing")

    class Failing(filters.UpdateFilter):
        def check_update(self, update):
            raise KeyError(update.update_id)

    flow.defstate(None, on=Failing())(lambda event, ctx: None)
    await bench.start(flow)
    await give(lane_of(bench.app), said(1, "a"))
    assert repr(bench.errors.pop()) == "KeyError(1)"


def menu(gate=None):
    """A flow with a button, whose handler waits for a gate or answers by itself."""
    flow = Flow("menu")
    flow.state("on", prompt="Press", buttons=["go", "by hand", "slow"])
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))

    @flow.defstate("on", on=button("go"))
    def go(event, ctx):
        ctx.answer("went")
        return ("stay",)

    @flow.defstate("on", on=button("by hand"))
    async def by_hand(event, ctx):
        await event.update.callback_query.answer("mine")
        return ("stay",)

    @flow.defstate("on", on=button("slow"))
    async def slow(event, ctx):
        await gate.wait()
        return ("transition", "on")

    return flow


async def test_a_press_is_answered_once_by_whoever_answers_it(bench, parsed):
    gate = asyncio.Event()
    await bench.start(menu(gate))
    await bench.say("/start")
    del parsed[:]
    lane = lane_of(bench.app)
    assert await press(bench, lane, "go") == ["went"]
    assert parsed == []
    assert await press(bench, lane, "by hand") == ["mine"]
    assert await press(bench, lane, "go", user=1) == ["went"]
    query = bench.offline.press("slow")["callback_query"]["id"]
    [update] = bench.offline.take_updates()
    handling = asyncio.create_task(give(lane, json.dumps(update).encode()))
    await settle()
    await bench.advance(2)
    assert bench.answers(query) == [""]
    gate.set()
    await handling
    assert bench.answers(query) == [""]


async def test_a_stale_press_is_answered_as_such(bench):
    gate = asyncio.Event()
    gate.set()
    await bench.start(menu(gate))
    await bench.say("/start")
    old = bench.data("go")
    lane = lane_of(bench.app)
    await press(bench, lane, "slow")
    query = bench.offline.press_data(old)["callback_query"]["id"]
    [update] = bench.offline.take_updates()
    await give(lane, json.dumps(update).encode())
    [told] = bench.answers(query)
    assert told


async def test_a_lost_lease_is_no_error_of_a_handler_where_the_update_waits_in_an_inbox(bench, monkeypatch):
    flow, _ = talking()
    engine = await bench.start(flow)
    lane = lane_of(bench.app)
    strike = type("Strike", (), {"ids": (1,), "done": False, "lost": None})()
    engine.face.received = {1: strike}
    lost = LeaseLost("lost")

    def fail(self, change, hold=False):
        raise lost

    lease_type = type(MemoryStore(bench.clock).lease(bench.key()))
    monkeypatch.setattr(lease_type, "put", fail)
    await give(lane, said(1, "a"))
    monkeypatch.undo()
    assert strike.lost is lost
    assert bench.errors == []


OTHERS = (
    "presses",
    "buttons",
    "errors",
    "in_state",
    "otherwise",
    "menu_buttons",
    "message_keys",
    "conversation_handler",
)


@pytest.mark.thorough
def test_the_tests_of_flows_pass_on_the_lane_too():
    files = [Path(__file__).with_name(f"test_{name}.py") for name in OTHERS]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "tests.on_the_lane",
        "-p",
        "no:cacheprovider",
        *files,
    ]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) updates took the fast lane", done.stdout)[1]) > 200
