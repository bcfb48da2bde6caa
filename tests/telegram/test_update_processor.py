"""`KeyedProcessor`: chats at the same time, a chat in order, and nobody takes the others' slots."""

import asyncio
import logging
from collections import defaultdict

import pytest
from busy_bot import Busy, catch_all, settle
from telegram import Update
from telegram.ext import TypeHandler

from fsmkit import Flow, Key, KeyBy
from fsmkit.telegram import KeyedProcessor, button, command, raw_button, text
from fsmkit.telegram.run import _application

GROUP = -100


async def test_a_slow_handler_of_one_chat_does_not_hold_up_another_chat(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4)) as busy:
        await busy.say("slow", user=1)
        await busy.say("hello", user=2)
        assert busy.done == ["hello"]


async def test_the_updates_of_a_chat_are_handled_one_after_the_other_in_order(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4)) as busy:
        await busy.say("slow 1", "2", "slow 3", "4", user=1)
        assert (busy.began, busy.done) == (["slow 1"], [])
        await busy.let_go("slow 1")
        assert busy.began == ["slow 1", "2", "slow 3"]
        await busy.let_go("slow 3")
        assert busy.done == ["slow 1", "2", "slow 3", "4"]


EIGHT = [f"slow {number}" for number in range(8)]


async def test_eight_updates_of_one_chat_do_not_delay_the_single_update_of_another(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(4)) as busy:
        await busy.say(*EIGHT, user=1)
        await busy.say("single", user=2)
        assert busy.done == ["single"]


async def test_with_ptbs_own_processor_they_do(offline, clock):
    busy = Busy(offline, clock, 4)
    async with busy:
        await busy.say(*EIGHT, user=1)
        await busy.say("single", user=2)
        assert busy.done == []
        await busy.let_go(*EIGHT)
        assert set(busy.done) == {*EIGHT, "single"}


async def test_a_burst_of_200_messages_of_50_chats_is_handled_in_order_in_each_chat(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(8)) as busy:
        said = [(number % 50 + 1, f"{number % 50 + 1}:{number // 50}") for number in range(200)]
        await asyncio.gather(*(busy.put(text, user=user) for user, text in said))
        await busy.app.update_queue.join()
        chats = defaultdict(list)
        for text in busy.done:
            chats[text.partition(":")[0]].append(text)
        assert chats == {str(user): [f"{user}:{n}" for n in range(4)] for user in range(1, 51)}
        assert busy.errors == []


async def test_no_more_updates_are_processed_at_once_than_there_are_slots(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(3)) as busy:
        for user in range(1, 6):
            await busy.say(f"slow {user}", user=user)
        assert busy.began == ["slow 1", "slow 2", "slow 3"]
        await busy.let_go("slow 2")
        assert busy.began == ["slow 1", "slow 2", "slow 3", "slow 4"]


async def test_slots_go_round_among_the_chats_that_wait(offline, clock):
    async with Busy(offline, clock, KeyedProcessor(1)) as busy:
        for text in ("slow a1", "a2", "a3"):
            await busy.put(text, user=1)
        for text in ("b1", "b2"):
            await busy.put(text, user=2)
        await busy.put("c1", user=3)
        await settle()
        await busy.let_go("slow a1")
        assert busy.done == ["slow a1", "b1", "c1", "a2", "b2", "a3"]


async def test_the_order_of_a_chat_holds_for_the_bots_other_handlers_too(offline, clock):
    busy = Busy(offline, clock, KeyedProcessor(4), Flow("nothing"))
    catch_all(busy)
    async with busy:
        await busy.say("slow 1", "2", user=1)
        await busy.say("3", user=2)
        assert busy.done == ["3"]
        await busy.let_go("slow 1")
        assert busy.done == ["3", "slow 1", "2"]


async def test_two_people_in_a_group_wait_for_each_other(offline, clock):
    offline.add_chat(GROUP)
    async with Busy(offline, clock, KeyedProcessor(4)) as busy:
        await busy.say("slow 1", user=1, chat=GROUP)
        await busy.say("2", user=2, chat=GROUP)
        assert busy.done == []


@pytest.mark.parametrize(
    ("key", "waits"), [(KeyBy.USER_IN_CHAT, False), (KeyBy.CHAT, False), (KeyBy.GLOBAL_USER, True)]
)
async def test_a_persons_other_chat_waits_where_a_flow_is_by_person(offline, clock, key, waits):
    offline.add_chat(GROUP)
    processor = KeyedProcessor(4)
    busy = Busy(offline, clock, processor, Flow("other", key=key))
    catch_all(busy)
    async with busy:
        await busy.say("slow 1", user=1, chat=GROUP)
        await busy.say("2", user=1)
        assert busy.done == ([] if waits else ["2"])


