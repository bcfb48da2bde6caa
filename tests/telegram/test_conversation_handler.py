"""A flow made of a ConversationHandler: what is not in the differential tests (`test_moving_differential`)."""

import enum
from typing import Any, TypedDict

import attrs
import pytest
from telegram import Update
from telegram.ext import (
    ApplicationHandlerStop,
    CallbackQueryHandler,
    CommandHandler,
    ConversationHandler,
    DictPersistence,
    MessageHandler,
    TypeHandler,
    filters,
)

from fsmkit import ANY, DefinitionError, Engine, FsmkitError, Key, KeyBy, UnknownState
from fsmkit.graph import graph_of
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import attach, command, from_conversation_handler, text
from fsmkit.telegram.event import read_update

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBUserWarning")

END, TIMEOUT, WAITING = ConversationHandler.END, ConversationHandler.TIMEOUT, ConversationHandler.WAITING
NAME, AGE = range(2)
TEXT = filters.TEXT & ~filters.COMMAND


def says(words, returned, **stores):
    """A callback that answers, stores in `user_data` and returns."""

    async def callback(update, context):
        context.user_data.update({name: getattr(update.message, field) for name, field in stores.items()})
        await update.effective_message.reply_text(words)
        return returned

    return callback


def signup(**options):
    return ConversationHandler(
        [CommandHandler("start", says("name?", NAME))],
        {
            NAME: [MessageHandler(TEXT, says("age?", AGE, name="text"))],
            AGE: [MessageHandler(filters.Regex(r"^\d+$"), says("thanks", END, age="text"))],
            **options.pop("states", {}),
        },
        [CommandHandler("stop", says("bye", END))],
        **{"name": "signup", **options},
    )


@attrs.frozen
class Form:
    name: str = ""
    age: str = ""


# -- what it is made of ----------------------------------------------------------------------------


class Stage(enum.Enum):
    ONE = 1


def test_states_have_names_and_are_found_by_their_own_objects():
    flow = from_conversation_handler(
        ConversationHandler(
            [], {1: [], "AGE": [], "1": [], Stage.ONE: [], (1, "x"): [], 2.5: [], TIMEOUT: []}, []
        )
    )
    assert list(flow.states) == ["1", "AGE", "~1", "Stage.ONE", "(1,~x)", "2.5"]
    assert flow[1].name == "1"
    assert flow[Stage.ONE].name == "Stage.ONE"
    assert flow[(1, "x")].name == "(1,~x)"
    with pytest.raises(KeyError):
        flow[3]


def test_names_may_be_given():
    flow = from_conversation_handler(signup(), names={NAME: "name", AGE: "age"})
    assert (list(flow.states), flow[AGE].name) == (["name", "age"], "age")


def test_the_name_is_that_of_the_conversation_handler():
    assert from_conversation_handler(signup()).name == "signup"
    assert from_conversation_handler(signup(name=None)).name == "conversation"
    assert from_conversation_handler(signup(), name="other").name == "other"


@pytest.mark.parametrize(
    ("per", "rule"),
    [
        ((True, True, False), KeyBy.USER_IN_CHAT),
        ((True, False, False), KeyBy.CHAT),
        ((False, True, False), KeyBy.GLOBAL_USER),
        ((True, True, True), KeyBy.USER_IN_MESSAGE),
        ((False, True, True), KeyBy.USER_IN_MESSAGE),
        ((True, False, True), KeyBy.MESSAGE),
    ],
)
def test_the_settings_become_a_key_rule(per, rule):
    chat, user, message = per
    flow = from_conversation_handler(
        ConversationHandler([], {1: []}, [], per_chat=chat, per_user=user, per_message=message)
    )
    assert flow.key is rule


def test_the_timeout_is_the_ttl_and_without_one_there_is_none():
    assert from_conversation_handler(signup()).ttl is None
    assert from_conversation_handler(signup(conversation_timeout=60)).ttl == 60


def test_the_graph_knows_the_states_that_a_conversation_handler_has():
    graph = graph_of(from_conversation_handler(signup()))
    assert graph.problems == ()
    assert graph.successors(("signup", None)) == {("signup", "0")}
    assert {edge.handler.rpartition(".")[2] for edge in graph.edges} == {"callback"}
    assert {edge.kind for edge in graph.edges} == {"transition", "end"}


