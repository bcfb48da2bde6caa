"""A bench for the receiver: a bot on a server of `getUpdates` that gives bytes as a test wants them."""

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from urllib.parse import parse_qsl, urlsplit

from telegram.ext import Application

from fsmkit.botapi import OfflineTelegram
from fsmkit.botapi.request import OfflineRequest
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.telegram import KeyedProcessor, Receiver, attach
from fsmkit.testing import ManualClock

PATIENCE = 30


def update(number, text="hi", chat=1, **more):
    """A message as Telegram writes it."""
    message = {
        "message_id": number,
        "from": {"id": chat, "is_bot": False, "first_name": "Ann"},
        "chat": {"id": chat, "type": "private"},
        "date": 1_000_000,
        "text": text,
        **more,
    }
    return json.dumps({"update_id": number, "message": message}, separators=(",", ":")).encode()


class Wire(OfflineRequest):
    """Requests of a bot; `getUpdates` is answered with what the test has put.

    Attributes:
        pending: Updates by their ids, not confirmed yet.
        strange: Answers that come first: bytes, status and bytes, or an exception.
        asked: The parameters of each `getUpdates`.
        on_ask: Called with them.
    """

    def __init__(self, api):
        super().__init__(api)
        self.pending = {}
        self.strange = deque()
        self.asked = []
        self.on_ask = None
        self.news = asyncio.Event()

    @property
    def offset(self):
        """The offset that was asked for last."""
        return int(self.asked[-1]["offset"]) if self.asked else -1

    def put(self, *bodies):
        for body in bodies:
            self.pending[json.loads(body)["update_id"]] = body
        self.news.set()

    def put_raw(self, number, body):
        self.pending[number] = body
        self.news.set()

    async def do_request(self, url, method, request_data=None, **timeouts):
        if "getUpdates" not in url:
            return await super().do_request(url, method, request_data, **timeouts)
        asked = dict(parse_qsl(urlsplit(url).query))
        self.asked.append(asked)
        if self.on_ask is not None:
            self.on_ask(asked)
        if self.strange:
            answer = self.strange.popleft()
            if isinstance(answer, Exception):
                raise answer
            return answer if isinstance(answer, tuple) else (200, answer)
        offset, limit = int(asked["offset"]), int(asked["limit"])
        for number in [number for number in self.pending if number < offset]:
            del self.pending[number]
        if not self.pending:
            self.news.clear()
            if asked["timeout"] != "0":
                await self.news.wait()
        found = [self.pending[number] for number in sorted(self.pending)][:limit]
        return 200, b'{"ok":true,"result":[' + b",".join(found) + b"]}"


class Bench:
    """One bot, with what it shares with the process before it: the server and the file."""

    def __init__(self, path):
        self.path = path
        self.patience = PATIENCE
        self.clock = ManualClock(1_000_000.0)
        self.offline = OfflineTelegram(clock=self.clock)
        for user in range(1, 9):
            self.offline.add_user(user)
        self.wire = Wire(self.offline.api)
        self.errors = []
        self.app = self.engine = self.receiver = self.server = None

    @asynccontextmanager
    async def running(self, *flows, store=None, add=None, webhook=None, processor=None, **options):
        """The bot, while it fetches, or is posted to where a webhook is given; it ends as at a stop."""
        processor = processor or KeyedProcessor()
        builder = Application.builder().token("42:OFFLINE").request(self.wire)
        builder = builder.get_updates_request(self.offline.request())
        self.app = builder.concurrent_updates(processor).update_queue(processor.queue).build()
        store = SQLiteStore(self.path) if store is None else store
        self.engine = attach(self.app, *flows, store=store, clock=self.clock)
        if add is not None:
            add(self.app)

        async def note(_update, context):
            self.errors.append(context.error)

        self.app.add_error_handler(note)
        self.receiver = Receiver(self.app, self.engine, **options)
        async with asyncio.timeout(self.patience), self.app:
            async with self.receiver if webhook is None else self.receiver.webhook(**webhook) as self.server:
                yield self
            await self.engine.stop()
        await store.close()

    async def until(self, condition):
        """Waits until something is true; the store's thread tells nobody, so it is asked again."""
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def until_handled(self, *numbers):
        """Waits until updates are neither fetched nor waiting any more."""
        inbox = self.engine.store.inbox(42)
        while self.wire.offset <= max(numbers) or {each.id for each in await inbox.waiting()} & set(numbers):  # noqa: ASYNC110
            await asyncio.sleep(0.001)

    async def advance_until(self, condition, seconds=60):
        """Moves the clock on, second by second, until something is true."""
        for _ in range(seconds * 20):
            if condition():
                return
            await asyncio.sleep(0.002)
            self.clock.advance(0.5)
        raise AssertionError("it did not come true")

    async def waiting(self):
        return [each.id for each in await self.engine.store.inbox(42).waiting(limit=100_000)]

    async def dead(self):
        return await self.engine.store.inbox(42).dead()