async def test_what_belongs_to_no_chat_stands_in_the_line_of_its_person(offline, clock):
    busy = Busy(offline, clock, KeyedProcessor(4))
    seen = []

    async def note(update, _context):
        seen.append(update)

    busy.app.add_handler(TypeHandler(Update, note), 5)
    async with busy:
        await busy.say("slow", user=1)
        user = offline.say("away", user=2)["message"]["from"]
        for person in (1, 2):
            asked = offline.update(
                inline_query={"id": "1", "from": {**user, "id": person}, "query": "q", "offset": ""}
            )
            await busy.app.update_queue.put(Update.de_json(asked, busy.app.bot))
        await settle()
        assert [update.inline_query.from_user.id for update in seen] == [2]


async def test_what_is_nobodys_waits_for_nobody(offline, clock):
    busy = Busy(offline, clock, KeyedProcessor(4))
    seen = []

    async def note(update, _context):
        seen.append(update)

    busy.app.add_handler(TypeHandler(object, note), 5)
    async with busy:
        await busy.say("slow", user=1)
        await busy.app.update_queue.put(Update(10_000))
        await busy.app.update_queue.put("the user's own")
        await settle()
        assert [type(update) for update in seen] == [Update, str]


async def test_a_service_update_of_a_chat_stands_in_its_line(offline, clock):
    """It is nobody's conversation, but the bot's handlers expect the order of the chat."""
    offline.add_chat(GROUP)
    busy = Busy(offline, clock, KeyedProcessor(4))
    seen = []

    async def note(update, _context):
        seen.append(update)

    busy.app.add_handler(TypeHandler(Update, note), 5)
    async with busy:
        await busy.say("slow", user=1, chat=GROUP)
        chat = {"id": GROUP, "type": "supergroup", "title": "G"}
        counted = offline.update(
            message_reaction_count={"chat": chat, "message_id": 1, "date": 1, "reactions": []}
        )
        await busy.app.update_queue.put(Update.de_json(counted, busy.app.bot))
        await settle()
        assert seen == []


def test_the_bot_of_fsmkit_run_has_one_with_its_queue():
    app = _application("42:TOKEN", None, None)
    assert isinstance(app.update_processor, KeyedProcessor)
    assert app.update_queue is app.updater.update_queue is app.update_processor.queue


# -- too much --------------------------------------------------------------------------------------


async def test_beyond_the_bound_updates_of_a_chat_are_refused_with_two_warnings(offline, clock, caplog):
    async with Busy(offline, clock, KeyedProcessor(4, max_waiting=2), queue=False) as busy:
        await busy.say("slow", "1", "2", "3", "4", user=1)
        await busy.say("other", user=2)
        [warning] = [record.getMessage() for record in caplog.records if record.name == "fsmkit"]
        assert "of 1 is refused: 2 updates of that chat or person wait already" in warning
        caplog.clear()
        await busy.let_go("slow")
        assert (busy.done, busy.processor.refused) == (["other", "slow", "1", "2"], 2)
        assert [record.getMessage() for record in caplog.records if record.name == "fsmkit"] == [
            "2 updates of 1 were refused"
        ]
        await busy.say("again", user=1)
        assert busy.done[-1] == "again"


@pytest.mark.parametrize(
    "wrong", [{"max_concurrent": 0}, {"max_waiting": 0}, {"max_pending": 0}, {"patience": -1}]
)
def test_numbers_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="1 or more"):
        KeyedProcessor(**wrong)


# -- failing, and ending -----------------------------------------------------------------------------


async def test_a_handler_that_raises_frees_slot_and_line(offline, clock):
    flow = Flow("failing")

    @flow.defstate(None, on=command("fail"))
    async def fail(event, ctx):
        raise ValueError("of the handler")

    busy = Busy(offline, clock, KeyedProcessor(1), flow)
    catch_all(busy)
    async with busy:
        await busy.say("/fail", "after", user=1)
        await busy.say("other", user=2)
        assert (busy.done, [type(error) for error in busy.errors]) == (["after", "other"], [ValueError])


async def test_an_update_that_is_cancelled_while_it_waits_leaves_its_line(offline, clock):
    processor = KeyedProcessor(4)
    async with Busy(offline, clock, processor) as busy:
        await busy.say("slow", user=1)
        waiting = busy.update("never", user=1)
        task = asyncio.create_task(processor.process_update(waiting, busy.app.process_update(waiting)))
        await settle()
        task.cancel()
        await settle()
        await busy.let_go("slow")
        await busy.say("after", user=1)
        assert busy.done == ["slow", "after"]


async def test_stopping_handles_what_waits_and_leaves_no_task(offline, clock):
    before = asyncio.all_tasks()
    async with Busy(offline, clock, KeyedProcessor(4)) as busy:
        await busy.say("slow", "2", "3", user=1)
        stopping = asyncio.create_task(busy.app.stop())
        await settle()
        assert not stopping.done()
        await busy.let_go("slow")
        await stopping
        assert busy.done == ["slow", "2", "3"]
    assert asyncio.all_tasks() == before


