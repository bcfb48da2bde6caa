"""What `ephemeral`, `track` and `show` leave behind, over restarts."""

import asyncio

import pytest
from bench import KEY, Bench, returns
from chat_events import Word, said

from fsmkit import Engine, Flow, RetryLater
from fsmkit.interpreter.row import Delete, Edit, Send
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock


def secretive():
    flow = Flow("f", ttl=3600)
    flow.state("secret", prompt="Password?", ephemeral=True)
    flow.state("open")
    returns(flow, None, on=Word("go"))(("transition", "secret"))
    returns(flow, "secret", on=Word("next"))(("transition", "open"))
    returns(flow, "secret", "open", on=Word("end"))(("end",))

    @flow.defstate("open", on=Word("track"))
    def track(event, ctx):
        ctx.delete_on_exit(7)

    @flow.defstate("open", on=Word("show"))
    def show(event, ctx):
        ctx.show("Screen", buttons=["Yes"])

    return flow


class Chat:
    """A chat that takes messages, has to wait, or dies before it takes any; over processes."""

    def __init__(self, file):
        self.file = file
        self.clock = ManualClock(1000.0)
        self.sent = []
        self.wait = False
        self.engine = None

    async def start(self):
        if self.engine is not None:
            await self.engine.stop(drain=0)
            await self.engine.store.close()
        self.engine = Engine(
            secretive(),
            store=SQLiteStore(self.file, clock=self.clock),
            clock=self.clock,
            deliver=self.deliver,
        )

    async def deliver(self, key, effect):
        if self.wait:
            raise RetryLater(60)
        self.sent.append(effect)
        return 100 + len(self.sent) if isinstance(effect, Send) else None

    async def say(self, *words):
        for word in words:
            await self.engine.send(KEY, said(word))

    @property
    def deleted(self):
        return [message for effect in self.sent if isinstance(effect, Delete) for message in effect.messages]


@pytest.fixture
async def chat(tmp_path):
    chat = Chat(tmp_path / "bot.db")
    await chat.start()
    yield chat
    await chat.engine.stop(drain=0)
    await chat.engine.store.close()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # the store has a thread of its own
            await asyncio.sleep(0.001)


async def test_an_ephemeral_prompt_of_an_earlier_process_goes_when_its_state_is_left(chat):
    await chat.say("go")
    await chat.start()
    await chat.say("next")
    assert chat.deleted == [101]


async def test_a_tracked_message_of_an_earlier_process_goes_when_its_state_is_left(chat):
    await chat.say("go", "next", "track")
    chat.sent.clear()
    await chat.start()
    await chat.say("end")
    assert chat.deleted == [7]


async def test_the_screen_of_an_earlier_process_loses_its_buttons_when_another_is_shown(chat):
    await chat.say("go", "next", "show")
    shown = 100 + len(chat.sent)
    await chat.start()
    await chat.say("show")
    edits = [(effect.message, effect.reply) for effect in chat.sent if isinstance(effect, Edit)]
    assert edits == [(shown, None)]


async def test_what_was_to_be_deleted_when_a_process_ended_is_deleted_by_the_next(chat):
    await chat.say("go")
    chat.wait = True
    await chat.say("next")
    await chat.start()
    chat.wait = False
    assert chat.deleted == []
    chat.clock.advance(120)  # the claim of the one that has gone
    await chat.engine.sweep()
    assert chat.deleted == [101]


async def test_what_a_timeout_leaves_behind_after_a_restart_is_deleted(chat):
    await chat.say("go")
    await chat.start()
    chat.clock.advance(3600)
    await chat.engine.sweep()
    assert chat.deleted == [101]


async def test_an_ephemeral_message_that_was_on_its_way_when_its_state_was_left_is_deleted_once_it_is_there(
    chat,
):
    chat.wait = True
    await chat.say("go", "next")
    chat.wait = False
    chat.clock.advance(60)
    await until(lambda: chat.deleted)
    assert [type(effect) for effect in chat.sent] == [Send, Delete]
    assert chat.deleted == [101]


async def test_so_it_is_if_another_process_has_to_send_it(chat):
    chat.wait = True
    await chat.say("go", "end")
    await chat.start()
    chat.wait = False
    chat.clock.advance(120)
    await chat.engine.sweep()
    assert chat.deleted == [101]


async def test_an_ephemeral_message_whose_state_stands_costs_no_further_commit():
    bench = Bench(secretive())
    await bench.say("go")
    assert len(bench.store.table.records[KEY].receipts) == 1  # a commit would have taken it into the row


async def test_a_store_that_is_away_then_leaves_it_to_the_next_commit(monkeypatch):
    bench = Bench(secretive())

    async def away(key):
        raise LookupError("not now")

    monkeypatch.setattr(bench.engine, "peek", away)
    await bench.say("go")
    assert bench.texts == ["Password?"]
