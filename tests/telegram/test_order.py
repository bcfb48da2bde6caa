"""The order of arrival holds however an application processes its updates."""

import asyncio

import pytest
from busy_bot import Busy
from telegram import Update
from telegram.ext import TypeHandler

from fsmkit import ANY, Flow, KeyBy
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import KeyedProcessor, text

COUNT = 20
TEXTS = [str(number) for number in range(COUNT)]


class SlowStore(MemoryStore):
    """Looks at a row take a while, each time another while, as with a server far away."""

    looks = 0

    async def peek(self, key):
        self.looks += 1
        for _ in range(self.looks * 7 % 5):
            await asyncio.sleep(0)
        return await super().peek(key)


@pytest.fixture(params=["memory", "far away", "sqlite"])
async def store(request, tmp_path, clock):
    made = {
        "memory": lambda: MemoryStore(clock),
        "far away": lambda: SlowStore(clock),
        "sqlite": lambda: SQLiteStore(tmp_path / "rows.db"),
    }[request.param]()
    yield made
    await made.close()


def noting(name, key, done, pattern=".*", passes=False):
    """A flow that notes texts, and lets others come first where there are any."""
    flow = Flow(name, key=key)
    flow.state("on")

    @flow.defstate(None, ANY, on=text(pattern))
    async def handle(event, ctx):
        await asyncio.sleep(0)
        if passes:
            return ("pass",)
        done.append(event.text)
        return ("transition", "on")

    return flow


def one_rule(done):
    return [noting("busy", KeyBy.USER_IN_CHAT, done)]


def several_rules(done):
    """The first flow takes some texts, the second the others, in a row of another key."""
    return [
        noting("by_person", KeyBy.GLOBAL_USER, done, r"\d*[02468]"),
        noting("passing", KeyBy.CHAT, done, passes=True),
        noting("busy", KeyBy.USER_IN_TOPIC, done),
    ]


@pytest.mark.parametrize("flows", [one_rule, several_rules])
@pytest.mark.parametrize("processing", [True, False, "keyed"])
async def test_the_messages_of_a_chat_are_handled_in_order(offline, clock, store, flows, processing):
    done = []
    processor = KeyedProcessor(4) if processing == "keyed" else processing
    async with Busy(offline, clock, processor, *flows(done), store=store) as busy:
        offline.add_chat(-100, is_forum=True)
        for said in TEXTS:
            await busy.put(said, user=1, chat=-100)
        await busy.app.update_queue.join()
        assert (done, busy.errors) == (TEXTS, [])


@pytest.mark.parametrize("flows", [one_rule, several_rules])
async def test_updates_that_are_processed_directly_and_at_once_are_handled_in_order(
    offline, clock, store, flows
):
    """The first one starts the engine, too."""
    done = []
    busy = Busy(offline, clock, False, *flows(done), store=store)
    offline.add_chat(-100, is_forum=True)
    await busy.app.initialize()
    updates = [busy.update(said, user=1, chat=-100) for said in TEXTS]
    await asyncio.gather(*(busy.app.process_update(update) for update in updates))
    assert (done, busy.errors) == (TEXTS, [])
    await busy.engine.stop()
    await busy.app.shutdown()


async def test_gate_keepers_that_await_do_not_change_the_order_with_a_keyed_processor(offline, clock):
    """With `concurrent_updates(True)` they do: each update passes them in its own time."""

    async def gate(update, _context):
        for _ in range(update.update_id * 7 % 5):
            await asyncio.sleep(0)

    done = {}
    for processor in (True, KeyedProcessor(4)):
        texts = done[isinstance(processor, KeyedProcessor)] = []
        busy = Busy(offline, clock, processor, noting("busy", KeyBy.USER_IN_CHAT, texts))
        busy.app.add_handler(TypeHandler(Update, gate), -2)
        async with busy:
            for said in TEXTS:
                await busy.put(said, user=1)
            await busy.app.update_queue.join()
    assert done[True] == TEXTS
    assert (sorted(done[False], key=int), done[False] != TEXTS) == (TEXTS, True)


async def test_events_that_stand_under_several_keys_hold_nobody_else_up(offline, clock):
    done, gate = [], asyncio.Event()
    slow = Flow("slow", key=KeyBy.GLOBAL_USER)

    @slow.defstate(None, on=text("wait"))
    async def wait(event, ctx):
        await gate.wait()
        done.append(event.text)

    async with Busy(offline, clock, True, slow, noting("busy", KeyBy.CHAT, done)) as busy:
        await busy.say("wait", "mine", user=1)
        await busy.say("other", user=2)
        assert done == ["other"]
        gate.set()
        await busy.app.update_queue.join()
        assert done == ["other", "wait", "mine"]