async def returns_age(update, context):
    if update.message.text == "stop":
        raise ApplicationHandlerStop(END)
    return AGE if update.message else -1


async def returns_bare(update, context):
    if update.message:
        raise ApplicationHandlerStop(state=AGE)
    if update.message.text:
        raise ApplicationHandlerStop
    raise ValueError(0)


async def yields(update, context):
    yield 0


async def returns_nothing(update, context):
    await update.message.reply_text("?")


ANYWHERE = {("stay", None), ("end", None), ("transition", "0"), ("transition", "1")}


@pytest.mark.parametrize(
    ("callback", "ways"),
    [
        (returns_age, {("end", None), ("transition", "1")}),
        (returns_nothing, {("stay", None)}),
        (returns_bare, {("stay", None), ("transition", "1")}),
        (lambda update, context: AGE, {("transition", "1")}),
        (yields, ANYWHERE),
        (says("x", AGE), {("transition", "1")}),
        (None, ANYWHERE),
    ],
)
def test_where_a_callback_goes_is_read_from_its_source(callback, ways):
    if callback is None:

        async def callback(update, context):
            return int(update.message.text)

    flow = from_conversation_handler(signup(states={NAME: [MessageHandler(TEXT, callback)]}))
    edges = [edge for edge in graph_of(flow).outgoing(("signup", "0")) if "MessageHandler" in edge.trigger]
    assert {(edge.kind, edge.target.state if edge.target else None) for edge in edges} == ways
    assert graph_of(flow).problems == ()


def nested(**options):
    return ConversationHandler(
        [CommandHandler("address", says("street?", "STREET"))],
        {"STREET": [MessageHandler(TEXT, says("got it", END))]},
        [],
        **{"name": "address", "map_to_parent": {END: AGE}, **options},
    )


def test_nested_ones_are_states_of_the_same_flow():
    flow = from_conversation_handler(signup(states={AGE: [nested()], "MORE": [nested(name=None)]}))
    assert list(flow.states) == ["0", "1", "1 > address.STREET", "MORE", "MORE > 2.STREET"]


# -- what it refuses -------------------------------------------------------------------------------


@attrs.frozen
class NeedsAName:
    name: str


class Odd:
    pass


def in_itself():
    conversation = signup()
    conversation.states[NAME].append(nested := globals()["nested"]())
    nested.states["STREET"].append(nested)
    return conversation


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: from_conversation_handler(3), "3 is not a ConversationHandler"),
        (lambda: from_conversation_handler(ConversationHandler([], {Odd: []}, [])), "names={<class"),
        (
            lambda: from_conversation_handler(signup(states={5: [nested(per_chat=False)]})),
            "Make them the same",
        ),
        (lambda: from_conversation_handler(signup(states={5: [nested(), nested()]})), "are called 'address'"),
        (lambda: from_conversation_handler(in_itself()), "is nested in itself"),
        (lambda: from_conversation_handler(signup(states={TIMEOUT: [nested()]})), "handlers of TIMEOUT"),
        (lambda: from_conversation_handler(signup(), names={NAME: "x", AGE: "x"}), "both be named 'x'"),
        (lambda: from_conversation_handler(signup(), data=NeedsAName), "Give all its fields defaults"),
        (
            lambda: from_conversation_handler(
                signup(states={TIMEOUT: [TypeHandler(Update, says("late", None))]}), data=Form
            ),
            "Add `last_update: dict",
        ),
    ],
)
def test_what_cannot_be_moved_is_said_with_line_and_remedy(make, problem):
    with pytest.raises(DefinitionError) as caught:
        make()
    assert problem in str(caught.value)
    assert caught.value.place.startswith("tests/telegram/test_conversation_handler.py:")


async def test_without_an_application_the_callbacks_cannot_be_called(bench):
    conversation = ConversationHandler([MessageHandler(filters.ALL, says("name?", NAME))], {NAME: []}, [])
    event = read_update(Update.de_json(bench.offline.say("hello"), None), None)
    with pytest.raises(FsmkitError, match="need PTB's context"):
        await Engine(from_conversation_handler(conversation)).send(Key(1, 1), event)


