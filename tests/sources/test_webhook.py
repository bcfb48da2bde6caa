"""Events by HTTP, from a real client on a loopback port."""

import asyncio
import contextlib
import hashlib
import hmac
import json

import httpx
import pytest
from jobs.waiting import settle, until
from sources.shipping import KEY, Shipped, World

from fsmkit import Key, StoreUnavailable
from fsmkit.sources import Incoming
from fsmkit.sources.signatures import hmac_signature, timestamped_signature
from fsmkit.sources.webhook import Webhook
from fsmkit.testing import ManualClock

SECRET = "whsec_1"


def parse(body, headers):
    told = json.loads(body)
    if told.get("boring"):
        return None
    if "many" in told:
        return [Incoming(KEY, Shipped(number), f"n{number}") for number in told["many"]]
    return Incoming(Key.parse(told["key"]), Shipped(told["number"]), told.get("id"))


def signed(body, secret=SECRET):
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


class Hooked:
    """A running webhook and a client for it."""

    def __init__(self, world, hook, client):
        self.world = world
        self.hook = hook
        self.client = client

    async def post(self, told, headers=None):
        body = told if isinstance(told, bytes) else json.dumps(told).encode()
        url = f"http://127.0.0.1:{self.hook.port}/paid"
        return await self.client.post(url, content=body, headers=signed(body) if headers is None else headers)


@pytest.fixture
async def hooked():
    hook = Webhook("/paid", parse=parse, verify=hmac_signature(["whsec_old", SECRET]), port=0, max_body=1000)
    world = World(sources=[hook])
    async with world.engine, httpx.AsyncClient() as client:
        await until(lambda: hook.port)
        yield Hooked(world, hook, client)


async def test_a_signed_event_is_handled_before_the_answer_and_once(hooked):
    told = {"key": str(KEY), "number": 7, "id": "evt-7"}
    for _ in range(2):
        answer = await hooked.post(told)
        assert (answer.status_code, answer.text) == (200, "ok")
        assert hooked.world.numbers() == [7]


async def test_the_old_secret_is_good_while_it_is_being_replaced(hooked):
    body = json.dumps({"key": str(KEY), "number": 1}).encode()
    assert (await hooked.post(body, signed(body, "whsec_old"))).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Hub-Signature-256": "sha256="}, {"X-Hub-Signature-256": "sha256=é".encode()}, signed(b"other")],
    ids=["none", "empty", "not hex", "of another body"],
)
async def test_without_the_right_signature_nothing_is_read(hooked, headers):
    answer = await hooked.post({"key": str(KEY), "number": 1}, headers)
    assert (answer.status_code, answer.text) == (401, "the signature is wrong")
    assert hooked.world.seen == []


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"key": "x", "number": 1}', b"[]"])
async def test_what_cannot_be_read_is_refused(hooked, body):
    answer = await hooked.post(body)
    assert (answer.status_code, answer.text) == (400, "the request could not be read")


async def test_what_is_of_no_interest_is_acknowledged(hooked):
    assert (await hooked.post({"boring": 1})).status_code == 200
    assert hooked.world.seen == []


async def test_one_request_may_bring_several_events(hooked):
    assert (await hooked.post({"many": [1, 2, 3]})).status_code == 200
    assert hooked.world.numbers() == [1, 2, 3]


async def test_a_handler_that_raises_has_the_event_come_again(hooked):
    hooked.world.refused[1] = 1
    told = {"key": str(KEY), "number": 1, "id": "evt-1"}
    assert (await hooked.post(told)).status_code == 500
    assert [str(error) for *_, error in hooked.world.errors] == ["1"]
    assert (await hooked.post(told)).status_code == 200
    assert hooked.world.numbers() == [1]


async def test_while_the_store_is_away_the_other_side_is_told_when_to_come_again(hooked, monkeypatch):
    def away(key, **options):
        raise StoreUnavailable("the server is away")

    monkeypatch.setattr(hooked.world.engine.store, "lease", away)
    answer = await hooked.post({"key": str(KEY), "number": 1})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert hooked.world.errors == []


async def test_a_request_that_is_too_long_is_refused(hooked):
    assert (await hooked.post(b"x" * 1001)).status_code == 413


async def test_only_post_on_its_own_path_is_answered(hooked):
    base = f"http://127.0.0.1:{hooked.hook.port}"
    assert (await hooked.client.get(f"{base}/paid")).status_code == 405
    assert (await hooked.client.post(f"{base}/other")).status_code == 404


async def test_a_request_under_way_is_answered_before_the_port_closes(hooked):
    gate = asyncio.Event()
    send = hooked.world.engine.send

    async def slow(*args, **options):
        await gate.wait()
        return await send(*args, **options)

    hooked.world.engine.send = slow
    posting = asyncio.create_task(hooked.post({"key": str(KEY), "number": 1}))
    await until(lambda: gate._waiters)
    stopping = asyncio.create_task(hooked.world.engine.stop())
    await settle()
    gate.set()
    assert (await posting).status_code == 200
    await stopping


UNFINISHED = b"POST /paid HTTP/1.1\r\nHost: bot\r\nContent-Length: 500\r\n\r\n{"


async def connected(hook, sent):
    reader, writer = await asyncio.open_connection("127.0.0.1", hook.port)
    writer.write(sent)
    await writer.drain()
    return reader, writer


