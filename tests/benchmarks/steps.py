"""What a step costs: a text, a press, a reply; with many states, flows and chats; and its parts alone."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from telegram import Update
from telegram.ext import MessageHandler, SimpleUpdateProcessor, filters

from fsmkit import Flow, Key
from fsmkit.engine import Engine
from fsmkit.interpreter.compiled import FlowSet
from fsmkit.interpreter.row import Row
from fsmkit.interpreter.selection import select
from fsmkit.interpreter.transitions import advance
from fsmkit.telegram import KeyedProcessor, command
from tests.benchmarks import bots
from tests.benchmarks.measuring import PROCESSOR, Comparison, Kind, Load, cost_of

USERS = 200
STEPS = 4000
Total = Callable[[], Awaitable[int]]
"""How many steps of all persons stand in what is stored."""


async def begun(app: Any, users: int = USERS) -> bots.Updates:
    """Begin the conversation of each person."""
    updates = bots.Updates(app.bot)
    for user in range(1, users + 1):
        await app.process_update(updates.said(user, "/start"))
    return updates


async def _timed(app: Any, given: list[Any], total: Total, load: Load) -> float:
    """Return the cost of an update, if each was a step that was stored."""
    took = await cost_of(given, app.process_update, load)
    counted = await total()
    assert counted == len(given), f"{counted} of {len(given)} updates were counted"
    return took


def _texts(updates: bots.Updates, load: Load, users: int = USERS) -> list[Any]:
    count = load.of(STEPS, 40)
    return updates.talk(range(1, users + 1), -(-count // users))[:count]


def stored_by(engine: Engine, flow: Flow[Any], users: int = USERS) -> Total:
    async def total() -> int:
        data = [(await engine.get_state(flow, Key(chat=user, user=user)))[1] for user in range(1, users + 1)]
        return sum(each["said"] if isinstance(each, dict) else each.said for each in data)

    return total


def kept_by(app: Any) -> Total:
    async def total() -> int:
        return sum(data["form"]["said"] for data in app.user_data.values())

    return total


# -- a text ------------------------------------------------------------------------------------------


async def _kit_text(flow: Flow[Any], load: Load, users: int = USERS) -> float:
    app, engine = await bots.kit(flow)
    texts = _texts(await begun(app, users), load, users)
    return await _timed(app, texts, stored_by(engine, flow, users), load)


async def _handler_text(conversation: Any, load: Load, users: int = USERS) -> float:
    app = await bots.conversation_handler(None, conversation)
    return await _timed(app, _texts(await begun(app, users), load, users), kept_by(app), load)


async def kit_text(load: Load) -> float:
    """Data in a frozen class."""
    return await _kit_text(bots.form_flow(), load)


async def kit_dict(load: Load) -> float:
    """Data in a `dict`."""
    return await _kit_text(bots.form_flow(dict), load)


async def handler_text(load: Load) -> float:
    """Data in `user_data`, changed in place."""
    return await _handler_text(bots.form_conversation(), load)


async def kit_json(load: Load) -> float:
    """As Telegram sends it: bytes, of which PTB makes an update."""
    app, engine = await bots.kit(flow := bots.form_flow())
    return await _from_json(app, stored_by(engine, flow), load)


async def handler_json(load: Load) -> float:
    """The same for a `ConversationHandler`."""
    app = await bots.conversation_handler()
    return await _from_json(app, kept_by(app), load)


async def _from_json(app: Any, total: Total, load: Load) -> float:
    updates = await begun(app)
    given = [
        json.dumps(updates.raw(number % USERS + 1, "Ann")).encode() for number in range(load.of(STEPS, 40))
    ]

    async def process(body: bytes) -> None:
        await app.process_update(Update.de_json(json.loads(body), app.bot))

    took = await cost_of(given, process, load)
    assert await total() == len(given)
    return took


async def aiogram_text(load: Load) -> float:
    """Data and state in aiogram's `MemoryStorage`, as its documentation has it."""
    from aiogram import Bot, Dispatcher
    from aiogram.types import Update as Given

    from tests.benchmarks.aiogram_bot import dispatcher, said

    router: Dispatcher = dispatcher()
    bot, updates = Bot("42:TOKEN"), bots.Updates(None)

    def parsed(user: int, text: str) -> Given:
        return Given.model_validate(updates.raw(user, text), context={"bot": bot})  # else it is parsed again

    for user in range(1, USERS + 1):
        await router.feed_update(bot, parsed(user, "/start"))
    count = load.of(STEPS, 40)
    texts = [parsed(number % USERS + 1, "Ann") for number in range(count)]
    took = await cost_of(texts, lambda update: router.feed_update(bot, update), load)
    assert said(router) == count
    await bot.session.close()
    return took