# -- running ---------------------------------------------------------------------------------------


async def test_a_state_that_there_is_not_is_an_error_that_names_the_callback(bench):
    conversation = signup(states={NAME: [MessageHandler(TEXT, says("?", "nowhere"))]})
    flow = from_conversation_handler(conversation)
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("Ann")
    [error] = bench.errors
    assert isinstance(error, UnknownState)
    assert "returned 'nowhere', which is not a state of the ConversationHandler 'signup'" in str(error)
    assert "tests/telegram/test_conversation_handler.py:" in error.place
    assert (await bench.engine.get_state(flow, bench.key()))[0] == "0"
    bench.errors.clear()


async def test_what_it_took_goes_to_no_other_handler_and_all_else_does(bench):
    seen = []

    async def see(update, context):
        seen.append(update.message.text)

    bench.app.add_handler(MessageHandler(filters.ALL, see))
    await bench.start(from_conversation_handler(signup()))
    for said in ("hello", "/start", "Ann", "old", "42", "bye"):
        await bench.say(said)
    assert seen == ["hello", "old", "bye"]


async def test_an_update_that_comes_again_is_handled_once(bench):
    await bench.start(from_conversation_handler(signup()))
    update = await bench.say("/start")
    await bench.app.process_update(Update.de_json(update, bench.app.bot))
    assert bench.texts() == ["name?"]


async def test_waiting_and_block_are_of_no_effect_as_updates_wait_for_each_other(bench):
    flow = from_conversation_handler(
        signup(
            states={
                NAME: [MessageHandler(TEXT, says("age?", AGE), block=False)],
                WAITING: [MessageHandler(TEXT, says("wait", None))],
            }
        )
    )
    await bench.start(flow)
    for said in ("/start", "Ann", "42"):
        bench.offline.say(said)
    await bench.feed()
    assert bench.texts() == ["name?", "age?", "thanks"]


async def test_an_anonymous_admin_is_nobody(bench):
    await bench.start(from_conversation_handler(signup()))
    bench.offline.add_chat(-100)
    bench.offline.say("/start", user=1087968824, chat=-100, sender_chat={"id": -100, "type": "supergroup"})
    await bench.feed()
    assert bench.texts(-100) == []


# -- data ------------------------------------------------------------------------------------------


async def test_the_named_keys_of_user_data_are_stored_with_the_state(bench):
    flow = from_conversation_handler(signup(), data=Form)
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("Ann")
    assert await bench.engine.get_state(flow, bench.key()) == ("1", Form("Ann"))


async def test_they_are_there_for_old_callbacks_after_a_restart(bench, clock):
    async def greet(update, context):
        await update.message.reply_text(f"{context.user_data}")
        return END

    def make():
        return from_conversation_handler(signup(states={AGE: [MessageHandler(TEXT, greet)]}), data=Form)

    store = MemoryStore(clock)
    await bench.start(make(), store=store)
    await bench.say("/start")
    await bench.say("Ann")
    app = bench.offline.builder().job_queue(None).build()
    engine = attach(app, make(), store=store, clock=clock)
    async with app, engine:
        bench.offline.say("42")
        await bench.offline.feed(app)
    assert bench.texts()[-1] == "{'name': 'Ann'}"


async def test_what_a_callback_that_raises_wrote_is_taken_back(bench):
    async def fail(update, context):
        context.user_data["name"] = "Eve"
        raise ApplicationHandlerStop("nowhere")

    async def show(update, context):
        await update.message.reply_text(context.user_data["name"])

    states = {AGE: [MessageHandler(filters.Regex("fail"), fail), MessageHandler(TEXT, show)]}
    await bench.start(from_conversation_handler(signup(states=states), data=Form))
    for said in ("/start", "Ann", "fail", "show"):
        await bench.say(said)
    assert bench.texts()[-1] == "Ann"
    assert [type(error) for error in bench.errors] == [UnknownState]
    bench.errors.clear()


class Kept(TypedDict, total=False):
    name: str
    last_update: dict[str, Any] | None


