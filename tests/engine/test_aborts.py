"""What a handler raises that would end the bot becomes an error; what really ends it goes through."""

import asyncio
import signal
import types

import pytest
from chat_events import Word
from memory_engine import KEY, Bench

from fsmkit import ANY, Crashed, Failed, Flow, HandlerAborted, Timeout

FAIL = Word("fail")


async def in_a(handler, *, event=FAIL):
    flow = Flow("f", ttl=60)
    flow.state("a")
    flow.defstate("a", on=event)(handler)
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a", {"n": 1})
    return bench, flow


def raising(error):
    def handler(event, ctx):
        ctx.reply("never")
        raise error

    return handler


def raising_async(error):
    async def handler(event, ctx):
        await asyncio.sleep(0)
        raise error

    return handler


async def in_thread(event, ctx):
    await asyncio.to_thread(raising(SystemExit(3)), event, ctx)


async def awaiting_what_was_cancelled(event, ctx):
    task = asyncio.create_task(asyncio.sleep(3600))
    task.cancel()
    await task


@pytest.fixture
def handled_signal():
    """As asyncio and PTB have it: Ctrl-C comes as a signal, never as an exception in a handler."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


ABORTS = {
    "exit": (raising(SystemExit(3)), SystemExit),
    "exit later": (raising_async(SystemExit("bye")), SystemExit),
    "exit in a thread": (in_thread, SystemExit),
    "cancelled by nobody": (raising_async(asyncio.CancelledError()), asyncio.CancelledError),
    "cancelled elsewhere": (awaiting_what_was_cancelled, asyncio.CancelledError),
    "interrupt": (raising(KeyboardInterrupt()), KeyboardInterrupt),
    "generator": (raising_async(GeneratorExit()), GeneratorExit),
    "group": (raising(BaseExceptionGroup("g", [SystemExit()])), BaseExceptionGroup),
}


@pytest.mark.parametrize("what", ABORTS)
async def test_what_would_end_the_bot_is_an_error_of_its_handler(what, handled_signal):
    handler, kind = ABORTS[what]
    bench, _ = await in_a(handler)
    before = await bench.stored()
    with pytest.raises(HandlerAborted, match=rf"raised {kind.__name__}, .*stop_running") as caught:
        await bench.say("fail", id=1)
    assert (type(caught.value.__cause__), caught.value.raised) == (kind, kind.__name__)
    assert "flow 'f', state 'a'" in caught.value.__notes__[0]
    assert (await bench.stored(), bench.sent, bench.store.turns) == (before, [], {})


async def test_a_crashed_handler_takes_it():
    seen, flow = [], Flow("g")
    flow.state("a")
    flow.defstate("a")(raising(SystemExit()))
    flow.defstate(ANY, on=Crashed)(lambda event, ctx: seen.append(event.error.raised))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("x")
    assert seen == ["SystemExit"]


async def test_a_hook_and_a_prompt_that_raise_it_undo_their_step():
    for hooked in (True, False):
        flow = Flow("f")
        flow.state("a")
        flow.state("b", prompt=None if hooked else raising_prompt)
        flow.defstate("a")(lambda event, ctx: ("transition", "b"))
        if hooked:
            flow.on_enter("b")(raising_prompt)
        bench = Bench(flow)
        await bench.engine.set_state(flow, KEY, "a")
        with pytest.raises(HandlerAborted):
            await bench.say("x")
        assert (await bench.engine.get_state(flow, KEY))[0] == "a"


def raising_prompt(ctx):
    raise SystemExit


async def test_a_timeout_that_raises_it_is_tried_again():
    bench, flow = await in_a(raising(SystemExit()), event=Timeout)
    errors = []
    bench.engine.on_error = lambda key, event, error: errors.append(type(error))
    bench.clock.advance(61)
    await bench.engine.sweep()
    assert (errors, (await bench.engine.get_state(flow, KEY))[0]) == ([HandlerAborted], "a")


# -- what goes through -----------------------------------------------------------------------------


async def test_a_handler_that_is_really_cancelled_is_cancelled_and_the_lease_is_free():
    started = asyncio.Event()

    async def handler(event, ctx):
        started.set()
        await asyncio.sleep(3600)

    bench, _ = await in_a(handler)
    before = await bench.stored()
    task = asyncio.create_task(bench.say("fail"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await bench.stored(), bench.store.turns) == (before, {})


async def test_a_time_limit_around_it_is_a_real_cancellation():
    async def handler(event, ctx):
        await asyncio.sleep(3600)

    bench, _ = await in_a(handler)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await bench.say("fail")
    assert bench.store.turns == {}


@types.coroutine
def pause():
    yield


def test_a_coroutine_that_is_closed_ends():
    async def handler(event, ctx):
        await pause()

    bench, _ = asyncio.run(in_a(handler))
    coroutine = bench.say("fail")
    coroutine.send(None)
    coroutine.close()  # would raise if the handler's end were made an error
    assert bench.store.turns == {}


class Framework(BaseException):
    """As test tools have them."""


async def test_what_a_framework_has_for_its_own_ends_goes_through():
    bench, _ = await in_a(raising(Framework()))
    with pytest.raises(Framework):
        await bench.say("fail")
    assert bench.store.turns == {}


async def test_ctrl_c_goes_through_where_python_raises_it_itself(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    bench, _ = await in_a(raising(KeyboardInterrupt()))
    # An interrupt in a task ends the loop, so the coroutine is driven by hand.
    coroutine = bench.say("fail")
    with pytest.raises(KeyboardInterrupt):
        coroutine.send(None)
    assert bench.store.turns == {}


# -- jobs ------------------------------------------------------------------------------------------


async def cancelled_job(data):
    raise asyncio.CancelledError


def exiting_job(data):
    raise SystemExit


def stopping_job(data):
    raise StopIteration


@pytest.mark.parametrize(
    ("job", "kind"),
    [(cancelled_job, HandlerAborted), (exiting_job, HandlerAborted), (stopping_job, RuntimeError)],
)
async def test_a_job_that_raises_it_has_failed(job, kind):
    failed = asyncio.get_running_loop().create_future()
    flow = Flow("f")
    flow.state("a")
    flow.state("b", job=job)
    flow.defstate("a")(lambda event, ctx: ("transition", "b"))
    flow.defstate("b", on=Failed)(lambda event, ctx: failed.set_result(type(event.error)))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("x")
    assert await failed is kind


async def test_a_job_that_is_stopped_with_the_engine_has_not_failed():
    started, seen = asyncio.Event(), []

    async def job(data):
        started.set()
        await asyncio.sleep(3600)

    flow = Flow("f")
    flow.state("a")
    flow.state("b", job=job)
    flow.defstate("a")(lambda event, ctx: ("transition", "b"))
    flow.defstate("b", on=Failed)(lambda event, ctx: seen.append(event))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    await bench.say("x")
    await started.wait()
    await bench.engine.stop()
    assert seen == []
