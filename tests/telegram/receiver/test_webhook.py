"""The webhook, over real sockets: what is refused, what is stored before the answer, what a stop leaves."""

import asyncio
import contextlib
import signal
import socket
import sqlite3
from contextlib import asynccontextmanager, closing

import httpx
import pytest
from bot_process import assert_clean, process, telegram
from polled_bot import update
from telegram.error import NetworkError

from fsmkit import DefinitionError, Flow, StoreUnavailable
from fsmkit.stores.memory import MemoryStore
from fsmkit.telegram import text
from fsmkit.telegram.receiver.receiver import CannotListenError
from fsmkit.telegram.receiver.webhook import ANSWER_SECONDS, CATCH_UP_SECONDS, SECRET_HEADER

SECRET = "a-secret_1"
URL = "https://bot.example.org/telegram"
GOOD = {SECRET_HEADER: SECRET}


def counting():
    """A flow that keeps what it was told, and a list of what its handler was called with."""
    flow, seen = Flow("counting", data=dict), []

    @flow.defstate(None, "on", on=text(r".*"))
    def take(event, ctx):
        seen.append((event.chat_id, event.text))
        return ("transition", "on", {"said": [*(ctx.data or {}).get("said", []), event.text]})

    return flow, seen


def gated():
    """A flow whose handler waits for a gate."""
    flow, seen, gate = Flow("gated"), [], asyncio.Event()

    @flow.defstate(None, on=text(r".*"))
    async def take(event, ctx):
        seen.append(event.text)
        await gate.wait()

    return flow, seen, gate


class Posting:
    """A client of a bot's webhook."""

    def __init__(self, bench, client):
        self.bench = bench
        self.client = client

    async def post(self, body, headers=GOOD, path="/telegram"):
        return await self.client.post(
            f"http://127.0.0.1:{self.bench.server.port}{path}", content=body, headers=headers
        )

    async def get(self, path):
        return await self.client.get(f"http://127.0.0.1:{self.bench.server.port}{path}")

    async def status(self, body):
        return (await self.post(body)).status_code

    async def raw(self, sent):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.bench.server.port)
        writer.write(sent)
        await writer.drain()
        return reader, writer

    async def until_struck(self):
        while await self.bench.waiting():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@asynccontextmanager
async def hooked(bench, *flows, store=None, drain=10, **options):
    webhook = {"url": URL, "port": 0, "secret": SECRET, **options}
    async with (
        httpx.AsyncClient(timeout=30) as client,
        bench.running(*flows, store=store, webhook=webhook, drain=drain),
    ):
        yield Posting(bench, client)


def head(body_bytes, secret=SECRET):
    return (
        f"POST /telegram HTTP/1.1\r\nHost: bot\r\n{SECRET_HEADER}: {secret}\r\nContent-Length: {body_bytes}\r\n\r\n"
    ).encode()


# -- taking ------------------------------------------------------------------------------------------


async def test_an_update_is_stored_before_it_is_answered_and_the_answer_waits_for_nothing_else(bench):
    flow, seen, gate = gated()
    async with hooked(bench, flow) as bot:
        assert await bot.status(update(5, "one")) == 200
        with closing(sqlite3.connect(bench.path)) as db:
            assert db.execute("SELECT id FROM inbox WHERE struck IS NULL").fetchall() == [(5,)]
        gate.set()
        await bot.until_struck()
    assert seen == ["one"]
    assert bench.errors == []


async def test_what_was_answered_takes_effect_after_the_restart(bench):
    flow, seen, _ = gated()
    async with hooked(bench, flow, drain=0) as bot:
        for number in (5, 6, 7):
            assert await bot.status(update(number, str(number))) == 200
    again, seen = counting()
    async with hooked(bench, again) as bot:
        await bot.until_struck()
    assert [said for _, said in seen] == ["5", "6", "7"]


async def test_what_telegram_posts_again_is_answered_and_done_once(bench):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        answers = await asyncio.gather(*[bot.status(update(5, "one")) for _ in range(20)])
        await bot.until_struck()
        assert {*answers, await bot.status(update(5, "one"))} == {200}
        await bot.until_struck()
    assert seen == [(1, "one")]


