"""A flow that counts what comes from outside, and an engine for it."""

import attrs

from fsmkit import ANY, Engine, Flow, Key
from fsmkit.testing import ManualClock

KEY = Key(chat=1, user=1)


@attrs.frozen
class Shipped:
    """An event from outside."""

    number: int


class Refusing(Exception):
    """What the handler raises as long as it is told to."""


class World:
    """An engine whose handler notes what it sees, and refuses some numbers for a while."""

    def __init__(self, **options):
        self.clock = options.pop("clock", None) or ManualClock(1_000.0)
        self.seen = []
        self.refused = {}
        self.errors = []
        flow = Flow("shipping")

        @flow.defstate(None, ANY, on=Shipped)
        def shipped(event, ctx):
            if self.refused.get(event.number, 0):
                self.refused[event.number] -= 1
                raise Refusing(event.number)
            self.seen.append((ctx.key.chat, event.number))
            return ("stay", {"last": event.number})

        self.engine = Engine(flow, clock=self.clock, **options)
        self.engine.on_error = lambda key, event, error: self.errors.append((key, event, error))

    def numbers(self, chat=1):
        return [number for who, number in self.seen if who == chat]
