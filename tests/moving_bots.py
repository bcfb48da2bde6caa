"""The two bots of the differential tests: PTB's ConversationHandler as it is, and the flow made of it.

Where fsmkit differs on purpose, `Ptb` is brought to what fsmkit does after each update, by one method for each
difference that docs/how-to/move-from-conversationhandler.md lists. Nothing else is adjusted.
"""

import asyncio
import types

import attrs
from moving_scripts import END, GROUP, Boom, act, both_messages, build
from telegram.ext import ApplicationHandlerStop, MessageHandler, filters

from fsmkit import UnknownState
from fsmkit.botapi import OfflineTelegram
from fsmkit.telegram import attach, from_conversation_handler
from fsmkit.testing import ManualClock

START = 1_000_000.0


async def settle():
    """Lets background tasks run until they wait."""
    for _ in range(30):
        await asyncio.sleep(0)


class Bot:
    """A bot over the Bot API in memory."""

    def __init__(self):
        self.clock = ManualClock(START)
        self.offline = OfflineTelegram(clock=self.clock)
        for user in (1, 2):
            self.offline.add_user(user)
        self.offline.add_chat(GROUP)
        self.errors = []
        self.mark = 0

    async def prepare(self, app):
        self.app = app

        async def unclaimed(update, context):
            await context.bot.send_message(update.effective_chat.id, "unclaimed")

        async def failed(_update, context):
            self.errors.append(context.error)

        app.add_handler(MessageHandler(filters.ALL, unclaimed))
        app.add_error_handler(failed)
        await app.initialize()
        await both_messages(app.bot)
        self.mark = len(self.offline.calls)

    async def do(self, what):
        """Does one act; what the bot asked of Telegram for it, and the errors."""
        self.clock.advance(0.01)  # no two deadlines at once: which comes first is not promised
        if what.kind == "wait":
            await self.wait(what.seconds)
        elif what.kind == "edited":
            await self.update(attrs.evolve(what, kind="text", word="draft"))
            await self.update(what)
        else:
            await self.update(what)
        calls = [
            (call.method, call.params) for call in self.offline.calls[self.mark :] if call.method != "getMe"
        ]
        self.mark = len(self.offline.calls)
        errors, self.errors = self.errors, []
        return calls, [Boom if isinstance(error, Boom) else type(error) for error in errors]


class Moved(Bot):
    """The flow made of the ConversationHandler."""

    async def start(self, conv):
        app = self.offline.builder().job_queue(None).build()
        self.flow = from_conversation_handler(build(conv))
        self.engine = attach(app, self.flow, clock=self.clock)
        await self.prepare(app)
        await self.engine.start()

    async def update(self, what):
        act(self.offline, what)
        await self.offline.feed(self.app)
        await settle()

    async def wait(self, seconds):
        self.clock.advance(seconds)
        await settle()

    async def stop(self):
        self.clock.advance(3)
        await settle()
        await self.engine.stop()
        await self.app.shutdown()


class Jobs:
    """PTB's job queue on the clock of the test."""

    def __init__(self, clock):
        self.clock = clock
        self.scheduler = types.SimpleNamespace(running=True)
        self.jobs = []

    def set_application(self, application):
        """PTB's own needs it."""

    def run_once(self, callback, when, data):
        job = types.SimpleNamespace(callback=callback, due=self.clock.now() + when, data=data)
        job.schedule_removal = lambda: self.jobs.remove(job) if job in self.jobs else None
        self.jobs.append(job)
        return job

    async def run(self):
        for job in [job for job in self.jobs if job.due <= self.clock.now()]:
            self.jobs.remove(job)
            await job.callback(types.SimpleNamespace(job=job))


