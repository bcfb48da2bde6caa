"""A running application whose handlers stay where they are until the test lets them go."""

import asyncio
from collections import defaultdict

from telegram import Update
from telegram.ext import MessageHandler, filters

from fsmkit import ANY, Flow, Key, KeyBy
from fsmkit.telegram import KeyedProcessor, attach


async def settle():
    """Lets tasks run until they wait for the clock or for somebody."""
    for _ in range(60):
        await asyncio.sleep(0)


class Busy:
    """A bot with one flow that notes what it is told; a text that begins with "slow" waits for `let_go`.

    Attributes:
        began: Texts whose handler has begun, in order.
        done: Texts whose handler has ended, in order.
        processor: What decides which update comes next.
    """

    def __init__(self, offline, clock, processor, *flows, queue=True, store=None, users=64):
        for user in range(1, users):
            offline.add_user(user)
        self.offline, self.clock, self.processor = offline, clock, processor
        self.began, self.done, self.errors = [], [], []
        self.gates = defaultdict(asyncio.Event)
        self.closing = False
        builder = offline.builder().concurrent_updates(processor)
        if queue and isinstance(processor, KeyedProcessor):
            builder = builder.update_queue(processor.queue)
        self.app = builder.build()
        self.engine = attach(self.app, *(flows or [self.flow()]), clock=clock, store=store)

        async def note(_update, context):
            self.errors.append(context.error)

        self.app.add_error_handler(note)

    def flow(self, name="busy", key=KeyBy.USER_IN_CHAT, **on):
        flow = Flow(name, key=key, ttl=60)
        flow.state("on")

        @flow.defstate(None, ANY, **on)
        async def handle(event, ctx):
            await self.handle(event.text)
            return ("transition", "on")

        return flow

    async def handle(self, text):
        """What a handler does."""
        self.began.append(text)
        if text.startswith("slow") and not self.closing:
            await self.gates[text].wait()
        self.done.append(text)

    async def __aenter__(self):
        await self.app.initialize()
        await self.app.start()
        return self

    async def __aexit__(self, *_exc):
        self.closing = True
        for gate in self.gates.values():
            gate.set()
        if self.app.running:
            await self.app.stop()
        await self.app.shutdown()
        await self.engine.stop()

    def update(self, text, **where):
        """Somebody's message as PTB gets it."""
        return Update.de_json(self.offline.say(text, **where), self.app.bot)

    async def put(self, text, **where):
        """Puts a message into the application's queue."""
        await self.app.update_queue.put(self.update(text, **where))

    async def say(self, *texts, **where):
        """Messages come; whatever can be handled is."""
        for text in texts:
            await self.put(text, **where)
        await settle()

    async def let_go(self, *texts):
        for text in texts:
            self.gates[text].set()
        await settle()

    async def state(self, user):
        return (await self.engine.get_state("busy", Key(user, user)))[0]


def catch_all(busy):
    """A handler of the bot's own that does what the flow's does."""

    async def handle(update, _context):
        await busy.handle(update.message.text)

    busy.app.add_handler(MessageHandler(filters.TEXT, handle), 1)