async def test_a_thousand_at_once_are_each_done_once_and_stored_in_few_writes(bench, monkeypatch):
    flow, seen = counting()
    bodies = [update(n, str(n), chat=1 + n % 8) for n in range(1, 1001)]
    async with hooked(bench, flow) as bot:
        append, writes = bench.receiver._inbox.append, []

        async def noted(updates):
            writes.append([each.id for each in updates])
            return await append(updates)

        monkeypatch.setattr(bench.receiver._inbox, "append", noted)
        connections = [await bot.raw(b"") for _ in bodies]
        for (_, writer), body in zip(connections, bodies, strict=True):
            writer.write(head(len(body)) + body)
        lines = await asyncio.gather(*[reader.readline() for reader, _ in connections])
        for _, writer in connections:
            writer.close()
        await bot.until_struck()
    assert set(lines) == {b"HTTP/1.1 200 OK\r\n"}
    assert sorted(int(said) for _, said in seen) == [*range(1, 1001)]
    assert len(writes) < 500
    assert all(ids == sorted(ids) for ids in writes)


async def test_the_order_of_a_chat_is_kept_while_others_are_posted_to(bench):
    flow, seen = counting()

    async def talk(bot, chat):  # Telegram posts the next update of a chat when the one before was answered
        for n in range(25):
            assert await bot.status(update(chat * 100 + n, str(n), chat=chat)) == 200

    async with hooked(bench, flow) as bot:
        await asyncio.gather(*[talk(bot, chat) for chat in range(1, 9)])
        await bot.until_struck()
    for chat in range(1, 9):
        assert [int(said) for who, said in seen if who == chat] == [*range(25)]


@pytest.mark.parametrize(
    "strange",
    [b"", b"{", b'{"update_id":"x"}', b'{"update_id":6,"message":5}', b"\xff" * 100, b"[" * 100_000],
    ids=["empty", "brace", "no id", "no message", "no text", "deep"],
)
async def test_an_update_that_cannot_be_read_is_set_aside_and_not_posted_again(bench, strange, caplog):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        assert [await bot.status(body) for body in (update(5, "one"), strange, update(7, "two"))] == [200] * 3
        await bot.until_struck()
        [letter] = await bench.dead()
    assert letter.body == strange
    assert [said for _, said in seen] == ["one", "two"]


# -- refusing ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{}, {SECRET_HEADER: ""}, {SECRET_HEADER: "a-secret_"}, {SECRET_HEADER: "a-secret_é".encode()}],
    ids=["none", "empty", "shorter", "not ASCII"],
)
async def test_without_the_secret_nothing_is_read(bench, headers, caplog):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        for _ in range(3):
            assert (await bot.post(update(5, "one"), headers)).status_code == 403
        assert await bench.waiting() == []
    assert seen == []
    assert caplog.text.count("a wrong secret") == 1
    assert SECRET not in caplog.text


async def test_only_post_on_its_own_path_is_taken(bench):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        answer = await bot.get("/telegram")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        for path in ("/", "/telegram/", "/other", "/healthz/x"):
            assert (await bot.post(update(5), path=path)).status_code == 404
        assert (await bot.post(update(5), path="/healthz")).status_code == 405
    assert seen == []


async def test_ten_megabytes_are_refused_and_the_next_update_is_taken(bench):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        reader, writer = await bot.raw(head(10 << 20) + b"x" * (2 << 20))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()
        assert await bot.status(update(5, "one")) == 200
        await bot.until_struck()
        assert await bench.dead() == []
    assert seen == [(1, "one")]


