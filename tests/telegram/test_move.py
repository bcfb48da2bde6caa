"""`move(app)`: the same bot with its ConversationHandlers and with flows in their places."""

import datetime
import logging

import pytest
from telegram import Update
from telegram.ext import (
    ApplicationHandlerStop,
    CommandHandler,
    ConversationHandler,
    DictPersistence,
    MessageHandler,
    PersistenceInput,
    TypeHandler,
    filters,
)

from fsmkit import DefinitionError, Flow
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import from_conversation_handler, move
from fsmkit.telegram.conversation_handler.adapters import returned_by

END = ConversationHandler.END
WORDS = filters.TEXT & ~filters.COMMAND


def says(text, returned=None, stop=False):
    async def callback(update, context):
        await update.effective_message.reply_text(text)
        if stop:
            raise ApplicationHandlerStop(returned)
        return returned

    return callback


def two_conversations(app):
    """Two conversations with a gate, handlers before, between and behind them, and a log in a later group."""

    async def gate(update, context):
        if update.effective_message.text == "spam":
            raise ApplicationHandlerStop

    first = ConversationHandler(
        [CommandHandler("one", says("one?", 0))],
        {0: [MessageHandler(filters.Regex("^a"), says("one a", 0)), MessageHandler(WORDS, says("1", END))]},
        [CommandHandler("cancel", says("one over", END))],
    )
    second = ConversationHandler(
        [CommandHandler("two", says("two?", "ASK"))],
        {
            "ASK": [
                MessageHandler(filters.Regex("^stop$"), says("2", END, stop=True)),
                MessageHandler(WORDS, says("two")),
            ]
        },
        [CommandHandler("cancel", says("two over", END))],
        per_chat=False,
    )
    app.add_handler(TypeHandler(Update, gate), group=-1)
    app.add_handler(MessageHandler(filters.Regex("^help$"), says("help")))
    app.add_handler(first)
    app.add_handler(MessageHandler(filters.Regex("^between$"), says("between"), block=False))
    app.add_handler(second)
    app.add_handler(MessageHandler(filters.ALL, says("nobody's")))
    app.add_handler(
        ConversationHandler([MessageHandler(filters.Regex("^on$"), says("seen", 1))], {1: []}, []), group=2
    )
    app.add_handler(MessageHandler(filters.ALL, says("logged")), group=5)


SCRIPT = (
    "hi",
    "between",
    "/one",
    "a",
    "help",
    "/two",
    "between",
    "x",
    "y",
    "on",
    "stop",
    "/cancel",
    "spam",
    "/one",
)


async def told(offline, *, moved):
    app = offline.builder().job_queue(None).build()
    two_conversations(app)
    engine = move(app) if moved else None
    async with app:
        if engine is not None:
            await engine.start()
        for said in SCRIPT:
            offline.say(said)
            await offline.feed(app)
        if engine is not None:
            await engine.stop()
    return offline.texts(1)


async def test_each_flow_is_asked_where_its_conversation_handler_was(new_offline):
    assert await told(new_offline(), moved=True) == await told(new_offline(), moved=False)


@pytest.fixture
def new_offline():
    from fsmkit.botapi import OfflineTelegram

    return OfflineTelegram


def carrying(app):
    async def start(update, context):
        context.user_data.update(name="Ann", born=datetime.date(2000, 1, 1), gone=1, seen=[1, {"a": None}])
        return 0

    async def drop(update, context):
        del context.user_data["gone"]

    async def show(update, context):
        await update.effective_message.reply_text(str(dict(sorted(context.user_data.items()))))

    handlers = [CommandHandler("drop", drop), CommandHandler("show", show)]
    app.add_handler(ConversationHandler([CommandHandler("start", start)], {0: handlers}, [], name="form"))


async def say_and_stop(offline, store, *texts, **options):
    app = offline.builder().job_queue(None).build()
    for name, value in options.items():
        app = getattr(offline.builder().job_queue(None), name)(value).build()
    carrying(app)
    engine = move(app, store=store)
    async with app, engine:
        for text in texts:
            offline.say(text)
            await offline.feed(app)


async def test_what_json_has_of_user_data_comes_back_after_a_restart(offline, caplog):
    store = MemoryStore()
    with caplog.at_level(logging.WARNING, "fsmkit"):
        await say_and_stop(offline, store, "/start", "/drop", "/drop")
    said = [record.getMessage() for record in caplog.records if "not stored" in record.getMessage()]
    assert said == [
        "user_data['born'] is a date that JSON does not have as it is: it is not stored with the conversation "
        "and gone after a restart"
    ]
    await say_and_stop(offline, store, "/show")
    assert offline.texts(1)[-1] == "{'name': 'Ann', 'seen': [1, {'a': None}]}"


async def test_user_data_that_the_persistence_keeps_are_not_stored_a_second_time(offline):
    store = MemoryStore()
    keeps = DictPersistence(store_data=PersistenceInput(bot_data=False))
    await say_and_stop(offline, store, "/start", persistence=keeps)
    await say_and_stop(offline, store, "/show")
    assert offline.texts(1)[-1] == "{}"


def conversation(**options):
    return ConversationHandler([CommandHandler("start", says("?", 0))], {0: []}, [], **options)


async def test_flows_without_names_have_numbers_in_the_order_of_the_handlers(offline):
    app = offline.builder().build()
    app.add_handlers([conversation(), conversation(name="form"), conversation()])
    assert list(move(app).flows.tables) == ["conversation", "form", "conversation-2"]
    assert [repr(handler) for handler in app.handlers[0]] == [
        "MovedHandler('conversation')",
        "MovedHandler('form')",
        "MovedHandler('conversation-2')",
    ]


async def test_a_flow_with_new_handlers_takes_the_place_of_its_conversation_handler(offline):
    app = offline.builder().job_queue(None).build()
    old = conversation()
    app.add_handlers([MessageHandler(filters.Regex("^first$"), says("first")), old])
    flow = from_conversation_handler(old)

    @flow.defstate(flow[0])
    def anew(event, ctx):
        ctx.reply(f"new {event.text}")
        return ("end",)

    async with app, move(app, flow):
        for text in ("/start", "first", "x", "y"):
            offline.say(text)
            await offline.feed(app)
    assert offline.texts(1) == ["?", "first", "new x"]


def empty(app):
    move(app)


def foreign(app):
    app.add_handler(conversation())
    move(app, Flow("other"))


def no_handler(app):
    app.add_handler(ConversationHandler([CommandHandler("start", says("?", 0))], {0: []}, ["cancel"]))
    move(app)


def twice(app):
    app.add_handler(conversation())
    move(app)
    move(app)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (empty, "the application has no ConversationHandler"),
        (foreign, "made of no ConversationHandler of this application"),
        (no_handler, "fallbacks of a ConversationHandler has 'cancel', which is not a handler"),
        (twice, "was called for this application before"),
    ],
)
def test_what_cannot_be_moved_is_refused(offline, wrong, said):
    with pytest.raises(DefinitionError, match=said):
        wrong(offline.builder().build())


def test_a_range_that_was_not_unpacked_has_a_name():
    ask = range(1)
    old = ConversationHandler([CommandHandler("start", says("?", ask))], {ask: []}, [])
    assert list(from_conversation_handler(old).states) == ["range(0, 1)"]


async def menu(update, context):
    return "MENU" if update else "SMALL"


async def choose(update, context):
    if context:
        return await menu(update, context)
    return END


async def deeper(update, context):
    return await choose(update, context)


def test_what_another_callback_returns_is_read_one_call_deep():
    assert returned_by(choose) == ["MENU", "SMALL", END]
    assert returned_by(deeper) is None
