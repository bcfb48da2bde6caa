"""Updates with bytes put in, left out or exchanged, and good ones among them."""

import random
import re

from polled_bot import update

from fsmkit import Flow
from fsmkit.telegram import text
from fsmkit.telegram.receiver.scanner import read

PIECES = (b'"', b"{", b"}", b"[", b"]", b"\\", b",", b"\xff", b"\x00", b"9" * 5000, b'"\\ud800"', b"[" * 3000)
VALUES = (b"null", b"[]", b"{}", b'"x"', b"-1", b"1e400", b"9" * 20, b"true")
EVERY = 11
"""Of so many updates one is good."""


def mutated(chance, body):
    """An update with some bytes put in, left out, or values exchanged; its id may become any other."""
    made = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(13, len(made))
        kind = chance.random()
        if kind < 0.3:
            made[at : at + chance.randint(0, 3)] = chance.choice(PIECES)
        elif kind < 0.6:
            del made[at : at + chance.randint(1, 20)]
        elif found := list(re.finditer(rb':("[^"]*"|-?\d+|true|false)', made)):
            start, end = chance.choice(found).span()
            made[start:end] = b":" + chance.choice(VALUES)
    return bytes(made)


def bad(chance, number):
    """A mutated update that has not the id of a good one which is still to come.

    Of two updates with one id the later is the same one, given again, and is not handled: no fault.
    """
    while True:
        body = mutated(chance, update(number, "bad", chat=chance.choice([1, 2, 3])))
        taken = read(body).id
        if taken is None or taken <= number or taken % EVERY:
            return body


async def feed_mutated(bench, count):
    """Give a bot so many updates, until it has answered the good ones; return those, the answered ones, and the dead letters."""
    chance, flow, answered, asked = random.Random(count), Flow("any"), set(), set()

    @flow.defstate(None, "on", on=text(r".*"))
    def take(event, ctx):
        if event.text.startswith("good"):
            answered.add(event.text)
        return ("transition", "on", {"text": event.text})

    for number in range(1, count + 1):
        if number % EVERY:
            bench.wire.pending[number] = bad(chance, number)
        else:
            bench.wire.pending[number] = update(number, f"good {number}", chat=4)
            asked.add(f"good {number}")
    bench.patience = 60 + count / 10
    async with bench.running(flow):
        await bench.advance_until(lambda: asked <= answered, seconds=count)
        return asked, answered, await bench.dead()