async def nothing_text(load: Load) -> float:
    """PTB alone: one handler that does nothing but count."""
    seen = []

    async def nothing(update: Any, context: Any) -> None:
        seen.append(update)

    app = await bots.conversation_handler(None, MessageHandler(filters.ALL, nothing))
    texts = _texts(bots.Updates(app.bot), load)

    async def total() -> int:
        return len(seen)

    return await _timed(app, texts, total, load)


# -- a press and a reply -----------------------------------------------------------------------------


async def kit_press(load: Load) -> float:
    """A button of one's own, which is bound to run, state and person."""
    silent, flow = bots.Silent(), bots.press_flow()
    app, engine = await bots.kit(flow, silent=silent)
    updates = await begun(app)
    given = _presses(updates, load, silent.buttons.__getitem__)
    took = await _timed(app, given, stored_by(engine, flow), load)
    await engine.stop()
    return if_answered(took, silent, len(given))


async def handler_press(load: Load) -> float:
    """A `CallbackQueryHandler` that answers."""
    silent = bots.Silent()
    conversation = bots.one_state_conversation(lambda update: update.callback_query.answer(), buttons=True)
    app = await bots.conversation_handler(silent, conversation)
    given = _presses(await begun(app), load, lambda user: "again")
    return if_answered(await _timed(app, given, kept_by(app), load), silent, len(given))


def _presses(updates: bots.Updates, load: Load, data_of: Callable[[int], str]) -> list[Any]:
    users = [number % USERS + 1 for number in range(load.of(STEPS, 40))]
    return [updates.pressed(user, data_of(user)) for user in users]


def if_answered(took: float, silent: bots.Silent, presses: int) -> float:
    answered = silent.counts["answerCallbackQuery"]
    assert answered == presses, f"{answered} of {presses} presses were answered"
    return took


async def kit_reply(load: Load) -> float:
    """`ctx.reply`: a message that is committed with the step, and sent after it."""
    silent, flow = bots.Silent(), bots.reply_flow()
    app, engine = await bots.kit(flow, silent=silent)
    texts = _texts(await begun(app), load)
    took = await _timed(app, texts, stored_by(engine, flow), load)
    return _if_sent(took, silent, len(texts))


async def handler_reply(load: Load) -> float:
    """`update.message.reply_text`."""
    silent = bots.Silent()
    conversation = bots.one_state_conversation(lambda update: update.message.reply_text("Thank you."))
    app = await bots.conversation_handler(silent, conversation)
    texts = _texts(await begun(app), load)
    return _if_sent(await _timed(app, texts, kept_by(app), load), silent, len(texts))


def _if_sent(took: float, silent: bots.Silent, texts: int) -> float:
    sent = silent.counts["sendMessage"]
    assert sent == texts, f"{sent} of {texts} texts were replied to"
    return took


# -- many states, flows, chats -----------------------------------------------------------------------


async def kit_states(load: Load) -> float:
    """As many states, all of them in use."""
    return await _kit_text(bots.ring_flow(load.size), load)


async def handler_states(load: Load) -> float:
    """As many states in a `ConversationHandler`."""
    return await _handler_text(bots.ring_conversation(load.size), load)


async def kit_chats(load: Load) -> float:
    """As many chats, of which each in turn says something."""
    return await _kit_text(bots.form_flow(), load, load.of(load.size, 100))


async def handler_chats(load: Load) -> float:
    """As many chats with a `ConversationHandler`."""
    return await _handler_text(bots.form_conversation(), load, load.of(load.size, 100))


async def kit_flows(load: Load) -> float:
    """As many flows, none of which wants the text: it comes to the bot's own handler."""
    flows = []
    for number in range(load.size):
        flow: Flow[Any] = Flow(f"flow{number}")

        @flow.defstate(None, on=command(f"start{number}"))
        def start(event: Any, ctx: Any) -> Any:
            return ("transition", "name")

        @flow.defstate("name")
        def name(event: Any, ctx: Any) -> Any:
            return ("end",)

        flows.append(flow)
    app, _ = await bots.kit(*flows)
    return await _unwanted(app, load)


async def handler_flows(load: Load) -> float:
    """As many `ConversationHandler`s, none of which wants the text."""
    app = await bots.conversation_handler(None, *(bots.form_conversation() for _ in range(load.size)))
    return await _unwanted(app, load)


async def _unwanted(app: Any, load: Load) -> float:
    seen = []

    async def rest(update: Any, context: Any) -> None:
        seen.append(update)

    app.add_handler(MessageHandler(filters.ALL, rest), 1)

    async def total() -> int:
        return len(seen)

    return await _timed(app, _texts(bots.Updates(app.bot), load), total, load)


# -- parts -------------------------------------------------------------------------------------------


async def _processed(processor: Any, load: Load) -> float:
    done = []

    async def process(update: Any) -> None:
        done.append(update)

    await processor.initialize()
    texts = _texts(bots.Updates(None), load)
    took = await cost_of(texts, lambda update: processor.process_update(update, process(update)), load)
    assert len(done) == len(texts)
    await processor.shutdown()
    return took


