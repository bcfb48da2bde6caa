"""What the rest of a bot may rely on: where the flows stand among its handlers, and what they stop."""

import pytest
from telegram import Update
from telegram.ext import Application, ApplicationHandlerStop, Defaults, MessageHandler, TypeHandler, filters

from fsmkit import Crashed, DefinitionError, Engine, Flow, InvalidResult, Key, StoredByNewerVersion
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import FlowHandler, attach, command

OWN = r"group -1 must be fsmkit's own: .*, and PTB runs one handler of a group\. "
WHERE = r"Put gate-keepers into a lower group \(-2\), logging and all else into a higher one"


@pytest.fixture
def others():
    return []


@pytest.fixture
def catch_all(bench, others):
    """A handler of the bot's own that wants everything."""

    async def note(update, context):
        others.append(update.effective_message.text)

    bench.app.add_handler(MessageHandler(filters.ALL, note))


def greeter(**options):
    flow = Flow("greet", **options)
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=command("fail"))
    def fail(event, ctx):
        ctx.reply("never sent")
        raise ValueError("of the handler")

    @flow.defstate("on", on=command("pass"))
    def refuse(event, ctx):
        ctx.reply("never sent")
        return ("pass",)

    @flow.defstate("on", on=command("wrong"))
    def wrong(event, ctx):
        return "nonsense"

    return flow


def test_one_blocking_handler_stands_alone_in_its_group(bench):
    bench.attach(greeter(), group=-7)
    [handler] = bench.app.handlers[-7]
    assert (type(handler), handler.block) == (FlowHandler, True)


def test_a_group_that_is_used_already_is_refused_with_advice(bench):
    bench.app.add_handler(TypeHandler(Update, print), -1)
    with pytest.raises(DefinitionError, match=OWN + WHERE):
        bench.attach(greeter())


async def test_a_group_that_is_used_later_is_refused_with_advice(bench, others, catch_all):
    await bench.start(greeter())
    bench.app.add_handler(TypeHandler(Update, print), -1)
    await bench.say("/start")
    [error] = bench.errors
    bench.errors.clear()
    assert others == []
    with pytest.raises(DefinitionError, match=OWN + WHERE):
        raise error


async def test_what_is_no_application_is_refused():
    with pytest.raises(
        DefinitionError, match=r"test_contract\.py:\d+: attach\(\) takes an Application first"
    ):
        attach(greeter())


async def test_arbitrary_callback_data_is_refused_with_the_reason(bench):
    app = bench.offline.builder().arbitrary_callback_data(True).build()
    with pytest.raises(
        DefinitionError, match=r"test_contract\.py:\d+: .*arbitrary_callback_data=True.*Remove it"
    ):
        attach(app, greeter())


async def test_a_consumed_update_goes_to_no_other_handler(bench, others, catch_all):
    await bench.start(greeter())
    await bench.say("/start")
    assert (others, await bench.engine.get_state("greet", Key(1, 1))) == ([], ("on", {}))


async def test_a_passed_update_goes_on_and_its_effects_are_dropped(bench, others, catch_all):
    await bench.start(greeter())
    await bench.say("/start")
    await bench.say("/pass")
    await bench.say("something else")
    assert (others, bench.texts()) == (["/pass", "something else"], [])


async def test_a_repeated_update_is_consumed_without_a_handler(bench, others, catch_all):
    await bench.start(greeter())
    update = Update.de_json(await bench.say("/start"), bench.app.bot)
    row = await bench.engine.store.peek(Key(1, 1, bot=42))
    await bench.app.process_update(update)
    assert (others, await bench.engine.store.peek(Key(1, 1, bot=42))) == ([], row)


async def test_an_error_goes_to_the_error_handlers_with_notes_and_to_nobody_else(bench, others, catch_all):
    await bench.start(greeter())
    await bench.say("/start")
    row = await bench.engine.store.peek(Key(1, 1, bot=42))
    await bench.say("/fail")
    [error] = bench.errors
    bench.errors.clear()
    [note] = error.__notes__
    assert (type(error), error.args, others, bench.texts()) == (ValueError, ("of the handler",), [], [])
    assert note.startswith("fsmkit: flow 'greet', state 'on', key 1:1:-:-:42, handler ")
    assert "fail" in note
    assert "test_contract.py:" in note
    assert await bench.engine.store.peek(Key(1, 1, bot=42)) == row


