"""A bot that kills itself at the n-th operation of a step: `KILL_AT=7 ARMED=FILE python killed_bot.py`.

An operation is a transaction of the store or a request to Telegram; each is counted twice, when it begins and
when it is over. Counting starts when `getUpdates` has brought something while the file `ARMED` is there.
"""

import os
import signal
from contextlib import contextmanager

from telegram.request import HTTPXRequest

from fsmkit import Flow
from fsmkit.stores.sqlite.writer import File
from fsmkit.telegram import button, command, run, text

KILL_AT = int(os.environ["KILL_AT"])
ARMED = os.environ["ARMED"]
NOTHING = b'{"ok":true,"result":[]}'


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


operations = Operations()
transaction, do_request = File.transaction, HTTPXRequest.do_request


@contextmanager
def counted_transaction(self, level):
    operations.pass_by()
    with transaction(self, level) as session:
        yield session
    operations.pass_by()


async def counted_request(self, url, *given, **more):
    operations.pass_by()
    status, answer = await do_request(self, url, *given, **more)
    if "getUpdates" in url and answer != NOTHING:
        operations.begin()
    operations.pass_by()
    return status, answer


File.transaction, HTTPXRequest.do_request = counted_transaction, counted_request

flow = Flow("counting", data=dict)
flow.state("on", prompt="Ready.", buttons=["Add"])


@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "on", {"count": 0})


@flow.defstate("on", on=[text(r"\w+"), button("Add")])
def count(event, ctx):
    number = ctx.data["count"] + 1
    ctx.reply(f"{number}: {event.text or event.value}")
    return ("stay", {"count": number})


if __name__ == "__main__":
    run(flow)
