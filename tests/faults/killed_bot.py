"""A bot that kills itself at the n-th operation of a step: `KILL_AT=7 ARMED=FILE python killed_bot.py`.

An operation is a transaction of the store, or a command to its server, or a request to Telegram; each is
counted twice, when it begins and when it is over. Counting starts when something arrives (an update, an event
from outside) while the file `ARMED` is there. `STORE` names where it keeps its conversations.

With `FAIL_AT=7 FAIL_HOW=502` it is not killed, but its n-th request fails; and while a file `full` is there, its
file of SQLite can grow no more.
"""

import asyncio
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import attrs
from telegram.error import NetworkError, TimedOut
from telegram.request import HTTPXRequest

from fsmkit import Done, Flow, Key, Returned, Timeout
from fsmkit.stores.postgres import PostgresStore
from fsmkit.stores.postgres.session import Connections
from fsmkit.stores.redis import RedisStore
from fsmkit.stores.redis.connection import PipelinedConnection
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.stores.sqlite.writer import File
from fsmkit.telegram import album, button, command, run, text

KILL_AT = int(os.environ.get("KILL_AT", "-1"))
ARMED = os.environ.get("ARMED", "")
SPOOL = Path(os.environ.get("SPOOL", "spool"))
NOTHING = b'{"ok":true,"result":[]}'
FAIL_AT, FAIL_HOW = int(os.environ.get("FAIL_AT", "-1")), os.environ.get("FAIL_HOW", "")
ANSWERS = {
    "429": b'{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":1}}',
    "500": b'{"ok":false,"error_code":500,"description":"Internal Server Error"}',
    "502": b"<html>Bad Gateway</html>",
    "400": b'{"ok":false,"error_code":400,"description":"Bad Request: strange"}',
    "401": b'{"ok":false,"error_code":401,"description":"Unauthorized"}',
    "409": b'{"ok":false,"error_code":409,"description":"Conflict: terminated by other getUpdates request"}',
}


class Operations:
    """Counts operations, from the moment at which there is something to do."""

    def __init__(self):
        self.count = -1

    def begin(self):
        if self.count < 0 and os.path.exists(ARMED):
            self.count = 0
            self.pass_by()

    def pass_by(self):
        if self.count < 0:
            return
        if self.count == KILL_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


class Requests:
    """Lets one request fail."""

    def __init__(self):
        self.count = 0

    async def fails(self, request):
        """Returns what a request is answered that fails, `None` for all others."""
        if operations.count < 0 or not FAIL_HOW:
            return None
        self.count += 1
        if self.count != FAIL_AT + 1:
            return None
        Path("injected").touch()
        if FAIL_HOW == "refused":
            raise NetworkError("connection refused")
        if FAIL_HOW == "silence":  # it has arrived, and nobody says so
            await request
            raise TimedOut
        return (200, b"<html>") if FAIL_HOW == "garbage" else (int(FAIL_HOW), ANSWERS[FAIL_HOW])


operations, requests = Operations(), Requests()
transaction, do_request = File.transaction, HTTPXRequest.do_request


@contextmanager
def counted_transaction(self, level):
    operations.pass_by()
    with transaction(self, level) as session:
        session.db.execute(f"PRAGMA max_page_count={1 if os.path.exists('full') else 2**30}")
        yield session
    operations.pass_by()


async def counted_request(self, url, *given, **more):
    operations.pass_by()
    request = do_request(self, url, *given, **more)
    failed = await requests.fails(request)
    if failed is not None:
        request.close()
    status, answer = failed or await request
    if "getUpdates" in url and answer != NOTHING:
        operations.begin()
    operations.pass_by()
    return status, answer


def counted(call):
    async def counted_call(self, *given):
        operations.pass_by()
        answer = await call(self, *given)
        operations.pass_by()
        return answer

    return counted_call


File.transaction, HTTPXRequest.do_request = counted_transaction, counted_request
PipelinedConnection.call = counted(PipelinedConnection.call)
Connections.call = counted(Connections.call)


@attrs.frozen
class Paid:
    """An event from outside."""

    what: str


class Spool:
    """A source of events: the files of a directory, each removed once its event has taken effect."""

    name = "spool"

    async def run(self, engine):
        while True:
            for file in sorted(SPOOL.glob("*")):
                operations.begin()
                await engine.send(Key(1, 1), Paid(file.name), id=("spool", file.name))
                file.unlink()
            await asyncio.sleep(0.02)


async def work(data):
    return "worked"


inner = Flow("inner")
inner.state("ask", prompt="Inside?")


@inner.defstate("ask")
def told(event, ctx):
    return ("end", event.text)


flow = Flow("counting", data=dict, ttl=None)
flow.state("on", prompt="Ready.", buttons=["Add"])
flow.state("timed", ttl=0.3)
flow.state("working", job=work)


def count(ctx, what):
    """Answers with how many things have counted so far; returns the new data."""
    number = ctx.data["count"] + 1
    ctx.reply(f"{number}: {what}")
    return {"count": number}


@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "on", {"count": 0})


@flow.defstate("on", on=text("timer"))
def arm(event, ctx):
    return ("transition", "timed", count(ctx, "armed"))


@flow.defstate("timed", on=Timeout)
def ring(event, ctx):
    return ("transition", "on", count(ctx, "rang"))


@flow.defstate("on", on=text("job"))
def begin(event, ctx):
    return ("transition", "working", count(ctx, "begun"))


@flow.defstate("working", on=Done)
def done(event, ctx):
    return ("transition", "on", count(ctx, event.value))


@flow.defstate("on", on=text("sub"))
def enter(event, ctx):
    return ("call", inner)


@flow.defstate("on", on=Returned)
def left(event, ctx):
    return ("stay", count(ctx, event.result))


@flow.defstate("on", on=Paid)
def paid(event, ctx):
    return ("stay", count(ctx, event.what))


@flow.defstate("on", on=album())
def pictures(event, ctx):
    return ("stay", count(ctx, f"{len(event.parts)} pictures"))


@flow.defstate("on", on=text("slow"))
async def wait(event, ctx):
    Path("slow").touch()
    await asyncio.sleep(1)
    return ("stay", count(ctx, "slow"))


@flow.defstate("on", on=text("flood"))
def swallow(event, ctx):
    with Path("flood").open("a") as file:
        file.write(".")


@flow.defstate("on", on=[text(r"\w+"), button("Add")])
def add(event, ctx):
    return ("stay", count(ctx, event.text or event.value))


def store():
    kind, _, where = os.environ.get("STORE", "sqlite bot.db").partition(" ")
    seconds = float(os.environ.get("LEASE_SECONDS", "15"))
    if kind == "sqlite":
        return SQLiteStore(where, lease_seconds=seconds)
    url, _, name = where.partition(" ")
    if kind == "redis":
        return RedisStore(url, prefix=name, lease_seconds=seconds)
    return PostgresStore(url, schema=name, lease_seconds=seconds)


if __name__ == "__main__":
    SPOOL.mkdir(exist_ok=True)
    run(flow, inner, store=store(), sources=[Spool()])