class Ptb(Bot):
    """PTB's ConversationHandler, brought to the differences that are intended."""

    async def start(self, conv):
        self.jobs = Jobs(self.clock)
        app = self.offline.builder().job_queue(self.jobs).build()
        self.all, self.originals = {}, {}
        self.top = build(conv, self.all)
        app.add_handler(self.top)
        await self.prepare(app)

    async def update(self, what):
        before = self._snapshot()
        query = act(self.offline, what)
        entered = self._watch_reentry()
        errors = len(self.errors)
        await self.offline.feed(self.app)
        failed = len(self.errors) > errors
        unknown = self._unknown_state()
        if failed or unknown:
            self._nothing_changes(before)
        if unknown:
            self.errors.append(UnknownState("", flow="", state=None, place=None))
        self._nested_is_over(before, entered)
        self._no_timeout_without_conversation()
        if query is not None and not self.offline.answered[query]:
            await self.app.bot.answer_callback_query(query)  # each press is answered

    async def wait(self, seconds):
        self.clock.advance(seconds)
        before = self._snapshot()
        await self.jobs.run()
        timed_out = before["jobs"][self.top].keys() - self.top.timeout_jobs.keys()
        self._nested_is_over(before, set(), timed_out)

    async def stop(self):
        await self.app.shutdown()

    # -- the differences, one by one ---------------------------------------------------------------

    def _nothing_changes(self, before):
        """A callback that raises, or returns what is no state, changes nothing, not even the timeout."""
        for handler in self.all.values():
            handler._conversations.clear()
            handler._conversations.update(before["states"][handler])
            for job in list(handler.timeout_jobs.values()):
                job.schedule_removal()
            handler.timeout_jobs.clear()
            handler.timeout_jobs.update(before["jobs"][handler])
            for job in handler.timeout_jobs.values():
                if job not in self.jobs.jobs:
                    self.jobs.jobs.append(job)

    def _nested_is_over(self, before, entered, timed_out=frozenset()):
        """A nested conversation ends when the one around it ends, is entered anew, or leaves the state that
        holds it; and when another one beside it begins."""
        for key in self._keys(before):
            self._prune(self.top, key, before, entered, timed_out)

    def _prune(self, handler, key, before, entered, timed_out):
        was, now = before["states"][handler].get(key), handler._conversations.get(key)
        nested = self._nested(handler)
        ended = now is None and (was is not None or (handler is self.top and key in timed_out))
        if ended or (now is not None and (handler, key) in entered):
            for each in nested:
                self._drop(each, key)
            return
        asked = self._asked(handler, now)
        running = []
        for each in nested:
            if each in asked:
                if self._runs(each, key):
                    running.append(each)
            else:
                self._drop(each, key)
        if len(running) > 1:
            fresh = [each for each in running if not self._ran(each, key, before)]
            for each in running:
                if each not in fresh[:1]:
                    self._drop(each, key)
            running = fresh[:1]
        for each in running:
            self._prune(each, key, before, entered, timed_out)

    def _no_timeout_without_conversation(self):
        """PTB starts a timeout for an entry point that returned None; there is nothing that could end."""
        for key, job in list(self.top.timeout_jobs.items()):
            if not self._runs(self.top, key):
                job.schedule_removal()
                del self.top.timeout_jobs[key]

    # -- looking into PTB's handlers ---------------------------------------------------------------

    def _snapshot(self):
        return {
            "states": {handler: dict(handler._conversations) for handler in self.all.values()},
            "jobs": {handler: dict(handler.timeout_jobs) for handler in self.all.values()},
        }

    def _unknown_state(self):
        return any(
            state not in handler.states or state in (END, -2, -3)
            for handler in self.all.values()
            for state in handler._conversations.values()
        )

    def _watch_reentry(self):
        """The handlers and keys that the next update enters anew, filled in while it is handled."""
        entered = set()
        for handler in self.all.values():
            for point in handler.entry_points:
                if point in self.all.values():
                    continue
                self._note(handler, point, entered)
        return entered

    def _note(self, handler, point, entered):
        original = self.originals.setdefault(point, point.callback)

        async def noting(update, context):
            running = handler._conversations
            key = handler._get_key(update)
            try:
                returned = await original(update, context)
            except ApplicationHandlerStop as stop:
                if key in running and stop.state is not None:
                    entered.add((handler, key))
                raise
            if key in running and returned is not None:
                entered.add((handler, key))
            return returned

        point.callback = noting

    def _keys(self, before):
        return {
            key
            for handler in self.all.values()
            for key in (*handler._conversations, *before["states"][handler])
        }

    def _nested(self, handler):
        lists = (handler.entry_points, *handler.states.values(), handler.fallbacks)
        found = dict.fromkeys(item for items in lists for item in items)
        return [item for item in found if item in self.all.values()]

    def _asked(self, handler, state):
        if state is None:
            return handler.entry_points
        again = handler.entry_points if handler.allow_reentry else []
        return [*again, *handler.states.get(state, []), *handler.fallbacks]

    def _runs(self, handler, key):
        return key in handler._conversations or any(self._runs(each, key) for each in self._nested(handler))

    def _ran(self, handler, key, before):
        return key in before["states"][handler] or any(
            self._ran(each, key, before) for each in self._nested(handler)
        )

    def _drop(self, handler, key):
        handler._conversations.pop(key, None)
        for each in self._nested(handler):
            self._drop(each, key)
