"""The receiver: what is stored before it is confirmed, what strikes it, and what a stop or a bad update leaves."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
from faults.mutations import feed_mutated
from polled_bot import update
from telegram.error import NetworkError, TimedOut
from telegram.ext import Application, ApplicationBuilder, ConversationHandler, MessageHandler, filters

from fsmkit import DefinitionError, Engine, Flow, LeaseLost, StoreUnavailable, Timeout
from fsmkit.stores.memory import MemoryStore
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.stores.sqlite.store import SQLiteLease
from fsmkit.telegram import KeyedProcessor, Receiver, TelegramEvent, attach, move, raw_button, text
from fsmkit.telegram.receiver.handover import MOST_OF_LINE


def counting():
    """A flow that keeps what it was told, and a list of what its handler was called with."""
    flow, seen = Flow("counting", data=dict), []

    @flow.defstate(None, "on", on=text(r".*"))
    def take(event, ctx):
        seen.append((event.chat_id, event.text))
        return ("transition", "on", {"said": [*(ctx.data or {}).get("said", []), event.text]})

    return flow, seen


async def test_an_update_is_stored_before_it_is_confirmed_and_struck_by_its_commit(bench):
    flow, seen = counting()
    stored = []

    def on_ask(asked):
        with closing(sqlite3.connect(bench.path)) as db:
            known = {row[0] for row in db.execute("SELECT id FROM inbox")} if stored else set()
        confirmed = int(asked["offset"])
        assert all(number in known for number in range(5, confirmed))
        stored.append(confirmed)

    bench.wire.on_ask = on_ask
    async with bench.running(flow):
        bench.wire.put(update(5, "one"), update(6, "two"))
        await bench.until_handled(5, 6)
        assert await bench.engine.store.inbox(42).append([]) == []
    assert seen == [(1, "one"), (1, "two")]
    assert 7 in stored
    assert bench.errors == []


async def test_the_commit_of_a_step_strikes_and_nothing_is_struck_twice(bench, monkeypatch):
    flow, seen = counting()
    alone = []
    async with bench.running(flow):
        inbox = bench.receiver._inbox
        strike = inbox.strike

        async def noted(ids):
            alone.extend(ids)
            await strike(ids)

        monkeypatch.setattr(inbox, "strike", noted)
        bench.wire.put(update(5, "one"), update(6, None, photo=[]))
        await bench.until_handled(5, 6)
    assert seen == [(1, "one")]
    assert alone == [6]


async def test_what_the_process_before_left_goes_first_and_in_order(bench):
    flow, begun = Flow("counting"), asyncio.Event()

    @flow.defstate(None, on=text(r".*"))
    async def never(event, ctx):
        begun.set()
        await asyncio.Event().wait()

    async with bench.running(flow, drain=0):
        bench.wire.put(*(update(6 + n, word) for n, word in enumerate("abc")))
        await begun.wait()
        await bench.until(lambda: bench.wire.offset == 9)
    bench.wire.put(update(9, "d"))
    again, seen = counting()
    async with bench.running(again):
        await bench.until_handled(6, 7, 8, 9)
    assert [said for _, said in seen] == ["a", "b", "c", "d"]


async def test_what_telegram_gives_again_is_handled_once(bench):
    flow, seen = counting()
    for _ in range(3):
        async with bench.running(flow):
            bench.wire.put(update(5, "one"), update(6, "two"))
            await bench.until(lambda: bench.wire.offset == 7)
            await bench.until_handled(5, 6)
        flow, more = counting()
        seen.extend(more)
    assert [said for _, said in seen] == ["one", "two"]


def press(number, query):
    """A press of a button that another library has made."""
    person = {"id": 1, "is_bot": False, "first_name": "Ann"}
    chat = {"id": 1, "type": "private"}
    message = {"message_id": 1, "date": 1_000_000, "chat": chat, "text": "?"}
    told = {"id": query, "from": person, "chat_instance": "1", "data": "x", "message": message}
    return json.dumps({"update_id": number, "callback_query": told}, separators=(",", ":")).encode()


async def test_a_press_that_comes_again_is_answered_once_and_not_handled_again(bench):
    flow, pressed = Flow("f"), []

    @flow.defstate(None, "on", on=raw_button("x"))
    def take(event, ctx):
        pressed.append(event.value)
        return ("transition", "on")

    def answers():
        return [call.method for call in bench.offline.calls].count("answerCallbackQuery")

    for times in (1, 2):
        async with bench.running(flow):
            bench.wire.put(press(5, "77"))
            await bench.until(lambda: bench.wire.offset == 6)
            await bench.until_handled(5)
            await bench.until(lambda times=times: answers() == times)
    assert len(pressed) == 1


# -- bad updates, bad replies ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "strange",
    [
        b'{"update_id":6,"message":{"text":"\xff secret"}}',
        b'{"update_id":6,"deep":' + b"[" * 20_000 + b"]" * 20_000 + b',"secret":1}',
        b'{"update_id":6,"secret":' + b"9" * 5000 + b"}",
        b'{"update_id":6,"message":{"secret":5}}',
        b'{"update_id":6,"message":5,"secret":5}',
        b'{"update_id":6,"secret":{"a":}}',
    ],
    ids=["utf-8", "deep", "huge", "no message", "no object", "no JSON"],
)
async def test_an_update_that_cannot_be_parsed_costs_only_itself(bench, strange, caplog):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.put(update(5, "one"))
        bench.wire.put_raw(6, strange)
        bench.wire.put(update(7, "two"))
        await bench.until_handled(5, 6, 7)
        [letter] = await bench.dead()
    assert (letter.name, letter.update, letter.body) == ("6", 6, strange)
    assert [said for _, said in seen] == ["one", "two"]
    assert "update 6 is set aside: it cannot be parsed" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("more", [{}, {"author_signature": "A"}], ids=["fast lane", "parsed"])
async def test_an_update_whose_chat_cannot_be_read_costs_only_itself(bench, durable, more, monkeypatch):
    flow, seen = counting()
    lines_of = KeyedProcessor._lines_of

    def lines(self, update):
        if (update.number if isinstance(update, TelegramEvent) else update.update_id) == 6:
            assert isinstance(update, TelegramEvent) == (not more)
            raise ValueError("secret")
        return lines_of(self, update)

    monkeypatch.setattr(KeyedProcessor, "_lines_of", lines)
    async with bench.running(flow, store=None if durable else MemoryStore(bench.clock)):
        bench.wire.put(update(5, "one"), update(6, "bad", **more), update(7, "two"))
        await bench.advance_until(lambda: bench.wire.offset == 8 and len(seen) == 2)
        await bench.until_handled(5, 6, 7)
        [letter] = await bench.dead()
    assert (letter.name, letter.reason) == ("6", "its chat or person cannot be read: ValueError")
    assert [said for _, said in seen] == ["one", "two"]


async def test_a_lone_surrogate_is_no_matter(bench):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.put_raw(5, update(5, "X").replace(b'"X"', b'"\\ud83d"'))
        bench.wire.put(update(6, "two", chat=2))
        await bench.until_handled(5, 6)
    assert (2, "two") in seen


async def test_an_update_whose_id_cannot_be_read_is_kept_under_a_hash(bench):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.strange.append(
            b'{"ok":true,"result":[' + update(5, "one") + b',{"update_id":"x"},' + update(8, "two") + b"]}"
        )
        await bench.until(lambda: bench.wire.offset == 9)
        await bench.until_handled(5, 8)
        [letter] = await bench.dead()
    assert (letter.name[0], letter.update, letter.body) == ("x", None, b'{"update_id":"x"}')
    assert [said for _, said in seen] == ["one", "two"]


async def test_a_reply_without_a_readable_id_is_fetched_again_then_alone_then_set_aside(bench):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.put(update(5, "one"))
        await bench.until_handled(5)
        bench.wire.put_raw(6, b'{"update_id":null}')
        await bench.advance_until(lambda: bench.wire.offset == 7)
        bench.wire.put(update(7, "two"))
        await bench.advance_until(lambda: len(seen) == 2)
        [letter] = await bench.dead()
    limits = [asked["limit"] for asked in bench.wire.asked if asked["offset"] == "6"]
    assert limits == ["100", "100", "1"]
    assert letter.body == b'{"update_id":null}'


@pytest.mark.parametrize("wrong", [3, 1_999_999_999], ids=["of an old one", "far ahead"])
@pytest.mark.parametrize("alone", [False, True])
async def test_a_wrong_number_costs_only_its_update_and_is_no_offset(bench, wrong, alone):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.put(*(update(number, str(number)) for number in (3, 4, 5)))
        await bench.until_handled(3, 4, 5)
        beside = () if alone else (update(7, "7", chat=2), update(8, "8", chat=2))
        bench.wire.put(*beside)
        bench.wire.put_raw(6, update(wrong, "wrong", chat=3))
        if alone:
            await bench.advance_until(lambda: bench.wire.offset != 6)
        bench.wire.put(update(9, "9"))
        await bench.advance_until(lambda: (1, "9") in seen)
        await bench.until_handled(9)
        assert bench.wire.offset == 10
    assert sorted(said for chat, said in seen if chat != 3) == ["3", "4", "5", *([] if alone else "78"), "9"]


@pytest.mark.parametrize("first", [90_001, 3])
async def test_numbers_that_start_anew_are_believed_when_they_come_again(bench, first):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.put(update(5_000, "old"))
        await bench.until_handled(5_000)
        give = [update(first + n, f"{n}") for n in range(2)]
        bench.wire.strange.extend([b'{"ok":true,"result":[' + b",".join(give) + b"]}"] * 2)
        bench.wire.put(update(5_001, "wakes the poller"))
        await bench.advance_until(lambda: f"{first + 2}" in [asked["offset"] for asked in bench.wire.asked])
        await bench.advance_until(lambda: len(seen) == 4)
    assert [said for _, said in seen] == ["old", "wakes the poller", "0", "1"]


@pytest.mark.parametrize("reply", [b"<html>busy</html>", b"", b'{"ok":true}', b'{"ok":true,"result":['])
async def test_what_is_no_reply_at_all_is_waited_out_and_nothing_is_skipped(bench, reply):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.strange.extend([reply] * 8)
        bench.wire.put(update(5, "one"))
        await bench.advance_until(lambda: seen, seconds=200)
        await bench.until_handled(5)
        assert [letter for letter in await bench.dead() if b"html" in letter.body] == []
    assert seen == [(1, "one")]


async def test_a_second_poller_is_waited_out_and_said_once(bench, caplog):
    flow, seen = counting()
    conflict = (
        b'{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request"}'
    )
    async with bench.running(flow):
        bench.wire.strange.extend([(409, conflict)] * 6)
        bench.wire.put(update(5, "one"))
        await bench.advance_until(lambda: seen, seconds=200)
    assert caplog.text.count("another process fetches") == 1
    assert len(bench.wire.asked) >= 7


@pytest.mark.parametrize(
    "trouble",
    [
        NetworkError("httpx.ConnectError: http://secret"),
        TimedOut(),
        OSError(),
        RuntimeError("a bug"),
        (502, b"<html>"),
        (401, b'{"ok":false}'),
        (429, b'{"ok":false,"parameters":{"retry_after":7}}'),
        (429, b"["),
    ],
    ids=str,
)
async def test_no_trouble_makes_the_bot_deaf_and_none_is_tried_again_at_once(bench, trouble, caplog):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.strange.extend([trouble] * 4)
        bench.wire.put(update(5, "one"))
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(bench.wire.asked) == 1
        await bench.advance_until(lambda: seen, seconds=200)
    assert "secret" not in caplog.text


async def test_a_webhook_that_is_set_is_removed(bench):
    flow, seen = counting()
    said = b'{"ok":false,"description":"Conflict: can\'t use getUpdates method while webhook is active"}'
    async with bench.running(flow):
        bench.wire.strange.append((409, said))
        bench.wire.put(update(5, "one"))
        await bench.advance_until(lambda: seen)
    assert [call.method for call in bench.offline.calls if call.method == "deleteWebhook"] == [
        "deleteWebhook"
    ]


async def test_a_store_that_cannot_append_confirms_nothing(bench, monkeypatch):
    flow, seen = counting()
    async with bench.running(flow):
        append, tries = bench.receiver._inbox.append, []

        async def failing(updates):
            tries.append(updates)
            if len(tries) < 4:
                raise StoreUnavailable("the disk is full")
            return await append(updates)

        monkeypatch.setattr(bench.receiver._inbox, "append", failing)
        bench.wire.put(update(5, "one"))
        await bench.advance_until(lambda: seen)
        assert {asked["offset"] for asked in bench.wire.asked[:4]} == {"0"}
    assert seen == [(1, "one")]


# -- who is asked, and what is struck ----------------------------------------------------------------


async def test_other_handlers_get_what_no_flow_wants_as_an_update(bench):
    flow, _ = counting()
    others = []

    async def other(update, context):
        others.append(update.message.photo)

    def add(app):
        app.add_handler(MessageHandler(filters.ALL, other))

    async with bench.running(flow, add=add):
        bench.wire.put(
            update(5, "one"),
            update(6, None, photo=[{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]),
        )
        await bench.until_handled(5, 6)
    assert [len(photos) for photos in others] == [1]


async def test_what_a_handler_raises_is_told_once_and_the_update_is_over(bench):
    flow = Flow("failing")

    @flow.defstate(None, on=text(r".*"))
    def fail(event, ctx):
        raise StoreUnavailable("the handler's own store") if event.text == "store" else ValueError(event.text)

    async with bench.running(flow):
        bench.wire.put(update(5, "one"), update(6, "store"))
        await bench.until_handled(5, 6)
    assert [str(error) for error in bench.errors] == ["one", "the handler's own store"]


@pytest.mark.parametrize("refusal", [StoreUnavailable, LeaseLost])
async def test_a_step_that_the_store_refuses_is_taken_again_in_its_turn(bench, monkeypatch, refusal):
    flow, _ = counting()
    commit, tries = SQLiteLease.commit, []

    async def failing(self, change, *, hold=False):
        tries.append(change.struck)
        if len(tries) < 4:
            raise refusal("away")
        return await commit(self, change, hold=hold)

    monkeypatch.setattr(SQLiteLease, "commit", failing)
    async with bench.running(flow):
        bench.wire.put(update(5, "one"), update(6, "two"))
        await bench.advance_until(lambda: len(tries) == 5)
        await bench.until_handled(5, 6)
        key = next(iter([row.key async for row in bench.engine.store.scan()]))
        assert await bench.engine.get_state("counting", key) == ("on", {"said": ["one", "two"]})
    assert tries == [(5,)] * 4 + [(6,)]
    assert bench.errors == []


async def test_an_update_that_two_moved_conversations_take_waits_until_both_have_it(bench):
    waiting = []

    async def note(_update, _context):
        waiting.append([stored.id for stored in await bench.receiver._inbox.waiting()])
        return 0

    bench.app = Application.builder().token("42:OFFLINE").request(bench.wire).build()
    for group in (0, 1):
        entries = [MessageHandler(filters.TEXT, note)]
        bench.app.add_handler(ConversationHandler(entries, {0: []}, [], name=f"talk {group}"), group)
    store = SQLiteStore(bench.path)
    engine = move(bench.app, store=store, clock=bench.clock)
    bench.receiver = Receiver(bench.app, engine)
    async with asyncio.timeout(bench.patience), bench.app:
        async with bench.receiver:
            bench.wire.put(update(1, "hi"))
            await bench.until(lambda: len(waiting) == 2)
        assert await bench.receiver._inbox.waiting() == []
        await engine.stop()
    await store.close()
    assert waiting == [[1], [1]]


async def test_a_timeout_that_goes_before_the_update_strikes_nothing(bench, monkeypatch):
    flow = Flow("timed", ttl=60)

    @flow.defstate(None, "on", on=text(r".*"))
    def take(event, ctx):
        return ("transition", "on")

    commit, struck = SQLiteLease.commit, []

    async def noted(self, change, *, hold=False):
        struck.append(change.struck)
        return await commit(self, change, hold=hold)

    monkeypatch.setattr(SQLiteLease, "commit", noted)
    async with bench.running(flow):
        bench.wire.put(update(5, "one"))
        await bench.until_handled(5)
        bench.clock.advance(3600)
        bench.wire.put(update(6, "two", date=1_003_600))
        await bench.until_handled(6)
    assert struck[0] == (5,)
    assert struck[-1] == (6,)
    assert set(struck[1:-1]) == {()}


async def test_what_was_due_while_no_process_ran_is_done_as_soon_as_no_update_waits(bench):
    flow = Flow("late", ttl=30)

    @flow.defstate(None, on=text(r".*"))
    def take(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        ctx.reply("It is time.")
        return ("end",)

    async with bench.running(flow):
        bench.wire.put(update(5, "one"))
        await bench.until_handled(5)
    bench.clock.advance(40)
    async with bench.running(flow):
        await bench.app.start()
        await bench.until(lambda: bench.receiver.caught_up)
        bench.clock.advance(0.5)
        await bench.until(lambda: bench.offline.texts(1) == ["It is time."])
        await bench.app.stop()


# -- floods ------------------------------------------------------------------------------------------


async def test_a_flood_of_one_chat_waits_in_the_store_and_others_go_on(bench):
    flow, seen = Flow("slow"), []
    gate, most = asyncio.Event(), []

    @flow.defstate(None, on=text(r".*"))
    async def take(event, ctx):
        seen.append((event.chat_id, event.text))
        most.append(len(bench.receiver._hand_over._tasks))
        if event.chat_id == 1:
            await gate.wait()

    async with bench.running(flow):
        bench.wire.put(*(update(n, str(n)) for n in range(1, 301)))
        bench.wire.put(*(update(n, str(n), chat=2) for n in range(301, 304)))
        await bench.until(lambda: len([chat for chat, _ in seen if chat == 2]) == 3)
        assert [said for chat, said in seen if chat == 1] == ["1"]
        assert len(await bench.waiting()) == 300
        gate.set()
        bench.wire.put(update(400, "400"))
        await bench.until(lambda: len(seen) == 304)
        await bench.until_handled(400)
    assert [said for chat, said in seen if chat == 1] == [*map(str, range(1, 301)), "400"]
    assert max(most) <= MOST_OF_LINE + 3


async def test_a_dead_letter_that_is_put_back_is_handled_though_newer_ones_were(bench):
    flow, seen = counting()
    async with bench.running(flow):
        bench.wire.put_raw(5, b'{"update_id":5,"message":{}}')
        bench.wire.put(update(6, "six"))
        await bench.until_handled(5, 6)
        other = SQLiteStore(bench.path)
        with closing(sqlite3.connect(bench.path)) as db:  # the author has mended what it could not read
            db.execute("UPDATE dead_letter SET body = ?", (update(5, "five"),))
            db.commit()
        assert await other.inbox(42).requeue("5")
        await other.close()
        bench.wire.put(update(7, "seven"))
        await bench.until_handled(5, 7)
    assert [said for _, said in seen] == ["six", "five", "seven"]


# -- a store that forgets ----------------------------------------------------------------------------


async def test_without_a_durable_inbox_an_update_is_confirmed_when_it_was_handled(bench):
    flow, seen = Flow("slow"), []
    gate = asyncio.Event()

    @flow.defstate(None, on=text(r".*"))
    async def take(event, ctx):
        seen.append(event.text)
        if event.text == "slow":
            await gate.wait()

    async with bench.running(flow, store=MemoryStore(bench.clock)):
        bench.wire.put(update(5, "slow"), update(6, "next"), update(7, "other", chat=2))
        await bench.until(lambda: "other" in seen)
        bench.wire.put(update(8, "later", chat=2))
        await bench.advance_until(lambda: "later" in seen)
        assert {int(asked["offset"]) for asked in bench.wire.asked} <= {0, 5}
        assert len(bench.wire.asked) < 20
        gate.set()
        await bench.advance_until(lambda: bench.wire.offset == 9)
    assert seen == ["slow", "other", "later", "next"]


# -- the end -----------------------------------------------------------------------------------------


async def test_a_stop_finishes_what_has_begun_and_leaves_the_rest_in_the_inbox(bench):
    flow, seen = Flow("slow"), []
    gate = asyncio.Event()

    @flow.defstate(None, on=text(r".*"))
    async def take(event, ctx):
        seen.append(event.text)
        await gate.wait()

    async with bench.running(flow):
        bench.wire.put(update(5, "one"), update(6, "two"))
        await bench.until(lambda: seen and bench.wire.offset == 7)
        asyncio.get_running_loop().call_soon(gate.set)
        await bench.receiver.__aexit__(None, None, None)
        assert (seen, await bench.waiting()) == (["one"], [6])
        assert bench.receiver.caught_up


async def test_a_stop_under_load_sets_nothing_aside_of_what_waits_for_a_slot(bench):
    seen, gate = [], asyncio.Event()

    async def take(update, context):
        seen.append(update.update_id)
        await gate.wait()

    def add(app):
        app.add_handler(MessageHandler(filters.ALL, take))

    async with bench.running(Flow("none"), processor=KeyedProcessor(1), add=add):
        bench.wire.put(*(update(4 + chat, chat=chat) for chat in range(1, 9)))
        await bench.until(lambda: seen and len(bench.app.update_processor._slots._waiting) == 7)
        stop = bench.receiver._hand_over.stop

        def stop_in_that_moment(begun, drain):
            gate.set()  # the slot is given back while those who wait for it are cancelled
            return stop(begun, drain)

        bench.receiver._hand_over.stop = stop_in_that_moment
        await bench.receiver.__aexit__(None, None, None)
        assert (seen, await bench.waiting(), await bench.dead()) == ([5], [*range(6, 13)], [])


async def test_what_waits_at_a_shutdown_stays_in_the_inbox(bench):
    flow, seen = Flow("slow"), []

    @flow.defstate(None, on=text(r".*"))
    async def take(event, ctx):
        seen.append(event.text)
        await asyncio.Event().wait()

    async with bench.running(flow, drain=0.05):
        bench.wire.put(update(5, "one"), update(6, "two"))
        await bench.until(lambda: seen and bench.wire.offset == 7)
        ending = asyncio.ensure_future(bench.receiver.__aexit__(None, None, None))
        bench.app.update_processor._lines.send_away()
        await ending
        assert (seen, await bench.waiting()) == (["one"], [5, 6])


async def test_however_little_the_processor_lets_wait_no_update_is_refused(bench):
    flow, seen = counting()
    async with bench.running(flow, processor=KeyedProcessor(max_waiting=1)):
        bench.wire.put(*(update(number, str(number)) for number in range(5, 30)))
        await bench.until_handled(*range(5, 30))
    assert seen == [(1, str(number)) for number in range(5, 30)]


async def test_a_receiver_that_fails_says_so_and_does_not_go_on_deaf(bench, caplog):
    flow, _ = counting()

    def broken(updates):
        raise TypeError("no page")

    async with bench.running(flow):
        bench.receiver._hand_over._start = broken
        bench.wire.put(update(1, "one"))
        await bench.until(bench.receiver._stop.is_set)
    assert "no more updates are taken: fsmkit hand-over failed" in caplog.text
    assert isinstance(bench.receiver._failure, TypeError)


async def test_what_takes_longer_than_drain_stays_in_the_inbox(bench, caplog):
    flow, seen = Flow("slow"), []

    @flow.defstate(None, on=text(r".*"))
    async def take(event, ctx):
        seen.append(event.text)
        await asyncio.Event().wait()

    async with bench.running(flow, drain=0.01):
        bench.wire.put(update(5, "one"))
        await bench.until(lambda: seen)
        await bench.receiver.__aexit__(None, None, None)
        assert await bench.waiting() == [5]
    assert "1 updates are still being handled" in caplog.text


def test_an_engine_of_another_application_is_refused():
    app = ApplicationBuilder().token("42:OFFLINE").build()
    with pytest.raises(DefinitionError, match=r"attach\(app, flow"):
        Receiver(app, Engine(Flow("f")))


async def test_ptb_polling_of_a_durable_store_is_told_to_promise_less(bench, caplog):
    for receives in (False, True):
        app = bench.offline.builder().build()
        engine = attach(app, Flow("f"), store=SQLiteStore(bench.path))
        if receives:
            Receiver(app, engine)
        caplog.clear()
        await app.post_init(app)
        assert ("a kill loses the current one" in caplog.text) is not receives
        await engine.stop()
        await engine.store.close()


# -- anything at all ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [300, pytest.param(2_000, marks=pytest.mark.thorough)])
async def test_after_each_ten_mutated_updates_the_next_good_one_is_answered(bench, count):
    asked, answered, dead = await feed_mutated(bench, count)
    assert (len(asked), answered) == (count // 11, asked)
    assert dead
