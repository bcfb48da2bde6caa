"""`run_polling`: the flows start and end with it, and the user's own hooks are called as before."""

import asyncio
import logging

import pytest

from fsmkit import Flow
from fsmkit.botapi import OfflineTelegram
from fsmkit.telegram import attach, command


class Stopped:
    """Runs an application as `run_polling` does, in a loop of its own, until its updates are handled."""

    def __init__(self):
        self.offline = OfflineTelegram()
        self.events = []
        self.flow = Flow("once")

        @self.flow.defstate(None, on=command("start"))
        def start(event, ctx):
            self.events.append(("update", self.engine.running))

    def note(self, name):
        async def callback(application):
            self.events.append((name, self.engine.running))
            if name == "init":
                self.watcher = asyncio.get_running_loop().create_task(self.stop(application))

        return callback

    async def stop(self, application):
        while not self.events[1:]:
            await self.offline.polled()
            await asyncio.sleep(0)  # a poll that waits already lets nobody else run
        application.stop_running()

    def run(self):
        builder = self.offline.builder()
        builder.post_init(self.note("init")).post_stop(self.note("stop")).post_shutdown(self.note("shutdown"))
        app = builder.build()
        self.engine = attach(app, self.flow)
        app.run_polling(stop_signals=None, close_loop=False)


@pytest.fixture
def loop():
    """`run_polling` takes the current loop, and pytest's warnings see one that nobody closes."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield loop
    assert asyncio.all_tasks(loop) == set()
    loop.close()
    asyncio.set_event_loop(None)


def test_run_polling_starts_and_stops_it_and_calls_the_users_own_hooks(loop, caplog):
    caplog.set_level(logging.WARNING)
    polling = Stopped()
    polling.offline.say("/start")
    polling.run()
    assert polling.events == [("init", False), ("update", True), ("stop", False), ("shutdown", False)]
    assert (polling.engine.running, caplog.records) == (False, [])