async def test_a_client_that_takes_its_time_does_not_hold_up_the_end():
    hook = Webhook("/paid", parse=parse, verify=hmac_signature(SECRET), port=0, body_seconds=600)
    world = World(sources=[hook])
    async with asyncio.timeout(20):
        async with world.engine:
            await until(lambda: hook.port)
            reader, writer = await connected(hook, UNFINISHED)
            await until(lambda: hook._bodies.arriving)
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_a_body_that_does_not_arrive_in_time_is_waited_for_no_longer(caplog):
    hook = Webhook("/paid", parse=parse, verify=hmac_signature(SECRET), port=0, body_seconds=0.01)
    world = World(sources=[hook])
    async with world.engine:
        await until(lambda: hook.port)
        reader, writer = await connected(hook, UNFINISHED)
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
    assert world.seen == []


async def closed(reader):
    """Waits until the server has closed a connection."""
    with contextlib.suppress(ConnectionError):  # what was sent after it had
        await reader.read()


SILENT = b""
SLOW = b"POST /paid HTTP/1.1\r\nHost: bot\r\n"
REFUSED = b"POST /other HTTP/1.1\r\nHost: bot\r\nContent-Length: 500\r\n\r\n{"


@pytest.mark.parametrize("begun", [SILENT, SLOW, REFUSED], ids=["silent", "slow", "refused"])
async def test_a_request_whose_head_does_not_come_has_no_connection_for_long(begun):
    hook = Webhook("/paid", parse=parse, verify=hmac_signature(SECRET), port=0, header_seconds=0.05)
    world = World(sources=[hook])
    async with asyncio.timeout(4), world.engine:  # uvicorn's own limit, of a connection at rest, is 5 s
        await until(lambda: hook.port)
        reader, writer = await connected(hook, begun)
        if begun == REFUSED:
            assert await reader.readline() == b"HTTP/1.1 404 Not Found\r\n"
        closing = asyncio.create_task(closed(reader))
        while not closing.done():  # never quiet for as long as the limit
            writer.write(b"x" if begun else b"")
            await asyncio.wait({closing}, timeout=0.01)
        writer.close()
    assert world.seen == []


async def test_a_request_that_is_being_handled_has_all_the_time_it_needs(monkeypatch):
    hook = Webhook("/paid", parse=parse, verify=hmac_signature(SECRET), port=0, header_seconds=0.02)
    world = World(sources=[hook])
    send, late = world.engine.send, []

    async def slow(*args, **options):
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, late.append, True)
        await until(lambda: late)
        return await send(*args, **options)

    monkeypatch.setattr(world.engine, "send", slow)
    async with world.engine, httpx.AsyncClient() as client:
        await until(lambda: hook.port)
        answer = await Hooked(world, hook, client).post({"key": str(KEY), "number": 1})
    assert (answer.status_code, world.numbers()) == (200, [1])


async def test_a_client_that_goes_away_leaves_no_error(hooked, caplog):
    _, writer = await connected(hooked.hook, UNFINISHED)
    await until(lambda: hooked.hook._bodies.arriving)
    writer.close()
    await until(lambda: not hooked.hook._bodies.arriving)
    await settle()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    assert (await hooked.post({"key": str(KEY), "number": 1})).status_code == 200


async def test_a_signature_that_cannot_be_checked_is_wrong(caplog):
    hook = Webhook("/paid", parse=parse, verify=lambda body, headers: headers["missing"] == "x", port=0)
    world = World(sources=[hook])
    async with world.engine, httpx.AsyncClient() as client:
        await until(lambda: hook.port)
        answer = await Hooked(world, hook, client).post({"key": str(KEY), "number": 1})
    assert (answer.status_code, world.seen) == (401, [])
    assert "a signature could not be checked: KeyError('missing')" in caplog.text


async def test_the_same_event_many_times_at_once_counts_once(hooked):
    told = {"key": str(KEY), "number": 1, "id": "evt"}
    answers = await asyncio.gather(*[hooked.post(told) for _ in range(20)])
    assert {answer.status_code for answer in answers} == {200}
    assert hooked.world.numbers() == [1]


def test_a_path_begins_with_a_slash():
    with pytest.raises(ValueError, match="a path begins with a slash"):
        Webhook("paid", parse=parse, verify=lambda body, headers: True)


class TestTimestamped:
    """Stripe's signatures: the time is signed too."""

    clock = ManualClock(1_000.0)
    verify = staticmethod(timestamped_signature(SECRET, clock=clock))

    def header(self, time, body=b"body", secret=SECRET):
        mac = hmac.new(secret.encode(), f"{time}.".encode() + body, "sha256").hexdigest()
        return {"stripe-signature": f"t={time}, v0=old,v1=0000,v1={mac}"}

    @pytest.mark.parametrize("time", [1000, 700, 1300])
    def test_a_signature_of_about_now_is_good(self, time):
        assert self.verify(b"body", self.header(time))

    @pytest.mark.parametrize("time", [699, 1301, "", "-1", "x", "\u0661\u0660\u0660\u0660", "nan"])
    def test_an_old_a_future_and_a_senseless_time_are_refused(self, time):
        assert not self.verify(b"body", self.header(time))

    def test_another_body_and_another_secret_are_refused(self):
        assert not self.verify(b"other", self.header(1000))
        assert not self.verify(b"body", self.header(1000, secret="guess"))
        assert not self.verify(b"body", {})


@pytest.mark.parametrize("secret", ["", [], ["a", ""]])
def test_a_signature_without_a_secret_is_refused_at_once(secret):
    with pytest.raises(ValueError, match="can be made by anybody"):
        hmac_signature(secret)
