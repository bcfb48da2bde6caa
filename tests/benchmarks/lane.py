"""What an update costs from the bytes that Telegram sends to the commit: the fast lane beside PTB's own way."""

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from telegram import Update

from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram.fast_lane import FastLane
from fsmkit.telegram.handler import FlowHandler
from tests.benchmarks import bots
from tests.benchmarks.measuring import PROCESSOR, Comparison, Load, cost_of
from tests.benchmarks.steps import STEPS, USERS, Total, begun, if_answered, kept_by, stored_by

AT_ONCE = 64
"""Chats whose updates are handled at the same time, where a step waits for a disk."""

Process = Callable[[bytes], Awaitable[None]]


def _handler(app: Any) -> FlowHandler:
    [found] = [each for group in app.handlers.values() for each in group if isinstance(each, FlowHandler)]
    return found


def on_the_lane(app: Any) -> Process:
    """Return what handles an update from its bytes as a `Receiver` does, the inbox apart."""
    lane = FastLane(app, _handler(app))

    async def process(body: bytes) -> None:
        event = lane.read(body)
        assert event is not None
        await lane.handle(event)

    return process


def through_ptb(app: Any) -> Process:
    """Return what handles an update from its bytes as PTB does."""

    async def process(body: bytes) -> None:
        await app.process_update(Update.de_json(json.loads(body), app.bot))

    return process


def _texts(updates: bots.Updates, load: Load) -> list[bytes]:
    users = (number % USERS + 1 for number in range(load.of(STEPS, 40)))
    return [json.dumps(updates.raw(user, "Ann")).encode() for user in users]


def _presses(updates: bots.Updates, load: Load, data_of: Callable[[int], str]) -> list[bytes]:
    users = (number % USERS + 1 for number in range(load.of(STEPS, 40)))
    return [json.dumps(updates.raw_press(user, data_of(user))).encode() for user in users]


async def _timed(given: Sequence[bytes], process: Process, total: Total, load: Load) -> float:
    took = await cost_of(given, process, load)
    assert await total() == len(given)
    return took


async def kit_text(load: Load) -> float:
    """A text on the fast lane."""
    app, engine = await bots.kit(flow := bots.form_flow())
    given = _texts(await begun(app), load)
    return await _timed(given, on_the_lane(app), stored_by(engine, flow), load)


async def handler_text(load: Load) -> float:
    """A text, parsed by `json` and PTB, with a `ConversationHandler`."""
    app = await bots.conversation_handler()
    return await _timed(_texts(await begun(app), load), through_ptb(app), kept_by(app), load)


async def kit_press(load: Load) -> float:
    """A press of a button of one's own on the fast lane, answered."""
    silent, flow = bots.Silent(), bots.press_flow()
    app, engine = await bots.kit(flow, silent=silent)
    given = _presses(await begun(app), load, silent.buttons.__getitem__)
    took = await _timed(given, on_the_lane(app), stored_by(engine, flow), load)
    await engine.stop()
    return if_answered(took, silent, len(given))


async def handler_press(load: Load) -> float:
    """The same, parsed by `json` and PTB, with a `CallbackQueryHandler` that answers."""
    silent = bots.Silent()
    conversation = bots.one_state_conversation(lambda update: update.callback_query.answer(), buttons=True)
    app = await bots.conversation_handler(silent, conversation)
    given = _presses(await begun(app), load, lambda user: "again")
    return if_answered(await _timed(given, through_ptb(app), kept_by(app), load), silent, len(given))


async def kit_press_unanswered(load: Load) -> float:
    """A press up to its commit: the request that answers it is left out."""
    silent, flow = bots.Silent(), bots.press_flow()
    app, engine = await bots.kit(flow, silent=silent)
    _handler(app).intake.delivery.answer = _nothing
    given = _presses(await begun(app), load, silent.buttons.__getitem__)
    took = await _timed(given, on_the_lane(app), stored_by(engine, flow), load)
    await engine.stop()
    return took


async def handler_press_unanswered(load: Load) -> float:
    """The same, parsed by `json` and PTB, with a `CallbackQueryHandler` that does not answer."""
    app = await bots.conversation_handler(None, bots.one_state_conversation(_nothing, buttons=True))
    given = _presses(await begun(app), load, lambda user: "again")
    return await _timed(given, through_ptb(app), kept_by(app), load)


async def _nothing(*_given: Any, **_options: Any) -> None:
    """Do nothing."""


async def kit_sqlite(load: Load) -> float:
    """A text on the fast lane, in a SQLite file that is flushed at each commit, 64 chats at a time."""
    with tempfile.TemporaryDirectory() as home:
        app, engine = await bots.kit(flow := bots.form_flow(), store=SQLiteStore(Path(home) / "bot.db"))
        texts = _texts(await begun(app), load)
        process = on_the_lane(app)
        bunches = [texts[first : first + AT_ONCE] for first in range(0, len(texts), AT_ONCE)]

        async def at_once(bunch: Sequence[bytes]) -> None:
            await asyncio.gather(*map(process, bunch))

        took = await cost_of(bunches, at_once, load, warm=500 // AT_ONCE) / AT_ONCE
        assert await stored_by(engine, flow)() == len(texts)
        await engine.stop()
        await engine.store.close()
        return took


_KIT, _HANDLER = "fsmkit", "ConversationHandler"

COMPARISONS = (
    Comparison(
        "lane",
        "A text from the bytes that Telegram sends, on the fast lane",
        PROCESSOR,
        {_KIT: kit_text, _HANDLER: handler_text},
        goal=1 / 8,
    ),
    Comparison(
        "lane-press",
        "A button of one's own is pressed and answered, from the bytes, on the fast lane",
        PROCESSOR,
        {_KIT: kit_press, _HANDLER: handler_press},
    ),
    Comparison(
        "lane-press-commit",
        "The same up to the commit, without the request that answers",
        PROCESSOR,
        {_KIT: kit_press_unanswered, _HANDLER: handler_press_unanswered},
        goal=1 / 8,
    ),
    Comparison(
        "lane-sqlite",
        "A text from the bytes, on the fast lane, with the SQLiteStore (FULL), 64 chats; the peer in memory",
        PROCESSOR,
        {_KIT: kit_sqlite, _HANDLER: handler_text},
    ),
)
