"""A process that is killed while it works, and the next one on the same file."""

import subprocess
import sys
import time

import pytest
from statejobs import settle

from fsmkit import Done, Engine, Flow, Key
from fsmkit.stores.sqlite import SQLiteStore
from fsmkit.testing import ManualClock

KEY = Key(1, 1)

WORKER = """
import asyncio, sys
from fsmkit import Engine, Flow, Key
from fsmkit.stores.sqlite import SQLiteStore

async def work(data, job):
    print(job.attempt, job.id, flush=True)
    await asyncio.Event().wait()

flow = Flow("f")
flow.state("work", job=work)
flow.defstate(None, on=str)(lambda event, ctx: ("transition", "work", {"n": 1}))

async def main():
    async with Engine(flow, store=SQLiteStore(sys.argv[1])) as engine:
        await engine.send(Key(1, 1), "go")
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def killed(tmp_path):
    """The file of a worker that was killed in the middle of its job, and that job's id."""
    file = tmp_path / "bot.db"
    with subprocess.Popen([sys.executable, "-c", WORKER, file], stdout=subprocess.PIPE, text=True) as worker:
        attempt, ident = worker.stdout.readline().split()
        worker.kill()
    assert attempt == "1"
    return file, ident


async def test_the_job_of_a_killed_process_is_begun_again_with_its_id_and_its_outcome_counts(killed):
    file, ident = killed
    begun = []

    async def work(data, job):
        begun.append((data, job.attempt, job.id))
        return "result"

    flow = Flow("f")
    flow.state("work", job=work)
    flow.defstate("work", on=Done)(lambda event, ctx: ("stay", {"done": event.value}))
    clock = ManualClock(time.time() + 31)
    store = SQLiteStore(file)
    engine = Engine(flow, store=store, clock=clock)
    await engine.sweep()
    while engine._dispatcher.jobs.running:  # the store's thread tells nobody
        await settle()
    assert begun == [({"n": 1}, 2, ident)]
    assert await engine.get_state("f", KEY) == ("work", {"done": "result"})
    await engine.stop()
    await store.close()
