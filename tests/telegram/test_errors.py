"""Errors reach PTB's error handlers with all that is known of them, and the bot lives on."""

import asyncio

import pytest
from busy_bot import Busy, catch_all
from telegram import Update
from telegram.ext import MessageHandler, filters

from fsmkit import ANY, Flow, HandlerAborted, Key, Origin, StoreUnavailable, Timeout, origin_of
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import KeyedProcessor, command


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


async def exit_in_thread():
    await asyncio.to_thread(exit_now)


def exit_now():
    raise SystemExit(1)


def raising(error):
    async def fail():
        await asyncio.sleep(0)
        raise error

    return fail


FAILURES = {
    "value error": (raising(ValueError("of the handler")), ValueError),
    "cancelled by nobody": (raising(asyncio.CancelledError()), HandlerAborted),
    "exit": (raising(SystemExit(1)), HandlerAborted),
    "exit in a thread": (exit_in_thread, HandlerAborted),
    "generator exit": (raising(GeneratorExit()), HandlerAborted),
    "no words": (raising(Mute()), Mute),
    "group": (raising(ExceptionGroup("both", [ValueError(), KeyError()])), ExceptionGroup),
    "stop iteration": (raising(StopIteration()), RuntimeError),
    "stop async iteration": (raising(StopAsyncIteration()), StopAsyncIteration),
}


def failing(how):
    flow = Flow("failing")
    flow.state("on")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))

    @flow.defstate("on", on=command("fail"))
    async def fail(event, ctx):
        ctx.reply("never")
        await how()

    return flow


@pytest.mark.parametrize("processing", [False, True, "keyed"])
@pytest.mark.parametrize("what", FAILURES)
async def test_the_bot_lives_on_and_its_error_handlers_are_told(offline, clock, what, processing):
    how, kind = FAILURES[what]
    processor = KeyedProcessor(2) if processing == "keyed" else processing
    busy = Busy(offline, clock, processor, failing(how))
    catch_all(busy)
    async with busy:
        await busy.say("/start", user=1)
        before = await busy.engine.store.peek(Key(1, 1, bot=42))
        await busy.put("/fail", user=1)
        await busy.put("after", user=1)
        await busy.put("other", user=2)
        await busy.app.update_queue.join()
        [error] = busy.errors
        origin = origin_of(error)
        assert (type(error), origin.flow, origin.state, str(origin.key)) == (
            kind,
            "failing",
            "on",
            "1:1:-:-:42",
        )
        assert (origin.event.text, type(origin.event.update)) == ("/fail", Update)
        assert sorted(busy.done) == ["after", "other"]  # the bot's other handlers never saw "/fail"
        assert (await busy.engine.store.peek(Key(1, 1, bot=42)), busy.engine.store.turns) == (before, {})
        assert offline.texts(1) == []


async def test_an_error_handler_tells_a_timeout_by_its_origin(bench):
    flow = Flow("f", ttl=60)
    flow.state("on")
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "on"))
    flow.defstate("on", on=Timeout)(lambda event, ctx: 1 / 0)
    await bench.start(flow)
    await bench.say("/start")
    await bench.advance(61)
    [error] = bench.errors
    bench.errors.clear()
    await bench.engine.reset_state(flow, bench.key())
    origin = origin_of(error)
    assert (type(origin.event), origin.flow, origin.state, origin.key.chat) == (Timeout, "f", "on", 1)


class Away(MemoryStore):
    """A store whose server can be away."""

    away = False

    def lease(self, key, **options):
        if self.away:
            raise StoreUnavailable("nobody answers")
        return super().lease(key, **options)


async def test_a_store_that_is_away_fails_the_update_which_may_come_again(bench):
    others, store = [], Away(bench.clock)

    async def note(update, _context):
        others.append(update.message.text)

    bench.app.add_handler(MessageHandler(filters.ALL, note))
    flow = failing(raising(ValueError()))
    flow.defstate(ANY)(lambda event, ctx: ctx.reply("here"))
    await bench.start(flow, store=store)
    await bench.say("/start")
    store.away = True
    update = Update.de_json(await bench.say("hello"), bench.app.bot)
    [error] = bench.errors
    bench.errors.clear()
    key = Key(1, 1, bot=42)
    assert (type(error), origin_of(error)) == (StoreUnavailable, Origin(key, origin_of(error).event))
    assert (others, bench.texts()) == ([], [])
    store.away = False
    for _ in range(2):
        await bench.app.process_update(update)
    assert bench.texts() == ["here"]
