"""Start and stop with the application, however it is driven; time that passes meanwhile."""

import asyncio
import logging

import pytest
from telegram.ext import CallbackContext

from fsmkit import DefinitionError, Flow, Key, Timeout
from fsmkit.telegram import attach, command

STARTED_LATE = "fsmkit is started by the first update"


def remind(**options):
    """A conversation that says something when it times out."""
    flow = Flow("remind", ttl=60, **options)
    flow.state("on")
    flow.state("late", ttl=None)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        ctx.reply("Are you still there?")
        return ("transition", "late")

    return flow


def warnings_of(caplog):
    return [record.getMessage() for record in caplog.records if STARTED_LATE in record.getMessage()]


def tasks():
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_an_application_takes_the_url_of_a_store(bench, tmp_path):
    engine = await bench.start(remind(), store=f"sqlite:{tmp_path}/bot.db")
    await bench.say("/start")
    assert await engine.get_state("remind", Key(1, 1)) == ("on", {})
    assert (tmp_path / "bot.db").exists()
    await engine.stop()
    await engine.store.close()


@pytest.mark.parametrize("group", [-1, 5])
def test_an_application_is_attached_to_once(offline, group):
    app = offline.builder().build()
    attach(app, remind())
    with pytest.raises(DefinitionError) as caught:
        attach(app, Flow("other"), group=group)
    assert caught.value.problem == "attach() was called for this application before"
    assert caught.value.place is not None
    assert "attach(app, first, second)" in caught.value.remedy


async def test_driven_by_hand_the_engine_runs_as_long_as_its_block(offline, clock):
    app = offline.builder().build()
    engine = attach(app, remind(), clock=clock)
    async with app, engine:
        assert engine.running
        offline.say("/start")
        await offline.feed(app)
    assert (engine.running, tasks()) == (False, [])


async def test_driven_by_hand_without_a_block_the_first_update_starts_it_with_one_warning(
    offline, clock, caplog
):
    app = offline.builder().build()
    engine = attach(app, remind(), clock=clock)
    async with app:
        assert not engine.running
        for text in ("/start", "a", "b"):
            offline.say(text)
        await offline.feed(app)
        assert engine.running
        await engine.stop()
    assert len(warnings_of(caplog)) == 1


async def test_with_a_block_there_is_no_warning(bench, caplog):
    await bench.start(remind())
    await bench.say("/start")
    assert warnings_of(caplog) == []


async def test_timeouts_fire_without_anybody_writing(bench):
    await bench.start(remind())
    await bench.say("/start")
    await bench.advance(59)
    assert bench.texts() == []
    await bench.advance(2)
    assert (bench.texts(), await bench.engine.get_state("remind", Key(1, 1))) == (
        ["Are you still there?"],
        ("late", {}),
    )


async def test_a_timeout_that_nobody_handles_ends_the_conversation_in_the_persons_language(bench):
    flow = Flow("f", ttl=60)
    flow.texts(expired={"en": "Too late.", "de": "Zu spät."})
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    await bench.start(flow)
    bench.offline.add_user(2, language_code="de-AT")
    await bench.say("/start", user=1)
    await bench.say("/start", user=2)
    await bench.advance(61)
    assert (bench.texts(1), bench.texts(2)) == (["Too late."], ["Zu spät."])


async def test_a_timeout_handler_has_ptbs_context_and_bot(bench):
    flow, seen = Flow("f", ttl=60), []
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.telegram.user_data["name"] = "Ann"
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    async def late(event, ctx):
        await ctx.bot.send_message(1, "at once")
        ctx.reply("after the commit")
        seen.append((type(ctx.telegram), ctx.telegram.user_data, ctx.telegram.chat_data, ctx.bot, ctx.lang))
        return ("end",)

    await bench.start(flow)
    await bench.say("/start")
    await bench.advance(61)
    assert seen == [(CallbackContext, {"name": "Ann"}, {}, bench.app.bot, "en")]
    assert bench.texts() == ["at once", "after the commit"]


async def test_a_timeout_handler_that_raises_is_told_to_the_error_handlers_and_tried_again(bench):
    flow, tries = Flow("f", ttl=60), []
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        tries.append(ctx.now)
        if len(tries) < 3:
            raise ValueError(len(tries))
        return ("end",)

    await bench.start(flow)
    await bench.say("/start")
    for _ in range(40):
        await bench.advance(1)
    for _ in range(45):
        await bench.advance(1)
    errors = [error.args for error in bench.errors]
    bench.errors.clear()
    assert errors == [(1,), (2,)]
    assert len(tries) == 3
    assert await bench.engine.get_state(flow, Key(1, 1)) == (None, None)


async def test_the_sweeper_stops_with_the_engine(bench):
    await bench.start(remind())
    await bench.say("/start")
    await bench.engine.stop()
    await bench.advance(600)
    assert (bench.texts(), tasks()) == ([], [])


async def test_a_message_in_time_wins_over_the_deadline_that_came_while_it_waited(bench):
    flow = remind()

    @flow.defstate("on")
    def answered(event, ctx):
        ctx.reply("in time")
        return ("end",)

    await bench.start(flow)
    await bench.say("/start")
    bench.clock.advance(30)
    bench.offline.say("here")
    bench.clock.advance(60)
    await bench.feed()
    assert bench.texts() == ["in time"]


async def test_resources_reach_handlers_and_timeouts(bench):
    flow, seen = Flow("f", ttl=60), []
    flow.state("on")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        seen.append(ctx.resources)
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        seen.append(ctx.resources)
        return ("end",)

    await bench.start(flow, resources={"db": 1})
    await bench.say("/start")
    await bench.advance(61)
    assert seen == [{"db": 1}, {"db": 1}]


async def test_memory_says_once_that_it_forgets(bench, caplog):
    caplog.set_level(logging.INFO, "fsmkit")
    await bench.start(remind())
    await bench.engine.start()
    assert [record.getMessage() for record in caplog.records if "kept in memory" in record.getMessage()] == [
        "conversations are kept in memory: they are lost when this process ends"
    ]
