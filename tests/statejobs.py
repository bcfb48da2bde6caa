"""Jobs that do what a test says, and engines that are killed."""

import asyncio

from bench import Bench, returns
from chat_events import Word

from fsmkit import Done, Failed, Flow, StoreUnavailable


class Work:
    """A job that waits in each attempt until the test says what comes of it."""

    def __init__(self):
        self.jobs = []
        self.cancelled = 0
        self._ends = []

    async def __call__(self, data, job):
        self.jobs.append(job)
        end = asyncio.get_running_loop().create_future()
        self._ends.append(end)
        try:
            return await end
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    @property
    def attempts(self):
        return [job.attempt for job in self.jobs]

    @property
    def ids(self):
        return {job.id for job in self.jobs}

    async def end(self, value=None, number=-1):
        """Lets an attempt return a value, or raise an exception."""
        if isinstance(value, BaseException):
            self._ends[number].set_exception(value)
        else:
            self._ends[number].set_result(value)
        await settle()


def working(work, **options):
    """A flow that works in state `work` once it is told to `go`."""
    flow = Flow("f", ttl=None)
    flow.state("work", job=work, **options)
    flow.state("idle")
    returns(flow, None, on=Word("go"))(("transition", "work", {"n": 1}))
    returns(flow, "work", on=Word("again"))(("transition", "work"))
    returns(flow, "work", on=Word("leave"))(("transition", "idle"))
    returns(flow, "work", on=Word("end"))(("end",))
    flow.defstate("work", on=Done)(lambda event, ctx: ("transition", "idle", {"done": event.value}))
    flow.defstate("work", on=Failed)(lambda event, ctx: ("transition", "idle", {"failed": str(event.error)}))
    return flow


def beside(bench, flow):
    """Another process on the same store, at the same time."""
    return Bench(flow, store=bench.store, clock=bench.clock)


async def settle():
    """Lets tasks run until they wait for the clock or for somebody."""
    for _ in range(60):
        await asyncio.sleep(0)


async def kill(bench):
    """Ends an engine without a word to its store, as `kill -9` does."""

    async def gone(*_args):
        raise StoreUnavailable("killed")

    jobs = bench.engine._dispatcher.jobs
    jobs.edit = jobs.apply = gone
    await bench.engine.stop()
    await settle()