async def test_a_typed_dict_has_only_the_keys_that_there_are(bench):
    async def forget(update, context):
        del context.user_data["name"]

    flow = from_conversation_handler(signup(states={AGE: [MessageHandler(TEXT, forget)]}), data=Kept)
    await bench.start(flow)
    await bench.say("/start")
    assert (await bench.engine.get_state(flow, bench.key()))[1] == {}
    await bench.say("Ann")
    assert (await bench.engine.get_state(flow, bench.key()))[1] == {"name": "Ann"}
    await bench.say("forget")
    assert (await bench.engine.get_state(flow, bench.key()))[1] == {}


async def test_a_conversation_of_a_whole_chat_carries_chat_data(bench):
    async def start(update, context):
        context.chat_data["name"] = "club"
        return NAME

    flow = from_conversation_handler(
        ConversationHandler([CommandHandler("start", start)], {NAME: []}, [], per_user=False), data=Form
    )
    await bench.start(flow)
    await bench.say("/start")
    assert await bench.engine.get_state(flow, bench.key()) == ("0", Form("club"))


# -- written anew ----------------------------------------------------------------------------------


async def test_new_handlers_go_before_the_old_ones_of_the_same_state(bench):
    flow = from_conversation_handler(signup(), data=Form, names={AGE: "age"})
    flow.state("age", prompt="And your age, please?", otherwise="Digits!")

    @flow.defstate(flow[AGE], on=text("[0-9]{1,3}"))
    def age(event, ctx):
        ctx.reply(f"{ctx.data.name} is {event.text}")
        return ("end",)

    @flow.defstate(ANY, on=command("help"))
    def help_(event, ctx):
        ctx.reply("help yourself")

    await bench.start(flow)
    for said in ("/start", "/help", "Ann", "old", "42", "/stop"):
        await bench.say(said)
    assert bench.texts() == [
        "name?",
        "help yourself",
        "age?",
        "And your age, please?",
        "Digits!",
        "Ann is 42",
    ]


async def test_a_new_handler_that_passes_leaves_the_event_to_the_old_ones(bench):
    flow = from_conversation_handler(signup())
    flow.defstate(flow[NAME])(lambda event, ctx: ("pass",))
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("Ann")
    assert bench.texts() == ["name?", "age?"]


async def test_what_a_new_handler_stores_an_old_callback_has_in_user_data(bench):
    async def greet(update, context):
        await update.message.reply_text(context.user_data["name"])
        return END

    flow = from_conversation_handler(signup(states={AGE: [MessageHandler(TEXT, greet)]}), data=Form)

    @flow.defstate(flow[NAME])
    def name(event, ctx):
        return ("transition", flow[AGE], ctx.evolve(name=event.text.upper()))

    await bench.start(flow)
    for said in ("/start", "Ann", "x"):
        await bench.say(said)
    assert bench.texts()[-1] == "ANN"


# -- timeouts --------------------------------------------------------------------------------------


def late(**options):
    return signup(conversation_timeout=60, states={TIMEOUT: [MessageHandler(TEXT, TOO_LATE)]}, **options)


async def TOO_LATE(update, context):  # noqa: N802
    await update.message.reply_text(f"too late, {update.message.text}, {sorted(context.user_data)}")
    return AGE


async def test_after_a_restart_the_handlers_of_timeout_get_the_update_that_was_last(bench, clock):
    store = MemoryStore(clock)
    await bench.start(from_conversation_handler(late()), store=store)
    await bench.say("/start")
    await bench.say("Ann")
    await bench.engine.stop()
    app = bench.offline.builder().job_queue(None).build()
    flow = from_conversation_handler(late())
    engine = attach(app, flow, store=store, clock=clock)
    async with app:
        clock.advance(100)
        await engine.sweep()
    assert bench.texts()[-1] == "too late, Ann, []"  # another process knows nothing of `user_data`
    assert await engine.get_state(flow, Key(1, 1)) == (None, None)


async def test_without_a_last_update_the_conversation_ends_without_them(bench):
    flow = from_conversation_handler(late())
    await bench.start(flow)
    await bench.engine.set_state(flow, bench.key(), "0")
    await bench.advance(61)
    assert (bench.texts(), await bench.engine.get_state(flow, bench.key())) == ([], (None, None))