async def test_a_wrong_result_goes_to_the_error_handlers_too(bench, others, catch_all):
    await bench.start(greeter())
    await bench.say("/start")
    await bench.say("/wrong")
    [error] = bench.errors
    bench.errors.clear()
    assert (type(error), others) == (InvalidResult, [])


async def test_a_crashed_handler_takes_an_error_away_from_the_error_handlers(bench, others, catch_all):
    flow = greeter()

    @flow.defstate("on", on=Crashed)
    def rescue(event, ctx):
        ctx.reply(f"sorry: {event.error}")
        return ("end",)

    await bench.start(flow)
    await bench.say("/start")
    await bench.say("/fail")
    assert (bench.texts(), others) == (["sorry: of the handler"], [])


async def test_an_error_handler_may_answer_through_the_update(bench):
    async def tell(update, context):
        await update.message.reply_text(f"{type(context.error).__name__} in update {update.update_id > 0}")

    bench.app.add_error_handler(tell)
    await bench.start(greeter())
    await bench.say("/start")
    await bench.say("/fail")
    bench.errors.clear()
    assert bench.texts() == ["ValueError in update True"]


async def test_handlers_in_lower_groups_run_first_and_may_keep_updates_away(bench, others):
    async def gate(update, context):
        others.append(update.message.text)
        if update.message.from_user.id == 13:
            raise ApplicationHandlerStop

    bench.app.add_handler(TypeHandler(Update, gate), -2)
    await bench.start(greeter())
    await bench.say("/start", user=13)
    await bench.say("/start", user=1)
    assert others == ["/start", "/start"]
    states = [await bench.engine.get_state("greet", Key(user, user)) for user in (13, 1)]
    assert states == [(None, None), ("on", {})]


async def test_defaults_that_do_not_block_change_nothing(bench, others, clock):
    app = bench.offline.builder().defaults(Defaults(block=False)).build()
    bench.app = app

    async def note(update, context):
        others.append(update.message.text)

    app.add_handler(MessageHandler(filters.ALL, note))
    await bench.start(greeter())
    await app.start()  # PTB warns of tasks that it starts for an application at rest
    await bench.say("/start")
    await bench.say("hello")
    await app.stop()
    assert others == ["hello"]


@pytest.mark.parametrize("said", ["/start", "hello"])
async def test_a_row_of_a_newer_version_never_falls_through(bench, others, catch_all, clock, said):
    store = MemoryStore(clock)
    await Engine(greeter(version=2), store=store, clock=clock).set_state("greet", Key(1, 1, bot=42), "on", {})
    before = await store.peek(Key(1, 1, bot=42))
    await bench.start(greeter(), store=store)
    await bench.say(said)
    [error] = bench.errors
    bench.errors.clear()
    assert (type(error), error.stored, error.known) == (StoredByNewerVersion, 2, 1)
    assert (others, await store.peek(Key(1, 1, bot=42))) == ([], before)


async def test_updates_of_ones_own_type_are_left_alone(bench, others):
    async def note(update, context):
        others.append(update)

    bench.app.add_handler(TypeHandler(str, note))
    await bench.start(greeter())
    await bench.app.process_update("not an update of Telegram's")
    assert others == ["not an update of Telegram's"]


def test_check_update_needs_no_initialized_bot(bench):
    bench.attach(greeter())
    [handler] = bench.app.handlers[-1]
    update = Update.de_json(bench.offline.say("/start"), bench.app.bot)
    assert handler.check_update(update).event.command == "start"


def test_several_applications_stand_side_by_side(bench):
    flow = greeter()
    engines = [attach(bench.offline.builder().build(), flow) for _ in range(2)]
    assert [engine.bot for engine in engines] == [42, 42]
    assert isinstance(bench.app, Application)