async def test_shutting_down_sends_away_what_waits_still(offline, clock, caplog):
    processor = KeyedProcessor(4)
    async with Busy(offline, clock, processor) as busy:
        updates = [busy.update(text, user=1) for text in ("slow", "2", "3")]
        tasks = [
            asyncio.create_task(processor.process_update(u, busy.app.process_update(u))) for u in updates
        ]
        await settle()
        await processor.shutdown()
        await settle()
        assert [task.done() for task in tasks] == [False, True, True]
        await busy.let_go("slow")
        assert ([task.result() for task in tasks], busy.done) == ([None, None, None], ["slow"])
    assert "2 updates that waited for their turn are dropped at shutdown" in caplog.text


async def test_the_engine_starts_and_stops_with_the_application(offline, clock, caplog):
    caplog.set_level(logging.WARNING)
    busy = Busy(offline, clock, KeyedProcessor(4))
    await busy.app.initialize()
    assert busy.engine.running
    await busy.app.start()
    await busy.say("hello", user=1)
    await busy.app.stop()
    await busy.app.shutdown()
    assert (busy.engine.running, caplog.records) == (False, [])


async def test_timeouts_wait_until_the_application_runs(offline, clock):
    """`post_init`, which opens what handlers need, is called between `initialize` and `start`."""
    busy = Busy(offline, clock, KeyedProcessor(4))
    await busy.engine.set_state("busy", Key(1, 1), "on")
    clock.advance(61)
    await busy.app.initialize()
    clock.advance(10)
    await settle()
    assert await busy.state(1) == "on"
    await busy.app.start()
    clock.advance(2)
    await settle()
    assert await busy.state(1) is None
    await busy.app.stop()
    await busy.app.shutdown()


async def test_a_message_that_waits_for_its_turn_goes_before_the_timeout(offline, clock):
    """It was written in time; another conversation that is due times out meanwhile."""
    offline.add_chat(GROUP)
    async with Busy(offline, clock, KeyedProcessor(4)) as busy:
        for user in (2, 3):
            await busy.engine.set_state("busy", Key(GROUP, user), "on")
        await busy.say("slow", user=1, chat=GROUP)
        await busy.say("in time", user=2, chat=GROUP)
        clock.advance(61)
        await settle()
        states = [(await busy.engine.get_state("busy", Key(GROUP, user)))[0] for user in (2, 3)]
        assert states == ["on", None]


@pytest.mark.parametrize("where", [{"business": "bc"}, {"chat": GROUP, "thread": 9}, {"inline": "AQ-1"}])
async def test_a_press_that_tells_neither_topic_nor_connection_waits_for_its_conversation(
    offline, clock, where
):
    """The same for two people who press under one inline message, which stands in no known chat."""
    inline = where.get("inline")
    rule = KeyBy.MESSAGE if inline else KeyBy.USER_IN_TOPIC
    flow = Flow("order", key=rule)
    flow.state("sure", buttons=["Yes", "slow"], prompt="Sure?", show=True)
    flow.defstate(None, on=command("start") | raw_button("start"))(lambda event, ctx: ("transition", "sure"))

    @flow.defstate("sure", on=button("Yes", "slow") | text())
    async def pressed(event, ctx):
        await busy.handle(event.value or event.text)

    offline.add_chat(GROUP, is_forum=True)
    async with Busy(offline, clock, KeyedProcessor(4), flow) as busy:
        if inline:
            offline.press_data("start", inline_message_id=inline)
            await feed(busy)
            offline.press("slow", inline_message_id=inline)
            offline.press("Yes", user=2, inline_message_id=inline)
        else:
            offline.say("/start", **where)
            await feed(busy)
            offline.say("slow", **where)
            offline.press("Yes", chat=where.get("chat"), old=True)
        await feed(busy)
        assert (busy.began, busy.done) == (["slow"], [])
        offline.say("hello", user=3)
        await feed(busy)
        await busy.let_go("slow")
        assert busy.done == ["slow", "Yes"]


async def test_a_chat_goes_on_while_what_it_has_sent_to_another_is_delivered_there(offline, clock):
    told = Flow("told")

    @told.defstate(None, on=text())
    async def say(event, ctx):
        await busy.handle(event.text)
        ctx.send(Key(2, 2, bot=ctx.key.bot), event.text)

    told.defstate(None, on=str)(lambda event, ctx: ctx.reply(f"told {event}"))
    gate = asyncio.Event()
    async with Busy(offline, clock, KeyedProcessor(4), told) as busy:
        send = busy.app.bot.request.do_request

        async def slow(*args, **options):
            data = options.get("request_data")
            if data is not None and data.parameters.get("chat_id") == 2:
                await gate.wait()
            return await send(*args, **options)

        busy.app.bot.request.do_request = slow
        await busy.say("one", "two", user=1)
        before = busy.done[:], offline.texts(2)
        gate.set()
        await settle()
        assert before == (["one", "two"], [])
        assert offline.texts(2) == ["told one", "told two"]


async def feed(busy):
    """Puts what has happened into the application's queue."""
    for update in busy.offline.take_updates():
        await busy.app.update_queue.put(Update.de_json(update, busy.app.bot))
    await settle()