async def test_a_chunked_body_has_no_more_room(bench):
    flow, _ = counting()
    begun = head(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    async with hooked(bench, flow) as bot:
        reader, writer = await bot.raw(begun + (b"20000\r\n" + b"x" * 0x20000 + b"\r\n") * 9)
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()


async def test_a_body_that_does_not_come_is_waited_for_no_longer(bench):
    flow, seen = counting()
    async with hooked(bench, flow, body_seconds=0.05) as bot:
        reader, writer = await bot.raw(head(500) + b"{")
        answered = asyncio.create_task(reader.readline())
        while not answered.done():
            writer.write(b" ")
            await asyncio.wait({answered}, timeout=0.01)
        assert answered.result().startswith(b"HTTP/1.1 408")
        writer.close()
    assert seen == []


@pytest.mark.parametrize("begun", [b"", head(5)[:40]], ids=["silent", "slow"])
async def test_a_connection_on_which_no_head_comes_is_closed(bench, begun):
    flow, _ = counting()
    async with asyncio.timeout(4), hooked(bench, flow, header_seconds=0.05) as bot:
        reader, writer = await bot.raw(begun)
        closing_it = asyncio.create_task(closed(reader))
        while not closing_it.done():
            writer.write(b"x" if begun else b"")
            await asyncio.wait({closing_it}, timeout=0.01)
        writer.close()


async def closed(reader):
    """Waits until the server has closed a connection."""
    with contextlib.suppress(ConnectionError):  # what was sent after it had
        await reader.read()


# -- a store that is away, or forgets ----------------------------------------------------------------


async def test_while_the_store_is_away_telegram_is_to_post_again(bench, monkeypatch, caplog):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        with monkeypatch.context() as broken:

            async def away(*args, **options):
                raise StoreUnavailable("secret")

            broken.setattr(bench.receiver._inbox, "append", away)
            broken.setattr(bench.receiver._inbox, "set_aside", away)
            assert [await bot.status(update(5, "one")) for _ in range(3)] == [503] * 3
            assert await bot.status(b"unreadable") == 503
        assert [await bot.status(update(5, "one")), await bot.status(b"unreadable")] == [200, 200]
        await bot.until_struck()
    assert seen == [(1, "one")]
    assert caplog.text.count("updates cannot be stored") == 1
    assert "secret" not in caplog.text


async def test_an_update_that_no_store_takes_costs_only_itself(bench, monkeypatch):
    flow, seen = counting()
    async with hooked(bench, flow) as bot:
        append = bench.receiver._inbox.append

        async def picky(updates):
            await asyncio.sleep(0.02)  # the others arrive meanwhile
            if any(each.id == 6 for each in updates):
                raise ValueError
            return await append(updates)

        monkeypatch.setattr(bench.receiver._inbox, "append", picky)
        answers = await asyncio.gather(*[bot.status(update(n, str(n), chat=n)) for n in range(4, 8)])
        await bot.until_struck()
    assert answers == [200, 200, 503, 200]
    assert sorted(said for _, said in seen) == ["4", "5", "7"]


async def test_where_a_kill_loses_what_waits_the_answer_waits_for_the_step(bench):
    flow, seen, gate = gated()
    async with hooked(bench, flow, store=MemoryStore(bench.clock)) as bot:
        first = asyncio.create_task(bot.post(update(5, "one")))
        await bench.until(lambda: seen)
        bench.clock.advance(ANSWER_SECONDS)
        assert (await first).status_code == 503
        again = asyncio.create_task(bot.post(update(5, "one")))
        await bench.until(lambda: bench.receiver._unfinished and bench.server._writing.done())
        assert not again.done()
        gate.set()
        assert (await again).status_code == 200
        assert await bot.status(update(5, "one")) == 200
    assert seen == ["one"]


# -- its life ----------------------------------------------------------------------------------------


async def test_a_stop_answers_what_is_in_hand(bench):
    flow, seen, gate = gated()
    answers = []
    async with hooked(bench, flow, store=MemoryStore(bench.clock)) as bot:
        posts = [asyncio.create_task(bot.post(update(n, str(n)))) for n in (5, 6)]
        reader, writer = await bot.raw(head(500) + b"{")
        await bench.until(lambda: len(bench.receiver._unfinished) == 2 and bench.server._bodies.arriving)
        stopping = asyncio.create_task(bench.receiver._end())
        await bench.until(lambda: bench.server._stopping)
        gate.set()
        answers = [(await post).status_code for post in posts]
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
        await stopping
        with pytest.raises(OSError, match="onnect"):
            await bot.raw(b"")
    assert (answers, seen) == ([200, 503], ["5"])


async def test_the_webhook_is_set_with_its_secret_and_stays_at_a_stop(bench):
    flow, _ = counting()
    async with hooked(bench, flow, max_connections=7) as bot:
        await bench.until(lambda: bench.server.caught_up)
        assert (await bot.get("/readyz")).status_code == 200
    [call] = [call for call in bench.offline.calls if call.method.endswith("Webhook")]
    sent = {name: call.params.get(name) for name in ("url", "secret_token", "max_connections")}
    assert (call.method, sent) == (
        "setWebhook",
        {"url": URL, "secret_token": SECRET, "max_connections": 7},
    )
    assert "message" in call.params.get("allowed_updates")


async def test_the_webhook_is_deleted_at_a_stop_where_that_is_wished(bench):
    flow, _ = counting()
    async with hooked(bench, flow, delete_at_stop=True):
        await bench.until(lambda: bench.server.caught_up)
    assert [call.method for call in bench.offline.calls][-1] == "deleteWebhook"


async def test_the_webhook_is_deleted_also_where_the_server_takes_too_long_to_end(bench, monkeypatch):
    flow, _ = counting()
    async with hooked(bench, flow, delete_at_stop=True):
        await bench.until(lambda: bench.server.caught_up)
        monkeypatch.setattr("fsmkit.telegram.receiver.receiver.GOODBYE_SECONDS", 0.05)
        bench.server._stack.push_async_callback(asyncio.Event().wait)
    assert [call.method for call in bench.offline.calls][-1] == "deleteWebhook"


async def test_a_secret_is_made_anew_at_each_start(bench):
    flow, _ = counting()
    for _ in range(2):
        async with hooked(bench, flow, secret=None):
            await bench.until(lambda: bench.server.caught_up)
    made = {call.params.get("secret_token") for call in bench.offline.calls if call.method == "setWebhook"}
    assert len(made) == 2
    assert all(len(secret) >= 40 for secret in made)


async def test_a_webhook_that_cannot_be_set_is_tried_again_and_updates_are_taken_meanwhile(
    bench, monkeypatch, caplog
):
    flow, seen = counting()
    request, tries = bench.wire.do_request, []

    async def failing(url, method, request_data=None, **timeouts):
        if "setWebhook" in url:
            tries.append(url)
            if len(tries) < 4:
                raise NetworkError("http://secret")
        return await request(url, method, request_data, **timeouts)

    monkeypatch.setattr(bench.wire, "do_request", failing)
    async with hooked(bench, flow) as bot:
        assert await bot.status(update(5, "one")) == 200
        await bench.advance_until(lambda: bench.server.caught_up)
        await bot.until_struck()
    assert (len(tries), seen) == (4, [(1, "one")])
    assert caplog.text.count("the webhook cannot be set (NetworkError)") == 1
    assert "secret" not in caplog.text


async def test_timers_wait_for_what_telegram_has_kept_but_not_for_ever(bench):
    flow, _ = counting()
    bench.offline.say("kept")
    async with hooked(bench, flow):
        await bench.until(lambda: [call for call in bench.offline.calls if call.method == "getWebhookInfo"])
        for _ in range(5):
            bench.clock.advance(1)
            await asyncio.sleep(0.01)
            assert not bench.receiver.caught_up
        await bench.advance_until(lambda: bench.server.caught_up, seconds=int(CATCH_UP_SECONDS) + 5)
        await bench.until(lambda: bench.receiver.caught_up)


async def test_probes_tell_whether_it_lives_and_whether_it_is_ready(bench, monkeypatch):
    flow, _ = counting()
    async with hooked(bench, flow) as bot:
        assert [(await bot.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]
        with monkeypatch.context() as broken:

            async def away(*args, **options):
                raise StoreUnavailable("away")

            broken.setattr(bench.receiver._inbox, "waiting", away)
            assert [(await bot.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 503]
        bench.server._stopping = True
        assert [(await bot.get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 503]


async def test_a_store_that_does_not_answer_is_not_ready(bench, monkeypatch):
    flow, _ = counting()
    async with hooked(bench, flow) as bot:
        await bench.until(lambda: bench.receiver.caught_up)  # the hand-over has asked too
        asked = asyncio.Event()

        async def hanging(*args, **options):
            asked.set()
            await asyncio.Event().wait()

        with monkeypatch.context() as broken:
            broken.setattr(bench.receiver._inbox, "waiting", hanging)
            asking = asyncio.create_task(bot.get("/readyz"))
            await asked.wait()
            bench.clock.advance(5)
            assert (await asking).status_code == 503


@pytest.mark.parametrize(
    "options",
    [
        {"url": "bot.example.org/telegram"},
        {"url": "ftp://bot.example.org/telegram"},
        {"url": "https:///telegram"},
        {"url": "https://bot.example.org/healthz"},
        {"secret": "no blanks"},
        {"secret": ""},
        {"secret": "x" * 257},
    ],
    ids=str,
)
async def test_what_cannot_be_a_webhook_is_refused_before_the_start(bench, options):
    flow, _ = counting()
    with pytest.raises(DefinitionError):
        async with hooked(bench, flow, **options):
            raise AssertionError("it has started")
    await bench.engine.store.close()


async def test_a_port_that_is_taken_is_named(bench):
    flow, _ = counting()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListenError, match=f"cannot listen on port {port}"):
            async with hooked(bench, flow, port=port):
                raise AssertionError("it has started")
    await bench.engine.store.close()


# -- a process of its own ----------------------------------------------------------------------------

BOT = """
from fsmkit import Flow
from fsmkit.telegram import run, text

flow = Flow("flow", data=int)


@flow.defstate(None, "on", on=text(r".*"))
def answer(event, ctx):
    count = (ctx.data or 0) + 1
    ctx.reply(f"{count} {event.text}")
    return ("transition", "on", count)


if __name__ == "__main__":
    run(flow, webhook="https://bot.example.org/telegram", port=PORT)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
async def test_an_end_among_requests_loses_none_and_none_is_done_twice(tmp_path, number):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "bot.py").write_text(BOT.replace("PORT", str(port)), encoding="utf-8")
    base = f"http://127.0.0.1:{port}"
    taken = set()

    async def post(client, ident):
        body = update(ident, f"said {ident}", chat=1 + ident % 5)
        with contextlib.suppress(httpx.HTTPError):
            answer = await client.post(f"{base}/telegram", content=body, headers=GOOD)
            if answer.status_code == 200:
                taken.add(ident)

    async def ready(client, bot):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(f"{base}/readyz")).status_code == 200:
                    return
            assert bot.process.returncode is None
            await asyncio.sleep(0.01)

    def replies(offline):
        return [reply.split(" ", 1) for user in range(1, 6) for reply in offline.texts(user)]

    texts = {f"said {ident}" for ident in range(1, 101)}
    async with telegram() as (offline, settings), httpx.AsyncClient(timeout=30) as client:
        settings["WEBHOOK_SECRET"] = SECRET
        async with process(offline, "bot.py", cwd=tmp_path, **settings) as bot:
            await ready(client, bot)
            posting = asyncio.gather(*[post(client, ident) for ident in range(1, 101)])
            await bot.until(lambda: len(taken) >= 20)
            ending = await bot.end(number)
            await posting
        if number == signal.SIGTERM:
            assert_clean(ending)
        async with process(offline, "bot.py", cwd=tmp_path, **settings) as bot:
            await ready(client, bot)
            for ident in range(1, 101):  # Telegram posts again what was not answered, and maybe more
                if ident not in taken or ident % 10 == 0:
                    await post(client, ident)
            assert len(taken) == 100
            await bot.until(lambda: {said for _, said in replies(offline)} == texts)
            assert_clean(await bot.end(signal.SIGTERM))
        found = replies(offline)
        if number == signal.SIGKILL:  # one that was on its way may come again
            found = {tuple(reply) for reply in found}
        assert sorted(int(count) for count, _ in found) == sorted([*range(1, 21)] * 5)
        assert sorted(said for _, said in found) == sorted(texts)