async def test_a_nested_timeout_goes_back_to_the_state_around_it(bench):
    inner = ConversationHandler(
        [CommandHandler("address", says("street?", "STREET"))],
        {"STREET": [], TIMEOUT: [TypeHandler(Update, says("still there?", None))]},
        [],
        name="address",
        conversation_timeout=5,
    )
    flow = from_conversation_handler(signup(conversation_timeout=60, states={NAME: [inner]}))
    await bench.start(flow)
    await bench.say("/start")
    await bench.say("/address")
    await bench.advance(6)
    assert (await bench.engine.get_state(flow, bench.key()))[0] == "0"
    await bench.advance(58)
    assert (await bench.engine.get_state(flow, bench.key()))[0] == "0"
    await bench.advance(3)
    assert await bench.engine.get_state(flow, bench.key()) == (None, None)
    assert bench.texts() == ["name?", "street?", "still there?"]


async def test_what_they_write_into_user_data_reaches_the_persistence(bench, offline, clock):
    async def note(update, context):
        context.user_data["late"] = True

    persistence = DictPersistence()
    app = offline.builder().job_queue(None).persistence(persistence).build()
    conversation = signup(conversation_timeout=60, states={TIMEOUT: [TypeHandler(Update, note)]})
    engine = attach(app, from_conversation_handler(conversation), clock=clock)
    async with app:
        offline.say("/start")
        await offline.feed(app)
        await app.update_persistence()
        clock.advance(100)
        await engine.sweep()
        await app.update_persistence()
        assert await persistence.get_user_data() == {1: {"late": True}}
        await engine.stop()


async def test_a_stop_in_a_handler_of_timeout_stops_nothing(bench):
    async def stop(update, context):
        await update.message.reply_text("late")
        raise ApplicationHandlerStop

    states = {TIMEOUT: [TypeHandler(Update, stop), TypeHandler(Update, says("and once more", None))]}
    flow = from_conversation_handler(signup(conversation_timeout=60, states=states))
    await bench.start(flow)
    await bench.say("/start")
    await bench.advance(61)
    assert bench.texts() == ["name?", "late", "and once more"]
    assert await bench.engine.get_state(flow, bench.key()) == (None, None)


# -- presses ---------------------------------------------------------------------------------------


def menu(**options):
    async def press(update, context):
        count = context.user_data["count"] = context.user_data.get("count", 0) + 1
        if options.get("answers"):
            await update.callback_query.answer("mine")
        return count

    handlers = [CallbackQueryHandler(press)]
    return ConversationHandler(handlers, {1: handlers, 2: handlers, 3: []}, [], **options["per"])


async def test_each_message_has_a_conversation_of_its_own(bench):
    flow = from_conversation_handler(menu(per={"per_message": True}))
    await bench.start(flow)
    one, two = [(await bench.app.bot.send_message(1, text)).message_id for text in "ab"]
    for message in (one, one, two):
        await bench.press_data("x", message_id=message)
    assert (await bench.engine.get_state(flow, Key(1, 1, f"m{one}")))[0] == "2"
    assert (await bench.engine.get_state(flow, Key(1, 1, f"m{two}")))[0] == "3"


async def test_inline_messages_have_conversations_too(bench):
    flow = from_conversation_handler(menu(per={"per_message": True, "per_chat": False}))
    await bench.start(flow)
    await bench.press_data("x", inline_message_id="AAA")
    assert (await bench.engine.get_state(flow, Key(1, 1, "mAAA")))[0] == "1"


async def test_buttons_under_inline_messages_are_no_private_conversation(bench):
    flow = from_conversation_handler(menu(per={}))
    await bench.start(flow)
    await bench.press_data("x", inline_message_id="AAA")
    assert await bench.engine.get_state(flow, bench.key()) == (None, None)


@pytest.mark.parametrize(("answers", "said"), [(True, ["mine"]), (False, [""])])
async def test_each_press_is_answered_once(bench, answers, said):
    await bench.start(from_conversation_handler(menu(answers=answers, per={})))
    await bench.app.bot.send_message(1, "menu")
    assert await bench.press_data("x") == said
    await bench.advance(5)
    assert bench.calls().count("answerCallbackQuery") == 1
