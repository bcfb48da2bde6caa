"""Many chats, restarts and processes: further rows of docs/explanation/compared.md (see `test_compared`)."""

import asyncio

import pytest
from compared_bots import END, WORDS, There, at_once, conversation, counting, counting_there, hurried, says
from moving_bots import Jobs
from telegram import Update
from telegram.ext import (
    ConversationHandler,
    MessageHandler,
    PicklePersistence,
    filters,
)

from fsmkit import Flow
from fsmkit.botapi import OfflineTelegram
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import attach, command

pytestmark = pytest.mark.filterwarnings("ignore:If 'per_message=False'")


# -- burst ------------------------------------------------------------------------------------------

STEPS = ["/start", "a", "b", "c"]
CHATS = range(1, 51)


class Crowd:
    """Counts how many handlers run at the same time."""

    def __init__(self):
        self.now = self.most = 0

    async def work(self):
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1


def wizard_there(crowd):
    async def step(update, context):
        await crowd.work()
        context.user_data.setdefault("said", []).append(update.message.text)
        return len(context.user_data["said"])

    async def last(update, context):
        await step(update, context)
        await update.effective_chat.send_message(" ".join(context.user_data["said"]))
        return END

    states = {
        1: [MessageHandler(WORDS, step)],
        2: [MessageHandler(WORDS, step)],
        3: [MessageHandler(WORDS, last)],
    }
    return conversation(step, states)


def burst(offline):
    """200 messages of 50 chats, all mixed."""
    for chat in CHATS:
        offline.add_user(chat)
    return [offline.say(text, user=chat) for text in STEPS for chat in CHATS]


async def test_burst_there(offline):
    for_each, at_one_time = Crowd(), Crowd()
    async with There(offline, wizard_there(for_each)) as bot:
        for update in burst(offline):
            await at_once(bot.app, update)
        assert [offline.texts(chat) for chat in CHATS] == [["/start a b c"]] * 50
        assert for_each.most == 1  # in order, and one after the other
    other = OfflineTelegram()
    async with There(other, wizard_there(at_one_time)) as bot:
        await at_once(bot.app, *burst(other))
        assert at_one_time.most > 1
        assert [other.texts(chat) for chat in CHATS] != [["/start a b c"]] * 50  # at once, and out of order


async def test_burst_here(bench):
    crowd, flow = Crowd(), Flow("flow", data=list[str])
    flow.state("1")
    flow.state("2")
    flow.state("3")

    @flow.defstate(None, on=command("start"))
    async def start(event, ctx):
        await crowd.work()
        return ("transition", "1", [event.text])

    @flow.defstate("1", "2", to=["2", "3"])
    async def step(event, ctx):
        await crowd.work()
        return ("transition", str(int(ctx.state) + 1), [*ctx.data, event.text])

    @flow.defstate("3")
    def last(event, ctx):
        ctx.reply(" ".join([*ctx.data, event.text]))
        return ("end",)

    await bench.start(flow)
    await at_once(bench.app, *burst(bench.offline))
    assert [bench.texts(chat) for chat in CHATS] == [["/start a b c"]] * 50
    assert crowd.most > 1  # in order, and at once


# -- order_and_concurrency --------------------------------------------------------------------------


class Slow:
    """A handler's work that takes until somebody says so."""

    def __init__(self):
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def work(self, text):
        if text == "slow":
            self.begun.set()
            await self.go_on.wait()


async def test_order_and_concurrency_there(offline):
    slow = Slow()

    async def echo(update, context):
        await slow.work(update.message.text)
        await update.message.reply_text(update.message.text)

    states = {1: [MessageHandler(WORDS, echo)]}
    offline.add_user(2)
    async with There(offline, conversation(says("Go on.", 1), states)) as bot:
        await bot.say("/start")
        await bot.say("/start", user=2)
        await bot.app.start()
        for user, text in ((1, "slow"), (2, "other")):
            await bot.app.update_queue.put(Update.de_json(offline.say(text, user=user), bot.app.bot))
        await slow.begun.wait()
        await asyncio.sleep(0.01)
        assert offline.texts(2) == ["Go on."]  # in order: everybody waits for the slow one
        slow.go_on.set()
        await bot.app.stop()
        assert offline.texts(2) == ["Go on.", "other"]