async def keyed_processor(load: Load) -> float:
    """`KeyedProcessor`, which keeps the updates of a chat in order."""
    return await _processed(KeyedProcessor(), load)


async def simple_processor(load: Load) -> float:
    """PTB's own, which does not."""
    return await _processed(SimpleUpdateProcessor(64), load)


@attrs.frozen
class Said:
    """An event that is not Telegram's."""

    text: str


async def interpreter(load: Load) -> float:
    """Select the handler, call it, apply its result; no engine, no store."""
    flow: Flow[Any] = Flow("form", data=bots.Form)

    @flow.defstate("name", on=Said)
    def name(event: Any, ctx: Any) -> Any:
        return ("transition", "city", bots.Form(name=event.text))

    @flow.defstate("city", on=Said)
    def city(event: Any, ctx: Any) -> Any:
        return ("transition", "name", bots.Form(city=event.text))

    @flow.defstate(None, on=Said)
    def start(event: Any, ctx: Any) -> Any:
        return ("transition", "name", bots.Form())

    flows, row = FlowSet([flow]), Row()

    async def said(event: Said) -> None:
        nonlocal row
        step = next(select(flows, row, event))
        row = advance(flows, row, step, step.handler.function(event, None), 1763800000.0, lambda: 1).row

    events = [Said("Ann")] * load.of(STEPS, 41)
    took = await cost_of(events, said, load)
    (snapshot,) = row.snapshots.values()
    assert snapshot.frames[-1].state == ("name" if len(events) % 2 else "city")
    return took


async def transitions(load: Load) -> float:
    """The package `transitions`: find the transition, call what is to be done before it, set the state."""
    from transitions import Machine

    class Model:
        state: str
        form: bots.Form
        said: Callable[..., bool]

        def named(self, event: Said) -> None:
            self.form = bots.Form(name=event.text)

        def lives_in(self, event: Said) -> None:
            self.form = bots.Form(city=event.text)

    model = Model()
    table = [
        {"trigger": "said", "source": "name", "dest": "city", "before": "named"},
        {"trigger": "said", "source": "city", "dest": "name", "before": "lives_in"},
    ]
    Machine(model, states=["name", "city"], transitions=table, initial="name", auto_transitions=False)

    async def said(event: Said) -> None:
        model.said(event)

    events = [Said("Ann")] * load.of(STEPS, 41)
    took = await cost_of(events, said, load)
    assert model.state == ("city" if len(events) % 2 else "name")
    return took


_KIT, _HANDLER = "fsmkit", "ConversationHandler"

COMPARISONS = (
    Comparison(
        "text",
        "A text is a step: parsed update, frozen flat data",
        PROCESSOR,
        {_KIT: kit_text, _HANDLER: handler_text, "aiogram": aiogram_text, "PTB alone": nothing_text},
        goal=1.6,
    ),
    Comparison(
        "dict",
        "The same with data in a dict",
        PROCESSOR,
        {_KIT: kit_dict, _HANDLER: handler_text},
        goal=2.2,
    ),
    Comparison(
        "json",
        "The same from the JSON that Telegram sends",
        PROCESSOR,
        {_KIT: kit_json, _HANDLER: handler_json},
    ),
    Comparison(
        "press",
        "A button of one's own is pressed and answered",
        PROCESSOR,
        {_KIT: kit_press, _HANDLER: handler_press},
        goal=1.8,
    ),
    Comparison(
        "reply",
        "A text is replied to",
        PROCESSOR,
        {_KIT: kit_reply, _HANDLER: handler_reply},
        goal=1.15,
    ),
    Comparison(
        "states",
        "A text with many states",
        PROCESSOR,
        {_KIT: kit_states, _HANDLER: handler_states},
        goal=1.05,
        kind=Kind.GROWTH,
        axis="states",
        sizes=(4, 16, 64, 256, 1024),
    ),
    Comparison(
        "flows",
        "A text that none of many flows wants",
        PROCESSOR,
        {_KIT: kit_flows, _HANDLER: handler_flows},
        goal=1.05,
        kind=Kind.GROWTH,
        axis="flows",
        sizes=(1, 4, 16, 64, 256),
    ),
    Comparison(
        "chats",
        "A text with many conversations in memory",
        PROCESSOR,
        {_KIT: kit_chats, _HANDLER: handler_chats},
        kind=Kind.GROWTH,
        axis="chats",
        sizes=(100, 1_000, 10_000, 100_000),
    ),
    Comparison(
        "interpreter",
        "The interpreter alone",
        PROCESSOR,
        {_KIT: interpreter, "transitions": transitions},
        goal=1 / 3,
    ),
    Comparison(
        "processor",
        "KeyedProcessor alone",
        PROCESSOR,
        {_KIT: keyed_processor, "PTB's own": simple_processor},
        goal=2.0,
    ),
)