async def test_order_and_concurrency_here(bench):
    slow, flow = Slow(), Flow("flow")

    @flow.defstate(None)
    async def echo(event, ctx):
        await slow.work(event.text)
        ctx.reply(event.text)

    bench.offline.add_user(2)
    await bench.start(flow)
    sent = [bench.offline.say(text, user=user) for user, text in ((1, "slow"), (1, "next"), (2, "other"))]
    working = asyncio.ensure_future(at_once(bench.app, *sent))
    await slow.begun.wait()
    await bench.advance(0)
    assert (bench.texts(1), bench.texts(2)) == ([], ["other"])
    slow.go_on.set()
    await working
    assert bench.texts(1) == ["slow", "next"]


# -- kill_and_restart -------------------------------------------------------------------------------


def kept(tmp_path):
    return PicklePersistence(tmp_path / "there.pickle")


def counting_kept():
    return counting_there(name="count", persistent=True)


@pytest.mark.parametrize(("stopped", "told"), [(True, ["Go on.", "1", "2"]), (False, ["Go on.", "1"])])
async def test_kill_and_restart_there(offline, tmp_path, stopped, told):
    first = There(offline, counting_kept(), persistence=kept(tmp_path))
    await first.app.initialize()
    await first.say("/start")
    await first.say("a")
    if stopped:
        await first.app.shutdown()  # what is due is written every 60 seconds, and at the end
    async with There(offline, counting_kept(), persistence=kept(tmp_path)) as bot:
        await bot.say("b")
    assert offline.texts(1) == told
    if not stopped:
        await first.app.shutdown()


async def test_kill_and_restart_here(bench, tmp_path):
    path = str(tmp_path / "here.db")
    first = SQLiteStore(path)
    await bench.start(counting(), store=first)
    await bench.say("/start")
    await bench.say("a")
    app = bench.offline.builder().build()
    async with app, attach(app, counting(), store=SQLiteStore(path), clock=bench.clock) as engine:
        bench.offline.say("b")
        await bench.offline.feed(app)
        await engine.store.close()
    assert bench.texts() == ["1", "2"]
    await first.close()


# -- timeout_across_a_restart -----------------------------------------------------------------------


def hurried_there(offline, tmp_path, jobs):
    states = {
        1: [MessageHandler(WORDS, says("Still here.", None))],
        ConversationHandler.TIMEOUT: [MessageHandler(filters.ALL, says("Too late.", END))],
    }
    options = {"name": "hurried", "persistent": True, "conversation_timeout": 60}
    handler = conversation(says("Name?", 1), states, **options)
    return There(offline, handler, persistence=kept(tmp_path), jobs=jobs)


async def test_timeout_across_a_restart_there(offline, clock, tmp_path):
    jobs = Jobs(clock)
    async with hurried_there(offline, tmp_path, jobs) as bot:
        await bot.say("/start")
        assert len(jobs.jobs) == 1
    clock.advance(61)
    async with hurried_there(offline, tmp_path, Jobs(clock)) as bot:
        await bot.app.job_queue.run()
        await bot.say("hello")
    assert offline.texts(1) == ["Name?", "Still here."]  # an hour or a week later as well


async def test_timeout_across_a_restart_here(bench, tmp_path):
    path = str(tmp_path / "here.db")
    first = SQLiteStore(path)
    await bench.start(hurried(), store=first)
    await bench.say("/start")
    await bench.engine.stop()
    bench.clock.advance(61)
    app = bench.offline.builder().build()
    async with app, attach(app, hurried(), store=SQLiteStore(path), clock=bench.clock) as engine:
        await engine.sweep()
        await engine.store.close()
    assert bench.texts() == ["Name?", "Too late."]
    await first.close()


# -- several_processes ------------------------------------------------------------------------------


async def test_several_processes_there(offline, tmp_path):
    async with (
        There(offline, counting_kept(), persistence=kept(tmp_path)) as first,
        There(offline, counting_kept(), persistence=kept(tmp_path)) as second,
    ):
        await first.say("/start")
        await first.app.update_persistence()
        await second.say("a")
        assert offline.texts(1) == ["Go on."]  # the second has read the file when it began


async def test_several_processes_here(bench, tmp_path):
    path = str(tmp_path / "here.db")
    first = SQLiteStore(path)
    await bench.start(counting(), store=first)
    await bench.say("/start")
    app = bench.offline.builder().build()
    async with app, attach(app, counting(), store=SQLiteStore(path), clock=bench.clock) as engine:
        bench.offline.say("a")
        await bench.offline.feed(app)
        await bench.say("b")
        await engine.store.close()
    assert bench.texts() == ["1", "2"]
    await first.close()
